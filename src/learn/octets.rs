//! Octets: the steps of several records of one lane at a time, so that SIMD runs across records where it can't
//! across lanes. Of eight where there is much to compute, to catch up; of fours where loads and stores count.

use wide::f32x4;

use super::form::Form;
use super::optimizer::Rule;
use super::record::{Record, record_mut};
use super::step::{Lanes, MODELS, Step};

/// Records that catch up together: as many as AVX2 has lanes.
pub(crate) const LANES: usize = 8;

/// Records that are at hand together when they take their steps, and how many of them are one vector: as many as a record of
/// one lane has numbers.
const TOGETHER: usize = 32;
pub(crate) const QUARTET: usize = 4;

/// A step of some records at a time: of those of one lane several together, of others one by one.
pub(crate) struct Octets<R> {
    eight: Step<R, LANES>,
    four: Step<R, QUARTET>,
}

impl<R: Rule> Octets<R> {
    /// The step `step`, of which only the first lane counts.
    #[inline(always)]
    pub(crate) fn new<const K: usize>(step: &Step<R, K>) -> Self {
        Octets { eight: of_first_lane(step), four: of_first_lane(step) }
    }

    /// Takes the steps of the records at `places` along the gradients that they have gathered; `step` is that of all lanes.
    #[inline(always)]
    pub(crate) fn take<F: Form<K>, const K: usize>(
        &self,
        step: &Step<R, K>,
        form: &F,
        records: &mut [Record<K>],
        places: &[u32],
    ) {
        let blocks = form.blocks();
        if K == 1 && blocks == 1 {
            self.take_single(records, places);
        } else {
            // (No closures here: they are not always compiled for AVX2.)
            for &place in places {
                step.take_gathered(record_mut(records, place, blocks), form);
            }
        }
    }

    /// Catches up on the steps that the records at some places, each of which occurs once, missed since those beside them;
    /// `step` is that of all lanes.
    #[inline(always)]
    pub(crate) fn catch_up<F: Form<K>, const K: usize>(
        &self,
        step: &Step<R, K>,
        form: &F,
        records: &mut [Record<K>],
        (places, since): (&[u32], &[u64]),
    ) {
        let blocks = form.blocks();
        if K == 1 && blocks == 1 {
            self.catch_up_single(records, places, since);
        } else {
            for (&place, &since) in places.iter().zip(since) {
                step.catch_up(record_mut(records, place, blocks), since, form);
            }
        }
    }

    /// The steps of records of one lane. A record may occur several times, among those at hand together, too: all then
    /// do the same.
    #[inline(always)]
    fn take_single<const K: usize>(&self, records: &mut [Record<K>], places: &[u32]) {
        let (quartets, rest) = places.as_chunks::<QUARTET>();
        for quartets in quartets.chunks(TOGETHER / QUARTET) {
            self.take_quartets(records, quartets);
        }
        if let Some(&first) = rest.first() {
            let mut quartet = [first; QUARTET];
            quartet[..rest.len()].copy_from_slice(rest);
            self.take_quartets(records, &[quartet]);
        }
    }

    /// In three loops, each with a use for all that the processor has, instead of one that it could not look beyond.
    #[inline(always)]
    fn take_quartets<const K: usize>(&self, records: &mut [Record<K>], places: &[[u32; QUARTET]]) {
        let mut quartets = [Record::ZERO; TOGETHER / QUARTET];
        for (quartet, places) in quartets.iter_mut().zip(places) {
            let record = |place: u32| bytemuck::cast(records[place as usize]);
            *quartet = bytemuck::cast(f32x4::transpose(places.map(record)));
        }
        for quartet in &mut quartets[..places.len()] {
            let gradient = std::mem::replace(&mut quartet.gradient, [0.0; QUARTET]);
            self.four.take(quartet, 0, gradient);
        }
        for (quartet, places) in quartets.iter().zip(places) {
            let taken = f32x4::transpose(bytemuck::cast(*quartet));
            for (record, &place) in taken.iter().zip(places) {
                records[place as usize] = bytemuck::cast(*record);
            }
        }
    }

    /// Takes the steps of four neighbours, records of one lane, along the gradients `g`.
    #[inline(always)]
    pub(crate) fn take_neighbours<const K: usize>(
        &self,
        records: &mut [Record<K>; QUARTET],
        g: [f32; QUARTET],
    ) {
        let [a, b, c, d] = &*records;
        let columns = [bytemuck::cast(*a), bytemuck::cast(*b), bytemuck::cast(*c), bytemuck::cast(*d)];
        let mut quartet: Record<QUARTET> = bytemuck::cast(f32x4::transpose(columns));
        quartet.gradient = [0.0; QUARTET];
        self.four.take(&mut quartet, 0, g);
        for (record, taken) in records.iter_mut().zip(f32x4::transpose(bytemuck::cast(quartet))) {
            *record = bytemuck::cast(taken);
        }
    }

    /// Catches up on the steps that records of one lane missed.
    #[inline(always)]
    fn catch_up_single<const K: usize>(&self, records: &mut [Record<K>], places: &[u32], since: &[u64]) {
        for (places, since) in places.chunks(LANES).zip(since.chunks(LANES)) {
            // Lanes that are left over have nothing to catch up on.
            let (mut octet, mut at) = ([places[0]; LANES], [self.eight.number; LANES]);
            octet[..places.len()].copy_from_slice(places);
            at[..places.len()].copy_from_slice(since);
            let mut record = gathered(records, &octet);
            self.eight.catch_up_lanes(&mut record, 0, &at);
            // From the end: those lanes have the first one's place.
            for (lane, &place) in octet.iter().enumerate().rev() {
                records[place as usize] = Record {
                    weight: [record.weight[lane]; K],
                    accumulator: [record.accumulator[lane]; K],
                    gradient: [record.gradient[lane]; K],
                    drift: [record.drift[lane]; K],
                };
            }
        }
    }
}

#[inline(always)]
fn of_first_lane<R: Rule, const K: usize, const L: usize>(step: &Step<R, K>) -> Step<R, L> {
    let all = |lanes: &Lanes<f32, K>| [[lanes[0][0]; L]; MODELS];
    step.with_lanes(all(&step.rates), (all(&step.l1), all(&step.l2)))
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
