//! Random numbers whose values are fixed for good: orders of rows are part of what a seed promises.

use serde::{Deserialize, Serialize};

/// SplitMix64 (Steele, Lea and Flood 2014).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Random(u64);

impl Random {
    /// A generator for a seed and a purpose; different purposes give unrelated numbers.
    pub fn new(seed: u64, purpose: u64) -> Self {
        Random(mix(seed ^ mix(purpose.wrapping_add(0x9e37_79b9_7f4a_7c15))))
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`, by Lemire's multiplication; its bias of at most bound / 2^64 is nothing.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// Puts a slice into random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

/// A number as if drawn for `key`: the same for the same seed and key, whatever the order of asking.
pub fn keyed(seed: u64, key: u64) -> u64 {
    mix(mix(seed).wrapping_add(key.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_fixed() {
        let mut random = Random(0);
        // The generator's published sequence for seed 0.
        assert_eq!(random.next_u64(), 0xe220_a839_7b1d_cdaf);
        let mut items: Vec<u32> = (0..8).collect();
        Random::new(1, 2).shuffle(&mut items);
        let mut sorted = items.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..8).collect::<Vec<_>>());
        assert_ne!(items, sorted);
    }
}
