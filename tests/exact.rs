//! `--optimizer lbfgs` finds the optimum: coefficients are those of scikit-learn's converged fits.
//!
//! `expected/exact.py` says which fits are compared, and makes their numbers.

mod common;

use std::collections::BTreeMap;

use common::Folder;
use serde::Deserialize;
use serde_json::Value;

/// What the coefficients may deviate by, absolutely: they are of the order of 1.
const CLOSE: f64 = 1e-3;

#[derive(Deserialize)]
struct Expected {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    cases: Vec<Case>,
    elec: Vec<Elec>,
}

#[derive(Deserialize)]
struct Case {
    target: String,
    options: String,
    #[serde(flatten)]
    fit: Fit,
}

#[derive(Deserialize)]
struct Elec {
    l2: f64,
    #[serde(flatten)]
    fit: Fit,
}

/// A bias for each class or one, and as many weights for each feature.
#[derive(Debug, Deserialize)]
struct Fit {
    bias: Vec<f64>,
    weights: BTreeMap<String, Vec<f64>>,
}

fn expected() -> Expected {
    serde_json::from_str(include_str!("expected/exact.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().map(|v| v.as_f64().unwrap()).collect(),
        value => vec![value.as_f64().unwrap()],
    }
}

/// Trains and returns what the model holds, biases of several classes centred.
fn fit(folder: &Folder, arguments: &str) -> Fit {
    let summary = folder.summary(&format!(
        "train {arguments} --optimizer lbfgs --scale none --clip none -o m --quiet --summary -"
    ));
    assert!(summary["epochs"].as_u64().unwrap() < 500, "{arguments} does not converge");
    let model = folder.summary("inspect m --json");
    let mut bias = numbers(&model["bias"]);
    if bias.len() > 1 {
        let mean = bias.iter().sum::<f64>() / bias.len() as f64;
        bias.iter_mut().for_each(|b| *b -= mean);
    }
    let features = model["features"].as_array().unwrap();
    let weights = features.iter().map(|feature| {
        let weights = if bias.len() > 1 { &feature["weights"] } else { &feature["weight"] };
        (feature["name"].as_str().unwrap().to_string(), numbers(weights))
    });
    Fit { weights: weights.collect(), bias }
}

/// The largest deviation of any coefficient. Features that are not listed have weight 0.
fn deviation(found: &Fit, expected: &Fit) -> f64 {
    let zero = vec![0.0; expected.bias.len()];
    let pairs = expected.weights.iter().map(|(name, w)| (w, found.weights.get(name).unwrap_or(&zero)));
    let pairs = pairs.chain([(&expected.bias, &found.bias)]);
    pairs.flat_map(|(a, b)| a.iter().zip(b).map(|(a, b)| (a - b).abs())).fold(0.0, f64::max)
}

#[test]
fn every_loss_with_every_penalty_and_weighting_ends_at_scikit_learns_coefficients() {
    let Expected { columns, rows, cases, .. } = expected();
    let folder = Folder::new();
    let lines: Vec<String> = std::iter::once(&columns).chain(&rows).map(|row| row.join(",")).collect();
    folder.write("small.csv", lines.join("\n") + "\n");
    assert_eq!(cases.len(), 13);
    for Case { target, options, fit: expected } in &cases {
        let features = ["a", "b", "c", "d"];
        let others = columns.iter().map(String::as_str).filter(|column| {
            !features.contains(column) && column != target && !options.split(' ').any(|o| o == *column)
        });
        let ignore = others.collect::<Vec<_>>().join(",");
        let found = fit(&folder, &format!("small.csv --target {target} --ignore {ignore} {options}"));
        let deviation = deviation(&found, expected);
        println!("{target} {options}: {deviation:.1e}");
        assert!(deviation < CLOSE, "{target} {options}: {found:?}, not {expected:?}");
        // What the L1 penalty makes zero is exactly zero.
        for (name, weights) in
            expected.weights.iter().filter(|(_, w)| options.contains("--l1") && w[0] == 0.0)
        {
            assert!(
                found.weights.get(name).is_none_or(|w| w[0] == 0.0),
                "{options}: {name} is not {weights:?}"
            );
        }
    }
}

#[test]
fn a_real_table_ends_at_scikit_learns_coefficients() {
    let Some(path) = common::shared("elec/train.csv") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let (header, rows) = text.split_once('\n').unwrap();
    let mut rows: Vec<Vec<f64>> =
        rows.lines().map(|row| row.split(',').map(|cell| cell.parse().unwrap()).collect()).collect();
    // The class, the last column, stays as it is.
    for column in 0..rows[0].len() - 1 {
        let count = rows.len() as f64;
        let mean = rows.iter().map(|row| row[column]).sum::<f64>() / count;
        let variance = rows.iter().map(|row| (row[column] - mean).powi(2)).sum::<f64>() / count;
        rows.iter_mut().for_each(|row| row[column] = (row[column] - mean) / variance.sqrt());
    }
    let lines = rows.iter().map(|row| row.iter().map(f64::to_string).collect::<Vec<_>>().join(","));
    let folder = Folder::new();
    folder.write("elec.csv", format!("{header}\n{}\n", lines.collect::<Vec<_>>().join("\n")));
    for Elec { l2, fit: expected } in expected().elec {
        let found = fit(&folder, &format!("elec.csv --target class --l2 {l2}"));
        let deviation = deviation(&found, &expected);
        println!("elec, L2 {l2}: {deviation:.1e}");
        assert!(deviation < CLOSE, "{l2}: {found:?}, not {expected:?}");
    }
}
