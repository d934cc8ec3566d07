//! Losses: what a margin costs, and in which direction it should move.

use serde::{Deserialize, Serialize};

use super::kernels;

/// A loss of the margin `m` and the label `y`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Loss {
    /// `ln(1 + exp(-m))` for y = 1 and `ln(1 + exp(m))` for y = 0: logistic regression.
    Logistic,
    /// `(m - y)^2 / 2`: least squares; the derivative is the residual, as in scikit-learn's
    /// `SGDRegressor`.
    Squared,
}

impl Loss {
    /// Overwrites margins by the loss's derivatives with respect to them. The slices have one length.
    pub fn gradient(self, margins: &mut [f32], labels: &[f32]) {
        match self {
            Loss::Logistic => kernels::logistic_gradient(margins, labels),
            Loss::Squared => margins.iter_mut().zip(labels).for_each(|(m, y)| *m -= y),
        }
    }

    /// Writes the loss of each margin into `out`. The slices have one length.
    pub fn losses(self, margins: &[f32], labels: &[f32], out: &mut [f32]) {
        match self {
            Loss::Logistic => kernels::logistic_loss(margins, labels, out),
            Loss::Squared => {
                for ((o, m), y) in out.iter_mut().zip(margins).zip(labels) {
                    let residual = m - y;
                    *o = 0.5 * residual * residual;
                }
            }
        }
    }

    /// The name used in options and model files.
    pub fn name(self) -> &'static str {
        match self {
            Loss::Logistic => "logistic",
            Loss::Squared => "squared",
        }
    }
}
