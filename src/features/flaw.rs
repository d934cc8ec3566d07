//! What may be wrong with a plan that was read from a file, though it reads well: nothing could be encoded by it.

use super::cross::MOST_PARENTS;
use super::plan::{Plan, Use};
use super::target::Target;
use super::text::MOST_NGRAMS;
use super::tokens::STYLE;

/// Elements, keys or n-grams of a row, of which there are far fewer: what they take is reckoned with.
const MOST_LENGTH: usize = u32::MAX as usize;

impl Plan {
    /// What is wrong with it.
    pub(crate) fn flaw(&self) -> Option<String> {
        if let Target::Classes { classes, shares, .. } = &self.target
            && classes.len() != shares.len()
        {
            return Some("not every class has a share of the sample".to_string());
        }
        self.columns
            .iter()
            .find_map(|column| Some(format!("column `{}` {}", column.name, column.used.flaw()?)))
    }
}

impl Use {
    fn flaw(&self) -> Option<&'static str> {
        match self {
            Use::Map { known, units, .. } if known.len() != units.len() => {
                Some("has not a unit for each key")
            }
            Use::List { length, .. } | Use::Map { length, .. } | Use::Text { length, .. }
                if *length > MOST_LENGTH =>
            {
                Some("is too long")
            }
            Use::Text { ngrams, .. } if !(1..=MOST_NGRAMS).contains(ngrams) => {
                Some("has too many words in one")
            }
            Use::Text { style, .. } if style.len() != STYLE.len() => {
                Some("has not a scale for each of its numbers")
            }
            Use::Cross { parents, .. } => {
                let can_be = |used: &Use| match used {
                    Use::Category { .. } | Use::Bins { .. } => true,
                    Use::Time { parts } => parts.len() == 1 && used.codes() > 0,
                    _ => false,
                };
                let fits = (2..=MOST_PARENTS).contains(&parents.len());
                (!fits || !parents.iter().all(|parent| can_be(&parent.used))).then_some("can't be a cross")
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{Parent, PlannedColumn, Scale, TimePart};

    fn flaw(used: Use) -> Option<String> {
        let target =
            Target::Number { column: "y".into(), offset: 0.0, scale: 1.0, mean: 0.0, is_count: false };
        let column = PlannedColumn::used_as("x", used);
        Plan { target, weight: None, offset: None, hash_seed: 1, columns: vec![column] }.flaw()
    }

    #[test]
    fn what_could_not_be_encoded_is_told() {
        let map = |units: usize, length| Use::Map {
            known: vec!["k".into()],
            units: vec![1.0; units],
            unit: 1.0,
            bits: 0,
            length,
        };
        let text = |ngrams, scales| Use::Text {
            known: Vec::new(),
            bits: 0,
            ngrams,
            length: 1,
            style: vec![Scale::standard(&[1.0, 2.0]); scales],
        };
        let category = || Use::Category { known: Vec::new(), bits: 0 };
        let cross = |uses: Vec<Use>| Use::Cross {
            parents: uses.into_iter().map(|used| Parent { column: "p".into(), used }).collect(),
            bits: 0,
        };
        let hours = |parts| Use::Time { parts: vec![TimePart::Hour; parts] };
        for sound in [map(1, 3), text(2, STYLE.len()), cross(vec![category(), hours(1)]), category()] {
            assert_eq!(flaw(sound.clone()), None, "{sound:?}");
        }
        for damaged in [
            map(0, 3),
            map(1, usize::MAX),
            text(0, STYLE.len()),
            text(6, STYLE.len()),
            text(2, STYLE.len() - 1),
            cross(vec![category()]),
            cross(vec![category(); 9]),
            cross(vec![category(), hours(2)]),
            cross(vec![category(), map(1, 1)]),
            cross(vec![category(), cross(vec![category(), category()])]),
        ] {
            assert!(flaw(damaged.clone()).unwrap().starts_with("column `x` "), "{damaged:?}");
        }
    }
}
