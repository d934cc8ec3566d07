//! Each fold's model is the one that learns alone from the rows that are not its fold's.

use std::ops::Range;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use serde_json::Value;

use crate::common::Folder;
use crate::data::{AMOUNT, THREE, TWO, any_orders, cv, doubling_shops, folds, log_losses, orders};

/// Compares numbers, and lists and objects of numbers.
fn compare(place: &str, a: &Value, b: &Value, bound: f64) {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{place}");
            a.iter().zip(b).for_each(|(a, b)| compare(place, a, b, bound));
        }
        (Value::Object(a), Value::Object(b)) => {
            assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>(), "{place}");
            // Classes' weights count in the loss that is minimised, of which `evaluate` knows nothing.
            let comparable = |name: &str| name != "mean_loss" || !place.contains("--class-weight");
            let figures = a.iter().filter(|(name, _)| comparable(name));
            figures.for_each(|(name, a)| compare(&format!("{place}: {name}"), a, &b[name], bound));
        }
        _ => {
            let [a, b] = [a, b].map(|x| x.as_f64().unwrap_or_else(|| panic!("{place}: {a} {b}")));
            assert!((a - b).abs() <= bound * a.abs().max(1.0), "{place}: {a}, alone {b}");
        }
    }
}

/// Trains on the rows that `learned` names and evaluates on those that `scored` does: the figures.
fn alone(folder: &Folder, data: &RecordBatch, task: &str, learned: Vec<bool>, scored: Vec<bool>) -> Value {
    for (name, rows) in [("past.parquet", learned), ("next.parquet", scored)] {
        folder.table(name, &filter_record_batch(data, &BooleanArray::from(rows)).unwrap());
    }
    folder.ok(&format!("train past.parquet {task} -o m --quiet"));
    folder.summary("evaluate next.parquet --model m --quiet --summary -")["metrics"].take()
}

/// Of shops that each have twice the rows of the one before, beginning with 32: whether a row's shop is among those
/// that so many rows are of.
fn of_rows(rows: u64, shop: u64) -> bool {
    (rows / 32) & (1 << shop) != 0
}

const SHOPS: u32 = 6;

/// Compares the figures of each fold with those of its model alone.
fn every_fold_is_as_if_alone(run: usize, batch: usize, task: &str, bound: f64) {
    let folder = Folder::new();
    let shops = doubling_shops(SHOPS, 32, run);
    let data = orders(&shops, 2);
    folder.table("a.parquet", &data);
    // Plans are made from other rows, which must not show: numbers stay as they are, the cities are the same
    // everywhere, and the rate is given, with which a model starts from zero. Rows keep their order.
    let task = format!(
        "{task} --seed 1 --scale none --clip none --learning-rate 0.05 --shuffle none --batch-size {batch}"
    );
    let found = cv(&folder, &format!("a.parquet {task} --folds 2 --group-by shop"));
    for fold in folds(&found) {
        let of_fold = |shop: &u64| of_rows(fold["metrics"]["rows"].as_u64().unwrap(), *shop);
        let scored: Vec<bool> = shops.iter().map(of_fold).collect();
        let figures = alone(&folder, &data, &task, scored.iter().map(|is| !is).collect(), scored);
        compare(&format!("{task}, a fold of shops"), &fold["metrics"], &figures, bound);
    }
    let found = cv(&folder, &format!("a.parquet {task} --folds 2 --time day"));
    let block = shops.len() / 3;
    for (fold, end) in folds(&found).iter().zip([block, 2 * block]) {
        let is_in = |range: Range<usize>| (0..shops.len()).map(|day| range.contains(&day)).collect();
        let figures = alone(&folder, &data, &task, is_in(0..end), is_in(end..end + block));
        compare(&format!("{task}, a block in time"), &fold["metrics"], &figures, bound);
    }
}

#[test]
fn row_by_row_every_fold_has_the_bits_of_its_model_alone() {
    // A row that is left out is a mini-batch without rows, which changes nothing where steps depend on gradients alone:
    // without penalties, momentum and schedules.
    for (task, options) in [
        (TWO, ""),
        (TWO, "--optimizer sgd"),
        (TWO, "--optimizer ftrl"),
        (TWO, "--weight z --class-weight yes=2,no=1"),
        (THREE, ""),
        (AMOUNT, ""),
        ("--target two --ignore three,amount,shop,day,city --factors 2", ""),
    ] {
        every_fold_is_as_if_alone(1, 1, &format!("{task} {options}"), 0.0);
    }
}

#[test]
fn mini_batches_that_are_learned_from_as_a_whole_are_those_of_the_model_alone() {
    // Shops come in runs of a mini-batch, and blocks in time end with one.
    for (task, options) in [(TWO, ""), (TWO, "--optimizer ftrl"), (AMOUNT, ""), (THREE, "")] {
        every_fold_is_as_if_alone(32, 32, &format!("{task} {options}"), 0.0);
    }
}

/// How much worse each block's log loss is than that of a model alone that learned from the blocks before, as a share.
fn worse_than_alone(options: &str) -> Vec<f64> {
    let folder = Folder::new();
    let (rows, block) = (30_000, 5000);
    let data = any_orders(rows);
    folder.table("a.parquet", &data);
    let task = format!("--target two --ignore three,amount,day --seed 1 {options}");
    let found = log_losses(&cv(&folder, &format!("a.parquet {task} --time day")));
    let alone = (1..6).map(|blocks| {
        let is_in = |range: Range<u64>| (0..rows).map(|day| range.contains(&day)).collect();
        let (learned, scored) = (is_in(0..blocks * block), is_in(blocks * block..(blocks + 1) * block));
        alone(&folder, &data, &task, learned, scored)["log_loss"].as_f64().unwrap()
    });
    let alone: Vec<f64> = alone.collect();
    println!("{options}: log loss of blocks in time {found:.4?}, alone {alone:.4?}");
    found.iter().zip(alone).map(|(found, alone)| found / alone - 1.0).collect()
}

#[test]
fn rows_in_the_order_of_time_are_learned_from_as_alone() {
    for options in ["", "--l2 0.01", "--learning-rate 0.1 --l2 0.01", "--optimizer rmsprop"] {
        let worse = worse_than_alone(options);
        assert!(worse.iter().all(|&worse| worse < 0.02), "{options}: {worse:.3?}");
    }
}
