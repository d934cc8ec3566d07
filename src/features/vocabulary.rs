//! Vocabularies: from a category's text to its code.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::learn::HASHED;

/// The code of a missing value; known categories follow.
pub(crate) const MISSING: u32 = 0;

/// Codes of one column's categories. Categories are told apart by 64 bits of hash (XXH3, whose
/// values are fixed for good, since models hold them).
#[derive(Debug, Clone)]
pub(crate) struct Vocabulary {
    seed: u64,
    known: HashMap<u64, u32, BuildHasherDefault<AlreadyHashed>>,
}

impl Vocabulary {
    pub(crate) fn new(seed: u64, known: &[String]) -> Self {
        let codes = (1..).zip(known).map(|(code, text)| (hash(seed, text.as_bytes()), code));
        Vocabulary { seed, known: codes.collect() }
    }

    /// The code of a category.
    #[inline]
    pub(crate) fn code(&self, text: &[u8]) -> u32 {
        let hash = hash(self.seed, text);
        // The upper half: the map uses the lower.
        self.known.get(&hash).copied().unwrap_or(HASHED | (hash >> 33) as u32)
    }
}

#[inline]
pub(crate) fn hash(seed: u64, text: &[u8]) -> u64 {
    xxh3_64_with_seed(text, seed)
}

/// Keys are hashes themselves.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only u64 keys are hashed")
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}
