//! Optimisers: the textbook steps, each a small rule on K models at once.

use serde::{Deserialize, Serialize};

use super::record::Record;

/// Which optimiser, with its settings. With `g` the mean gradient of the mini-batch, penalty
/// included, and `a` the learning rate, the steps are those of `torch.optim`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase")]
pub enum Optimizer {
    /// Full-batch gradient descent: one step `w -= a*g` at the end of each epoch.
    Gd,
    /// Stochastic gradient descent: `w -= a*g` (Robbins and Monro 1951).
    Sgd,
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
}

impl Optimizer {
    /// AdaGrad with torch's default epsilon.
    pub const ADAGRAD: Optimizer = Optimizer::AdaGrad { epsilon: 1e-10 };
    /// RMSprop with torch's defaults.
    pub const RMSPROP: Optimizer = Optimizer::RmsProp { decay: 0.99, epsilon: 1e-8 };

    /// The learning rates that race when the user names none.
    pub fn default_rates(&self) -> [f32; 4] {
        match self {
            Optimizer::Gd => [0.1, 0.3, 1.0, 3.0],
            Optimizer::Sgd => [0.003, 0.01, 0.03, 0.1],
            Optimizer::AdaGrad { .. } => [0.1, 0.2, 0.5, 1.0],
            Optimizer::RmsProp { .. } => [0.0003, 0.001, 0.003, 0.01],
        }
    }
}

/// One step of an optimiser on a record. `Copy` and free of branches: the hot loops are compiled
/// once for each rule.
pub(crate) trait Rule: Copy + Send + Sync + 'static {
    /// Whether a record changes in a step in which its gradient is zero, even without a penalty.
    const DECAYS: bool;

    /// Takes a step along the gradient `g` and returns the change of the weights. Reads the
    /// accumulator by its absolute value (see [`Record::copied`]) and leaves it positive.
    fn step<const K: usize>(&self, rates: &[f32; K], record: &mut Record<K>, g: &[f32; K]) -> [f32; K];

    /// Takes `steps` steps of one model in which the loss has no gradient, only the penalty `l2`;
    /// `(weight, accumulator)` in and out. Equal to as many calls of `step`.
    fn idle(&self, rate: f32, l2: f32, steps: u64, weight: f32, accumulator: f32) -> (f32, f32);
}

/// SGD, and GD, whose step is the same on another gradient.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SgdRule;

impl Rule for SgdRule {
    const DECAYS: bool = false;

    #[inline(always)]
    fn step<const K: usize>(&self, rates: &[f32; K], record: &mut Record<K>, g: &[f32; K]) -> [f32; K] {
        let mut change = [0.0; K];
        for k in 0..K {
            change[k] = -rates[k] * g[k];
            record.weight[k] += change[k];
            record.accumulator[k] = 1.0; // only the mark of a touched record
        }
        change
    }

    fn idle(&self, rate: f32, l2: f32, steps: u64, weight: f32, accumulator: f32) -> (f32, f32) {
        let keep = (1.0 - f64::from(rate) * f64::from(l2)).powf(steps as f64);
        ((f64::from(weight) * keep) as f32, accumulator)
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct AdaGradRule {
    pub(crate) epsilon: f32,
}

impl Rule for AdaGradRule {
    const DECAYS: bool = false;

    #[inline(always)]
    fn step<const K: usize>(&self, rates: &[f32; K], record: &mut Record<K>, g: &[f32; K]) -> [f32; K] {
        let mut change = [0.0; K];
        for k in 0..K {
            let sum = record.accumulator[k].abs() + g[k] * g[k];
            record.accumulator[k] = sum;
            change[k] = -rates[k] * g[k] / (sum.sqrt() + self.epsilon);
            record.weight[k] += change[k];
        }
        change
    }

    fn idle(&self, rate: f32, l2: f32, steps: u64, weight: f32, accumulator: f32) -> (f32, f32) {
        // The step has no closed form, but while the accumulator stands still the weight shrinks
        // geometrically. So steps are taken in runs over which the accumulator grows by `GROWTH` at
        // most, with its mean over the run in its place: the error of a run is of the order of
        // GROWTH^2. A run of one step is exact; where steps overshoot zero there is nothing else.
        // The accumulator soon dwarfs the penalty, so that most absences are one run.
        const GROWTH: f64 = 1.0 / 256.0;
        /// `1 + ratio + ratio^2 + ...`, `n` terms.
        fn series(ratio: f64, n: f64) -> f64 {
            if ratio == 1.0 { n } else { (1.0 - ratio.powf(n)) / (1.0 - ratio) }
        }
        let (rate, l2, epsilon) = (f64::from(rate), f64::from(l2), f64::from(self.epsilon));
        let (mut w, mut sum) = (f64::from(weight), f64::from(accumulator.abs()));
        let keep = |sum: f64| 1.0 - rate * l2 / (sum.sqrt() + epsilon);
        let mut left = steps;
        // Below 1e-46 the weight is zero in f32.
        while left > 0 && w.abs() > 1e-46 {
            let first = (l2 * w) * (l2 * w);
            let start = keep(sum + first);
            let ratio = start * start;
            let run = if start <= 0.0 {
                1
            } else if first * series(ratio, left as f64) <= GROWTH * sum {
                left
            } else {
                ((GROWTH * sum / first) as u64).clamp(1, left)
            };
            let n = run as f64;
            // The accumulator's gain at step j is first * series(ratio, j); this is its mean.
            let gain = if ratio == 1.0 {
                first * (n + 1.0) / 2.0
            } else {
                first * (n - ratio * series(ratio, n)) / (n * (1.0 - ratio))
            };
            let keep = keep(sum + gain);
            sum += first * series(keep * keep, n);
            w *= keep.powf(n);
            left -= run;
        }
        (w as f32, sum as f32)
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct RmsPropRule {
    pub(crate) decay: f32,
    pub(crate) epsilon: f32,
}

impl Rule for RmsPropRule {
    const DECAYS: bool = true;

    #[inline(always)]
    fn step<const K: usize>(&self, rates: &[f32; K], record: &mut Record<K>, g: &[f32; K]) -> [f32; K] {
        let mut change = [0.0; K];
        for k in 0..K {
            let mean = self.decay * record.accumulator[k].abs() + (1.0 - self.decay) * g[k] * g[k];
            record.accumulator[k] = mean;
            change[k] = -rates[k] * g[k] / (mean.sqrt() + self.epsilon);
            record.weight[k] += change[k];
        }
        change
    }

    fn idle(&self, rate: f32, l2: f32, steps: u64, weight: f32, accumulator: f32) -> (f32, f32) {
        let mut mean = accumulator.abs();
        if l2 == 0.0 || weight == 0.0 {
            return (weight, (f64::from(mean) * f64::from(self.decay).powf(steps as f64)) as f32);
        }
        // Normalised steps along the penalty have no closed form: take them one by one.
        let mut w = weight;
        for _ in 0..steps {
            let g = l2 * w;
            mean = self.decay * mean + (1.0 - self.decay) * g * g;
            w -= rate * g / (mean.sqrt() + self.epsilon);
        }
        (w, mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle_equals_steps(rule: impl Rule, l2: f32, steps: u64, tolerance: f32) {
        let mut record = Record::<1> { weight: [0.8], accumulator: [0.3], gradient: [0.0], drift: [0.0] };
        for _ in 0..steps {
            let g = [l2 * record.weight[0]];
            rule.step(&[0.1], &mut record, &g);
        }
        let (weight, accumulator) = rule.idle(0.1, l2, steps, 0.8, 0.3);
        let close = |a: f32, b: f32| (a - b).abs() <= tolerance * b.abs().max(1e-3);
        assert!(close(weight, record.weight[0]), "weight {weight} != {}", record.weight[0]);
        if rule_has_accumulator(&rule) {
            assert!(close(accumulator, record.accumulator[0]), "{accumulator} != {:?}", record.accumulator);
        }
    }

    fn rule_has_accumulator<R: Rule>(_: &R) -> bool {
        std::any::TypeId::of::<R>() != std::any::TypeId::of::<SgdRule>()
    }

    /// Compares with steps in f64, whose own rounding no f32 shows.
    fn adagrad_idle_equals_steps(rate: f32, l2: f32, steps: u64, weight: f32, accumulator: f32) {
        let (mut w, mut sum) = (f64::from(weight), f64::from(accumulator));
        for _ in 0..steps {
            let g = f64::from(l2) * w;
            sum += g * g;
            w -= f64::from(rate) * g / (sum.sqrt() + 1e-10);
        }
        let idle = AdaGradRule { epsilon: 1e-10 }.idle(rate, l2, steps, weight, accumulator);
        let off = (f64::from(idle.0) - w).abs() / w.abs().max(f64::from(weight.abs()));
        let off_sum = (f64::from(idle.1) - sum).abs() / sum;
        assert!(
            off < 1e-6 && off_sum < 1e-5,
            "{steps} steps of {rate}, {l2} from {weight}, {accumulator}: {idle:?} for {w}, {sum}"
        );
    }

    #[test]
    fn adagrad_decays_by_the_penalty_however_small_the_accumulator() {
        for steps in [1, 2, 127, 128, 1000, 20_000] {
            for (rate, weight) in [(0.02, 2.5), (0.25, -0.3), (1.2, 0.01)] {
                for l2 in [1e-6, 1e-4, 1e-2] {
                    for accumulator in [1e-8, 1e-6, 1e-4, 1e-2, 1.0] {
                        adagrad_idle_equals_steps(rate, l2, steps, weight, accumulator);
                    }
                }
            }
        }
    }

    #[test]
    fn absent_features_decay_as_if_they_had_been_stepped() {
        for steps in [1, 3, 64, 1000, 5000] {
            for l2 in [1e-4, 1e-2] {
                idle_equals_steps(SgdRule, l2, steps, 1e-4);
                idle_equals_steps(AdaGradRule { epsilon: 1e-10 }, l2, steps, 1e-4);
                idle_equals_steps(RmsPropRule { decay: 0.99, epsilon: 1e-8 }, l2, steps, 1e-4);
            }
            idle_equals_steps(RmsPropRule { decay: 0.99, epsilon: 1e-8 }, 0.0, steps, 1e-4);
        }
    }
}
