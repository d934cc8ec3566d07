//! The report: what metrics come to.

use serde::{Deserialize, Serialize};

/// The figures, of which those that suit the task are there. Rows count with their importance weights
/// everywhere but in `rows`. Where scikit-learn has a figure, it is the one of that name there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Rows seen.
    pub rows: u64,
    /// Mean of the loss that was minimised (in the target's own units where it was scaled).
    pub mean_loss: Option<f64>,
    /// Mean logistic or softmax loss, in nats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_loss: Option<f64>,
    /// Area under the ROC curve; absent if there is only one class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auc: Option<f64>,
    /// The most by which `auc` can be off, because nearly equal scores are counted as equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auc_error: Option<f64>,
    /// Mean of the precisions at the thresholds where recall rises, weighted by its rises; absent if there is
    /// no positive row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_precision: Option<f64>,
    /// The most by which `average_precision` can be off, because nearly equal scores are counted as equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_precision_error: Option<f64>,
    /// Share of rows whose class has the largest probability, or margin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Mean of the classes' recalls, over the classes that occur.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balanced_accuracy: Option<f64>,
    /// Of two classes: share of the rows decided for the positive one (margin above 0, probability above 0.5)
    /// that are positive; absent if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<f64>,
    /// Of two classes: share of the positive rows that are found; absent if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recall: Option<f64>,
    /// Of two classes: harmonic mean of precision and recall; absent if rows are neither positive nor decided
    /// to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub f1: Option<f64>,
    /// Of several classes: mean of the classes' f1, over those that occur or are predicted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub macro_f1: Option<f64>,
    /// Mean squared difference of probability and label; of several classes, of the sum of those of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brier: Option<f64>,
    /// Expected calibration error: mean distance of probability and observed rate over the groups of
    /// `calibration`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration_error: Option<f64>,
    /// Root of the mean squared residual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rmse: Option<f64>,
    /// Mean absolute residual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mae: Option<f64>,
    /// Share of the target's variance that is explained; absent if the target is constant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r2: Option<f64>,
    /// Mean of prediction less target: positive where the model says too much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bias: Option<f64>,
    /// Mean pinball loss at the quantile that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinball: Option<f64>,
    /// Share of rows whose target is at most the predicted quantile: the quantile itself for a model that is
    /// right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f64>,
    /// Mean Poisson deviance `2 (y ln(y / p) - y + p)` of predictions p.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poisson_deviance: Option<f64>,
    /// Weight of the rows by true class (outer) and by predicted class (inner), in the order of the labels;
    /// absent for more than [`MOST_CONFUSED`] classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confusion: Option<Vec<Vec<f64>>>,
    /// Of several classes, the figures of each in the order of the labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<ClassFigures>>,
    /// Rows by rising probability, in up to ten groups of as nearly equal weights as nearly equal
    /// probabilities allow, which are never parted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Vec<CalibrationGroup>>,
}

/// Classes of which every pair is counted, at the most: eight bytes each, half a megabyte.
pub const MOST_CONFUSED: usize = 256;

/// The figures of one class among several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassFigures {
    /// Share of the rows decided for the class that are of it; absent if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<f64>,
    /// Share of the class's rows that are found; absent if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recall: Option<f64>,
    /// Harmonic mean of the two; absent if the class neither occurs nor is predicted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub f1: Option<f64>,
    /// Weight of the class's rows.
    pub support: f64,
}

impl ClassFigures {
    /// The figures of a class with rows of weight `support`, of which those of weight `hits` were decided
    /// for it, as were rows of weight `predicted` in all.
    pub(super) fn new(hits: f64, predicted: f64, support: f64) -> Self {
        let share = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
        ClassFigures {
            precision: share(hits, predicted),
            recall: share(hits, support),
            f1: share(2.0 * hits, predicted + support),
            support,
        }
    }
}

/// The mean of the figures that are there.
pub(super) fn mean(figures: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (sum, count) = figures.flatten().fold((0.0, 0.0), |(sum, count), x| (sum + x, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

/// Rows of similar probability.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct CalibrationGroup {
    /// Rows.
    pub rows: u64,
    /// Their weight.
    pub weight: f64,
    /// Their mean predicted probability of the positive class.
    pub predicted: f64,
    /// The share of them that is positive.
    pub observed: f64,
}
