//! Line breaks before places in a file, for the line numbers of messages.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

use crate::input::disk::DiskFile;

/// Counts of line breaks. Each is found from the nearest one before, so that all splits of a file
/// together read it once, even if every one of them asks.
#[derive(Debug, Default)]
pub(super) struct Breaks(Mutex<BTreeMap<u64, u64>>);

impl Breaks {
    /// Line breaks before the byte `at` of a plain file.
    pub(super) fn before(&self, file: &DiskFile, at: u64) -> io::Result<u64> {
        // A count is never wrong, wherever another thread may have stopped.
        let known = || self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (mut position, mut breaks) =
            known().range(..=at).next_back().map_or((0, 0), |(position, breaks)| (*position, *breaks));
        let mut block = vec![0; 256 << 10];
        while position < at {
            let block = &mut block[..(at - position).min(256 << 10) as usize];
            file.read_exact_at(block, position)?;
            breaks += block.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
            position += block.len() as u64;
        }
        known().insert(at, breaks);
        Ok(breaks)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn counted_from_anywhere() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&b"ab\n".repeat(200_000)).unwrap();
        let file = DiskFile::of(file);
        let breaks = Breaks::default();
        for at in [0, 500_000, 3, 2, 599_999, 600_000, 500_001] {
            assert_eq!(breaks.before(&file, at).unwrap(), at / 3);
        }
        assert!(breaks.before(&file, 600_001).is_err());
    }
}
