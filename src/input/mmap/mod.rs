//! The memory map of a file. One of the two places with `unsafe`.
#![allow(unsafe_code)]

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow::buffer::Buffer;
use bytes::Bytes;
use memmap2::{Advice, Mmap, UncheckedAdvice};

use crate::error::{Error, Result};

mod sigbus;

pub use sigbus::{ignore_file_limit, remove_unfinished, set_unfinished};

/// A whole file in the address space, read only.
#[derive(Debug, Clone)]
pub(super) struct Map(Arc<Watched>);

/// A map whose file is named if reading it fails.
#[derive(Debug)]
struct Watched(Mmap);

impl Drop for Watched {
    fn drop(&mut self) {
        sigbus::forget(self.0.as_ptr() as usize);
    }
}

impl AsRef<[u8]> for Map {
    fn as_ref(&self) -> &[u8] {
        &self.0.0
    }
}

impl Map {
    pub(super) fn open(path: &Path) -> Result<Map> {
        let file = File::open(path).map_err(|e| Error::io("can't read", path, &e))?;
        // SAFETY: the map is private to this process and never written through. Should another
        // program change the file meanwhile, values may change under us: offsets and whatever else is
        // followed without a look are copied out of the map before they are checked (`ipc::owned`),
        // and a file that was cut short ends in `sigbus`'s error.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| Error::io("can't map", path, &e))?;
        sigbus::watch(path, map.as_ptr() as usize, map.len());
        Ok(Map(Arc::new(Watched(map))))
    }

    /// What `look` makes of bytes here and there. The system would else read some megabytes around each of them: of a file
    /// with many headers all of it. It maps more than is looked at, too, which is given back: with many files that was what a
    /// run took most memory for.
    pub(super) fn look_around<T>(&self, look: impl FnOnce(&Buffer) -> T) -> T {
        // Only time depends on what it is told.
        let _ = self.0.0.advise(Advice::Random);
        let found = look(&self.buffer());
        self.release(0..self.as_ref().len());
        let _ = self.0.0.advise(Advice::Normal);
        found
    }

    /// Reads a range in one go, so that whoever uses it does not wait for each of its pages.
    pub(super) fn populate(&self, range: Range<usize>) {
        // What can't be read so is read, or found to be damaged, when it is used.
        #[cfg(target_os = "linux")]
        let _ = self.0.0.advise_range(Advice::PopulateRead, range.start, range.len());
    }

    /// The bytes as an Arrow buffer that keeps the map alive.
    pub(super) fn buffer(&self) -> Buffer {
        Buffer::from(Bytes::from_owner(self.clone()))
    }

    /// Lets the system take back the memory behind a range that was read, so that what a run holds
    /// does not grow with the size of its files. The range can be read again, from the file.
    pub(super) fn release(&self, range: Range<usize>) {
        // Newer systems map all of a file's large page where a byte of it is read: whoever reads what lies beside the range
        // will have it mapped again.
        let (page, len) = (1 << 21, self.as_ref().len());
        let start = range.start / page * page;
        let end = range.end.min(len).next_multiple_of(page).min(len);
        if start < end {
            // SAFETY: the map is shared and never written to, so dropping its pages loses nothing.
            // Failure leaves the pages where they are.
            let _ = unsafe { self.0.0.unchecked_advise_range(UncheckedAdvice::DontNeed, start, end - start) };
        }
    }
}
