//! A table: the records of one category or list column, growing with what it sees.

use super::before::Before;
use super::chunk::HASHED;
use super::kernels::Store;
use super::record::Record;

/// Records of one column, each of a number of blocks. The first `known` belong to the categories that the
/// plan knows by name, one each, without collisions; the `2^bits` after them are shared by hash among all
/// others.
#[derive(Debug, Clone)]
pub(crate) struct Table<const K: usize> {
    known: usize,
    mask: u32,
    /// Blocks of a record. Hot loops are told by their form, which may know it when they are compiled.
    blocks: usize,
    records: Store<Record<K>>,
    /// For each record the step up to which it is current; empty unless records change while
    /// absent (see `Rule::idle`).
    current: Store<u64>,
    /// Records to be touched before the fill is looked at again.
    until_check: usize,
    /// Of a dump that is on its way.
    before: Option<Box<Before<K>>>,
}

/// Where codes find their records, to be held in registers by a loop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Places {
    known: u32,
    mask: u32,
}

impl Places {
    /// The record's index for a code.
    #[inline(always)]
    pub(crate) fn of(self, code: u32) -> u32 {
        let hashed = self.known + (code & self.mask);
        if code & HASHED == 0 { code } else { hashed }
    }
}

/// Records a table may double to at the most: hashes have 31 bits.
const MOST_BITS: u32 = 30;
/// A table doubles when more than this share of its hashed records is in use: with n categories
/// in m records that share is 1 - exp(-n/m), so about one in four categories then shares its record.
const FULL: f64 = 0.4;
/// Bytes of what is copied at a time.
const PIECE_BYTES: usize = 16 << 10;
/// Records from which the fill is told.
const LEAST_LOOKED_AT: usize = 4096;
/// The share of the records from which it is told, where that is more.
const LOOKED_AT: usize = 64;

impl<const K: usize> Table<K> {
    /// A table of `known + 2^bits` records; `fresh(record, block)` makes each block. With `lazy`, records
    /// change while they are absent, from step `number` on.
    pub(crate) fn new(
        known: usize,
        bits: u32,
        blocks: usize,
        lazy: Option<u64>,
        fresh: impl Fn(usize, usize) -> Record<K>,
    ) -> Self {
        let size = known + (1usize << bits);
        let (mut records, mut current) = (Store::new(), Store::new());
        records.make_room(size * blocks);
        let mut record = Vec::with_capacity(blocks);
        for number in 0..size {
            record.clear();
            record.extend((0..blocks).map(|block| fresh(number, block)));
            records.extend_from_slice(&record);
        }
        if let Some(step) = lazy {
            current.extend_from_slice(&vec![step; size]);
        }
        Table {
            known,
            mask: (1u32 << bits) - 1,
            blocks,
            records,
            current,
            until_check: 1 << bits,
            before: None,
        }
    }

    /// Where codes find their records.
    #[inline(always)]
    pub(crate) fn places(&self) -> Places {
        Places { known: self.known as u32, mask: self.mask }
    }

    /// All blocks, record by record.
    pub(crate) fn blocks(&self) -> &[Record<K>] {
        &self.records
    }

    /// The step up to which each record is current, if that is kept.
    pub(crate) fn current(&self) -> &[u64] {
        &self.current
    }

    /// All blocks, and the step up to which each record is current, if that is kept.
    pub(crate) fn blocks_mut(&mut self) -> (&mut [Record<K>], &mut [u64]) {
        (&mut self.records, &mut self.current)
    }

    pub(crate) fn known(&self) -> usize {
        self.known
    }

    /// Records to be touched before the fill is looked at again.
    pub(crate) fn until_check(&self) -> usize {
        self.until_check
    }

    /// Puts others in the place of all records, `hashed` of which are shared by hash, a power of two.
    pub(crate) fn replace(
        &mut self,
        hashed: usize,
        until_check: usize,
        current: Store<u64>,
        records: Store<Record<K>>,
    ) {
        debug_assert_eq!(records.len(), (self.known + hashed) * self.blocks);
        let mask = (hashed - 1) as u32;
        let before = None;
        *self = Table { known: self.known, mask, blocks: self.blocks, records, current, until_check, before };
    }

    /// Begins a dump: from now on what records are is kept when they change.
    pub(super) fn begin_dump(&mut self) {
        self.before = Some(Box::new(Before::new(self.len(), self.blocks)));
    }

    /// Appends the next part of the dump. Returns whether that was the last one.
    pub(super) fn dump_part(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(before) = &mut self.before else { return true };
        let is_last = before.next_part(&self.records, &self.current, out);
        if is_last {
            self.before = None;
        }
        is_last
    }

    pub(super) fn give_up_dump(&mut self) {
        self.before = None;
    }

    /// Keeps for a dump, if there is one, what the records at some places are. To be called before they change.
    #[inline(always)]
    pub(crate) fn keep(&mut self, places: &[u32]) {
        if let Some(before) = &mut self.before {
            before.keep(places.iter().map(|&place| place as usize), &self.records, &self.current);
        }
    }

    /// The same for all records.
    pub(crate) fn keep_all(&mut self) {
        if let Some(before) = &mut self.before {
            before.keep_all(&self.records, &self.current);
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.records.len() * size_of::<Record<K>>() + self.current.len() * size_of::<u64>()
    }

    /// Records.
    pub(crate) fn len(&self) -> usize {
        self.records.len() / self.blocks
    }

    /// Records that doubling would add.
    pub(crate) fn growth(&self) -> usize {
        self.mask as usize + 1
    }

    /// Counts records touched, repeats included.
    pub(crate) fn count(&mut self, touched: usize) {
        self.until_check = self.until_check.saturating_sub(touched);
    }

    /// Whether the table is now so full that it should double. Looks only after half as many records were
    /// touched as there are, and at some of them, which are filled as the others are since hashes are uniform: looking at
    /// all of them took an eighth of the time of learning.
    pub(crate) fn wants_to_grow(&mut self) -> bool {
        if self.until_check > 0 {
            return false;
        }
        let hashed = self.mask as usize + 1;
        self.until_check = (hashed / 2).max(1024);
        let part = (hashed / LOOKED_AT).max(LEAST_LOOKED_AT).min(hashed);
        let records = self.records[self.known * self.blocks..].chunks_exact(self.blocks);
        let used = records.take(part).filter(|blocks| blocks[0].touched()).count();
        used as f64 > FULL * part as f64 && self.mask.count_ones() < MOST_BITS
    }

    /// Doubles the hashed part: record s becomes s and s + 2^bits, both with s's contents, so that no
    /// category loses what was learned for it.
    pub(crate) fn double(&mut self) {
        self.keep_all();
        let first = self.known * self.blocks;
        let more = self.records.len() - first;
        self.records.make_room(more);
        // Piece by piece, so that what is marked is still near when it is copied.
        let (end, piece) = (self.records.len(), PIECE_BYTES / size_of::<Record<K>>());
        for start in (first..end).step_by(piece) {
            let piece = start..end.min(start + piece);
            self.records[piece.clone()].iter_mut().for_each(Record::mark_untouched);
            self.records.extend_from_within(piece);
        }
        if !self.current.is_empty() {
            self.current.extend_from_within(self.known..self.current.len());
        }
        self.mask = self.mask * 2 + 1;
    }

    /// The table with other blocks in each record: `f` appends those that a record's blocks become, which
    /// are `blocks`.
    pub(crate) fn map<const L: usize>(
        &self,
        blocks: usize,
        f: impl Fn(&[Record<K>], &mut Vec<Record<L>>),
    ) -> Table<L> {
        let mut records = Store::new();
        records.make_room(self.records.len() / self.blocks * blocks);
        let mut mapped = Vec::with_capacity(blocks);
        for record in self.records.chunks_exact(self.blocks) {
            mapped.clear();
            f(record, &mut mapped);
            records.extend_from_slice(&mapped);
        }
        Table {
            known: self.known,
            mask: self.mask,
            blocks,
            records,
            current: self.current.clone(),
            until_check: self.until_check,
            before: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubling_loses_no_weight_and_marks_the_copies_untouched() {
        let mut table = Table::<2>::new(3, 4, 2, None, |_, _| Record::ZERO);
        for code in 0..200u32 {
            let index = table.places().of(HASHED | code.wrapping_mul(2_654_435_761)) as usize;
            let records = table.blocks_mut().0;
            records[2 * index + 1].weight[0] = index as f32;
            records[2 * index].gradient = [0.0; 2];
        }
        table.blocks_mut().0[2].weight[0] = 0.5;
        table.count(1000);
        assert!(table.wants_to_grow());
        let before = table.clone();
        table.double();
        assert_eq!(table.blocks().len(), 2 * (3 + 32));
        for code in 0..5000u32 {
            let code = HASHED | code.wrapping_mul(2_654_435_761);
            let weight = |table: &Table<2>| table.blocks()[2 * table.places().of(code) as usize + 1].weight;
            assert_eq!(weight(&table), weight(&before));
        }
        assert_eq!(table.blocks()[2].weight[0], 0.5);
        table.count(100_000);
        assert!(!table.wants_to_grow(), "copies count as used only once they are touched");
    }
}
