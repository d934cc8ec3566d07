//! The encoder: carries a plan out on record batches.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::codes::{Dictionaries, Dictionary};
use super::column::{ColumnEncoder, Work};
use super::cross::{CrossEncoder, Parent};
use super::maps::MapCache;
use super::plan::{Plan, Use};
use super::target::{LabelCache, Labels};
use super::text::TextCache;
use super::translate::{Translate, translated};
use super::values::Sort;
use super::vocabulary::hash;
use crate::error::Result;
use crate::learn::{Chunk, Shape};

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
    /// What the batches hold, in order, before the columns of the labels.
    inputs: Vec<(String, Sort)>,
    columns: Vec<ColumnEncoder>,
    /// Columns that are crossed as something that is no feature by itself: they fill slots of a chunk of
    /// their own.
    hidden: Vec<ColumnEncoder>,
    crosses: Vec<CrossColumn>,
    labels: Labels,
}

/// Where inputs stand.
type Places = HashMap<(String, Sort), usize>;

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

/// What is kept while a split is read.
#[derive(Debug, Default)]
pub struct SplitCache {
    /// The dictionaries last met, one for each column: within a split the batches share their
    /// dictionaries, so each distinct text is hashed once.
    pub(super) dictionaries: Vec<Option<Dictionary>>,
    pub(super) maps: Vec<MapCache>,
    pub(super) texts: Vec<TextCache>,
    pub(super) scratch: Vec<u32>,
    /// The codes of the columns that are crossed without being features.
    hidden: Option<Chunk>,
    labels: LabelCache,
}

impl Encoder {
    /// An encoder for `plan`.
    pub fn new(plan: Arc<Plan>, filter: RowFilter) -> Self {
        let mut encoder = Encoder {
            labels: Labels::new(&plan, filter),
            inputs: Vec::new(),
            columns: Vec::new(),
            hidden: Vec::new(),
            crosses: Vec::new(),
            plan: plan.clone(),
        };
        let mut at = Shape::default();
        let mut crosses = Vec::new();
        let mut places = Places::new();
        for column in plan.used() {
            if let Some(encoding) = encoder.column(&column.name, &column.used, at, &mut places) {
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
            let parents_at = parents.iter().map(|parent| encoder.parent(parent, &mut places)).collect();
            let cross = CrossEncoder::new(seed, parents);
            encoder.crosses.push(CrossColumn { encoder: cross, slot, parents: parents_at });
        }
        encoder
    }

    /// How a column is encoded that fills the chunk's columns from `at` on.
    fn column(&mut self, name: &str, used: &Use, at: Shape, places: &mut Places) -> Option<ColumnEncoder> {
        // Each column hashes with a seed of its own.
        let (work, sort) = Work::of(used, hash(self.plan.hash_seed, name.as_bytes()))?;
        let name = name.to_string();
        let input = *places.entry((name.clone(), sort)).or_insert_with(|| {
            self.inputs.push((name.clone(), sort));
            self.inputs.len() - 1
        });
        let (dense, slot, list) = (at.dense, at.slots, at.lists);
        Some(ColumnEncoder {
            name,
            input,
            dense,
            slot,
            list,
            dictionaries: Dictionaries::default(),
            work: Arc::new(work),
        })
    }

    /// Where the codes of a cross's column are found.
    fn parent(&mut self, parent: &Parent, places: &mut Places) -> ParentSlot {
        let mut slot = 0;
        for column in self.plan.used() {
            if column.name == parent.column && column.used == parent.used {
                return ParentSlot::Shown(slot);
            }
            slot += column.used.shape().slots;
        }
        let at = Shape { slots: self.hidden.len(), ..Shape::default() };
        let hidden = self.column(&parent.column, &parent.used, at, places);
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
        // As texts, what is no number in a file without types is met by the row filter, too.
        columns.extend(self.labels.columns().map(|name| (name.to_string(), ReadHint::Text)));
        columns
    }

    /// The translations of these columns: of categories and numbers that nothing else is made of.
    pub fn translations(&self) -> Vec<Option<Arc<dyn Translate>>> {
        let mut users = vec![Vec::new(); self.inputs.len()];
        self.columns.iter().chain(&self.hidden).for_each(|column| users[column.input].push(&column.work));
        let of = |users: Vec<&Arc<Work>>| match users[..] {
            [work] if matches!(**work, Work::Category(_) | Work::Number { .. }) => {
                Some(work.clone() as Arc<dyn Translate>)
            }
            _ => None,
        };
        users.into_iter().map(of).collect()
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
            let array = batch.column(column.input);
            match translated(batch.schema_ref().field(column.input), array) {
                Some(translated) => {
                    column.take(translated, chunk);
                    Ok(())
                }
                None => column.encode(array, i, cache, chunk).map_err(|e| e.in_column(&column.name)),
            }
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
            hidden.set_rows(rows);
            chunk.set_rows(rows);
            self.crosses.iter().for_each(|cross| cross.encode(chunk, &hidden, &mut cache.scratch));
            cache.hidden = Some(hidden);
        }
        let labels = &batch.columns()[self.inputs.len()..];
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

impl CrossColumn {
    fn encode(&self, chunk: &mut Chunk, hidden: &Chunk, codes: &mut Vec<u32>) {
        let parents: Vec<&[u32]> = self
            .parents
            .iter()
            .map(|parent| match parent {
                ParentSlot::Shown(slot) => chunk.slots(*slot),
                ParentSlot::Hidden(slot) => hidden.slots(*slot),
            })
            .collect();
        codes.clear();
        self.encoder.encode(&parents, codes);
        chunk.slots_mut(self.slot)[..codes.len()].copy_from_slice(codes);
    }
}
