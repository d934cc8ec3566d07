//! Lots: pieces of the input of which each becomes a shard, or a few. Where they are cut depends on the
//! data and the configuration alone, so that any number of threads makes the same shards.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Place, Result};
use crate::input::{BatchStream, Dataset, Extent, Reject, take_read};

use super::shape::{Prepared, Shape};

/// A piece of the input.
#[derive(Clone)]
pub(super) struct Lot {
    /// Ascends in the order of the input, with gaps; a matter of the data alone.
    pub(super) id: u64,
    pub(super) rows: LotRows,
}

/// Which rows a lot holds.
#[derive(Clone)]
pub(super) enum LotRows {
    /// All rows of these splits.
    Splits(Range<usize>),
    /// The next rows of a split that can only be read from its beginning.
    Next(Arc<Sequel>),
}

/// A split that is read over several lots, one after the other.
pub(super) struct Sequel {
    split: usize,
    /// Rows after which a lot ends.
    rows_per_lot: u64,
    /// Rows that earlier lots have read, in a run that broke off.
    skip: u64,
    stream: Mutex<Option<Box<dyn BatchStream>>>,
    has_ended: AtomicBool,
}

/// What was read for a lot, besides its rows.
#[derive(Default)]
pub(super) struct Account {
    /// Rows read, rejected ones not counted.
    pub(super) rows: u64,
    /// Bytes of input that are done.
    pub(super) bytes: u64,
    pub(super) rejects: Vec<Reject>,
    /// Rows that a filter left out.
    pub(super) filtered: u64,
    /// Whether it ended its splits.
    pub(super) is_last: bool,
    /// Whether nothing was left to read, so that this is no lot at all.
    pub(super) is_void: bool,
}

/// Cuts the input into lots, as they are asked for.
pub(super) struct Lots {
    groups: std::collections::VecDeque<Group>,
    sequel: Option<Arc<Sequel>>,
    rows_per_lot: u64,
    /// Lots of the current sequel so far.
    sequels: u64,
    /// For splits of which lots were finished in an earlier run the rows that they have read.
    skips: Vec<(usize, u64)>,
}

enum Group {
    Splits(Range<usize>),
    Sequel(usize),
}

impl Lots {
    /// Lots of about `rows_per_lot` rows; `rows` tells of a split how many it holds, about.
    pub(super) fn new(dataset: &Dataset, rows_per_lot: u64, rows: impl Fn(usize) -> u64) -> Self {
        let splits = dataset.splits();
        let mut groups = std::collections::VecDeque::new();
        let mut start = 0;
        while start < splits.len() {
            // Only a split that is too large for a lot of its own needs to be read over several.
            let is_sequel = |at: usize| splits[at].extent == Extent::Whole && rows(at) > rows_per_lot;
            if is_sequel(start) {
                groups.push_back(Group::Sequel(start));
                start += 1;
                continue;
            }
            let end = (start..splits.len()).find(|&at| is_sequel(at)).unwrap_or(splits.len());
            even_groups(start..end, rows_per_lot, &rows, |range| groups.push_back(Group::Splits(range)));
            start = end;
        }
        Lots { groups, sequel: None, rows_per_lot, sequels: 0, skips: Vec::new() }
    }

    /// Leaves out what an earlier run has finished: lots of whole splits by their numbers, the others by
    /// the split and the rows that they have read of it.
    pub(super) fn skip(&mut self, finished: &[Finished]) {
        for lot in finished {
            match self.groups.front() {
                Some(Group::Splits(_)) => drop(self.groups.pop_front()),
                Some(Group::Sequel(split)) => {
                    let split = *split;
                    match self.skips.iter_mut().find(|(other, _)| *other == split) {
                        Some((_, rows)) => *rows += lot.rows,
                        None => self.skips.push((split, lot.rows)),
                    }
                    if lot.is_last {
                        self.groups.pop_front();
                    }
                }
                None => {}
            }
        }
    }

    /// The next lot. The last lots of a split that is read over several may turn out to be void.
    pub(super) fn next(&mut self) -> Option<Lot> {
        if let Some(sequel) = &self.sequel
            && sequel.has_ended.load(Ordering::SeqCst)
        {
            self.sequel = None;
        }
        self.sequels += 1;
        let rows = match &self.sequel {
            Some(sequel) => LotRows::Next(sequel.clone()),
            None => match self.groups.pop_front()? {
                Group::Splits(range) => LotRows::Splits(range),
                Group::Sequel(split) => {
                    let skip =
                        self.skips.iter().find(|(other, _)| *other == split).map_or(0, |(_, rows)| *rows);
                    let sequel = Arc::new(Sequel {
                        split,
                        rows_per_lot: self.rows_per_lot,
                        skip,
                        stream: Mutex::new(None),
                        has_ended: AtomicBool::new(false),
                    });
                    self.sequels = 0;
                    self.sequel = Some(sequel.clone());
                    LotRows::Next(sequel)
                }
            },
        };
        let id = match &rows {
            LotRows::Splits(range) => (range.start as u64) << 32,
            LotRows::Next(sequel) => ((sequel.split as u64) << 32) + self.sequels,
        };
        Some(Lot { id, rows })
    }
}

/// A lot that an earlier run has finished.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finished {
    /// Rows read.
    pub(super) rows: u64,
    /// Whether it ended its splits.
    pub(super) is_last: bool,
}

/// Groups of neighbours with about the same number of rows each. Their number is a multiple of four
/// where there is enough for that: then two or four threads end at the same time.
fn even_groups(
    splits: Range<usize>,
    rows_per_lot: u64,
    rows: impl Fn(usize) -> u64,
    mut give: impl FnMut(Range<usize>),
) {
    let total: u64 = splits.clone().map(&rows).sum();
    let count = match total.div_ceil(rows_per_lot.max(1)) {
        0 | 1 if total < rows_per_lot / 4 => 1,
        few => few.next_multiple_of(4),
    };
    let (mut start, mut sum, mut lot) = (splits.start, 0, 0);
    for split in splits.clone() {
        sum += rows(split);
        // The lot in which the middle of the next split lies.
        let next =
            if split + 1 < splits.end { (sum + rows(split + 1) / 2) * count / total.max(1) } else { count };
        if next > lot {
            give(start..split + 1);
            (start, lot) = (split + 1, next);
        }
    }
}

/// Reads lots.
pub(super) struct Reader<'a> {
    pub(super) dataset: &'a Dataset,
    pub(super) shape: &'a Shape,
}

impl Reader<'_> {
    /// Reads a lot and gives its rows, prepared, to `each`, with the number of rows of the lot given
    /// before them.
    pub(super) fn read(
        &self,
        lot: &Lot,
        give_up: &AtomicBool,
        mut each: impl FnMut(Prepared, u64) -> Result<()>,
    ) -> Result<Account> {
        let mut account = Account::default();
        let mut given = 0;
        match &lot.rows {
            LotRows::Splits(range) => {
                for split in range.clone() {
                    let mut stream = self.open(split)?;
                    while self.step(split, stream.as_mut(), &mut account, &mut given, give_up, &mut each)? > 0
                    {
                    }
                    account.bytes += self.dataset.splits()[split].bytes;
                }
                account.is_last = true;
            }
            LotRows::Next(sequel) => {
                // What the lots before this one have read on this thread is theirs.
                take_read();
                // Held while the lot is read: the lots of a split follow one another.
                let mut held = sequel.stream.lock().unwrap_or_else(PoisonError::into_inner);
                if sequel.has_ended.load(Ordering::SeqCst) {
                    return Ok(Account { is_void: true, ..account });
                }
                let mut stream = match held.take() {
                    Some(stream) => stream,
                    None => self.open_after(sequel)?,
                };
                while account.rows < sequel.rows_per_lot {
                    let rows = self.step(
                        sequel.split,
                        stream.as_mut(),
                        &mut account,
                        &mut given,
                        give_up,
                        &mut each,
                    )?;
                    if rows == 0 {
                        account.bytes = take_read().0;
                        account.is_last = true;
                        account.is_void = account.rows == 0 && account.rejects.is_empty();
                        sequel.has_ended.store(true, Ordering::SeqCst);
                        return Ok(account);
                    }
                }
                account.bytes = take_read().0;
                *held = Some(stream);
            }
        }
        Ok(account)
    }

    /// Reads a split up to the batch that reaches `rows` rows.
    pub(super) fn read_some(
        &self,
        split: usize,
        rows: u64,
        mut each: impl FnMut(Prepared, u64) -> Result<()>,
    ) -> Result<Account> {
        let (mut account, mut given, go_on) = (Account::default(), 0, AtomicBool::new(false));
        let mut stream = self.open(split)?;
        while account.rows < rows
            && self.step(split, stream.as_mut(), &mut account, &mut given, &go_on, &mut each)? > 0
        {}
        Ok(account)
    }

    fn open(&self, split: usize) -> Result<Box<dyn BatchStream>> {
        let opened = self.dataset.read(&self.dataset.splits()[split], &self.shape.request, None);
        opened.map_err(|e| e.in_file(self.dataset.path(split)))
    }

    /// Opens a split and passes over what an earlier run has read of it; batches are the same each time.
    fn open_after(&self, sequel: &Sequel) -> Result<Box<dyn BatchStream>> {
        let mut stream = self.open(sequel.split)?;
        let mut passed = 0;
        while passed < sequel.skip {
            match stream.next_batch()? {
                Some(batch) => passed += batch.num_rows() as u64,
                None => break,
            }
            stream.take_rejects();
        }
        if passed == sequel.skip {
            return Ok(stream);
        }
        let file = self.dataset.path(sequel.split);
        Err(Error::data("the file changed since the conversion began")
            .remedy("start anew with --overwrite")
            .in_file(file))
    }

    /// Reads a batch and gives on what is stored of it; returns its rows, 0 at the end.
    fn step(
        &self,
        split: usize,
        stream: &mut dyn BatchStream,
        account: &mut Account,
        given: &mut u64,
        give_up: &AtomicBool,
        each: &mut impl FnMut(Prepared, u64) -> Result<()>,
    ) -> Result<u64> {
        if give_up.load(Ordering::Relaxed) {
            return Err(Error::interrupted());
        }
        let file = self.dataset.path(split);
        let batch = stream.next_batch().map_err(|e| e.in_file(file))?;
        account.rejects.append(&mut stream.take_rejects());
        let Some(batch) = batch else { return Ok(0) };
        let rows = batch.num_rows() as u64;
        let place = |e: Error| e.at(Place { row: None, ..stream.place(0) }).in_file(file);
        let prepared = self.shape.apply(batch).map_err(place)?;
        let kept = prepared.batch.num_rows() as u64;
        if kept > 0 {
            each(prepared, *given)?;
        }
        *given += kept;
        account.rows += rows;
        account.filtered += rows - kept;
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_even_and_cover_all() {
        for (splits, each, per_lot, expected) in
            [(62, 16_000, 400_000, 4), (3, 10, 1000, 1), (100, 1000, 9000, 12), (2, 1000, 100, 2)]
        {
            let mut groups = Vec::new();
            even_groups(0..splits, per_lot, |_| each, |range| groups.push(range));
            assert_eq!(groups.len(), expected, "{splits} {each} {per_lot}");
            assert_eq!(groups[0].start, 0);
            assert_eq!(groups[groups.len() - 1].end, splits);
            assert!(groups.windows(2).all(|pair| pair[0].end == pair[1].start));
            let sizes: Vec<usize> = groups.iter().map(Range::len).collect();
            assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{sizes:?}");
        }
    }
}
