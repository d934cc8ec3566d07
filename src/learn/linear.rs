//! A scorer: what learning leaves behind and predicting needs.

use serde::{Deserialize, Serialize};

use super::chunk::{Chunk, HASHED, ListColumn};
use super::form::ModelForm;
use super::learner::Column;

/// Which of the weights a run passed through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Iterate {
    /// The last.
    Last,
    /// The time-weighted mean of all.
    Mean,
    /// A third of the last and two thirds of the mean.
    Mixed,
}

impl Iterate {
    pub(crate) fn mean_share(self) -> f32 {
        match self {
            Iterate::Last => 0.0,
            Iterate::Mixed => 2.0 / 3.0,
            Iterate::Mean => 1.0,
        }
    }
}

/// As many numbers for each feature as the model's form has lanes, one feature after the other.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Weights {
    /// The bias's.
    #[serde(with = "crate::raw")]
    pub bias: Vec<f32>,
    /// Each dense column's.
    #[serde(with = "crate::raw")]
    pub dense: Vec<f32>,
    /// For each category column, then each list column: the known categories', then those of the
    /// records that the others share (a power of two).
    #[serde(with = "crate::raw::nested")]
    pub tables: Vec<Vec<f32>>,
}

/// A part of the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The bias.
    Bias,
    /// A dense column's number.
    Dense(usize),
    /// A table.
    Table(usize),
}

impl Weights {
    /// The first part with a number that is not finite.
    pub fn not_finite(&self) -> Option<Part> {
        let bad = |numbers: &[f32]| {
            // Hardly ever is there one: to look at all at once is faster than to stop at the first.
            let any = numbers.iter().fold(false, |any, number| any | !number.is_finite());
            any.then(|| numbers.iter().position(|number| !number.is_finite())).flatten()
        };
        bad(&self.bias)
            .map(|_| Part::Bias)
            .or_else(|| bad(&self.dense).map(Part::Dense))
            .or_else(|| self.tables.iter().position(|table| bad(table).is_some()).map(Part::Table))
    }

    /// Doubles what is shared in each table until there are `2^bits` shared features: each has `lanes` numbers, and
    /// comes to lie where codes find it in the larger table, as when a table grows.
    pub fn make_room(&mut self, known: &[usize], lanes: usize, bits: u32) {
        for (table, known) in self.tables.iter_mut().zip(known) {
            let first = known * lanes;
            while table.len() - first < lanes << bits {
                table.extend_from_within(first..);
            }
        }
    }
}

/// What an optimiser needs to go on learning.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct State {
    /// The accumulators.
    pub accumulators: Weights,
    /// FTRL's `z`, which does not follow from weights that are zero; of other optimisers nothing.
    pub z: Weights,
    /// Steps taken.
    pub steps: u64,
}

/// The number of a code's feature in a table of `records` features, the first `known` of which have names.
#[inline(always)]
pub(super) fn index(known: usize, records: usize, code: u32) -> usize {
    if code & HASHED == 0 {
        code as usize
    } else {
        let mask = (records - known - 1) as u32;
        known + (code & mask) as usize
    }
}

/// A model over encoded rows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Linear {
    /// What it makes of features.
    pub form: ModelForm,
    /// The weights.
    pub weights: Weights,
    /// For each table the number of known categories.
    pub known: Vec<usize>,
}

impl Linear {
    /// The number of a code's feature in table `table`.
    #[inline(always)]
    pub fn index(&self, table: usize, code: u32) -> usize {
        index(self.known[table], self.weights.tables[table].len() / self.form.lanes(), code)
    }

    /// Overwrites `margins` by the margins of all rows of `chunk`, as many for each row as the form has
    /// outputs.
    pub fn margins(&self, chunk: &Chunk, margins: &mut Vec<f32>) {
        margins.clear();
        match self.form {
            ModelForm::Linear => {
                margins.resize(chunk.rows(), self.weights.bias[0]);
                self.each(chunk, |row, x, weight| margins[row] += x * weight[0]);
            }
            ModelForm::Classes { classes } => {
                for _ in 0..chunk.rows() {
                    margins.extend_from_slice(&self.weights.bias);
                }
                self.each(chunk, |row, x, weights| {
                    for (m, w) in margins[row * classes..][..classes].iter_mut().zip(weights) {
                        *m += x * w;
                    }
                });
            }
            ModelForm::Factors { factors } => {
                margins.resize(chunk.rows(), self.weights.bias[0]);
                let mut sums = vec![0.0; chunk.rows() * factors];
                self.each(chunk, |row, x, weights| {
                    margins[row] += x * weights[0];
                    for (sum, v) in sums[row * factors..][..factors].iter_mut().zip(&weights[1..]) {
                        let term = x * v;
                        *sum += term;
                        margins[row] -= 0.5 * term * term;
                    }
                });
                for (m, sums) in margins.iter_mut().zip(sums.chunks_exact(factors)) {
                    *m += 0.5 * sums.iter().map(|s| s * s).sum::<f32>();
                }
            }
        }
        let outputs = self.form.outputs();
        for (margins, offset) in margins.chunks_exact_mut(outputs).zip(&chunk.offsets) {
            margins.iter_mut().for_each(|m| *m += offset);
        }
    }

    /// Calls `add(row, x, weights)` for each feature of each row, column by column.
    #[inline(always)]
    fn each(&self, chunk: &Chunk, mut add: impl FnMut(usize, f32, &[f32])) {
        let lanes = self.form.lanes();
        for (column, weights) in self.weights.dense.chunks_exact(lanes).enumerate() {
            chunk.dense(column).iter().enumerate().for_each(|(row, &x)| add(row, x, weights));
        }
        let slots = chunk.shape().slots;
        for t in 0..slots {
            let weights = &self.weights.tables[t];
            for (row, &code) in chunk.slots(t).iter().enumerate() {
                add(row, 1.0, &weights[self.index(t, code) * lanes..][..lanes]);
            }
        }
        for (l, list) in chunk.lists.iter().enumerate() {
            self.each_in_list(slots + l, list, chunk.rows(), &mut add);
        }
    }

    #[inline(always)]
    fn each_in_list(
        &self,
        table: usize,
        list: &ListColumn,
        rows: usize,
        mut add: impl FnMut(usize, f32, &[f32]),
    ) {
        let lanes = self.form.lanes();
        let weights = &self.weights.tables[table];
        let weight = |code| &weights[self.index(table, code) * lanes..][..lanes];
        for row in 0..rows {
            if list.values.is_empty() {
                list.row(row).iter().for_each(|&code| add(row, 1.0, weight(code)));
            } else {
                list.valued(row).for_each(|(code, x)| add(row, x, weight(code)));
            }
        }
    }

    /// The number of weights, the biases included.
    pub fn len(&self) -> usize {
        let tables = self.weights.tables.iter().map(Vec::len).sum::<usize>();
        self.weights.bias.len() + self.weights.dense.len() + tables
    }

    /// Whether there is nothing but a bias.
    pub fn is_empty(&self) -> bool {
        self.len() == self.weights.bias.len()
    }

    /// How many weights are not zero.
    pub fn non_zero(&self) -> usize {
        let Weights { bias, dense, tables } = &self.weights;
        let count = |weights: &Vec<f32>| weights.iter().filter(|&&w| w != 0.0).count();
        count(bias) + count(dense) + tables.iter().map(count).sum::<usize>()
    }

    /// Whether every weight is finite.
    pub fn is_finite(&self) -> bool {
        self.weights.not_finite().is_none()
    }

    /// Where a number that is not finite stands, if there is one: in a column among `slots` category columns and others,
    /// or `None` in the bias.
    pub fn column_at(&self, part: Part, slots: usize) -> Option<Column> {
        match part {
            Part::Bias => None,
            Part::Dense(number) => Some(Column::Dense(number / self.form.lanes())),
            Part::Table(table) if table < slots => Some(Column::Slots(table)),
            Part::Table(table) => Some(Column::List(table - slots)),
        }
    }
}
