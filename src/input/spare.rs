//! Spare buffers: what those who read leave for the next ones. To make room anew for each, filled with zeros and moved as it
//! grows, took a tenth of the time of reading numbers.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::room::Room;

/// Bytes of all of a kind that are kept at first, and are worth keeping at the most.
const KEPT: usize = 8 << 20;
const MOST_KEPT: usize = 64 << 20;

/// A buffer that can be used again.
pub(super) trait Buffer: Sized {
    /// Bytes of the largest that is worth keeping.
    const MOST_BYTES: usize;

    /// A new one with room for at least so many bytes.
    fn with_bytes(bytes: usize) -> Self;

    /// Bytes that it has room for.
    fn bytes(&self) -> usize;
}

impl Buffer for Vec<u8> {
    const MOST_BYTES: usize = 512 << 10;

    /// What was large enough for one page of a column is so for the next.
    fn with_bytes(bytes: usize) -> Self {
        vec![0; bytes.next_multiple_of(32 << 10)]
    }

    fn bytes(&self) -> usize {
        self.len()
    }
}

/// Spare buffers, the bytes that they have room for, and how many that may be.
struct Shelf<B> {
    buffers: Vec<B>,
    bytes: usize,
    most: usize,
}

/// The spare buffers of all files.
pub(super) struct Spare<B>(Mutex<Shelf<B>>);

/// For pages of Parquet and what they become.
pub(super) static BUFFERS: Spare<Vec<u8>> = Spare::new();
/// For what is read past the system's cache.
pub(super) static ROOMS: Spare<Room> = Spare::new();

impl<B: Buffer> Spare<B> {
    const fn new() -> Self {
        Spare(Mutex::new(Shelf { buffers: Vec::new(), bytes: 0, most: KEPT }))
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf<B>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A buffer of at least so many bytes, which may be anything: the smallest of the spare ones, or a new one.
    pub(super) fn take(&self, bytes: usize) -> B {
        let mut shelf = self.shelf();
        let large = shelf.buffers.iter().enumerate().filter(|(_, buffer)| buffer.bytes() >= bytes);
        match large.min_by_key(|(_, buffer)| buffer.bytes()).map(|(place, _)| place) {
            Some(place) => {
                let buffer = shelf.buffers.swap_remove(place);
                shelf.bytes -= buffer.bytes();
                buffer
            }
            None => {
                drop(shelf);
                B::with_bytes(bytes)
            }
        }
    }

    /// Bytes of all buffers.
    fn bytes(&self) -> usize {
        self.shelf().bytes
    }

    pub(super) fn give_back(&self, buffer: B) {
        let mut shelf = self.shelf();
        let bytes = buffer.bytes();
        if bytes > 0 && bytes <= B::MOST_BYTES && shelf.bytes + bytes <= shelf.most {
            shelf.bytes += bytes;
            shelf.buffers.push(buffer);
        }
    }

    fn keep_at_most(&self, bytes: usize) {
        let mut shelf = self.shelf();
        shelf.most = bytes.min(MOST_KEPT);
        while shelf.bytes > shelf.most {
            let Some(buffer) = shelf.buffers.pop() else { break };
            shelf.bytes -= buffer.bytes();
        }
    }
}

/// Bytes that are held, though nothing is open that needs them: the budget counts them, too.
pub(crate) fn spare_bytes() -> usize {
    BUFFERS.bytes() + ROOMS.bytes()
}

/// Has up to so many bytes held of each kind, instead of 8 MB.
pub(crate) fn keep_spare(bytes: usize) {
    BUFFERS.keep_at_most(bytes);
    ROOMS.keep_at_most(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST_BYTES: usize = <Vec<u8>>::MOST_BYTES;

    #[test]
    fn some_buffers_of_usual_sizes_are_kept() {
        let spare = Spare::new();
        spare.give_back(vec![1; MOST_BYTES + 1]);
        spare.give_back(Vec::new());
        assert_eq!((spare.bytes(), spare.shelf().buffers.len()), (0, 0));
        (0..100).for_each(|_| spare.give_back(vec![1; MOST_BYTES]));
        assert_eq!(spare.bytes(), KEPT);
        let kept = std::iter::repeat_with(|| spare.take(1)).take_while(|buffer| buffer[0] == 1);
        assert_eq!(kept.count(), KEPT / MOST_BYTES);
        assert_eq!(spare.bytes(), 0);
    }

    #[test]
    fn the_smallest_that_is_large_enough_is_taken() {
        let spare = Spare::new();
        let round = <Vec<u8>>::with_bytes(1).len();
        for n in [5, 3, 4] {
            spare.give_back(vec![n; round * usize::from(n)]);
        }
        assert_eq!(spare.take(3 * round + 1)[0], 4);
        assert_eq!(spare.take(1)[0], 3);
        let new = spare.take(6 * round - 1);
        assert_eq!((new[0], new.len()), (0, 6 * round));
        assert_eq!(spare.bytes(), 5 * round);
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let spare = Spare::new();
        (0..10).for_each(|_| spare.give_back(vec![1; 1 << 10]));
        spare.keep_at_most(5 << 10);
        assert_eq!(spare.bytes(), 5 << 10);
        spare.give_back(vec![1; 1]);
        assert_eq!(spare.bytes(), 5 << 10);
        spare.keep_at_most(usize::MAX);
        (0..200).for_each(|_| spare.give_back(vec![1; MOST_BYTES]));
        assert!(spare.bytes() <= MOST_KEPT && spare.bytes() > MOST_KEPT - MOST_BYTES);
    }
}
