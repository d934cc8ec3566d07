//! A model that was saved goes on learning as if nothing had happened.

use millstream::learn::{Alone, Iterate, Settings, Weights, learner};

use super::data::{SOME, at, combinations, mixed_rows, steps};

/// The largest deviation, relative to numbers of the order of 0.01.
fn deviation(a: &Weights, b: &Weights) -> f32 {
    let all = |w: &Weights| {
        w.bias.iter().chain(&w.dense).chain(w.tables.iter().flatten()).copied().collect::<Vec<f32>>()
    };
    let (a, b) = (all(a), all(b));
    assert_eq!(a.len(), b.len());
    assert!(a.iter().all(|w| w.is_finite()));
    a.iter().zip(&b).map(|(a, b)| (a - b).abs() / b.abs().max(0.01)).fold(0.0, f32::max)
}

#[test]
fn a_learner_that_starts_again_equals_one_that_went_on() {
    let mut failures = Vec::new();
    for (settings, name) in combinations() {
        let settings = Settings { max_bytes: 0, ..at(&settings, 2) };
        let chunk = mixed_rows(&settings);
        let run = |saved: bool| {
            let mut margins = Vec::new();
            let mut first = learner(&settings, &Alone);
            for _ in 0..3 {
                steps(&mut *first, &chunk, 0..SOME / 2, &mut margins);
                first.end_epoch();
            }
            // Both bring all records up to date here.
            let (weights, state) = (first.weights(0, Iterate::Last), first.state(0));
            if saved {
                first = learner(&settings, &Alone);
                first.start_from(&weights, Some(&state));
                assert_eq!(first.weights(0, Iterate::Last), weights);
                assert_eq!(first.state(0), state);
            }
            steps(&mut *first, &chunk, SOME / 2..SOME, &mut margins);
            first.end_epoch();
            (first.weights(0, Iterate::Last).weights, first.state(0).accumulators)
        };
        let (again, on) = (run(true), run(false));
        let largest = deviation(&again.0, &on.0).max(deviation(&again.1, &on.1));
        println!("{name}: {largest:.1e}");
        if largest > 0.0 {
            failures.push(format!("{name}: {largest:.1e}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
