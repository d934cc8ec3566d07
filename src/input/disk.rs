//! Files read at positions: through the system's cache of files, or past it.
//!
//! What does not fit in memory is gone from the cache before it is read again, and to pass it through costs time: pages are
//! found, filled, mapped and given up, which takes a processor longer than to learn from what they hold.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;

use super::fetched::Fetched;
use crate::machine::free_memory;

/// How files are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Io {
    /// Through the system's cache, where they are found the next time.
    #[default]
    Cached,
    /// Past it, as far as the system can; what is small is still read through it.
    Direct,
}

impl Io {
    /// How files of so many bytes, all together, are best read: those that fill more than three quarters of the memory that is
    /// left would not stay in the cache.
    pub(super) fn of(bytes: u64) -> Self {
        if bytes / 3 > free_memory() as u64 / 4 { Io::Direct } else { Io::Cached }
    }
}

/// How a split's file is read, and what has been read of it.
#[derive(Debug, Clone, Default)]
pub struct Access {
    pub(super) io: Io,
    pub(super) fetched: Option<Fetched>,
}

/// Bytes below which it is quicker to read through the cache: the system then reads what follows as well.
const LEAST: usize = 128 << 10;
/// Bytes that are read past the cache at a time if they are to lie where the disk can't write to.
const PIECE: usize = 1 << 20;

/// A file read at positions: unlike `File` itself, which has one cursor for all that share it, it can be read from many
/// threads.
#[derive(Debug)]
pub(super) struct DiskFile {
    file: File,
    len: u64,
    direct: Option<File>,
    fetched: Option<Fetched>,
}

impl DiskFile {
    pub(super) fn open(path: &Path, access: Access) -> io::Result<Self> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let direct = if access.io == Io::Direct { open_direct(path) } else { None };
        Ok(DiskFile { file, len, direct, fetched: access.fetched })
    }

    #[cfg(test)]
    pub(super) fn of(file: File) -> Self {
        let len = file.metadata().unwrap().len();
        DiskFile { file, len, direct: None, fetched: None }
    }

    /// Its length when it was opened.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// A range of the file, if it was fetched.
    pub(super) fn fetched(&self, range: Range<u64>) -> Option<Bytes> {
        self.fetched.as_ref()?.get(range)
    }

    /// Reads at most a buffer of bytes; 0 only at the end.
    pub(super) fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        self.read_exact_at(&mut buffer[..wanted], at).map(|()| wanted)
    }

    pub(super) fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        if self.fetched.as_ref().is_some_and(|fetched| fetched.copy_to(buffer, at)) {
            return Ok(());
        }
        let Some(direct) = self.direct.as_ref().filter(|_| buffer.len() >= LEAST) else {
            return self.file.read_exact_at(buffer, at);
        };
        let mut start = at;
        for piece in buffer.chunks_mut(PIECE) {
            let range = start..start + piece.len() as u64;
            let read = Fetched::read(direct, vec![range]).is_some_and(|read| read.copy_to(piece, start));
            if !read {
                // What is wrong with the file shows here.
                self.file.read_exact_at(piece, start)?;
            }
            start += piece.len() as u64;
        }
        Ok(())
    }
}

/// Reads ranges of a file past the cache, all at once; `None` if that is not to be done, or can't be.
pub(super) fn fetch(path: &Path, ranges: Vec<Range<u64>>) -> Option<Fetched> {
    if ranges.is_empty() {
        return None;
    }
    Fetched::read(&open_direct(path)?, ranges)
}

#[cfg(target_os = "linux")]
fn open_direct(path: &Path) -> Option<File> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(path).ok()
}

#[cfg(not(target_os = "linux"))]
fn open_direct(_: &Path) -> Option<File> {
    None
}
