//! Digests: whether two columns hold the same values, told without keeping them.

/// A hash of a column's values in their order.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Digest(u64);

/// Stands for a missing value.
const MISSING: u64 = 0x6d69_7373_696e_6721;

impl Digest {
    /// Takes in a value by its hash, `None` for a missing one. Two columns with different values have the
    /// same digest about once in 2^64.
    #[inline]
    pub(super) fn add(&mut self, hash: Option<u64>) {
        let hash = hash.unwrap_or(MISSING);
        self.0 = (self.0.rotate_left(29) ^ hash).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    pub(super) fn value(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::vocabulary::hash;
    use super::*;

    #[test]
    fn order_number_and_gaps_count() {
        let digest = |values: &[Option<u8>]| {
            let mut digest = Digest::default();
            values.iter().for_each(|value| digest.add(value.map(|value| hash(0, &[value]))));
            digest.value()
        };
        let all: [&[Option<u8>]; 6] =
            [&[], &[Some(1)], &[Some(1), Some(2)], &[Some(2), Some(1)], &[Some(1), None], &[None, Some(1)]];
        for (i, a) in all.iter().enumerate() {
            for (j, b) in all.iter().enumerate() {
                assert_eq!(digest(a) == digest(b), i == j, "{a:?} {b:?}");
            }
        }
    }
}
