//! A span: some mini-batches, learned from by several hands.

use std::ops::Range;

use super::chunk::Chunk;
use super::columns::Columns;
use super::crew::Board;
use super::dense::sum;
use super::form::Form;
use super::kernels::{self, Kernel};
use super::loss::Loss;
use super::octets::Octets;
use super::optimizer::Rule;
use super::record::Record;
use super::shard::Shard;
use super::step::Step;
use super::variant::Variant;

/// Rows to learn from, and what all hands need to know.
pub(crate) struct Span<'a, R, F, const K: usize> {
    pub(crate) loss: Loss,
    /// For each class what its rows weigh; empty if all weigh the same.
    pub(crate) class_weights: &'a [f32],
    pub(crate) variants: &'a [Variant],
    pub(crate) form: F,
    /// The first mini-batch's step.
    pub(crate) step: Step<R, K>,
    pub(crate) chunk: &'a Chunk,
    pub(crate) rows: Range<usize>,
    pub(crate) batch: usize,
    pub(crate) board: &'a Board,
    /// Shards of all hands.
    pub(crate) shards: usize,
    pub(crate) hands: usize,
}

/// The work of one hand.
struct Work<'a, 'b, R, F, const K: usize> {
    span: &'b Span<'a, R, F, K>,
    mine: &'b mut [Shard<K>],
    first: usize,
    bias: &'b mut [Record<K>],
    margins: &'b mut Vec<f32>,
}

impl<R: Rule, F: Form<K>, const K: usize> Kernel for Work<'_, '_, R, F, K> {
    #[inline(always)]
    fn run(self) {
        self.span.run(self.mine, self.first, self.bias, self.margins);
    }
}

impl<R: Rule, F: Form<K>, const K: usize> Span<'_, R, F, K> {
    /// One hand's work: all mini-batches, on the shards `mine`, of which the first is number `first`, with a
    /// bias of its own. Appends each row's margins to `margins`.
    pub(crate) fn work(
        &self,
        mine: &mut [Shard<K>],
        first: usize,
        bias: &mut [Record<K>],
        margins: &mut Vec<f32>,
    ) {
        kernels::run(Work { span: self, mine, first, bias, margins });
    }

    #[inline(always)]
    fn run(&self, mine: &mut [Shard<K>], first: usize, bias: &mut [Record<K>], margins: &mut Vec<f32>) {
        let _watch = self.board.watch();
        let blocks = self.form.blocks();
        let columns = Columns::of(self.chunk);
        let mut step = self.step;
        let mut sums: Vec<[f32; K]> = Vec::with_capacity(self.batch * blocks);
        let have_parts = self.variants.iter().any(|variant| variant.left_out.is_some());
        let mut shares = Vec::new();
        let mut ahead = Ahead::new(mine);
        for (turn, start) in self.rows.clone().step_by(self.batch).enumerate() {
            let rows = start..(start + self.batch).min(self.rows.end);
            sums.clear();
            match &*bias {
                [block] => sums.resize(rows.len(), block.weight),
                _ => rows.clone().for_each(|_| sums.extend(bias.iter().map(|block| block.weight))),
            }
            self.add_offsets(&mut sums, rows.clone());
            let octets = Octets::new(&step);
            ahead.begin(rows.end..(rows.end + self.batch).min(columns.rows));
            for shard in &mut *mine {
                shard.forward(&step, &self.form, &columns, rows.clone(), &octets);
            }
            if self.hands == 1 {
                mine.iter().for_each(|shard| add(sums.as_flattened_mut(), shard.part.as_flattened()));
            } else {
                for (shard, number) in mine.iter().zip(first..) {
                    self.board.put(turn, number, shard.part.as_flattened());
                }
                self.board.meet(turn);
                for number in 0..self.shards {
                    self.board.add_to(turn, number, sums.as_flattened_mut());
                }
            }
            self.form.differentiate(self.loss, &mut sums, &self.chunk.labels[rows.clone()], margins);
            if have_parts {
                self.weigh_parts(&mut sums, rows.clone(), &mut shares);
            } else {
                self.weigh(&mut sums, rows.clone());
            }
            self.step_bias(&step, bias, &sums);
            // From the last shard on, as each begins with its last column.
            for shard in (0..mine.len()).rev() {
                ahead.go_on(mine, &columns, blocks);
                mine[shard].update(&step, &self.form, &columns, rows.clone(), &sums, &octets);
            }
            if !step.defer {
                step = step.after(1);
            }
        }
    }

    /// Adds what rows bring along to the sums of all models.
    fn add_offsets(&self, sums: &mut [[f32; K]], rows: Range<usize>) {
        if self.chunk.offsets.is_empty() {
            return;
        }
        let blocks = self.form.blocks();
        for (sums, offset) in sums.chunks_exact_mut(blocks).zip(&self.chunk.offsets[rows]) {
            for model in 0..self.form.models() {
                for output in 0..self.form.outputs() {
                    let (block, lane) = self.form.place(model, output);
                    sums[block][lane] += offset;
                }
            }
        }
    }

    /// Makes the derivatives those of the mini-batch's mean loss, rows weighed (of the sum, for a deferred
    /// step, which divides by all rows in the end).
    #[inline(always)]
    fn weigh(&self, derivatives: &mut [[f32; K]], rows: Range<usize>) {
        let share = if self.step.defer { 1.0 } else { 1.0 / rows.len() as f32 };
        let (weights, classes) = (&self.chunk.weights, self.class_weights);
        if weights.is_empty() && classes.is_empty() {
            derivatives.as_flattened_mut().iter_mut().for_each(|d| *d *= share);
            return;
        }
        for (derivatives, row) in derivatives.chunks_exact_mut(self.form.blocks()).zip(rows) {
            let weight = self.weight(row);
            derivatives.as_flattened_mut().iter_mut().for_each(|d| *d *= share * weight);
        }
    }

    /// How much more a row counts than others.
    fn weight(&self, row: usize) -> f32 {
        let weight = self.chunk.weights.get(row).copied().unwrap_or(1.0);
        weight * self.class_weights.get(self.chunk.labels[row] as usize).copied().unwrap_or(1.0)
    }

    /// The same where models leave out rows: each has mini-batches of its own. `shares` is a buffer.
    #[inline(always)]
    fn weigh_parts(&self, derivatives: &mut [[f32; K]], rows: Range<usize>, shares: &mut Vec<f32>) {
        let parts = |row| self.chunk.parts_of(row);
        shares.clear();
        shares.extend(self.variants.iter().map(|variant| {
            let count = rows.clone().filter(|&row| variant.learns_from(parts(row))).count();
            if self.step.defer { 1.0 } else { 1.0 / count.max(1) as f32 }
        }));
        for (derivatives, row) in derivatives.chunks_exact_mut(self.form.blocks()).zip(rows) {
            let weight = self.weight(row);
            for (b, block) in derivatives.iter_mut().enumerate() {
                for k in 0..K {
                    let model = self.form.model_at(b, k);
                    let learns = self.variants[model].learns_from(parts(row));
                    block[k] = if learns { block[k] * (shares[model] * weight) } else { 0.0 };
                }
            }
        }
    }

    /// Steps the bias, a weight without penalty whose feature is always 1.
    #[inline(always)]
    fn step_bias(&self, step: &Step<R, K>, bias: &mut [Record<K>], derivatives: &[[f32; K]]) {
        let blocks = self.form.blocks();
        let step = step.free();
        for (b, block) in bias.iter_mut().enumerate() {
            let sum = sum(derivatives, blocks, b);
            let g = self.form.bias(b, sum);
            if step.defer {
                step.gather(block, &g);
            } else {
                step.take(block, self.form.model_of(b), g);
            }
        }
    }
}

/// Adds a shard's part of the sums.
#[inline(always)]
fn add(sums: &mut [f32], part: &[f32]) {
    sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
}

/// Brings near the records that the next mini-batch needs, some before each shard's steps: the processor can wait for
/// only so many at a time, and works meanwhile.
struct Ahead {
    /// Shards and tables that are far.
    tables: Vec<(usize, usize)>,
    rows: Range<usize>,
    /// The table, and the first of its rows, to go on with.
    table: usize,
    row: usize,
    /// Rows of all tables that are taken at a time.
    share: usize,
    visits: usize,
}

impl Ahead {
    fn new<const K: usize>(shards: &[Shard<K>]) -> Self {
        let columns = shards.iter().map(|shard| shard.sparse.iter().enumerate()).enumerate();
        let columns = columns.flat_map(|(s, columns)| columns.map(move |(c, column)| (s, c, column)));
        let tables: Vec<_> = columns.filter(|(.., column)| column.is_far()).map(|(s, c, _)| (s, c)).collect();
        Ahead { tables, rows: 0..0, table: 0, row: 0, share: 0, visits: shards.len() }
    }

    /// Begins with the rows of the next mini-batch.
    #[inline(always)]
    fn begin(&mut self, rows: Range<usize>) {
        self.share = (rows.len() * self.tables.len()).div_ceil(self.visits);
        (self.table, self.row, self.rows) = (0, rows.start, rows);
    }

    #[inline(always)]
    fn go_on<const K: usize>(&mut self, shards: &[Shard<K>], columns: &Columns<'_>, blocks: usize) {
        let mut left = self.share;
        while let Some(&(shard, table)) = self.tables.get(self.table).filter(|_| left > 0) {
            let end = self.rows.end.min(self.row + left);
            shards[shard].sparse[table].bring_near(columns, self.row..end, blocks);
            left -= end - self.row;
            self.row = end;
            if end == self.rows.end {
                (self.table, self.row) = (self.table + 1, self.rows.start);
            }
        }
    }
}
