//! `-o MODEL`: the model of all rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray};
use arrow::compute::{sort_to_indices, take_record_batch};
use arrow::datatypes::Int32Type;

use crate::common::{Folder, integers, table};
use crate::data::{AMOUNT, THREE, TWO, any_orders, cv};

/// Whether `cv` and then `train`, each with options of its own, write the same model and say the same of it.
fn writes_the_same(folder: &Folder, both: &str, of_cv: &str, of_train: &str) -> bool {
    let summary = cv(folder, &format!("{both} {of_cv} -o cv.model"));
    let trained = folder.summary(&format!("train {both} {of_train} -o train.model --quiet --summary -"));
    let said = |name: &str| summary[name] == trained[name];
    let model = |name: &str| std::fs::read(folder.path(name)).unwrap();
    model("cv.model") == model("train.model")
        && ["model", "model_sha256", "progressive", "rows"].into_iter().all(said)
}

#[test]
fn the_model_of_all_rows_is_the_one_that_train_writes() {
    let folder = Folder::new();
    let data = any_orders(3000);
    folder.table("a.parquet", &data);
    let column = |name: &str| data.column_by_name(name).unwrap();
    let order = sort_to_indices(column("amount"), None, None).unwrap();
    folder.table("sorted.csv", &take_record_batch(&data, &order).unwrap());
    for (options, of_cv) in [
        (TWO, ""),
        (TWO, "--repeat 2 --folds 3"),
        (TWO, "--group-by shop"),
        (TWO, "--folds 30"),
        (THREE, ""),
        (AMOUNT, ""),
        ("--target two --ignore three,amount", "--group-by shop"),
        ("--target two --ignore three,amount --factors 3", ""),
        ("--target two --ignore three,amount --optimizer ftrl --l1 0.001", ""),
        ("--target two --ignore three,amount --optimizer rmsprop --l2 0.001 --batch-size 1", ""),
        ("--target two --ignore three,amount --weight z --class-weight balanced", ""),
        ("--target amount --ignore two,three --learning-rate 0.05 --schedule inverse", ""),
        ("--target amount --ignore two,three --optimizer gd --learning-rate 0.5", ""),
        // Without that, rows come shuffled where folds are blocks in time, and as they are where train finds them mixed.
        ("--target two --ignore three,amount --shuffle none", "--time day"),
    ] {
        for input in ["a.parquet", "sorted.csv"] {
            let both = format!("{input} {options} --seed 1");
            assert!(writes_the_same(&folder, &both, of_cv, ""), "{both} {of_cv}");
        }
    }
}

#[test]
fn with_several_epochs_the_model_is_the_one_of_the_epoch_that_folds_liked_best() {
    let folder = Folder::new();
    folder.table("a.parquet", &any_orders(500));
    for options in ["", "--learning-rate 0.02", "--optimizer gd"] {
        let both = format!("a.parquet {TWO} {options} --seed 1");
        let best = cv(&folder, &format!("{both} --epochs 4"))["cv"]["epoch"].as_u64().unwrap();
        assert!(best > 1, "{options}: more epochs help");
        // `train` must not choose by rows of its own that it holds out.
        let all = format!("--epochs {best} --holdout 0");
        assert!(writes_the_same(&folder, &both, "--epochs 4", &all), "{options}");
    }
}

#[test]
fn races_that_end_before_the_rows_do_leave_the_same_model() {
    let folder = Folder::new();
    // After 262,144 rows only the models with each fold's best rate go on.
    folder.table("a.arrow", &any_orders(270_000));
    assert!(writes_the_same(&folder, &format!("a.arrow {TWO} --seed 1"), "--folds 2", ""));
}

#[test]
fn models_of_several_classes_are_the_same_however_many_stand_side_by_side() {
    let folder = Folder::new();
    folder.table("a.parquet", &any_orders(500));
    for of_cv in ["--folds 2", "--folds 3", "--folds 4"] {
        let both = format!("a.parquet {THREE} --learning-rate 0.1 --seed 1");
        assert!(writes_the_same(&folder, &both, of_cv, ""), "{of_cv}");
    }
}

#[test]
fn rows_that_the_shuffles_buffer_can_not_hold_leave_the_same_model() {
    let folder = Folder::new();
    // Sixty lists are planned with 2,172 bytes a row; the buffer has 64 MB. Most are missing, which makes a small file.
    let rows = 31_000;
    let list = |column: i32| -> ArrayRef {
        let of = |row: i32| ((row + column) % 9 == 0).then(|| vec![Some(row % (5 + column))]);
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>((0..rows).map(of)))
    };
    let names: Vec<String> = (0..60).map(|column| format!("list {column}")).collect();
    let mut columns: Vec<(&str, ArrayRef)> =
        names.iter().map(String::as_str).zip((0..60).map(list)).collect();
    // The target follows the order of the rows, so that these are shuffled.
    columns.push(("y", integers((0..rows).map(|row| i64::from(row > rows / 2)))));
    folder.table_in_pieces("a.arrow", &table(columns), 2000);
    assert!(writes_the_same(&folder, "a.arrow --target y --seed 1 --learning-rate 0.1", "--folds 2", ""));
}
