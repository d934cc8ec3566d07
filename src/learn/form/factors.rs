//! Factorization machines (Rendle, ICDM 2010): a weight `w` and a vector `v` of K factors for each feature;
//! the margin is `bias + sum_i w_i x_i + sum_{i<j} <v_i, v_j> x_i x_j`, of which the second sum is
//! `(|sum_i x_i v_i|^2 - sum_i |x_i v_i|^2) / 2`, so that it costs no more than the first.
//!
//! A code that a row's list repeats is as many features, each with a pair of its own with the others.
//!
//! A model's lanes: the weight, the factors, and one in which rows add up `|x_i v_i|^2`.

use super::{Crew, Form, Learn, Learner, Loss, Record, Rule, WIDE};
use crate::random::Random;

/// Most factors.
pub const MOST_FACTORS: usize = 62;
const MOST_BLOCKS: usize = (MOST_FACTORS + 2) / WIDE;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Factors {
    factors: usize,
    models: usize,
    /// Blocks of each model.
    each: usize,
    /// 1 in the lanes of factors, 0 in the others.
    mask: [[f32; WIDE]; MOST_BLOCKS],
    /// Factors start at random within this, either side of zero: where all are zero nothing would move them.
    spread: f32,
    /// Their accumulators start from this: their first gradients, products with other factors, are too
    /// small to tell how large later ones will be.
    start: f32,
}

impl Factors {
    pub(crate) fn new(factors: usize, models: usize, spread: f32, start: f32) -> Self {
        let mut mask = [[0.0; WIDE]; MOST_BLOCKS];
        mask.as_flattened_mut()[1..=factors].fill(1.0);
        Factors { factors, models, each: (factors + 2).div_ceil(WIDE), mask, spread, start }
    }

    /// The lane of the sum of squares.
    fn squares(&self) -> usize {
        self.factors + 1
    }
}

impl Form<WIDE> for Factors {
    const IS_LINEAR: bool = false;

    #[inline(always)]
    fn blocks(&self) -> usize {
        self.models * self.each
    }

    fn models(&self) -> usize {
        self.models
    }

    #[inline(always)]
    fn model_of(&self, block: usize) -> usize {
        block / self.each
    }

    fn lanes(&self) -> usize {
        1 + self.factors
    }

    fn width(&self) -> usize {
        self.each * WIDE
    }

    fn place(&self, model: usize, lane: usize) -> (usize, usize) {
        (model * self.each + lane / WIDE, lane % WIDE)
    }

    fn fresh(&self, block: usize, key: u64) -> Record<WIDE> {
        // The same start for all models.
        let block = block % self.each;
        let mut random = Random::new(key, block as u64);
        let mut record = Record::ZERO;
        for k in 0..WIDE {
            let share = random.below(1 << 24) as f32 / (1 << 23) as f32 - 1.0;
            record.weight[k] = share * self.spread * self.mask[block][k];
            record.accumulator[k] = self.start * self.mask[block][k];
        }
        record
    }

    #[inline(always)]
    fn forward(&self, sums: &mut [[f32; WIDE]], x: f32, record: &[Record<WIDE>]) {
        let squares = self.squares();
        for (sums, record) in sums.chunks_exact_mut(self.each).zip(record.chunks_exact(self.each)) {
            let mut square = [0.0; WIDE];
            for ((sum, block), mask) in sums.iter_mut().zip(record).zip(&self.mask) {
                for k in 0..WIDE {
                    let term = x * block.weight[k];
                    sum[k] += term;
                    square[k] += mask[k] * term * term;
                }
            }
            sums.as_flattened_mut()[squares] += (square[0] + square[1]) + (square[2] + square[3]);
        }
    }

    #[inline(always)]
    fn gradient(
        &self,
        block: usize,
        x: f32,
        derivatives: &[[f32; WIDE]],
        record: &Record<WIDE>,
    ) -> [f32; WIDE] {
        let within = block % self.each;
        let derivative = x * derivatives[block - within][0];
        let mask = &self.mask[within];
        std::array::from_fn(|k| x * (derivatives[block][k] - mask[k] * derivative * record.weight[k]))
    }

    fn bias(&self, block: usize, derivative: [f32; WIDE]) -> [f32; WIDE] {
        let first = block.is_multiple_of(self.each);
        [if first { derivative[0] } else { 0.0 }, 0.0, 0.0, 0.0]
    }

    fn only<R: Rule>(learner: &Learner<R, Self, WIDE>, models: &[usize], crew: &dyn Crew) -> Box<dyn Learn> {
        let (each, form) = (learner.form.each, Factors { models: models.len(), ..learner.form });
        Box::new(learner.map(form, models, crew, |record, out| {
            models.iter().for_each(|model| out.extend_from_slice(&record[model * each..][..each]));
        }))
    }

    fn differentiate(&self, loss: Loss, sums: &mut [[f32; WIDE]], labels: &[f32], margins: &mut Vec<f32>) {
        let squares = self.squares();
        let mut derivatives = Vec::with_capacity(self.models * labels.len());
        for sums in sums.chunks_exact(self.each) {
            let sums = sums.as_flattened();
            let pairs: f32 = sums[1..squares].iter().map(|s| s * s).sum::<f32>() - sums[squares];
            derivatives.push(sums[0] + 0.5 * pairs);
        }
        margins.extend_from_slice(&derivatives);
        let labels: Vec<f32> =
            labels.iter().flat_map(|&label| std::iter::repeat_n(label, self.models)).collect();
        loss.gradient(&mut derivatives, &labels);
        for (sums, derivative) in sums.chunks_exact_mut(self.each).zip(derivatives) {
            let sums = sums.as_flattened_mut();
            sums[0] = derivative;
            sums[1..squares].iter_mut().for_each(|sum| *sum *= derivative);
            sums[squares..].fill(0.0);
        }
    }
}
