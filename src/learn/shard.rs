//! A shard: some of the columns with their records, for all K models.
//!
//! Columns never share weights, so shards can work at the same time: each sums its columns' part of
//! the margins, and later steps its own records. Which column is in which shard depends on the plan
//! alone, and the parts are added in the shards' order, so any number of threads gives the same bits.

use std::ops::Range;

use super::chunk::Chunk;
use super::kernels::prefetch;
use super::optimizer::Rule;
use super::record::Record;
use super::table::Table;

/// Everything that is the same for all records in one step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step<R, const K: usize> {
    pub(crate) rule: R,
    pub(crate) rates: [f32; K],
    pub(crate) l2: f32,
    /// Whether absent records change, so that they must be brought up to date before use.
    pub(crate) lazy: bool,
    /// Whether the step is put off to the end of the epoch (gradient descent).
    pub(crate) defer: bool,
    /// Steps taken before this one.
    pub(crate) number: u64,
    /// The averaging clock at this step (see [`clock`]).
    pub(crate) clock: f32,
}

/// The clock of the time-weighted average: its increments are the weights of the iterates, which
/// so grow linearly with time (Lacoste-Julien, Schmidt and Bach 2012, arXiv 1212.2002): the first,
/// poor iterates hardly count.
pub(crate) fn clock(step: u64) -> f32 {
    (step as f64).powi(2) as f32
}

impl<R: Rule, const K: usize> Step<R, K> {
    /// What it is `steps` steps later.
    pub(crate) fn after(self, steps: u64) -> Self {
        let number = self.number + steps;
        Step { number, clock: clock(number), ..self }
    }

    /// Steps a record along the loss's gradient `g`, penalty added.
    #[inline(always)]
    pub(crate) fn take(&self, record: &mut Record<K>, mut g: [f32; K]) {
        for k in 0..K {
            g[k] += self.l2 * record.weight[k];
        }
        let change = self.rule.step(&self.rates, record, &g);
        for k in 0..K {
            record.drift[k] += change[k] * self.clock;
        }
    }

    /// Adds to the gradient of a deferred step, with Kahan's compensation (in `drift`, which nothing
    /// else needs then): an epoch may have billions of rows.
    #[inline(always)]
    pub(crate) fn put_off(record: &mut Record<K>, g: [f32; K]) {
        for k in 0..K {
            let y = g[k] - record.drift[k];
            let sum = record.gradient[k] + y;
            record.drift[k] = (sum - record.gradient[k]) - y;
            record.gradient[k] = sum;
        }
    }

    /// Adds to a record's gradient.
    #[inline(always)]
    fn gather(&self, record: &mut Record<K>, g: &[f32; K]) {
        if self.defer { Self::put_off(record, *g) } else { add(&mut record.gradient, g) }
    }

    /// Takes the deferred step with the mean of the gradients over `rows` rows.
    pub(crate) fn take_deferred(&self, record: &mut Record<K>, rows: u64) {
        let g = record.gradient.map(|sum| (f64::from(sum) / rows as f64) as f32);
        self.take(record, g);
        (record.gradient, record.drift) = ([0.0; K], [0.0; K]);
    }

    /// Catches up on the steps that an absent record missed.
    #[inline]
    fn catch_up(&self, record: &mut Record<K>, current: &mut u64) {
        let missed = self.number.saturating_sub(*current);
        if missed == 0 {
            return;
        }
        *current = self.number;
        for k in 0..K {
            let before = record.weight[k];
            let (weight, accumulator) =
                self.rule.idle(self.rates[k], self.l2, missed, before, record.accumulator[k]);
            record.weight[k] = weight;
            // A copied record stays marked as such: nothing touched it.
            record.accumulator[k] = accumulator.copysign(record.accumulator[k]);
            record.drift[k] += (weight - before) * self.clock;
        }
    }
}

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
    pub(crate) dense: Vec<(usize, Record<K>)>,
    /// Category and list columns.
    pub(crate) tables: Vec<(Codes, Table<K>)>,
    /// This shard's part of the margins of the current mini-batch.
    pub(crate) part: Vec<[f32; K]>,
}

impl<const K: usize> Shard<K> {
    /// Sums this shard's part of the margins of `rows` into `self.part`, and has the records of the
    /// rows that come next brought near.
    pub(crate) fn margins<R: Rule>(&mut self, step: &Step<R, K>, chunk: &Chunk, rows: Range<usize>) {
        let part = &mut self.part;
        part.clear();
        part.resize(rows.len(), [0.0; K]);
        for (column, record) in &self.dense {
            for (m, &x) in part.iter_mut().zip(&chunk.dense(*column)[rows.clone()]) {
                for k in 0..K {
                    m[k] += x * record.weight[k];
                }
            }
        }
        let next = rows.end..(rows.end + rows.len()).min(chunk.rows());
        for (codes, table) in &mut self.tables {
            if table.bytes() > PREFETCH_BYTES {
                for &code in codes.of(chunk, next.clone()) {
                    prefetch(table.record(table.index(code)));
                }
            }
            if step.lazy {
                for &code in codes.of(chunk, rows.clone()) {
                    let (record, current) = table.current_mut(table.index(code));
                    step.catch_up(record, current);
                }
            }
            match codes {
                Codes::Slots(column) => {
                    for (m, &code) in part.iter_mut().zip(&chunk.slots[*column][rows.clone()]) {
                        add(m, &table.record(table.index(code)).weight);
                    }
                }
                Codes::List(column) => {
                    let list = &chunk.lists[*column];
                    for (m, row) in part.iter_mut().zip(rows.clone()) {
                        if list.values.is_empty() {
                            for &code in list.row(row) {
                                add(m, &table.record(table.index(code)).weight);
                            }
                        } else {
                            for (code, x) in list.valued(row) {
                                add(m, &times(x, &table.record(table.index(code)).weight));
                            }
                        }
                    }
                }
            }
        }
    }

    /// Steps this shard's records, given the derivative of the mini-batch's mean loss with respect to
    /// each margin.
    pub(crate) fn update<R: Rule>(
        &mut self,
        step: &Step<R, K>,
        chunk: &Chunk,
        rows: Range<usize>,
        derivatives: &[[f32; K]],
    ) {
        for (column, record) in &mut self.dense {
            let g = dot(&chunk.dense(*column)[rows.clone()], derivatives);
            if step.defer { Step::<R, K>::put_off(record, g) } else { step.take(record, g) }
        }
        for (codes, table) in &mut self.tables {
            // First all gradients are summed, so that a category which occurs several times in the
            // mini-batch takes one step with their sum, as the textbook has it.
            match codes {
                Codes::Slots(column) => {
                    for (d, &code) in derivatives.iter().zip(&chunk.slots[*column][rows.clone()]) {
                        step.gather(table.record_mut(table.index(code)), d);
                    }
                }
                Codes::List(column) => {
                    let list = &chunk.lists[*column];
                    for (d, row) in derivatives.iter().zip(rows.clone()) {
                        if list.values.is_empty() {
                            for &code in list.row(row) {
                                step.gather(table.record_mut(table.index(code)), d);
                            }
                        } else {
                            for (code, x) in list.valued(row) {
                                step.gather(table.record_mut(table.index(code)), &times(x, d));
                            }
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
                    let (record, current) = table.current_mut(table.index(code));
                    if *current == step.number {
                        *current += 1;
                        let g = std::mem::replace(&mut record.gradient, [0.0; K]);
                        step.take(record, g);
                    }
                }
            } else {
                // A second visit finds the gradient zero and changes nothing: cheaper than a branch.
                for &code in codes {
                    let record = table.record_mut(table.index(code));
                    let g = std::mem::replace(&mut record.gradient, [0.0; K]);
                    step.take(record, g);
                }
            }
        }
    }

    /// Brings every record up to date.
    pub(crate) fn settle<R: Rule>(&mut self, step: &Step<R, K>) {
        for (_, table) in &mut self.tables {
            let (records, current) = table.records_mut();
            for (record, current) in records.iter_mut().zip(current) {
                step.catch_up(record, current);
            }
        }
    }

    /// Takes the deferred step of every record.
    pub(crate) fn take_deferred<R: Rule>(&mut self, step: &Step<R, K>, rows: u64) {
        let dense = self.dense.iter_mut().map(|(_, record)| record);
        let tabled = self.tables.iter_mut().flat_map(|(_, table)| table.records_mut().0);
        dense.chain(tabled).for_each(|record| step.take_deferred(record, rows));
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

    pub(crate) fn only(&self, model: usize) -> Shard<1> {
        Shard {
            dense: self.dense.iter().map(|(column, record)| (*column, record.only(model))).collect(),
            tables: self.tables.iter().map(|(codes, table)| (*codes, table.only(model))).collect(),
            part: Vec::new(),
        }
    }
}

#[inline(always)]
fn add<const K: usize>(sum: &mut [f32; K], terms: &[f32; K]) {
    for k in 0..K {
        sum[k] += terms[k];
    }
}

#[inline(always)]
fn times<const K: usize>(x: f32, terms: &[f32; K]) -> [f32; K] {
    terms.map(|term| x * term)
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
