//! Vectors for tables: in pages of their own once they are large, and in large ones. What rows need of a table may lie
//! anywhere in it, and with pages of 4 KB nearly every visit of a table of many megabytes waits for its page's address
//! first. Prefetches do so, too, and then take as long as what they were to spare.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut, Range};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytemuck::{Pod, Zeroable};
use memmap2::{MmapMut, MmapOptions};

use super::super::record::Record;

/// Bytes of a large page.
const PAGE: usize = 2 << 20;
/// Most bytes of values that are visited often enough to be worth a large page whatever it takes.
const MOST_BYTES: usize = size_of::<Record<1>>();
/// What a large page takes that the system has at hand, at the most: systems that give free ones back to their host take
/// several milliseconds to get one again, small ones not a fifth of that.
const AT_HAND: Duration = Duration::from_millis(1);
/// Pages that are taken as small ones, where large ones were not at hand, before another large one is tried.
const PAUSE: usize = 64;
/// How many pages of these are left.
static PAUSED: AtomicUsize = AtomicUsize::new(0);
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
    /// Bytes that will soon be used.
    expected: usize,
    /// Bytes of the pages that have been seen to, of which all will be used.
    paged: usize,
    values: PhantomData<T>,
}

impl<T: Pod> Pages<T> {
    fn with_capacity(capacity: usize) -> Option<Self> {
        let bytes = capacity * size_of::<T>() + PAGE;
        let map = MmapOptions::new().len(bytes).no_reserve_swap().map_anon().ok()?;
        let start = map.as_ptr().align_offset(PAGE);
        Some(Pages { map, start, capacity, len: 0, expected: 0, paged: 0, values: PhantomData })
    }

    /// Sees to the pages of `more` values that are about to be appended.
    fn make_pages(&mut self, more: usize) {
        let (begin, end) = (self.len * size_of::<T>(), (self.len + more) * size_of::<T>());
        while self.paged < end && self.paged + PAGE <= self.expected {
            let page = self.paged;
            self.paged += PAGE;
            // One that is in use is what it is.
            if page >= begin && self.is_worth_a_large_one() {
                self.make_large(self.start + page);
            }
        }
    }

    fn is_worth_a_large_one(&self) -> bool {
        let pause = |left: usize| left.checked_sub(1);
        let is_paused = PAUSED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pause).is_ok();
        !is_paused || size_of::<T>() <= MOST_BYTES
    }

    /// Has the page at a byte of the map, which nobody has used yet, be a large one. A system that has none refuses.
    fn make_large(&mut self, at: usize) {
        #[cfg(target_os = "linux")]
        if self.map.advise_range(memmap2::Advice::HugePage, at, PAGE).is_ok() {
            let begin = Instant::now();
            self.map[at] = 0;
            if begin.elapsed() > AT_HAND {
                PAUSED.store(PAUSE, Ordering::Relaxed);
            }
        }
    }

    /// All values that there is room for.
    fn room(&mut self) -> &mut [T] {
        bytemuck::cast_slice_mut(&mut self.map[self.start..][..self.capacity * size_of::<T>()])
    }

    /// Appends values that there is room for.
    fn extend_from_slice(&mut self, more: &[T]) {
        self.make_pages(more.len());
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
        let bytes = full * size_of::<T>();
        if self.capacity() >= full {
            if let Store::Large(pages) = self {
                pages.expected = pages.expected.max(bytes);
            }
            return;
        }
        let pages =
            (bytes >= PAGE).then(|| Pages::with_capacity(ROOM * full).or_else(|| Pages::with_capacity(full)));
        *self = match pages.flatten() {
            Some(mut pages) => {
                pages.expected = bytes;
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
                pages.make_pages(more);
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
