//! What is found is what scikit-learn finds, on any machine.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::common::{Folder, shared};
use crate::data::{AMOUNT, THREE, TWO, any_orders, cv, mean, rows};

#[derive(Deserialize)]
struct Expected {
    tables: Vec<Real>,
}

#[derive(Deserialize)]
struct Real {
    path: String,
    target: String,
    figures: BTreeMap<String, f64>,
}

#[test]
fn means_over_folds_are_those_of_scikit_learns_converged_fits() {
    let expected: Expected = serde_json::from_str(include_str!("../expected/cv.json")).unwrap();
    for Real { path, target, figures } in expected.tables {
        let Some(input) = shared(&path) else { continue };
        let found = cv(&Folder::new(), &format!("{} --target {target} --seed 1", input.display()));
        for (figure, expected) in figures {
            let found = mean(&found, &figure);
            println!("{path}: {figure} {found:.4}, scikit-learn's {expected:.4}");
            assert!((found / expected - 1.0).abs() < 0.03, "{path}: {figure} {found}, not {expected}");
        }
    }
}

/// All of a summary but what the machine decides.
pub(crate) fn found(mut summary: Value) -> Value {
    let decided_by_the_machine = ["seconds", "rows_per_second", "peak_memory_bytes", "threads", "stages"];
    let summary_of = summary.as_object_mut().unwrap();
    decided_by_the_machine.iter().for_each(|name| drop(summary_of.remove(*name).unwrap()));
    summary
}

#[test]
fn neither_threads_nor_the_format_change_what_is_found() {
    let folder = Folder::new();
    let data = any_orders(30_000);
    folder.table_in_pieces("a.parquet", &data, 4000);
    folder.table("a.csv", &data);
    assert!(folder.path("a.csv").metadata().unwrap().len() > 1 << 20, "several splits");
    for options in [
        TWO.to_string(),
        format!("{TWO} --group-by shop --repeat 2 --folds 3"),
        format!("{TWO} --time day --epochs 2"),
        format!("{THREE} --batch-size 7 --folds 3"),
        format!("{AMOUNT} --learning-rate 0.1 --l2 0.001 -o m"),
    ] {
        let of = |input: &str, threads: u32| {
            found(cv(&folder, &format!("{input} {options} --seed 1 --threads {threads}")))
        };
        let one = of("a.parquet", 1);
        assert_eq!(of("a.parquet", 2), one, "{options}");
        assert_eq!(of("a.parquet", 5), one, "{options}");
        assert_eq!(of("a.csv", 2)["cv"], one["cv"], "{options}");
    }
}

#[test]
fn another_seed_gives_other_folds_and_the_same_seed_the_same() {
    let folder = Folder::new();
    folder.table("a.parquet", &any_orders(3000));
    for options in ["", "--group-by shop", "--repeat 2"] {
        let of = |seed: u32| rows(&cv(&folder, &format!("a.parquet {TWO} --seed {seed} {options}")));
        assert_eq!(of(1), of(1), "{options}");
        assert_ne!(of(1), of(2), "{options}");
    }
}
