//! Octets: the steps of eight records of one lane at a time, so that SIMD runs across records where it can't
//! across lanes.

use super::optimizer::Rule;
use super::record::Record;
use super::step::{MODELS, Step};
use super::table::Places;

/// Records that take their steps together: as many as AVX2 has lanes.
const LANES: usize = 8;

/// A step of records of one lane.
pub(crate) struct Octets<R>(Step<R, LANES>);

impl<R: Rule> Octets<R> {
    /// The step `step`, of which only the first lane counts.
    #[inline(always)]
    pub(crate) fn new<const K: usize>(step: &Step<R, K>) -> Self {
        let mut lanes = ([[0.0; LANES]; MODELS], [[0.0; LANES]; MODELS]);
        lanes.0[0] = [step.rates[0][0]; LANES];
        lanes.1[0] = [step.l2[0][0]; LANES];
        Octets(step.with_lanes(lanes.0, lanes.1))
    }

    /// Takes the steps of the records of `codes` along the gradients that they have gathered. A record may occur
    /// several times, within an octet, too, whose lanes then do the same.
    #[inline(always)]
    pub(crate) fn take<const K: usize>(&self, records: &mut [Record<K>], places: Places, codes: &[u32]) {
        let (octets, rest) = codes.as_chunks::<LANES>();
        for octet in octets {
            self.take_one(records, octet.map(|code| places.of(code)));
        }
        if let Some(&first) = rest.first() {
            let mut octet = [first; LANES];
            octet[..rest.len()].copy_from_slice(rest);
            self.take_one(records, octet.map(|code| places.of(code)));
        }
    }

    /// Takes the steps of all records along the gradients that they have gathered: those that have gathered none stay
    /// as they are.
    #[inline(always)]
    pub(crate) fn take_all<const K: usize>(&self, records: &mut [Record<K>]) {
        let untouched = (-0.0f32).to_bits();
        for records in records.chunks_mut(LANES) {
            let mut octet = gather(|lane| records.get(lane).unwrap_or(&records[0]));
            let gradient = octet.gradient;
            self.0.take(&mut octet, 0, gradient);
            octet.gradient = gradient.map(|g| if g.to_bits() == untouched { g } else { 0.0 });
            scatter(&octet, |lane, record| records.get_mut(lane).into_iter().for_each(|r| *r = record));
        }
    }

    #[inline(always)]
    fn take_one<const K: usize>(&self, records: &mut [Record<K>], places: [usize; LANES]) {
        let mut octet = gather(|lane| &records[places[lane]]);
        let gradient = octet.gradient;
        self.0.take(&mut octet, 0, gradient);
        octet.gradient = [0.0; LANES];
        scatter(&octet, |lane, record| records[places[lane]] = record);
    }
}

/// Records side by side, of each its first lane. Number by number: a record's gradient has just been written by
/// itself, and the processor would have to wait for it to read all of the record at once.
#[inline(always)]
fn gather<'a, const K: usize>(record: impl Fn(usize) -> &'a Record<K>) -> Record<LANES> {
    let mut octet = Record::ZERO;
    for lane in 0..LANES {
        let record = record(lane);
        octet.weight[lane] = record.weight[0];
        octet.accumulator[lane] = record.accumulator[0];
        octet.gradient[lane] = record.gradient[0];
        octet.drift[lane] = record.drift[0];
    }
    octet
}

/// Gives each lane's record to `put`.
#[inline(always)]
fn scatter<const K: usize>(octet: &Record<LANES>, mut put: impl FnMut(usize, Record<K>)) {
    for lane in 0..LANES {
        let record = Record {
            weight: [octet.weight[lane]; K],
            accumulator: [octet.accumulator[lane]; K],
            gradient: [octet.gradient[lane]; K],
            drift: [octet.drift[lane]; K],
        };
        put(lane, record);
    }
}
