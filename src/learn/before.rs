//! What records were when a dump began, for those that change before they are dumped.
//!
//! A table is dumped part by part while it learns. A record that is about to change is kept here first, unless its part
//! has left already or it is kept: copy on write, by records, so that what is kept is what mini-batches touch.

use super::dump::{PIECE, put_records};
use super::record::Record;
use crate::raw;

/// A table's records on their way into a dump.
#[derive(Debug, Clone)]
pub(crate) struct Before<const K: usize> {
    /// Blocks of a record.
    blocks: usize,
    /// Records when the dump began, and those of them that have left, from the first on.
    records: usize,
    left: usize,
    /// A bit for each record: whether it is kept.
    is_kept: Vec<u64>,
    /// The kept ones, by the part that they leave with.
    parts: Vec<Kept<K>>,
}

#[derive(Debug, Clone, Default)]
struct Kept<const K: usize> {
    places: Vec<u32>,
    current: Vec<u64>,
    records: Vec<Record<K>>,
}

/// Records that leave together, where each has so many blocks.
pub(super) fn part_of<const K: usize>(blocks: usize) -> usize {
    (PIECE / (blocks * size_of::<Record<K>>())).max(1)
}

impl<const K: usize> Before<K> {
    /// Of a table of so many records, each of so many blocks.
    pub(super) fn new(records: usize, blocks: usize) -> Self {
        let parts = vec![Kept::default(); records.div_ceil(part_of::<K>(blocks))];
        Before { blocks, records, left: 0, is_kept: vec![0; records.div_ceil(64)], parts }
    }

    /// Keeps records that are about to change, given all of the table and the steps up to which they are current, if
    /// that is known.
    pub(super) fn keep(
        &mut self,
        places: impl Iterator<Item = usize>,
        records: &[Record<K>],
        current: &[u64],
    ) {
        let part_of = part_of::<K>(self.blocks);
        for place in places {
            // A table that has doubled has more records than it had.
            if place < self.left || place >= self.records {
                continue;
            }
            let (word, bit) = (&mut self.is_kept[place / 64], 1 << (place % 64));
            if *word & bit == 0 {
                *word |= bit;
                let kept = &mut self.parts[place / part_of];
                kept.places.push(place as u32);
                kept.current.extend(current.get(place));
                kept.records.extend_from_slice(&records[place * self.blocks..][..self.blocks]);
            }
        }
    }

    /// Keeps all records that have not left.
    pub(super) fn keep_all(&mut self, records: &[Record<K>], current: &[u64]) {
        self.keep(self.left..self.records, records, current);
    }

    /// Appends the next part, as it was, to `out`: first the steps up to which records are current, if that is known.
    /// Returns whether that was the last one.
    pub(super) fn next_part(&mut self, records: &[Record<K>], current: &[u64], out: &mut Vec<u8>) -> bool {
        let (first, part_of) = (self.left, part_of::<K>(self.blocks));
        let end = (first + part_of).min(self.records);
        let kept = self.parts.get_mut(first / part_of).map(std::mem::take).unwrap_or_default();
        let places = kept.places.iter().map(|&place| place as usize - first);
        if let Some(current) = current.get(first..end) {
            let start = out.len();
            raw::put(out, current);
            for (place, step) in places.clone().zip(&kept.current) {
                out[start + place * size_of::<u64>()..][..size_of::<u64>()]
                    .copy_from_slice(&step.to_le_bytes());
            }
        }
        let (start, bytes) = (out.len(), self.blocks * size_of::<Record<K>>());
        out.resize(start + (end - first) * bytes, 0);
        put_records(&mut out[start..], &records[first * self.blocks..end * self.blocks]);
        for (place, record) in places.zip(kept.records.chunks_exact(self.blocks)) {
            put_records(&mut out[start + place * bytes..][..bytes], record);
        }
        self.left = end;
        end == self.records
    }
}
