//! RMSprop: the accumulator is the moving mean of the squared gradients.

use super::super::penalty::shrunk;
use super::{Absence, Lane, Move, Now, Record, Rule};

#[derive(Debug, Clone, Copy)]
pub(crate) struct RmsPropRule {
    decay: f32,
    epsilon: f32,
    stride: Stride,
}

/// Some steps at once.
#[derive(Debug, Clone, Copy)]
struct Stride {
    steps: u64,
    /// What is left of the mean after them, and in their middle.
    after: f64,
    middle: f64,
}

/// By how much the mean falls in a stride, about, and what share of a weight goes at the most.
const STRIDE_FALL: f64 = 0.2;
const STRIDE_SHARE: f64 = 0.2;
/// Shorter strides are not worth it, nor are shorter leaps.
const SHORTEST_STRIDE: u64 = 4;
const SHORTEST_LEAP: u64 = 32;
/// The root of the mean that a leap begins with, over the least that it may come to.
const LEAP_FALL: f64 = 1.4;
/// A weight that is this share of a step is zero.
const NOTHING: f64 = 1e-10;

impl RmsPropRule {
    pub(crate) fn new(decay: f32, epsilon: f32) -> Self {
        let share = f64::from(decay);
        let steps = (STRIDE_FALL / -share.ln()) as u64;
        let (after, middle) = (share.powf(steps as f64), share.powf(0.5 * (steps + 1) as f64));
        RmsPropRule { decay, epsilon, stride: Stride { steps, after, middle } }
    }
}

impl Rule for RmsPropRule {
    const DECAYS: bool = true;
    const SQUARES: bool = true;

    #[inline(always)]
    fn step<const K: usize>(&self, now: &Now<K>, record: &mut Record<K>, g: [f32; K]) -> Move<K> {
        let mut step = Move { rates: now.rates, direction: g };
        for k in 0..K {
            let mean = self.decay * record.accumulator[k] + (1.0 - self.decay) * g[k] * g[k];
            record.accumulator[k] = mean;
            step.rates[k] = now.rates[k] / (mean.sqrt() + self.epsilon);
        }
        step
    }

    fn idle(&self, absence: &Absence, lane: &mut Lane) {
        let mut left = absence.steps;
        let mut at = At { size: f64::from(lane.weight.abs()), mean: f64::from(lane.accumulator) };
        // What is not finite is to be found out, not to be shrunk.
        if !absence.penalty.is_none() && at.size.is_finite() {
            let idle = Idle::new(self, absence);
            while left > 0 && at.size != 0.0 {
                let many = idle.leap(&mut at, left).or_else(|| idle.stride(&mut at, left));
                left -= many.unwrap_or_else(|| idle.step(&mut at));
            }
        }
        let mean = at.mean * f64::from(self.decay).powf(left as f64);
        (lane.weight, lane.accumulator) = ((at.size as f32).copysign(lane.weight), mean as f32);
    }
}

/// A weight that nothing but its penalty moves. Normalised steps along it have no closed form; but as long as they can be
/// foreseen many are taken at once. The textbook's weight swings about zero for ever, by a step or two; this one
/// stays there.
struct Idle {
    decay: f64,
    epsilon: f64,
    rate: f64,
    l1: f64,
    l2: f64,
    stride: Stride,
}

/// The size of the weight, and the mean of the squared gradients.
struct At {
    size: f64,
    mean: f64,
}

impl Idle {
    fn new(rule: &RmsPropRule, absence: &Absence) -> Self {
        let [decay, epsilon] = [rule.decay, rule.epsilon].map(f64::from);
        let [rate, l1, l2] = [absence.rate, absence.penalty.l1, absence.penalty.l2].map(f64::from);
        Idle { decay, epsilon, rate, l1, l2, stride: rule.stride }
    }

    /// One step.
    fn step(&self, at: &mut At) -> u64 {
        let g = self.l2 * at.size;
        at.mean = self.decay * at.mean + (1.0 - self.decay) * g * g;
        let rate = self.rate / (at.mean.sqrt() + self.epsilon);
        at.size = (at.size - rate * (g + self.l1)).max(0.0);
        1
    }

    /// Some steps at the mean that they have in their middle, if the weight hardly changes in them and the mean does not
    /// rise much.
    fn stride(&self, at: &mut At, left: u64) -> Option<u64> {
        let square = |size: f64| self.l2 * self.l2 * size * size;
        let g = square(at.size);
        let Stride { steps, after, middle } = self.stride;
        if left < steps || steps < SHORTEST_STRIDE || at.mean < 0.25 * g {
            return None;
        }
        let rate = self.rate / ((g + (at.mean - g) * middle).sqrt() + self.epsilon);
        let (share, pull) = (rate * self.l2, rate * self.l1);
        if steps as f64 * (share * at.size + pull) > STRIDE_SHARE * at.size {
            return None;
        }
        let size = shrunk(at.size, share, pull, steps as f64);
        let g = square(0.5 * (at.size + size));
        *at = At { size, mean: g + (at.mean - g) * after };
        Some(steps)
    }

    /// Many steps: as long as the penalty's gradient adds less than a ten-thousandth to the mean, that falls by itself,
    /// the `t`th step shrinks `|w| + l1 / l2` by its share `q_t = rate * l2 / sqrt(mean_t)`, and the shares grow
    /// geometrically. The logarithm of what is left is summed up to their fourth powers, as far as they are below a
    /// seventh.
    fn leap(&self, at: &mut At, left: u64) -> Option<u64> {
        let Idle { decay, epsilon, rate, l1, l2, .. } = *self;
        let root = at.mean.sqrt();
        // How far the root of the mean may fall.
        let least = (7.0 * rate * l2).max(30.0 * epsilon).max(100.0 * l2 * at.size);
        if root <= LEAP_FALL * least {
            return None;
        }
        let steps = left.min((2.0 * (least / root).ln() / decay.ln()) as u64);
        if steps < SHORTEST_LEAP {
            return None;
        }
        let fall = decay.powf(0.5 * steps as f64);
        // Sums of powers of 1 / sqrt(mean_t) over these steps, and of 1 / (sqrt(mean_t) + epsilon).
        let sum =
            |power: i32| ((root * fall).powi(-power) - root.powi(-power)) / (1.0 - decay.sqrt().powi(power));
        let first = rate * (sum(1) - epsilon * sum(2) + epsilon * epsilon * sum(3));
        let size = if l2 == 0.0 {
            at.size - l1 * first
        } else {
            let q = rate * l2;
            let lost =
                l2 * first + q * q * sum(2) / 2.0 + q.powi(3) * sum(3) / 3.0 + q.powi(4) * sum(4) / 4.0;
            at.size + (at.size + l1 / l2) * (-lost).exp_m1()
        };
        let size = if size > NOTHING * rate { size } else { 0.0 };
        *at = At { size, mean: at.mean * fall * fall };
        Some(steps)
    }
}
