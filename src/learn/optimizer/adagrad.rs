//! AdaGrad: the accumulator is the sum of the squared gradients.

use super::super::kernels::{choose, exp, mask};
use super::super::penalty::{Penalty, exponent, shrunk};
use super::{Absence, Lane, Move, Now, Pace, Record, Rule};

/// Up to a gain of this share of the accumulator what it does to the pace may be taken to be proportional.
const STILL: f32 = 1.0 / 16384.0;

#[derive(Debug, Clone, Copy)]
pub(crate) struct AdaGradRule {
    pub(crate) epsilon: f32,
}

impl Rule for AdaGradRule {
    const DECAYS: bool = false;
    const SQUARES: bool = true;

    #[inline(always)]
    fn step<const K: usize>(&self, now: &Now<K>, record: &mut Record<K>, g: [f32; K]) -> Move<K> {
        let mut step = Move { rates: now.rates, direction: g };
        for k in 0..K {
            let sum = record.accumulator[k] + g[k] * g[k];
            record.accumulator[k] = sum;
            step.rates[k] = now.rates[k] / (sum.sqrt() + self.epsilon);
        }
        step
    }

    #[inline(always)]
    fn pace<const K: usize>(&self, now: &Now<K>, record: &Record<K>, steps: &[f32; K]) -> Option<Pace<K>> {
        let mut pace = Pace { factors: [0.0; K], accumulators: [0.0; K], holds: [0; K] };
        for k in 0..K {
            let (sum, size, steps) = (record.accumulator[k], record.weight[k].abs(), steps[k]);
            let root = sum.sqrt();
            let factor = 1.0 / (root + self.epsilon);
            let square = (now.l2[k] * size) * (now.l2[k] * size);
            // By which share of itself the weight shrinks until the last step: the squares shrink by twice that.
            let least = choose(mask(size > f32::MIN_POSITIVE), size, f32::MIN_POSITIVE);
            let shrinks = now.l2[k] + now.l1[k] / least;
            let y = -(steps - 1.0) * now.rates[k] * factor * shrinks;
            let gain = square * steps * (1.0 + y * (1.0 + y * (2.0 / 3.0 + y * (1.0 / 3.0))));
            // A step finds its own gain in the sum, so that of n gains (n + 1) / 2 are there on average.
            let mean = 0.5 * square * (steps + 1.0) * (1.0 + 5.0 / 6.0 * y);
            let holds = mask(gain <= STILL * sum);
            let slower = choose(holds, 0.5 * (mean / sum) * (root * factor), 0.0);
            pace.factors[k] = factor - factor * slower;
            pace.accumulators[k] = sum + gain;
            pace.holds[k] = holds;
        }
        Some(pace)
    }

    /// As [`Run::decay`] has it, in one run.
    #[inline(always)]
    fn pace_of_many<const K: usize>(
        &self,
        now: &Now<K>,
        record: &Record<K>,
        steps: &[f32; K],
    ) -> Option<Pace<K>> {
        let mut pace = Pace { factors: [0.0; K], accumulators: [0.0; K], holds: [0; K] };
        for k in 0..K {
            let (sum, n) = (record.accumulator[k], steps[k]);
            let first = (now.l2[k] * record.weight[k]) * (now.l2[k] * record.weight[k]);
            // By what the weight shrinks in a step, what is left of it in the end, and by what its square shrinks in a step.
            let x = now.rates[k] * now.l2[k] / (sum.sqrt() + self.epsilon);
            let share = exp(-n * exponent(x));
            let lost = x * (2.0 - x);
            let series = (1.0 - share * share) / lost;
            let mean = first * (n - (1.0 - lost) * series) / (n * lost);
            let factor = 1.0 / ((sum + mean).sqrt() + self.epsilon);
            let x = now.rates[k] * now.l2[k] * factor;
            let share = exp(-n * exponent(x));
            pace.factors[k] = factor;
            pace.accumulators[k] = sum + first * (1.0 - share * share) / (x * (2.0 - x));
            pace.holds[k] = mask(first * series <= GROWTH as f32 * sum);
        }
        Some(pace)
    }

    fn idle(&self, absence: &Absence, lane: &mut Lane) {
        let Penalty { l1, l2 } = absence.penalty;
        let run = Run {
            rate: f64::from(absence.rate),
            l1: f64::from(l1),
            l2: f64::from(l2),
            epsilon: f64::from(self.epsilon),
        };
        let (sign, steps) = (lane.weight, absence.steps);
        let (size, sum) = (f64::from(lane.weight.abs()), f64::from(lane.accumulator));
        let (size, sum) = if l2 == 0.0 {
            // Without a gradient the accumulator stands still.
            let pull = run.rate * run.l1 / (sum.sqrt() + run.epsilon);
            (shrunk(size, 0.0, pull, steps as f64), sum)
        } else if l1 == 0.0 {
            run.decay(steps, size, sum)
        } else {
            run.decay_and_pull(steps, size, sum)
        };
        // Steps that overshoot zero leave the size negative.
        (lane.weight, lane.accumulator) = (size as f32 * 1.0f32.copysign(sign), sum as f32);
    }
}

/// Steps along the penalty alone. They have no closed form, but while the accumulator stands still the weight
/// shrinks geometrically. So steps are taken in runs over which the accumulator grows by `GROWTH` at
/// most, with its mean over the run in its place: the error of a run is of the order of
/// GROWTH^2. A run of one step is exact; where steps overshoot zero there is nothing else.
/// The accumulator soon dwarfs the penalty, so that most absences are one run.
struct Run {
    rate: f64,
    l1: f64,
    l2: f64,
    epsilon: f64,
}

const GROWTH: f64 = 1.0 / 256.0;

impl Run {
    fn decay(&self, steps: u64, mut w: f64, mut sum: f64) -> (f64, f64) {
        let &Run { rate, l2, epsilon, .. } = self;
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
        (w, sum)
    }

    /// The same with the pull of the absolute values, for `w >= 0`.
    fn decay_and_pull(&self, steps: u64, mut w: f64, mut sum: f64) -> (f64, f64) {
        let mut left = steps;
        while left > 0 && w > 0.0 {
            let first = (self.l2 * w) * (self.l2 * w);
            let rate = self.rate / (sum.sqrt() + self.epsilon);
            if first * left as f64 <= 1e-7 * sum {
                let shrunk = shrunk(w, (rate * self.l2).min(1.0 - 1e-12), rate * self.l1, left as f64);
                // As if squares shrank evenly: of what is so little, a third more or less does not matter.
                sum += self.l2 * self.l2 * left as f64 * (w * w + w * shrunk + shrunk * shrunk) / 3.0;
                return (shrunk, sum);
            }
            // Not so far that the weight loses more than a quarter.
            let lost = rate * (self.l1 + self.l2 * w) / w;
            let run = ((GROWTH * sum / first).min(0.25 / lost) as u64).clamp(1, left);
            let n = run as f64;
            let step = |sum: f64, w: f64, n: f64| {
                let rate = self.rate / (sum.sqrt() + self.epsilon);
                shrunk(w, (rate * self.l2).min(1.0 - 1e-12), rate * self.l1, n)
            };
            // A step finds its own gain in the accumulator, so that of n equal gains (n + 1) / 2 are there on average. The gain is the sum of squares at the
            // beginning of each step: Simpson's integral over the run, and half of what first and last differ.
            let gain = |end: f64, middle: f64| {
                let (start, end, middle) = (w * w, end * end, middle * middle);
                let integral = n * (start + 4.0 * middle + end) / 6.0;
                if run == 1 { first } else { self.l2 * self.l2 * (integral + 0.5 * (start - end)) }
            };
            let guess = gain(step(sum, w, n), step(sum, w, 0.5 * n));
            let at = sum + guess * (n + 1.0) / (2.0 * n);
            let (end, middle) = (step(at, w, n), step(at, w, 0.5 * n));
            sum += gain(end, middle);
            w = end;
            left -= run;
        }
        (w, sum)
    }
}

/// `1 + ratio + ratio^2 + ...`, `n` terms.
fn series(ratio: f64, n: f64) -> f64 {
    if ratio == 1.0 { n } else { (1.0 - ratio.powf(n)) / (1.0 - ratio) }
}
