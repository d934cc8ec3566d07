//! What a split takes, read past the system's cache before anybody asks for it.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use bytes::Bytes;

use super::room::Room;
use super::spare::ROOMS;

/// What positions in files and addresses of memory must be multiples of for direct I/O.
pub(super) const BLOCK: u64 = 4 << 10;
/// The most bytes that are fetched at once.
const MOST_BYTES: u64 = 48 << 20;
/// Ranges that lie closer to each other than this are read as one.
const CLOSE: u64 = 64 << 10;

/// Ranges of a file, in memory.
#[derive(Debug, Clone)]
pub struct Fetched {
    bytes: Bytes,
    /// What lies where.
    pieces: Vec<(Range<u64>, usize)>,
}

impl Fetched {
    /// Reads ranges of a file that was opened for direct I/O; `None` if they are too many bytes, or can't be read so.
    pub(super) fn read(direct: &File, ranges: Vec<Range<u64>>) -> Option<Self> {
        let (mut pieces, mut bytes) = (Vec::new(), 0);
        for range in merged(ranges) {
            let blocks = range.start / BLOCK * BLOCK..range.end.checked_next_multiple_of(BLOCK)?;
            let length = blocks.end - blocks.start;
            pieces.push((blocks.start..range.end, usize::try_from(bytes).ok()?));
            bytes += length;
            if bytes > MOST_BYTES {
                return None;
            }
        }
        let mut room = ROOMS.take(usize::try_from(bytes).ok()?);
        let ends = pieces.iter().skip(1).map(|(_, place)| *place).chain([bytes as usize]);
        let read = pieces.iter().zip(ends).all(|((range, place), end)| {
            let wanted = (range.end - range.start) as usize;
            room.get_mut(*place..end).is_some_and(|room| read_blocks(direct, range.start, room, wanted))
        });
        let bytes = Bytes::from_owner(Lent(room));
        read.then_some(Fetched { bytes, pieces })
    }

    /// A range of the file, if it is all there.
    pub(super) fn get(&self, range: Range<u64>) -> Option<Bytes> {
        let (piece, place) = self.pieces.iter().find(|(piece, _)| contains(piece, &range))?;
        let start = place + (range.start - piece.start) as usize;
        Some(self.bytes.slice(start..start + (range.end - range.start) as usize))
    }

    /// Copies what lies in the file from a byte on; whether all of it is there.
    pub(super) fn copy_to(&self, buffer: &mut [u8], at: u64) -> bool {
        let range = at..at.saturating_add(buffer.len() as u64);
        let Some((piece, place)) = self.pieces.iter().find(|(piece, _)| contains(piece, &range)) else {
            return false;
        };
        buffer.copy_from_slice(&self.bytes[place + (at - piece.start) as usize..][..buffer.len()]);
        true
    }
}

fn contains(piece: &Range<u64>, range: &Range<u64>) -> bool {
    piece.start <= range.start && range.start <= range.end && range.end <= piece.end
}

/// The ranges in their order, those that lie close to each other as one.
pub(super) fn merged(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end + CLOSE => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// Reads whole blocks from a file's byte `start` on, at least as many as the `wanted` bytes lie in; whether they are there.
fn read_blocks(file: &File, start: u64, room: &mut [u8], wanted: usize) -> bool {
    let mut at = 0;
    while at < wanted {
        match file.read_at(&mut room[at..], start + at as u64) {
            // The file has become shorter.
            Ok(0) => return false,
            Ok(read) => at += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
    true
}

/// A room that is given back when nobody uses it any more.
struct Lent(Room);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        ROOMS.give_back(std::mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn ranges_that_are_close_or_overlap_become_one() {
        let ranges = [900_000..900_100, 10..20, 15..18, 300..300, 20 + CLOSE..90_000];
        assert_eq!(merged(ranges.to_vec()), [10..90_000, 900_000..900_100]);
    }

    #[test]
    fn what_was_fetched_is_what_the_file_holds() {
        let content: Vec<u8> =
            (0..1_000_003u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&content).unwrap();
        // Not all systems can read this one past their cache: which way does not matter to what is told here.
        let read = |ranges: &[Range<u64>]| Fetched::read(file.as_file(), ranges.to_vec());
        let fetched = read(&[5..100, 500_000..1_000_003, 200_000..200_001]).unwrap();
        for range in [5..100, 0..3, 500_000..1_000_003, 999_999..1_000_003, 200_000..200_001, 7..7] {
            let expected = &content[range.start as usize..range.end as usize];
            assert_eq!(fetched.get(range.clone()).unwrap(), expected);
            let mut copy = vec![0; expected.len()];
            assert!(fetched.copy_to(&mut copy, range.start));
            assert_eq!(copy, expected);
        }
        for range in [50..101, 150_000..200_000, 1_000_000..1_000_004, u64::MAX - 1..u64::MAX] {
            assert_eq!(fetched.get(range.clone()), None);
            assert!(!fetched.copy_to(&mut vec![0; (range.end - range.start) as usize], range.start));
        }
        // There is nothing behind the file's end, and no room for that much.
        assert!(read(&[1_000_000..1_100_000, 0..1]).is_none());
        assert!(read(&[0..1, 9..MOST_BYTES + 1]).is_none() && read(&[0..1, 9..u64::MAX]).is_none());
    }
}
