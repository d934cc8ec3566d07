//! Schedules: how the learning rate changes with time.

use serde::{Deserialize, Serialize};

/// What the learning rate is multiplied by at each step: `min(1, (t + 1) / warm_up) * (t + 1)^-power`
/// at step `t` from 0. A power of 0 is a constant rate; other powers are the inverse scaling of
/// scikit-learn's `SGDClassifier`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Schedule {
    /// How fast the rate falls: 0 for not at all, 0.5 for the inverse square root.
    pub power: f32,
    /// Steps over which the rate rises to its full size; 0 for none.
    pub warm_up: u64,
}

impl Schedule {
    /// The rate stays as it is.
    pub const CONSTANT: Schedule = Schedule { power: 0.0, warm_up: 0 };

    /// The factor of step `step`.
    pub fn factor(&self, step: u64) -> f32 {
        if *self == Schedule::CONSTANT {
            return 1.0;
        }
        let t = step as f64 + 1.0;
        let warmth = if step < self.warm_up { t / self.warm_up as f64 } else { 1.0 };
        (warmth * t.powf(-f64::from(self.power))) as f32
    }

    /// The mean factor of the steps from `from` to before `to`, of which there is at least one.
    pub(crate) fn mean(&self, from: u64, to: u64) -> f64 {
        if *self == Schedule::CONSTANT {
            return 1.0;
        }
        let power = f64::from(self.power);
        let warm = self.warm_up.clamp(from, to);
        let mut sum = 0.0;
        if warm > from {
            sum += powers(from, warm, 1.0 - power) / self.warm_up as f64;
        }
        if to > warm {
            sum += powers(warm, to, -power);
        }
        sum / (to - from) as f64
    }
}

/// The sum of `(t + 1)^power` for t from `from` to before `to`: the first few one by one, the others by the
/// Euler-Maclaurin formula, which is then right to about ten digits.
fn powers(from: u64, to: u64, power: f64) -> f64 {
    const SINGLY: u64 = 16;
    let middle = SINGLY.clamp(from, to);
    let first: f64 = (from..middle).map(|t| (t as f64 + 1.0).powf(power)).sum();
    if middle == to {
        return first;
    }
    let (a, b) = (middle as f64 + 1.0, to as f64);
    let integral = if power == -1.0 {
        (b / a).ln()
    } else {
        (b.powf(power + 1.0) - a.powf(power + 1.0)) / (power + 1.0)
    };
    let ends = 0.5 * (a.powf(power) + b.powf(power));
    let bend = power / 12.0 * (b.powf(power - 1.0) - a.powf(power - 1.0));
    first + integral + ends + bend
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_those_of_the_factors() {
        for (power, warm_up) in [(0.0, 0), (0.5, 0), (0.25, 100), (1.0, 7), (0.5, 3), (0.0, 50)] {
            let schedule = Schedule { power, warm_up };
            for (from, to) in [(0, 1), (0, 1000), (3, 5), (5, 40), (40, 60), (90, 5000), (16, 17), (2, 100)] {
                let sum: f64 = (from..to).map(|t| f64::from(schedule.factor(t))).sum();
                let mean = sum / (to - from) as f64;
                let quick = schedule.mean(from, to);
                assert!((quick / mean - 1.0).abs() < 1e-6, "{schedule:?} {from}..{to}: {quick} {mean}");
            }
        }
    }
}
