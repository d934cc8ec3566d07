//! The planted model: a table's columns, each adding its effect to a row's logit, an intercept that
//! sets the base rate, and labels drawn from the resulting probabilities.
//!
//! Rows are made in blocks of [`BLOCK`], and a block depends on the seed and its own number alone:
//! that is why the same rows come out for any number of threads, files or rows skipped.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int8Array, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use rand::RngExt;
use serde_json::{Value, json};

use crate::random::{Stream, stream};

/// Rows in a block.
pub(crate) const BLOCK: usize = 8192;

/// Blocks from which the intercept and the columns' effects are measured; they are numbered down
/// from the last number there is, so no output contains them.
const CALIBRATION_BLOCKS: u64 = 8;

/// The columns of a table, the label aside.
pub(crate) trait Table: Send + Sync {
    /// Names and types. `UInt32` stands for a category, which the files hold as eight hex digits.
    fn fields(&self) -> Vec<Field>;

    /// The share of positive labels to aim at.
    fn base_rate(&self) -> f64;

    /// Makes column `number`, one value per element of `logits`, and adds its effects to them.
    /// `earlier` holds the columns before it.
    fn column(&self, number: usize, earlier: &[ArrayRef], rng: &mut Stream, logits: &mut [f64]) -> ArrayRef;

    /// What was planted in column `number`, for the record.
    fn truth(&self, number: usize) -> Value;
}

/// A table with its intercept.
pub(crate) struct Model {
    table: Box<dyn Table>,
    schema: SchemaRef,
    seed: u64,
    intercept: f64,
    effects: Vec<f64>,
}

impl Model {
    /// Calibrates `table` so that its base rate is met.
    pub(crate) fn new(table: Box<dyn Table>, seed: u64) -> Model {
        let mut fields = vec![Field::new("label", DataType::Int8, false)];
        fields.extend(table.fields());
        let schema = Arc::new(Schema::new(fields));
        let mut model = Model { table, schema, seed, intercept: 0.0, effects: Vec::new() };
        model.calibrate();
        model
    }

    /// The columns of a block, the label first.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Block `number` of the endless table.
    pub(crate) fn block(&self, number: u64) -> Result<Block, ArrowError> {
        let mut rng = stream(self.seed, number);
        let mut logits = vec![self.intercept; BLOCK];
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for column in 0..self.schema.fields().len() - 1 {
            let values = self.table.column(column, &columns, &mut rng, &mut logits);
            columns.push(values);
        }
        let (labels, losses): (Vec<i8>, Vec<f64>) = logits.iter().map(|&z| draw_label(z, &mut rng)).unzip();
        columns.insert(0, Arc::new(Int8Array::from(labels.clone())));
        Ok(Block { batch: RecordBatch::try_new(self.schema.clone(), columns)?, labels, losses })
    }

    /// What was planted: per column its parameters and `effect`, the standard deviation of what it
    /// adds to the logit, which says how much the column matters.
    pub(crate) fn truth(&self) -> Value {
        let columns = self.effects.iter().enumerate().map(|(number, effect)| {
            let mut column = json!({ "name": self.schema.field(number + 1).name() });
            let planted = self.table.truth(number);
            for (key, value) in planted.as_object().into_iter().flatten() {
                column[key] = value.clone();
            }
            column["effect"] = json!(effect);
            column
        });
        json!({ "intercept": self.intercept, "columns": columns.collect::<Vec<_>>() })
    }

    fn calibrate(&mut self) {
        let mut logits = Vec::new();
        let mut moments = vec![(0.0, 0.0); self.schema.fields().len() - 1];
        for number in (0..CALIBRATION_BLOCKS).map(|block| u64::MAX - block) {
            let mut rng = stream(self.seed, number);
            let mut sums = vec![0.0; BLOCK];
            let mut columns: Vec<ArrayRef> = Vec::new();
            for (column, (sum, squares)) in moments.iter_mut().enumerate() {
                let mut effects = vec![0.0; BLOCK];
                let values = self.table.column(column, &columns, &mut rng, &mut effects);
                columns.push(values);
                for (total, effect) in sums.iter_mut().zip(effects) {
                    *total += effect;
                    *sum += effect;
                    *squares += effect * effect;
                }
            }
            logits.extend(sums);
        }
        let rows = logits.len() as f64;
        let spread = |(sum, squares): (f64, f64)| (squares / rows - (sum / rows).powi(2)).max(0.0).sqrt();
        self.effects = moments.into_iter().map(spread).collect();
        self.intercept = intercept(&logits, self.table.base_rate());
    }
}

/// The number that, added to all `logits`, makes the mean probability `rate`, by bisection.
fn intercept(logits: &[f64], rate: f64) -> f64 {
    let (mut low, mut high) = (-50.0, 50.0);
    for _ in 0..50 {
        let middle = (low + high) / 2.0;
        let mean = logits.iter().map(|z| sigmoid(z + middle)).sum::<f64>() / logits.len() as f64;
        if mean < rate { low = middle } else { high = middle }
    }
    low
}

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// A label drawn at the logit `z`, and the log loss of the true probability on it.
fn draw_label(z: f64, rng: &mut Stream) -> (i8, f64) {
    let positive = rng.random::<f64>() < sigmoid(z);
    let margin = if positive { z } else { -z };
    (i8::from(positive), (-margin).exp().ln_1p())
}

/// Some rows, what they cost the true model, and how many of them are positive.
pub(crate) struct Rows {
    pub(crate) batch: RecordBatch,
    pub(crate) loss: f64,
    pub(crate) positives: u64,
}

/// [`BLOCK`] rows, and the log loss of the true probability on each.
pub(crate) struct Block {
    batch: RecordBatch,
    labels: Vec<i8>,
    losses: Vec<f64>,
}

impl Block {
    /// The rows of `range`; where `label` is given, those with that label.
    pub(crate) fn rows(&self, range: Range<usize>, label: Option<i8>) -> Result<Rows, ArrowError> {
        let wanted = |l: i8| label.is_none_or(|wanted| wanted == l);
        let labels = &self.labels[range.clone()];
        let losses = labels.iter().zip(&self.losses[range.clone()]);
        let loss = losses.filter(|&(&l, _)| wanted(l)).map(|(_, loss)| loss).sum();
        let positives = labels.iter().filter(|&&l| l == 1 && wanted(l)).count() as u64;
        let mut batch = self.batch.slice(range.start, range.len());
        if label.is_some() {
            let mask: Vec<bool> = labels.iter().map(|&l| wanted(l)).collect();
            batch = filter_record_batch(&batch, &BooleanArray::from(mask))?;
        }
        Ok(Rows { batch, loss, positives })
    }
}
