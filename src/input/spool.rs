//! Standard input and pipes: what can be read only once is first copied to a file.

use std::env::temp_dir;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Seek, Write};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::reject::Reject;
use super::source::{BatchStream, Request, Source, Split};
use crate::blocking::blocking;
use crate::error::{Error, Place, Result};
use crate::input::disk::Access;

/// Bytes copied at once.
const BLOCK: usize = 1 << 20;

/// Whether a path is one of the names of standard input.
pub(super) fn is_standard_input(path: &Path) -> bool {
    ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"].iter().any(|name| path == Path::new(name))
}

/// A copy of what can be read only once, in a file without a name: the system removes it however the
/// program ends.
pub(super) struct Spool {
    file: File,
    /// What it is called in messages.
    name: PathBuf,
}

impl Spool {
    /// A copy of standard input; if that is a file, and nobody has read of it yet, the file itself.
    pub(super) fn standard_input() -> Result<Self> {
        let name = PathBuf::from("standard input");
        let stdin = io::stdin();
        if stdin.is_terminal() {
            return Err(Error::usage("standard input is a terminal, expected data")
                .remedy("pipe a file into this command, or name one"));
        }
        let fault = |error: io::Error| Error::io("can't read", &name, &error);
        let mut file = File::from(stdin.as_fd().try_clone_to_owned().map_err(fault)?);
        let is_file = file.metadata().map_err(fault)?.is_file();
        if is_file && file.stream_position().map_err(fault)? == 0 {
            return Ok(Spool { file, name });
        }
        blocking(|| Self::copy(file, name))
    }

    /// A copy of what comes out of a pipe.
    pub(super) fn pipe(path: &Path) -> Result<Self> {
        let pipe = blocking(|| File::open(path)).map_err(|error| Error::io("can't read", path, &error))?;
        blocking(|| Self::copy(pipe, path.to_path_buf()))
    }

    fn copy(mut from: File, name: PathBuf) -> Result<Self> {
        let folder = temp_dir();
        let unwritable = |error: io::Error| {
            let doing =
                format!("{} can't be kept in a file while it is read: can't write to", name.display());
            // (The folder is not of the user's choosing: "check the path" would not help.)
            Error::io(&doing, &folder, &error)
                .remedied("set TMPDIR to a folder with more room, or write the data to a file first")
        };
        let mut to = tempfile::tempfile_in(&folder).map_err(unwritable)?;
        let mut buffer = vec![0; BLOCK];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return Ok(Spool { file: to, name }),
                Ok(read) => to.write_all(&buffer[..read]).map_err(unwritable)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("can't read", &name, &error)),
            }
        }
    }

    /// A path by which the copy can be opened as long as it is there.
    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }
}

/// A source whose file is a copy, and is called by the name of what it was copied from.
pub(super) struct Spooled {
    source: Box<dyn Source>,
    path: PathBuf,
    /// Keeps the copy.
    spool: Spool,
}

impl Spooled {
    /// Opens a copy, whose path it gives to `open`.
    pub(super) fn open(
        spool: Spool,
        open: impl FnOnce(&Path) -> Result<Box<dyn Source>>,
    ) -> Result<Box<dyn Source>> {
        let path = spool.path();
        let source = open(&path).map_err(|error| error.renamed(&path, &spool.name))?;
        Ok(Box::new(Spooled { source, path, spool }))
    }
}

impl Source for Spooled {
    fn path(&self) -> &Path {
        &self.spool.name
    }

    fn file(&self) -> &Path {
        &self.path
    }

    fn schema(&self) -> &SchemaRef {
        self.source.schema()
    }

    fn splits(&self, file: usize) -> Vec<Split> {
        self.source.splits(file)
    }

    fn ranges(&self, split: &Split, request: &Request) -> Vec<Range<u64>> {
        self.source.ranges(split, request)
    }

    fn open(&self, split: &Split, request: &Request, access: Access) -> Result<Box<dyn BatchStream>> {
        let names = Names { path: self.path.clone(), name: self.spool.name.clone() };
        let stream = self.source.open(split, request, access).map_err(|error| names.rename(error))?;
        Ok(Box::new(SpooledStream { stream, names }))
    }

    fn open_bytes(&self, split: &Split, request: &Request) -> usize {
        self.source.open_bytes(split, request)
    }

    fn values_per_row(&self, split: &Split, request: &Request) -> usize {
        self.source.values_per_row(split, request)
    }
}

/// The copy's path, and what it is called.
struct Names {
    path: PathBuf,
    name: PathBuf,
}

impl Names {
    fn rename(&self, error: Error) -> Error {
        error.renamed(&self.path, &self.name)
    }
}

struct SpooledStream {
    stream: Box<dyn BatchStream>,
    names: Names,
}

impl BatchStream for SpooledStream {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        self.stream.next_batch().map_err(|error| self.names.rename(error))
    }

    fn take_rejects(&mut self) -> Vec<Reject> {
        let renamed = |reject: Reject| Reject { error: self.names.rename(reject.error), ..reject };
        self.stream.take_rejects().into_iter().map(renamed).collect()
    }

    fn place(&self, row: usize) -> Place {
        let place = self.stream.place(row);
        let file =
            place.file.map(|file| if file == self.names.path { self.names.name.clone() } else { file });
        Place { file, ..place }
    }
}
