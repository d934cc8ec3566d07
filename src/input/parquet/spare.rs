//! Spare buffers: what column chunks leave for the next ones. To make room anew for each, filled with zeros and moved as it
//! grows, took a tenth of the time of reading numbers.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of all that are kept, and of one at the most.
const KEPT: usize = 8 << 20;
const MOST_BYTES: usize = 512 << 10;
/// Bytes of which buffers have a multiple, so that what was large enough for one page is so for the next.
const ROUND: usize = 32 << 10;
/// Bytes of all that are worth keeping.
const MOST_KEPT: usize = 64 << 20;

/// Spare buffers, the bytes that they have room for, and how many that may be.
struct Shelf {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
    most: usize,
}

/// The spare buffers of all files.
pub(super) struct Spare(Mutex<Shelf>);

pub(super) static SPARE: Spare = Spare::new();

impl Spare {
    const fn new() -> Self {
        Spare(Mutex::new(Shelf { buffers: Vec::new(), bytes: 0, most: KEPT }))
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A buffer of at least so many bytes, which may be anything: the smallest of the spare ones, or a new one.
    pub(super) fn take(&self, bytes: usize) -> Vec<u8> {
        let mut shelf = self.shelf();
        let large = shelf.buffers.iter().enumerate().filter(|(_, buffer)| buffer.len() >= bytes);
        match large.min_by_key(|(_, buffer)| buffer.len()).map(|(place, _)| place) {
            Some(place) => {
                let buffer = shelf.buffers.swap_remove(place);
                shelf.bytes -= buffer.capacity();
                buffer
            }
            None => {
                drop(shelf);
                vec![0; bytes.next_multiple_of(ROUND)]
            }
        }
    }

    /// Bytes of all buffers.
    fn bytes(&self) -> usize {
        self.shelf().bytes
    }

    pub(super) fn give_back(&self, buffer: Vec<u8>) {
        let mut shelf = self.shelf();
        if buffer.capacity() > 0
            && buffer.capacity() <= MOST_BYTES
            && shelf.bytes + buffer.capacity() <= shelf.most
        {
            shelf.bytes += buffer.capacity();
            shelf.buffers.push(buffer);
        }
    }

    fn keep_at_most(&self, bytes: usize) {
        let mut shelf = self.shelf();
        shelf.most = bytes.min(MOST_KEPT);
        while shelf.bytes > shelf.most {
            let Some(buffer) = shelf.buffers.pop() else { break };
            shelf.bytes -= buffer.capacity();
        }
    }
}

/// Bytes that are held, though nothing is open that needs them: the budget counts them, too.
pub(crate) fn spare_bytes() -> usize {
    SPARE.bytes()
}

/// Has up to so many bytes held, instead of 8 MB.
pub(crate) fn keep_spare(bytes: usize) {
    SPARE.keep_at_most(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for n in [5, 3, 4] {
            spare.give_back(vec![n; ROUND * usize::from(n)]);
        }
        assert_eq!(spare.take(3 * ROUND + 1)[0], 4);
        assert_eq!(spare.take(1)[0], 3);
        let new = spare.take(6 * ROUND - 1);
        assert_eq!((new[0], new.len()), (0, 6 * ROUND));
        assert_eq!(spare.bytes(), 5 * ROUND);
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
