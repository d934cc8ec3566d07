//! Blocking: work in which a run may hang and can't see that the user wants it to stop, such as reading a pipe whose
//! writer is silent. Nothing is lost by ending the program in the middle of it.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

static BLOCKED: AtomicUsize = AtomicUsize::new(0);

/// Does such work.
pub(crate) fn blocking<T>(work: impl FnOnce() -> T) -> T {
    BLOCKED.fetch_add(1, Ordering::SeqCst);
    let result = work();
    BLOCKED.fetch_sub(1, Ordering::SeqCst);
    result
}

/// Whether such work is going on.
pub(crate) fn is_blocked() -> bool {
    BLOCKED.load(Ordering::SeqCst) > 0
}

/// A writer to something that may not take what is written.
#[derive(Debug)]
pub(crate) struct Blocking<W>(pub(crate) W);

impl<W: Write> Write for Blocking<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        blocking(|| self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        blocking(|| self.0.flush())
    }
}
