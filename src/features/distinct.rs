//! Distinct values of a sample with their counts, up to a bound.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::vocabulary::{AlreadyHashed, hash};

/// Distinct values, of each how often it occurred, what else is gathered of it, and its text.
#[derive(Debug)]
pub(super) struct Distinct<T = ()> {
    values: HashMap<u64, Entry<T>, BuildHasherDefault<AlreadyHashed>>,
    most: usize,
    /// Whether there were more than are counted.
    pub(super) is_bound: bool,
}

#[derive(Debug)]
struct Entry<T> {
    count: u64,
    gathered: T,
    text: Option<Box<str>>,
}

/// Columns with at most so many distinct values know them all by name.
pub(super) const ALL_KNOWN: usize = 4096;
/// Of the others so many of the most frequent are known by name.
const SOME_KNOWN: usize = 1024;
/// Longer texts are not worth a place of their own by name.
const LONGEST_NAME: usize = 256;

impl<T: Default + Copy> Distinct<T> {
    pub(super) fn new(most: usize) -> Self {
        Distinct { values: HashMap::default(), most, is_bound: false }
    }

    /// Counts a value, which has no name, by its hash.
    pub(super) fn add(&mut self, hash: u64) {
        self.entry(hash, || None);
    }

    /// Counts a text. Returns what is gathered of it, unless there are too many others.
    pub(super) fn add_text(&mut self, text: &[u8]) -> Option<&mut T> {
        self.entry(hash(0, text), || {
            let text = std::str::from_utf8(text).ok().filter(|t| t.len() <= LONGEST_NAME);
            text.map(Box::from)
        })
    }

    fn entry(&mut self, hash: u64, text: impl FnOnce() -> Option<Box<str>>) -> Option<&mut T> {
        let entry = if self.values.len() < self.most {
            let new = || Entry { count: 0, gathered: T::default(), text: text() };
            Some(self.values.entry(hash).or_insert_with(new))
        } else {
            self.values.get_mut(&hash)
        };
        match entry {
            Some(entry) => {
                entry.count += 1;
                Some(&mut entry.gathered)
            }
            None => {
                self.is_bound = true;
                None
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The texts with their counts and what was gathered of them, the most frequent first, equals in
    /// the order of the texts.
    pub(super) fn texts(&self) -> Vec<(&str, u64, T)> {
        let entries = self.values.values();
        let mut texts: Vec<(&str, u64, T)> =
            entries.filter_map(|e| Some((e.text.as_deref()?, e.count, e.gathered))).collect();
        texts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        texts
    }

    /// Those of the texts that shall be known by name.
    pub(super) fn known(&self) -> Vec<(&str, u64, T)> {
        let all = self.len() <= ALL_KNOWN && !self.is_bound;
        let mut texts = self.texts();
        // Beyond what is known in full, a value seen once in the sample is not a frequent one.
        texts.retain(|(_, count, _)| all || *count > 1);
        texts.truncate(if all { ALL_KNOWN } else { SOME_KNOWN });
        texts
    }
}
