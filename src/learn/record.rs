//! A record: all that is kept of one feature, for K lanes side by side.

use wide::f32x4;

/// The weights of one feature in K lanes, with what their optimiser keeps, in one run of memory:
/// a feature is touched by one cache miss, and SIMD runs across the lanes. A lane is a model's weight, or
/// one of several numbers that a model has for the feature (see [`super::form`]): then a feature has several
/// of these blocks in a row.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub(crate) struct Record<const K: usize> {
    /// Weights.
    pub(crate) weight: [f32; K],
    /// The optimiser's accumulator: AdaGrad's and FTRL's sum of squares, RMSprop's moving mean,
    /// momentum's velocity.
    pub(crate) accumulator: [f32; K],
    /// The gradient of the current mini-batch, zero between mini-batches: minus zero as long as no row
    /// has touched the record since it was made or copied, see [`Record::touched`].
    pub(crate) gradient: [f32; K],
    /// The sum of all changes of the weight, each times the clock at which it happened: the time-weighted
    /// mean of the weight is `weight - drift / clock` (see `step::clock`). FTRL's `z` instead.
    pub(crate) drift: [f32; K],
}

impl<const K: usize> Record<K> {
    pub(crate) const ZERO: Self =
        Record { weight: [0.0; K], accumulator: [0.0; K], gradient: [-0.0; K], drift: [0.0; K] };

    /// Marks the record, as it stands in both halves of a doubled table, as one that no row has touched yet. Any
    /// gradient added to minus zero, zero included, leaves no minus zero, so the mark costs no branch.
    pub(crate) fn mark_untouched(&mut self) {
        self.gradient = [-0.0; K];
    }

    /// Adds to the gradient.
    #[inline(always)]
    pub(crate) fn gather(&mut self, g: &[f32; K]) {
        if K == 1 {
            // All of the record is written, since all of it is loaded at once when it takes its step: what one store wrote a
            // processor passes on to a load, where a load needs more it waits for the cache. To add minus zero changes nothing.
            let record: f32x4 = bytemuck::cast(*self);
            *self = bytemuck::cast(record + f32x4::from([-0.0, -0.0, g[0], -0.0]));
        } else {
            for k in 0..K {
                self.gradient[k] += g[k];
            }
        }
    }

    /// Whether a row touched the record since it was made or copied.
    pub(crate) fn touched(&self) -> bool {
        self.gradient[0].to_bits() == 0
    }

    /// The record of some of the lanes.
    pub(crate) fn only<const L: usize>(&self, lanes: [usize; L]) -> Record<L> {
        Record {
            weight: lanes.map(|lane| self.weight[lane]),
            accumulator: lanes.map(|lane| self.accumulator[lane]),
            gradient: lanes.map(|lane| self.gradient[lane]),
            drift: lanes.map(|lane| self.drift[lane]),
        }
    }
}

/// The blocks of a record, of which there are `blocks`.
#[inline(always)]
pub(crate) fn record<const K: usize>(records: &[Record<K>], place: u32, blocks: usize) -> &[Record<K>] {
    &records[place as usize * blocks..][..blocks]
}

#[inline(always)]
pub(crate) fn record_mut<const K: usize>(
    records: &mut [Record<K>],
    place: u32,
    blocks: usize,
) -> &mut [Record<K>] {
    &mut records[place as usize * blocks..][..blocks]
}
