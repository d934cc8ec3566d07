//! `--memory`, as the allocator counts: trainings run in this process, over tables larger than their budget.
//! The most that they hold lies within the budget and the models' tables, and four times as many rows take no more.
//!
//! Not counted are code, stacks, mapped files and what C code takes by itself (zstd's windows, some MB): the budget has
//! room for them, and `tests/memory.rs` and `tools/memory.sh` look at the whole process.

mod common;

use std::path::Path;
use std::process::Command;

use clap::Parser;
use common::Folder;
use millstream::cli;
use peak_alloc::PeakAlloc;

// One counter for the whole process, and so there is one test: others would be counted with it.
#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

const MEMORY: usize = 96 << 20;
/// Most bytes of a model's tables, and models that hold such tables: four rates race, and the one that goes on is copied.
const MAX_MODEL: usize = 32 << 20;
const MODELS: usize = 5;
/// What the budget leaves for code, stacks and all else that this allocator does not see.
const UNSEEN: usize = 64 << 20;
/// What is not reckoned with: schemas, footers, the survey, a batch while it becomes a chunk.
const BESIDE: usize = 6 << 20;
/// How much more all files may take than one of four: which batches are read ahead is a matter of chance.
const MORE: usize = 8 << 20;

/// Tables of four files, about 40 MB each.
const TABLES: [(&str, &str, u64); 6] = [
    ("dense", "parquet", 400_000),
    ("dense", "ipc", 350_000),
    ("dense", "csv", 135_000),
    ("clicks", "parquet", 600_000),
    ("clicks", "ipc", 240_000),
    ("clicks", "csv", 165_000),
];

/// Makes a table of four files.
fn make(table: &str, format: &str, rows: u64, folder: &Path) {
    let made = Command::new(env!("CARGO_BIN_EXE_mkdata"))
        .args([table, "--format", format, "--rows", &(4 * rows).to_string()])
        .args(["--rows-per-file", &rows.to_string(), "--output"])
        .arg(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Trains, and returns the most bytes that were held meanwhile, beside what was held before.
fn held_by_training(inputs: &Path, model: &Path) -> usize {
    let (memory, max_model) = (MEMORY.to_string(), MAX_MODEL.to_string());
    let options =
        ["--target=label", "--quiet", "--threads=2", "--memory", &memory, "--max-model", &max_model];
    let paths = [inputs.to_str().unwrap(), "--model", model.to_str().unwrap()];
    let command = cli::Command::try_parse_from(["millstream", "train"].iter().chain(&paths).chain(&options));
    let command = command.unwrap();
    ALLOCATED.reset_peak_usage();
    let before = ALLOCATED.current_usage();
    cli::run(command).unwrap();
    ALLOCATED.peak_usage() - before
}

#[test]
fn what_training_holds_lies_within_the_budget_and_does_not_grow_with_the_table() {
    for (table, format, rows) in TABLES {
        let folder = Folder::new();
        let (data, model) = (folder.path("data"), folder.path("model"));
        make(table, format, rows, &data);
        let first = data.join("*-00000.*");
        let [one, all] = [first.as_path(), data.as_path()].map(|inputs| held_by_training(inputs, &model));
        println!("{table} as {format}: {:.1} MB, of one file {:.1} MB", mb(all), mb(one));
        // Models of numbers alone are some kilobytes.
        let models = if table == "dense" { 0 } else { MODELS * MAX_MODEL };
        let most = MEMORY - UNSEEN + BESIDE + models;
        assert!(one.max(all) <= most, "{table} as {format}: {one} and {all} bytes");
        // More rows know more categories.
        assert!(table != "dense" || all <= one + MORE, "{table} as {format}: {all} bytes, of one file {one}");
    }
}

fn mb(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
