//! Features that the user asks for: words of texts, crosses, bins; and what happens unasked to outliers,
//! copies and constants.

mod common;

use std::fs;

use arrow::array::RecordBatch;
use common::{Folder, Random, floats, integers, says, shared, table, texts};
use serde_json::Value;

/// Shops' messages: `y` depends on words of `text`, on `city` and `hour` together, and on where in its
/// range `age` lies.
fn messages(rows: usize, seed: u64) -> RecordBatch {
    let mut random = Random(seed);
    let (mut text, mut city, mut hour, mut age, mut y) = (vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..rows {
        let words: Vec<u64> =
            (0..2 + random.below(12)).map(|_| random.below(60).min(random.below(60))).collect();
        let (c, h, a) = (random.below(4), random.below(24), random.below(90) as f64 + 0.5);
        let good = words.iter().filter(|&&w| w % 5 == 1).count() as f64;
        let bad = words.iter().filter(|&&w| w % 5 == 2).count() as f64;
        let together = if (c % 2 == 0) == (h < 12) { 1.5 } else { -1.5 };
        let in_the_middle = if (30.0..50.0).contains(&a) { 1.5 } else { -0.5 };
        let margin = 1.5 * (good - bad) + together + in_the_middle;
        let shout = |w: &u64| if w.is_multiple_of(7) { format!("WORD{w}!!") } else { format!("word{w},") };
        text.push(words.iter().map(shout).collect::<Vec<_>>().join(" "));
        city.push(format!("city {c}"));
        hour.push(h as f64 + 0.25);
        age.push((random.below(20) > 0).then_some(a));
        y.push(f64::from(u8::from(random.unit() < 1.0 / (1.0 + (-margin).exp()))));
    }
    table(vec![
        ("text", texts(text)),
        ("city", texts(city)),
        ("hour", floats(hour)),
        ("age", floats(age)),
        ("y", floats(y)),
    ])
}

const ASKED: &str = "--text text --cross city*hour,city*age*hour --bin age --bins 6";

fn auc(folder: &Folder, input: &str, model: &str) -> f64 {
    let summary = folder.summary(&format!("evaluate {input} --model {model} --quiet --summary -"));
    summary["metrics"]["auc"].as_f64().unwrap()
}

#[test]
fn words_crosses_and_bins_are_learned_named_and_the_same_in_every_format_on_any_number_of_threads() {
    let folder = Folder::new();
    let data = messages(20_000, 1);
    folder.table_in_pieces("a.parquet", &data, 3000);
    folder.table("a.csv", &data);
    folder.mkshards("a.csv -o shards --shard-size 300KB");
    folder.table("test.csv", &messages(5000, 2));
    let mut models = Vec::new();
    for input in ["a.csv", "a.parquet", "shards"] {
        for threads in [1, 3] {
            let machine = format!("--threads {threads} --shuffle none --quiet");
            folder.ok(&format!("train {input} --target y -o m {ASKED} {machine}"));
            models.push((input, threads, fs::read(folder.path("m")).unwrap()));
        }
    }
    for (input, threads, model) in &models {
        assert!(*model == models[0].2, "{input} with {threads} threads");
    }
    folder.ok("train a.csv --target y -o plain --quiet");
    let (with, without) = (auc(&folder, "test.csv", "m"), auc(&folder, "test.csv", "plain"));
    assert!(with > 0.8 && with > without + 0.15, "{with} with, {without} without");

    let inspected = folder.summary("inspect m --json");
    let weight = |name: &str| {
        let found = inspected["features"].as_array().unwrap().iter().find(|f| f["name"] == name);
        found.unwrap_or_else(|| panic!("no {name}"))["weight"].as_f64().unwrap()
    };
    assert!(weight("text=word11") > 0.5 && weight("text=word12") < -0.5);
    weight("text=word11 ,");
    weight("text.length");
    assert!(weight("age in 30.5..45.5") > weight("age below 15.5"));
    assert!(weight("age is missing").abs() < 10.0);
    let hours = inspected["features"].as_array().unwrap();
    let crossed =
        |prefix: &str| hours.iter().filter(|f| f["name"].as_str().unwrap().starts_with(prefix)).count();
    assert!(crossed("city=city 1 * hour in ") == 4);
    assert!(crossed("city=city 1 * age is missing * hour ") == 6);

    let predict = |threads: u32| {
        folder.ok(&format!("predict test.csv --model m --quiet --keep y --threads {threads}")).out()
    };
    assert_eq!(predict(1), predict(3));
    let plan = folder.ok(&format!("plan a.csv --target y {ASKED}")).out();
    says(
        &plan,
        &[
            "its words and runs of up to 2",
            "city*hour",
            "cross",
            "combinations, each with its own weight",
            "6 ranges",
        ],
    );
}

#[test]
fn what_is_ignored_can_be_crossed_and_a_file_says_the_same_as_options() {
    let folder = Folder::new();
    folder.table("a.csv", &messages(3000, 1));
    folder.write(
        "f.toml",
        "crosses = [\"city * hour\"]\nngrams = 1\nbins = 5\n\n[columns]\ntext = \"text\"\nage = \"bins\"\ncity = \"ignore\"\nhour = \"ignore\"\n",
    );
    folder.ok("train a.csv --target y -o m --features f.toml --quiet");
    let options = "--ignore city,hour --cross city*hour --text text --ngrams 1 --bin age --bins 5";
    folder.ok(&format!("train a.csv --target y -o n {options} --quiet"));
    assert!(fs::read(folder.path("m")).unwrap() == fs::read(folder.path("n")).unwrap());
    let inspected = folder.summary("inspect m --json").to_string();
    says(&inspected, &["city=city 1 * hour below "]);
    assert!(!inspected.contains("\"hour\"") && !inspected.contains("\"city=city 1\""), "{inspected}");
    // The columns of a cross are needed to predict.
    folder.write("b.csv", "text,age,city\nx,1.5,city 1\n");
    let missed = folder.ok("predict b.csv --model m").err();
    says(&missed, &["lacks columns that the model uses; they count as missing: hour"]);
}

#[test]
fn large_tables_plan_the_same_words_from_rows_and_from_what_shards_say_of_themselves() {
    let folder = Folder::new();
    let mut random = Random(3);
    let rows = 280_000;
    let text = texts((0..rows).map(|i| {
        (0..8)
            .map(|_| format!("w{}", random.below(400)))
            .chain([format!("n{i}")])
            .collect::<Vec<_>>()
            .join(" ")
    }));
    let y = integers((0..rows).map(|i| i % 3 % 2));
    folder.table("a.csv", &table(vec![("text", text), ("y", y)]));
    folder.mkshards("a.csv -o shards --shard-size 4MB");
    let plan = |input: &str, options: &str| {
        folder.ok(&format!("plan {input} --target y --text text --json {options}")).out()
    };
    assert_eq!(plan("a.csv", ""), plan("shards", ""));
    // Other n-grams than the shards know of: their rows are looked at.
    says(&plan("shards", "--ngrams 3"), &["runs of up to 3"]);
}

#[test]
fn parts_of_points_in_time_can_be_crossed() {
    let folder = Folder::new();
    let mut lines = "when,city,y\n".to_string();
    for i in 0..2000 {
        let (day, hour, city) = (1 + i % 28, i * 7 % 24, i % 3);
        let y = u8::from((hour < 12) == (city == 1));
        lines.push_str(&format!("2024-03-{day:02} {hour:02}:00:00,c{city},{y}\n"));
    }
    folder.write("a.csv", lines);
    folder.ok("train a.csv --target y -o m --ignore when --cross when.hour*city --quiet");
    assert!(auc(&folder, "a.csv", "m") > 0.99);
    says(&folder.ok("inspect m --json").out(), &["when.hour=1 * city=c1"]);
    let error = folder.fails(2, "train a.csv --target y -o m --cross when*city");
    says(&error, &["column `when`", "such as when.hour"]);
    let error = folder.fails(2, "train a.csv --target y -o m --cross when.minute*city");
    says(&error, &["there is no `minute` in it"]);
}

#[test]
fn wishes_that_make_no_sense_are_refused_in_a_sentence() {
    let folder = Folder::new();
    folder.table("a.csv", &messages(500, 1));
    for (options, says_so) in [
        ("--cross city", "two columns or more"),
        ("--cross city*city", "twice"),
        ("--cross city*nothing", "no column `nothing`"),
        ("--cross city*y", "the target or stands beside it"),
        ("--cross city*text --text text", "can't be crossed"),
        ("--text hour", "expected text"),
        ("--bin city", "can't be used so"),
        ("--bin hour --bins 1", "2 to 60 bins"),
        ("--text text --ngrams 9", "1 to 5 words"),
        ("--text text --categorical text", "two different uses"),
        ("--text y", "the target"),
    ] {
        let error = folder.fails(2, &format!("train a.csv --target y -o m {options}"));
        says(&error, &[says_so]);
    }
    folder.write("f.toml", "bins = 1\n");
    says(&folder.fails(2, "train a.csv --target y -o m --features f.toml"), &["f.toml", "2 to 60 bins"]);
    folder.write("f.toml", "crosses = [\"a\"]\n");
    says(&folder.fails(2, "train a.csv --target y -o m --features f.toml"), &["f.toml", "two columns"]);
}

/// The margin's part of a number, moved to another unit and origin.
fn numbers(unit: f64, origin: f64, outliers: bool) -> RecordBatch {
    let mut random = Random(5);
    let (mut x, mut z, mut y) = (vec![], vec![], vec![]);
    for i in 0..8000 {
        let value = random.unit() + random.unit() + random.unit() - 1.5;
        let other = random.unit();
        y.push(i64::from(random.unit() < 1.0 / (1.0 + (-3.0 * value - other).exp())));
        let stray = outliers && i % 1500 == 700;
        x.push(origin + unit * if stray { 1e7 } else { value });
        z.push(other);
    }
    table(vec![("x", floats(x)), ("z", floats(z)), ("y", integers(y))])
}

fn log_loss(folder: &Folder, name: &str, options: &str) -> f64 {
    folder.ok(&format!("train {name} --target y -o m --shuffle none --quiet {options}"));
    folder.summary(&format!("evaluate {name} --model m --quiet --summary -"))["metrics"]["log_loss"]
        .as_f64()
        .unwrap()
}

#[test]
fn unit_and_origin_of_numbers_do_not_matter() {
    let folder = Folder::new();
    folder.table("plain.parquet", &numbers(1.0, 0.0, false));
    let plain = log_loss(&folder, "plain.parquet", "");
    assert!(plain < 0.6, "{plain}");
    for (unit, origin) in [(1e6, 0.0), (1e-6, 0.0), (1.0, 1e4), (1e6, 1e4), (1e-6, 1e4)] {
        folder.table("moved.parquet", &numbers(unit, origin, false));
        for options in ["", "--cross x*z", "--bin x"] {
            let (plain, moved) =
                (log_loss(&folder, "plain.parquet", options), log_loss(&folder, "moved.parquet", options));
            // Where bins end is rounded to few digits.
            let most = if options.is_empty() { 0.01 } else { 0.02 };
            assert!(
                (moved / plain - 1.0).abs() < most,
                "{plain}, {moved} with {unit} and {origin} {options}"
            );
        }
    }
}

#[test]
fn a_few_numbers_far_outside_do_not_wreck_the_model() {
    let folder = Folder::new();
    folder.table("plain.parquet", &numbers(1.0, 0.0, false));
    folder.table("strays.parquet", &numbers(1.0, 0.0, true));
    let plain = log_loss(&folder, "plain.parquet", "");
    let strays = log_loss(&folder, "strays.parquet", "");
    assert!(strays < 1.01 * plain, "{plain} without, {strays} with outliers");
    // Nor do those that come when the model is there.
    folder.ok("train plain.parquet --target y -o m --quiet");
    let metrics = folder.summary("evaluate strays.parquet --model m --quiet --summary -")["metrics"].clone();
    assert!(metrics["log_loss"].as_f64().unwrap() < 1.02 * plain, "{metrics}");
    folder.ok("train plain.parquet --target y -o m --quiet --clip none");
    let metrics = folder.summary("evaluate strays.parquet --model m --quiet --summary -")["metrics"].clone();
    assert!(metrics["log_loss"].as_f64().unwrap() > 10.0, "{metrics}");
}

#[test]
fn copies_and_constants_are_left_out_with_a_line_that_says_so() {
    let folder = Folder::new();
    let data = messages(2000, 4);
    let column = |name: &str| data.column_by_name(name).unwrap().clone();
    let copied = table(vec![
        ("city", column("city")),
        ("age", column("age")),
        ("age2", column("age")),
        ("town", column("city")),
        ("one", texts(vec!["1"; 2000])),
        ("hour", column("hour")),
        ("y", column("y")),
    ]);
    folder.table("a.parquet", &copied);
    folder.table("a.csv", &copied);
    folder.mkshards("a.csv -o shards");
    for input in ["a.parquet", "a.csv", "shards"] {
        let run = folder.ok(&format!("train {input} --target y -o m --summary s.json"));
        let line = "left out: `age2` (the same as column `age`), `town` (the same as column `city`), \
            `one` (the same value in the whole sample)";
        says(&run.err(), &[line]);
        assert!(folder.json("s.json")["notes"].to_string().contains("the same as column `age`"));
        let inspected = folder.summary("inspect m --json").to_string();
        assert!(!inspected.contains("age2") && !inspected.contains("town"), "{inspected}");
    }
    // The user's word counts, and a value that differs makes another column.
    let used = |options: &str| {
        let plan: Value = folder.summary(&format!("plan a.csv --target y --json {options}"));
        plan["columns"].as_array().unwrap().iter().filter(|c| c["used"]["as"] != "ignore").count()
    };
    assert_eq!(used(""), 3);
    assert_eq!(used("--numeric age2"), 4);
    assert_eq!(used("--ignore age"), 3);
    folder.write("f.toml", "keep_duplicates = true\n");
    assert_eq!(used("--features f.toml"), 5);
}

#[test]
fn real_messages_are_told_apart_better_than_by_others() {
    let (Some(train), Some(test)) = (shared("sms/train.tsv"), shared("sms/test.tsv")) else { return };
    let folder = Folder::new();
    for options in ["", "--epochs 20"] {
        let train = train.display();
        folder.ok(&format!("train {train} --target label --text text -o m --quiet {options}"));
        let test = test.display();
        let summary = folder.summary(&format!("evaluate {test} --model m --quiet --summary -"));
        let loss = summary["metrics"]["log_loss"].as_f64().unwrap();
        // Vowpal Wabbit reaches 0.081, logistic regression on tf-idf 0.128.
        assert!(loss < 0.04, "{loss} with {options:?}");
    }
    says(&folder.ok("inspect m --json").out(), &["text.digits", "text=free", "text.length"]);
}
