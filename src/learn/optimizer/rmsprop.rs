//! RMSprop: the accumulator is the moving mean of the squared gradients.

use super::super::penalty::{Penalty, shrink};
use super::{Absence, Lane, Move, Now, Record, Rule};

#[derive(Debug, Clone, Copy)]
pub(crate) struct RmsPropRule {
    pub(crate) decay: f32,
    pub(crate) epsilon: f32,
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
        let (mut w, mut mean) = (lane.weight, lane.accumulator);
        let mut left = absence.steps;
        // Normalised steps along the penalty have no closed form: they are taken one by one, but for those that can be
        // foreseen, as long as the weight is not zero.
        while left > 0 && w != 0.0 && (l1 != 0.0 || l2 != 0.0) {
            let leap = self.leap(absence, w, mean, left);
            if leap.steps >= SHORTEST_LEAP {
                (w, mean, left) = (leap.weight, leap.mean, left - leap.steps);
                continue;
            }
            let g = l2 * w;
            mean = self.decay * mean + (1.0 - self.decay) * g * g;
            let rate = absence.rate / (mean.sqrt() + self.epsilon);
            // The textbook's weight swings about zero for ever, by less than a step; this one stays there.
            w = shrink(w, rate * (g.abs() + l1));
            left -= 1;
        }
        mean = (f64::from(mean) * f64::from(self.decay).powf(left as f64)) as f32;
        (lane.weight, lane.accumulator) = (w, mean);
    }
}

/// Many steps of an absent weight at once.
struct Leap {
    steps: u64,
    weight: f32,
    mean: f32,
}

/// Fewer steps are taken one by one.
const SHORTEST_LEAP: u64 = 8;
/// A weight that is this share of a step is zero.
const NOTHING: f64 = 1e-10;

impl RmsPropRule {
    /// The steps that can be foreseen: as long as the penalty's gradient adds less than a ten-thousandth to the mean, that
    /// falls by itself, the `t`th step shrinks `u = |w| + l1 / l2` by its share `q_t = rate * l2 / sqrt(mean_t)`, and the
    /// shares grow geometrically. The logarithm of what is left is summed up to their fourth powers, as far as they
    /// are below a seventh.
    fn leap(&self, absence: &Absence, w: f32, mean: f32, left: u64) -> Leap {
        let [rate, l1, l2] = [absence.rate, absence.penalty.l1, absence.penalty.l2].map(f64::from);
        let [decay, epsilon] = [self.decay, self.epsilon].map(f64::from);
        let (size, root) = (f64::from(w.abs()), f64::from(mean).sqrt());
        // How far the root of the mean may fall.
        let least = (7.0 * rate * l2).max(1e3 * epsilon).max(100.0 * l2 * size);
        let most = (2.0 * (least / root).ln() / decay.ln()).floor();
        if most.is_nan() || most < SHORTEST_LEAP as f64 {
            return Leap { steps: 0, weight: w, mean };
        }
        let steps = left.min(most as u64);
        let fall = decay.powf(0.5 * steps as f64);
        // Sums of powers of 1 / sqrt(mean_t), the inverse roots after these steps.
        let sum =
            |power: i32| ((root * fall).powi(-power) - root.powi(-power)) / (1.0 - decay.sqrt().powi(power));
        let first = rate * (sum(1) - epsilon * sum(2));
        let size = if l2 == 0.0 {
            size - l1 * first
        } else {
            let q = rate * l2;
            let lost =
                l2 * first + q * q * sum(2) / 2.0 + q.powi(3) * sum(3) / 3.0 + q.powi(4) * sum(4) / 4.0;
            // Less what is lost, which keeps its digits where that is little.
            size + (size + l1 / l2) * (-lost).exp_m1()
        };
        let size = if size > NOTHING * rate { size as f32 } else { 0.0 };
        Leap { steps, weight: size.copysign(w), mean: (f64::from(mean) * fall * fall) as f32 }
    }
}
