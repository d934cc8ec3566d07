//! Classes: from a value of the target to its label.

use arrow::array::ArrayRef;

use super::{Target, listed, parse, quoted};
use crate::error::{Error, Result};
use crate::features::codes::{Codes, Dictionaries, Dictionary, encode_categories};
use crate::features::values::{Sort, for_each_text, map_numbers};
use crate::features::vocabulary::{MISSING, Vocabulary};
use crate::learn::HASHED;

/// Finds the labels of a target's classes.
#[derive(Debug)]
pub(super) struct Classes {
    /// What a message says was expected.
    expected: String,
    table: Table,
    /// The label of each code, that of [`MISSING`] for rows that are left out.
    labels: Vec<f32>,
    dictionaries: Dictionaries,
}

/// So many classes are compared one by one.
const FEW: usize = 8;

/// From a class to its code: classes count from 1, as the categories of a [`Vocabulary`] do.
#[derive(Debug)]
struct Table {
    vocabulary: Vocabulary,
    /// Classes that are numbers, ascending: so that 1, 1.0 and "01" are told to be the same one.
    numbers: Vec<(f64, u32)>,
    /// The code of what is none of the classes, [`HASHED`] if that is an error.
    other: u32,
}

impl Table {
    #[inline(always)]
    fn number(&self, x: f64) -> u32 {
        // Labels come in no order that could be foreseen, so a few classes are all compared.
        let code = if self.numbers.len() <= FEW {
            let code = |found, &(class, code): &(f64, u32)| if class == x { code } else { found };
            self.numbers.iter().fold(self.other, code)
        } else {
            let place = self.numbers.partition_point(|(class, _)| *class < x);
            self.numbers.get(place).filter(|(class, _)| *class == x).map_or(self.other, |(_, code)| *code)
        };
        if x.is_nan() { MISSING } else { code }
    }
}

impl Codes for Table {
    fn code(&self, text: &[u8]) -> u32 {
        match self.vocabulary.code(text) {
            code if code & HASHED == 0 => code,
            _ if self.numbers.is_empty() => self.other,
            // A class that is a number may be written in other ways.
            _ => parse(text).map_or(self.other, |x| if x.is_nan() { self.other } else { self.number(x) }),
        }
    }
}

impl Classes {
    /// The classes of a target; `None` if it is a number.
    pub(super) fn of(target: &Target) -> Option<Self> {
        let names = target.classes();
        // The label of a class is its place; where there are many the message names a few.
        let (known, is_numeric) = match target {
            Target::Number { .. } => return None,
            Target::Binary { negative: None, numeric, .. } => (&names[1..], *numeric),
            Target::Binary { .. } | Target::Classes { .. } => (&names[..], true),
        };
        let first = names.len() - known.len();
        let mut labels = vec![0.0];
        labels.extend((first..names.len()).map(|label| label as f32));
        let mut other = HASHED;
        if first > 0 {
            other = labels.len() as u32;
            labels.push(0.0);
        }
        let parsed: Option<Vec<(f64, u32)>> =
            known.iter().zip(1..).map(|(name, code)| Some((name.parse().ok()?, code))).collect();
        let mut numbers = parsed.filter(|_| is_numeric).unwrap_or_default();
        numbers.sort_by(|a, b| a.0.total_cmp(&b.0));
        // "1" and "01" are told apart as texts only.
        if numbers.windows(2).any(|pair| pair[0].0 == pair[1].0) || numbers.iter().any(|(x, _)| x.is_nan()) {
            numbers.clear();
        }
        let expected = match known {
            [negative, positive] => format!("{negative:?} or {positive:?}"),
            _ => format!("one of {}", listed(known)),
        };
        // A seed of its own is no use here: classes have no slots to share.
        let table = Table { vocabulary: Vocabulary::new(0, known), numbers, other };
        Some(Classes { expected, table, labels, dictionaries: Dictionaries::default() })
    }

    /// Appends each row's label; `bad(row, why)` decides what becomes of one that can't be understood.
    /// `codes` is scratch, `last` the dictionary of the batch before, if it had one.
    pub(super) fn encode(
        &self,
        array: &ArrayRef,
        last: &mut Option<Dictionary>,
        codes: &mut Vec<u32>,
        labels: &mut Vec<f32>,
        bad: &mut dyn FnMut(usize, Error) -> Result<()>,
    ) -> Result<()> {
        codes.resize(array.len(), MISSING);
        if Sort::of(array.data_type()) == Sort::Number && !self.table.numbers.is_empty() {
            map_numbers(array, codes, MISSING, |x| self.table.number(x))?;
        } else {
            encode_categories(array, &self.table, &self.dictionaries, last, codes)?;
        }
        let is_bad = |code: u32| code == MISSING || code & HASHED != 0;
        if codes.iter().fold(false, |bad, &code| bad | is_bad(code)) {
            for (row, code) in codes.iter_mut().enumerate().filter(|(_, code)| is_bad(**code)) {
                bad(row, self.fault(array, row, *code)?)?;
                *code = MISSING;
            }
        }
        labels.extend(codes.iter().map(|&code| self.labels[code as usize]));
        Ok(())
    }

    fn fault(&self, array: &ArrayRef, row: usize, code: u32) -> Result<Error> {
        if code == MISSING {
            return Ok(missing());
        }
        let mut found = String::new();
        for_each_text(&array.slice(row, 1), |_, text| found = quoted(text.unwrap_or_default()))?;
        let expected = &self.expected;
        Ok(Error::data(format!("found {found}, expected {expected} as target")).remedy(
            "leave such rows out with --on-error skip, or train with --scan-classes, which reads the target \
             of all rows first",
        ))
    }
}

/// The error of a row without a target.
pub(super) fn missing() -> Error {
    Error::data("the target is missing").remedy("leave such rows out with --on-error skip")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{DictionaryArray, Float64Array, Int8Array, Int64Array, StringArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    fn labels(target: &Target, array: impl arrow::array::Array + 'static) -> Result<Vec<f32>> {
        let mut labels = Vec::new();
        let array = Arc::new(array) as ArrayRef;
        let classes = Classes::of(target).unwrap();
        classes.encode(&array, &mut None, &mut Vec::new(), &mut labels, &mut |_, e| Err(e))?;
        Ok(labels)
    }

    fn binary(positive: &str, negative: &str) -> Target {
        Target::Binary {
            column: "y".to_string(),
            positive: positive.into(),
            negative: Some(negative.into()),
            share: 0.5,
            numeric: false,
        }
    }

    fn one_against_rest(positive: &str, numeric: bool) -> Target {
        let (column, positive) = ("y".to_string(), positive.to_string());
        Target::Binary { column, positive, negative: None, share: 0.5, numeric }
    }

    fn several(classes: &[&str]) -> Target {
        let shares = vec![1.0 / classes.len() as f64; classes.len()];
        let classes = classes.iter().map(|class| (*class).to_string()).collect();
        Target::Classes { column: "y".to_string(), classes, shares }
    }

    #[test]
    fn two_classes_are_told_apart_in_every_type() {
        let signs = labels(&binary("1", "-1"), Int8Array::from(vec![1, -1, 1]));
        assert_eq!(signs.unwrap(), [1.0, 0.0, 1.0]);
        let floats = labels(&binary("1", "0"), Float64Array::from(vec![0.0, 1.0, -0.0]));
        assert_eq!(floats.unwrap(), [0.0, 1.0, 0.0]);
        let texts = labels(&binary("yes", "no"), StringArray::from(vec!["no", "yes"]));
        assert_eq!(texts.unwrap(), [0.0, 1.0]);
        let spelt = labels(&binary("1", "0"), StringArray::from(vec!["0.0", " 1", "1"]));
        assert_eq!(spelt.unwrap(), [0.0, 1.0, 1.0]);
        let codes = labels(&binary("1", "01"), StringArray::from(vec!["01", "1"]));
        assert_eq!(codes.unwrap(), [0.0, 1.0]);
    }

    #[test]
    fn the_label_of_a_class_is_its_place() {
        let texts = ["b", "a", "c", "b"];
        let plain = labels(&several(&["a", "b", "c"]), StringArray::from(texts.to_vec()));
        assert_eq!(plain.unwrap(), [1.0, 0.0, 2.0, 1.0]);
        let dictionary: DictionaryArray<Int32Type> = texts.into_iter().collect();
        assert_eq!(labels(&several(&["a", "b", "c"]), dictionary).unwrap(), [1.0, 0.0, 2.0, 1.0]);
        let numbers = several(&["-3", "0.5", "2", "10"]);
        let floats = labels(&numbers, Float64Array::from(vec![10.0, -3.0, 0.5, 2.0]));
        assert_eq!(floats.unwrap(), [3.0, 0.0, 1.0, 2.0]);
        let texts = labels(&numbers, StringArray::from(vec!["10.0", "2", "-3"]));
        assert_eq!(texts.unwrap(), [3.0, 2.0, 0.0]);
    }

    #[test]
    fn one_class_stands_against_all_others() {
        let target = one_against_rest("b", false);
        let texts = labels(&target, StringArray::from(vec!["b", "a", "what?"]));
        assert_eq!(texts.unwrap(), [1.0, 0.0, 0.0]);
        assert!(labels(&target, StringArray::from(vec![Some("b"), None])).is_err());
        let numbers = labels(&one_against_rest("3", true), Int64Array::from(vec![3, 4, 3]));
        assert_eq!(numbers.unwrap(), [1.0, 0.0, 1.0]);
        assert!(labels(&one_against_rest("3", true), Float64Array::from(vec![f64::NAN])).is_err());
        let texts = StringArray::from(vec!["3.0", "4", "x"]);
        assert_eq!(labels(&one_against_rest("3", true), texts).unwrap(), [1.0, 0.0, 0.0]);
        // Of texts that are no numbers "01" is another one than "1".
        let texts = StringArray::from(vec!["1", "01"]);
        assert_eq!(labels(&one_against_rest("1", false), texts).unwrap(), [1.0, 0.0]);
    }

    #[test]
    fn strange_labels_are_errors() {
        let third = labels(&binary("yes", "no"), StringArray::from(vec!["no", "maybe"])).unwrap_err();
        let third = third.to_string();
        assert!(third.starts_with("found \"maybe\", expected \"no\" or \"yes\""), "{third}");
        assert!(third.contains("--scan-classes") && third.contains("--on-error skip"), "{third}");
        let fourth =
            labels(&several(&["1", "2", "3"]), Int64Array::from(vec![1, 4])).unwrap_err().to_string();
        assert!(fourth.starts_with("found \"4\", expected one of \"1\", \"2\", \"3\""), "{fourth}");
        let none = labels(&several(&["1", "2", "3"]), Float64Array::from(vec![f64::NAN])).unwrap_err();
        assert!(none.to_string().starts_with("the target is missing"));
    }
}
