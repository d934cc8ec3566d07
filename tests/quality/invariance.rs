//! The units of numbers do not matter: every numeric column multiplied by 1e6 or by 1e-6, and shifted by 1e4.

use std::path::{Path, PathBuf};

use super::tables::{BIKE, DIAMONDS, ELEC, LETTER, Table};

/// A copy of a CSV file, with each cell that is a number, but for the target, in other units.
fn in_other_units(table: &Table, file: &Path, factor: f64, copy: PathBuf) -> PathBuf {
    let text = std::fs::read_to_string(file).expect("a CSV file");
    let (header, target, rows) = table.lines(&text);
    let mut out = format!("{header}\n");
    for row in rows {
        let cells = row.split(',').enumerate().map(|(column, cell)| match cell.parse::<f64>() {
            Ok(number) if column != target => format!("{:?}", number * factor + 1e4),
            _ => cell.to_string(),
        });
        out.push_str(&cells.collect::<Vec<_>>().join(","));
        out.push('\n');
    }
    std::fs::write(&copy, out).expect("written");
    copy
}

fn does_not_mind_units(table: &Table) {
    let Some((train, test)) = table.files() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    for options in ["", "--epochs 20"] {
        let expected = table.score(&train, &test, options);
        for factor in [1e6, 1e-6] {
            let train = in_other_units(table, &train, factor, folder.path().join("train.csv"));
            let test = in_other_units(table, &test, factor, folder.path().join("test.csv"));
            let found = table.score(&train, &test, options);
            println!("{} {options}: {} {expected:.5}, times {factor:e} {found:.5}", table.name, table.metric);
            assert!(
                table.worse(found, expected).abs() <= 0.01,
                "{options} {factor}: {found}, not {expected}"
            );
        }
    }
}

#[test]
fn elec() {
    does_not_mind_units(&ELEC);
}

#[test]
fn letter() {
    does_not_mind_units(&LETTER);
}

#[test]
fn diamonds() {
    does_not_mind_units(&DIAMONDS);
}

#[test]
fn bike() {
    does_not_mind_units(&BIKE);
}
