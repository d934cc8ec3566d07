//! Promise 1: data, configuration and seed determine the model bit for bit; threads, memory and timing
//! do not.

mod common;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::DataType;
use common::{Folder, Random, booleans, clicks, floats, table, texts};
use serde_json::Value;

/// Rows of the tables: a CSV file of them has more than 1 MB, so many splits.
const ROWS: usize = 40_000;

/// A folder with the same rows in three layouts, each in many splits.
fn folder() -> Folder {
    let folder = Folder::new();
    let data = clicks(ROWS, 1);
    let half = ROWS / 2;
    folder.table_in_pieces("parquet/1.parquet", &data.slice(0, half), 3000);
    folder.table_in_pieces("parquet/2.parquet", &data.slice(half, ROWS - half), 7000);
    folder.table_in_pieces("a.arrow", &data, 2500);
    folder.table("a.csv", &data);
    assert!(folder.path("a.csv").metadata().unwrap().len() > 1 << 20);
    folder
}

const INPUTS: [&str; 3] = ["parquet", "a.arrow", "a.csv"];

/// The model's hash, which the file must have, too.
fn train(folder: &Folder, input: &str, options: &str) -> String {
    let common = format!("train {input} --target click -o m --quiet --summary -");
    let summary = folder.summary(&format!("{common} {options}"));
    summary["model_sha256"].as_str().unwrap().to_string()
}

#[test]
fn neither_threads_nor_memory_nor_chance_change_the_model() {
    let folder = folder();
    for input in INPUTS {
        for shuffle in ["none", "auto"] {
            // `auto` leaves well mixed rows in place, unless there are several epochs.
            let options = if shuffle == "auto" { "--epochs 2 --holdout 0" } else { "--shuffle none" };
            let expected = train(&folder, input, &format!("{options} --threads 1"));
            for machine in [
                "--threads 1",
                "--threads 2",
                "--threads 3",
                "--threads 8",
                "--threads 1 --memory 200MB",
                "--threads 4 --memory 200MB",
                "--threads 8 --memory 2GB",
                "",
            ] {
                let found = train(&folder, input, &format!("{options} {machine}"));
                assert!(found == expected, "{input} {options} {machine}");
            }
        }
    }
}

#[test]
fn the_smallest_budget_gives_the_same_model() {
    let folder = folder();
    for input in INPUTS {
        for options in ["--shuffle none", "--epochs 2 --holdout 0.1"] {
            let common = format!("train {input} --target click --quiet -o m {options} --summary -");
            let error = folder.fails(2, &format!("{common} --memory 1MB"));
            let least = error.split("at least ").nth(1).unwrap().split([',', ' ']).next().unwrap();
            let expected = train(&folder, input, options);
            for threads in [1, 8] {
                let found = train(&folder, input, &format!("{options} --threads {threads} --memory {least}"));
                assert!(found == expected, "{input} {options} --threads {threads} --memory {least}");
            }
        }
    }
}

#[test]
fn every_way_of_training_is_the_same_on_any_number_of_threads() {
    let folder = folder();
    let mut seen = std::collections::HashSet::new();
    for options in [
        "--holdout 0.2",
        "--epochs 3",
        "--epochs 3 --learning-rate 0.1 --shuffle none",
        "--optimizer gd --epochs 2",
        "--optimizer sgd",
        "--optimizer rmsprop",
        "--l2 0.001",
        "--optimizer rmsprop --l2 0.01 --epochs 2 --holdout 0.1",
        "--weight weight",
        "--batch-size 1000",
        "--batch-size 1",
        "--loss squared",
        "--seed 7",
        "--scale none",
    ] {
        for input in ["parquet", "a.csv"] {
            let one = train(&folder, input, &format!("{options} --threads 1"));
            let three = train(&folder, input, &format!("{options} --threads 3 --memory 300MB"));
            assert!(one == three, "{input} {options}");
            assert!(seen.insert((input, one)), "{input} {options} changes nothing");
        }
    }
}

/// The clicks with more to learn from and more to learn: words, a class, hours, and a count that grows with them.
fn visits(rows: usize) -> RecordBatch {
    let (clicks, mut random) = (clicks(rows, 1), Random(2));
    let (mut words, mut kind, mut hours, mut orders) = (vec![], vec![], vec![], vec![]);
    for row in 0..rows {
        let said: Vec<u64> =
            (0..3 + random.below(6)).map(|_| random.below(400).min(random.below(400))).collect();
        let time = 0.5 + random.unit();
        kind.push(["new", "old", "lost"][((said[0] % 3 + random.below(2)) % 3) as usize]);
        orders.push((time * ((row % 5) as f64 + random.unit())).floor());
        words.push(said.iter().map(|word| format!("w{word}")).collect::<Vec<_>>().join(" "));
        hours.push(time);
    }
    let schema = clicks.schema();
    let mut columns: Vec<(&str, ArrayRef)> =
        schema.fields().iter().map(|f| f.name().as_str()).zip(clicks.columns().iter().cloned()).collect();
    columns.extend([
        ("words", texts(words)),
        ("kind", texts(kind)),
        ("hours", floats(hours)),
        ("orders", floats(orders)),
    ]);
    table(columns)
}

#[test]
fn every_form_loss_and_use_of_columns_is_the_same_on_any_number_of_threads() {
    let folder = Folder::new();
    let data = visits(ROWS / 2);
    folder.table_in_pieces("parquet/1.parquet", &data.slice(0, 5000), 1500);
    folder.table_in_pieces("parquet/2.parquet", &data.slice(5000, ROWS / 2 - 5000), 4000);
    folder.table("a.csv", &data);
    assert!(folder.path("a.csv").metadata().unwrap().len() > 1 << 20);
    let click = "--target click --ignore kind,hours,orders";
    let orders = "--target orders --ignore kind,click --loss poisson";
    folder.ok(&format!("train parquet/1.parquet {click} -o init --quiet"));
    let mut seen = std::collections::HashSet::new();
    for (target, options) in [
        (click, ""),
        (click, "--factors 4"),
        (click, "--optimizer ftrl"),
        (click, "--optimizer ftrl --l1 0.001"),
        (click, "--optimizer lbfgs --epochs 12"),
        (click, "--text words --cross city*price --bin age"),
        (click, "--epochs 6"),
        (click, "--class-weight balanced"),
        (click, "--optimizer sgd --learning-rate 0.05"),
        (click, "--optimizer sgd --learning-rate 0.05 --momentum 0.9"),
        (click, "--schedule inverse"),
        (click, "--init init"),
        (orders, ""),
        (orders, "--exposure hours"),
        ("--target kind --ignore click,hours,orders", "--text words"),
    ] {
        for input in ["parquet", "a.csv"] {
            let hash = |machine: &str| {
                let common = format!("train {input} {target} -o m --quiet --summary - {machine}");
                let summary = folder.summary(&format!("{common} {options}"));
                summary["model_sha256"].as_str().unwrap().to_string()
            };
            let one = hash("--threads 1");
            assert!(one == hash("--threads 3 --memory 300MB"), "{input} {target} {options}");
            assert!(seen.insert((input, one)), "{input} {target} {options} changes nothing");
        }
    }
}

#[test]
fn data_without_a_random_order_is_shuffled_the_same_way_each_time() {
    let folder = Folder::new();
    let data = clicks(ROWS, 1);
    let order = arrow::compute::sort_to_indices(data.column_by_name("click").unwrap(), None, None).unwrap();
    let data = arrow::compute::take_record_batch(&data, &order).unwrap();
    folder.table_in_pieces("a.parquet", &data, 1500);
    folder.table("a.csv", &data);
    for input in ["a.parquet", "a.csv"] {
        let expected = train(&folder, input, "--threads 1");
        for machine in ["--threads 1", "--threads 2", "--threads 8", "--threads 3 --memory 200MB"] {
            assert!(train(&folder, input, machine) == expected, "{input} {machine}");
        }
        assert!(train(&folder, input, "--seed 2") != expected, "another seed is another order");
    }
}

#[test]
fn tables_that_outgrow_what_the_sample_showed_grow_the_same_way_each_time() {
    let folder = Folder::new();
    let (rows, mut random) = (300_000, Random(4));
    let users: Vec<u64> = (0..rows).map(|_| random.below(200_000)).collect();
    let clicks = booleans(users.iter().map(|user| random.below(10) < 2 + user % 7));
    let data = table(vec![("user", texts(users.iter().map(|u| format!("u{u}")))), ("click", clicks)]);
    folder.table_in_pieces("a.parquet", &data, 10_000);
    let train = |options: &str| {
        let common = "train a.parquet --target click -o m --quiet --summary -";
        let summary = folder.summary(&format!("{common} {options}"));
        (summary["model"].clone(), summary["model_sha256"].clone())
    };
    for cap in ["", "--max-model 5MB"] {
        let (model, hash) = train(&format!("{cap} --threads 1"));
        assert_eq!(model["capped"], !cap.is_empty(), "{model}");
        assert!(model["weights"].as_u64().unwrap() > 1 << 17, "{model}");
        assert!(train(&format!("{cap} --threads 4 --memory 200MB")) == (model, hash), "{cap}");
    }
}

/// What the model learned, the target's and columns' types aside.
fn learned(folder: &Folder, input: &str, options: &str) -> Value {
    train(folder, input, options);
    folder.summary("inspect m --json")
}

#[test]
fn in_the_order_of_the_rows_every_format_and_layout_gives_the_same_weights() {
    let folder = folder();
    let data = clicks(ROWS, 1);
    folder.table_in_pieces("b.parquet", &data, 999);
    folder.table("c.parquet", &data);
    let words = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let encode = |name| cast(data.column_by_name(name).unwrap(), &words).unwrap();
    let mut encoded: Vec<(&str, ArrayRef)> = vec![("user", encode("user")), ("city", encode("city"))];
    for name in ["age", "price", "weight", "click"] {
        encoded.push((name, data.column_by_name(name).unwrap().clone()));
    }
    // The order of the columns is part of the plan, so it stays.
    encoded.sort_by_key(|(name, _)| data.schema().index_of(name).unwrap());
    let encoded = table(encoded);
    folder.table("d.arrow", &encoded);
    folder.table("e.parquet", &encoded);
    let gzip = std::process::Command::new("gzip").args(["-k", "a.csv"]).current_dir(folder.path("")).status();
    let mut others = vec!["a.arrow", "a.csv", "b.parquet", "c.parquet", "d.arrow", "e.parquet"];
    if gzip.is_ok_and(|status| status.success()) {
        others.push("a.csv.gz");
    }
    for options in ["--shuffle none", "--shuffle none --epochs 2 --holdout 0 --weight weight --l2 0.001"] {
        let expected = learned(&folder, "parquet", options);
        assert!(expected["features"].as_array().unwrap().len() > 3000, "a weight for each user");
        for input in &others {
            assert!(learned(&folder, input, options) == expected, "{input} {options}");
        }
    }
}

#[test]
fn evaluating_and_predicting_do_not_depend_on_the_machine_either() {
    let folder = folder();
    train(&folder, "parquet", "");
    let metrics = |options: &str| {
        folder.summary(&format!("evaluate a.csv --model m --quiet --summary - {options}"))["metrics"].clone()
    };
    let scores = |options: &str| folder.ok(&format!("predict a.csv --model m --quiet {options}")).out();
    let (expected, lines) = (metrics("--threads 1"), scores("--threads 1"));
    for options in ["--threads 2", "--threads 8", "--threads 5 --memory 100MB"] {
        assert_eq!(metrics(options), expected, "{options}");
        assert!(scores(options) == lines, "{options}");
    }
}

#[test]
fn the_shared_data_sets_give_one_model_on_any_number_of_threads() {
    for (file, target) in
        [("car/train.parquet", "clm"), ("insteval/train.parquet", "y"), ("diamonds/train.csv", "price")]
    {
        let Some(path) = common::shared(file) else { continue };
        let folder = Folder::new();
        let run = |threads: u32| {
            let options = "-o m --quiet --summary - --epochs 2";
            let summary = folder.summary(&format!(
                "train {} --target {target} {options} --threads {threads}",
                path.display()
            ));
            summary["model_sha256"].clone()
        };
        let expected = run(1);
        assert!((2..=4).all(|threads| run(threads) == expected), "{file}");
    }
}

#[test]
fn rows_learned_twice_are_not_rows_learned_once() {
    // That the hashes above can differ at all: twice the rows, or one label changed.
    let folder = Folder::new();
    let data = clicks(5000, 1);
    let twice: RecordBatch = concat_batches(&data.schema(), [&data, &data]).unwrap();
    folder.table("a.parquet", &data);
    folder.table("b.parquet", &twice);
    assert!(train(&folder, "a.parquet", "") != train(&folder, "b.parquet", ""));
}
