//! What the commands do when all is well, on small tables.

mod common;

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, ListArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float64Type, Int32Type, TimeUnit};
use arrow::util::display::array_value_to_string;
use common::{Folder, Random, booleans, clicks, floats, integers, says, table, texts, times};
use serde_json::Value;

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// All rows of a file that `predict` wrote.
fn read(folder: &Folder, name: &str) -> RecordBatch {
    let file = File::open(folder.path(name)).unwrap();
    let batches: Vec<RecordBatch> = match name.rsplit_once('.').unwrap().1 {
        "parquet" => {
            let builder = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file);
            builder.unwrap().build().unwrap().map(Result::unwrap).collect()
        }
        _ => arrow::ipc::reader::FileReader::try_new(file, None).unwrap().map(Result::unwrap).collect(),
    };
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

/// The cells of CSV or TSV without quotes, line by line.
fn cells(text: &str, delimiter: char) -> Vec<Vec<String>> {
    text.lines().map(|line| line.split(delimiter).map(str::to_string).collect()).collect()
}

/// The probabilities that a model gives a table.
fn probabilities(folder: &Folder, file: &str, model: &str) -> Vec<f64> {
    let out = folder.ok(&format!("predict {file} --model {model} --quiet")).out();
    cells(&out, ',')[1..].iter().map(|row| row[1].parse().unwrap()).collect()
}

/// What `inspect --json` says: the bias, and weights by name.
fn weights(folder: &Folder, model: &str) -> (f64, BTreeMap<String, f64>) {
    let json = folder.summary(&format!("inspect {model} --json"));
    assert_eq!(keys(&json), ["bias", "features"]);
    let features = json["features"].as_array().unwrap().iter();
    let named = features.map(|f| (f["name"].as_str().unwrap().to_string(), f["weight"].as_f64().unwrap()));
    (json["bias"].as_f64().unwrap(), named.collect())
}

#[test]
fn the_summaries_have_the_keys_that_scripts_rely_on() {
    let folder = Folder::new();
    folder.table("a.parquet", &clicks(3000, 1));
    let train = folder.summary("train a.parquet --target click -o m --holdout 0.2 --quiet --summary -");
    for key in [
        "rows",
        "epochs",
        "seconds",
        "rows_per_second",
        "bytes_read",
        "peak_memory_bytes",
        "threads",
        "seed",
        "progressive",
        "holdout",
        "plan",
        "stages",
        "model",
        "skipped",
        "model_sha256",
    ] {
        assert!(!train[key].is_null(), "{key} is not in {train}");
    }
    for report in ["progressive", "holdout"] {
        for figure in ["log_loss", "auc", "accuracy", "brier", "mean_loss"] {
            assert!(train[report][figure].is_f64(), "{report}.{figure} is not in {train}");
        }
        assert!(train[report]["rmse"].is_null());
    }
    assert_eq!(keys(&train["stages"]), ["read", "decode", "encode", "learn"]);
    assert_eq!(keys(&train["stages"]["read"]), ["busy", "waiting"]);
    assert_eq!(train["model"]["bytes"], folder.path("m").metadata().unwrap().len());
    assert!(train["model"]["weights"].as_u64().unwrap() > 8);
    assert_eq!(keys(&train["skipped"]), ["rows", "blocks", "reasons"]);
    assert_eq!(train["plan"][2]["column"], "city");
    assert_eq!(train["plan"][2]["used_as"], "category");
    let sum = std::process::Command::new("sha256sum").arg(folder.path("m")).output();
    if let Ok(sum) = sum {
        let sum = String::from_utf8_lossy(&sum.stdout).into_owned();
        assert_eq!(train["model_sha256"], sum.split(' ').next().unwrap());
    }

    let evaluate = folder.summary("evaluate a.parquet --model m --summary -");
    folder.ok("evaluate a.parquet --model m --quiet --summary e.json");
    assert_eq!(folder.json("e.json")["metrics"], evaluate["metrics"]);
    for figure in ["log_loss", "auc", "accuracy", "brier", "mean_loss"] {
        assert!(evaluate["metrics"][figure].is_f64(), "{figure} is not in {evaluate}");
    }
    let number = folder.summary("train a.parquet --target age -o n --quiet --summary -");
    for figure in ["rmse", "mae", "r2", "mean_loss"] {
        assert!(number["progressive"][figure].is_f64(), "{figure} is not in {number}");
    }
    assert!(number["progressive"]["log_loss"].is_null());
    let predict = folder.summary("predict a.parquet --model m -o p.csv --quiet --summary -");
    assert_eq!((predict["rows"].as_u64(), predict["command"].as_str()), (Some(3000), Some("predict")));
}

#[test]
fn quiet_runs_print_nothing() {
    let folder = Folder::new();
    folder.table("a.parquet", &clicks(500, 1));
    for command in [
        "train a.parquet --target click -o m --epochs 2 --quiet",
        "evaluate a.parquet --model m --quiet",
        "predict a.parquet --model m -o p.csv --quiet",
    ] {
        let run = folder.ok(command);
        assert_eq!((run.out(), run.err()), (String::new(), String::new()), "{command}");
    }
    let loud = folder.ok("train a.parquet --target click -o m");
    assert_eq!(loud.out(), "", "standard output is for what was asked for");
    says(&loud.err(), &["positive class: 1", "500 rows", "progressive", "model: m"]);
}

#[test]
fn predictions_are_the_same_in_every_format_and_keep_the_order_of_rows() {
    let folder = Folder::new();
    let data = clicks(2500, 1);
    let id = integers(0..2500);
    let (schema, mut columns) = (data.schema(), vec![("id", id)]);
    columns.extend(schema.fields().iter().zip(data.columns()).map(|(f, c)| (f.name().as_str(), c.clone())));
    let data = table(columns);
    folder.table("whole.parquet", &data);
    folder.ok("train whole.parquet --target click --ignore id -o m --quiet");
    // Two files of several row groups, and one of several record batches.
    folder.table_in_pieces("d/1.parquet", &data.slice(0, 1000), 300);
    folder.table_in_pieces("d/2.parquet", &data.slice(1000, 700), 256);
    folder.table_in_pieces("d/3.arrow", &data.slice(1700, 800), 100);
    let out = cells(&folder.ok("predict d --model m --keep id,city --quiet --threads 3").out(), ',');
    assert_eq!(out[0], ["id", "city", "prediction", "probability"]);
    assert_eq!(out.len(), 2501);
    for (i, row) in out[1..].iter().enumerate() {
        assert_eq!(row[0], i.to_string());
        assert_eq!(row[2] == "1", row[3].parse::<f64>().unwrap() > 0.5, "{row:?}");
    }
    for name in ["p.csv", "p.tsv", "p.parquet", "p.arrow"] {
        folder.ok(&format!("predict d --model m --keep id,city -o {name} --quiet"));
        let found = match name {
            "p.csv" => cells(&folder.read(name), ','),
            "p.tsv" => cells(&folder.read(name), '\t'),
            _ => {
                let table = read(&folder, name);
                let header = table.schema().fields().iter().map(|f| f.name().clone()).collect();
                let cell = |c: &ArrayRef, row| array_value_to_string(c, row).unwrap();
                let rows =
                    (0..table.num_rows()).map(|row| table.columns().iter().map(|c| cell(c, row)).collect());
                std::iter::once(header).chain(rows).collect()
            }
        };
        assert!(found == out, "{name} differs from standard output");
    }
    let whole = folder.ok("predict whole.parquet --model m --keep id,city --quiet --threads 1").out();
    assert!(cells(&whole, ',') == out, "files and row groups change nothing");
}

#[test]
fn kept_columns_of_every_type_are_unchanged() {
    let folder = Folder::new();
    let rows = 50;
    let gaps = |i: i64| (i % 5 != 0).then_some(i);
    let numbers = integers((0..rows).map(gaps));
    let to = |t: &DataType| cast(&numbers, t).unwrap();
    let words = texts((0..rows).map(|i| format!("word {}, \"{}\"", i % 7, i % 3)));
    let dictionary: DictionaryArray<Int32Type> = words.as_string::<i32>().iter().collect();
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(
        (0..rows as i32).map(|i| (i % 4 != 0).then(|| (0..i % 3).map(Some).collect::<Vec<_>>())),
    );
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("i8", to(&DataType::Int8)),
        ("u64", to(&DataType::UInt64)),
        ("f32", to(&DataType::Float32)),
        ("decimal", to(&DataType::Decimal128(12, 2))),
        ("day", to(&DataType::Date32)),
        ("time", to(&DataType::Timestamp(TimeUnit::Nanosecond, Some("+02:00".into())))),
        ("large", cast(&words, &DataType::LargeUtf8).unwrap()),
        ("view", cast(&words, &DataType::Utf8View).unwrap()),
        ("bytes", cast(&words, &DataType::Binary).unwrap()),
        ("words", words.clone()),
        ("dictionary", Arc::new(dictionary)),
        ("list", Arc::new(list)),
        ("flag", booleans((0..rows).map(|i| i % 3 == 0))),
    ];
    let mut all = columns.clone();
    all.push(("y", integers((0..rows).map(|i| i * i % 7 % 2))));
    folder.table_in_pieces("a.parquet", &table(all.clone()), 20);
    folder.table_in_pieces("a.arrow", &table(all), 20);
    folder.ok("train a.parquet --target y -o m --quiet");
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    for (input, output) in [("a.parquet", "p.arrow"), ("a.arrow", "p.parquet"), ("a.arrow", "p.arrow")] {
        folder.ok(&format!("predict {input} --model m --keep {} -o {output} --quiet", names.join(",")));
        let found = read(&folder, output);
        for (name, column) in &columns {
            let found = found.column_by_name(name).unwrap();
            let plain = match column.data_type() {
                DataType::Dictionary(_, values) => cast(column, values).unwrap(),
                _ => column.clone(),
            };
            assert_eq!(found.data_type(), plain.data_type(), "{name} from {input} in {output}");
            assert!(found.to_data() == plain.to_data(), "{name} from {input} in {output}");
        }
    }
    let error = folder.fails(2, "predict a.parquet --model m --keep i8,i8 -o q.parquet");
    says(&error, &["two columns `i8`"]);
}

#[test]
fn a_prediction_is_the_logistic_function_of_bias_and_weighted_numbers() {
    let folder = Folder::new();
    let mut random = Random(3);
    let rows = 1000;
    let columns: Vec<Vec<f64>> = (0..3).map(|_| (0..rows).map(|_| random.unit() - 0.3).collect()).collect();
    let y = booleans((0..rows).map(|i| columns[0][i] + columns[1][i] > columns[2][i]));
    let named = ["a", "b", "c"].into_iter().zip(columns.iter().map(|c| floats(c.clone())));
    folder.table("a.parquet", &table(named.chain([("y", y)]).collect()));
    for options in ["", "--optimizer sgd --learning-rate 0.5", "--loss squared --optimizer rmsprop"] {
        let target = if options.contains("squared") { "c" } else { "y" };
        folder
            .ok(&format!("train a.parquet --target {target} --ignore y --scale none -o m --quiet {options}")
                .replace("--ignore y", if target == "y" { "" } else { "--ignore y" }));
        let (bias, weights) = weights(&folder, "m");
        let out = cells(&folder.ok("predict a.parquet --model m --quiet").out(), ',');
        for (i, row) in out[1..].iter().enumerate() {
            let feature = |(name, j): (&str, usize)| weights.get(name).map_or(0.0, |w| w * columns[j][i]);
            let margin = bias + [("a", 0), ("b", 1), ("c", 2)].map(feature).iter().sum::<f64>();
            let (expected, cell) =
                if target == "y" { (1.0 / (1.0 + (-margin).exp()), &row[1]) } else { (margin, &row[0]) };
            assert!((cell.parse::<f64>().unwrap() - expected).abs() < 2e-6, "{row:?} != {expected}");
        }
    }
}

#[test]
fn two_classes_may_be_texts_booleans_and_numbers_in_every_format() {
    let folder = Folder::new();
    let mut random = Random(5);
    let x: Vec<f64> = (0..1500).map(|_| random.unit()).collect();
    let is_one: Vec<bool> = x.iter().map(|x| *x + random.unit() > 1.0).collect();
    let as_texts =
        |one: &str, zero: &str| texts(is_one.iter().map(|&b| if b { one } else { zero }.to_string()));
    let as_numbers = |one, zero| integers(is_one.iter().map(|&b| if b { one } else { zero }));
    let halves = floats(is_one.iter().map(|&b| if b { 1.0 } else { 0.0 }));
    let mut reference = None;
    for (positive, y) in [
        ("1", as_numbers(1, 0)),
        ("1", as_numbers(1, -1)),
        ("1", halves),
        ("true", booleans(is_one.iter().copied())),
        ("True", as_texts("True", "False")),
        ("yes", as_texts("yes", "no")),
    ] {
        folder.table("a.parquet", &table(vec![("x", floats(x.clone())), ("y", y.clone())]));
        folder.table("a.arrow", &table(vec![("x", floats(x.clone())), ("y", y.clone())]));
        folder.table("a.csv", &table(vec![("x", floats(x.clone())), ("y", y)]));
        for file in ["a.parquet", "a.arrow", "a.csv"] {
            let run = folder.ok(&format!("train {file} --target y -o m --summary s.json"));
            // CSV has no texts that look like booleans.
            let positive = if file == "a.csv" { positive.to_lowercase() } else { positive.to_string() };
            says(&run.err(), &[&format!("positive class: {positive}, ")]);
            let loss = folder.json("s.json")["progressive"]["log_loss"].as_f64().unwrap();
            assert_eq!(loss, *reference.get_or_insert(loss), "{positive} in {file}");
            let out = cells(&folder.ok(&format!("predict {file} --model m --quiet")).out(), ',');
            assert!(out[1..].iter().any(|row| row[0] == positive), "{positive} in {file}");
        }
    }
    // The other class, on request: the same model with the opposite sign.
    let one = probabilities(&folder, "a.parquet", "m");
    folder.ok("train a.parquet --target y --positive no -o m --quiet");
    let other = probabilities(&folder, "a.parquet", "m");
    assert!(one.iter().zip(&other).all(|(p, q)| (p + q - 1.0).abs() < 1e-5));
}

#[test]
fn a_weight_multiplies_the_loss() {
    let folder = Folder::new();
    let data = clicks(2000, 1);
    let mut columns: Vec<(&str, ArrayRef)> = vec![("two", floats((0..2000).map(|_| 2.0)))];
    let names = ["age", "price", "city", "user", "weight", "click"];
    columns.extend(names.iter().map(|n| (*n, data.column_by_name(n).unwrap().clone())));
    folder.table("a.parquet", &table(columns));
    let train = |options: &str| {
        let common = "train a.parquet --target click --optimizer sgd --quiet --summary - -o m";
        folder.summary(&format!("{common} {options}"));
        weights(&folder, "m")
    };
    // The gradient is the mean of weight times loss: twice the weight is twice the rate.
    let doubled = train("--weight two --ignore weight --learning-rate 0.25");
    assert_eq!(doubled, train("--ignore two,weight --learning-rate 0.5"));
    assert_ne!(doubled, train("--weight weight --ignore two --learning-rate 0.25"));
    // Rows of weight 0 teach nothing and count for no metric.
    let y = data.column_by_name("click").unwrap().as_primitive::<Float64Type>().clone();
    let keep = |i: usize| i < 1000;
    let flipped = floats((0..2000).map(|i| if keep(i) { y.value(i) } else { 1.0 - y.value(i) }));
    let weight = floats((0..2000).map(|i| if keep(i) { 1.0 } else { 0.0 }));
    let age = || data.column_by_name("age").unwrap().clone();
    let zeros = table(vec![("age", age()), ("w", weight), ("click", flipped)]);
    folder.table("z.parquet", &zeros);
    folder.table("h.parquet", &zeros.slice(0, 1000));
    folder.ok("train z.parquet --target click --weight w -o m --quiet");
    let whole = folder.summary("evaluate z.parquet --model m --quiet --summary -");
    let half = folder.summary("evaluate h.parquet --model m --quiet --summary -");
    let loss = |s: &Value| s["metrics"]["log_loss"].as_f64().unwrap();
    assert!((loss(&whole) - loss(&half)).abs() < 1e-9 && loss(&half) < 0.69);
}

#[test]
fn the_user_has_the_last_word_on_columns() {
    let folder = Folder::new();
    let n = 2000;
    let y = booleans((0..n).map(|i| i % 10 < 4));
    let columns = || {
        vec![
            ("zip", integers((0..n).map(|i| 1000 + i % 10))),
            ("flag", booleans((0..n).map(|i| i % 3 == 0))),
            ("seen", times((0..n).map(|i| i * 3_600_000_000))),
            ("id", integers(0..n)),
            ("y", y.clone()),
        ]
    };
    folder.table("a.parquet", &table(columns()));
    folder.table("a.csv", &table(columns()));
    folder.write("f.toml", "[columns]\nzip = \"categorical\"\nid = \"ignore\"\nseen = \"ignore\"\n");
    for file in ["a.parquet", "a.csv"] {
        let used = |options: &str| -> BTreeMap<String, String> {
            let plan = folder.summary(&format!("plan {file} --target y --json {options}"));
            let columns = plan["columns"].as_array().unwrap().clone();
            let used =
                |c: &Value| c["used"].as_object().map_or(c["used"].to_string(), |u| u["as"].to_string());
            columns.iter().map(|c| (c["name"].as_str().unwrap().to_string(), used(c))).collect()
        };
        let (plain, asked) = (used(""), used("--features f.toml --numeric flag"));
        assert!(plain["zip"] != asked["zip"] && plain["id"] != asked["id"] && plain["flag"] != asked["flag"]);
        assert_eq!(asked["zip"], plain["flag"], "a category as a bool is");
        assert_eq!(asked["flag"], plain["zip"], "a number as an integer is");
        // The command line wins over the file.
        assert_eq!(used("--features f.toml --numeric zip")["zip"], plain["zip"]);
        folder.ok(&format!("train {file} --target y --features f.toml -o m --quiet"));
        let (_, weights) = weights(&folder, "m");
        let names: Vec<&str> = weights.keys().map(String::as_str).collect();
        let zips: Vec<String> = (1000..1010).map(|zip| format!("zip={zip}")).collect();
        assert!(zips.iter().all(|zip| names.contains(&zip.as_str())), "{names:?}");
        assert!(names.iter().all(|n| n.starts_with("zip=") || n.starts_with("flag")), "{names:?}");
        let metrics = folder.summary(&format!("evaluate {file} --model m --quiet --summary -"));
        assert!(metrics["metrics"]["accuracy"].as_f64().unwrap() > 0.99, "the classes of zip decide");
    }
}

#[test]
fn rows_are_learned_held_out_or_skipped_and_the_counts_add_up() {
    let folder = Folder::new();
    let mut random = Random(9);
    let x: Vec<f64> = (0..5000).map(|_| random.unit()).collect();
    let y = floats(x.iter().enumerate().map(|(i, x)| if i % 50 == 7 { f64::NAN } else { x * 2.0 }));
    folder.table_in_pieces("a.parquet", &table(vec![("x", floats(x)), ("y", y)]), 700);
    for (options, least, most) in [("", 0, 0), ("--holdout 0.3", 1300, 1640), ("--epochs 2", 380, 600)] {
        let summary = folder.summary(&format!(
            "train a.parquet --target y --on-error skip -o m --quiet --summary - {options}"
        ));
        let count = |part: &Value| part.as_u64().unwrap_or(0);
        let (learned, held) = (count(&summary["progressive"]["rows"]), count(&summary["holdout"]["rows"]));
        assert_eq!(summary["skipped"]["rows"], 100);
        assert!((least..=most).contains(&held), "{held} rows held out with {options}");
        assert_eq!(summary["rows"], learned + held + 100);
        assert_eq!(summary["rows"], 5000);
    }
}

#[test]
fn data_sorted_by_label_trains_as_well_as_shuffled_data() {
    let folder = Folder::new();
    let data = clicks(12_000, 1);
    let y = data.column_by_name("click").unwrap();
    let order = arrow::compute::sort_to_indices(y, None, None).unwrap();
    let sorted = arrow::compute::take_record_batch(&data, &order).unwrap();
    folder.table_in_pieces("shuffled.parquet", &data, 2000);
    folder.table_in_pieces("sorted.parquet", &sorted, 2000);
    folder.table("sorted.csv", &sorted);
    folder.table("test.parquet", &clicks(4000, 2));
    let loss = |input: &str, options: &str| {
        let run = folder.ok(&format!("train {input} --target click --ignore weight -o m {options}"));
        let summary = folder.summary("evaluate test.parquet --model m --quiet --summary -");
        (summary["metrics"]["log_loss"].as_f64().unwrap(), run.err())
    };
    let (shuffled, note) = loss("shuffled.parquet", "");
    says(&note, &["rows are taken as they come"]);
    for input in ["sorted.parquet", "sorted.csv"] {
        let (sorted, note) = loss(input, "");
        says(&note, &["rows are shuffled"]);
        assert!(sorted < 1.03 * shuffled, "{input}: {sorted} against {shuffled}");
    }
    let (in_place, note) = loss("sorted.parquet", "--shuffle none");
    says(&note, &["follows the order of the rows"]);
    assert!(in_place > shuffled, "what the shuffle is for: {in_place} against {shuffled}");
}

#[test]
fn the_same_rows_give_the_same_model_file_in_every_format() {
    let folder = Folder::new();
    folder.table("a.csv", &clicks(3000, 1));
    folder.ok("train a.csv --target click --shuffle none -o a --quiet --summary a.json");
    folder.table_in_pieces("b.parquet", &clicks(3000, 1), 700);
    folder.table_in_pieces("c.arrow", &clicks(3000, 1), 400);
    for name in ["b.parquet", "c.arrow"] {
        folder.ok(&format!("train {name} --target click --shuffle none -o b --quiet --summary b.json"));
        assert_eq!(folder.json("a.json")["plan"], folder.json("b.json")["plan"], "{name}");
        let models = ["a", "b"].map(|model| std::fs::read(folder.path(model)).unwrap());
        assert!(models[0] == models[1], "{name}");
    }
}
