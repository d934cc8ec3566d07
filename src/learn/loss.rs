//! Losses: what a margin costs, and in which direction it should move.

use serde::{Deserialize, Serialize};

use super::kernels;

/// A loss of the margin `m` and the label `y`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub enum Loss {
    /// `ln(1 + exp(-m))` for y = 1 and `ln(1 + exp(m))` for y = 0: logistic regression.
    Logistic,
    /// `max(0, 1 - s m)` with s = 1 for y = 1 and s = -1 for y = 0: a linear support vector machine.
    Hinge,
    /// `max(0, 1 - s m)^2`: a linear support vector machine with a smooth loss, scikit-learn's
    /// `LinearSVC`.
    SquaredHinge,
    /// `ln(sum_j exp(m_j)) - m_y` over the margins of all classes, y the class's number: multinomial
    /// logistic regression.
    Softmax,
    /// `(m - y)^2 / 2`: least squares; the derivative is the residual, as in scikit-learn's
    /// `SGDRegressor`.
    Squared,
    /// `r^2 / 2` for residuals `|r| <= delta`, `delta (|r| - delta / 2)` beyond: Huber 1964, as
    /// `torch.nn.HuberLoss`.
    Huber {
        /// Where the loss becomes straight, in the target's own unit.
        delta: f64,
    },
    /// `tau (y - m)` for y > m, `(1 - tau) (m - y)` otherwise: the pinball loss, least at the quantile
    /// `tau` (Koenker and Bassett 1978).
    Quantile {
        /// Between 0 and 1; 0.5 is the median.
        tau: f64,
    },
    /// `max(0, |m - y| - epsilon)`: support vector regression.
    EpsilonInsensitive {
        /// Residuals up to this cost nothing; in the target's own unit.
        epsilon: f64,
    },
    /// `exp(m) - y m`: Poisson regression with a log link, for counts and amounts of at least 0.
    Poisson,
}

/// What a loss wants to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Which of two classes.
    Binary,
    /// Which of several classes.
    Classes,
    /// A number.
    Number,
    /// A number of at least 0, of which the margin is the logarithm.
    Count,
}

impl Loss {
    /// What the loss learns.
    pub fn task(self) -> Task {
        match self {
            Loss::Logistic | Loss::Hinge | Loss::SquaredHinge => Task::Binary,
            Loss::Softmax => Task::Classes,
            Loss::Squared | Loss::Huber { .. } | Loss::Quantile { .. } | Loss::EpsilonInsensitive { .. } => {
                Task::Number
            }
            Loss::Poisson => Task::Count,
        }
    }

    /// The same loss of labels and margins that are counted in units of `scale` of the target's own.
    #[must_use]
    pub fn in_units_of(self, scale: f64) -> Loss {
        match self {
            Loss::Huber { delta } => Loss::Huber { delta: delta / scale },
            Loss::EpsilonInsensitive { epsilon } => Loss::EpsilonInsensitive { epsilon: epsilon / scale },
            other => other,
        }
    }

    /// What the mean loss is multiplied by when labels that were counted in units of `scale` are counted in
    /// the target's own again.
    pub fn unit(self, scale: f64) -> f64 {
        match self {
            Loss::Squared | Loss::Huber { .. } => scale * scale,
            Loss::Quantile { .. } | Loss::EpsilonInsensitive { .. } => scale,
            Loss::Logistic | Loss::Hinge | Loss::SquaredHinge | Loss::Softmax | Loss::Poisson => 1.0,
        }
    }

    /// Overwrites margins by the loss's derivatives with respect to them (where it has a kink, by a
    /// subgradient). The slices have one length.
    ///
    /// # Panics
    /// For softmax, whose rows have several margins: see [`softmax_gradient`].
    pub fn gradient(self, margins: &mut [f32], labels: &[f32]) {
        let each = |f: &dyn Fn(f32, f32) -> f32, margins: &mut [f32]| {
            margins.iter_mut().zip(labels).for_each(|(m, y)| *m = f(*m, *y));
        };
        match self {
            Loss::Logistic => kernels::logistic_gradient(margins, labels),
            Loss::Squared => margins.iter_mut().zip(labels).for_each(|(m, y)| *m -= y),
            _ => each(&|m, y| self.derivative(m, y), margins),
        }
    }

    fn derivative(self, m: f32, y: f32) -> f32 {
        let sign = 2.0 * y - 1.0;
        let r = m - y;
        match self {
            Loss::Hinge => {
                if sign * m < 1.0 {
                    -sign
                } else {
                    0.0
                }
            }
            Loss::SquaredHinge => -2.0 * sign * (1.0 - sign * m).max(0.0),
            Loss::Huber { delta } => r.clamp(-delta as f32, delta as f32),
            Loss::Quantile { tau } => {
                if r < 0.0 {
                    -tau as f32
                } else {
                    (1.0 - tau) as f32
                }
            }
            Loss::EpsilonInsensitive { epsilon } => {
                if r.abs() > epsilon as f32 {
                    r.signum()
                } else {
                    0.0
                }
            }
            Loss::Poisson => m.exp() - y,
            Loss::Logistic | Loss::Squared | Loss::Softmax => f32::NAN,
        }
    }

    /// Writes the loss of each margin into `out`. The slices have one length.
    ///
    /// # Panics
    /// For softmax, whose rows have several margins: see [`softmax_loss`].
    pub fn losses(self, margins: &[f32], labels: &[f32], out: &mut [f32]) {
        match self {
            Loss::Logistic => kernels::logistic_loss(margins, labels, out),
            _ => {
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
            Loss::Hinge => "hinge",
            Loss::SquaredHinge => "squared-hinge",
            Loss::Softmax => "softmax",
            Loss::Squared => "squared",
            Loss::Huber { .. } => "huber",
            Loss::Quantile { .. } => "quantile",
            Loss::EpsilonInsensitive { .. } => "epsilon-insensitive",
            Loss::Poisson => "poisson",
        }
    }
}

/// Overwrites the margins of one row, one for each class, by the softmax loss's derivatives with respect to
/// them: each class's probability, less 1 for the class `label`.
pub fn softmax_gradient(margins: &mut [f32], label: usize) {
    softmax(margins);
    margins[label] -= 1.0;
}

/// Overwrites the margins of one row by the probabilities of the classes.
pub fn softmax(margins: &mut [f32]) {
    let most = margins.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for m in margins.iter_mut() {
        *m = (*m - most).exp();
        sum += *m;
    }
    margins.iter_mut().for_each(|m| *m /= sum);
}

/// The softmax loss of one row whose class is `label`.
pub fn softmax_loss(margins: &[f32], label: usize) -> f32 {
    let most = margins.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = margins.iter().map(|m| (m - most).exp()).sum();
    sum.ln() + most - margins[label]
}
