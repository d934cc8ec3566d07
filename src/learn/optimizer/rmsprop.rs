//! RMSprop: the accumulator is the moving mean of the squared gradients.

use super::super::penalty::{Penalty, shrink, shrunk};
use super::{Absence, Lane, Move, Now, Record, Rule};

#[derive(Debug, Clone, Copy)]
pub(crate) struct RmsPropRule {
    decay: f32,
    epsilon: f32,
    /// Most steps of a stride.
    stride: usize,
    /// Powers of the decay: halves of 0, 1, 2, ... up to twice as many.
    powers: [f64; 2 * LONGEST_STRIDE + 1],
}

/// Longer absences are gone through in strides and leaps, shorter ones in leaps alone, and step by step where these are too
/// short.
const MOST_ONE_BY_ONE: u64 = 1 << 10;
/// By how much the mean falls in a stride at the most, what share of a weight goes, and most steps.
const STRIDE_FALL: f64 = 0.2;
const STRIDE_SHARE: f64 = 0.2;
const LONGEST_STRIDE: usize = 32;
/// Shorter leaps are not worth it.
const SHORTEST_LEAP: u64 = LONGEST_STRIDE as u64;
/// The root of the mean that a leap begins with, over the least that it may come to.
const LEAP_FALL: f64 = 1.4;
/// By how much less leaps dare in absences whose other steps are taken one by one: they keep to torch's weights.
const CARE: f64 = 8.0;
/// A weight that is this share of a step is zero.
const NOTHING: f64 = 1e-10;

impl RmsPropRule {
    pub(crate) fn new(decay: f32, epsilon: f32) -> Self {
        let share = f64::from(decay);
        let stride = ((STRIDE_FALL / -share.ln()) as usize).clamp(1, LONGEST_STRIDE);
        let powers = std::array::from_fn(|half| share.powf(0.5 * half as f64));
        RmsPropRule { decay, epsilon, stride, powers }
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
        let Penalty { l1, l2 } = absence.penalty;
        let mut left = absence.steps;
        // What is not finite is to be found out, not to be shrunk.
        if left > MOST_ONE_BY_ONE && !absence.penalty.is_none() && lane.weight.is_finite() {
            return Idle::new(self, absence).take(left, lane);
        }
        let (mut w, mut mean) = (lane.weight, lane.accumulator);
        // Other normalised steps along the penalty than those that can be foreseen are taken one by one, as long as the weight
        // is not zero.
        if left >= SHORTEST_LEAP && w.is_finite() && !absence.penalty.is_none() {
            left -= Idle::new(self, absence).leap_if_possible(left, lane);
            (w, mean) = (lane.weight, lane.accumulator);
        }
        while left > 0 && w != 0.0 && !absence.penalty.is_none() {
            let g = l2 * w;
            mean = self.decay * mean + (1.0 - self.decay) * g * g;
            let rate = absence.rate / (mean.sqrt() + self.epsilon);
            w = shrink(w - rate * g, rate * l1);
            left -= 1;
        }
        mean = (f64::from(mean) * f64::from(self.decay).powf(left as f64)) as f32;
        (lane.weight, lane.accumulator) = (w, mean);
    }
}

/// A weight that nothing but its penalty moves, for long. As long as they can be foreseen many steps are taken at once, to a
/// thousandth or two of the weight. The textbook's weight swings about zero in the end, for ever, by a step or two; this
/// one stays there.
struct Idle<'a> {
    rule: &'a RmsPropRule,
    decay: f64,
    epsilon: f64,
    rate: f64,
    l1: f64,
    l2: f64,
}

/// The size of the weight, and the mean of the squared gradients.
struct At {
    size: f64,
    mean: f64,
}

impl<'a> Idle<'a> {
    fn new(rule: &'a RmsPropRule, absence: &Absence) -> Self {
        let [decay, epsilon] = [rule.decay, rule.epsilon].map(f64::from);
        let [rate, l1, l2] = [absence.rate, absence.penalty.l1, absence.penalty.l2].map(f64::from);
        Idle { rule, decay, epsilon, rate, l1, l2 }
    }

    /// Takes steps as if they were taken one by one.
    fn take(&self, mut left: u64, lane: &mut Lane) {
        let mut at = At { size: f64::from(lane.weight.abs()), mean: f64::from(lane.accumulator) };
        let nothing = NOTHING * self.rate;
        while left > 0 && at.size > nothing {
            left -= self.leap(&mut at, left, 1.0).unwrap_or_else(|| self.stride(&mut at, left));
        }
        if at.size <= nothing {
            at.size = 0.0;
        }
        let mean = at.mean * self.decay.powf(left as f64);
        (lane.weight, lane.accumulator) = ((at.size as f32).copysign(lane.weight), mean as f32);
    }

    /// As many steps as can be foreseen.
    fn leap_if_possible(&self, left: u64, lane: &mut Lane) -> u64 {
        let mut at = At { size: f64::from(lane.weight.abs()), mean: f64::from(lane.accumulator) };
        let steps = self.leap(&mut at, left, CARE).unwrap_or(0);
        if steps > 0 {
            (lane.weight, lane.accumulator) = ((at.size as f32).copysign(lane.weight), at.mean as f32);
        }
        steps
    }

    /// One step.
    fn step(&self, at: &mut At) -> u64 {
        let g = self.l2 * at.size;
        at.mean = self.decay * at.mean + (1.0 - self.decay) * g * g;
        let rate = self.rate / (at.mean.sqrt() + self.epsilon);
        at.size = (at.size - rate * (g + self.l1)).max(0.0);
        1
    }

    /// Some steps at the mean that they have in their middle, as many as hardly change the weight; one where the mean
    /// rises much.
    fn stride(&self, at: &mut At, left: u64) -> u64 {
        let square = |size: f64| self.l2 * self.l2 * size * size;
        let g = square(at.size);
        let mut steps = if at.mean < 0.25 * g { 1 } else { left.min(self.rule.stride as u64) as usize };
        while steps > 1 {
            let middle = g + (at.mean - g) * self.rule.powers[steps + 1];
            let rate = self.rate / (middle.sqrt() + self.epsilon);
            let (share, pull, n) = (rate * self.l2, rate * self.l1, steps as f64);
            if n * (share * at.size + pull) > STRIDE_SHARE * at.size {
                steps /= 4;
                continue;
            }
            let size = shrunk(at.size, share, pull, n);
            let g = square(0.5 * (at.size + size));
            *at = At { size, mean: g + (at.mean - g) * self.rule.powers[2 * steps] };
            return steps as u64;
        }
        self.step(at)
    }

    /// Many steps. As long as the penalty's gradient `g` is small beside the root of the mean, that falls geometrically but
    /// for what `g` adds (counted to its fourth power), and the `t`th step shrinks `|w| + l1 / l2` by its share
    /// `q_t = rate * l2 / sqrt(mean_t)`. The logarithm of what is left is summed up to the fourth powers of these, as far
    /// as they are below a seventh, and `g` below a fifth of that root: of both `care` times less.
    fn leap(&self, at: &mut At, left: u64, care: f64) -> Option<u64> {
        let Idle { decay, epsilon, rate, l1, l2, .. } = *self;
        let root = at.mean.sqrt();
        // How far the root of the mean may fall.
        let least = care * (7.0 * rate * l2).max(30.0 * epsilon).max(5.0 * l2 * at.size);
        if root <= LEAP_FALL * least {
            return None;
        }
        let steps = left.min((2.0 * (least / root).ln() / decay.ln()) as u64);
        if steps < SHORTEST_LEAP {
            return None;
        }
        let fall = decay.powf(0.5 * steps as f64);
        // Sums of powers of 1 / sqrt(decay^t * mean) over these steps.
        let sum =
            |power: i32| ((root * fall).powi(-power) - root.powi(-power)) / (1.0 - decay.sqrt().powi(power));
        let (s1, s2, s3, s4, s5) = (sum(1), sum(2), sum(3), sum(4), sum(5));
        // Of 1 / (sqrt(mean_t) + epsilon), for the square of a gradient.
        let inverse = 1.0 / at.mean;
        let all = |g: f64| {
            let first = s3 - s1 * inverse;
            let second = s5 - 2.0 * s3 * inverse + s1 * inverse * inverse;
            s1 - epsilon * s2 + epsilon * epsilon * s3 - 0.5 * g * first + 0.375 * g * g * second
        };
        let q = rate * l2;
        let powers = q.powi(2) * s2 / 2.0 + q.powi(3) * s3 / 3.0 + q.powi(4) * s4 / 4.0;
        let end = |g: f64| {
            if l2 == 0.0 {
                return at.size - l1 * rate * all(g);
            }
            at.size + (at.size + l1 / l2) * (-(q * all(g) + powers)).exp_m1()
        };
        // The gradient is the weight's in the middle, which is known once the end is known about.
        let square = |end: f64| (0.5 * l2 * (at.size + end.max(0.0))).powi(2);
        let size = end(square(end(square(at.size))));
        let g = square(size);
        *at = At { size: size.max(0.0), mean: g + (at.mean - g) * fall * fall };
        Some(steps)
    }
}
