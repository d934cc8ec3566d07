//! Losses: what a margin costs, and in which direction it should move.

use serde::{Deserialize, Serialize};

use super::kernels;

/// A loss of the margin `m` and the label `y`.
///
/// Losses and derivatives of a margin that is NaN are NaN, so that a model that diverged is found out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
    /// `exp(m) - y m`: Poisson regression with a log link, for counts and amounts of at least 0. In the
    /// exponential margins above 40 count as 40, so that one large step can't make everything infinite.
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

    /// The constant margin that costs least where the weighted mean label is `mean`: where to start from.
    /// It is 0 for the losses whose minimum the mean does not tell.
    ///
    /// The logit of `mean` is kept within 10 of 0 and its logarithm between -20 and 40, so that a sample of
    /// one class or of zeros does not make a start that rows of another kind would take long to come back
    /// from.
    pub fn start(self, mean: f64) -> f32 {
        // Not `f64::ln`, whose last bit depends on the C library.
        let ln = |x: f64| {
            let mut value = [x as f32];
            kernels::ln(&mut value);
            value[0]
        };
        match self {
            Loss::Logistic => {
                let mean = mean.clamp(1e-9, 1.0 - 1e-9);
                (ln(mean) - ln(1.0 - mean)).clamp(-10.0, 10.0)
            }
            Loss::Poisson => ln(mean.clamp(1e-30, 1e30)).clamp(-20.0, kernels::LARGEST_LOGARITHM),
            Loss::Squared => mean as f32,
            Loss::Hinge
            | Loss::SquaredHinge
            | Loss::Softmax
            | Loss::Huber { .. }
            | Loss::Quantile { .. }
            | Loss::EpsilonInsensitive { .. } => 0.0,
        }
    }

    /// Overwrites margins by the loss's derivatives with respect to them, and by 0 where a residual or a
    /// hinge is just at a kink. The slices have one length.
    ///
    /// # Panics
    /// For softmax, whose rows have several margins: see [`softmax_gradient`].
    pub fn gradient(self, margins: &mut [f32], labels: &[f32]) {
        match self {
            Loss::Logistic => kernels::logistic_gradient(margins, labels),
            Loss::Poisson => kernels::poisson_gradient(margins, labels),
            Loss::Squared => each(margins, labels, |m, y| m - y),
            Loss::Hinge => each(margins, labels, |m, y| {
                let sign = sign(y);
                let z = sign * m;
                let slope = if z < 1.0 { -sign } else { 0.0 };
                if z.is_nan() { z } else { slope }
            }),
            Loss::SquaredHinge => each(margins, labels, |m, y| {
                let sign = sign(y);
                -2.0 * sign * positive(1.0 - sign * m)
            }),
            Loss::Huber { delta } => {
                let delta = delta as f32;
                each(margins, labels, |m, y| {
                    let r = m - y;
                    let r = if r > delta { delta } else { r };
                    if r < -delta { -delta } else { r }
                });
            }
            Loss::Quantile { tau } => {
                let (below, above) = (-tau as f32, (1.0 - tau) as f32);
                each(margins, labels, |m, y| {
                    let r = m - y;
                    let slope = if r > 0.0 { above } else { r };
                    if r < 0.0 { below } else { slope }
                });
            }
            Loss::EpsilonInsensitive { epsilon } => {
                let epsilon = epsilon as f32;
                each(margins, labels, |m, y| {
                    let r = m - y;
                    let slope = if r < -epsilon { -1.0 } else { 0.0 };
                    let slope = if r > epsilon { 1.0 } else { slope };
                    if r.is_nan() { r } else { slope }
                });
            }
            Loss::Softmax => panic!("a row of softmax has several margins"),
        }
    }

    /// Writes the loss of each margin into `out`. The slices have one length.
    ///
    /// # Panics
    /// For softmax, whose rows have several margins: see [`softmax_loss`].
    pub fn losses(self, margins: &[f32], labels: &[f32], out: &mut [f32]) {
        match self {
            Loss::Logistic => kernels::logistic_loss(margins, labels, out),
            Loss::Poisson => kernels::poisson_loss(margins, labels, out),
            Loss::Squared => write(margins, labels, out, |m, y| 0.5 * (m - y) * (m - y)),
            Loss::Hinge => write(margins, labels, out, |m, y| positive(1.0 - sign(y) * m)),
            Loss::SquaredHinge => write(margins, labels, out, |m, y| {
                let z = positive(1.0 - sign(y) * m);
                z * z
            }),
            Loss::Huber { delta } => {
                let delta = delta as f32;
                write(margins, labels, out, |m, y| {
                    let r = (m - y).abs();
                    let far = delta * (r - 0.5 * delta);
                    if r <= delta { 0.5 * r * r } else { far }
                });
            }
            Loss::Quantile { tau } => {
                let (below, above) = (-tau as f32, (1.0 - tau) as f32);
                write(margins, labels, out, |m, y| {
                    let r = m - y;
                    r * if r < 0.0 { below } else { above }
                });
            }
            Loss::EpsilonInsensitive { epsilon } => {
                let epsilon = epsilon as f32;
                write(margins, labels, out, |m, y| positive((m - y).abs() - epsilon));
            }
            Loss::Softmax => panic!("a row of softmax has several margins"),
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

/// Overwrites each margin by `f` of it and its label. The compiler makes it eight lanes, or as many as the
/// machine has: nothing here branches, and no sum depends on the lanes.
#[inline(always)]
fn each(margins: &mut [f32], labels: &[f32], f: impl Fn(f32, f32) -> f32) {
    assert_eq!(margins.len(), labels.len());
    for (m, &y) in margins.iter_mut().zip(labels) {
        *m = f(*m, y);
    }
}

/// Writes `f` of each margin and its label, as [`each`].
#[inline(always)]
fn write(margins: &[f32], labels: &[f32], out: &mut [f32], f: impl Fn(f32, f32) -> f32) {
    assert_eq!(margins.len(), out.len());
    assert_eq!(labels.len(), out.len());
    for ((out, &m), &y) in out.iter_mut().zip(margins).zip(labels) {
        *out = f(m, y);
    }
}

/// 1 for the label 1, -1 for the label 0.
#[inline(always)]
fn sign(label: f32) -> f32 {
    2.0 * label - 1.0
}

/// `max(0, x)`, but NaN of NaN.
#[inline(always)]
fn positive(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

/// Overwrites the margins of one row, one for each class, by the softmax loss's derivatives with respect to
/// them: each class's probability, less 1 for the class `label`.
///
/// # Panics
/// If there is no class `label`.
pub fn softmax_gradient(margins: &mut [f32], label: usize) {
    softmax(margins);
    margins[label] -= 1.0;
}

/// Overwrites the margins of one row by the probabilities of the classes.
pub fn softmax(margins: &mut [f32]) {
    if !margins.is_empty() {
        kernels::softmax(margins, margins.len());
    }
}

/// The softmax loss of one row whose class is `label`. [`kernels::softmax_loss`] is for many.
///
/// # Panics
/// If there is no class `label`.
pub fn softmax_loss(margins: &[f32], label: usize) -> f32 {
    let mut loss = [0.0];
    kernels::softmax_loss(&mut margins.to_vec(), &[label as f32], &mut loss);
    loss[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SINGLE: [Loss; 8] = [
        Loss::Logistic,
        Loss::Hinge,
        Loss::SquaredHinge,
        Loss::Squared,
        Loss::Huber { delta: 1.5 },
        Loss::Quantile { tau: 0.9 },
        Loss::EpsilonInsensitive { epsilon: 0.1 },
        Loss::Poisson,
    ];

    #[test]
    fn what_diverged_stays_nan() {
        for loss in SINGLE {
            let (mut gradient, mut losses) = ([f32::NAN; 9], [0.0; 9]);
            loss.losses(&gradient, &[1.0; 9], &mut losses);
            loss.gradient(&mut gradient, &[1.0; 9]);
            assert!(losses.iter().chain(&gradient).all(|x| x.is_nan()), "{loss:?}: {losses:?} {gradient:?}");
        }
    }

    #[test]
    fn the_start_is_where_the_mean_loss_has_no_slope() {
        // Labels 0 and 1, as all of these losses may have them.
        for mean in [0.001, 0.3, 0.5, 0.97] {
            for loss in [Loss::Logistic, Loss::Squared, Loss::Poisson] {
                let mut slopes = [loss.start(mean); 2];
                loss.gradient(&mut slopes, &[0.0, 1.0]);
                let slope = (1.0 - mean) * f64::from(slopes[0]) + mean * f64::from(slopes[1]);
                assert!(slope.abs() < 1e-6, "{loss:?} at {mean}: {slope}");
            }
        }
        assert_eq!([Loss::Logistic.start(0.0), Loss::Logistic.start(1.0)], [-10.0, 10.0]);
        assert_eq!(Loss::Poisson.start(0.0), -20.0);
        assert_eq!(Loss::Quantile { tau: 0.9 }.start(3.0), 0.0);
    }

    #[test]
    fn a_loss_is_written_by_its_name_and_parameters() {
        for loss in SINGLE.into_iter().chain([Loss::Softmax]) {
            let json = serde_json::to_string(&loss).unwrap();
            assert!(json.contains(&format!("\"{}\"", loss.name())), "{json}");
            assert_eq!(serde_json::from_str::<Loss>(&json).unwrap(), loss);
        }
        assert_eq!(serde_json::from_str::<Loss>("\"logistic\"").unwrap(), Loss::Logistic);
    }

    #[test]
    fn units_of_labels_make_no_difference() {
        // Labels and margins ten times as large, in units of 10: the same loss in the target's own units.
        let (m, y, scale) = (3.5, 1.0, 10.0);
        for loss in &SINGLE[3..7] {
            let (mut own, mut scaled) = ([0.0], [0.0]);
            loss.losses(&[m * scale as f32], &[y * scale as f32], &mut own);
            loss.in_units_of(scale).losses(&[m], &[y], &mut scaled);
            let back = f64::from(scaled[0]) * loss.unit(scale);
            assert!((f64::from(own[0]) - back).abs() < 1e-4, "{loss:?}: {own:?} {back}");
        }
    }
}
