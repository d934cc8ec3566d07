//! The target: what its values mean, which loss suits them, and how they become labels.

mod amounts;
mod choice;
mod class_weights;
mod classes;
mod decide;
mod labels;
mod notes;
mod offset;
mod tally;

use serde::{Deserialize, Serialize};

pub use choice::LossChoice;
pub use class_weights::ClassWeights;
pub(super) use decide::{Understood, needs_classes, task, understand_target};
pub(super) use labels::{LabelCache, Labels};
pub use offset::{Offset, OffsetKind};
pub(crate) use tally::Tally;

use crate::learn::Loss;

/// The column to predict, and what its values mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "lowercase")]
pub enum Target {
    /// Two classes.
    Binary {
        /// The column.
        column: String,
        /// The class that is predicted to be present: label 1.
        positive: String,
        /// The other one: label 0. `None` if that is every value but the positive class.
        negative: Option<String>,
        /// The positive class's share of the sample.
        share: f64,
        /// Whether the column holds numbers, of which 1 and 1.0 are the same class.
        #[serde(default)]
        numeric: bool,
    },
    /// Any number of classes; the label is a class's place.
    Classes {
        /// The column.
        column: String,
        /// The classes: by number if all are numbers, else by text.
        classes: Vec<String>,
        /// Each one's share of the sample.
        shares: Vec<f64>,
    },
    /// A number; the label is `(value - offset) / scale`.
    Number {
        /// The column.
        column: String,
        /// The sample's mean (its median, where the loss is one of absolute residuals), or 0.
        offset: f64,
        /// The sample's standard deviation (where the loss is one of absolute residuals what the
        /// quartiles say of it), or 1.
        scale: f64,
        /// The sample's mean.
        mean: f64,
        /// Whether it is a count or an amount, of which the margin is the logarithm: at least 0.
        #[serde(default)]
        is_count: bool,
    },
}

impl Target {
    /// The column's name.
    pub fn column(&self) -> &str {
        match self {
            Target::Binary { column, .. }
            | Target::Classes { column, .. }
            | Target::Number { column, .. } => column,
        }
    }

    /// What one unit of the label is in the target's own unit.
    pub fn scale(&self) -> f64 {
        match self {
            Target::Binary { .. } | Target::Classes { .. } => 1.0,
            Target::Number { scale, .. } => *scale,
        }
    }

    /// Margins of each row.
    pub fn outputs(&self) -> usize {
        match self {
            Target::Classes { classes, .. } => classes.len(),
            Target::Binary { .. } | Target::Number { .. } => 1,
        }
    }

    /// The margin in the target's own unit: for a count the logarithm of the prediction, for another number
    /// the prediction itself.
    pub fn unscale(&self, margin: f32) -> f64 {
        match self {
            Target::Binary { .. } | Target::Classes { .. } => f64::from(margin),
            Target::Number { offset, scale, .. } => f64::from(margin) * scale + offset,
        }
    }

    /// The margins, one for each output, that would be best if there were no features: where learning starts.
    pub fn start(&self, loss: Loss) -> Vec<f32> {
        match self {
            Target::Binary { share, .. } => vec![loss.start(*share)],
            Target::Classes { shares, .. } => {
                let logs: Vec<f64> = shares.iter().map(|share| share.max(1e-6).ln()).collect();
                let mean = logs.iter().sum::<f64>() / logs.len() as f64;
                logs.iter().map(|log| (log - mean) as f32).collect()
            }
            Target::Number { offset, scale, mean, .. } => vec![loss.start((mean - offset) / scale)],
        }
    }

    /// The names of the classes in the order of their labels; none for a number.
    pub fn classes(&self) -> Vec<String> {
        match self {
            Target::Binary { positive, negative, .. } => {
                let negative = negative.clone().unwrap_or_else(|| format!("not {positive}"));
                vec![negative, positive.clone()]
            }
            Target::Classes { classes, .. } => classes.clone(),
            Target::Number { .. } => Vec::new(),
        }
    }

    /// Each class's share of the sample, in the order of their labels.
    fn shares(&self) -> Vec<f64> {
        match self {
            Target::Binary { share, .. } => vec![1.0 - share, *share],
            Target::Classes { shares, .. } => shares.clone(),
            Target::Number { .. } => Vec::new(),
        }
    }

    /// The loss to minimise when the user names none.
    pub fn default_loss(&self) -> Loss {
        match self {
            Target::Binary { .. } => Loss::Logistic,
            Target::Classes { .. } => Loss::Softmax,
            Target::Number { is_count: true, .. } => Loss::Poisson,
            Target::Number { .. } => Loss::Squared,
        }
    }
}

/// The number that a text says.
pub(super) fn parse(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// A text as shown in a message.
fn quoted(text: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(text))
}

/// The first of some names, for a message.
fn listed(names: &[String]) -> String {
    const MOST: usize = 20;
    let mut list = names.iter().take(MOST).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    if names.len() > MOST {
        list.push_str(&format!(", ... ({} in all)", names.len()));
    }
    list
}
