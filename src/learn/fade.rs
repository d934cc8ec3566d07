//! Fading: what becomes of the weights of features that are absent while their penalty shrinks them, all lanes of a
//! block at once, where the steps hardly differ: nearly always. The others are taken lane by lane.

use super::kernels::{choose, mask};
use super::optimizer::Rule;
use super::record::Record;
use super::schedule::Schedule;
use super::step::{MILD, Step};

/// Weights may lose so much of themselves in a step, and in all steps.
const MOST_IN_A_STEP: f32 = 1.0 / 256.0;
const MOST: f32 = 0.25;

impl<R: Rule, const K: usize> Step<R, K> {
    /// Takes the steps that the lanes of a block of model `model` missed since some other steps, in the lanes where that can
    /// be done at once: gives the masks of those that missed any for which it
    /// could not, and which are as they were.
    ///
    /// Of `n` steps `w = (1 - x) w - p` with `w > 0` what is left of `w` is `(1 - x)^n w - p (1 - (1 - x)^n) / x`.
    #[inline(always)]
    pub(crate) fn fade(&self, record: &mut Record<K>, model: usize, since: &[u64; K]) -> [u32; K] {
        let (mut left, mut steps, mut from) = ([0; K], [0.0; K], [0.0; K]);
        for k in 0..K {
            left[k] = mask(since[k] < self.number);
            // (Signed ones become floats in one instruction.)
            steps[k] = (self.number - since[k]).cast_signed() as f32;
            from[k] = (since[k] - self.origin).cast_signed() as f32;
        }
        if self.schedule != Schedule::CONSTANT {
            return left;
        }
        let now = self.now(model);
        let Some(pace) = self.rule.pace(&now, record, &steps) else { return left };
        for k in 0..K {
            let (n, from) = (steps[k], from[k]);
            let (weight, rate) = (record.weight[k], now.rates[k] * pace.factors[k]);
            let (size, x, pull) = (weight.abs(), rate * now.l2[k], rate * now.l1[k]);
            // n ln(1 - x) = -x m, and (exp(y) - 1) / y, both as series.
            let m = n * (1.0 + x * (0.5 + x * (1.0 / 3.0 + x * 0.25)));
            let y = -x * m;
            let series = 1.0 / 24.0 + y * (1.0 / 120.0 + y * (1.0 / 720.0));
            let share = m * (1.0 + y * (0.5 + y * (1.0 / 6.0 + y * series)));
            let size_left = size - (size * x + pull) * share;
            let after = choose(mask(size_left > 0.0), size_left, 0.0).copysign(weight);
            let change = after - weight;
            // The mean of the clock over the steps, as in `mean_clock`.
            let middle = 0.5 * (weight + after);
            let tilt = -change / middle * ((n * n - 1.0) / (12.0 * n));
            let first = 0.5 * (n - 1.0) - tilt;
            let second = (n - 1.0) * ((2.0 * n - 1.0) * (1.0 / 6.0) - tilt);
            let clock = from * from + 2.0 * from * first + second;
            let drift = record.drift[k] + choose(mask(change == 0.0), 0.0, change * clock);
            let holds = left[k] & pace.holds[k] & mask(x <= MOST_IN_A_STEP) & mask(n * x <= MOST);
            let holds = holds & mask(change.abs() <= MILD * middle.abs());
            record.weight[k] = choose(holds, after, weight);
            record.drift[k] = choose(holds, drift, record.drift[k]);
            record.accumulator[k] = choose(holds, pace.accumulators[k], record.accumulator[k]);
            left[k] &= !holds;
        }
        left
    }
}
