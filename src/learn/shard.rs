//! A shard: some of the columns with their records, for all models.
//!
//! Columns never share weights, so shards can work at the same time: each sums its columns' part of
//! the margins, and later steps its own records. Which column is in which shard depends on the plan
//! alone, and the parts are added in the shards' order, so any number of threads gives the same bits.

use std::ops::Range;

use super::chunk::Chunk;
use super::form::Form;
use super::kernels::prefetch;
use super::optimizer::Rule;
use super::record::Record;
use super::step::Step;
use super::table::Table;

/// Where a table's codes come from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Codes {
    Slots(usize),
    List(usize),
}

impl Codes {
    #[inline(always)]
    fn of(self, chunk: &Chunk, rows: Range<usize>) -> &[u32] {
        match self {
            Codes::Slots(column) => &chunk.slots[column][rows],
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
    /// Dense columns: index in the chunk, record.
    pub(crate) dense: Vec<(usize, Vec<Record<K>>)>,
    /// Category and list columns.
    pub(crate) tables: Vec<(Codes, Table<K>)>,
    /// This shard's part of the sums of the current mini-batch, as many blocks for each row as a record has.
    pub(crate) part: Vec<[f32; K]>,
}

impl<const K: usize> Shard<K> {
    /// Sums this shard's part of the margins of `rows` into `self.part`, and has the records of the
    /// rows that come next brought near.
    pub(crate) fn forward<R: Rule, F: Form<K>>(
        &mut self,
        step: &Step<R, K>,
        form: &F,
        chunk: &Chunk,
        rows: Range<usize>,
    ) {
        let blocks = form.blocks();
        let part = &mut self.part;
        part.clear();
        part.resize(rows.len() * blocks, [0.0; K]);
        for (column, record) in &self.dense {
            for (sums, &x) in part.chunks_exact_mut(blocks).zip(&chunk.dense(*column)[rows.clone()]) {
                form.forward(sums, x, record);
            }
        }
        let next = rows.end..(rows.end + rows.len()).min(chunk.rows());
        for (codes, table) in &mut self.tables {
            if table.bytes() > PREFETCH_BYTES {
                for &code in codes.of(chunk, next.clone()) {
                    table.record(table.index(code), blocks).iter().for_each(prefetch);
                }
            }
            if step.lazy {
                for &code in codes.of(chunk, rows.clone()) {
                    let (record, current) = table.current_mut(table.index(code), blocks);
                    step.catch_up(record, current, |block| form.model_of(block));
                }
            }
            let part = part.chunks_exact_mut(blocks);
            match codes {
                Codes::Slots(column) => {
                    for (sums, &code) in part.zip(&chunk.slots[*column][rows.clone()]) {
                        form.forward(sums, 1.0, table.record(table.index(code), blocks));
                    }
                }
                Codes::List(column) => {
                    let list = &chunk.lists[*column];
                    for (sums, row) in part.zip(rows.clone()) {
                        if list.values.is_empty() {
                            for &code in list.row(row) {
                                form.forward(sums, 1.0, table.record(table.index(code), blocks));
                            }
                        } else {
                            for (code, x) in list.valued(row) {
                                form.forward(sums, x, table.record(table.index(code), blocks));
                            }
                        }
                    }
                }
            }
        }
    }

    /// Steps this shard's records, given the derivatives of the mini-batch's mean loss with respect to
    /// each row's sums.
    pub(crate) fn update<R: Rule, F: Form<K>>(
        &mut self,
        step: &Step<R, K>,
        form: &F,
        chunk: &Chunk,
        rows: Range<usize>,
        derivatives: &[[f32; K]],
    ) {
        let blocks = form.blocks();
        for (column, record) in &mut self.dense {
            let x = &chunk.dense(*column)[rows.clone()];
            for b in 0..blocks {
                let g = if F::IS_LINEAR && blocks == 1 {
                    dot(x, derivatives)
                } else {
                    let mut g = [0.0; K];
                    for (d, &x) in derivatives.chunks_exact(blocks).zip(x) {
                        add(&mut g, &form.gradient(b, x, d, &record[b]));
                    }
                    g
                };
                if step.defer {
                    step.gather(&mut record[b], &g);
                } else {
                    step.take(&mut record[b], form.model_of(b), g);
                }
            }
        }
        for (codes, table) in &mut self.tables {
            // First all gradients are summed, so that a category which occurs several times in the
            // mini-batch takes one step with their sum, as the textbook has it.
            let gather = |table: &mut Table<K>, code: u32, x: f32, d: &[[f32; K]]| {
                let record = table.record_mut(table.index(code), blocks);
                for (b, block) in record.iter_mut().enumerate() {
                    let g = form.gradient(b, x, d, block);
                    step.gather(block, &g);
                }
            };
            let derivatives = derivatives.chunks_exact(blocks);
            match codes {
                Codes::Slots(column) => {
                    for (d, &code) in derivatives.zip(&chunk.slots[*column][rows.clone()]) {
                        gather(table, code, 1.0, d);
                    }
                }
                Codes::List(column) => {
                    let list = &chunk.lists[*column];
                    for (d, row) in derivatives.zip(rows.clone()) {
                        if list.values.is_empty() {
                            list.row(row).iter().for_each(|&code| gather(table, code, 1.0, d));
                        } else {
                            list.valued(row).for_each(|(code, x)| gather(table, code, x, d));
                        }
                    }
                }
            }
            let codes = codes.of(chunk, rows.clone());
            table.count(codes.len());
            if step.defer {
                continue;
            }
            if step.lazy {
                for &code in codes {
                    let (record, current) = table.current_mut(table.index(code), blocks);
                    if *current == step.number {
                        *current += 1;
                        take(step, form, record);
                    }
                }
            } else {
                // A second visit finds the gradient zero and changes nothing: cheaper than a branch.
                for &code in codes {
                    take(step, form, table.record_mut(table.index(code), blocks));
                }
            }
        }
    }

    /// Brings every record up to date.
    pub(crate) fn settle<R: Rule, F: Form<K>>(&mut self, step: &Step<R, K>, form: &F) {
        for (_, table) in &mut self.tables {
            let (blocks, current) = table.blocks_mut();
            for (record, current) in blocks.chunks_exact_mut(form.blocks()).zip(current) {
                step.catch_up(record, current, |block| form.model_of(block));
            }
        }
    }

    /// Takes the deferred step of every record.
    pub(crate) fn take_deferred<R: Rule, F: Form<K>>(&mut self, step: &Step<R, K>, form: &F, weight: f64) {
        let dense = self.dense.iter_mut().flat_map(|(_, record)| record.chunks_exact_mut(form.blocks()));
        let tabled =
            self.tables.iter_mut().flat_map(|(_, t)| t.blocks_mut().0.chunks_exact_mut(form.blocks()));
        for record in dense.chain(tabled) {
            for (b, block) in record.iter_mut().enumerate() {
                step.take_deferred(block, form.model_of(b), weight);
            }
        }
    }

    /// Doubles the tables that are too full, as long as `room` bytes suffice. Returns true if one had to
    /// stay as it is.
    pub(crate) fn grow(&mut self, room: &mut usize) -> bool {
        let mut capped = false;
        for (_, table) in &mut self.tables {
            if table.wants_to_grow() {
                if table.growth() <= *room {
                    *room -= table.growth();
                    table.double();
                } else {
                    capped = true;
                }
            }
        }
        capped
    }

    pub(crate) fn bytes(&self) -> usize {
        self.tables.iter().map(|(_, table)| table.bytes()).sum()
    }

    /// The shard with other blocks in each record: see [`Table::map`].
    pub(crate) fn map<const L: usize>(
        &self,
        blocks: usize,
        f: impl Fn(&[Record<K>], &mut Vec<Record<L>>) + Copy,
    ) -> Shard<L> {
        let dense = self.dense.iter().map(|(column, record)| {
            let mut mapped = Vec::with_capacity(blocks);
            f(record, &mut mapped);
            (*column, mapped)
        });
        Shard {
            dense: dense.collect(),
            tables: self.tables.iter().map(|(codes, table)| (*codes, table.map(blocks, f))).collect(),
            part: Vec::new(),
        }
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

/// The sum of `x[r] * d[r]` over the rows, in four interleaved sums added at the end: an order that
/// vectorises and is the same everywhere.
#[inline(always)]
fn dot<const K: usize>(x: &[f32], d: &[[f32; K]]) -> [f32; K] {
    let mut sums = [[0.0f32; K]; 4];
    let (x4, x_rest) = x.as_chunks::<4>();
    let (d4, d_rest) = d.as_chunks::<4>();
    for (x, d) in x4.iter().zip(d4) {
        for i in 0..4 {
            for k in 0..K {
                sums[i][k] += x[i] * d[i][k];
            }
        }
    }
    for (x, d) in x_rest.iter().zip(d_rest) {
        for k in 0..K {
            sums[0][k] += x * d[k];
        }
    }
    std::array::from_fn(|k| (sums[0][k] + sums[1][k]) + (sums[2][k] + sums[3][k]))
}
