//! `--on-error skip`: what can't be read or used is left out and counted, with reasons, the same on any number of threads.

mod common;

use std::fs;

use common::{Folder, clicks, says};
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::{Value, json};

/// What a run on one thread and another on several say, which must be the same.
fn skipped(folder: &Folder, command: &str) -> (Value, Value) {
    let run = |threads: u32| {
        let summary =
            folder.summary(&format!("{command} --on-error skip --quiet --summary - --threads {threads}"));
        (summary["rows"].clone(), summary["skipped"].clone(), summary["model_sha256"].clone())
    };
    let one = run(1);
    assert_eq!(run(2), one, "{command}");
    assert_eq!(run(5), one, "{command}");
    (one.0, one.1)
}

/// A CSV file with bad lines beyond what a sample of it shows.
fn bad_lines() -> Folder {
    let folder = Folder::new();
    let mut text = String::from("x,city,y\n");
    for row in 0..300_000 {
        match row {
            250_003 => text.push_str("abc,a,1\n"),
            250_777 => text.push_str("1.5,a\n"),
            260_000 => text.push_str("2.5,b,\n"),
            270_000 => text.push_str("also,b,0\n"),
            _ => text.push_str(&format!("{}.25,c{},{}\n", row % 97, row % 7, u8::from(row % 97 > 50))),
        }
    }
    folder.write("a.csv", text);
    folder
}

#[test]
fn bad_lines_are_left_out_and_counted() {
    let folder = bad_lines();
    let train = "train a.csv --target y -o m";
    says(&folder.fails(1, train), &["a.csv, line 250005"]);
    let (rows, skipped) = skipped(&folder, train);
    assert_eq!(rows, 300_000);
    assert_eq!((&skipped["rows"], &skipped["blocks"]), (&json!(4), &json!(0)));
    let reasons = skipped["reasons"].as_object().unwrap();
    assert_eq!(reasons.values().map(|n| n.as_u64().unwrap()).sum::<u64>(), 4, "{reasons:?}");
    assert!(reasons.keys().any(|reason| reason.starts_with("column `x`: found \"...\"")), "{reasons:?}");
    assert!(reasons.keys().any(|reason| reason.contains("found 2 cells")), "{reasons:?}");
    // The same rows are left out of what follows.
    let (rows, again) = self::skipped(&folder, "evaluate a.csv --model m");
    assert_eq!((rows, again), (json!(300_000), skipped));
    let run = folder.ok("predict a.csv --model m -o p.csv --on-error skip");
    says(&run.err(), &["3 rows were left out"]);
    assert_eq!(folder.read("p.csv").lines().count(), 1 + 300_000 - 3);
}

#[test]
fn damaged_blocks_and_files_are_left_out_and_counted() {
    let folder = Folder::new();
    let data = clicks(20_000, 1);
    folder.table_in_pieces("in/1.parquet", &data, 2000);
    folder.table_in_pieces("in/2.parquet", &clicks(6000, 2), 2000);
    folder.write("in/3.parquet", "PAR1 is all that it has PAR1");
    // The headers of a column's pages in the middle of the first file.
    let mut bytes = fs::read(folder.path("in/1.parquet")).unwrap();
    let reader = SerializedFileReader::new(fs::File::open(folder.path("in/1.parquet")).unwrap()).unwrap();
    let (start, _) = reader.metadata().row_group(5).column(2).byte_range();
    bytes[start as usize..start as usize + 30].fill(0xa5);
    folder.write("in/1.parquet", bytes);
    let train = "train in --target click -o m";
    says(&folder.fails(1, train), &["3.parquet"]);
    fs::rename(folder.path("in/3.parquet"), folder.path("3.parquet")).unwrap();
    says(&folder.fails(1, train), &["1.parquet", "row group"]);
    fs::rename(folder.path("3.parquet"), folder.path("in/3.parquet")).unwrap();
    for options in ["", "--epochs 2", "--optimizer lbfgs --epochs 4"] {
        let (rows, skipped) = skipped(&folder, &format!("{train} {options}"));
        assert_eq!(rows, 26_000, "{options}: each row is learned from or counted");
        assert_eq!((&skipped["rows"], &skipped["blocks"]), (&json!(2000), &json!(2)), "{options}: {skipped}");
    }
    let error = folder.fails(1, "train in/3.parquet --target click -o m --on-error skip");
    says(&error, &["3.parquet"]);
}

#[test]
fn a_file_that_is_cut_short_is_read_as_far_as_it_goes() {
    let folder = Folder::new();
    let mut lines = arrow::json::LineDelimitedWriter::new(Vec::new());
    lines.write(&clicks(3000, 1)).unwrap();
    lines.finish().unwrap();
    let bytes = lines.into_inner();
    folder.write("a.jsonl", &bytes[..bytes.len() - 10]);
    says(&folder.fails(1, "train a.jsonl --target click -o m"), &["a.jsonl, line 3000"]);
    let (rows, skipped) = skipped(&folder, "train a.jsonl --target click -o m");
    assert_eq!((rows, &skipped["rows"]), (json!(3000), &json!(1)));
}
