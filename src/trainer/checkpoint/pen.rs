//! The pen that writes a checkpoint's file, and the pages from which it is read again, in the same order.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::Xxh3;

use super::identity::Identity;
use crate::error::{Error, Result};
use crate::output::AtomicFile;

/// What every checkpoint begins with.
const MAGIC: &[u8; 16] = b"millstream ckpt\n";
/// Bytes of the hash at its end.
const HASH: u64 = 16;

/// Writes values one after the other, and hashes what it writes.
pub(crate) struct Pen {
    file: AtomicFile,
    hash: Xxh3,
}

impl Pen {
    pub(super) fn new(file: AtomicFile, identity: &Identity) -> Result<Self> {
        let mut pen = Pen { file, hash: Xxh3::new() };
        pen.write_all(MAGIC).map_err(|e| pen.file.fault(&e))?;
        pen.put(identity)?;
        Ok(pen)
    }

    /// Writes a value.
    ///
    /// # Errors
    /// If the disk fails or is full.
    pub(crate) fn put(&mut self, value: &impl Serialize) -> Result<()> {
        rmp_serde::encode::write_named(self, value).map_err(|e| match e {
            rmp_serde::encode::Error::InvalidValueWrite(e) => self.file.fault(&e.into()),
            e => self.file.fault(&io::Error::other(e)),
        })
    }

    /// Writes what `dump` writes.
    ///
    /// # Errors
    /// If the disk fails or is full.
    pub(crate) fn put_raw(&mut self, dump: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        dump(self).map_err(|e| self.file.fault(&e))
    }

    pub(super) fn finish(mut self) -> Result<AtomicFile> {
        let hash = self.hash.digest128().to_le_bytes();
        self.file.write_all(&hash).and_then(|()| self.file.flush()).map_err(|e| self.file.fault(&e))?;
        Ok(self.file)
    }
}

impl Write for Pen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
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

    /// Lets `read` read what was written by [`Pen::put_raw`].
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
