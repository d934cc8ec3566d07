//! The same bits, and the same figures, after any number of interruptions.

use arrow::array::RecordBatch;

use crate::common::{Folder, clicks};
use crate::interrupted::goes_on;

const ROWS: usize = 30_000;

/// The same rows in several formats, each in many splits, and a model to start from.
fn folder(data: &RecordBatch) -> Folder {
    let folder = Folder::new();
    let half = data.num_rows() / 2;
    folder.table_in_pieces("parquet/1.parquet", &data.slice(0, half), 3000);
    folder.table_in_pieces("parquet/2.parquet", &data.slice(half, data.num_rows() - half), 7000);
    folder.table_in_pieces("a.arrow", data, 2500);
    folder.table("a.csv", data);
    let mut lines = arrow::json::LineDelimitedWriter::new(Vec::new());
    lines.write(data).unwrap();
    lines.finish().unwrap();
    folder.write("a.jsonl", lines.into_inner());
    folder
}

#[test]
fn every_format_goes_on_where_it_was() {
    let folder = folder(&clicks(ROWS, 1));
    for input in ["parquet", "a.arrow", "a.csv", "a.jsonl"] {
        for options in ["--shuffle none", "--epochs 3 --holdout 0.1"] {
            let command = format!("train {input} --target click -o m {options}");
            assert!(goes_on(&folder, &command, 3) > 0, "{command} was never interrupted");
        }
    }
}

#[test]
fn every_way_of_learning_goes_on_where_it_was() {
    let folder = folder(&clicks(ROWS, 2));
    folder.ok("train a.csv --target click -o init --quiet");
    let mut times = 0;
    for options in [
        // Several rates race, rows are held out, penalties race, and in the end the model learns from all rows.
        "--epochs 12",
        "--epochs 4 --l2 0.0001",
        "--optimizer rmsprop --l2 0.01 --epochs 2 --holdout 0.1",
        "--optimizer ftrl --l1 0.001",
        "--optimizer sgd --momentum 0.9 --learning-rate 0.01 --epochs 2",
        "--optimizer gd --epochs 5",
        "--optimizer lbfgs --epochs 8 --holdout 0.2",
        "--optimizer lbfgs --l1 0.0001 --epochs 6 --init init",
        "--factors 3 --weight weight",
        "--init init --epochs 2 --holdout 0",
        "--batch-size 7000 --schedule inverse",
        "--class-weight balanced --batch-size 1",
    ] {
        times += goes_on(&folder, &format!("train parquet --target click -o m {options}"), 4);
    }
    assert!(times > 20, "only {times} interruptions in all");
}

#[test]
fn rows_that_are_shuffled_through_several_buffers_go_on_where_they_were() {
    let data = clicks(400_000, 3);
    let order = arrow::compute::sort_to_indices(data.column_by_name("click").unwrap(), None, None).unwrap();
    let folder = folder(&arrow::compute::take_record_batch(&data, &order).unwrap());
    for input in ["parquet", "a.csv"] {
        let command = format!("train {input} --target click -o m --batch-size 4");
        let times = goes_on(&folder, &command, 6);
        assert!(times > 1, "{command} was interrupted {times} times");
    }
}

#[test]
fn classes_and_counts_go_on_where_they_were() {
    let folder = folder(&clicks(ROWS, 4));
    for options in
        ["--target city", "--target age --loss poisson", "--target price --on-error skip --epochs 2"]
    {
        let command = format!("train parquet -o m {options}");
        assert!(goes_on(&folder, &command, 3) > 0, "{command} was never interrupted");
    }
}
