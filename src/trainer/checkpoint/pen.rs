//! The pen, to which a run tells what a checkpoint is to hold, and the pages from which it is read again, in the same order.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::Xxh3;

use super::identity::Identity;
use super::scribe::{PIECES, Part, ToScribe};
use crate::error::{Error, Result};
use crate::learn::{Learn, Pace};

/// What every checkpoint begins with.
const MAGIC: &[u8; 16] = b"millstream ckpt\n";
/// Bytes of the hash at its end.
const HASH: u64 = 16;
/// Bytes that are passed on at once, and as how many such parts, where all is written at once.
const PART: usize = 1 << 20;
const PARTS: usize = 4;

/// Passes on what a checkpoint is to hold: small things at once, large ones by reference or piece by piece.
pub(crate) struct Pen {
    parts: Sender<Part>,
    /// What is not passed on yet.
    bytes: Vec<u8>,
    pace: Pace,
}

impl Pen {
    /// A pen, and where its parts come out. They are begun with an identity.
    pub(super) fn new(identity: &Identity, pace: Pace) -> Result<(Self, Receiver<Part>)> {
        let (parts, all) = match pace {
            // Whoever waits for all of it need not have it all in memory.
            Pace::AtOnce => bounded(PARTS),
            Pace::WhileLearning => unbounded(),
        };
        let mut pen = Pen { parts, bytes: MAGIC.to_vec(), pace };
        pen.put(identity)?;
        Ok((pen, all))
    }

    /// Writes a value.
    ///
    /// # Errors
    /// If it can't be written as bytes.
    pub(crate) fn put(&mut self, value: &impl Serialize) -> Result<()> {
        let written = rmp_serde::encode::write_named(&mut self.bytes, value);
        written.map_err(|e| Error::data(format!("can't write a checkpoint: {e}")))?;
        if self.bytes.len() >= PART {
            self.pass_on();
        }
        Ok(())
    }

    /// Writes bytes.
    pub(super) fn put_bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes a value that is large, but cheap to clone: it is written while the run goes on.
    pub(crate) fn put_later<T: Serialize + Send + 'static>(&mut self, value: T) {
        self.pass_on();
        self.send(Part::Later(Box::new(move |mut out| {
            rmp_serde::encode::write_named(&mut out, &value).map_err(|e| match e {
                rmp_serde::encode::Error::InvalidValueWrite(e) => e.into(),
                e => io::Error::other(e),
            })
        })));
    }

    /// Writes what a learner goes on from.
    pub(crate) fn put_learner(&mut self, learner: &mut dyn Learn) {
        self.pass_on();
        let (to, pieces) = bounded(PIECES);
        self.send(Part::Dump(pieces));
        learner.dump(Box::new(ToScribe(to)), self.pace);
    }

    /// Ends the checkpoint.
    pub(super) fn end(mut self) {
        self.pass_on();
        self.send(Part::End);
    }

    fn pass_on(&mut self) {
        if !self.bytes.is_empty() {
            let bytes = std::mem::take(&mut self.bytes);
            self.send(Part::Bytes(bytes));
        }
    }

    fn send(&self, part: Part) {
        // A scribe that is gone has an error, which is asked for later.
        let _ = self.parts.send(part);
    }
}

/// A checkpoint that is read: its values come in the order in which they were written.
pub(crate) struct Pages {
    path: PathBuf,
    /// What the user should know before going on.
    pub(crate) doubt: Option<String>,
    reader: io::Take<BufReader<File>>,
}

impl Pages {
    /// Opens a checkpoint, if there is one.
    ///
    /// # Errors
    /// If it is damaged, or another run's than `identity`.
    pub(super) fn open(path: &Path, identity: &Identity) -> Result<Option<Pages>> {
        let fault = |e: &io::Error| Error::io("can't read", path, e);
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(fault(&e)),
        };
        let length = file.metadata().map_err(|e| fault(&e))?.len();
        let content = length.saturating_sub(HASH);
        let is_whole = hash_of(&mut file, content).map_err(|e| fault(&e))?;
        if !is_whole {
            return Err(Error::data("the checkpoint is damaged, or none of millstream's")
                .remedy("remove it and begin anew")
                .in_file(path));
        }
        file.seek(SeekFrom::Start(MAGIC.len() as u64)).map_err(|e| fault(&e))?;
        let reader = BufReader::with_capacity(1 << 16, file).take(content - MAGIC.len() as u64);
        let mut pages = Pages { path: path.to_path_buf(), doubt: None, reader };
        let written: Identity = pages.take()?;
        pages.doubt = written.check(identity, path)?;
        Ok(Some(pages))
    }

    /// Reads the next value.
    ///
    /// # Errors
    /// If it is not of that type, or the disk fails.
    pub(crate) fn take<T: DeserializeOwned>(&mut self) -> Result<T> {
        rmp_serde::decode::from_read(&mut self.reader).map_err(|e| self.other(&e))
    }

    /// Lets `read` read what was written by [`Pen::put_learner`].
    ///
    /// # Errors
    /// Those of `read`.
    pub(crate) fn take_raw(&mut self, read: impl FnOnce(&mut dyn Read) -> io::Result<()>) -> Result<()> {
        read(&mut self.reader).map_err(|e| self.other(&e))
    }

    /// A checkpoint whose hash is right has been written by something else than what reads it.
    fn other(&self, why: &dyn std::fmt::Display) -> Error {
        Error::data(format!("the checkpoint can't be read ({why})"))
            .remedy("go on with the millstream that wrote it, or remove it and begin anew")
            .in_file(&self.path)
    }
}

/// Whether a file begins as checkpoints do, and its first `content` bytes are followed by their hash.
fn hash_of(file: &mut File, content: u64) -> io::Result<bool> {
    let (mut hash, mut left, mut buffer) = (Xxh3::new(), content, vec![0; 1 << 16]);
    while left > 0 {
        let piece = &mut buffer[..left.min(1 << 16) as usize];
        match file.read_exact(piece) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            result => result?,
        }
        if left == content && !piece.starts_with(MAGIC) {
            return Ok(false);
        }
        hash.update(piece);
        left -= piece.len() as u64;
    }
    let mut end = Vec::new();
    file.take(HASH).read_to_end(&mut end)?;
    Ok(content > 0 && end == hash.digest128().to_le_bytes())
}
