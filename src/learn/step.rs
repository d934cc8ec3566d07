//! A step: everything that is the same for all records when a mini-batch's gradients are applied.

use super::form::Form;
use super::kernels::{choose, mask};
use super::optimizer::{Absence, Lane, Move, Now, Rule};
use super::penalty::{Penalty, shrink};
use super::record::Record;
use super::schedule::Schedule;

/// Most models side by side in forms that have blocks of their own for each.
pub(crate) const MODELS: usize = 4;

/// A number for each lane of each model's blocks.
pub(crate) type Lanes<T, const K: usize> = [[T; K]; MODELS];

/// A change in an absence by up to this share of the weight fades evenly, as far as the mean is concerned.
pub(crate) const MILD: f32 = 0.4;

/// By which share of itself, times that by which the schedule changes the rate meanwhile, a weight may change in
/// a part of an absence that is taken at the mean rate.
const UNEVEN: f32 = 5e-4;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Step<R, const K: usize> {
    pub(crate) rule: R,
    /// The learning rates.
    pub(crate) rates: Lanes<f32, K>,
    pub(crate) schedule: Schedule,
    /// Strengths of the penalties of absolute values and of squares.
    pub(crate) l1: Lanes<f32, K>,
    pub(crate) l2: Lanes<f32, K>,
    /// Whether absolute values cost something in any lane.
    shrinks: bool,
    /// Whether absent records change, so that they must be brought up to date before use.
    pub(crate) lazy: bool,
    /// Whether the step is put off to the end of the epoch (gradient descent).
    pub(crate) defer: bool,
    /// Steps taken before this one.
    pub(crate) number: u64,
    /// The step at which averaging began.
    pub(crate) origin: u64,
    /// What the schedule makes of the rates at this step.
    factor: f32,
    /// The averaging clock at this step (see [`clock`]).
    clock: f32,
}

/// What a lane's weight moves by while its feature is absent.
#[derive(Debug, Clone, Copy)]
struct Terms {
    /// The learning rate, before the schedule.
    rate: f64,
    penalty: Penalty,
}

/// The clock of the time-weighted average: its increments are the weights of the iterates, which
/// so grow linearly with time (Lacoste-Julien, Schmidt and Bach 2012, arXiv 1212.2002): the first,
/// poor iterates hardly count.
pub(crate) fn clock(step: u64) -> f32 {
    (step as f64).powi(2) as f32
}

/// The mean of the clock over `n` steps from step `a` on, each weighted by what a weight changes in it, where
/// the changes fade to `exp(-fade)` of the first.
fn mean_clock(a: u64, n: u64, fade: f64) -> f32 {
    let (a, n) = (a as f64, n as f64);
    let (first, second) = if fade.abs() < 0.5 {
        // The mean and the mean square of 0..n, less their covariances with weights that fade evenly.
        let tilt = fade / n * (n * n - 1.0) / 12.0;
        ((n - 1.0) / 2.0 - tilt, (n - 1.0) * (2.0 * n - 1.0) / 6.0 - (n - 1.0) * tilt)
    } else {
        // Those of an exponential distribution that is cut off; its steps are taken at their beginning.
        let left = (-fade).exp();
        let rest = left / (1.0 - left);
        let mean = (n * (1.0 / fade - rest) - 0.5).max(0.0);
        let square = n * n * (2.0 / (fade * fade) - rest * (1.0 + 2.0 / fade)) - mean;
        (mean, square.max(mean * mean))
    };
    (a * a + 2.0 * a * first + second) as f32
}

impl<R: Rule, const K: usize> Step<R, K> {
    /// The step after `number` others, averaging from there on.
    pub(crate) fn new(
        rule: R,
        rates: Lanes<f32, K>,
        schedule: Schedule,
        (l1, l2): (Lanes<f32, K>, Lanes<f32, K>),
        defer: bool,
        number: u64,
    ) -> Self {
        // FTRL's weights follow from sums at one rate.
        let schedule = if R::AVERAGES { schedule } else { Schedule::CONSTANT };
        let any = |lanes: Lanes<f32, K>| lanes.as_flattened().iter().any(|&strength| strength > 0.0);
        let lazy = !defer && (any(l1) || any(l2) || R::DECAYS);
        let step = Step {
            rule,
            rates,
            schedule,
            l1,
            l2,
            shrinks: any(l1),
            lazy,
            defer,
            number,
            origin: number,
            factor: 1.0,
            clock: 0.0,
        };
        step.after(0)
    }

    /// The same step for other lanes.
    pub(crate) fn with_lanes<const L: usize>(
        &self,
        rates: Lanes<f32, L>,
        (l1, l2): (Lanes<f32, L>, Lanes<f32, L>),
    ) -> Step<R, L> {
        Step {
            rule: self.rule,
            rates,
            schedule: self.schedule,
            l1,
            l2,
            shrinks: self.shrinks,
            lazy: self.lazy,
            defer: self.defer,
            number: self.number,
            origin: self.origin,
            factor: self.factor,
            clock: self.clock,
        }
    }

    /// What it is after `number` steps, averaging from step `origin` on.
    pub(crate) fn at(self, number: u64, origin: u64) -> Self {
        Step { number, origin, ..self }.after(0)
    }

    /// What it is `steps` steps later.
    pub(crate) fn after(self, steps: u64) -> Self {
        let number = self.number + steps;
        Step { number, factor: self.schedule.factor(number), clock: clock(number - self.origin), ..self }
    }

    /// What a lane of a block of model `model` costs.
    pub(crate) fn penalty(&self, model: usize, lane: usize) -> Penalty {
        Penalty { l1: self.l1[model][lane], l2: self.l2[model][lane] }
    }

    /// The same step without a penalty, for the bias.
    pub(crate) fn free(self) -> Self {
        Step { l1: [[0.0; K]; MODELS], l2: [[0.0; K]; MODELS], shrinks: false, ..self }
    }

    /// Makes up what a new record keeps beside its weights.
    pub(crate) fn start(&self, record: &mut Record<K>, model: usize) {
        for k in 0..K {
            let mut lane = Lane { weight: record.weight[k], accumulator: record.accumulator[k], drift: 0.0 };
            self.rule.restore(self.rates[model][k], self.penalty(model, k), self.number, &mut lane);
            record.drift[k] = lane.drift;
        }
    }

    /// The share of its drift that is taken from a weight for the time-weighted mean, if there is one.
    pub(crate) fn mean_share(&self) -> Option<f32> {
        // Before the first step there is no time to average over; deferred steps keep no drift.
        let averages = R::AVERAGES && !self.defer && self.number > self.origin;
        averages.then(|| 1.0 / self.clock)
    }

    /// What holds for the blocks of model `model` at this step.
    #[inline(always)]
    pub(crate) fn now(&self, model: usize) -> Now<K> {
        Now {
            rates: self.rates[model].map(|rate| rate * self.factor),
            l1: self.l1[model],
            l2: self.l2[model],
            number: self.number,
        }
    }

    /// Steps a block of model `model` along the loss's gradient `g`, penalty added.
    #[inline(always)]
    pub(crate) fn take(&self, record: &mut Record<K>, model: usize, mut g: [f32; K]) {
        let now = self.now(model);
        if !R::AVERAGES {
            self.rule.step(&now, record, g);
            return;
        }
        for k in 0..K {
            g[k] += now.l2[k] * record.weight[k];
        }
        let Move { rates, direction } = self.rule.step(&now, record, g);
        let mut change = [0.0; K];
        for k in 0..K {
            change[k] = -rates[k] * direction[k];
        }
        if self.shrinks {
            for k in 0..K {
                let moved = shrink(record.weight[k] + change[k], rates[k] * now.l1[k]);
                // A lane that has no such penalty moves as it would without the others'.
                change[k] = choose(mask(now.l1[k] > 0.0), moved - record.weight[k], change[k]);
            }
        }
        for k in 0..K {
            record.weight[k] += change[k];
            record.drift[k] += change[k] * self.clock;
        }
    }

    /// Steps a feature's blocks along the gradient that they have gathered.
    #[inline(always)]
    pub(crate) fn take_gathered<F: Form<K>>(&self, record: &mut [Record<K>], form: &F) {
        for (b, block) in record.iter_mut().enumerate() {
            let g = std::mem::replace(&mut block.gradient, [0.0; K]);
            self.take(block, form.model_of(b), g);
        }
    }

    /// Adds to the gradient of a deferred step, with Kahan's compensation (in `drift`, which nothing
    /// else needs then): an epoch may have billions of rows.
    #[inline(always)]
    fn put_off(record: &mut Record<K>, g: &[f32; K]) {
        for k in 0..K {
            let y = g[k] - record.drift[k];
            // No sum is minus zero, which is the mark of a record that no row has touched.
            let sum = record.gradient[k] + y + 0.0;
            record.drift[k] = (sum - record.gradient[k]) - y;
            record.gradient[k] = sum;
        }
    }

    /// Adds to a block's gradient.
    #[inline(always)]
    pub(crate) fn gather(&self, record: &mut Record<K>, g: &[f32; K]) {
        if self.defer {
            Self::put_off(record, g);
        } else {
            record.gather(g);
        }
    }

    /// Takes the deferred step with the mean of the gradients over rows of the weights `weights`.
    pub(crate) fn take_deferred(&self, record: &mut Record<K>, model: usize, weights: &Lanes<f64, K>) {
        let touched = record.gradient[0].to_bits() != (-0.0f32).to_bits();
        let mut g = [0.0; K];
        for k in 0..K {
            g[k] = (f64::from(record.gradient[k]) / weights[model][k]) as f32;
        }
        self.take(record, model, g);
        (record.gradient, record.drift) = ([if touched { 0.0 } else { -0.0 }; K], [0.0; K]);
    }

    /// Catches up on the steps that a feature's blocks missed since step `since`.
    #[inline(always)]
    pub(crate) fn catch_up<F: Form<K>>(&self, record: &mut [Record<K>], since: u64, form: &F) {
        if since == self.number {
            return;
        }
        for (b, block) in record.iter_mut().enumerate() {
            self.catch_up_lanes(block, form.model_of(b), &[since; K]);
        }
    }

    /// Catches up on the steps that lane `k` of a block of model `model` missed since step `since`.
    #[inline(never)]
    pub(super) fn catch_up_lane(&self, block: &mut Record<K>, model: usize, k: usize, since: u64) {
        let lane = Lane { weight: block.weight[k], accumulator: block.accumulator[k], drift: block.drift[k] };
        let terms = Terms { rate: f64::from(self.rates[model][k]), penalty: self.penalty(model, k) };
        if !R::DECAYS && terms.penalty.is_none() {
            return;
        }
        let lane = self.absent(terms, lane, since);
        block.weight[k] = lane.weight;
        block.accumulator[k] = lane.accumulator;
        block.drift[k] = lane.drift;
    }

    /// What becomes of a lane in its absence since step `at`: in one part where the rate is constant, in as
    /// many as are needed to take each at its mean rate where it is not.
    fn absent(&self, terms: Terms, mut lane: Lane, mut at: u64) -> Lane {
        let mut steps = self.number - at;
        while at < self.number {
            steps = steps.min(self.number - at);
            let after = self.idle(terms, lane, at, steps);
            let change = (after.weight - lane.weight).abs();
            if steps > 1 && !R::STEADY && !self.is_steady(change, lane.weight, at, steps) {
                steps = steps.div_ceil(4);
                continue;
            }
            let drift = if R::AVERAGES && after.weight != lane.weight {
                let clock = self.clock_of_change(terms, lane, after, at, steps);
                lane.drift + (after.weight - lane.weight) * clock
            } else {
                after.drift
            };
            lane = Lane { drift, ..after };
            at += steps;
            steps *= 2;
        }
        lane
    }

    fn idle(&self, terms: Terms, mut lane: Lane, at: u64, steps: u64) -> Lane {
        let rate = (terms.rate * self.schedule.mean(at, at + steps)) as f32;
        self.rule.idle(&Absence { rate, penalty: terms.penalty, steps, until: at + steps }, &mut lane);
        lane
    }

    /// Whether a change of `change` in the `steps` steps from `at` on may be taken at their mean rate.
    fn is_steady(&self, change: f32, weight: f32, at: u64, steps: u64) -> bool {
        let span = (steps as f32 / (at + 1) as f32).min(1.0);
        self.schedule == Schedule::CONSTANT || change * span <= UNEVEN * weight.abs().max(UNEVEN)
    }

    /// The mean of the clock over `steps` steps from `at` on in which a lane changed from `before` to `after`,
    /// weighted by the changes.
    fn clock_of_change(&self, terms: Terms, before: Lane, after: Lane, at: u64, steps: u64) -> f32 {
        let change = after.weight - before.weight;
        let middle = 0.5 * (before.weight + after.weight);
        let from = at - self.origin;
        if !R::INERT && change.abs() <= MILD * middle.abs() {
            return mean_clock(from, steps, f64::from(-change / middle));
        }
        // How much of the change is there after half of the steps tells how fast it fades.
        let half = self.idle(terms, before, at, steps / 2);
        let share = f64::from((half.weight - before.weight) / change).clamp(0.5, 1.0 - 1e-9);
        mean_clock(from, steps, 2.0 * (share / (1.0 - share)).ln())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_clock_is_that_of_a_steady_decay() {
        for (a, n, decay) in [
            (0, 1, 0.1),
            (5, 1, 0.0),
            (3, 40, 0.0),
            (100, 50, 0.002),
            (0, 1000, 1e-4),
            (50, 1000, 1e-3),
            (20, 200, 0.05),
            (9, 5000, 0.01),
        ] {
            let (mut change, mut sum, mut product) = (1.0, 0.0, 0.0);
            for step in a..a + n {
                sum += change;
                product += change * f64::from(clock(step));
                change *= 1.0 - decay;
            }
            let mean = f64::from(mean_clock(a, n, -(n as f64) * (-decay).ln_1p()));
            assert!((mean - product / sum).abs() <= 1e-2 * product / sum + 1e-9, "{a} {n} {decay}: {mean}");
        }
    }
}
