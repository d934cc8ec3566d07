//! The losses and their derivatives are those of PyTorch and scikit-learn.
//!
//! `expected/losses.py` says which numbers are compared, and makes them.

use millstream::learn::{Loss, softmax, softmax_gradient, softmax_loss};
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    cases: Vec<Case>,
    softmax: Vec<Row>,
}

#[derive(Deserialize)]
struct Case {
    loss: Loss,
    margins: Vec<f32>,
    labels: Vec<f32>,
    losses: Vec<f64>,
    gradient: Vec<f64>,
}

#[derive(Deserialize)]
struct Row {
    margins: Vec<f32>,
    label: usize,
    loss: f64,
    gradient: Vec<f64>,
}

fn expected() -> Expected {
    serde_json::from_str(include_str!("expected/losses.json")).unwrap()
}

/// Whether a number in float32 is the expected one, up to a few units in the last place of what it is
/// computed from, which is of the size of `size`.
fn same(a: f32, b: f64, size: f64) -> bool {
    (f64::from(a) - b).abs() <= 5e-7 * b.abs().max(size)
}

#[test]
fn losses_and_derivatives_equal_torch_and_scikit_learn() {
    let cases = expected().cases;
    assert_eq!(cases.len(), 12);
    for case in cases {
        let (mut losses, mut gradient) = (vec![0.0; case.margins.len()], case.margins.clone());
        case.loss.losses(&case.margins, &case.labels, &mut losses);
        case.loss.gradient(&mut gradient, &case.labels);
        for i in 0..losses.len() {
            let (m, y) = (case.margins[i], case.labels[i]);
            let place = format!("{:?} of margin {m} and label {y}", case.loss);
            let size = if case.loss == Loss::Poisson { f64::from((y * m).abs()) } else { 1e-30 };
            assert!(same(losses[i], case.losses[i], size), "{place}: {} {}", losses[i], case.losses[i]);
            let slope = case.gradient[i];
            assert!(same(gradient[i], slope, 1.0), "derivative of {place}: {} {slope}", gradient[i]);
        }
    }
}

#[test]
fn softmax_equals_torch() {
    for row in expected().softmax {
        let loss = softmax_loss(&row.margins, row.label);
        assert!(same(loss, row.loss, 1e-6), "{:?}: {loss} {}", row.margins, row.loss);
        let (mut probabilities, mut gradient) = (row.margins.clone(), row.margins.clone());
        softmax(&mut probabilities);
        softmax_gradient(&mut gradient, row.label);
        probabilities[row.label] -= 1.0;
        for (class, &slope) in row.gradient.iter().enumerate() {
            assert!(same(gradient[class], slope, 1.0), "{:?}: {gradient:?} {:?}", row.margins, row.gradient);
            assert_eq!(gradient[class].to_bits(), probabilities[class].to_bits());
        }
    }
}
