//! Looking values up in a table, all of whose indices are checked beforehand.
#![allow(unsafe_code)]

use super::{Kernel, run};

/// Appends the table's value at each index to `out`. Returns false, and appends none, if there is an index beyond its end.
#[must_use]
pub fn look_up<T: Copy>(table: &[T], indices: &[u32], out: &mut Vec<T>) -> bool {
    if !are_below(indices, table.len()) {
        return false;
    }
    // SAFETY: they were all found to be below the table's length.
    out.extend(indices.iter().map(|&index| unsafe { *table.get_unchecked(index as usize) }));
    true
}

/// Whether all indices are below `end`.
#[must_use]
pub fn are_below(indices: &[u32], end: usize) -> bool {
    let mut largest = 0;
    run(Largest { indices, largest: &mut largest });
    indices.is_empty() || (largest as usize) < end
}

struct Largest<'a> {
    indices: &'a [u32],
    largest: &'a mut u32,
}

impl Kernel for Largest<'_> {
    #[inline(always)]
    fn run(self) {
        // (No closures here: they are not always compiled for AVX2.)
        let mut largest = 0;
        for &index in self.indices {
            largest = index.max(largest);
        }
        *self.largest = largest;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn values_come_in_the_order_of_their_indices(
            table in prop::collection::vec(any::<u64>(), 0..20),
            indices in prop::collection::vec(0u32..20, 0..50),
        ) {
            let mut out = vec![7];
            let expected: Option<Vec<u64>> =
                indices.iter().map(|&index| table.get(index as usize).copied()).collect();
            prop_assert_eq!(look_up(&table, &indices, &mut out), expected.is_some());
            prop_assert_eq!(&out[..1], [7]);
            prop_assert_eq!(&out[1..], expected.unwrap_or_default());
        }
    }

    #[test]
    fn no_table_has_the_largest_index() {
        assert!(!look_up(&[1, 2], &[0, u32::MAX], &mut Vec::new()));
    }
}
