//! How one column is encoded.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use chrono::{DateTime, Datelike, Timelike};

use super::bins;
use super::codes::{Dictionaries, encode_categories, encode_texts};
use super::encode::SplitCache;
use super::maps::MapEncoder;
use super::numbers::{encode_numbers, expect_numbers, not_numbers};
use super::plan::{TimePart, Use};
use super::scale::Scale;
use super::text::TextEncoder;
use super::translate::Translate;
use super::values::{Lists, Sort, for_each_number, for_each_time, numbers};
use super::vocabulary::{MISSING, Vocabulary};
use crate::error::{Error, Place, Result};
use crate::learn::{Chunk, kernels};

/// A column, where it lies in batches and chunks, and what is to be done with it.
#[derive(Debug)]
pub(super) struct ColumnEncoder {
    pub(super) name: String,
    /// Its place in the batches.
    pub(super) input: usize,
    /// The first dense, slot and list column it fills.
    pub(super) dense: usize,
    pub(super) slot: usize,
    pub(super) list: usize,
    pub(super) dictionaries: Dictionaries,
    pub(super) work: Arc<Work>,
}

/// What is to be done with the values of a column.
#[derive(Debug)]
pub(super) enum Work {
    Number { scale: Scale, flag_missing: bool },
    Category(Vocabulary),
    List(Vocabulary),
    Map(MapEncoder),
    Embedding(Vec<Scale>),
    Time(Vec<TimePart>),
    Bins(Vec<f64>),
    Text(TextEncoder),
}

impl Work {
    /// What is to be done for a use of a column, and what values it is done with; `None` where there is
    /// nothing to do for a column by itself.
    pub(super) fn of(used: &Use, seed: u64) -> Option<(Work, Sort)> {
        Some(match used {
            Use::Ignore | Use::Cross { .. } => return None,
            Use::Number { scale, flag_missing } => {
                (Work::Number { scale: *scale, flag_missing: *flag_missing }, Sort::Number)
            }
            Use::Category { known, .. } => (Work::Category(Vocabulary::new(seed, known)), Sort::Text),
            Use::List { known, .. } => (Work::List(Vocabulary::new(seed, known)), Sort::List),
            Use::Map { known, units, unit, .. } => {
                (Work::Map(MapEncoder::new(Vocabulary::new(seed, known), units, *unit)), Sort::Map)
            }
            Use::Embedding { scales } => (Work::Embedding(scales.clone()), Sort::Floats),
            Use::Time { parts } => (Work::Time(parts.clone()), Sort::Time),
            Use::Bins { edges } => (Work::Bins(edges.clone()), Sort::Number),
            Use::Text { known, ngrams, style, .. } => {
                (Work::Text(TextEncoder::new(Vocabulary::new(seed, known), *ngrams, style)), Sort::Text)
            }
        })
    }
}

/// Categories and numbers can be told from the values of a dictionary: the bits of a number are those of its feature.
impl Translate for Work {
    fn translate(&self, values: &ArrayRef, out: &mut [u32]) -> Result<()> {
        match self {
            Work::Category(vocabulary) => encode_texts(values, vocabulary, out),
            Work::Number { scale, flag_missing } => {
                encode_numbers(values, scale, gap(scale, *flag_missing), bytemuck::cast_slice_mut(out))
            }
            _ => Err(Error::data("these values have no translation")),
        }
    }

    fn translate_texts(&self, texts: &[&[u8]], out: &mut [u32]) -> Result<()> {
        let Work::Category(vocabulary) = self else { return Err(not_numbers()) };
        out.iter_mut().zip(texts).for_each(|(code, text)| *code = vocabulary.code(text));
        Ok(())
    }

    fn missing(&self) -> u32 {
        match self {
            Work::Number { scale, flag_missing } => gap(scale, *flag_missing).to_bits(),
            _ => MISSING,
        }
    }
}

/// What a missing number becomes at first: NaN, if it is flagged when it becomes what the scale says.
fn gap(scale: &Scale, flagged: bool) -> f32 {
    if flagged { f32::NAN } else { scale.missing() }
}

impl ColumnEncoder {
    /// Encodes the column, which is number `index` of the encoder's, into the chunk's columns.
    pub(super) fn encode(
        &self,
        array: &ArrayRef,
        index: usize,
        cache: &mut SplitCache,
        chunk: &mut Chunk,
    ) -> Result<()> {
        match &*self.work {
            Work::Number { scale, flag_missing } => {
                let features = &mut chunk.dense_mut(self.dense)[..array.len()];
                encode_numbers(array, scale, gap(scale, *flag_missing), features)?;
                if *flag_missing {
                    self.flag_missing(scale, array.len(), chunk);
                }
                Ok(())
            }
            Work::Category(vocabulary) => {
                let codes = &mut chunk.slots_mut(self.slot)[..array.len()];
                encode_categories(
                    array,
                    vocabulary,
                    &self.dictionaries,
                    &mut cache.dictionaries[index],
                    codes,
                )
            }
            Work::List(vocabulary) => {
                let lists = Lists::of(array)?;
                let codes = &mut cache.scratch;
                codes.resize(lists.items.len(), MISSING);
                encode_categories(
                    &lists.items,
                    vocabulary,
                    &self.dictionaries,
                    &mut cache.dictionaries[index],
                    codes,
                )?;
                let column = &mut chunk.lists[self.list];
                for row in 0..array.len() {
                    let start = column.codes.len();
                    if lists.is_null(row) {
                        column.codes.push(MISSING);
                    }
                    column.codes.extend_from_slice(&codes[lists.row(row)]);
                    // Multi-hot: an element counts once.
                    column.codes[start..].sort_unstable();
                    dedup_from(&mut column.codes, start);
                    column.end_row();
                }
                Ok(())
            }
            Work::Map(encoder) => {
                encoder.encode(array, &self.dictionaries, &mut cache.maps[index], &mut chunk.lists[self.list])
            }
            Work::Embedding(scales) => {
                let lists = Lists::of(array)?;
                let numbers = numbers(&lists.items)?;
                for (place, scale) in scales.iter().enumerate() {
                    let (origin, factor) = scale.linear_step();
                    let target = &mut chunk.dense_mut(self.dense + place)[..array.len()];
                    for row in 0..array.len() {
                        let range = lists.row(row);
                        if !range.is_empty() && range.len() != scales.len() {
                            let message = format!("found {} numbers, expected {}", range.len(), scales.len());
                            return Err(at_row(Error::data(message), row));
                        }
                        let x = numbers.get(range.start + place).copied().filter(|_| !range.is_empty());
                        target[row] = x.map_or(f32::NAN, |x| ((x - origin) * factor) as f32);
                    }
                    scale.finish(target);
                }
                Ok(())
            }
            Work::Time(parts) => self.encode_time(array, parts, chunk),
            Work::Bins(edges) => {
                expect_numbers(array)?;
                let codes = &mut chunk.slots_mut(self.slot)[..array.len()];
                for_each_number(array, |row, x| codes[row] = bins::code(edges, x))
            }
            Work::Text(encoder) => {
                let text = &mut cache.texts[index];
                encoder.encode(array, text, &mut chunk.lists[self.list])?;
                for (i, numbers) in text.style.iter().enumerate() {
                    chunk.dense_mut(self.dense + i)[..numbers.len()].copy_from_slice(numbers);
                }
                Ok(())
            }
        }
    }

    /// Takes what a translation by [`Work`] gave into the chunk's columns.
    pub(super) fn take(&self, translated: &[u32], chunk: &mut Chunk) {
        let rows = translated.len();
        match &*self.work {
            Work::Category(_) => chunk.slots_mut(self.slot)[..rows].copy_from_slice(translated),
            Work::Number { scale, flag_missing } => {
                let features = &mut chunk.dense_mut(self.dense)[..rows];
                features.copy_from_slice(bytemuck::cast_slice(translated));
                if *flag_missing {
                    self.flag_missing(scale, rows, chunk);
                }
            }
            _ => unreachable!("nothing else is translated"),
        }
    }

    /// Flags the missing ones among the features in the first rows of a chunk, and fills them in.
    fn flag_missing(&self, scale: &Scale, rows: usize, chunk: &mut Chunk) {
        let (features, flags) = chunk.dense_pair_mut(self.dense);
        kernels::flag_nan(&mut features[..rows], scale.missing(), &mut flags[..rows]);
    }

    fn encode_time(&self, array: &ArrayRef, parts: &[TimePart], chunk: &mut Chunk) -> Result<()> {
        let (mut dense, mut slot) = (self.dense, self.slot);
        for part in parts {
            match part {
                TimePart::Trend { scale } => {
                    let (origin, factor) = scale.linear_step();
                    let target = &mut chunk.dense_mut(dense)[..array.len()];
                    for_each_time(array, |row, t| {
                        target[row] =
                            t.map_or(f32::NAN, |t| ((t as f64 / 86_400.0 - origin) * factor) as f32);
                    })?;
                    scale.finish(target);
                    dense += 1;
                }
                TimePart::Month | TimePart::Weekday | TimePart::Hour => {
                    let codes = &mut chunk.slots_mut(slot)[..array.len()];
                    for_each_time(array, |row, t| {
                        let date = t.and_then(|t| DateTime::from_timestamp(t, 0));
                        codes[row] = date.map_or(MISSING, |date| match part {
                            TimePart::Month => date.month(),
                            TimePart::Weekday => date.weekday().number_from_monday(),
                            TimePart::Hour | TimePart::Trend { .. } => date.hour() + 1,
                        });
                    })?;
                    slot += 1;
                }
            }
        }
        Ok(())
    }
}

/// Removes repeats of neighbours from `codes[start..]`.
fn dedup_from(codes: &mut Vec<u32>, start: usize) {
    let mut end = start;
    for i in start..codes.len() {
        if i == start || codes[i] != codes[end - 1] {
            codes[end] = codes[i];
            end += 1;
        }
    }
    codes.truncate(end);
}

fn at_row(error: Error, row: usize) -> Error {
    error.at(Place { row: Some(row as u64), ..Place::default() })
}
