//! A shard: some of the columns with their records, for all models.
//!
//! Columns never share weights, so shards can work at the same time: each sums its columns' part of
//! the margins, and later steps its own records. Which column is in which shard depends on the plan
//! alone, and the parts are added in the shards' order, so any number of threads gives the same bits.

use std::ops::Range;

use super::chunk::Chunk;
use super::dense::Dense;
use super::form::Form;
use super::kernels::{prefetch, prefetch_all};
use super::learner::Column;
use super::mask::{Mask, masked};
use super::octets::Octets;
use super::optimizer::Rule;
use super::record::Record;
use super::step::{Lanes, Step};
use super::table::Table;

/// Where a table's codes come from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Codes {
    Slots(usize),
    List(usize),
}

impl Codes {
    /// The column that they stand in.
    pub(crate) fn column(self) -> Column {
        match self {
            Codes::Slots(column) => Column::Slots(column),
            Codes::List(column) => Column::List(column),
        }
    }

    #[inline(always)]
    fn of(self, chunk: &Chunk, rows: Range<usize>) -> &[u32] {
        match self {
            Codes::Slots(column) => &chunk.slots(column)[rows],
            Codes::List(column) => {
                let list = &chunk.lists[column];
                &list.codes[list.span(rows)]
            }
        }
    }
}

/// Tables smaller than this stay in the caches by themselves.
const PREFETCH_BYTES: usize = 256 << 10;

#[derive(Debug, Clone)]
pub(crate) struct Shard<const K: usize> {
    pub(crate) dense: Dense<K>,
    /// Category and list columns.
    pub(crate) tables: Vec<(Codes, Table<K>)>,
    /// Which models have the columns of the tables.
    pub(crate) masks: Vec<Mask<K>>,
    /// This shard's part of the sums of the current mini-batch, as many blocks for each row as a record has.
    pub(crate) part: Vec<[f32; K]>,
}

impl<const K: usize> Shard<K> {
    /// The tables that do not stay in the caches by themselves.
    pub(crate) fn far_tables(&self) -> impl Iterator<Item = usize> {
        (0..self.tables.len()).filter(|&table| self.tables[table].1.bytes() > PREFETCH_BYTES)
    }

    /// Has the records that rows need of a table brought near.
    #[inline(always)]
    pub(crate) fn bring_near(&self, table: usize, chunk: &Chunk, rows: Range<usize>, blocks: usize) {
        let (codes, table) = &self.tables[table];
        let (places, records) = (table.places(), table.blocks());
        let current = table.current();
        for &code in codes.of(chunk, rows) {
            let place = places.of(code);
            record(records, place, blocks).iter().for_each(prefetch);
            if let Some(current) = current.get(place) {
                prefetch(current);
            }
        }
    }

    /// Sums this shard's part of the margins of `rows` into `self.part`.
    #[inline(always)]
    pub(crate) fn forward<R: Rule, F: Form<K>>(
        &mut self,
        step: &Step<R, K>,
        form: &F,
        chunk: &Chunk,
        rows: Range<usize>,
    ) {
        let blocks = form.blocks();
        // The rows of the mini-batch after the next, which tell the records that will be brought near.
        let after = (rows.end + rows.len()).min(chunk.rows())..(rows.end + 2 * rows.len()).min(chunk.rows());
        let part = &mut self.part;
        part.clear();
        part.resize(rows.len() * blocks, [0.0; K]);
        self.dense.forward(form, chunk, rows.clone(), after.clone(), part);
        for (codes, table) in &mut self.tables {
            table.keep(codes.of(chunk, rows.clone()));
            let places = table.places();
            if step.lazy {
                let (records, current) = table.blocks_mut();
                for &code in codes.of(chunk, rows.clone()) {
                    let place = places.of(code);
                    let record = record_mut(records, place, blocks);
                    step.catch_up(record, &mut current[place], |block| form.model_of(block));
                }
            }
            let records = table.blocks();
            match codes {
                Codes::Slots(column) => {
                    let codes = chunk.slots(*column);
                    prefetch_all(&codes[after.clone()]);
                    let codes = &codes[rows.clone()];
                    if F::IS_LINEAR && blocks == 1 {
                        let weights = codes.iter().map(|&code| &records[places.of(code)].weight);
                        part.iter_mut().zip(weights).for_each(|(sum, weight)| add(sum, weight));
                    } else {
                        for (sums, &code) in part.chunks_exact_mut(blocks).zip(codes) {
                            form.forward(sums, 1.0, record(records, places.of(code), blocks));
                        }
                    }
                }
                Codes::List(column) => {
                    let list = &chunk.lists[*column];
                    for (sums, row) in part.chunks_exact_mut(blocks).zip(rows.clone()) {
                        if list.values.is_empty() {
                            for &code in list.row(row) {
                                form.forward(sums, 1.0, record(records, places.of(code), blocks));
                            }
                        } else {
                            for (code, x) in list.valued(row) {
                                form.forward(sums, x, record(records, places.of(code), blocks));
                            }
                        }
                    }
                }
            }
        }
    }

    /// Steps this shard's records: see [`Dense::update`]. `octets` take the same step.
    #[inline(always)]
    pub(crate) fn update<R: Rule, F: Form<K>>(
        &mut self,
        step: &Step<R, K>,
        form: &F,
        chunk: &Chunk,
        rows: Range<usize>,
        derivatives: &[[f32; K]],
        octets: &Octets<R>,
    ) {
        let blocks = form.blocks();
        let part = &mut self.part;
        self.dense.update(step, form, chunk, rows.clone(), derivatives, part);
        for ((codes, table), mask) in self.tables.iter_mut().zip(&self.masks) {
            let derivatives = masked(derivatives, mask, part);
            let places = table.places();
            let (records, current) = table.blocks_mut();
            // First all gradients are summed, so that a category which occurs several times in the
            // mini-batch takes one step with their sum, as the textbook has it.
            let derivatives = derivatives.chunks_exact(blocks);
            match codes {
                Codes::Slots(column) => {
                    for (d, &code) in derivatives.zip(&chunk.slots(*column)[rows.clone()]) {
                        gather(step, form, record_mut(records, places.of(code), blocks), 1.0, d);
                    }
                }
                Codes::List(column) => {
                    let list = &chunk.lists[*column];
                    for (d, row) in derivatives.zip(rows.clone()) {
                        if list.values.is_empty() {
                            for &code in list.row(row) {
                                gather(step, form, record_mut(records, places.of(code), blocks), 1.0, d);
                            }
                        } else {
                            for (code, x) in list.valued(row) {
                                gather(step, form, record_mut(records, places.of(code), blocks), x, d);
                            }
                        }
                    }
                }
            }
            let codes = codes.of(chunk, rows.clone());
            if step.lazy {
                for place in codes.iter().map(|&code| places.of(code)) {
                    if current[place] == step.number {
                        current[place] += 1;
                        take(step, form, record_mut(records, place, blocks));
                    }
                }
            } else if !step.defer {
                // A second visit finds the gradient zero and changes nothing: cheaper than a branch.
                if K == 1 && blocks == 1 {
                    octets.take(records, places, codes);
                } else {
                    for &code in codes {
                        take(step, form, record_mut(records, places.of(code), blocks));
                    }
                }
            }
            table.count(codes.len());
        }
    }

    /// Brings every record up to date.
    pub(crate) fn settle<R: Rule, F: Form<K>>(&mut self, step: &Step<R, K>, form: &F) {
        for (_, table) in &mut self.tables {
            table.keep_all();
            let (blocks, current) = table.blocks_mut();
            for (record, current) in blocks.chunks_exact_mut(form.blocks()).zip(current) {
                step.catch_up(record, current, |block| form.model_of(block));
            }
        }
    }

    /// Takes the deferred step of every record.
    pub(crate) fn take_deferred<R: Rule, F: Form<K>>(
        &mut self,
        step: &Step<R, K>,
        form: &F,
        weights: &Lanes<f64, K>,
    ) {
        self.tables.iter_mut().for_each(|(_, table)| table.keep_all());
        let dense = self.dense.records_mut().map(|(_, record)| record);
        let tabled =
            self.tables.iter_mut().flat_map(|(_, t)| t.blocks_mut().0.chunks_exact_mut(form.blocks()));
        for record in dense.chain(tabled) {
            for (b, block) in record.iter_mut().enumerate() {
                step.take_deferred(block, form.model_of(b), weights);
            }
        }
    }

    /// Records of all tables.
    pub(crate) fn records(&self) -> usize {
        self.tables.iter().map(|(_, table)| table.len()).sum()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.tables.iter().map(|(_, table)| table.bytes()).sum()
    }

    /// The shard with other blocks in each record, and other masks: see [`Table::map`].
    pub(crate) fn map<const L: usize>(
        &self,
        blocks: usize,
        mask: impl Fn(Column) -> Mask<L>,
        f: impl Fn(&[Record<K>], &mut Vec<Record<L>>) + Copy,
    ) -> Shard<L> {
        let mut dense = Dense::default();
        for (column, record) in self.dense.records() {
            let mut mapped = Vec::with_capacity(blocks);
            f(record, &mut mapped);
            dense.push(column, mapped, mask(Column::Dense(column)));
        }
        Shard {
            dense,
            tables: self.tables.iter().map(|(codes, table)| (*codes, table.map(blocks, f))).collect(),
            masks: self.tables.iter().map(|(codes, _)| mask(codes.column())).collect(),
            part: Vec::new(),
        }
    }
}

/// The blocks of a record, of which there are `blocks`.
#[inline(always)]
fn record<const K: usize>(records: &[Record<K>], place: usize, blocks: usize) -> &[Record<K>] {
    &records[place * blocks..][..blocks]
}

#[inline(always)]
fn record_mut<const K: usize>(records: &mut [Record<K>], place: usize, blocks: usize) -> &mut [Record<K>] {
    &mut records[place * blocks..][..blocks]
}

/// Adds what a row's derivatives make of a feature of value `x` to its record's gradient.
#[inline(always)]
fn gather<R: Rule, F: Form<K>, const K: usize>(
    step: &Step<R, K>,
    form: &F,
    record: &mut [Record<K>],
    x: f32,
    derivatives: &[[f32; K]],
) {
    for (b, block) in record.iter_mut().enumerate() {
        let g = form.gradient(b, x, derivatives, block);
        step.gather(block, &g);
    }
}

/// Takes a record's step along the gradient that it has gathered.
#[inline(always)]
fn take<R: Rule, F: Form<K>, const K: usize>(step: &Step<R, K>, form: &F, record: &mut [Record<K>]) {
    for (b, block) in record.iter_mut().enumerate() {
        let g = std::mem::replace(&mut block.gradient, [0.0; K]);
        step.take(block, form.model_of(b), g);
    }
}

#[inline(always)]
fn add<const K: usize>(sum: &mut [f32; K], terms: &[f32; K]) {
    for k in 0..K {
        sum[k] += terms[k];
    }
}
