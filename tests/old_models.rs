//! Models that earlier versions saved load in this one, and predict what they did.
//!
//! `tests/expected/models/V.model` was saved by version V of the format, from `rows.csv`, with
//! `train rows.csv --target bought --text note --cross city*plan --loss logistic -o V.model`; `V.csv` is what it predicted
//! for the same rows then. A version that changes the format adds its own.

mod common;

use std::fs;
use std::path::Path;

use common::Folder;

#[test]
fn they_load_and_predict_what_they_did() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expected/models");
    let folder = Folder::new();
    let mut found = 0;
    for entry in fs::read_dir(&kept).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "model") {
            continue;
        }
        fs::copy(&path, folder.path("m")).unwrap();
        fs::copy(kept.join("rows.csv"), folder.path("rows.csv")).unwrap();
        let predicted = folder.ok("predict rows.csv --model m --quiet").out();
        let then = fs::read_to_string(path.with_extension("csv")).unwrap();
        assert_eq!(rows(&predicted), rows(&then), "{}", path.display());
        assert!(folder.summary("inspect m --json")["features"].as_array().unwrap().len() > 10);
        // It can be learned from further.
        folder.ok("train rows.csv --target bought --init m -o m2 --quiet");
        found += 1;
    }
    assert!(found > 0);
}

/// What was predicted for each row: class and probability, which has been written with more digits than it has.
fn rows(text: &str) -> Vec<(&str, f32)> {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("prediction,probability"));
    let rows = lines.map(|line| line.split_once(',').unwrap());
    rows.map(|(class, number)| (class, number.parse().unwrap())).collect()
}
