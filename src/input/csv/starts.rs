//! Where the records of a plain file begin that is cut into ranges.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::boundary::{Text, record_start};
use super::quiet::Quiet;
use super::records::BLOCK;

/// Bytes after the nominal beginning of a range within which a record is likely to begin.
const NEAR: u64 = BLOCK as u64;

/// The first records of the ranges that were asked for: each is asked for when it is read and when the one before it
/// ends, in every pass.
///
/// Where no record begins near, as in the middle of a very long one, the range before is asked: if its first record, too,
/// begins behind this place, then so it is here. To look for it from each of many ranges would be to read the long record
/// as often. The answers depend on the file alone, not on what was asked before.
#[derive(Debug)]
pub(super) struct Starts {
    /// Where the rows begin.
    first: u64,
    /// Ranges begin at multiples of this.
    step: u64,
    quiet: Quiet,
    known: Mutex<HashMap<u64, u64>>,
}

impl Starts {
    pub(super) fn new(first: u64, step: u64) -> Self {
        Starts { first, step: step.max(1), quiet: Quiet::default(), known: Mutex::default() }
    }

    /// Where the first record begins at or after `nominal`, as it seems.
    pub(super) fn at(&self, text: Text, nominal: u64) -> io::Result<u64> {
        let mut far = Vec::new();
        let mut at = nominal;
        let mut start = loop {
            if at <= self.first {
                break self.first;
            }
            let known = self.known().get(&at).copied();
            if let Some(start) = known {
                break start;
            }
            if let Some(start) = record_start(text, &self.quiet, at, NEAR)? {
                self.known().insert(at, start);
                break start;
            }
            far.push(at);
            at = (at - 1) / self.step * self.step;
        };
        while let Some(at) = far.pop() {
            if start < at {
                start = record_start(text, &self.quiet, at, u64::MAX)?.unwrap_or(text.len);
            }
            self.known().insert(at, start);
        }
        Ok(start)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<u64, u64>> {
        // An answer is never wrong, wherever another thread may have stopped.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use crate::input::disk::DiskFile;

    use super::*;
    use crate::input::csv::dialect::Dialect;

    /// A file whose records have the given lengths, and where they begin.
    fn write(lengths: &[usize], cell: impl Fn(usize) -> String) -> (DiskFile, u64, Vec<u64>) {
        let (mut file, mut at, mut starts) = (tempfile::tempfile().unwrap(), 0, Vec::new());
        for length in lengths {
            let record = format!("1,{}\n", cell(*length));
            file.write_all(record.as_bytes()).unwrap();
            starts.push(at);
            at += record.len() as u64;
        }
        (DiskFile::of(file), at, starts)
    }

    #[test]
    fn the_order_of_questions_does_not_matter() {
        let lengths = [10, 400_000, 20, 3_000_000, 5, 100_000, 1_200_000, 700_000, 2];
        let plain = |length: usize| "x".repeat(length);
        let quoted = |length: usize| format!("\"{}\"", "a b\n".repeat(length / 4));
        for (file, len, starts) in [write(&lengths, plain), write(&lengths, quoted)] {
            let text = Text { file: &file, len, dialect: Dialect::quoted(b','), columns: 2 };
            let next = |nominal: u64| starts.iter().copied().find(|start| *start >= nominal).unwrap_or(len);
            let step = 65_536;
            let ranges: Vec<u64> = (0..len.div_ceil(step)).map(|range| range * step).collect();
            let (upwards, downwards, alone) =
                (Starts::new(0, step), Starts::new(0, step), |at| Starts::new(0, step).at(text, at).unwrap());
            let downwards: Vec<u64> =
                ranges.iter().rev().map(|at| downwards.at(text, *at).unwrap()).collect();
            for (at, down) in ranges.iter().zip(downwards.iter().rev()) {
                let start = upwards.at(text, *at).unwrap();
                assert_eq!((start, start), (next(*at), *down), "from byte {at}");
                if at % (16 * step) == 0 {
                    assert_eq!(alone(*at), start);
                }
            }
            // Between ranges, too.
            assert_eq!(alone(2_000_001), next(2_000_001));
        }
    }
}
