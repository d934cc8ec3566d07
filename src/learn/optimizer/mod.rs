//! Optimisers: the textbook steps, each a small rule on K lanes at once.

mod adagrad;
mod ftrl;
mod momentum;
mod rmsprop;
mod sgd;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::penalty::Penalty;
use super::record::Record;

pub(crate) use adagrad::AdaGradRule;
pub(crate) use ftrl::FtrlRule;
pub(crate) use momentum::MomentumRule;
pub(crate) use rmsprop::RmsPropRule;
pub(crate) use sgd::SgdRule;

/// Which optimiser, with its settings. With `g` the mean gradient of the mini-batch, penalty
/// included, and `a` the learning rate, the steps are those of `torch.optim`, but FTRL's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase")]
pub enum Optimizer {
    /// Full-batch gradient descent: one step `w -= a*g` at the end of each epoch.
    Gd,
    /// Stochastic gradient descent (Robbins and Monro 1951): `w -= a*g`, with momentum (Polyak 1964)
    /// `v = momentum*v + g; w -= a*v`.
    Sgd {
        /// The share of the velocity that each mini-batch keeps; 0 for none.
        momentum: f32,
    },
    /// `G += g^2; w -= a*g/(sqrt(G)+epsilon)` (Duchi, Hazan and Singer 2011).
    AdaGrad {
        /// Keeps the first steps finite.
        epsilon: f32,
    },
    /// `v = decay*v + (1-decay)*g^2; w -= a*g/(sqrt(v)+epsilon)` (Hinton, lecture 6e, 2012).
    RmsProp {
        /// The share of `v` that each mini-batch keeps.
        decay: f32,
        /// Keeps the first steps finite.
        epsilon: f32,
    },
    /// FTRL-Proximal: each weight is the one that would have been best against all gradients so far, kept
    /// near the past weights (McMahan, AISTATS 2011, and McMahan et al., KDD 2013, algorithm 1). With `t`
    /// mini-batches so far and `g` without the penalty: `n += g^2; z += g - w*(sqrt(n)-sqrt(n-g^2))/a`;
    /// `w = 0` where `|z| <= t*l1`, else `-(z - sign(z)*t*l1) / ((beta+sqrt(n))/a + t*l2)`. The penalties are
    /// counted once for each mini-batch, so that they mean what they mean to the other optimisers. A schedule does
    /// not apply: `a` may not change, and each weight's own rate `a/(beta+sqrt(n))` falls by itself.
    Ftrl {
        /// Keeps the first steps small.
        beta: f32,
    },
    /// The exact minimum, by passes over all rows (see `Lbfgs`).
    Lbfgs,
}

impl Optimizer {
    /// SGD without momentum.
    pub const SGD: Optimizer = Optimizer::Sgd { momentum: 0.0 };
    /// AdaGrad with torch's default epsilon.
    pub const ADAGRAD: Optimizer = Optimizer::AdaGrad { epsilon: 1e-10 };
    /// RMSprop with torch's defaults.
    pub const RMSPROP: Optimizer = Optimizer::RmsProp { decay: 0.99, epsilon: 1e-8 };
    /// FTRL-Proximal.
    pub const FTRL: Optimizer = Optimizer::Ftrl { beta: 1e-3 };

    /// The learning rates that race when the user names none, for a loss whose curvature is `curvature`: the
    /// larger it is, the smaller the steps that plain gradients may take. Others have steps of the same size
    /// for any loss.
    pub fn default_rates(&self, curvature: f32) -> [f32; 4] {
        match self {
            Optimizer::Gd => [0.1, 0.3, 1.0, 3.0].map(|rate: f32| rate / curvature),
            Optimizer::Sgd { momentum } => {
                [0.01, 0.1, 0.3, 1.0].map(|rate: f32| rate / curvature * (1.0 - momentum).max(1e-3))
            }
            Optimizer::AdaGrad { .. } | Optimizer::Ftrl { .. } => [0.1, 0.2, 0.5, 1.0],
            Optimizer::RmsProp { .. } => [0.001, 0.003, 0.01, 0.03],
            Optimizer::Lbfgs => [0.0; 4],
        }
    }
}

/// What holds for all lanes of a block in one step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now<const K: usize> {
    /// Each lane's learning rate.
    pub(crate) rates: [f32; K],
    /// Each lane's strengths of the penalties of absolute values and of squares.
    pub(crate) l1: [f32; K],
    pub(crate) l2: [f32; K],
    /// Steps taken before this one.
    pub(crate) number: u64,
}

/// How the weights of a block move: each by its rate against its direction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Move<const K: usize> {
    pub(crate) rates: [f32; K],
    pub(crate) direction: [f32; K],
}

/// What the learning rates of a block are multiplied by while its weights shrink.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace<const K: usize> {
    pub(crate) factors: [f32; K],
    /// The accumulators at the end.
    pub(crate) accumulators: [f32; K],
    /// The masks of those for which this is exact enough.
    pub(crate) holds: [u32; K],
}

/// Steps in which a feature does not occur.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Absence {
    /// The mean learning rate of these steps, over which it hardly changes.
    pub(crate) rate: f32,
    pub(crate) penalty: Penalty,
    /// How many there are.
    pub(crate) steps: u64,
    /// Steps taken at their end, all in all.
    pub(crate) until: u64,
}

/// One lane of a record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Lane {
    pub(crate) weight: f32,
    pub(crate) accumulator: f32,
    pub(crate) drift: f32,
}

/// One step of an optimiser on a record. `Copy` and free of branches: the hot loops are compiled
/// once for each rule.
pub(crate) trait Rule: Copy + Send + Sync + 'static {
    /// Whether a record changes in a step in which its gradient is zero, even without a penalty.
    const DECAYS: bool;
    /// Whether the accumulator holds squares of gradients: factors start with some of them.
    const SQUARES: bool;
    /// Whether steps without a gradient may be taken at their mean rate, whatever the rates.
    const STEADY: bool = false;
    /// Whether a weight goes on moving for a while when its feature is gone, so that most of the change comes
    /// soon.
    const INERT: bool = false;
    /// Whether `drift` is free for the mean of the weights, and `g` holds the squares' penalty. A rule
    /// that says no keeps numbers of its own there and sees to the penalty itself.
    const AVERAGES: bool = true;

    /// Brings what the record keeps up to date with the gradient `g`, and says how its weights are to
    /// move. (A rule that sees to the weights itself moves them here.)
    fn step<const K: usize>(&self, now: &Now<K>, record: &mut Record<K>, g: [f32; K]) -> Move<K>;

    /// The paces at which weights shrink in `steps` steps in which there is no gradient but their penalty's, if that is
    /// all that happens, and weights and paces hardly change meanwhile.
    fn pace<const K: usize>(&self, _now: &Now<K>, _record: &Record<K>, _steps: &[f32; K]) -> Option<Pace<K>> {
        None
    }

    /// The same if weights may change much, by their squares' penalty alone.
    fn pace_of_many<const K: usize>(
        &self,
        now: &Now<K>,
        record: &Record<K>,
        steps: &[f32; K],
    ) -> Option<Pace<K>> {
        self.pace(now, record, steps)
    }

    /// Takes the steps of one lane in which the loss has no gradient: equal to as many calls of `step`.
    fn idle(&self, absence: &Absence, lane: &mut Lane);

    /// Makes up what a lane keeps beside weight and accumulator, after `steps` steps in another run, unless what
    /// it has there goes with both.
    fn restore(&self, _rate: f32, _penalty: Penalty, _steps: u64, _lane: &mut Lane) {}
}
