//! The metrics are scikit-learn's.
//!
//! `expected/metrics.py` says which figures are compared, and makes them.

use millstream::learn::Loss;
use millstream::learn::metrics::Metrics;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Expected {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    loss: Loss,
    scale: f64,
    outputs: usize,
    margins: Vec<f32>,
    labels: Vec<f32>,
    weights: Vec<f32>,
    figures: serde_json::Map<String, Value>,
}

/// Compares numbers, and lists and objects of numbers, to what float32 probabilities allow.
fn compare(place: &str, a: &Value, b: &Value) {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{place}");
            a.iter().zip(b).for_each(|(a, b)| compare(place, a, b));
        }
        (Value::Object(a), Value::Object(b)) => {
            b.iter().for_each(|(name, b)| compare(&format!("{place}.{name}"), &a[name], b));
        }
        _ => {
            let [a, b] = [a, b].map(|x| x.as_f64().unwrap_or_else(|| panic!("{place}: {a} {b}")));
            assert!((a - b).abs() <= 1e-6 * b.abs().max(1.0), "{place}: {a}, expected {b}");
        }
    }
}

#[test]
fn figures_equal_scikit_learns() {
    let expected: Expected = serde_json::from_str(include_str!("expected/metrics.json")).unwrap();
    assert_eq!(expected.cases.len(), 24);
    for case in expected.cases {
        let mut metrics = Metrics::new(case.loss, case.scale, case.outputs);
        // In parts, as rows come in training.
        let weights = |rows: std::ops::Range<usize>| case.weights.get(rows).unwrap_or_default();
        for start in (0..case.labels.len()).step_by(64) {
            let rows = start..(start + 64).min(case.labels.len());
            let margins = &case.margins[rows.start * case.outputs..rows.end * case.outputs];
            assert_eq!(metrics.add(margins, &case.labels[rows.clone()], weights(rows.clone())), None);
        }
        let mut report = serde_json::to_value(metrics.report()).unwrap();
        if let Some(groups) = report["calibration"].as_array() {
            let column = |name: &str| Value::Array(groups.iter().map(|g| g[name].clone()).collect());
            report["calibration"] =
                serde_json::json!({ "observed": column("observed"), "predicted": column("predicted") });
        }
        let place = format!("{} by {:?}, weighted: {}", case.name, case.loss, !case.weights.is_empty());
        // Only where margins share bins is a figure approximate.
        for (name, figure) in &case.figures {
            let found = &report[name];
            let bound = report[format!("{name}_error")].as_f64();
            match bound {
                Some(bound) if case.name == "fine" => {
                    let off = (found.as_f64().unwrap() - figure.as_f64().unwrap()).abs();
                    assert!(off <= bound && bound < 0.03, "{place}: {name} is off by {off}, not by {bound}");
                }
                _ => compare(&format!("{place}: {name}"), found, figure),
            }
        }
    }
}
