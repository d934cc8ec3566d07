//! Absent features end where as many steps without a gradient would have brought them.

use super::super::penalty::shrink;
use super::*;

/// A lane after `steps` calls of `step` with the gradient of the penalty alone.
fn stepped<R: Rule>(rule: R, penalty: Penalty, steps: u64, start: Lane) -> Lane {
    let mut record = Record::<1> {
        weight: [start.weight],
        accumulator: [start.accumulator],
        gradient: [0.0],
        drift: [start.drift],
    };
    for number in 10..10 + steps {
        let g = [if R::AVERAGES { penalty.l2 * record.weight[0] } else { 0.0 }];
        let step =
            rule.step(&Now { rates: [0.1], l1: [penalty.l1], l2: [penalty.l2], number }, &mut record, g);
        if R::AVERAGES {
            let moved = record.weight[0] - step.rates[0] * step.direction[0];
            record.weight[0] = shrink(moved, step.rates[0] * penalty.l1);
        }
    }
    Lane { weight: record.weight[0], accumulator: record.accumulator[0], drift: record.drift[0] }
}

fn idle_equals_steps<R: Rule>(rule: R, penalty: Penalty, steps: u64, start: Lane) {
    let expected = stepped(rule, penalty, steps, start);
    let mut lane = start;
    rule.idle(&Absence { rate: 0.1, penalty, steps, until: 10 + steps }, &mut lane);
    let close = |a: f32, b: f32| (a - b).abs() <= 1e-3 * b.abs().max(1e-3);
    assert!(
        close(lane.weight, expected.weight) && close(lane.accumulator, expected.accumulator),
        "{steps} steps of {penalty:?}: {lane:?} for {expected:?}"
    );
}

#[test]
fn absent_features_decay_as_if_they_had_been_stepped() {
    let start = Lane { weight: 0.8, accumulator: 0.3, drift: 0.0 };
    let ftrl = FtrlRule { beta: 0.5 };
    for steps in [1, 3, 64, 1000, 5000] {
        for (l1, l2) in [(0.0, 1e-4), (0.0, 1e-2), (1e-4, 0.0), (1e-3, 0.0), (1e-4, 1e-3), (1e-3, 1e-2)] {
            let penalty = Penalty { l1, l2 };
            idle_equals_steps(SgdRule, penalty, steps, start);
            idle_equals_steps(AdaGradRule { epsilon: 1e-10 }, penalty, steps, start);
            // Later on the textbook's weight swings about zero.
            if steps <= 1000 {
                idle_equals_steps(RmsPropRule::new(0.99, 1e-8), penalty, steps, start);
            }
            idle_equals_steps(MomentumRule { momentum: 0.9 }, penalty, steps, start);
            let z = ftrl.z(0.1, penalty, 10, start.accumulator, start.weight);
            idle_equals_steps(ftrl, penalty, steps, Lane { drift: z, ..start });
        }
        idle_equals_steps(RmsPropRule::new(0.99, 1e-8), Penalty::NONE, steps, start);
        idle_equals_steps(MomentumRule { momentum: 0.9 }, Penalty::NONE, steps, start);
    }
}

/// Steps of RMSprop in f64, whose own rounding no f32 shows.
fn rmsprop_idle_equals_steps(rate: f32, penalty: Penalty, steps: u64, weight: f32, accumulator: f32) {
    let rule = RmsPropRule::new(0.99, 1e-8);
    let [decay, epsilon, l1, l2] = [0.99f32, 1e-8, penalty.l1, penalty.l2].map(f64::from);
    let (mut w, mut mean) = (f64::from(weight), f64::from(accumulator));
    for _ in 0..steps {
        let g = l2 * w;
        mean = decay * mean + (1.0 - decay) * g * g;
        let rate = f64::from(rate) / (mean.sqrt() + epsilon);
        let moved = w - rate * g;
        w = (moved.abs() - rate * l1).max(0.0).copysign(moved);
    }
    let mut lane = Lane { weight, accumulator, drift: 0.0 };
    rule.idle(&Absence { rate, penalty, steps, until: steps }, &mut lane);
    let off = (f64::from(lane.weight) - w).abs();
    let off_mean = (f64::from(lane.accumulator) - mean).abs() / (mean + 1e-30);
    // Where the textbook's weight swings about zero it may be anywhere within two steps, and so may the mean.
    let swings = off > 0.0 && w.abs().max(f64::from(lane.weight.abs())) <= 2.0 * f64::from(rate);
    assert!(
        swings || off < 2e-3 * f64::from(weight.abs()) && off_mean < 2e-2,
        "{steps} steps of {rate}, {penalty:?} from {weight}, {accumulator}: {lane:?} for {w}, {mean}"
    );
}

#[test]
fn rmsprop_leaps_over_what_it_foresees() {
    for steps in [7, 300, 1024, 1025, 3000] {
        for (rate, weight) in [(0.001, 0.02), (0.01, -0.3), (0.01, 0.1), (0.03, 2.5)] {
            for (l1, l2) in [(0.0, 1e-6), (0.0, 1e-4), (0.0, 1e-2), (1e-6, 1e-6), (1e-5, 1e-4), (1e-5, 0.0)] {
                for accumulator in [1e-8, 1e-5, 1e-4, 1e-2, 1.0] {
                    rmsprop_idle_equals_steps(rate, Penalty { l1, l2 }, steps, weight, accumulator);
                }
            }
        }
    }
    // Weights that fade for long after the mean has come down to what keeps steps finite.
    for (rate, l2) in [(0.01, 1e-7), (0.003, 1e-6), (0.001, 1e-5), (0.01, 1e-9)] {
        for steps in [20_000, 1 << 32] {
            let penalty = Penalty { l1: 0.0, l2 };
            if steps < 1 << 20 {
                rmsprop_idle_equals_steps(rate, penalty, steps, 0.05, 1e-4);
            }
            // One by one, so many would take a minute.
            let mut lane = Lane { weight: 0.05, accumulator: 1e-4, drift: 0.0 };
            let rule = RmsPropRule::new(0.99, 1e-8);
            rule.idle(&Absence { rate, penalty, steps, until: steps }, &mut lane);
        }
    }
}

/// Compares with steps in f64, whose own rounding no f32 shows.
fn adagrad_idle_equals_steps(rate: f32, penalty: Penalty, steps: u64, weight: f32, accumulator: f32) {
    let (l1, l2) = (f64::from(penalty.l1), f64::from(penalty.l2));
    let (mut w, mut sum) = (f64::from(weight), f64::from(accumulator));
    for _ in 0..steps {
        let g = l2 * w;
        sum += g * g;
        let rate = f64::from(rate) / (sum.sqrt() + 1e-10);
        let moved = w - rate * g;
        w = (moved.abs() - rate * l1).max(0.0).copysign(moved);
    }
    let mut lane = Lane { weight, accumulator, drift: 0.0 };
    AdaGradRule { epsilon: 1e-10 }.idle(&Absence { rate, penalty, steps, until: steps }, &mut lane);
    let off = (f64::from(lane.weight) - w).abs() / w.abs().max(f64::from(weight.abs()));
    let off_sum = (f64::from(lane.accumulator) - sum).abs() / sum;
    let tolerance = if l1 == 0.0 { 1e-6 } else { 5e-5 };
    assert!(
        off < tolerance && off_sum < 10.0 * tolerance,
        "{steps} steps of {rate}, {penalty:?} from {weight}, {accumulator}: {lane:?} for {w}, {sum}"
    );
}

#[test]
fn adagrad_decays_by_the_penalty_however_small_the_accumulator() {
    for steps in [1, 2, 127, 128, 1000, 20_000] {
        for (rate, weight) in [(0.02, 2.5), (0.25, -0.3), (1.2, 0.01)] {
            for (l1, l2) in [(0.0, 1e-6), (0.0, 1e-4), (0.0, 1e-2), (1e-6, 1e-6), (1e-5, 1e-4), (1e-4, 0.0)] {
                for accumulator in [1e-8, 1e-6, 1e-4, 1e-2, 1.0] {
                    adagrad_idle_equals_steps(rate, Penalty { l1, l2 }, steps, weight, accumulator);
                }
            }
        }
    }
}
