//! Forms: what a model makes of a row's features, and how the loss's derivative comes back to them.
//!
//! Every form keeps the same records, so that tables, optimisers, penalties and threads are theirs in common.
//! A feature's record is one or several blocks of K lanes. The sums that features add up to, row by row,
//! have the shape of a record; they are what shards exchange.

mod classes;
mod factors;
mod single;

pub(crate) use classes::Classes;
pub(crate) use factors::Factors;
pub(crate) use single::{MOST_MODELS, Single};

use serde::{Deserialize, Serialize};

use super::crew::Crew;
use super::learner::{Learn, Learner};
use super::loss::Loss;
use super::optimizer::Rule;
use super::record::Record;

pub use factors::MOST_FACTORS;

/// What a model makes of a row's features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "lowercase")]
pub enum ModelForm {
    /// One margin: the sum of weight times feature.
    #[default]
    Linear,
    /// A margin for each class, each such a sum.
    Classes {
        /// How many.
        classes: usize,
    },
    /// One margin: that sum, and an inner product of factors for each pair of features.
    Factors {
        /// Factors of each feature.
        factors: usize,
    },
}

impl ModelForm {
    /// The numbers that a model has for each feature: for factorization machines the weight, then the
    /// factors.
    pub fn lanes(self) -> usize {
        match self {
            ModelForm::Linear => 1,
            ModelForm::Classes { classes } => classes,
            ModelForm::Factors { factors } => 1 + factors,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            ModelForm::Linear => "linear",
            ModelForm::Classes { .. } => "classes",
            ModelForm::Factors { .. } => "factors",
        }
    }

    /// Margins of each row.
    pub fn outputs(self) -> usize {
        match self {
            ModelForm::Linear | ModelForm::Factors { .. } => 1,
            ModelForm::Classes { classes } => classes,
        }
    }
}

/// Lanes of a block in the forms that have several for each model: what SSE holds.
pub(crate) const WIDE: usize = 4;

/// A form, for records of blocks of K lanes. `Copy` and free of branches, as [`super::optimizer::Rule`].
pub(crate) trait Form<const K: usize>: Copy + Send + Sync + 'static {
    /// Whether a sum's gradient is the sum of `x * derivative`.
    const IS_LINEAR: bool;

    /// Blocks of each record, all models together.
    fn blocks(&self) -> usize;

    /// Models side by side.
    fn models(&self) -> usize;

    /// The model that a block belongs to; 0 where all models share one.
    fn model_of(&self, block: usize) -> usize;

    /// The model that a lane of a block belongs to, or that it repeats if it is left over.
    fn model_at(&self, block: usize, _lane: usize) -> usize {
        self.model_of(block)
    }

    /// The numbers that a model has for each feature.
    fn lanes(&self) -> usize;

    /// The lanes of its blocks that a model takes up, those left over among them.
    fn width(&self) -> usize;

    /// Margins that a model has for each row: its first lanes.
    fn outputs(&self) -> usize {
        1
    }

    /// Where number `lane` of model `model` stands: block and lane of the block.
    fn place(&self, model: usize, lane: usize) -> (usize, usize);

    /// Block `block` of a record that is new; `key` is another for each.
    fn fresh(&self, _block: usize, _key: u64) -> Record<K> {
        Record::ZERO
    }

    /// Adds a feature of value `x` to a row's sums.
    fn forward(&self, sums: &mut [[f32; K]], x: f32, record: &[Record<K>]);

    /// The gradient of block `block` of a feature of value `x`, given the row's derivatives.
    fn gradient(&self, block: usize, x: f32, derivatives: &[[f32; K]], record: &Record<K>) -> [f32; K];

    /// The derivatives' part that reaches the bias, whose value is always 1.
    fn bias(&self, _block: usize, derivative: [f32; K]) -> [f32; K] {
        derivative
    }

    /// A learner that goes on with some of the models of `learner` alone, made by the hands of `crew`.
    fn only<R: Rule>(learner: &Learner<R, Self, K>, models: &[usize], crew: &dyn Crew) -> Box<dyn Learn>;

    /// Appends each row's margins, model after model, to `margins`, and overwrites the rows' sums by the
    /// derivatives of the loss.
    fn differentiate(&self, loss: Loss, sums: &mut [[f32; K]], labels: &[f32], margins: &mut Vec<f32>);
}
