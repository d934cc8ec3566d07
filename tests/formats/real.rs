//! Real files of other programs.

use serde_json::Value;

use crate::common::{shared, succeeds};

fn trained(file: &str, options: &str) -> Option<Value> {
    let path = shared(file)?;
    let folder = tempfile::TempDir::new().unwrap();
    let model = folder.path().join("a.model").display().to_string();
    let summary = succeeds(&format!("train {} {options} -o {model} --summary - --quiet", path.display()));
    Some(serde_json::from_str(&summary).unwrap())
}

#[test]
fn flights_written_as_an_arrow_file() {
    let Some(summary) = trained("flights/flights-200k.arrow", "--target delay") else { return };
    // A constant has an r2 of 0.
    assert!(summary["progressive"]["r2"].as_f64().unwrap() > 0.0, "{}", summary["progressive"]);
    assert!(summary["rows"].as_u64().unwrap() > 190_000);
}

#[test]
fn taxis_written_by_duckdb() {
    let Some(summary) = trained("flights/taxis.parquet", "--target dx") else { return };
    assert!(summary["rows"].as_u64().unwrap() > 0);
    assert!(summary["progressive"]["rmse"].as_f64().unwrap().is_finite());
}
