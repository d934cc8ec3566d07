//! Vectors for tables: in pages of their own once they are large, and in large ones. What rows need of a table may lie
//! anywhere in it, and with pages of 4 KB nearly every visit of a table of many megabytes waits for its page's address
//! first. Prefetches do so, too, and then take as long as what they were to spare.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut, Range};

use bytemuck::{Pod, Zeroable};
use memmap2::{MmapMut, MmapOptions};

use super::super::record::Record;

/// Bytes of a large page.
const PAGE: usize = 2 << 20;
/// Most bytes of values that large pages are for. Larger ones are visited less often for each byte, and would have to
/// be so for long before that pays for the pages: systems that give free large pages back to their host take a
/// millisecond to get one again.
const MOST_BYTES: usize = size_of::<Record<1>>();
/// How many times what it must hold a vector has room for in pages of its own: they cost nothing but addresses before
/// they are used, while each move to others means to clear those, and took a fifth of the time of learning many models.
const ROOM: usize = 16;

// SAFETY: four arrays of numbers, one after the other (`repr(C)`) and with nothing between them; all bits are numbers.
unsafe impl<const K: usize> Zeroable for Record<K> {}
// SAFETY: as above.
unsafe impl<const K: usize> Pod for Record<K> {}

/// A vector of plain values.
#[derive(Debug)]
pub(crate) enum Store<T> {
    /// In the allocator's memory.
    Small(Vec<T>),
    /// In pages of its own.
    Large(Pages<T>),
}

/// Values in pages of their own.
#[derive(Debug)]
pub(crate) struct Pages<T> {
    map: MmapMut,
    /// The byte of the map from which on values lie.
    start: usize,
    capacity: usize,
    len: usize,
    values: PhantomData<T>,
}

impl<T: Pod> Pages<T> {
    fn with_capacity(capacity: usize) -> Option<Self> {
        let bytes = capacity * size_of::<T>() + PAGE;
        let map = MmapOptions::new().len(bytes).no_reserve_swap().map_anon().ok()?;
        #[cfg(target_os = "linux")]
        if size_of::<T>() <= MOST_BYTES {
            // A system that has no large pages refuses, and gives small ones.
            let _ = map.advise(memmap2::Advice::HugePage);
        }
        let start = map.as_ptr().align_offset(PAGE);
        Some(Pages { map, start, capacity, len: 0, values: PhantomData })
    }

    /// All values that there is room for.
    fn room(&mut self) -> &mut [T] {
        bytemuck::cast_slice_mut(&mut self.map[self.start..][..self.capacity * size_of::<T>()])
    }

    /// Appends values that there is room for.
    fn extend_from_slice(&mut self, more: &[T]) {
        let len = self.len;
        self.room()[len..][..more.len()].copy_from_slice(more);
        self.len += more.len();
    }
}

impl<T: Pod> Store<T> {
    pub(crate) const fn new() -> Self {
        Store::Small(Vec::new())
    }

    /// Makes room for `more` values, and for some beyond that.
    pub(crate) fn make_room(&mut self, more: usize) {
        let full = self.len() + more;
        if self.capacity() >= full {
            return;
        }
        let pages = (full * size_of::<T>() >= PAGE)
            .then(|| Pages::with_capacity(ROOM * full).or_else(|| Pages::with_capacity(full)));
        *self = match pages.flatten() {
            Some(mut pages) => {
                pages.extend_from_slice(self);
                Store::Large(pages)
            }
            None => {
                let mut values = Vec::with_capacity(2 * full);
                values.extend_from_slice(self);
                Store::Small(values)
            }
        };
    }

    fn capacity(&self) -> usize {
        match self {
            Store::Small(values) => values.capacity(),
            Store::Large(pages) => pages.capacity,
        }
    }

    /// Appends copies of some of its values.
    pub(crate) fn extend_from_within(&mut self, range: Range<usize>) {
        self.make_room(range.len());
        match self {
            Store::Small(values) => values.extend_from_within(range),
            Store::Large(pages) => {
                let (len, more) = (pages.len, range.len());
                pages.room().copy_within(range, len);
                pages.len += more;
            }
        }
    }

    pub(crate) fn extend_from_slice(&mut self, more: &[T]) {
        self.make_room(more.len());
        match self {
            Store::Small(values) => values.extend_from_slice(more),
            Store::Large(pages) => pages.extend_from_slice(more),
        }
    }
}

impl<T: Pod> Deref for Store<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match self {
            Store::Small(values) => values,
            Store::Large(pages) => {
                bytemuck::cast_slice(&pages.map[pages.start..][..pages.len * size_of::<T>()])
            }
        }
    }
}

impl<T: Pod> DerefMut for Store<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Store::Small(values) => values,
            Store::Large(pages) => {
                let len = pages.len;
                &mut pages.room()[..len]
            }
        }
    }
}

impl<T: Pod> Clone for Store<T> {
    fn clone(&self) -> Self {
        let mut clone = Store::new();
        clone.extend_from_slice(self);
        clone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "Miri can't ask for large pages")]
    fn it_holds_what_a_vector_does_however_large_it_grows() {
        let (mut store, mut vector) = (Store::new(), Vec::new());
        let some: Vec<u64> = (0..1000).map(|i| i * 0x9e37_79b9).collect();
        while size_of_val(&store[..]) < 2 * ROOM * PAGE {
            store.extend_from_slice(&some);
            vector.extend_from_slice(&some);
            let range = vector.len() / 3..vector.len();
            store.extend_from_within(range.clone());
            vector.extend_from_within(range);
        }
        assert!(matches!(store, Store::Large(_)));
        store[7] = 1;
        vector[7] = 1;
        assert!(store[..] == vector && store.clone()[..] == vector);
        assert!(store.as_ptr().align_offset(PAGE) == 0, "values begin with a page");
    }
}
