//! The survey: what a sample says about each column.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Schema};

use super::digest::Digest;
use super::distinct::Distinct;
use super::keys::{SmallKeys, integers};
use super::maps::Maps;
use super::mixing::Mixing;
use super::overrides::{ColumnUse, Overrides};
use super::profile::{ColumnProfile, Findings, Fitted, MOST_CLASSES, MOST_KEPT_CLASSES, Numbers, Profile};
use super::target::{Tally, parse};
use super::text::{DEFAULT_NGRAMS, WordSurvey};
use super::thinned::Thinned;
use super::values::{
    Lists, Sort, dictionary, for_each_number, for_each_text, for_each_time, is_text, logical, numbers,
};
use super::vocabulary::hash;
use crate::error::Result;
use crate::learn::{Crew, share_out};

/// Statistics of a sample, gathered batch by batch in bounded memory.
#[derive(Debug)]
pub struct Survey {
    rows: u64,
    columns: Vec<ColumnSurvey>,
}

/// Statistics of one column.
#[derive(Debug)]
pub(crate) struct ColumnSurvey {
    name: String,
    is_read: bool,
    data_type: DataType,
    /// How its values are looked at: the user's word counts.
    sort: Sort,
    missing: u64,
    /// NaN and infinities among the missing.
    not_finite: u64,
    /// Whether the scale of signed logs is wanted whatever the numbers look like.
    wants_log: bool,
    /// Numbers (or seconds) of evenly spaced rows.
    numbers: Thinned<f64>,
    distinct: Distinct,
    text_bytes: u64,
    /// Of texts whose words are used, or might be.
    words: Option<WordSurvey>,
    /// Whether the words are looked at just in case.
    words_on_trial: bool,
    digest: Digest,
    /// Shortest and longest list.
    lengths: Option<(usize, usize)>,
    /// Entries of all lists.
    entries: u64,
    /// Whether a timestamp has a time of day.
    has_hours: bool,
    /// Numbers of each place of lists of one length.
    places: Vec<Thinned<f64>>,
    /// The keys of maps, of each the sum of the squares of its values.
    keys: Distinct<f64>,
    /// The places of keys that are small whole numbers.
    small_keys: SmallKeys,
    /// How many values of maps there are that are not zero, and the sum of their squares.
    values: (u64, f64),
    /// Of what may be the target.
    mixing: Option<Mixing>,
    /// Of what may be the target the numbers, at most so many as there may be classes. Texts are counted anyway.
    tally: Tally,
    most_classes: usize,
}

/// Most numbers and distinct values kept of all columns together.
const MOST_KEPT: usize = 4 << 20;
/// Numbers kept of all places of lists of one length.
const MOST_OF_PLACES: usize = 1 << 18;
/// Where nobody said what is to be used, words are looked at of texts that have more bytes than this.
const WORDY_BYTES: u64 = 30;

impl Survey {
    /// An empty survey of tables with this schema. Without a target every column is looked at as if it
    /// might be it.
    pub fn new(schema: &Schema, target: Option<&str>, overrides: &Overrides) -> Self {
        let each = (MOST_KEPT / schema.fields().len().max(1)).clamp(512, 1 << 16);
        let most_classes = if target.is_some() { MOST_CLASSES } else { MOST_KEPT_CLASSES };
        let columns = schema.fields().iter().map(|field| {
            let sort = overrides.sort(field.name(), Sort::of(field.data_type()));
            let asked = overrides.ngrams_of(field.name());
            // A profile that is kept shall serve whoever uses words later.
            let words_on_trial = asked.is_none() && target.is_none() && sort == Sort::Text;
            let ngrams = asked.or(words_on_trial.then_some(DEFAULT_NGRAMS));
            let is_label = target.is_none_or(|target| target == field.name()) && sort.suits_a_target();
            // Of numbers it only matters whether they are few, and of a target how many there are.
            let most_distinct = match sort {
                Sort::Number | Sort::Time if is_label => MOST_CLASSES,
                Sort::Number | Sort::Time => (each / 4).clamp(128, MOST_CLASSES),
                _ => each,
            };
            ColumnSurvey {
                name: field.name().clone(),
                is_read: true,
                data_type: field.data_type().clone(),
                sort,
                missing: 0,
                not_finite: 0,
                // Robust losses take a label's middle and spread from it, and a profile that is kept shall serve whoever uses
                // it later.
                wants_log: is_label || overrides.columns.get(field.name()) == Some(&ColumnUse::Log),
                numbers: Thinned::new(each),
                distinct: Distinct::new(most_distinct),
                text_bytes: 0,
                words: ngrams.filter(|_| sort == Sort::Text).map(|ngrams| WordSurvey::new(ngrams, each)),
                words_on_trial,
                digest: Digest::default(),
                lengths: None,
                entries: 0,
                has_hours: false,
                places: Vec::new(),
                keys: Distinct::new(each),
                small_keys: SmallKeys::default(),
                values: (0, 0.0),
                mixing: is_label.then(Mixing::default),
                tally: Tally::new(true, most_classes),
                most_classes,
            }
        });
        Survey { rows: 0, columns: columns.collect() }
    }

    /// The same, of which only some columns are read, by name: of the others nothing is found out.
    #[must_use]
    pub fn reading(mut self, is_read: impl Fn(&str) -> bool) -> Self {
        self.columns.iter_mut().for_each(|column| column.is_read = is_read(&column.name));
        self
    }

    /// Adds rows, which have those columns of the survey's schema that are read, by the hands of `crew`.
    ///
    /// # Errors
    /// If a value can't be looked at as its type promises.
    pub fn add(&mut self, batch: &RecordBatch, crew: &dyn Crew) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        let rows = self.rows;
        let read = self.columns.iter_mut().filter(|column| column.is_read);
        let mut results: Vec<Result<()>> = batch.columns().iter().map(|_| Ok(())).collect();
        let due = read.zip(batch.columns()).zip(&mut results).collect();
        share_out(crew, due, |((column, array), result)| {
            *result = column.add_to(rows, array).map_err(|e| e.in_column(&column.name));
        });
        results.into_iter().collect()
    }

    /// Rows seen.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// What was found; `whole` says that these were all rows, so that nothing else can come.
    pub fn profile(&self, whole: bool) -> Profile {
        self.profile_of(whole, self.columns().map(|column| column.profile(self.rows)).collect())
    }

    /// The columns, whose profiles can be made at the same time.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &ColumnSurvey> {
        self.columns.iter()
    }

    /// The profile, given those of all columns.
    pub(crate) fn profile_of(&self, whole: bool, columns: Vec<ColumnProfile>) -> Profile {
        Profile { rows: self.rows, whole, columns }
    }
}

fn numbers_of(texts: &ArrayRef) -> Result<ArrayRef> {
    let mut numbers = Vec::with_capacity(texts.len());
    for_each_text(texts, |_, text| numbers.push(text.and_then(parse)))?;
    Ok(Arc::new(Float64Array::from(numbers)))
}

impl ColumnSurvey {
    /// Adds values, with which there are so many rows.
    fn add_to(&mut self, rows: u64, array: &ArrayRef) -> Result<()> {
        // Numbers that a file without types gives as texts, as it does those of the target.
        match self.sort {
            Sort::Number if is_text(array.data_type()) => self.add(&numbers_of(array)?)?,
            _ => self.add(array)?,
        }
        if self.words_on_trial && self.text_bytes <= WORDY_BYTES * (rows - self.missing) {
            self.words = None;
        }
        Ok(())
    }

    fn add(&mut self, array: &ArrayRef) -> Result<()> {
        if let Some(mixing) = &mut self.mixing {
            mixing.add(array)?;
            if self.sort == Sort::Number {
                self.tally.add(array)?;
            }
        }
        match self.sort {
            Sort::Number => for_each_number(array, |_, x| match x {
                // Features are of f32: what that can't hold counts as missing, as in the encoder.
                Some(x) if (x as f32).is_finite() => {
                    self.numbers.push(x);
                    // Minus zero is zero.
                    let hash = hash(0, &(x + 0.0).to_le_bytes());
                    self.distinct.add(hash);
                    self.digest.add(Some(hash));
                }
                other => {
                    self.not_finite += u64::from(other.is_some());
                    self.add_missing();
                }
            }),
            Sort::Time => for_each_time(array, |_, t| match t {
                Some(t) => {
                    self.numbers.push(t as f64);
                    self.has_hours |= t.rem_euclid(86_400) != 0;
                    let hash = hash(0, &t.to_le_bytes());
                    self.distinct.add(hash);
                    self.digest.add(Some(hash));
                }
                None => {
                    self.add_missing();
                }
            }),
            Sort::Text | Sort::Bool => {
                // Where the dictionary is longer than the batch, few of its texts come twice.
                if self.words.is_none()
                    && let Some((keys, texts)) = dictionary(array)
                    && texts.len() <= keys.len()
                {
                    self.add_keys(keys, texts);
                    return Ok(());
                }
                for_each_text(array, |_, text| match text {
                    Some(text) => {
                        self.text_bytes += text.len() as u64;
                        self.digest.add(Some(self.distinct.add_text(text)));
                        if let Some(words) = &mut self.words {
                            words.add(text);
                        }
                    }
                    None => {
                        self.add_missing();
                    }
                })
            }
            Sort::List => {
                let lists = Lists::of(array)?;
                self.add_lengths(&lists, array.len());
                let hidden = lists.hidden();
                for_each_text(&lists.items, |i, text| match text {
                    Some(text) if !hidden.as_ref().is_some_and(|h| h[i]) => {
                        self.distinct.add_text(text);
                    }
                    _ => {}
                })
            }
            Sort::Map => self.add_maps(&Maps::of(array)?, array.len()),
            Sort::Floats => {
                let lists = Lists::of(array)?;
                self.add_lengths(&lists, array.len());
                if let Some((length, longest)) = self.lengths
                    && length == longest
                    && length <= 1 << 14
                {
                    self.places.resize_with(length, || {
                        Thinned::new((MOST_OF_PLACES / length.max(1)).clamp(64, 4096))
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

    fn add_missing(&mut self) {
        self.missing += 1;
        self.digest.add(None);
    }

    /// Adds texts by their keys in a dictionary, each of which is hashed and looked for once.
    fn add_keys(&mut self, keys: &Int32Array, texts: &StringArray) {
        let mut found = vec![None; texts.len()];
        for key in keys {
            let Some(key) = key.map(|key| key as usize).filter(|&key| texts.is_valid(key)) else {
                self.add_missing();
                continue;
            };
            let text = || texts.value(key).as_bytes();
            let (hash, place) = *found[key].get_or_insert_with(|| self.distinct.find(text()));
            self.distinct.count(place);
            self.text_bytes += texts.value_length(key) as u64;
            self.digest.add(Some(hash));
        }
    }

    fn add_maps(&mut self, maps: &Maps, rows: usize) -> Result<()> {
        self.add_lengths(&maps.lists, rows);
        let hidden = maps.lists.hidden();
        let mut numbers = Vec::new();
        maps.numbers(&mut numbers)?;
        let ColumnSurvey { keys, values, small_keys, .. } = self;
        // As in the encoder, what is zero or can't be a feature is not there.
        let usable = |i: usize| {
            numbers[i] != 0.0
                && (numbers[i] as f32).is_finite()
                && !hidden.as_ref().is_some_and(|hidden| hidden[i])
        };
        let mut add = |keys: &mut Distinct<f64>, i: usize, place: u32| {
            let square = numbers[i] * numbers[i];
            values.0 += 1;
            values.1 += square;
            if let Some(squares) = keys.count(place) {
                *squares += square;
            }
        };
        match integers(&maps.keys)? {
            Some(found) => found.iter().enumerate().for_each(|(i, key)| {
                if let Some(key) = key.filter(|_| usable(i)) {
                    let place = small_keys.find(key, |digits| keys.find(digits).1);
                    add(keys, i, place);
                }
            }),
            None => for_each_text(&maps.keys, |i, key| {
                if let Some(key) = key.filter(|_| usable(i)) {
                    let place = keys.find(key).1;
                    add(keys, i, place);
                }
            })?,
        }
        Ok(())
    }

    fn add_lengths(&mut self, lists: &Lists, rows: usize) {
        for row in 0..rows {
            if lists.is_null(row) {
                self.missing += 1;
            } else {
                let length = lists.row(row).len();
                self.entries += length as u64;
                let (low, high) = self.lengths.unwrap_or((length, length));
                self.lengths = Some((low.min(length), high.max(length)));
            }
        }
    }

    /// What was found of it among so many rows.
    pub(crate) fn profile(&self, rows: u64) -> ColumnProfile {
        let known = || self.distinct.known().into_iter().map(|(text, _, _)| text.to_string()).collect();
        let found = match self.sort {
            Sort::Number => {
                Findings::Numbers(Numbers::of(self.numbers.values(), self.distinct.len(), self.wants_log))
            }
            Sort::Text | Sort::Bool => Findings::Texts {
                bytes: self.text_bytes,
                known: known(),
                words: self.words.as_ref().map(WordSurvey::words),
            },
            Sort::List => {
                Findings::Lists { known: known(), length: self.entries as f64 / rows.max(1) as f64 }
            }
            Sort::Floats => Findings::Floats {
                lengths: self.lengths,
                places: self.places.iter().map(|p| Fitted::of(p.values())).collect(),
            },
            Sort::Map => self.maps(rows),
            Sort::Time => Findings::times(self.numbers.values(), self.has_hours),
            Sort::Other => Findings::Nothing,
        };
        let (distinct, distinct_is_bound) = match self.sort {
            Sort::Map => (self.keys.len(), self.keys.is_bound),
            _ => (self.distinct.len(), self.distinct.is_bound),
        };
        ColumnProfile {
            name: self.name.clone(),
            data_type: logical(&self.data_type),
            natural: Sort::of(&self.data_type),
            sort: self.sort,
            missing: self.missing,
            not_finite: self.not_finite,
            distinct: distinct as u64,
            distinct_is_bound,
            classes: self.classes(),
            is_random: self.mixing.as_ref().map(Mixing::is_random),
            digest: match self.sort {
                Sort::Number | Sort::Time | Sort::Text | Sort::Bool => Some(self.digest.value()),
                Sort::List | Sort::Floats | Sort::Map | Sort::Other => None,
            },
            found,
        }
    }

    fn maps(&self, rows: u64) -> Findings {
        let rms = |count: u64, squares: f64| if count > 0 { (squares / count as f64).sqrt() } else { 1.0 };
        let keys = self.keys.known();
        Findings::Maps {
            known: keys.iter().map(|(key, _, _)| (*key).to_string()).collect(),
            units: keys.iter().map(|(_, count, squares)| rms(*count, *squares)).collect(),
            unit: rms(self.values.0, self.values.1),
            length: self.values.0 as f64 / rows.max(1) as f64,
        }
    }

    /// The values and counts of what may be the target; none if there are too many, or one is no name.
    fn classes(&self) -> Vec<(String, u64)> {
        let is_over = self.distinct.is_bound || self.distinct.len() > self.most_classes;
        match self.sort {
            _ if self.mixing.is_none() || is_over => Vec::new(),
            Sort::Number => self.tally.classes().unwrap_or_default(),
            Sort::Text | Sort::Bool => {
                let mut texts = self.distinct.texts();
                if texts.len() < self.distinct.len() {
                    return Vec::new();
                }
                texts.sort_by(|a, b| a.0.cmp(b.0));
                texts.into_iter().map(|(text, count, _)| (text.to_string(), count)).collect()
            }
            Sort::List | Sort::Floats | Sort::Map | Sort::Time | Sort::Other => Vec::new(),
        }
    }
}
