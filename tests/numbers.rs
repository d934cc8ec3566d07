//! Extreme numbers: no model and no prediction has NaN or infinity in it, and a run that diverges says why.

mod common;

use arrow::array::Int64Array;
use common::{Folder, Random, clicks, floats, says, table, texts};
use serde_json::Value;
use std::sync::Arc;

const ROWS: usize = 3000;

/// A table of numbers that are hard on arithmetic, with a target of two classes `y` and a count `n`.
fn extremes() -> Folder {
    let folder = Folder::new();
    let mut random = Random(5);
    let mut column = |of: &dyn Fn(usize, f64) -> f64| {
        floats((0..ROWS).map(|row| of(row, random.unit())).collect::<Vec<_>>())
    };
    let columns = vec![
        ("plain", column(&|_, x| x)),
        ("nan", column(&|row, x| if row % 3 == 0 { f64::NAN } else { x })),
        ("infinite", column(&|row, x| if row % 5 == 0 { f64::INFINITY } else { -x })),
        ("all_nan", column(&|_, _| f64::NAN)),
        ("denormal", column(&|_, x| x * 1e-42)),
        ("tiny_and_huge", column(&|row, x| if row % 2 == 0 { x * 1e30 } else { x * 1e-30 })),
        ("huge", column(&|_, x| x * 1e30)),
        ("largest", column(&|row, x| if row % 2 == 0 { f64::from(f32::MAX) } else { -x * 1e38 })),
        ("beyond", column(&|row, x| if row % 7 == 0 { 1e300 } else { x })),
        ("constant", column(&|_, _| 1e30)),
        ("nearly_constant", column(&|row, _| if row == 1234 { 1e30 } else { 1.0 })),
        ("nothing", floats(vec![None::<f64>; ROWS])),
        (
            "integers",
            Arc::new(Int64Array::from_iter_values(
                (0..ROWS as i64).map(|row| [i64::MIN, i64::MAX, 0, row][row as usize % 4]),
            )),
        ),
        ("y", column(&|_, x| f64::from(u8::from(x > 0.5)))),
        ("n", column(&|_, x| (x * 9.0).floor())),
    ];
    folder.table("a.parquet", &table(columns));
    folder
}

/// All weights of a model, which must be finite, as must be what it predicts for a table.
fn check(folder: &Folder, input: &str, told: &str) {
    let model = folder.summary("inspect m --json");
    let finite = |number: &Value| number.as_f64().is_some_and(f64::is_finite);
    let biases = model["bias"].as_array().cloned().unwrap_or_else(|| vec![model["bias"].clone()]);
    assert!(biases.iter().all(finite), "{told}: {}", model["bias"]);
    for feature in model["features"].as_array().unwrap() {
        let weights =
            feature["weights"].as_array().cloned().unwrap_or_else(|| vec![feature["weight"].clone()]);
        assert!(weights.iter().all(finite), "{told}: {feature}");
    }
    let predictions = folder.ok(&format!("predict {input} --model m --quiet")).out();
    assert!(!predictions.contains("NaN") && !predictions.contains("inf"), "{told}");
}

#[test]
fn extreme_features_leave_finite_models_and_predictions() {
    let folder = extremes();
    for options in [
        "--target y --ignore n",
        "--target y --ignore n --factors 3",
        "--target y --ignore n --optimizer sgd",
        "--target y --ignore n --optimizer rmsprop --epochs 2",
        "--target y --ignore n --optimizer ftrl --loss hinge",
        "--target y --ignore n --optimizer lbfgs --epochs 5",
        "--target n --ignore y --loss poisson",
        "--target n --ignore y --loss squared --optimizer gd --epochs 3",
        "--target n --ignore y --loss softmax",
        "--target huge --ignore y,n",
        "--target denormal --ignore y,n --loss quantile",
    ] {
        folder.ok(&format!("train a.parquet {options} -o m --quiet"));
        check(&folder, "a.parquet", options);
    }
}

#[test]
fn a_run_that_diverges_says_where_and_leaves_no_model() {
    let folder = extremes();
    for options in [
        "--target y --ignore n --learning-rate 1e30 --optimizer sgd --loss squared",
        "--target y --ignore n --learning-rate 3e38 --optimizer gd --loss squared --epochs 2",
        "--target n --ignore y --loss poisson --optimizer sgd --learning-rate 1e30",
        "--target n --ignore y --loss softmax --optimizer gd --scale none --clip none",
        "--target y --ignore n --scale none --clip none",
    ] {
        let error = folder.fails(1, &format!("train a.parquet {options} -o m"));
        says(&error, &["has grown beyond all bounds with the learning rate", "let numbers be scaled"]);
    }
}

#[test]
fn extreme_weights_and_offsets_are_told() {
    let folder = Folder::new();
    let mut random = Random(6);
    let x: Vec<f64> = (0..ROWS).map(|_| random.unit()).collect();
    let weight = |row: usize| if row == 1500 { 1e30 } else { 1.0 };
    let offset = |row: usize| if row == 1500 { 60.0 } else { 0.0 };
    folder.table(
        "a.parquet",
        &table(vec![
            ("x", floats(x.clone())),
            ("n", floats(x.iter().map(|x| (x * 5.0).floor()).collect::<Vec<_>>())),
            ("weight", floats((0..ROWS).map(weight).collect::<Vec<_>>())),
            ("offset", floats((0..ROWS).map(offset).collect::<Vec<_>>())),
            ("zero", floats(vec![0.0; ROWS])),
        ]),
    );
    let train = "train a.parquet --target n --loss poisson -o m --quiet --threads 1";
    let error = folder.fails(1, &format!("{train} --weight weight --ignore zero,offset"));
    says(&error, &["what the optimiser keeps of", "extreme weights"]);
    for options in ["", " --optimizer lbfgs"] {
        let error = folder.fails(1, &format!("{train} --weight zero --ignore weight,offset{options}"));
        says(&error, &["the weights of all rows are zero", "--weight"]);
    }
    // One row that is far off freezes nothing.
    folder.ok(&format!("{train} --offset offset --ignore zero,weight"));
    let features = folder.summary("inspect m --json")["features"].clone();
    assert!(features[0]["weight"].as_f64().unwrap().abs() > 1e-3, "{features}");
}

#[test]
fn rows_that_a_model_can_make_nothing_of_are_named() {
    let folder = Folder::new();
    folder.table("a.parquet", &clicks(2000, 1));
    folder.ok("train a.parquet --target click -o m --quiet --factors 3 --clip none");
    folder.write("b.csv", "age,price,city,user,weight,click\n1,0.1,city 1,u1,1,1\n1e38,1e38,city 1,u1,1,1\n");
    for command in ["predict b.csv --model m -o p.csv", "evaluate b.csv --model m"] {
        let error = folder.fails(1, command);
        says(&error, &["b.csv", "line 3", "too large for the model", "clipped"]);
    }
}

#[test]
fn one_class_and_no_values_are_errors_that_say_so() {
    let folder = Folder::new();
    let columns = vec![
        ("x", floats((0..100).map(f64::from).collect::<Vec<_>>())),
        ("one", texts(vec!["yes"; 100])),
        ("none", floats(vec![None::<f64>; 100])),
    ];
    folder.table("a.parquet", &table(columns));
    says(&folder.fails(1, "train a.parquet --target one -o m --ignore none"), &["one"]);
    says(&folder.fails(1, "train a.parquet --target none -o m --ignore one"), &["none", "missing"]);
}
