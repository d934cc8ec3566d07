//! Read-ahead: a stream that is read by a thread of its own while its reader works.
//!
//! Threads are the pipeline's business everywhere else, which shares out whole splits. But compressed
//! text is one split, and decompressing it takes about as long as parsing it: without a second thread
//! here, the first would do both in turn. It changes nothing but the time: the bytes of the stream, and
//! their order, are what they are, and so is any error.

use std::io::{self, Read};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};

use super::meter::{count, take_read};

/// Bytes that are handed over at once.
const BLOCK: usize = 256 << 10;

/// Blocks that wait for the reader.
const WAITING: usize = 4;

/// A stream that is read ahead, by [`Ahead::MEMORY`] bytes at the most.
pub(super) struct Ahead {
    /// `None` only while it is dropped.
    blocks: Option<Receiver<Block>>,
    block: Vec<u8>,
    position: usize,
    thread: Option<JoinHandle<()>>,
}

struct Block {
    /// Some bytes, or none at the end.
    bytes: io::Result<Vec<u8>>,
    /// Bytes read from the disk for it.
    read: u64,
}

impl Ahead {
    /// Bytes of memory that it takes: blocks waiting, one read from, one written to.
    pub(super) const MEMORY: usize = (WAITING + 2) * BLOCK;

    /// Begins to read a stream.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(super) fn new(mut stream: impl Read + Send + 'static) -> io::Result<Self> {
        let (sender, blocks) = bounded(WAITING);
        let thread = std::thread::Builder::new().name("read-ahead".into()).spawn(move || {
            loop {
                let mut bytes = Vec::with_capacity(BLOCK);
                let result = stream.by_ref().take(BLOCK as u64).read_to_end(&mut bytes);
                let (read, _) = take_read();
                // What came before an error is read first.
                let is_last = result.is_err() || bytes.is_empty();
                if let Err(error) = result {
                    if !bytes.is_empty() && sender.send(Block { bytes: Ok(bytes), read }).is_err() {
                        return;
                    }
                    let _ = sender.send(Block { bytes: Err(error), read: 0 });
                    return;
                }
                // Nobody takes it once the reader is gone.
                if sender.send(Block { bytes: Ok(bytes), read }).is_err() || is_last {
                    return;
                }
            }
        })?;
        Ok(Ahead { blocks: Some(blocks), block: Vec::new(), position: 0, thread: Some(thread) })
    }

    /// Takes the next block; an empty one at the end.
    fn next(&mut self) -> io::Result<()> {
        let Some(blocks) = &self.blocks else { return Ok(()) };
        match blocks.recv() {
            Ok(Block { bytes, read }) => {
                // The thread's time is not this one's.
                count(read, Duration::ZERO);
                self.block = bytes?;
                self.position = 0;
                Ok(())
            }
            // After the end or an error; or the thread panicked, which is the reader's panic, too.
            Err(_) => match self.thread.take().map(JoinHandle::join) {
                Some(Err(panic)) => std::panic::resume_unwind(panic),
                _ => Ok(()),
            },
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.block.len() {
            self.block.clear();
            self.position = 0;
            self.next()?;
        }
        let rest = &self.block[self.position..];
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        self.position += len;
        Ok(len)
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        // The thread's next block finds no taker, and so it ends; no thread outlives its reader.
        self.blocks = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn the_same_bytes() {
        let bytes: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
        for len in [0, 1, BLOCK, BLOCK + 1, bytes.len()] {
            let mut ahead = Ahead::new(io::Cursor::new(bytes[..len].to_vec())).unwrap();
            let mut found = Vec::new();
            ahead.read_to_end(&mut found).unwrap();
            assert_eq!(found, bytes[..len]);
            assert_eq!(ahead.read(&mut [0; 9]).unwrap(), 0);
        }
    }

    /// Bytes without end that tells how many were read and whether it still exists.
    struct Endless(Arc<AtomicUsize>, usize);

    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.fetch_add(buffer.len(), Ordering::SeqCst) > self.1 {
                return Err(io::Error::other("torn"));
            }
            buffer.fill(7);
            Ok(buffer.len())
        }
    }

    #[test]
    fn errors_come_after_what_was_before_them() {
        let mut ahead = Ahead::new(Endless(Arc::default(), 2 * BLOCK)).unwrap();
        let mut found = Vec::new();
        assert_eq!(ahead.read_to_end(&mut found).unwrap_err().to_string(), "torn");
        assert!(found.len() >= 2 * BLOCK);
    }

    #[test]
    fn the_thread_reads_a_bounded_amount_and_ends_with_its_reader() {
        let read = Arc::new(AtomicUsize::new(0));
        let mut ahead = Ahead::new(Endless(read.clone(), usize::MAX / 2)).unwrap();
        ahead.read_exact(&mut [0; 100]).unwrap();
        drop(ahead);
        // The thread's half of it is gone.
        assert_eq!(Arc::strong_count(&read), 1);
        assert!(read.load(Ordering::SeqCst) <= 2 * Ahead::MEMORY);
    }

    #[test]
    #[should_panic(expected = "hostile bytes")]
    fn a_panic_is_the_readers() {
        struct Panics;
        impl Read for Panics {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                panic!("hostile bytes")
            }
        }
        let _ = Ahead::new(Panics).unwrap().read(&mut [0; 9]);
    }
}
