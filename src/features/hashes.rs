//! Hashes that have a number each, looked up without a branch: which of a column's values are known comes as if by chance, and
//! a branch on it would be guessed wrong half of the time.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::hint::select_unpredictable;

use wide::u16x8;

/// Hashes of a bucket, at the most: their tags are compared all at once.
const WAYS: usize = 8;
/// Hashes of a bucket, on average.
const USUAL: usize = 2;

/// A table from hashes to numbers, made once.
#[derive(Debug, Clone)]
pub(super) struct Hashes {
    buckets: Vec<Bucket>,
    /// The hashes, bucket by bucket, and their numbers; one more, so that there is always one to look at.
    entries: Vec<(u64, u32)>,
    /// Those that a bucket had no room for, or another one's tag: seldom any.
    rest: HashMap<u64, u32, BuildHasherDefault<AlreadyHashed>>,
}

/// Hashes that some of their bits bring together.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    /// Of each other bits.
    tags: [u16; WAYS],
    /// Where its entries begin, and how many there are.
    first: u32,
    count: u32,
}

impl Hashes {
    /// A table of hashes and their numbers: of equal ones the last counts.
    pub(super) fn new(numbers: impl Iterator<Item = (u64, u32)>) -> Self {
        // The order is that of the buckets, and of equal hashes the one that counts comes first.
        let mut numbers: Vec<(u64, u32)> = numbers.collect();
        let buckets = (numbers.len() / USUAL).next_power_of_two();
        let bucket_of = |hash: u64| hash as usize & (buckets - 1);
        numbers.reverse();
        numbers.sort_by_key(|&(hash, _)| (bucket_of(hash), hash));
        numbers.dedup_by_key(|&mut (hash, _)| hash);
        let mut hashes = Hashes {
            buckets: vec![Bucket::default(); buckets],
            entries: Vec::new(),
            rest: HashMap::default(),
        };
        let mut numbers = numbers.into_iter().peekable();
        for (number, bucket) in hashes.buckets.iter_mut().enumerate() {
            bucket.first = hashes.entries.len() as u32;
            while let Some(entry) = numbers.next_if(|&(hash, _)| bucket_of(hash) == number) {
                let count = bucket.count as usize;
                if count == WAYS || bucket.tags[..count].contains(&tag(entry.0)) {
                    hashes.rest.insert(entry.0, entry.1);
                } else {
                    bucket.tags[count] = tag(entry.0);
                    bucket.count += 1;
                    hashes.entries.push(entry);
                }
            }
        }
        hashes.entries.push((0, 0));
        hashes
    }

    /// The number of a hash, or `otherwise`.
    #[inline(always)]
    pub(super) fn get(&self, hash: u64, otherwise: u32) -> u32 {
        let bucket = &self.buckets[hash as usize & (self.buckets.len() - 1)];
        let hits = u16x8::new(bucket.tags).simd_eq(u16x8::splat(tag(hash))).to_bitmask() | 1 << WAYS;
        let way = hits.trailing_zeros();
        let is_there = way < bucket.count;
        let place = select_unpredictable(is_there, bucket.first + way, 0);
        let (found, number) = self.entries[place as usize];
        let number = select_unpredictable(is_there & (found == hash), number, otherwise);
        if self.rest.is_empty() { number } else { self.rest.get(&hash).copied().unwrap_or(number) }
    }
}

/// The bits of a hash that tell it from others of its bucket.
fn tag(hash: u64) -> u16 {
    (hash >> 48) as u16
}

/// Keys are hashes themselves.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct AlreadyHashed(u64);

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Also where many hashes share a bucket, or a tag in it.
        #[test]
        fn it_knows_what_a_map_knows(
            parts in prop::collection::vec((0..3u64, 0..3u64, 0..9u64), 0..200),
            others in prop::collection::vec((0..3u64, 0..3u64, 0..9u64), 0..50),
        ) {
            let hash = |&(high, middle, low): &(u64, u64, u64)| high << 48 | middle << 20 | low;
            let numbers: Vec<(u64, u32)> = (1..).zip(&parts).map(|(n, parts)| (hash(parts), n)).collect();
            let map: HashMap<u64, u32> = numbers.iter().copied().collect();
            let table = Hashes::new(numbers.iter().copied());
            for hash in parts.iter().chain(&others).map(hash) {
                let expected = map.get(&hash).copied().unwrap_or(77);
                prop_assert_eq!(table.get(hash, 77), expected);
            }
        }
    }
}
