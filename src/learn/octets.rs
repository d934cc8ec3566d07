//! Octets: the steps of eight records of one lane at a time, so that SIMD runs across records where it can't
//! across lanes.

use super::optimizer::Rule;
use super::record::Record;
use super::step::{Lanes, MODELS, Step};

/// Records that take their steps together: as many as AVX2 has lanes.
pub(crate) const LANES: usize = 8;

/// A step of records of one lane.
pub(crate) struct Octets<R>(Step<R, LANES>);

impl<R: Rule> Octets<R> {
    /// The step `step`, of which only the first lane counts.
    #[inline(always)]
    pub(crate) fn new<const K: usize>(step: &Step<R, K>) -> Self {
        let all = |lanes: &Lanes<f32, K>| [[lanes[0][0]; LANES]; MODELS];
        Octets(step.with_lanes(all(&step.rates), (all(&step.l1), all(&step.l2))))
    }

    /// Takes the steps of the records at `places` along the gradients that they have gathered. A record may occur
    /// several times, within an octet, too, whose lanes then do the same.
    #[inline(always)]
    pub(crate) fn take<const K: usize>(&self, records: &mut [Record<K>], places: &[u32]) {
        let (octets, rest) = places.as_chunks::<LANES>();
        for octet in octets {
            self.take_one(records, octet);
        }
        if let Some(&first) = rest.first() {
            let mut octet = [first; LANES];
            octet[..rest.len()].copy_from_slice(rest);
            self.take_one(records, &octet);
        }
    }

    /// Catches up on the steps that the records at `places`, each of which occurs once, missed since those of `since`.
    #[inline(always)]
    pub(crate) fn catch_up<const K: usize>(&self, records: &mut [Record<K>], places: &[u32], since: &[u64]) {
        for (places, since) in places.chunks(LANES).zip(since.chunks(LANES)) {
            // Lanes that are left over have nothing to catch up on.
            let (mut octet, mut at) = ([places[0]; LANES], [self.0.number; LANES]);
            octet[..places.len()].copy_from_slice(places);
            at[..places.len()].copy_from_slice(since);
            let mut record = gathered(records, &octet);
            self.0.catch_up_lanes(&mut record, 0, &at);
            // From the end: those lanes have the first one's place.
            for (lane, &place) in octet.iter().enumerate().rev() {
                let to = &mut records[place as usize];
                to.weight[0] = record.weight[lane];
                to.accumulator[0] = record.accumulator[lane];
                to.drift[0] = record.drift[lane];
            }
        }
    }

    #[inline(always)]
    fn take_one<const K: usize>(&self, records: &mut [Record<K>], places: &[u32; LANES]) {
        let mut octet = gathered(records, places);
        let gradient = octet.gradient;
        self.0.take(&mut octet, 0, gradient);
        for (lane, &place) in places.iter().enumerate() {
            records[place as usize] = Record {
                weight: [octet.weight[lane]; K],
                accumulator: [octet.accumulator[lane]; K],
                gradient: [0.0; K],
                drift: [octet.drift[lane]; K],
            };
        }
    }
}

/// The first lanes of the records at some places.
#[inline(always)]
fn gathered<const K: usize>(records: &[Record<K>], places: &[u32; LANES]) -> Record<LANES> {
    let mut octet = Record::ZERO;
    for (lane, &place) in places.iter().enumerate() {
        let record = &records[place as usize];
        octet.weight[lane] = record.weight[0];
        octet.accumulator[lane] = record.accumulator[0];
        octet.gradient[lane] = record.gradient[0];
        octet.drift[lane] = record.drift[0];
    }
    octet
}
