//! FTRL-Proximal: the accumulator is `n`, the drift `z`, and the weight follows from both.

use super::super::kernels::{choose, mask};
use super::super::penalty::{Penalty, shrink};
use super::{Absence, Lane, Move, Now, Record, Rule};

#[derive(Debug, Clone, Copy)]
pub(crate) struct FtrlRule {
    pub(crate) beta: f32,
}

impl FtrlRule {
    /// The weight after `steps` steps.
    #[inline(always)]
    fn weight(self, rate: f32, penalty: Penalty, steps: f32, n: f32, z: f32) -> f32 {
        let free = shrink(z, steps * penalty.l1);
        // Not by the formula, which is 0 / 0 for a feature that was never seen if beta is 0.
        choose(mask(free == 0.0), 0.0, -free / ((self.beta + n.sqrt()) / rate + steps * penalty.l2))
    }

    /// The `z` of which a weight follows: for going on with a model of which only weights are kept.
    pub(super) fn z(self, rate: f32, penalty: Penalty, steps: u64, n: f32, weight: f32) -> f32 {
        let steps = steps as f32;
        let size = weight.abs() * ((self.beta + n.sqrt()) / rate + steps * penalty.l2);
        if weight == 0.0 { 0.0 } else { -(size + steps * penalty.l1).copysign(weight) }
    }
}

impl Rule for FtrlRule {
    const DECAYS: bool = false;
    const SQUARES: bool = true;
    const AVERAGES: bool = false;

    #[inline(always)]
    fn step<const K: usize>(&self, now: &Now<K>, record: &mut Record<K>, g: [f32; K]) -> Move<K> {
        let steps = (now.number + 1) as f32;
        for k in 0..K {
            let before = record.accumulator[k];
            let n = before + g[k] * g[k];
            record.accumulator[k] = n;
            let sigma = (n.sqrt() - before.sqrt()) / now.rates[k];
            record.drift[k] += g[k] - sigma * record.weight[k];
            let penalty = Penalty { l1: now.l1[k], l2: now.l2[k] };
            record.weight[k] = self.weight(now.rates[k], penalty, steps, n, record.drift[k]);
        }
        Move { rates: now.rates, direction: g }
    }

    fn idle(&self, absence: &Absence, lane: &mut Lane) {
        let steps = absence.until as f32;
        lane.weight = self.weight(absence.rate, absence.penalty, steps, lane.accumulator, lane.drift);
    }

    fn restore(&self, rate: f32, penalty: Penalty, steps: u64, lane: &mut Lane) {
        // What is kept may come from another rate or penalty, at which it meant another weight.
        if lane.weight != self.weight(rate, penalty, steps as f32, lane.accumulator, lane.drift) {
            lane.drift = self.z(rate, penalty, steps, lane.accumulator, lane.weight);
        }
    }
}
