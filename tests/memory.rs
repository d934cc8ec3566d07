//! `--memory` over tables that are hard on it: a budget is kept, or refused at the start with the least that can work,
//! which is kept, too.

mod common;

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use arrow::ipc::writer::FileWriter;
use common::{Folder, Random, floats, table, texts};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::Value;

/// What a process takes beside everything that is counted: its code, its threads' stacks, what the allocator keeps.
const BESIDE: u64 = 48 << 20;

/// A target and a number, so many rows.
fn columns(rows: usize) -> Vec<(&'static str, ArrayRef)> {
    let mut random = Random(3);
    let x: Vec<f64> = (0..rows).map(|_| random.unit()).collect();
    let y = x.iter().map(|x| f64::from(u8::from(*x + random.unit() > 1.0))).collect::<Vec<_>>();
    vec![("y", floats(y)), ("x", floats(x))]
}

/// Writes a table as Parquet in one row group, zstd, with pages as large as they come, and as Arrow in one batch.
fn write(folder: &Folder, name: &str, data: &RecordBatch) {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(None)
        .set_data_page_size_limit(1 << 30)
        .set_dictionary_page_size_limit(1 << 30)
        .set_data_page_row_count_limit(usize::MAX)
        .build();
    let file = File::create(folder.path(&format!("{name}.parquet"))).unwrap();
    let mut writer = ArrowWriter::try_new(file, data.schema(), Some(properties)).unwrap();
    writer.write(data).unwrap();
    writer.close().unwrap();
    let file = File::create(folder.path(&format!("{name}.arrow"))).unwrap();
    let mut writer = FileWriter::try_new(file, &data.schema()).unwrap();
    writer.write(data).unwrap();
    writer.finish().unwrap();
}

/// Trains within the first budget that is not refused, beginning with 80 MB, and checks that it was kept.
fn keeps(folder: &Folder, input: &str, options: &str) {
    does_within(folder, "train", input, options);
}

/// The same with any command that makes a model.
fn does_within(folder: &Folder, command: &str, input: &str, options: &str) {
    let mut budget = 80u64 << 20;
    for _ in 0..4 {
        let command =
            format!("{command} {input} --target y -o m --quiet --summary - --memory {budget} {options}");
        let run = folder.run(&command);
        if run.output.status.success() {
            let summary: Value = serde_json::from_str(&run.out()).unwrap();
            let peak = summary["peak_memory_bytes"].as_u64().unwrap();
            let model = summary["model"]["bytes"].as_u64().unwrap();
            println!("{input} {options}: {} MB of {} MB and a model of {model}", peak >> 20, budget >> 20);
            // Four rates race, each with a model; what is saved of it is another copy.
            // Pages of a map count, though the system can take them back at any time.
            let is_mapped = input.ends_with(".arrow");
            let mapped = if is_mapped { folder.path(input).metadata().unwrap().len() } else { 0 };
            assert!(peak <= budget + mapped + 8 * model + BESIDE, "{command}: {} MB", peak >> 20);
            return;
        }
        let error = run.err();
        assert_eq!(run.output.status.code(), Some(2), "{command}: {error}");
        let least = error.split("at least ").nth(1).unwrap_or_else(|| panic!("{command}: {error}"));
        let least: u64 = least.split("MB").next().unwrap().parse().unwrap();
        assert!(least << 20 > budget, "{command}: {error}");
        budget = least << 20;
    }
    panic!("{input}: budgets that were told to be enough were refused");
}

#[test]
fn many_columns() {
    let folder = Folder::new();
    let mut all = columns(400);
    let names: Vec<String> = (0..2500).map(|i| format!("c{i}")).collect();
    let mut random = Random(4);
    all.extend(
        names.iter().map(|name| (name.as_str(), floats((0..400).map(|_| random.unit()).collect::<Vec<_>>()))),
    );
    write(&folder, "wide", &table(all));
    for input in ["wide.parquet", "wide.arrow"] {
        keeps(&folder, input, "");
    }
}

#[test]
fn large_cells() {
    let folder = Folder::new();
    let mut all = columns(40);
    let cell = |row: usize| {
        if row.is_multiple_of(8) { format!("{row} ab cd ").repeat(600_000) } else { row.to_string() }
    };
    all.push(("s", texts((0..40).map(cell))));
    write(&folder, "cells", &table(all));
    for input in ["cells.parquet", "cells.arrow"] {
        for options in ["", "--ignore s", "--threads 1"] {
            keeps(&folder, input, options);
        }
    }
}

#[test]
fn a_small_file_of_a_huge_cell_is_refused_before_it_is_read() {
    let folder = Folder::new();
    let mut all = columns(20);
    all.push(("s", texts((0..20).map(|row| if row == 9 { "b".repeat(400 << 20) } else { "a".to_string() }))));
    let data = table(all);
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_dictionary_enabled(false)
        .build();
    let file = File::create(folder.path("bomb.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, data.schema(), Some(properties)).unwrap();
    writer.write(&data).unwrap();
    writer.close().unwrap();
    assert!(folder.path("bomb.parquet").metadata().unwrap().len() < 1 << 20);
    let error = folder.fails(2, "train bomb.parquet --target y -o m --memory 128MB");
    common::says(&error, &["--memory", "give at least"]);
    keeps(&folder, "bomb.parquet", "--ignore s");
}

#[test]
fn a_large_dictionary() {
    let folder = Folder::new();
    let rows = 300_000;
    let mut all = columns(rows);
    let mut random = Random(5);
    let texts: Vec<String> =
        (0..rows).map(|row| format!("{:0100}", (row as u64) << 20 | random.below(999))).collect();
    all.push(("s", Arc::new(StringArray::from_iter_values(texts)) as ArrayRef));
    let data = table(all);
    write(&folder, "plain", &data);
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let encoded = arrow::compute::cast(data.column(2), &dictionary).unwrap();
    write(
        &folder,
        "dictionary",
        &table(vec![("y", data.column(0).clone()), ("x", data.column(1).clone()), ("s", encoded)]),
    );
    for input in ["plain.parquet", "plain.arrow", "dictionary.arrow"] {
        keeps(&folder, input, "");
        keeps(&folder, input, "--ignore s");
    }
}

#[test]
fn long_lists() {
    let folder = Folder::new();
    // Together more than any budget here.
    let (rows, length) = (40, 1_000_000);
    let mut all = columns(rows);
    let mut random = Random(6);
    let values = Int64Array::from_iter_values((0..rows * length).map(|_| random.below(100_000) as i64));
    let offsets = OffsetBuffer::from_lengths(vec![length; rows]);
    let field = Arc::new(Field::new("item", DataType::Int64, true));
    all.push(("l", Arc::new(ListArray::new(field, offsets, Arc::new(values), None))));
    write(&folder, "lists", &table(all));
    for input in ["lists.parquet", "lists.arrow"] {
        keeps(&folder, input, "");
    }
}

#[test]
fn more_rows_for_scoring_than_may_be_kept() {
    let folder = Folder::new();
    let rows = 600_000;
    let mut all = columns(rows);
    let names: Vec<String> = (0..24).map(|i| format!("c{i}")).collect();
    let mut random = Random(7);
    all.extend(names.iter().map(|name| {
        (name.as_str(), floats((0..rows).map(|_| random.below(1000) as f64).collect::<Vec<_>>()))
    }));
    folder.table_in_pieces("rows.parquet", &table(all), 50_000);
    for (command, options) in [("train", "--holdout 0.9"), ("cv", ""), ("search", "--random 3 --folds 3")] {
        does_within(&folder, command, "rows.parquet", options);
    }
}
