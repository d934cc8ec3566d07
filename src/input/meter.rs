//! The meter: bytes read and time spent reading, counted by each thread for itself.

use std::cell::Cell;
use std::time::{Duration, Instant};

thread_local! {
    static READ: Cell<(u64, Duration)> = const { Cell::new((0, Duration::ZERO)) };
}

/// Runs a read and counts its time, and the bytes that `bytes` tells of its result.
pub(crate) fn measured<T>(bytes: impl FnOnce(&T) -> usize, read: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = read();
    count(bytes(&result) as u64, start.elapsed());
    result
}

/// Counts bytes that were read, and the time that this thread spent on it.
pub(super) fn count(bytes: u64, time: Duration) {
    let (sum, before) = READ.get();
    READ.set((sum + bytes, before + time));
}

/// What this thread has read since it last asked: bytes, and the time that took.
pub fn take_read() -> (u64, Duration) {
    READ.take()
}
