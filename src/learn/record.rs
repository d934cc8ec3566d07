//! A record: all that is kept of one feature, for K models side by side.

/// The weights of one feature in K models, with what their optimiser keeps, in one run of memory:
/// a feature is touched by one cache miss, and SIMD runs across the models.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub(crate) struct Record<const K: usize> {
    /// Weights.
    pub(crate) weight: [f32; K],
    /// The optimiser's accumulator (AdaGrad's sum of squares, RMSprop's moving mean). Its sign
    /// says whether the record was touched since its table last doubled: see [`Record::copied`].
    pub(crate) accumulator: [f32; K],
    /// The gradient of the current mini-batch, zero between mini-batches.
    pub(crate) gradient: [f32; K],
    /// The sum of all changes of the weight, each times the clock at which it happened. The
    /// time-weighted mean of the weight is `weight - drift / clock` (see `shard::clock`).
    pub(crate) drift: [f32; K],
}

impl<const K: usize> Record<K> {
    pub(crate) const ZERO: Self =
        Record { weight: [0.0; K], accumulator: [0.0; K], gradient: [0.0; K], drift: [0.0; K] };

    /// The record as it goes into the new half of a doubled table: the accumulator's sign bit marks
    /// it as not yet touched there. Every rule reads the accumulator by its absolute value and
    /// writes it back positive, so that the mark costs no branch.
    pub(crate) fn copied(self) -> Self {
        Record { accumulator: self.accumulator.map(|a| -a.abs()), ..self }
    }

    /// Whether a row touched the record since its table last doubled.
    pub(crate) fn touched(&self) -> bool {
        self.accumulator.iter().any(|&a| a > 0.0)
    }

    /// The record of model `model` alone.
    pub(crate) fn only(&self, model: usize) -> Record<1> {
        Record {
            weight: [self.weight[model]],
            accumulator: [self.accumulator[model]],
            gradient: [self.gradient[model]],
            drift: [self.drift[model]],
        }
    }
}
