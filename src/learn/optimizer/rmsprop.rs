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
        // Normalised steps along the penalty have no closed form: take them one by one, as long as the
        // weight is not zero.
        while left > 0 && w != 0.0 && (l1 != 0.0 || l2 != 0.0) {
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
