//! The readers, as others see them: whether their threads are free for something else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the batches that readers have been told to read and have not read yet.
#[derive(Debug, Clone, Default)]
pub struct Readers {
    to_read: Arc<AtomicUsize>,
}

impl Readers {
    /// Whether they have nothing to do, as long as the stream's consumer is not done with its item: they are far ahead, or
    /// have come to the end.
    pub fn rest(&self) -> bool {
        self.to_read.load(Ordering::Relaxed) == 0
    }

    /// They are told to read so many batches.
    pub(super) fn begin(&self, batches: usize) {
        self.to_read.fetch_add(batches, Ordering::Relaxed);
    }

    /// So many of them have been read, or will not be.
    pub(super) fn end(&self, batches: usize) {
        self.to_read.fetch_sub(batches, Ordering::Relaxed);
    }
}
