//! The encoder: carries a plan out on record batches.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use chrono::{DateTime, Datelike, Timelike};

use super::codes::{Dictionaries, Dictionary, encode_categories};
use super::maps::{MapCache, MapEncoder};
use super::plan::{Plan, TimePart, Use};
use super::scale::Scale;
use super::target::{LabelCache, Labels};
use super::values::{Lists, Sort, for_each_number, for_each_time, is_text, numbers, plain};
use super::vocabulary::{MISSING, Vocabulary, hash};
use crate::error::{Error, Place, Result};
use crate::learn::Chunk;

/// What to do with rows whose target, weight or offset can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFilter {
    /// Encode features (and an offset) only: there need be no target.
    Unlabelled,
    /// Such a row is an error.
    Fail,
    /// Such a row is left out and counted.
    Skip,
}

/// What encoding a batch says beside the chunk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Encoded {
    /// Rows to leave out, ascending.
    pub skipped: Vec<u32>,
}

/// Turns record batches into chunks. Shared by threads; what depends on the split that is read
/// stands in a [`SplitCache`].
#[derive(Debug)]
pub struct Encoder {
    plan: Arc<Plan>,
    /// The used columns, in the order of the batches; then follow those of the labels.
    columns: Vec<ColumnEncoder>,
    labels: Labels,
}

#[derive(Debug)]
struct ColumnEncoder {
    name: String,
    sort: Sort,
    /// The first dense, slot and list column it fills.
    dense: usize,
    slot: usize,
    list: usize,
    dictionaries: Dictionaries,
    work: Work,
}

#[derive(Debug)]
enum Work {
    Number { scale: Scale, flag_missing: bool },
    Category(Vocabulary),
    List(Vocabulary),
    Map(MapEncoder),
    Embedding(Vec<Scale>),
    Time(Vec<TimePart>),
}

/// What is kept while a split is read.
#[derive(Debug, Default)]
pub struct SplitCache {
    /// The dictionaries last met, one for each column: within a split the batches share their
    /// dictionaries, so each distinct text is hashed once.
    dictionaries: Vec<Option<Dictionary>>,
    maps: Vec<MapCache>,
    scratch: Vec<u32>,
    labels: LabelCache,
}

impl Encoder {
    /// An encoder for `plan`.
    pub fn new(plan: Arc<Plan>, filter: RowFilter) -> Self {
        let (mut dense, mut slot, mut list) = (0, 0, 0);
        let mut columns = Vec::new();
        for column in plan.used() {
            // Each column hashes with a seed of its own.
            let seed = hash(plan.hash_seed, column.name.as_bytes());
            let (work, sort) = match &column.used {
                Use::Ignore => continue,
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
            };
            let (dense_now, slot_now, list_now) = (dense, slot, list);
            match &work {
                Work::Number { flag_missing, .. } => dense += 1 + usize::from(*flag_missing),
                Work::Category(_) => slot += 1,
                Work::List(_) | Work::Map(_) => list += 1,
                Work::Embedding(scales) => dense += scales.len(),
                Work::Time(parts) => {
                    let slots = parts.iter().filter(|p| p.categories().is_some()).count();
                    slot += slots;
                    dense += parts.len() - slots;
                }
            }
            columns.push(ColumnEncoder {
                name: column.name.clone(),
                sort,
                dense: dense_now,
                slot: slot_now,
                list: list_now,
                dictionaries: Dictionaries::default(),
                work,
            });
        }
        Encoder { labels: Labels::new(&plan, filter), plan, columns }
    }

    /// The plan.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The names of the columns that batches must hold, in order, each with whether it is best read
    /// as a number (`Some(true)`), as a point in time (`Some(false)`) or as text (`None`).
    pub fn columns(&self) -> Vec<(String, ReadHint)> {
        let mut columns: Vec<(String, ReadHint)> = self
            .columns
            .iter()
            .map(|c| {
                let hint = match c.sort {
                    Sort::Number => ReadHint::Number,
                    Sort::Time => ReadHint::Time,
                    Sort::Text | Sort::Bool => ReadHint::Text,
                    Sort::List | Sort::Floats | Sort::Map | Sort::Other => ReadHint::Native,
                };
                (c.name.clone(), hint)
            })
            .collect();
        // As texts, what is no number in a file without types is met by the row filter, too.
        columns.extend(self.labels.columns().map(|name| (name.to_string(), ReadHint::Text)));
        columns
    }

    /// Encodes a batch of the columns that [`Encoder::columns`] names (more may follow them) into
    /// `chunk`, whose contents are replaced.
    ///
    /// # Errors
    /// Those of the data, with row and column.
    pub fn encode(&self, batch: &RecordBatch, cache: &mut SplitCache, chunk: &mut Chunk) -> Result<Encoded> {
        let rows = batch.num_rows();
        chunk.reset(rows);
        cache.dictionaries.resize_with(self.columns.len(), || None);
        cache.maps.resize_with(self.columns.len(), MapCache::default);
        for (i, column) in self.columns.iter().enumerate() {
            column.encode(batch.column(i), i, cache, chunk).map_err(|e| e.in_column(&column.name))?;
        }
        let labels = &batch.columns()[self.columns.len()..];
        let skipped = self.labels.encode(labels, rows, &mut cache.labels, chunk)?;
        chunk.set_rows(rows);
        Ok(Encoded { skipped })
    }
}

/// How a column is best read from a file without types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadHint {
    /// As numbers.
    Number,
    /// As points in time.
    Time,
    /// As texts.
    Text,
    /// As the file has it.
    Native,
}

fn at_row(error: Error, row: usize) -> Error {
    error.at(Place { row: Some(row as u64), ..Place::default() })
}

impl ColumnEncoder {
    fn encode(
        &self,
        array: &ArrayRef,
        index: usize,
        cache: &mut SplitCache,
        chunk: &mut Chunk,
    ) -> Result<()> {
        match &self.work {
            Work::Number { scale, flag_missing } => {
                if is_text(plain(&array.slice(0, 0))?.data_type()) {
                    return Err(Error::data("found text, expected numbers, as in the data of the plan"));
                }
                let (origin, factor) = scale.linear_step();
                let rows = array.len();
                let target = &mut chunk.dense_mut(self.dense)[..rows];
                for_each_number(array, |row, x| {
                    target[row] = x.map_or(f32::NAN, |x| ((x - origin) * factor) as f32);
                })?;
                if *flag_missing {
                    let (target, flags) = chunk.dense_pair_mut(self.dense);
                    scale.finish(&mut target[..rows], |row, missing| {
                        flags[row] = f32::from(u8::from(missing))
                    });
                } else {
                    scale.finish(target, |_, _| ());
                }
                Ok(())
            }
            Work::Category(vocabulary) => {
                let codes = &mut chunk.slots[self.slot];
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
                codes.clear();
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
                    scale.finish(target, |_, _| ());
                }
                Ok(())
            }
            Work::Time(parts) => self.encode_time(array, parts, chunk),
        }
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
                    scale.finish(target, |_, _| ());
                    dense += 1;
                }
                TimePart::Month | TimePart::Weekday | TimePart::Hour => {
                    let codes = &mut chunk.slots[slot];
                    for_each_time(array, |_, t| {
                        let date = t.and_then(|t| DateTime::from_timestamp(t, 0));
                        codes.push(date.map_or(MISSING, |date| match part {
                            TimePart::Month => date.month(),
                            TimePart::Weekday => date.weekday().number_from_monday(),
                            TimePart::Hour | TimePart::Trend { .. } => date.hour() + 1,
                        }));
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
