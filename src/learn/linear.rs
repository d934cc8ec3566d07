//! A linear model: what learning leaves behind and predicting needs.

use super::chunk::{Chunk, HASHED};

/// Which of the weights a run passed through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Iterate {
    /// The last.
    Last,
    /// The time-weighted mean of all.
    Mean,
    /// Half way between the two.
    Mixed,
}

impl Iterate {
    pub(crate) fn mean_share(self) -> f32 {
        match self {
            Iterate::Last => 0.0,
            Iterate::Mixed => 0.5,
            Iterate::Mean => 1.0,
        }
    }
}

/// One number for each feature.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Weights {
    /// The bias's.
    pub bias: f32,
    /// Each dense column's.
    pub dense: Vec<f32>,
    /// For each category column, then each list column: the known categories', then those of the
    /// records that the others share (a power of two).
    pub tables: Vec<Vec<f32>>,
}

/// What an optimiser needs to go on learning.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// The accumulators.
    pub accumulators: Weights,
    /// Steps taken.
    pub steps: u64,
}

/// A linear model over encoded rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Linear {
    /// The weights.
    pub weights: Weights,
    /// For each table the number of known categories.
    pub known: Vec<usize>,
}

impl Linear {
    /// The index of a code's weight in table `table`.
    #[inline(always)]
    pub fn index(&self, table: usize, code: u32) -> usize {
        let known = self.known[table];
        if code & HASHED == 0 {
            code as usize
        } else {
            let mask = (self.weights.tables[table].len() - known - 1) as u32;
            known + (code & mask) as usize
        }
    }

    /// Overwrites `margins` by the margins of all rows of `chunk`.
    pub fn margins(&self, chunk: &Chunk, margins: &mut Vec<f32>) {
        margins.clear();
        margins.resize(chunk.rows(), self.weights.bias);
        // There are none, or one for each row.
        margins.iter_mut().zip(&chunk.offsets).for_each(|(m, offset)| *m += offset);
        for (column, &w) in self.weights.dense.iter().enumerate() {
            for (m, x) in margins.iter_mut().zip(chunk.dense(column)) {
                *m += w * x;
            }
        }
        for (t, codes) in chunk.slots.iter().enumerate() {
            let weights = &self.weights.tables[t];
            for (m, &code) in margins.iter_mut().zip(codes) {
                *m += weights[self.index(t, code)];
            }
        }
        for (l, list) in chunk.lists.iter().enumerate() {
            let t = chunk.slots.len() + l;
            let weights = &self.weights.tables[t];
            for (row, m) in margins.iter_mut().enumerate() {
                if list.values.is_empty() {
                    for &code in list.row(row) {
                        *m += weights[self.index(t, code)];
                    }
                } else {
                    for (code, x) in list.valued(row) {
                        *m += x * weights[self.index(t, code)];
                    }
                }
            }
        }
    }

    /// The number of weights, the bias included.
    pub fn len(&self) -> usize {
        1 + self.weights.dense.len() + self.weights.tables.iter().map(Vec::len).sum::<usize>()
    }

    /// Whether there is nothing but a bias.
    pub fn is_empty(&self) -> bool {
        self.len() == 1
    }

    /// Whether every weight is finite.
    pub fn is_finite(&self) -> bool {
        let tables = self.weights.tables.iter().flatten();
        self.weights.bias.is_finite() && self.weights.dense.iter().chain(tables).all(|w| w.is_finite())
    }
}
