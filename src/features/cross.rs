//! Crosses: columns taken together, a category for each combination of their values.

use serde::{Deserialize, Serialize};

use super::plan::Use;
use crate::error::{Error, Result};
use crate::learn::HASHED;

/// Columns to be crossed, as the user names them: `A*B`, `A*B*C`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Cross {
    /// The names; of a point in time with the part, as in `when.hour`.
    pub parents: Vec<String>,
}

/// Most columns of a cross.
pub(super) const MOST_PARENTS: usize = 8;

impl TryFrom<String> for Cross {
    type Error = Error;

    fn try_from(text: String) -> Result<Cross> {
        let parents: Vec<String> = text.split('*').map(|name| name.trim().to_string()).collect();
        let fault = |why: String| {
            Err(Error::usage(format!("{text:?} is no cross: {why}"))
                .remedy("write the names of the columns with a star between two, such as country*device"))
        };
        if parents.iter().any(String::is_empty) || parents.len() < 2 {
            return fault("it needs two columns or more".to_string());
        }
        if parents.len() > MOST_PARENTS {
            return fault(format!("it has more than {MOST_PARENTS} columns"));
        }
        match parents.iter().enumerate().find(|(i, name)| parents[..*i].contains(name)) {
            Some((_, name)) => fault(format!("`{name}` stands in it twice")),
            None => Ok(Cross { parents }),
        }
    }
}

impl Cross {
    /// The name of what it makes.
    pub(super) fn name(&self) -> String {
        self.parents.join("*")
    }
}

/// A column of a cross.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parent {
    /// The table's column.
    pub column: String,
    /// How its values are told apart: a category, bins, or one part of a point in time.
    pub used: Use,
}

/// Crosses of at most so many combinations know them all by name.
const ALL_NAMED: usize = 4096;

/// The combinations of known values, missing ones among them, each of which has a slot by name; 0 if they
/// are too many for that.
pub(super) fn named(parents: &[Parent]) -> usize {
    let all = parents.iter().try_fold(1usize, |all, parent| all.checked_mul(parent.used.codes()));
    all.filter(|&all| all <= ALL_NAMED).unwrap_or(0)
}

/// log2 of the slots that all other combinations share at the start.
pub(super) fn shared_bits(parents: &[Parent]) -> u32 {
    let all_known = parents.iter().all(|parent| match parent.used {
        Use::Category { bits, .. } => bits == 0,
        _ => true,
    });
    match (named(parents) > 0, all_known) {
        (true, true) => 0,
        (true, false) => 6,
        // How many combinations occur is known only when they have come: the table grows with them.
        (false, _) => 12,
    }
}

/// The names of the combinations that have a slot by name, in the order of the slots.
pub(super) fn names(parents: &[Parent]) -> Vec<String> {
    let mut names = vec![String::new()];
    for parent in parents {
        let values = parent.used.code_names(&parent.column);
        let star = if names.len() == 1 && names[0].is_empty() { "" } else { " * " };
        names =
            names.iter().flat_map(|name| values.iter().map(move |v| format!("{name}{star}{v}"))).collect();
    }
    names
}

/// Turns the codes of columns into those of their cross.
#[derive(Debug)]
pub(super) struct CrossEncoder {
    seed: u64,
    /// How many codes of each column are those of known values; empty if no combination has a name.
    sizes: Vec<u32>,
}

impl CrossEncoder {
    pub(super) fn new(seed: u64, parents: &[Parent]) -> Self {
        let sizes = parents.iter().map(|parent| parent.used.codes() as u32);
        CrossEncoder { seed, sizes: if named(parents) > 0 { sizes.collect() } else { Vec::new() } }
    }

    /// Appends the code of each row to `codes`, given those of the columns.
    pub(super) fn encode(&self, parents: &[&[u32]], codes: &mut Vec<u32>) {
        let rows = parents.first().map_or(0, |codes| codes.len());
        if self.sizes.is_empty() {
            codes.extend((0..rows).map(|row| self.hashed(parents, row)));
            return;
        }
        codes.extend((0..rows).map(|row| {
            let (mut place, mut known) = (0, true);
            for (codes, &size) in parents.iter().zip(&self.sizes) {
                known &= codes[row] < size;
                place = place * size + codes[row].min(size - 1);
            }
            if known { place } else { self.hashed(parents, row) }
        }));
    }

    #[inline]
    fn hashed(&self, parents: &[&[u32]], row: usize) -> u32 {
        let mut mixed = self.seed;
        for codes in parents {
            // The finalizer of SplitMix64.
            mixed = (mixed ^ u64::from(codes[row])).wrapping_add(0x9e37_79b9_7f4a_7c15);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^= mixed >> 31;
        }
        HASHED | (mixed >> 33) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parents() -> Vec<Parent> {
        let known = ["x", "y"].map(String::from).to_vec();
        vec![
            Parent { column: "a".to_string(), used: Use::Category { known, bits: 0 } },
            Parent { column: "n".to_string(), used: Use::Bins { edges: vec![1.5] } },
        ]
    }

    #[test]
    fn combinations_of_known_values_have_names_in_the_order_of_their_codes() {
        let parents = parents();
        assert_eq!((named(&parents), shared_bits(&parents)), (9, 0));
        let names = names(&parents);
        assert_eq!(names.len(), 9);
        let mut codes = Vec::new();
        CrossEncoder::new(1, &parents).encode(&[&[0, 2, 1, HASHED | 5], &[0, 1, 2, 1]], &mut codes);
        let named: Vec<&str> = codes[..3].iter().map(|&code| names[code as usize].as_str()).collect();
        assert_eq!(named, ["a is missing * n is missing", "a=y * n below 1.5", "a=x * n from 1.5"]);
        assert!(codes[3] & HASHED != 0);
    }

    #[test]
    fn many_combinations_are_hashed_each_to_its_own_code() {
        let known: Vec<String> = (0..100).map(|i| i.to_string()).collect();
        let parent = |name: &str| Parent {
            column: name.to_string(),
            used: Use::Category { known: known.clone(), bits: 6 },
        };
        let parents = ["a", "b"].map(parent);
        assert_eq!((named(&parents), shared_bits(&parents)), (0, 12));
        let (a, b): (Vec<u32>, Vec<u32>) = (0..101).flat_map(|a| (0..101).map(move |b| (a, b))).unzip();
        let mut codes = Vec::new();
        CrossEncoder::new(1, &parents).encode(&[&a, &b], &mut codes);
        assert!(codes.iter().all(|code| code & HASHED != 0));
        codes.sort_unstable();
        codes.dedup();
        assert!(codes.len() > 10_195, "{} of 10201 codes are different", codes.len());
    }

    #[test]
    fn what_is_no_cross_is_refused() {
        let parents = |text: &str| Cross::try_from(text.to_string()).map(|cross| cross.parents);
        assert_eq!(parents("a* b *c").unwrap(), ["a", "b", "c"]);
        for text in ["a", "a*", "*", "", "a*b*a", "a*b*c*d*e*f*g*h*i"] {
            assert!(parents(text).unwrap_err().to_string().contains("no cross"), "{text}");
        }
    }
}
