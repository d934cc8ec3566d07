//! A span: some mini-batches, learned from by several hands.

use std::ops::Range;

use super::chunk::Chunk;
use super::crew::Board;
use super::loss::Loss;
use super::optimizer::Rule;
use super::record::Record;
use super::shard::{Shard, Step};

/// Rows to learn from, and what all hands need to know.
pub(crate) struct Span<'a, R, const K: usize> {
    pub(crate) loss: Loss,
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

impl<R: Rule, const K: usize> Span<'_, R, K> {
    /// One hand's work: all mini-batches, on the shards `mine`, of which the first is number `first`.
    /// Calls `margins` with each mini-batch's margins, and returns what became of the bias.
    pub(crate) fn work(
        &self,
        mine: &mut [Shard<K>],
        first: usize,
        mut bias: Record<K>,
        mut each: impl FnMut(&[f32]),
    ) -> Record<K> {
        let _watch = self.board.watch();
        let mut step = self.step;
        let mut margins: Vec<[f32; K]> = Vec::with_capacity(self.batch);
        let mut labels: Vec<[f32; K]> = Vec::with_capacity(self.batch);
        for (turn, start) in self.rows.clone().step_by(self.batch).enumerate() {
            let rows = start..(start + self.batch).min(self.rows.end);
            margins.clear();
            margins.resize(rows.len(), bias.weight);
            for shard in mine.iter_mut() {
                shard.margins(&step, self.chunk, rows.clone());
            }
            if self.hands == 1 {
                for shard in mine.iter() {
                    for (m, part) in margins.as_flattened_mut().iter_mut().zip(shard.part.as_flattened()) {
                        *m += part;
                    }
                }
            } else {
                for (shard, number) in mine.iter().zip(first..) {
                    self.board.put(turn, number, shard.part.as_flattened());
                }
                self.board.meet(turn);
                for number in 0..self.shards {
                    self.board.add_to(turn, number, margins.as_flattened_mut());
                }
            }
            each(margins.as_flattened());
            self.differentiate(&mut margins, &mut labels, rows.clone());
            self.step_bias(&step, &mut bias, &margins);
            for shard in mine.iter_mut() {
                shard.update(&step, self.chunk, rows.clone(), &margins);
            }
            if !step.defer {
                step = step.after(1);
            }
        }
        bias
    }

    /// Overwrites margins by the derivatives of the mini-batch's mean loss with respect to them (of the
    /// sum, for a deferred step, which divides by all its rows in the end).
    fn differentiate(&self, margins: &mut [[f32; K]], labels: &mut Vec<[f32; K]>, rows: Range<usize>) {
        labels.clear();
        labels.extend(self.chunk.labels[rows.clone()].iter().map(|&y| [y; K]));
        self.loss.gradient(margins.as_flattened_mut(), labels.as_flattened());
        let share = if self.step.defer { 1.0 } else { 1.0 / rows.len() as f32 };
        if self.chunk.weights.is_empty() {
            margins.as_flattened_mut().iter_mut().for_each(|d| *d *= share);
        } else {
            for (d, weight) in margins.iter_mut().zip(&self.chunk.weights[rows]) {
                d.iter_mut().for_each(|d| *d *= share * weight);
            }
        }
    }

    /// Steps the bias, a weight without penalty whose feature is always 1.
    fn step_bias(&self, step: &Step<R, K>, bias: &mut Record<K>, derivatives: &[[f32; K]]) {
        let mut g = [0.0; K];
        for d in derivatives {
            for k in 0..K {
                g[k] += d[k];
            }
        }
        if step.defer {
            Step::<R, K>::put_off(bias, g);
        } else {
            Step { l2: 0.0, ..*step }.take(bias, g);
        }
    }
}
