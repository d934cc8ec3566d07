//! Distinct values of a sample with their counts, up to a bound.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::hashes::AlreadyHashed;
use super::vocabulary::hash;

/// Distinct values, of each how often it occurred, what else is gathered of it, and its text.
#[derive(Debug)]
pub(super) struct Distinct<T = ()> {
    /// From a value's hash to its place; nowhere for values without a name.
    places: HashMap<u64, u32, BuildHasherDefault<AlreadyHashed>>,
    entries: Vec<Entry<T>>,
    /// All names, one after the other.
    names: String,
    most: usize,
    /// Whether there were more than are counted.
    pub(super) is_bound: bool,
}

#[derive(Debug)]
struct Entry<T> {
    count: u64,
    gathered: T,
    /// Where its name starts among all names, and where it ends.
    name: Option<(usize, usize)>,
}

/// The place of values that there was no room for.
const NOWHERE: u32 = u32::MAX;
/// Columns with at most so many distinct values know them all by name.
pub(super) const ALL_KNOWN: usize = 4096;
/// Of the others so many of the most frequent are known by name.
const SOME_KNOWN: usize = 1024;
/// Longer texts are not worth a place of their own by name.
const LONGEST_NAME: usize = 256;

impl<T: Default + Copy> Distinct<T> {
    pub(super) fn new(most: usize) -> Self {
        Distinct {
            places: HashMap::default(),
            entries: Vec::new(),
            names: String::new(),
            most,
            is_bound: false,
        }
    }

    /// Counts a value, which has no name, by its hash. Once there are too many of them, no more is found out.
    pub(super) fn add(&mut self, hash: u64) {
        if !self.is_bound && self.places.len() < self.most {
            self.places.insert(hash, NOWHERE);
        } else if !self.is_bound {
            self.is_bound = !self.places.contains_key(&hash);
        }
    }

    /// Counts a text, whose hash is returned.
    pub(super) fn add_text(&mut self, text: &[u8]) -> u64 {
        let (hash, place) = self.find(text);
        self.count(place);
        hash
    }

    /// A text's hash, and its place, which is the same for good.
    pub(super) fn find(&mut self, text: &[u8]) -> (u64, u32) {
        let hash = hash(0, text);
        (hash, self.place(hash, text))
    }

    fn place(&mut self, hash: u64, text: &[u8]) -> u32 {
        if self.places.len() == self.most {
            return self.places.get(&hash).copied().unwrap_or(NOWHERE);
        }
        *self.places.entry(hash).or_insert_with(|| {
            let name = name(text).map(|name| {
                let start = self.names.len();
                self.names.push_str(name);
                (start, self.names.len())
            });
            self.entries.push(Entry { count: 0, gathered: T::default(), name });
            self.entries.len() as u32 - 1
        })
    }

    /// Counts the value at a place. Returns what is gathered of it, unless there are too many others.
    pub(super) fn count(&mut self, place: u32) -> Option<&mut T> {
        match self.entries.get_mut(place as usize) {
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
        self.places.len()
    }

    /// The texts with their counts and what was gathered of them, the most frequent first, equals in
    /// the order of the texts.
    pub(super) fn texts(&self) -> Vec<(&str, u64, T)> {
        self.texts_from(1)
    }

    /// Those of them that occurred at least so often.
    fn texts_from(&self, least: u64) -> Vec<(&str, u64, T)> {
        let entries = self.entries.iter().filter(|entry| entry.count >= least);
        let named = |entry: &Entry<T>| {
            let (start, end) = entry.name?;
            Some((&self.names[start..end], entry.count, entry.gathered))
        };
        let mut texts: Vec<(&str, u64, T)> = entries.filter_map(named).collect();
        texts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        texts
    }

    /// Those of the texts that shall be known by name.
    pub(super) fn known(&self) -> Vec<(&str, u64, T)> {
        self.frequent(SOME_KNOWN)
    }

    /// All texts, if they are not too many, else the `most` most frequent.
    pub(super) fn frequent(&self, most: usize) -> Vec<(&str, u64, T)> {
        let all = self.len() <= ALL_KNOWN && !self.is_bound;
        // Beyond what is known in full, a value seen once in the sample is not a frequent one.
        let mut texts = self.texts_from(if all { 1 } else { 2 });
        texts.truncate(if all { ALL_KNOWN } else { most });
        texts
    }
}

/// The name of a text, if it is worth one.
fn name(text: &[u8]) -> Option<&str> {
    std::str::from_utf8(text).ok().filter(|t| t.len() <= LONGEST_NAME)
}
