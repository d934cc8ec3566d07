//! The objective: the mean loss over all rows, and its gradient, at given weights. For methods that look at
//! all rows before each step.

use serde::{Deserialize, Serialize};

use super::chunk::Chunk;
use super::form::ModelForm;
use super::linear::{Linear, Weights};
use super::loss::{Loss, softmax_gradient, softmax_loss};
use super::penalty::Penalty;

/// Sums up loss and gradient, chunk by chunk, in double precision and in the order of the rows.
///
/// The weights, and the gradient, are one vector: the biases, then each dense column's numbers, then each
/// table's, each feature's numbers together, as in [`Weights`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Objective {
    loss: Loss,
    class_weights: Vec<f32>,
    /// The penalty's strengths.
    l1: f64,
    l2: f64,
    form: ModelForm,
    /// For each table the number of known categories.
    known: Vec<usize>,
    /// Where the dense columns, each table, and the vector end.
    ends: Vec<usize>,
    #[serde(with = "crate::raw")]
    gradient: Vec<f64>,
    loss_sum: f64,
    weight: f64,
    /// Buffers: margins of a chunk's rows, then their derivatives.
    #[serde(skip)]
    margins: Vec<f64>,
    #[serde(skip)]
    singles: Vec<f32>,
    #[serde(skip)]
    losses: Vec<f32>,
}

/// What was summed up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Value {
    /// The mean loss, penalty included.
    pub loss: f64,
    /// Its gradient, without that of the penalty's absolute values.
    #[serde(with = "crate::raw")]
    pub gradient: Vec<f64>,
    /// Weight of the rows.
    pub weight: f64,
}

impl Objective {
    /// An objective for a linear model, of one margin or of several classes, whose tables have the sizes of
    /// `start`'s.
    ///
    /// # Panics
    /// For factorization machines.
    pub fn new(loss: Loss, class_weights: Vec<f32>, penalty: Penalty, start: &Linear) -> Self {
        assert!(!matches!(start.form, ModelForm::Factors { .. }), "factors have no such objective");
        let weights = &start.weights;
        let mut end = weights.bias.len() + weights.dense.len();
        let mut ends = vec![end];
        for table in &weights.tables {
            end += table.len();
            ends.push(end);
        }
        Objective {
            loss,
            class_weights,
            l1: f64::from(penalty.l1),
            l2: f64::from(penalty.l2),
            form: start.form,
            known: start.known.clone(),
            ends,
            gradient: vec![0.0; end],
            loss_sum: 0.0,
            weight: 0.0,
            margins: Vec::new(),
            singles: Vec::new(),
            losses: Vec::new(),
        }
    }

    /// Sets the strength of the penalty's squares.
    pub fn set_l2(&mut self, l2: f64) {
        self.l2 = l2;
    }

    /// Numbers of the vector that are biases, which no penalty touches.
    pub fn biases(&self) -> usize {
        self.form.lanes()
    }

    /// The vector of a model's weights.
    pub fn vector(&self, linear: &Linear) -> Vec<f64> {
        let Weights { bias, dense, tables } = &linear.weights;
        bias.iter().chain(dense).chain(tables.iter().flatten()).map(|&w| f64::from(w)).collect()
    }

    /// The model whose weights are a vector.
    pub fn model(&self, vector: &[f64]) -> Linear {
        let part = |range: std::ops::Range<usize>| vector[range].iter().map(|&w| w as f32).collect();
        let biases = self.biases();
        let weights = Weights {
            bias: part(0..biases),
            dense: part(biases..self.ends[0]),
            tables: self.ends.windows(2).map(|ends| part(ends[0]..ends[1])).collect(),
        };
        Linear { form: self.form, weights, known: self.known.clone() }
    }

    /// Adds the rows of a chunk at the weights `at`.
    pub fn add(&mut self, chunk: &Chunk, at: &[f64]) {
        let (rows, lanes) = (chunk.rows(), self.form.lanes());
        let mut margins = std::mem::take(&mut self.margins);
        margins.clear();
        for row in 0..rows {
            let offset = chunk.offsets.get(row).map_or(0.0, |&offset| f64::from(offset));
            margins.extend(at[..lanes].iter().map(|bias| bias + offset));
        }
        self.each(chunk, |row, x, place| {
            for (m, w) in margins[row * lanes..][..lanes].iter_mut().zip(&at[place..][..lanes]) {
                *m += x * w;
            }
        });
        self.differentiate(chunk, &mut margins);
        for derivatives in margins.chunks_exact(lanes) {
            for (g, d) in self.gradient.iter_mut().zip(derivatives) {
                *g += d;
            }
        }
        let mut gradient = std::mem::take(&mut self.gradient);
        self.each(chunk, |row, x, place| {
            for (g, d) in gradient[place..][..lanes].iter_mut().zip(&margins[row * lanes..][..lanes]) {
                *g += x * d;
            }
        });
        (self.gradient, self.margins) = (gradient, margins);
    }

    /// Calls `f(row, value, place in the vector)` for each feature of each row.
    fn each(&self, chunk: &Chunk, mut f: impl FnMut(usize, f64, usize)) {
        let lanes = self.form.lanes();
        for column in 0..chunk.shape().dense {
            let place = self.biases() + column * lanes;
            chunk.dense(column).iter().enumerate().for_each(|(row, &x)| f(row, f64::from(x), place));
        }
        let place = |table: usize, code: u32| {
            let records = (self.ends[table + 1] - self.ends[table]) / lanes;
            self.ends[table] + super::linear::index(self.known[table], records, code) * lanes
        };
        let slots = chunk.shape().slots;
        for table in 0..slots {
            chunk.slots(table).iter().enumerate().for_each(|(row, &code)| f(row, 1.0, place(table, code)));
        }
        for (list, table) in chunk.lists.iter().zip(slots..) {
            for row in 0..chunk.rows() {
                let values = list.values.get(list.span(row..row + 1)).unwrap_or_default();
                for (i, &code) in list.row(row).iter().enumerate() {
                    f(row, values.get(i).map_or(1.0, |&x| f64::from(x)), place(table, code));
                }
            }
        }
    }

    /// Counts the rows' losses, and overwrites their margins by the weighted derivatives.
    fn differentiate(&mut self, chunk: &Chunk, margins: &mut [f64]) {
        let lanes = self.form.lanes();
        self.singles.clear();
        self.singles.extend(margins.iter().map(|&m| m as f32));
        self.losses.clear();
        if lanes > 1 || self.loss == Loss::Softmax {
            for (scores, &label) in self.singles.chunks_exact_mut(lanes).zip(&chunk.labels) {
                self.losses.push(softmax_loss(scores, label as usize));
                softmax_gradient(scores, label as usize);
            }
        } else {
            self.losses.resize(chunk.rows(), 0.0);
            self.loss.losses(&self.singles, &chunk.labels, &mut self.losses);
            self.loss.gradient(&mut self.singles, &chunk.labels);
        }
        let derivatives = self.singles.chunks_exact(lanes);
        for (row, (out, derivatives)) in margins.chunks_exact_mut(lanes).zip(derivatives).enumerate() {
            let class = self.class_weights.get(chunk.labels[row] as usize).copied().unwrap_or(1.0);
            let weight = f64::from(chunk.weights.get(row).copied().unwrap_or(1.0));
            let learned = weight * f64::from(class);
            self.weight += weight;
            self.loss_sum += learned * f64::from(self.losses[row]);
            out.iter_mut().zip(derivatives).for_each(|(o, &d)| *o = learned * f64::from(d));
        }
    }

    /// Sums of loss and weight of the rows added so far.
    pub fn sums(&self) -> (f64, f64) {
        (self.loss_sum, self.weight)
    }

    /// Loss and gradient at the weights `at`, at which all rows were added; the next ones start anew.
    pub fn take(&mut self, at: &[f64]) -> Value {
        let weight = self.weight;
        let divisor = weight.max(f64::MIN_POSITIVE);
        let (l1, l2) = (self.l1, self.l2);
        let zeros = vec![0.0; self.gradient.len()];
        let mut gradient = std::mem::replace(&mut self.gradient, zeros);
        gradient.iter_mut().for_each(|g| *g /= divisor);
        let mut loss = self.loss_sum / divisor;
        for (g, w) in gradient.iter_mut().zip(at).skip(self.biases()) {
            loss += l1 * w.abs() + 0.5 * l2 * w * w;
            *g += l2 * w;
        }
        (self.loss_sum, self.weight) = (0.0, 0.0);
        Value { loss, gradient, weight }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{HASHED, Settings, Shape, learner};
    use super::*;
    use crate::learn::{Alone, Iterate};
    use crate::random::Random;

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let shape = Shape {
            dense: 2,
            slots: 1,
            lists: 1,
            listed: 4,
            valued: 1,
            weighted: true,
            offset: false,
            divisions: 0,
        };
        let mut random = Random::new(3, 4);
        let mut chunk = Chunk::new(shape, 200);
        for row in 0..200 {
            for column in 0..2 {
                chunk.dense_mut(column)[row] = random.below(1000) as f32 / 250.0 - 2.0;
            }
            chunk.slots_mut(0)[row] = if row % 3 == 0 { HASHED | row as u32 } else { row as u32 % 3 };
            chunk.lists[0].codes.push(1);
            chunk.lists[0].values.push(0.25 * random.below(8) as f32);
            chunk.lists[0].end_row();
            chunk.labels.push(random.below(3) as f32);
            chunk.weights.push(0.5 + random.below(3) as f32);
        }
        chunk.set_rows(200);
        for (loss, form) in [
            (Loss::Softmax, ModelForm::Classes { classes: 3 }),
            (Loss::Squared, ModelForm::Linear),
            (Loss::Poisson, ModelForm::Linear),
        ] {
            let tables = vec![(3, 2), (2, 0)];
            let mut learner = learner(&Settings { loss, form, shape, tables, ..Settings::default() }, &Alone);
            let start = learner.weights(0, Iterate::Last);
            let penalty = Penalty { l1: 0.0, l2: 0.1 };
            let class_weights = vec![1.0, 2.0, 0.5];
            let mut objective = Objective::new(loss, class_weights, penalty, &start);
            let size = objective.vector(&start).len();
            let at: Vec<f64> = (0..size).map(|_| random.below(100) as f64 / 200.0 - 0.25).collect();
            assert_eq!(objective.vector(&objective.model(&at)).len(), size);
            let mut value = |at: &[f64]| {
                objective.add(&chunk, at);
                objective.take(at)
            };
            let here = value(&at);
            for i in 0..size {
                let mut there = at.clone();
                there[i] += 1e-2;
                let above = value(&there).loss;
                there[i] -= 2e-2;
                let slope = (above - value(&there).loss) / 2e-2;
                assert!(
                    (slope - here.gradient[i]).abs() < 1e-4,
                    "{loss:?} {i}: {slope} {}",
                    here.gradient[i]
                );
            }
        }
    }
}
