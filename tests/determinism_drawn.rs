//! Promise 1 over configurations drawn by chance: any number of threads from 1 to 8 and any budget from the least on
//! give the same model.

mod common;

use arrow::array::RecordBatch;
use common::{Folder, Random, clicks, floats, table, texts};

const ROWS: usize = 1500;
const CONFIGURATIONS: usize = 50;

/// The clicks with words, a class, and a count.
fn visits() -> RecordBatch {
    let (clicks, mut random) = (clicks(ROWS, 1), Random(2));
    let (mut words, mut kind, mut orders) = (vec![], vec![], vec![]);
    for row in 0..ROWS {
        let said: Vec<u64> = (0..2 + random.below(5)).map(|_| random.below(300)).collect();
        kind.push(["new", "old", "lost"][((said[0] % 3 + random.below(2)) % 3) as usize]);
        orders.push(((row % 5) as f64 + random.unit()).floor());
        words.push(said.iter().map(|word| format!("w{word}")).collect::<Vec<_>>().join(" "));
    }
    let schema = clicks.schema();
    let names = schema.fields().iter().map(|f| f.name().as_str());
    let mut columns: Vec<_> = names.zip(clicks.columns().iter().cloned()).collect();
    columns.extend([("words", texts(words)), ("kind", texts(kind)), ("orders", floats(orders))]);
    table(columns)
}

/// One of several.
fn one<'a>(random: &mut Random, of: &[&'a str]) -> &'a str {
    of[random.below(of.len() as u64) as usize]
}

/// Options that go together.
fn draw(random: &mut Random) -> String {
    let target = one(
        random,
        &[
            "--target click --ignore kind,orders",
            "--target click --ignore kind,orders --loss hinge",
            "--target kind --ignore click,orders",
            "--target orders --ignore click,kind --loss poisson",
            "--target orders --ignore click,kind --loss huber",
            "--target price --ignore click,kind --on-error skip --loss quantile",
        ],
    );
    let optimizer = one(
        random,
        &[
            "",
            "",
            "--optimizer sgd",
            "--optimizer sgd --momentum 0.8",
            "--optimizer rmsprop",
            "--optimizer ftrl",
            "--optimizer gd --epochs 3",
            "--optimizer lbfgs --epochs 4",
        ],
    );
    let is_exact = optimizer.contains("lbfgs");
    let mut options = vec![target.to_string(), optimizer.to_string()];
    options.push(one(random, &["", "--l2 0.001", "--l1 0.0001", "--l1 0.0001 --l2 0.0001"]).to_string());
    options.push(one(random, &["", "--batch-size 1", "--batch-size 7", "--batch-size 500"]).to_string());
    options.push(
        one(random, &["", "--text words", "--cross city*age", "--bin age", "--scale none"]).to_string(),
    );
    options.push(one(random, &["", "--shuffle none", "--weight weight", "--holdout 0.2"]).to_string());
    if !is_exact {
        options.push(one(random, &["", "", "--learning-rate 0.05"]).to_string());
        if !target.contains("kind --ignore click,orders") || !target.contains("--target kind") {
            options.push(one(random, &["", "", "--factors 3"]).to_string());
        }
        if !optimizer.contains("epochs") {
            options.push(one(random, &["", "--epochs 2", "--epochs 6"]).to_string());
        }
    }
    options.push(format!("--seed {}", random.below(3)));
    options.join(" ")
}

#[test]
fn any_configuration_gives_one_model_on_any_threads_and_any_memory() {
    let folder = Folder::new();
    // (A CSV file of so few rows is one split: that more give the same is told by tests/determinism.rs.)
    let data = visits();
    folder.table_in_pieces("parquet/1.parquet", &data.slice(0, 600), 200);
    folder.table_in_pieces("parquet/2.parquet", &data.slice(600, ROWS - 600), 400);
    folder.table_in_pieces("a.arrow", &data, 250);
    folder.table("a.csv", &data);
    let mut random = Random(11);
    for number in 0..CONFIGURATIONS {
        let input = one(&mut random, &["parquet", "a.arrow", "a.csv"]);
        let command = format!("train {input} -o m --quiet --summary - {}", draw(&mut random));
        let hash = |machine: &str| folder.summary(&format!("{command} {machine}"))["model_sha256"].clone();
        let error = folder.fails(2, &format!("{command} --memory 1MB"));
        let least = error.split("at least ").nth(1).unwrap_or_else(|| panic!("{command}: {error}"));
        let least = least.split([',', ' ']).next().unwrap();
        // One thread with memory for all, and several with as little as can be.
        let alone = hash("--threads 1 --memory 8GB");
        let machine = format!("--threads {} --memory {least}", 2 + random.below(7));
        assert!(hash(&machine) == alone, "configuration {number}: {command} {machine}");
    }
}
