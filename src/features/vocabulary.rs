//! Vocabularies: from a category's text to its code.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::hashes::Hashes;
use crate::learn::HASHED;

/// The code of a missing value; known categories follow.
pub(crate) const MISSING: u32 = 0;

/// Codes of one column's categories. Categories are told apart by 64 bits of hash (XXH3, whose
/// values are fixed for good, since models hold them).
#[derive(Debug, Clone)]
pub(crate) struct Vocabulary {
    seed: u64,
    known: Hashes,
}

impl Vocabulary {
    pub(crate) fn new(seed: u64, known: &[String]) -> Self {
        let codes = known.iter().enumerate().map(|(i, text)| (hash(seed, text.as_bytes()), i as u32 + 1));
        Vocabulary { seed, known: Hashes::new(codes) }
    }

    /// The code of a category.
    #[inline]
    pub(crate) fn code(&self, text: &[u8]) -> u32 {
        let hash = hash(self.seed, text);
        self.known.get(hash, hashed(hash))
    }
}

/// The code of a category that is not known.
#[inline]
fn hashed(hash: u64) -> u32 {
    HASHED | (hash >> 33) as u32
}

#[inline]
pub(crate) fn hash(seed: u64, text: &[u8]) -> u64 {
    xxh3_64_with_seed(text, seed)
}
