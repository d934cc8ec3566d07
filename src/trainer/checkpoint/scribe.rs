//! The scribe: the thread that writes a checkpoint's file, part by part, as the pen and the learners give them.

use std::convert::Infallible;
use std::io::{self, Write};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, select_biased};
use xxhash_rust::xxh3::Xxh3;

use crate::error::Result;
use crate::learn::Outlet;
use crate::output::AtomicFile;

/// Writes bytes when its turn has come.
pub(super) type Later = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + Send>;

/// A part of a checkpoint.
pub(super) enum Part {
    /// Bytes, as they are.
    Bytes(Vec<u8>),
    /// What writes itself.
    Later(Later),
    /// A learner's dump, which comes in pieces.
    Dump(Receiver<Piece>),
    /// The last one.
    End,
}

/// A piece of a dump.
pub(super) enum Piece {
    /// Its bytes, and for how long learning stood still for them.
    Bytes(Vec<u8>, Duration),
    /// The last one.
    End,
}

/// Pieces that wait to be written, at the most.
pub(super) const PIECES: usize = 8;

/// Where a learner's dump goes.
pub(super) struct ToScribe(pub(super) Sender<Piece>);

impl Outlet for ToScribe {
    fn is_ready(&self) -> bool {
        !self.0.is_full()
    }

    fn put(&mut self, piece: Vec<u8>, pause: Duration) -> bool {
        self.0.send(Piece::Bytes(piece, pause)).is_ok()
    }

    fn end(&mut self) {
        // Whoever does not listen any more has an error to tell.
        let _ = self.0.send(Piece::End);
    }
}

/// Writes a file, and hashes what it writes.
pub(super) struct Scribe {
    file: AtomicFile,
    hash: Xxh3,
    /// When this is closed, what has not been given yet does not come any more.
    enough: Receiver<Infallible>,
}

impl Scribe {
    pub(super) fn new(file: AtomicFile, enough: Receiver<Infallible>) -> Self {
        Scribe { file, hash: Xxh3::new(), enough }
    }

    /// Writes all parts. Returns for how long learning stood still for a piece at the most; `None` if not all parts came,
    /// and then there is no file.
    ///
    /// # Errors
    /// If the disk fails or is full.
    pub(super) fn work(mut self, parts: &Receiver<Part>) -> Result<Option<Duration>> {
        let longest = match self.write_all_of(parts) {
            Ok(Some(longest)) => longest,
            Ok(None) => return Ok(None),
            Err(e) => return Err(self.file.fault(&e)),
        };
        self.file.commit()?;
        Ok(Some(longest))
    }

    fn write_all_of(&mut self, parts: &Receiver<Part>) -> io::Result<Option<Duration>> {
        let mut longest = Duration::ZERO;
        loop {
            match next(parts, &self.enough) {
                Some(Part::Bytes(bytes)) => self.write_all(&bytes)?,
                Some(Part::Later(write)) => write(self)?,
                Some(Part::Dump(pieces)) => loop {
                    match next(&pieces, &self.enough) {
                        Some(Piece::Bytes(bytes, pause)) => {
                            self.write_all(&bytes)?;
                            longest = longest.max(pause);
                        }
                        Some(Piece::End) => break,
                        None => return Ok(None),
                    }
                },
                Some(Part::End) => break,
                None => return Ok(None),
            }
        }
        let hash = self.hash.digest128().to_le_bytes();
        self.file.write_all(&hash)?;
        self.file.flush()?;
        Ok(Some(longest))
    }
}

/// What comes next, unless nothing does.
fn next<T>(from: &Receiver<T>, enough: &Receiver<Infallible>) -> Option<T> {
    select_biased! {
        recv(from) -> given => given.ok(),
        // What was given before comes first.
        recv(enough) -> _ => from.try_recv().ok(),
    }
}

impl Write for Scribe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
