//! Fading: what becomes of the weights of features that are absent while their penalty shrinks them, all lanes of a
//! block at once, where that has a closed form: nearly always. The others are taken lane by lane.

use super::kernels::{choose, exp, mask};
use super::optimizer::Rule;
use super::penalty::{exponent, exponent_over};
use super::record::Record;
use super::schedule::Schedule;
use super::step::{MILD, Step};

/// Weights may lose so much of themselves in a step.
const MOST_IN_A_STEP: f32 = 1.0 / 256.0;
/// What they lose in all steps is little, or much: between the two it may be either.
const LITTLE: f32 = 0.25;
const MUCH: f32 = 0.2;
/// An exponent beyond which nothing is left.
const NOTHING: f32 = 87.0;

/// The steps that the lanes of a block missed.
struct Missed<const K: usize> {
    /// The masks of those that missed any.
    lanes: [u32; K],
    /// How many each missed.
    steps: [f32; K],
    /// Steps of averaging before these.
    from: [f32; K],
}

impl<R: Rule, const K: usize> Step<R, K> {
    /// Catches up on the steps that each lane of a block of model `model` missed since those of `since`.
    #[inline(always)]
    pub(crate) fn catch_up_lanes(&self, block: &mut Record<K>, model: usize, since: &[u64; K]) {
        let mut missed = Missed { lanes: [0; K], steps: [0.0; K], from: [0.0; K] };
        for k in 0..K {
            // Where there is no weight nothing happens, unless the rule moves weights by itself.
            missed.lanes[k] = mask(since[k] < self.number) & mask(R::DECAYS | (block.weight[k] != 0.0));
            // (Signed ones become floats in one instruction.)
            missed.steps[k] = (self.number - since[k]).cast_signed() as f32;
            missed.from[k] = (since[k] - self.origin).cast_signed() as f32;
        }
        if self.schedule == Schedule::CONSTANT {
            self.fade(block, model, &mut missed);
            if missed.lanes != [0; K] {
                self.fade_much(block, model, &mut missed);
            }
        }
        if missed.lanes != [0; K] {
            for k in 0..K {
                if missed.lanes[k] != 0 {
                    self.catch_up_lane(block, model, k, since[k]);
                }
            }
        }
    }

    /// Takes the steps that lanes missed where these hardly change their weights: they are not missed any more.
    ///
    /// Of `n` steps `w = (1 - x) w - p` with `w > 0` what is left of `w` is `(1 - x)^n w - p (1 - (1 - x)^n) / x`.
    #[inline(always)]
    fn fade(&self, record: &mut Record<K>, model: usize, missed: &mut Missed<K>) {
        let now = self.now(model);
        let Some(pace) = self.rule.pace(&now, record, &missed.steps) else { return };
        for k in 0..K {
            let (n, from) = (missed.steps[k], missed.from[k]);
            let (weight, rate) = (record.weight[k], now.rates[k] * pace.factors[k]);
            let (size, x, pull) = (weight.abs(), rate * now.l2[k], rate * now.l1[k]);
            // n ln(1 - x) = -x m, and (exp(y) - 1) / y, both as series.
            let m = n * exponent_over(x);
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
            let holds = missed.lanes[k] & pace.holds[k] & mask(x <= MOST_IN_A_STEP) & mask(n * x <= LITTLE);
            let holds = holds & mask(change.abs() <= MILD * middle.abs());
            record.weight[k] = choose(holds, after, weight);
            record.drift[k] = choose(holds, drift, record.drift[k]);
            record.accumulator[k] = choose(holds, pace.accumulators[k], record.accumulator[k]);
            missed.lanes[k] &= !holds;
        }
    }

    /// The same where weights lose much, and only their squares cost.
    #[inline(always)]
    fn fade_much(&self, record: &mut Record<K>, model: usize, missed: &mut Missed<K>) {
        let now = self.now(model);
        let Some(pace) = self.rule.pace_of_many(&now, record, &missed.steps) else { return };
        for k in 0..K {
            let (n, from, weight) = (missed.steps[k], missed.from[k], record.weight[k]);
            let x = now.rates[k] * pace.factors[k] * now.l2[k];
            let fade = n * exponent(x);
            let share = exp(-fade);
            let after = choose(mask(fade < NOTHING), weight * share, 0.0f32.copysign(weight));
            let change = after - weight;
            // As in `mean_clock`.
            let rest = share / (1.0 - share);
            let turn = 1.0 / fade;
            let first = n * (turn - rest) - 0.5;
            let first = choose(mask(first > 0.0), first, 0.0);
            let second = n * n * (2.0 * turn * turn - rest * (1.0 + 2.0 * turn)) - first;
            let second = choose(mask(second > first * first), second, first * first);
            let clock = from * from + 2.0 * from * first + second;
            let holds = missed.lanes[k] & pace.holds[k] & mask(x <= MOST_IN_A_STEP) & mask(fade >= MUCH);
            let holds = holds & mask(now.l1[k] == 0.0);
            record.weight[k] = choose(holds, after, weight);
            record.drift[k] = choose(holds, record.drift[k] + change * clock, record.drift[k]);
            record.accumulator[k] = choose(holds, pace.accumulators[k], record.accumulator[k]);
            missed.lanes[k] &= !holds;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::optimizer::{AdaGradRule, SgdRule};
    use super::*;

    const STEPS: [u64; 8] = [0, 1, 2, 30, 500, 4000, 20_000, 50_000];
    const START: u64 = 1000;

    /// Lanes that missed as many steps as `STEPS` says, and each of them step by step in f64.
    fn agrees<R: Rule>(rule: R, rate: f32, (l1, l2): (f32, f32), weight: f32, sum: f32) {
        let all = |x: f32| [[x; 8]; 4];
        let now = START + 50_000;
        let step =
            Step::new(rule, all(rate), Schedule::CONSTANT, (all(l1), all(l2)), false, now).at(now, START);
        let since = STEPS.map(|steps| now - steps);
        let mut record =
            Record::<8> { weight: [weight; 8], accumulator: [sum; 8], gradient: [0.0; 8], drift: [3.0; 8] };
        step.catch_up_lanes(&mut record, 0, &since);
        for k in 0..8 {
            let [rate, l1, l2] = [rate, l1, l2].map(f64::from);
            let (mut w, mut total, mut drift) = (f64::from(weight), f64::from(sum), 3.0);
            for number in since[k]..now {
                let g = l2 * w;
                let pace = if R::SQUARES {
                    total += g * g;
                    rate / (total.sqrt() + 1e-10)
                } else {
                    rate
                };
                let moved = w - pace * g;
                let after = (moved.abs() - pace * l1).max(0.0).copysign(moved);
                drift += (after - w) * ((number - START) as f64).powi(2);
                w = after;
            }
            let what = format!("{} steps of {rate}, {l1}, {l2} from {weight}, {sum}", STEPS[k]);
            let off = |found: f32, expected: f64, scale: f64| (f64::from(found) - expected).abs() / scale;
            assert!(
                off(record.weight[k], w, f64::from(weight.abs()) + 1e-30) < 1e-4,
                "{what}: {record:?}, {w}"
            );
            assert!(off(record.accumulator[k], total, total + 1e-30) < 1e-3, "{what}: {record:?}, {total}");
            // (When a weight comes to nothing by its absolute value is not told exactly: see `Step::absent`.)
            let moved = f64::from(weight.abs()) * ((now - START) as f64).powi(2);
            let is_told = l1 == 0.0 || w != 0.0;
            assert!(
                !is_told || off(record.drift[k], drift, moved + 1e-30) < 2e-2,
                "{what}: {record:?}, {drift}"
            );
        }
    }

    #[test]
    fn lanes_fade_as_if_they_had_been_stepped() {
        for (rate, weight) in [(0.05, 0.3), (0.5, -0.01), (0.01, 4.0), (0.1, 0.0)] {
            for penalty in [(0.0, 1e-7), (0.0, 1e-5), (0.0, 1e-3), (1e-6, 1e-6), (1e-5, 0.0)] {
                for sum in [1e-4, 1e-2, 3.0] {
                    agrees(AdaGradRule { epsilon: 1e-10 }, rate, penalty, weight, sum);
                }
                agrees(SgdRule, rate, penalty, weight, 0.0);
            }
        }
        agrees(AdaGradRule { epsilon: 1e-10 }, 0.1, (0.0, 1e-5), 0.0, 0.0);
    }
}
