//! A stretch of a file in which no quote stands.

use std::io;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use memchr::memchr;

use crate::input::disk::DiskFile;

/// The stretch that was looked through last. Who asks for the next quote from many places of a file without any
/// would otherwise read all of it from each.
#[derive(Debug, Default)]
pub(super) struct Quiet(Mutex<Range<u64>>);

impl Quiet {
    /// Where the first quote stands at or after `from` and before `end`, which is not beyond the file's.
    pub(super) fn next(&self, file: &DiskFile, quote: u8, from: u64, end: u64) -> io::Result<Option<u64>> {
        // Any stretch that stands here is right, wherever another thread may have stopped.
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stretch = Some(known().clone()).filter(|known| known.contains(&from)).unwrap_or(from..from);
        let mut block = vec![0; 256 << 10];
        let mut found = None;
        while found.is_none() && stretch.end < end {
            let block = &mut block[..(end - stretch.end).min(256 << 10) as usize];
            file.read_exact_at(block, stretch.end)?;
            let at = memchr(quote, block);
            stretch.end += at.unwrap_or(block.len()) as u64;
            found = at.map(|_| stretch.end);
        }
        *known() = stretch;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_next_quote_is_found_from_anywhere() {
        let (mut file, len) = (tempfile::tempfile().unwrap(), 2_000_000);
        let mut text = vec![b'a'; len as usize];
        let quotes = [0, 1, 700_000, 1_500_000];
        quotes.iter().for_each(|at| text[*at as usize] = b'"');
        file.write_all(&text).unwrap();
        let file = DiskFile::of(file);
        let quiet = Quiet::default();
        let places = [2, 3, 1_500_001, 900_000, 700_000, 700_001, 1_499_999, 0, 1, 2, 600_000, 1_999_999];
        for (from, end) in
            places.iter().flat_map(|from| [(*from, len), (*from, from + 1), (*from, from + 600_000)])
        {
            let end = end.min(len);
            let expected = quotes.into_iter().find(|at| (from..end).contains(at));
            assert_eq!(quiet.next(&file, b'"', from, end).unwrap(), expected, "{from}..{end}");
        }
    }
}
