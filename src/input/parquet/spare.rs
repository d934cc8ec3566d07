//! Spare buffers: what column chunks leave for the next ones. To make room anew for each, filled with zeros and moved as it
//! grows, took a tenth of the time of reading numbers.

use std::sync::{Mutex, PoisonError};

/// Bytes of all that are kept at the most, and of one.
const MOST_KEPT: usize = 8 << 20;
const MOST_BYTES: usize = 512 << 10;

/// Spare buffers, and the bytes that they have room for.
struct Shelf {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

/// The spare buffers of all files.
pub(super) struct Spare(Mutex<Shelf>);

pub(super) static SPARE: Spare = Spare::new();

impl Spare {
    const fn new() -> Self {
        Spare(Mutex::new(Shelf { buffers: Vec::new(), bytes: 0 }))
    }

    /// A buffer that holds anything, or nothing.
    pub(super) fn take(&self) -> Vec<u8> {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let buffer = shelf.buffers.pop().unwrap_or_default();
        shelf.bytes -= buffer.capacity();
        buffer
    }

    /// Bytes of all buffers.
    fn bytes(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }

    pub(super) fn give_back(&self, buffer: Vec<u8>) {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buffer.capacity() <= MOST_BYTES && shelf.bytes + buffer.capacity() <= MOST_KEPT {
            shelf.bytes += buffer.capacity();
            shelf.buffers.push(buffer);
        }
    }
}

/// Bytes that are held, though nothing is open that needs them: the budget counts them, too.
pub(crate) fn spare_bytes() -> usize {
    SPARE.bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_buffers_of_usual_sizes_are_kept() {
        let spare = Spare::new();
        spare.give_back(vec![1; MOST_BYTES + 1]);
        assert!(spare.take().is_empty());
        (0..100).for_each(|_| spare.give_back(vec![1; MOST_BYTES]));
        assert_eq!(spare.bytes(), MOST_KEPT);
        let kept = std::iter::repeat_with(|| spare.take()).take_while(|buffer| !buffer.is_empty());
        assert_eq!(kept.count(), MOST_KEPT / MOST_BYTES);
        assert_eq!(spare.bytes(), 0);
    }
}
