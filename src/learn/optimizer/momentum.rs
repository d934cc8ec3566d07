//! SGD with momentum: the accumulator is the velocity.

use super::{Absence, Lane, Move, Now, Record, Rule};

#[derive(Debug, Clone, Copy)]
pub(crate) struct MomentumRule {
    pub(crate) momentum: f32,
}

impl Rule for MomentumRule {
    const DECAYS: bool = true;
    const INERT: bool = true;
    const SQUARES: bool = false;

    #[inline(always)]
    fn step<const K: usize>(&self, now: &Now<K>, record: &mut Record<K>, g: [f32; K]) -> Move<K> {
        for k in 0..K {
            record.accumulator[k] = self.momentum * record.accumulator[k] + g[k];
        }
        Move { rates: now.rates, direction: record.accumulator }
    }

    fn idle(&self, absence: &Absence, lane: &mut Lane) {
        let (rate, momentum) = (f64::from(absence.rate), f64::from(self.momentum));
        let (l1, l2) = (f64::from(absence.penalty.l1), f64::from(absence.penalty.l2));
        let (mut w, mut v) = (f64::from(lane.weight), f64::from(lane.accumulator));
        if l1 == 0.0 {
            let [a, b, c, d] = power([1.0 - rate * l2, -rate * momentum, l2, momentum], absence.steps);
            (w, v) = (a * w + b * v, c * w + d * v);
        } else {
            for step in 0..absence.steps {
                if w == 0.0 && momentum * v.abs() <= l1 {
                    v *= momentum.powf((absence.steps - step) as f64);
                    break;
                }
                v = momentum * v + l2 * w;
                let moved = w - rate * v;
                w = (moved.abs() - rate * l1).max(0.0).copysign(moved);
            }
        }
        (lane.weight, lane.accumulator) = (w as f32, v as f32);
    }
}

/// The `n`-th power of a matrix `[a, b, c, d]` of two rows. A step without a gradient of the loss is
/// linear: `v' = momentum * v + l2 * w`, `w' = w - rate * v'`.
fn power(mut base: [f64; 4], mut n: u64) -> [f64; 4] {
    let times = |x: [f64; 4], y: [f64; 4]| {
        [
            x[0] * y[0] + x[1] * y[2],
            x[0] * y[1] + x[1] * y[3],
            x[2] * y[0] + x[3] * y[2],
            x[2] * y[1] + x[3] * y[3],
        ]
    };
    let mut result = [1.0, 0.0, 0.0, 1.0];
    while n > 0 {
        if n % 2 == 1 {
            result = times(result, base);
        }
        base = times(base, base);
        n /= 2;
    }
    result
}
