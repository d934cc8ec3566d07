//! Rows that come sorted by the target train as well as mixed ones.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::tables::{CLICKS, DIAMONDS, ELEC, LETTER, Table};

/// A CSV file with the rows sorted by the target.
fn sorted(table: &Table, train: &Path, folder: &Path) -> PathBuf {
    let text = std::fs::read_to_string(train).expect("a CSV file");
    let (header, target, mut rows) = table.lines(&text);
    let value = |row: &str| row.split(',').nth(target).expect("a cell").to_string();
    rows.sort_by_cached_key(|row| {
        let value = value(row);
        // Numbers by size, classes by name.
        (value.parse::<f64>().map_or(0, |number| number as i64), value)
    });
    let path = folder.join("sorted.csv");
    std::fs::write(&path, format!("{header}\n{}\n", rows.join("\n"))).expect("written");
    path
}

fn does_not_mind_sorted_rows(table: &Table) {
    let Some((train, test)) = table.files() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let sorted = sorted(table, &train, folder.path());
    for options in ["", "--epochs 20"] {
        let (mixed, sorted) = (table.score(&train, &test, options), table.score(&sorted, &test, options));
        println!("{} {options}: {} {mixed:.5} mixed, {sorted:.5} sorted", table.name, table.metric);
        assert!(table.worse(sorted, mixed) <= 0.01, "{options}: {sorted} sorted, {mixed} mixed");
    }
}

#[test]
fn elec() {
    does_not_mind_sorted_rows(&ELEC);
}

#[test]
fn letter() {
    does_not_mind_sorted_rows(&LETTER);
}

#[test]
fn diamonds() {
    does_not_mind_sorted_rows(&DIAMONDS);
}

#[test]
fn clicks_that_do_not_fit_the_shuffle_buffer() {
    // Of a click log one row in four is positive: the negatives' files are three times as long.
    let folder = tempfile::tempdir().expect("a folder");
    let make = |name: &str, arguments: &str| {
        let out = folder.path().join(name);
        let status = Command::new(env!("CARGO_BIN_EXE_mkdata"))
            .args(["clicks", "--format", "parquet", "--row-group-rows", "50000", "-o"])
            .arg(&out)
            .args(arguments.split(' '))
            .output()
            .expect("it starts")
            .status;
        assert!(status.success());
        out
    };
    let mixed = make("mixed", "--rows 300000");
    let sorted = make("sorted", "--rows 300000 --sorted");
    let test = make("test", "--rows 50000 --skip 300000");
    let (mixed, sorted) = (CLICKS.score(&mixed, &test, ""), CLICKS.score(&sorted, &test, ""));
    println!("clicks: log loss {mixed:.4} mixed, {sorted:.4} sorted by label");
    assert!(sorted <= mixed * 1.02, "{sorted} sorted, {mixed} mixed");
}
