//! A file read at positions.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};

use crate::error::{Error, Result};
use crate::input::meter::measured;

/// A file read at positions: unlike `File` itself, which has one cursor for all that share it, it
/// can be read from many threads.
pub(super) struct PositionedFile {
    pub(super) file: Arc<File>,
    pub(super) len: u64,
}

impl PositionedFile {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let fault = |e: io::Error| Error::io("can't read", path, &e);
        let file = File::open(path).map_err(fault)?;
        let len = file.metadata().map_err(fault)?.len();
        Ok(PositionedFile { file: Arc::new(file), len })
    }
}

impl Length for PositionedFile {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for PositionedFile {
    type T = BufReader<Cursor>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(BufReader::new(Cursor { file: self.file.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        // A damaged file may ask for anything: refuse before allocating.
        if start.checked_add(length as u64).is_none_or(|end| end > self.len) {
            return Err(ParquetError::EOF(format!(
                "{length} bytes are wanted from byte {start} on, but the file has only {}",
                self.len
            )));
        }
        let mut buffer = vec![0; length];
        measured(|_| length, || self.file.read_exact_at(&mut buffer, start))?;
        Ok(buffer.into())
    }
}

pub(super) struct Cursor {
    file: Arc<File>,
    at: u64,
}

/// The footer ends every file, so whoever reads beyond it follows a damaged length. Told so only by getting nothing, the
/// parquet crate goes on to pass over billions of things that are not there.
impl Read for Cursor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        if read == 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read as u64;
        Ok(read)
    }
}
