//! Room for what is read past the system's cache: pages of memory that the disk writes to.

use std::ops::{Deref, DerefMut};

use memmap2::{MmapMut, MmapOptions};

use super::spare::Buffer;

/// Bytes of a large page.
const PAGE: usize = 2 << 20;

/// Large pages, if the system has them: a disk is told of each page that it shall write to, and of 4 KB at a time it read a
/// fifth of what it reads otherwise.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// `None` where the system gives no memory.
    map: Option<MmapMut>,
    /// Where the first large page begins.
    start: usize,
    bytes: usize,
}

impl Buffer for Room {
    const MOST_BYTES: usize = 64 << 20;

    fn with_bytes(bytes: usize) -> Self {
        let bytes = bytes.next_multiple_of(PAGE);
        // What lies around the large pages is never used.
        let map = MmapOptions::new().len(bytes + PAGE).map_anon().ok();
        let start = map.as_ref().map_or(0, |map| map.as_ptr().align_offset(PAGE));
        #[cfg(target_os = "linux")]
        if let Some(map) = &map {
            // Small ones do as well, slower.
            let _ = map.advise_range(memmap2::Advice::HugePage, start, bytes);
        }
        Room { bytes: if map.is_some() { bytes } else { 0 }, map, start }
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Deref for Room {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.map.as_ref().map_or(&[], |map| &map[self.start..self.start + self.bytes])
    }
}

impl DerefMut for Room {
    fn deref_mut(&mut self) -> &mut [u8] {
        let (start, end) = (self.start, self.start + self.bytes);
        self.map.as_mut().map_or(&mut [], |map| &mut map[start..end])
    }
}
