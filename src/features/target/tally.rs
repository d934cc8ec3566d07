//! The tally of a target: its distinct values with their counts, as long as there are not too many.

use std::collections::HashMap;

use arrow::array::ArrayRef;

use super::parse;
use crate::error::Result;
use crate::features::values::{for_each_number, for_each_text, is_text, plain};

/// Counts the values of what may be classes. Whatever the order in which rows are added, and in how many
/// parts, it says the same in the end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    is_number: bool,
    most: usize,
    /// By the bits of a number.
    numbers: HashMap<u64, u64>,
    texts: HashMap<Box<[u8]>, u64>,
    /// Whether there were more values than `most`, or one that can't be a class: nothing is counted then.
    is_over: bool,
}

/// A longer text is no class.
const LONGEST: usize = 256;

impl Tally {
    /// An empty tally, of numbers or of texts, of at most `most` values.
    pub(crate) fn new(is_number: bool, most: usize) -> Self {
        Tally { is_number, most, ..Tally::default() }
    }

    /// Adds rows; those without a value, or with one that is no number where numbers are counted, do not
    /// count.
    pub(crate) fn add(&mut self, array: &ArrayRef) -> Result<()> {
        if self.is_over {
            return Ok(());
        }
        let holds_texts = is_text(plain(&array.slice(0, 0))?.data_type());
        match (self.is_number, holds_texts) {
            (true, true) => for_each_text(array, |_, text| {
                if let Some(x) = text.and_then(parse) {
                    self.add_number(x, 1);
                }
            }),
            (true, false) => for_each_number(array, |_, x| {
                if let Some(x) = x {
                    self.add_number(x, 1);
                }
            }),
            (false, _) => for_each_text(array, |_, text| {
                if let Some(text) = text {
                    self.add_text(text, 1);
                }
            }),
        }
    }

    fn add_number(&mut self, x: f64, count: u64) {
        // As in the survey: what a label can't hold counts as missing.
        if self.is_over || !(x as f32).is_finite() {
            return;
        }
        // Minus zero is zero.
        *self.numbers.entry((x + 0.0).to_bits()).or_default() += count;
        self.check();
    }

    fn add_text(&mut self, text: &[u8], count: u64) {
        if self.is_over {
            return;
        }
        match self.texts.get_mut(text) {
            Some(counted) => *counted += count,
            None if text.len() > LONGEST || std::str::from_utf8(text).is_err() => self.give_up(),
            None => {
                self.texts.insert(text.into(), count);
                self.check();
            }
        }
    }

    fn check(&mut self) {
        if self.numbers.len() + self.texts.len() > self.most {
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        *self = Tally { is_over: true, ..Tally::new(self.is_number, self.most) };
    }

    /// Adds what another tally counted.
    pub(crate) fn merge(&mut self, other: &Tally) {
        if other.is_over {
            self.give_up();
        }
        other.numbers.iter().for_each(|(bits, count)| self.add_number(f64::from_bits(*bits), *count));
        other.texts.iter().for_each(|(text, count)| self.add_text(text, *count));
    }

    /// The classes with their counts, numbers by size, texts by text; `None` if there are too many.
    pub(crate) fn classes(&self) -> Option<Vec<(String, u64)>> {
        if self.is_over {
            return None;
        }
        if self.is_number {
            let mut numbers: Vec<(f64, u64)> =
                self.numbers.iter().map(|(bits, count)| (f64::from_bits(*bits), *count)).collect();
            numbers.sort_by(|a, b| a.0.total_cmp(&b.0));
            return Some(numbers.into_iter().map(|(x, count)| (x.to_string(), count)).collect());
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut texts: Vec<(String, u64)> = self.texts.iter().map(|(t, count)| (text(t), *count)).collect();
        texts.sort();
        Some(texts)
    }

    /// Bytes of memory, about.
    pub(crate) fn bytes(&self) -> usize {
        32 * self.numbers.len() + self.texts.keys().map(|text| 48 + text.len()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, DictionaryArray, Float64Array, Int32Array, StringArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    fn tally(is_number: bool, most: usize, arrays: Vec<ArrayRef>) -> Option<Vec<(String, u64)>> {
        let mut all = Tally::new(is_number, most);
        let mut merged = Tally::new(is_number, most);
        for array in &arrays {
            all.add(array).unwrap();
            let mut one = Tally::new(is_number, most);
            one.add(array).unwrap();
            merged.merge(&one);
        }
        assert_eq!(all.classes(), merged.classes());
        all.classes()
    }

    fn pairs(pairs: &[(&str, u64)]) -> Option<Vec<(String, u64)>> {
        Some(pairs.iter().map(|(class, count)| ((*class).to_string(), *count)).collect())
    }

    #[test]
    fn numbers_are_the_same_however_they_are_kept() {
        let whole = Arc::new(Int32Array::from(vec![Some(10), Some(2), None, Some(0)])) as ArrayRef;
        let float = Arc::new(Float64Array::from(vec![2.0, -0.0, f64::NAN, 0.5, 1e300])) as ArrayRef;
        let text = Arc::new(StringArray::from(vec![" 10.0", "what", "2"])) as ArrayRef;
        let found = tally(true, 4, vec![whole.clone(), float.clone(), text.clone()]);
        assert_eq!(found, pairs(&[("0", 2), ("0.5", 1), ("2", 3), ("10", 2)]));
        assert_eq!(tally(true, 3, vec![whole, float, text]), None);
    }

    #[test]
    fn texts_are_counted_in_every_form() {
        let plain = Arc::new(StringArray::from(vec![Some("b"), None, Some("a")])) as ArrayRef;
        let dictionary: DictionaryArray<Int32Type> = [Some("b"), Some("c"), None].into_iter().collect();
        let found = tally(false, 9, vec![plain, Arc::new(dictionary)]);
        assert_eq!(found, pairs(&[("a", 1), ("b", 2), ("c", 1)]));
        let truth = Arc::new(BooleanArray::from(vec![true, false, true])) as ArrayRef;
        assert_eq!(tally(false, 9, vec![truth]), pairs(&[("false", 1), ("true", 2)]));
        let long = Arc::new(StringArray::from(vec!["x".repeat(300)])) as ArrayRef;
        assert_eq!(tally(false, 9, vec![long]), None);
    }
}
