//! Blocking: work in which a run may hang and can't see that the user wants it to stop, such as reading a pipe whose
//! writer is silent. Nothing is lost by ending the program in the middle of it.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How much of it is going on, and how much was begun.
static GOING_ON: AtomicUsize = AtomicUsize::new(0);
static BEGUN: AtomicUsize = AtomicUsize::new(0);

/// Does such work.
pub(crate) fn blocking<T>(work: impl FnOnce() -> T) -> T {
    BEGUN.fetch_add(1, Ordering::SeqCst);
    GOING_ON.fetch_add(1, Ordering::SeqCst);
    let result = work();
    GOING_ON.fetch_sub(1, Ordering::SeqCst);
    result
}

/// Time after which work is taken to hang.
const PATIENCE: Duration = Duration::from_millis(200);
const GLANCE: Duration = Duration::from_millis(20);

/// Waits until such work hangs.
pub(crate) fn wait_until_blocked() {
    let (mut last, mut since) = (None, Instant::now());
    loop {
        let now = (GOING_ON.load(Ordering::SeqCst) > 0).then(|| BEGUN.load(Ordering::SeqCst));
        if now.is_none() || now != last {
            (last, since) = (now, Instant::now());
        } else if since.elapsed() >= PATIENCE {
            return;
        }
        thread::sleep(GLANCE);
    }
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
