//! The survey: what a sample says about each column.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch};
use arrow::datatypes::{DataType, Schema};

use super::overrides::{ColumnUse, Overrides};
use super::target::parse;
use super::values::{Lists, Sort, for_each_number, for_each_text, for_each_time, is_text, numbers};
use super::vocabulary::{AlreadyHashed, hash};
use crate::error::Result;

/// Statistics of a sample, gathered batch by batch in bounded memory.
#[derive(Debug)]
pub struct Survey {
    pub(crate) rows: u64,
    pub(crate) columns: Vec<ColumnSurvey>,
    pub(crate) mixing: Mixing,
    target: String,
}

/// Statistics of one column.
#[derive(Debug)]
pub(crate) struct ColumnSurvey {
    pub(crate) name: String,
    pub(crate) data_type: DataType,
    /// How its values were looked at: the user's word counts.
    pub(crate) sort: Sort,
    pub(crate) missing: u64,
    /// NaN and infinities among the missing.
    pub(crate) not_finite: u64,
    /// Numbers (or seconds) of evenly spaced rows.
    pub(crate) numbers: Thinned<f64>,
    pub(crate) distinct: Distinct,
    pub(crate) text_bytes: u64,
    /// Shortest and longest list.
    pub(crate) lengths: Option<(usize, usize)>,
    /// Whether a timestamp has a time of day.
    pub(crate) has_hours: bool,
    /// Numbers of each place of lists of one length.
    pub(crate) places: Vec<Thinned<f64>>,
}

/// Most numbers and distinct values kept of all columns together.
const MOST_KEPT: usize = 16 << 20;

impl Survey {
    /// An empty survey of tables with this schema.
    pub fn new(schema: &Schema, target: &str, overrides: &Overrides) -> Self {
        let each = (MOST_KEPT / schema.fields().len().max(1)).clamp(512, 1 << 16);
        let columns = schema.fields().iter().map(|field| {
            let natural = Sort::of(field.data_type());
            let sort = match overrides.columns.get(field.name()) {
                Some(ColumnUse::Ignore) => Sort::Other,
                Some(ColumnUse::Categorical) if natural != Sort::List && natural != Sort::Other => Sort::Text,
                Some(ColumnUse::Numeric | ColumnUse::Standard | ColumnUse::Log | ColumnUse::Raw)
                    if matches!(natural, Sort::Bool | Sort::Time) =>
                {
                    Sort::Number
                }
                _ => natural,
            };
            ColumnSurvey {
                name: field.name().clone(),
                data_type: field.data_type().clone(),
                sort,
                missing: 0,
                not_finite: 0,
                numbers: Thinned::new(each),
                distinct: Distinct::new(each),
                text_bytes: 0,
                lengths: None,
                has_hours: false,
                places: Vec::new(),
            }
        });
        Survey { rows: 0, columns: columns.collect(), mixing: Mixing::default(), target: target.to_string() }
    }

    /// Adds rows, which have the survey's schema.
    ///
    /// # Errors
    /// If a value can't be looked at as its type promises.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        for (column, array) in self.columns.iter_mut().zip(batch.columns()) {
            // Numbers that a file without types gives as texts, as it does those of the target.
            let array = match column.sort {
                Sort::Number if is_text(array.data_type()) => &numbers_of(array)?,
                _ => array,
            };
            column.add(array).map_err(|e| e.in_column(&column.name))?;
            if column.name == self.target {
                self.mixing.add(array)?;
            }
        }
        Ok(())
    }

    /// Rows seen.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether the labels look as if the rows were in random order.
    pub fn is_well_mixed(&self) -> bool {
        self.mixing.is_random()
    }

    pub(crate) fn column(&self, name: &str) -> Option<&ColumnSurvey> {
        self.columns.iter().find(|c| c.name == name)
    }
}

fn numbers_of(texts: &ArrayRef) -> Result<ArrayRef> {
    let mut numbers = Vec::with_capacity(texts.len());
    for_each_text(texts, |_, text| numbers.push(text.and_then(parse)))?;
    Ok(Arc::new(Float64Array::from(numbers)))
}

impl ColumnSurvey {
    fn add(&mut self, array: &ArrayRef) -> Result<()> {
        match self.sort {
            Sort::Number => for_each_number(array, |_, x| match x {
                // Features are of f32: what that can't hold counts as missing, as in the encoder.
                Some(x) if (x as f32).is_finite() => {
                    self.numbers.push(x);
                    // Minus zero is zero.
                    self.distinct.add(hash(0, &(x + 0.0).to_le_bytes()), || None);
                }
                Some(_) => {
                    self.not_finite += 1;
                    self.missing += 1;
                }
                None => self.missing += 1,
            }),
            Sort::Time => for_each_time(array, |_, t| match t {
                Some(t) => {
                    self.numbers.push(t as f64);
                    self.has_hours |= t.rem_euclid(86_400) != 0;
                    self.distinct.add(hash(0, &t.to_le_bytes()), || None);
                }
                None => self.missing += 1,
            }),
            Sort::Text | Sort::Bool => for_each_text(array, |_, text| match text {
                Some(text) => {
                    self.text_bytes += text.len() as u64;
                    self.distinct.add_text(text);
                }
                None => self.missing += 1,
            }),
            Sort::List => {
                let lists = self.add_lengths(array)?;
                let hidden = lists.hidden();
                for_each_text(&lists.items, |i, text| match text {
                    Some(text) if !hidden.as_ref().is_some_and(|h| h[i]) => self.distinct.add_text(text),
                    _ => {}
                })
            }
            Sort::Floats => {
                let lists = self.add_lengths(array)?;
                if let Some((length, longest)) = self.lengths
                    && length == longest
                    && length <= 1 << 14
                {
                    self.places.resize_with(length, || {
                        Thinned::new((MOST_KEPT / 64 / length.max(1)).clamp(64, 4096))
                    });
                    let numbers = numbers(&lists.items)?;
                    for row in 0..array.len() {
                        for (place, x) in self.places.iter_mut().zip(&numbers[lists.row(row)]) {
                            if (*x as f32).is_finite() {
                                place.push(*x);
                            }
                        }
                    }
                }
                Ok(())
            }
            Sort::Other => {
                self.missing += array.logical_null_count() as u64;
                Ok(())
            }
        }
    }

    fn add_lengths(&mut self, array: &ArrayRef) -> Result<Lists> {
        let lists = Lists::of(array)?;
        for row in 0..array.len() {
            if lists.is_null(row) {
                self.missing += 1;
            } else {
                let length = lists.row(row).len();
                let (low, high) = self.lengths.unwrap_or((length, length));
                self.lengths = Some((low.min(length), high.max(length)));
            }
        }
        Ok(lists)
    }
}

/// Every n-th of the values pushed, n doubling whenever too many are kept.
#[derive(Debug)]
pub(crate) struct Thinned<T> {
    kept: Vec<T>,
    most: usize,
    stride: u64,
    seen: u64,
}

impl<T: Copy> Thinned<T> {
    fn new(most: usize) -> Self {
        Thinned { kept: Vec::new(), most, stride: 1, seen: 0 }
    }

    fn push(&mut self, value: T) {
        if self.seen.is_multiple_of(self.stride) {
            if self.kept.len() == self.most {
                let mut index = 0;
                self.kept.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.stride *= 2;
            }
            if self.seen.is_multiple_of(self.stride) {
                self.kept.push(value);
            }
        }
        self.seen += 1;
    }

    pub(crate) fn values(&self) -> &[T] {
        &self.kept
    }
}

/// Distinct values with their counts, up to a bound.
#[derive(Debug)]
pub(crate) struct Distinct {
    values: HashMap<u64, (u64, Option<Box<str>>), BuildHasherDefault<AlreadyHashed>>,
    most: usize,
    /// Whether there were more than are counted.
    pub(crate) is_bound: bool,
}

/// Longer texts are not worth a place of their own by name.
const LONGEST_NAME: usize = 256;

impl Distinct {
    fn new(most: usize) -> Self {
        Distinct { values: HashMap::default(), most, is_bound: false }
    }

    fn add(&mut self, hash: u64, text: impl FnOnce() -> Option<Box<str>>) {
        if self.values.len() < self.most {
            self.values.entry(hash).or_insert_with(|| (0, text())).0 += 1;
        } else if let Some((count, _)) = self.values.get_mut(&hash) {
            *count += 1;
        } else {
            self.is_bound = true;
        }
    }

    fn add_text(&mut self, text: &[u8]) {
        self.add(hash(0, text), || {
            let text = std::str::from_utf8(text).ok().filter(|t| t.len() <= LONGEST_NAME);
            text.map(Box::from)
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// The texts with their counts, the most frequent first, equals in the order of the texts.
    pub(crate) fn texts(&self) -> Vec<(&str, u64)> {
        let mut texts: Vec<(&str, u64)> =
            self.values.values().filter_map(|(n, t)| Some((t.as_deref()?, *n))).collect();
        texts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        texts
    }
}

/// Evidence on whether rows come in random order: labels of neighbours must not be alike, and
/// stretches of rows must not differ in their mean by more than chance allows.
#[derive(Debug, Default)]
pub(crate) struct Mixing {
    /// The first class met, against which all others are told apart.
    class: Option<Box<[u8]>>,
    /// For each stretch: rows, sum of labels.
    stretches: Vec<(f64, f64)>,
    sum: f64,
    squares: f64,
    rows: f64,
    /// Sum of products of neighbours, with how many there were.
    products: (f64, f64),
    first_sum: f64,
    second_sum: f64,
}

/// Rows of a stretch.
const STRETCH: usize = 512;

impl Mixing {
    fn add(&mut self, array: &ArrayRef) -> Result<()> {
        let mut labels = Vec::with_capacity(array.len());
        if Sort::of(array.data_type()) == Sort::Number {
            for_each_number(array, |_, x| labels.extend(x.filter(|x| x.is_finite())))?;
        } else {
            for_each_text(array, |_, text| {
                let text = text.unwrap_or_default();
                let class = self.class.get_or_insert_with(|| text.into());
                labels.push(f64::from(u8::from(**class != *text)));
            })?;
        }
        for stretch in labels.chunks(STRETCH) {
            self.stretches.push((stretch.len() as f64, stretch.iter().sum()));
        }
        for pair in labels.windows(2) {
            self.products.0 += pair[0] * pair[1];
            self.products.1 += 1.0;
            self.first_sum += pair[0];
            self.second_sum += pair[1];
        }
        self.rows += labels.len() as f64;
        self.sum += labels.iter().sum::<f64>();
        self.squares += labels.iter().map(|y| y * y).sum::<f64>();
        Ok(())
    }

    fn is_random(&self) -> bool {
        let mean = self.sum / self.rows;
        let variance = self.squares / self.rows - mean * mean;
        if self.rows < 1000.0 || variance.is_nan() || variance <= 0.0 {
            return false;
        }
        // Both tests allow what chance alone exceeds about once in 30,000 samples (four sigma).
        let (products, pairs) = self.products;
        let neighbours = (products / pairs - (self.first_sum / pairs) * (self.second_sum / pairs)) / variance
            * pairs.sqrt();
        let spread: f64 = self.stretches.iter().map(|(n, sum)| n * (sum / n - mean).powi(2) / variance).sum();
        let freedom = (self.stretches.len() - 1) as f64;
        neighbours.abs() < 4.0 && spread < freedom + 4.0 * (2.0 * freedom).sqrt() + 8.0
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Int32Array;

    use super::*;

    fn random(labels: Vec<i32>) -> bool {
        let mut mixing = Mixing::default();
        for part in labels.chunks(2048) {
            mixing.add(&(Arc::new(Int32Array::from(part.to_vec())) as ArrayRef)).unwrap();
        }
        mixing.is_random()
    }

    #[test]
    fn sorted_alternating_and_drifting_labels_are_not_random() {
        let coin = |i: i32| i32::from(hash(7, &i.to_le_bytes()).is_multiple_of(3));
        assert!(random((0..20_000i32).map(coin).collect()));
        assert!(!random((0..20_000i32).map(|i| i32::from(i < 6000)).collect()));
        assert!(!random((0..20_000i32).map(|i| i % 2).collect()));
        assert!(!random(
            (0..20_000i32).map(|i| i32::from(hash(7, &i.to_le_bytes()) % 20_000 < i as u64)).collect()
        ));
    }
}
