//! The encoder: carries a plan out on record batches.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use chrono::{DateTime, Datelike, Timelike};

use super::bins;
use super::codes::{Dictionaries, Dictionary, encode_categories};
use super::cross::{CrossEncoder, Parent};
use super::maps::{MapCache, MapEncoder};
use super::plan::{Plan, TimePart, Use};
use super::scale::Scale;
use super::target::{parse, quoted};
use super::text::{TextCache, TextEncoder};
use super::values::{Lists, Sort, for_each_number, for_each_text, for_each_time, is_text, numbers, plain};
use super::vocabulary::{MISSING, Vocabulary, hash};
use crate::error::{Error, Place, Result};
use crate::learn::{Chunk, Shape};

/// What to do with rows whose target or weight can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFilter {
    /// Encode features only: there need be no target.
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
    filter: RowFilter,
    /// What the batches hold, in order, before target and weight.
    inputs: Vec<(String, Sort)>,
    columns: Vec<ColumnEncoder>,
    /// Columns that are crossed as something that is no feature by itself: they fill slots of a chunk of
    /// their own.
    hidden: Vec<ColumnEncoder>,
    crosses: Vec<CrossColumn>,
}

#[derive(Debug)]
struct ColumnEncoder {
    name: String,
    /// Its place in the batches.
    input: usize,
    /// The first dense, slot and list column it fills.
    dense: usize,
    slot: usize,
    list: usize,
    dictionaries: Dictionaries,
    work: Work,
}

/// A cross, with the slot that it fills and those that it is made from: of the chunk, or of the hidden one.
#[derive(Debug)]
struct CrossColumn {
    encoder: CrossEncoder,
    slot: usize,
    parents: Vec<ParentSlot>,
}

#[derive(Debug, Clone, Copy)]
enum ParentSlot {
    Shown(usize),
    Hidden(usize),
}

#[derive(Debug)]
enum Work {
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
    fn of(used: &Use, seed: u64) -> Option<(Work, Sort)> {
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

/// What is kept while a split is read.
#[derive(Debug, Default)]
pub struct SplitCache {
    /// The dictionaries last met, one for each column: within a split the batches share their
    /// dictionaries, so each distinct text is hashed once.
    dictionaries: Vec<Option<Dictionary>>,
    maps: Vec<MapCache>,
    texts: Vec<TextCache>,
    hidden: Option<Chunk>,
    scratch: Vec<u32>,
}

impl Encoder {
    /// An encoder for `plan`.
    pub fn new(plan: Arc<Plan>, filter: RowFilter) -> Self {
        let mut encoder = Encoder {
            filter,
            inputs: Vec::new(),
            columns: Vec::new(),
            hidden: Vec::new(),
            crosses: Vec::new(),
            plan: plan.clone(),
        };
        let mut at = Shape::default();
        let mut crosses = Vec::new();
        for column in plan.used() {
            if let Some(encoding) = encoder.column(&column.name, &column.used, at) {
                encoder.columns.push(encoding);
            }
            if let Use::Cross { parents, .. } = &column.used {
                crosses.push((column, parents, at.slots));
            }
            let shape = column.used.shape();
            at.dense += shape.dense;
            at.slots += shape.slots;
            at.lists += shape.lists;
        }
        for (column, parents, slot) in crosses {
            let seed = hash(plan.hash_seed, column.name.as_bytes());
            let parents_at = parents.iter().map(|parent| encoder.parent(parent)).collect();
            let cross = CrossEncoder::new(seed, parents);
            encoder.crosses.push(CrossColumn { encoder: cross, slot, parents: parents_at });
        }
        encoder
    }

    /// How a column is encoded that fills the chunk's columns from `at` on.
    fn column(&mut self, name: &str, used: &Use, at: Shape) -> Option<ColumnEncoder> {
        // Each column hashes with a seed of its own.
        let (work, sort) = Work::of(used, hash(self.plan.hash_seed, name.as_bytes()))?;
        let input = self.inputs.iter().position(|input| input.0 == name && input.1 == sort);
        let input = input.unwrap_or_else(|| {
            self.inputs.push((name.to_string(), sort));
            self.inputs.len() - 1
        });
        let name = name.to_string();
        let (dense, slot, list) = (at.dense, at.slots, at.lists);
        Some(ColumnEncoder { name, input, dense, slot, list, dictionaries: Dictionaries::default(), work })
    }

    /// Where the codes of a cross's column are found.
    fn parent(&mut self, parent: &Parent) -> ParentSlot {
        let mut slot = 0;
        for column in self.plan.used() {
            if column.name == parent.column && column.used == parent.used {
                return ParentSlot::Shown(slot);
            }
            slot += column.used.shape().slots;
        }
        let at = Shape { slots: self.hidden.len(), ..Shape::default() };
        let hidden = self.column(&parent.column, &parent.used, at);
        self.hidden.extend(hidden);
        ParentSlot::Hidden(at.slots)
    }

    /// The plan.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The names of the columns that batches must hold, in order, each with whether it is best read
    /// as a number (`Some(true)`), as a point in time (`Some(false)`) or as text (`None`).
    pub fn columns(&self) -> Vec<(String, ReadHint)> {
        let mut columns: Vec<(String, ReadHint)> = self
            .inputs
            .iter()
            .map(|(name, sort)| {
                let hint = match sort {
                    Sort::Number => ReadHint::Number,
                    Sort::Time => ReadHint::Time,
                    Sort::Text | Sort::Bool => ReadHint::Text,
                    Sort::List | Sort::Floats | Sort::Map | Sort::Other => ReadHint::Native,
                };
                (name.clone(), hint)
            })
            .collect();
        if self.filter != RowFilter::Unlabelled {
            // As texts, what is no number in a file without types is met by the row filter, too.
            let labels = std::iter::once(self.plan.target.column()).chain(self.plan.weight.as_deref());
            columns.extend(labels.map(|name| (name.to_string(), ReadHint::Text)));
        }
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
        let columns = self.columns.len() + self.hidden.len();
        cache.dictionaries.resize_with(columns, || None);
        cache.maps.resize_with(columns, MapCache::default);
        cache.texts.resize_with(columns, TextCache::default);
        let encode = |column: &ColumnEncoder, i: usize, cache: &mut SplitCache, chunk: &mut Chunk| {
            column.encode(batch.column(column.input), i, cache, chunk).map_err(|e| e.in_column(&column.name))
        };
        for (i, column) in self.columns.iter().enumerate() {
            encode(column, i, cache, chunk)?;
        }
        if !self.crosses.is_empty() {
            let shape = Shape { slots: self.hidden.len(), ..Shape::default() };
            let mut hidden = cache.hidden.take().unwrap_or_else(|| Chunk::new(shape, rows));
            hidden.reset(rows);
            for (i, column) in self.hidden.iter().enumerate() {
                encode(column, self.columns.len() + i, cache, &mut hidden)?;
            }
            self.crosses.iter().for_each(|cross| cross.encode(chunk, &hidden));
            cache.hidden = Some(hidden);
        }
        let mut skipped = Vec::new();
        if self.filter == RowFilter::Unlabelled {
            chunk.labels.resize(rows, 0.0);
        } else {
            let mut bad = |row: usize, error: Error| match self.filter {
                RowFilter::Skip => {
                    skipped.push(row as u32);
                    Ok(())
                }
                RowFilter::Fail | RowFilter::Unlabelled => Err(at_row(error, row)),
            };
            let target = batch.column(self.inputs.len());
            self.plan
                .target
                .encode(target, &mut chunk.labels, &mut bad)
                .map_err(|e| e.in_column(self.plan.target.column()))?;
            if let Some(weight) = &self.plan.weight {
                encode_weights(batch.column(self.inputs.len() + 1), &mut chunk.weights, &mut bad)
                    .map_err(|e| e.in_column(weight))?;
            }
            skipped.sort_unstable();
            skipped.dedup();
        }
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

fn encode_weights(
    array: &ArrayRef,
    weights: &mut Vec<f32>,
    mut bad: impl FnMut(usize, Error) -> Result<()>,
) -> Result<()> {
    let mut result = Ok(());
    let mut push = |row: usize, x: Option<f64>, found: &dyn Fn() -> String| {
        let usable = x.map(|x| x as f32).filter(|x| x.is_finite() && *x >= 0.0);
        weights.push(usable.unwrap_or(0.0));
        if usable.is_none() && result.is_ok() {
            let error = Error::data(format!("found {}, expected a finite weight of at least 0", found()));
            result = bad(row, error.remedy("leave such rows out with --on-error skip"));
        }
    };
    let nothing = || "nothing".to_string();
    if is_text(plain(&array.slice(0, 0))?.data_type()) {
        for_each_text(array, |row, text| {
            push(row, text.and_then(parse), &|| text.map_or_else(nothing, quoted));
        })?;
    } else {
        for_each_number(array, |row, x| push(row, x, &|| x.map_or_else(nothing, |x| x.to_string())))?;
    }
    result
}

impl CrossColumn {
    fn encode(&self, chunk: &mut Chunk, hidden: &Chunk) {
        let mut codes = std::mem::take(&mut chunk.slots[self.slot]);
        let parents: Vec<&[u32]> = self
            .parents
            .iter()
            .map(|parent| match parent {
                ParentSlot::Shown(slot) => chunk.slots[*slot].as_slice(),
                ParentSlot::Hidden(slot) => hidden.slots[*slot].as_slice(),
            })
            .collect();
        self.encoder.encode(&parents, &mut codes);
        chunk.slots[self.slot] = codes;
    }
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
                expect_numbers(array)?;
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
            Work::Bins(edges) => {
                expect_numbers(array)?;
                let codes = &mut chunk.slots[self.slot];
                for_each_number(array, |_, x| codes.push(bins::code(edges, x)))
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

fn expect_numbers(array: &ArrayRef) -> Result<()> {
    if is_text(plain(&array.slice(0, 0))?.data_type()) {
        return Err(Error::data("found text, expected numbers, as in the data of the plan"));
    }
    Ok(())
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
