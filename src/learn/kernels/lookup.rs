//! Looking values up in a table, all of whose indices are checked beforehand.
#![allow(unsafe_code)]

use super::{Kernel, run};

/// Appends the table's value at each index to `out`.
///
/// # Panics
/// If there is an index beyond its end.
pub(crate) fn look_up<T: Copy>(table: &[T], indices: &[u32], out: &mut Vec<T>) {
    assert!(are_below(indices, table.len()), "an index beyond the end of a table");
    // SAFETY: they were all found to be below the table's length.
    out.extend(indices.iter().map(|&index| unsafe { *table.get_unchecked(index as usize) }));
}

/// Whether all indices are below `end`.
pub(crate) fn are_below(indices: &[u32], end: usize) -> bool {
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
            table in prop::collection::vec(any::<u64>(), 0..40),
            indices in prop::collection::vec(prop_oneof![50 => 0u32..20, 1 => Just(u32::MAX)], 0..50),
        ) {
            let expected: Option<Vec<u64>> =
                indices.iter().map(|&index| table.get(index as usize).copied()).collect();
            prop_assert_eq!(are_below(&indices, table.len()), expected.is_some());
            if let Some(expected) = expected {
                let mut out = vec![7];
                look_up(&table, &indices, &mut out);
                prop_assert_eq!(&out[..1], [7]);
                prop_assert_eq!(&out[1..], expected);
            }
        }
    }

    #[test]
    #[should_panic = "beyond the end"]
    fn nothing_is_looked_up_beyond_a_table() {
        look_up(&[1, 2], &[0, 2], &mut Vec::new());
    }
}
