//! A file as Arrow's reader of Parquet reads it.

use std::io::{self, BufReader, Read};
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use crate::input::disk::DiskFile;
use crate::input::meter::measured;

/// A file that many may read.
pub(super) struct Shared(pub(super) Arc<DiskFile>);

impl Length for Shared {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl ChunkReader for Shared {
    type T = BufReader<Cursor>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::new(Cursor { file: self.0.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        // A damaged file may ask for anything: refuse before allocating.
        if start.checked_add(length as u64).is_none_or(|end| end > self.len()) {
            return Err(ParquetError::EOF(format!(
                "{length} bytes are wanted from byte {start} on, but the file has only {}",
                self.len()
            )));
        }
        let mut buffer = vec![0; length];
        measured(|_| length, || self.0.read_exact_at(&mut buffer, start))?;
        Ok(buffer.into())
    }
}

pub(super) struct Cursor {
    file: Arc<DiskFile>,
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
