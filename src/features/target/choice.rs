//! Choosing a loss: as a user names it, with parameters that may be left to the sample.

use crate::learn::{Loss, Task};

/// A loss, of which parameters that are left open follow from the sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LossChoice {
    /// As [`Loss::Logistic`].
    Logistic,
    /// As [`Loss::Hinge`].
    Hinge,
    /// As [`Loss::SquaredHinge`].
    SquaredHinge,
    /// As [`Loss::Softmax`].
    Softmax,
    /// As [`Loss::Squared`].
    Squared,
    /// As [`Loss::Huber`].
    Huber {
        /// In the target's own unit. `None` for the distance between the sample's quartiles, which is 1.349
        /// deviations of a normal sample: near the 1.345 at which the estimate has 95% of the efficiency of
        /// least squares if residuals are normal, and unlike the deviation no matter of outliers.
        delta: Option<f64>,
    },
    /// As [`Loss::Quantile`].
    Quantile {
        /// Between 0 and 1.
        tau: f64,
    },
    /// As [`Loss::EpsilonInsensitive`].
    EpsilonInsensitive {
        /// In the target's own unit. `None` for a tenth of the deviation that the sample's quartiles tell.
        epsilon: Option<f64>,
    },
    /// As [`Loss::Poisson`].
    Poisson,
}

/// Deviations of a normal sample between its quartiles.
pub(super) const QUARTILES: f64 = 1.349;
/// Share of a deviation that costs nothing, as in scikit-learn's `SVR` of a standardised target.
const EPSILON: f64 = 0.1;

/// The deviation that the quartiles of a sample tell, which are `distance` apart.
pub(super) fn robust_deviation(distance: f64) -> f64 {
    distance / QUARTILES
}

impl LossChoice {
    /// What the loss learns.
    pub fn task(self) -> Task {
        self.resolve(1.0).task()
    }

    /// The name used in options.
    pub fn name(self) -> &'static str {
        self.resolve(1.0).name()
    }

    /// Whether this is the choice of `loss`, for some sample.
    pub(in crate::features) fn may_be(self, loss: Loss) -> bool {
        match self {
            LossChoice::Huber { delta: None } | LossChoice::EpsilonInsensitive { epsilon: None } => {
                self.name() == loss.name()
            }
            _ => self.resolve(1.0) == loss,
        }
    }

    /// The loss for a sample whose quartiles are `distance` apart.
    pub(super) fn resolve(self, distance: f64) -> Loss {
        match self {
            LossChoice::Logistic => Loss::Logistic,
            LossChoice::Hinge => Loss::Hinge,
            LossChoice::SquaredHinge => Loss::SquaredHinge,
            LossChoice::Softmax => Loss::Softmax,
            LossChoice::Squared => Loss::Squared,
            LossChoice::Huber { delta } => Loss::Huber { delta: delta.unwrap_or(distance) },
            LossChoice::Quantile { tau } => Loss::Quantile { tau },
            LossChoice::EpsilonInsensitive { epsilon } => {
                Loss::EpsilonInsensitive { epsilon: epsilon.unwrap_or(EPSILON * robust_deviation(distance)) }
            }
            LossChoice::Poisson => Loss::Poisson,
        }
    }
}
