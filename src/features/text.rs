//! Texts: columns of prose, whose words are features.
//!
//! Each word or n-gram of a row has the value 1 + ln(count), those of n words 2^(1-n) of that, and the
//! row's vector has length 1: so rows of any length move the margin alike.

use arrow::array::ArrayRef;
use serde::{Deserialize, Serialize};

use super::distinct::Distinct;
use super::scale::{Scale, sorted};
use super::thinned::Thinned;
use super::tokens::{STYLE, Tokens};
use super::values::for_each_text;
use super::vocabulary::{MISSING, Vocabulary};
use crate::error::Result;
use crate::learn::ListColumn;

/// Words in a row that are a feature together, where the user names no number.
pub(crate) const DEFAULT_NGRAMS: usize = 2;
/// The most such words.
pub(crate) const MOST_NGRAMS: usize = 5;
/// What n-grams weigh beside single words, by their length.
const WEIGHTS: [f64; MOST_NGRAMS] = [1.0, 0.5, 0.25, 0.125, 0.0625];
/// N-grams that are known by name, at the most.
const MOST_KNOWN: usize = 4096;

/// What a sample says of the words of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Words {
    /// Up to how many words make an n-gram.
    pub(super) ngrams: usize,
    /// The n-grams that shall be known by name.
    pub(super) known: Vec<String>,
    /// Distinct n-grams.
    pub(super) distinct: u64,
    /// Distinct n-grams of a row, about.
    pub(super) length: usize,
    /// The scales of the numbers that say how texts are written.
    pub(super) style: Vec<Scale>,
}

/// Gathers what a sample says of the words of a column.
#[derive(Debug)]
pub(super) struct WordSurvey {
    ngrams: usize,
    tokens: Tokens,
    distinct: Distinct,
    style: [Thinned<f64>; STYLE.len()],
    grams: u64,
    texts: u64,
}

impl WordSurvey {
    pub(super) fn new(ngrams: usize, most: usize) -> Self {
        WordSurvey {
            ngrams,
            tokens: Tokens::default(),
            distinct: Distinct::new(most),
            style: std::array::from_fn(|_| Thinned::new(most.min(1 << 14))),
            grams: 0,
            texts: 0,
        }
    }

    pub(super) fn add(&mut self, text: &[u8]) {
        self.tokens.read(text);
        self.texts += 1;
        self.tokens.for_each_gram(self.ngrams, |gram, _| {
            self.grams += 1;
            self.distinct.add_text(gram);
        });
        for (numbers, x) in self.style.iter_mut().zip(self.tokens.style()) {
            numbers.push(x);
        }
    }

    pub(super) fn words(&self) -> Words {
        let known = self.distinct.frequent(MOST_KNOWN).into_iter().map(|(gram, _, _)| gram.to_string());
        let style = self.style.iter().enumerate().map(|(i, numbers)| {
            let sorted = sorted(numbers.values());
            if i == 0 { Scale::log_of_counts(&sorted) } else { Scale::standard(&sorted) }
        });
        Words {
            ngrams: self.ngrams,
            known: known.collect(),
            distinct: self.distinct.len() as u64,
            length: self.grams.div_ceil(self.texts.max(1)).max(1) as usize,
            style: style.collect(),
        }
    }
}

/// Turns texts into codes and features.
#[derive(Debug)]
pub(super) struct TextEncoder {
    vocabulary: Vocabulary,
    ngrams: usize,
    style: Vec<Scale>,
    /// 1 + ln(count) for small counts.
    logs: Vec<f64>,
}

/// What is kept of a text column while a split is read.
#[derive(Debug, Default)]
pub(super) struct TextCache {
    tokens: Tokens,
    /// The codes of a row, with the number of words in the low byte.
    codes: Vec<u64>,
    /// Features of a row before its length is 1.
    features: Vec<(u32, f64)>,
    /// What [`Tokens::style`] says of each row, number by number.
    pub(super) style: [Vec<f32>; STYLE.len()],
}

impl TextEncoder {
    pub(super) fn new(vocabulary: Vocabulary, ngrams: usize, style: &[Scale]) -> Self {
        let logs = (0..256).map(|count| log(f64::from(count))).collect();
        TextEncoder { vocabulary, ngrams, style: style.to_vec(), logs }
    }

    /// Appends the rows of an array to `column`, and leaves their style, scaled, in the cache. A row
    /// without a text has the code of what is missing.
    pub(super) fn encode(
        &self,
        array: &ArrayRef,
        cache: &mut TextCache,
        column: &mut ListColumn,
    ) -> Result<()> {
        cache.style.iter_mut().for_each(Vec::clear);
        for_each_text(array, |_, text| {
            match text {
                Some(text) => self.add(text, cache, column),
                None => {
                    column.codes.push(MISSING);
                    column.values.push(1.0);
                    cache.style.iter_mut().for_each(|numbers| numbers.push(f32::NAN));
                }
            }
            column.end_row();
        })?;
        for (scale, numbers) in self.style.iter().zip(&mut cache.style) {
            scale.finish(numbers);
        }
        Ok(())
    }

    fn add(&self, text: &[u8], cache: &mut TextCache, column: &mut ListColumn) {
        let TextCache { tokens, codes, features, style } = cache;
        tokens.read(text);
        codes.clear();
        tokens.for_each_gram(self.ngrams, |gram, n| {
            codes.push(u64::from(self.vocabulary.code(gram)) << 8 | n as u64);
        });
        codes.sort_unstable();
        features.clear();
        let mut squares = 0.0;
        for run in codes.chunk_by(|a, b| a == b) {
            let log = self.logs.get(run.len()).copied().unwrap_or_else(|| log(run.len() as f64));
            let words = (run[0] & 0xff) as usize;
            let feature = log * WEIGHTS[words - 1];
            squares += feature * feature;
            features.push(((run[0] >> 8) as u32, feature));
        }
        let factor = 1.0 / f64::sqrt(squares);
        column.codes.extend(features.iter().map(|&(code, _)| code));
        column.values.extend(features.iter().map(|&(_, feature)| (feature * factor) as f32));
        for ((numbers, x), scale) in style.iter_mut().zip(tokens.style()).zip(&self.style) {
            let (origin, factor) = scale.linear_step();
            numbers.push(((x - origin) * factor) as f32);
        }
    }
}

/// In f64, so that what the last bit of the system's logarithm is does not show in an f32.
fn log(count: f64) -> f64 {
    1.0 + count.ln()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::StringArray;

    use super::*;
    use crate::learn::{Chunk, Shape};

    fn words(texts: &[&str], ngrams: usize) -> Words {
        let mut survey = WordSurvey::new(ngrams, 1000);
        texts.iter().for_each(|text| survey.add(text.as_bytes()));
        survey.words()
    }

    /// Of each row the codes and features.
    fn encoded(texts: Vec<Option<&str>>, words: &Words) -> (Vec<Vec<(u32, f32)>>, TextCache) {
        let encoder = TextEncoder::new(Vocabulary::new(3, &words.known), words.ngrams, &words.style);
        let mut chunk = Chunk::new(Shape { lists: 1, valued: 2, ..Shape::default() }, texts.len());
        let mut cache = TextCache::default();
        let rows = texts.len();
        let array: ArrayRef = Arc::new(StringArray::from(texts));
        encoder.encode(&array, &mut cache, &mut chunk.lists[0]).unwrap();
        ((0..rows).map(|row| chunk.lists[0].valued(row).collect()).collect(), cache)
    }

    #[test]
    fn rows_have_length_one_and_counts_weigh_less_and_less() {
        let words = words(&["a a b", "a c d", "A b", "a b"], 1);
        assert_eq!(words.known[..2], ["a", "b"]);
        assert_eq!((words.distinct, words.length), (4, 3));
        let texts = vec![Some("a b"), Some("a A a b"), Some(""), None, Some("new new")];
        let (rows, cache) = encoded(texts, &words);
        let half = 0.5f32.sqrt();
        assert_eq!(rows[0], [(1, half), (2, half)]);
        let [(1, a), (2, b)] = rows[1][..] else { panic!("{rows:?}") };
        assert!((a / b - (1.0 + 3f32.ln())).abs() < 1e-6 && (a * a + b * b - 1.0).abs() < 1e-6);
        assert_eq!(rows[2], []);
        assert_eq!(rows[3], [(MISSING, 1.0)]);
        assert_eq!(rows[4].len(), 1);
        assert!(rows[4][0].0 & crate::learn::HASHED != 0 && rows[4][0].1 == 1.0);
        assert!(cache.style.iter().all(|numbers| numbers.len() == 5 && numbers[3] == 0.0));
    }

    #[test]
    fn n_grams_count_half_of_their_words() {
        let words = words(&["x y", "x y"], 2);
        assert_eq!(words.known, ["x", "x y", "y"]);
        let (rows, _) = encoded(vec![Some("x y")], &words);
        let [(1, x), (2, xy), (3, y)] = rows[0][..] else { panic!("{rows:?}") };
        assert!((x - 2.0 / 3.0).abs() < 1e-6 && (xy - 1.0 / 3.0).abs() < 1e-6 && x == y);
    }
}
