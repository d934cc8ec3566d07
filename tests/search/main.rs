//! `search`: every configuration is the model that `train` makes of it, however many stand beside it; those that are
//! dropped are the worse half; and what columns are worth is what was planted.

#[path = "../common/mod.rs"]
mod common;

mod proposals;

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use common::{Folder, Random, clicks, floats, says, table, texts};
use serde_json::Value;

const ROWS: usize = 40_000;

fn folder() -> Folder {
    let folder = Folder::new();
    folder.table_in_pieces("a.parquet", &clicks(ROWS, 1), 3000);
    folder
}

/// Searches, and returns what was found; the command's summary otherwise.
fn found(folder: &Folder, options: &str) -> Value {
    let run = format!("search a.parquet --target click --seed 1 --quiet --summary - {options}");
    folder.summary(&run)["search"].take()
}

fn trials(found: &Value) -> &Vec<Value> {
    found["trials"].as_array().unwrap()
}

/// A trial's options, as `train` takes them.
fn options(trial: &Value) -> String {
    let options = trial["options"].as_object().unwrap();
    let each = options.iter().map(|(name, value)| match value {
        Value::String(word) => format!("--{name} {word}"),
        number => format!("--{name} {number}"),
    });
    each.chain(["--refine".to_string()]).collect::<Vec<_>>().join(" ")
}

/// The bytes of a model's file.
fn model(folder: &Folder, name: &str) -> Vec<u8> {
    std::fs::read(folder.path(name)).unwrap()
}

/// The progressive loss, and the file, of the model that `train` makes of a trial's options.
fn trained(folder: &Folder, trial: &Value, more: &str) -> (f64, Vec<u8>) {
    let run = format!("train a.parquet --target click --seed 1 --quiet -o alone --summary - {more}");
    let summary = folder.summary(&format!("{run} {}", options(trial)));
    (summary["progressive"]["mean_loss"].as_f64().unwrap(), model(folder, "alone"))
}

#[test]
fn each_configuration_equals_its_own_single_run() {
    let folder = folder();
    let grid = "--grid learning-rate=0.03,0.1,0.3,1 --grid l2=0,1e-6,1e-4,1e-3";
    let all = found(&folder, &format!("--full -o best {grid}"));
    assert_eq!(trials(&all).len(), 16);
    for (rank, trial) in trials(&all).iter().enumerate() {
        let (loss, alone) = trained(&folder, trial, "");
        assert_eq!(trial["progressive_loss"].as_f64(), Some(loss), "{trial}");
        if rank == 0 {
            assert!(model(&folder, "best") == alone);
        }
    }
    // The order is that of the later half's losses.
    let losses: Vec<f64> = trials(&all).iter().map(|trial| trial["loss"].as_f64().unwrap()).collect();
    assert!(losses.is_sorted());
}

#[test]
fn configurations_of_several_optimisers_and_losses_do_so_too() {
    let folder = folder();
    for (grid, fixed) in [
        ("--grid optimizer=sgd,adagrad,rmsprop,ftrl --grid learning-rate=0.01,0.05", ""),
        ("--optimizer sgd --grid momentum=0,0.5,0.9 --grid power-t=0.25,0.5 --learning-rate 0.05", "inverse"),
        ("--grid class-weight=none,balanced,1=5 --learning-rate 0.1 --l1 1e-5", ""),
    ] {
        let all = found(&folder, &format!("--full -o best {grid}"));
        let best = &trials(&all)[0];
        let more = match fixed {
            "inverse" => "--optimizer sgd --schedule inverse --learning-rate 0.05",
            _ if grid.contains("--l1") => "--learning-rate 0.1 --l1 1e-5",
            _ => "",
        };
        let (_, alone) = trained(&folder, best, more);
        assert!(model(&folder, "best") == alone, "{best}");
    }
}

#[test]
fn what_is_searched_without_meaning_to_the_optimiser_is_tried_once() {
    let grid = "--grid optimizer=sgd,adagrad --grid momentum=0,0.5,0.9 --grid learning-rate=0.05";
    let all = found(&folder(), &format!("--full {grid}"));
    let of = |name: &str| trials(&all).iter().filter(|trial| trial["options"]["optimizer"] == name).count();
    assert_eq!((of("sgd"), of("adagrad")), (3, 1));
}

#[test]
fn halving_drops_the_worse_half_of_those_that_saw_the_same_rows() {
    let folder = folder();
    let grid = "--grid learning-rate=0.01,0.02,0.03,0.05,0.07,0.1,0.2,0.3,0.5,0.7,1,1.5,2,3,5,8";
    let halved = found(&folder, &format!("-o halved --table halved.csv {grid}"));
    let first = halved["first_halving"].as_u64().unwrap();
    let rows: Vec<u64> = trials(&halved).iter().map(|trial| trial["rows"].as_u64().unwrap()).collect();
    let count = |rows_seen: u64| rows.iter().filter(|&&rows| rows == rows_seen).count();
    assert_eq!(rows[0], ROWS as u64);
    // They would have been halved a third time, had that come before half of the rows.
    assert_eq!([count(first), count(2 * first), count(ROWS as u64)], [8, 4, 4], "{rows:?}");
    assert!(2 * first <= ROWS as u64 / 2 && 4 * first > ROWS as u64 / 2);
    // One of several that are tried in turn learns no other rows than when all are.
    found(&folder, &format!("--full --table full.csv {grid}"));
    let [part, whole] = ["halved.csv", "full.csv"].map(|name| curves(&folder.read(name)));
    assert!(part.len() > 100 && part.iter().all(|(mark, loss)| whole[mark] == *loss));
    assert!(part.len() < whole.len());
    // Those that went on were the better ones, over the rows since the halving before.
    let mark = |trial: &Value, rows: u64| {
        let rate = trial["options"]["learning-rate"].to_string();
        whole[&(rate, rows)] * rows as f64
    };
    let recent = |trial: &Value| mark(trial, first) - mark(trial, first / 2);
    let (stay, go): (Vec<_>, Vec<_>) =
        trials(&halved).iter().partition(|trial| trial["rows"].as_u64().unwrap() > first);
    let worst = stay.into_iter().map(recent).fold(0.0, f64::max);
    let best = go.into_iter().map(recent).fold(f64::INFINITY, f64::min);
    assert!(worst < best, "{worst} {best}");
    let (_, alone) = trained(&folder, &trials(&halved)[0], "");
    assert!(model(&folder, "halved") == alone);
}

/// Progressive losses by learning rate and rows, from a table.
fn curves(text: &str) -> BTreeMap<(String, u64), f64> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let column = |name: &str| header.iter().position(|other| *other == name).unwrap();
    let [rate, rows, loss] = ["learning-rate", "rows", "progressive_loss"].map(column);
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            ((cells[rate].to_string(), cells[rows].parse().unwrap()), cells[loss].parse().unwrap())
        })
        .collect()
}

#[test]
fn seed_and_data_alone_determine_what_is_found() {
    let folder = folder();
    for method in ["--bayes 40 --places 8", "--random 40", "--bayes 12 --folds 3 --range l2=1e-8..1e-4"] {
        let run = |more: &str| {
            let found = found(&folder, &format!("{method} -o best {more}"));
            (found, model(&folder, "best"))
        };
        let expected = run("--threads 1");
        for more in ["--threads 2", "--threads 5 --memory 300MB"] {
            assert!(expected == run(more), "{method} {more}");
        }
        let seeded = format!("search a.parquet --target click --seed 2 --quiet --summary - {method}");
        let other = folder.summary(&seeded);
        assert_ne!(other["search"]["trials"], expected.0["trials"]);
        let wanted: usize = method.split(' ').nth(1).unwrap().parse().unwrap();
        assert_eq!(trials(&expected.0).len(), wanted);
    }
}

#[test]
fn places_and_the_window_change_nothing_but_memory_where_all_go_to_the_end() {
    let folder = folder();
    let grid = "--full --grid learning-rate=0.05,0.1,0.2 --grid l2=0,1e-5";
    let expected = found(&folder, grid);
    // In three passes.
    assert_eq!(found(&folder, &format!("{grid} --places 2")), expected);
}

#[test]
fn bayes_comes_closer_than_chance() {
    // Few configurations of such a space do well in all three.
    let folder = Folder::new();
    folder.table("a.parquet", &planted(30_000));
    let space = "--range learning-rate=1e-8..10 --range l1=1e-9..1 --range l2=1e-9..1";
    let best = |method: &str, seed: u32| {
        let run =
            format!("search a.parquet --target click --quiet --summary - {space} {method} --seed {seed}");
        folder.summary(&run)["search"]["trials"][0]["progressive_loss"].as_f64().unwrap()
    };
    let mean = |method: &str| (1..=6).map(|seed| best(method, seed)).sum::<f64>() / 6.0;
    let (bayes, random) = (mean("--bayes 48"), mean("--random 48"));
    assert!(bayes < random - 1e-4, "{bayes} {random}");
}

#[test]
fn folds_score_the_winner_as_cross_validation_does() {
    let folder = folder();
    let found = found(&folder, "--folds 4 --grid learning-rate=0.05,0.2,0.8 --full -o best");
    for trial in trials(&found) {
        let run = "cv a.parquet --target click --seed 1 --folds 4 --quiet --summary -";
        let cv = folder.summary(&format!("{run} {}", options(trial)));
        for figure in ["mean_loss", "log_loss", "auc", "accuracy"] {
            assert_eq!(trial["folds"][figure], cv["cv"]["metrics"][figure], "{figure} of {trial}");
        }
    }
    // The loss on left-out rows decides.
    let losses: Vec<f64> =
        trials(&found).iter().map(|trial| trial["folds"]["mean_loss"]["mean"].as_f64().unwrap()).collect();
    assert!(losses.is_sorted());
    let (_, alone) = trained(&folder, &trials(&found)[0], "");
    assert!(model(&folder, "best") == alone);
}

/// A target of columns whose weights fall, one without any, and one that only matters through another.
fn planted(rows: usize) -> RecordBatch {
    let mut random = Random(5);
    let (mut columns, mut label) = (vec![Vec::new(); 4], Vec::new());
    let (mut kind, mut side) = (Vec::new(), Vec::new());
    for _ in 0..rows {
        let x: Vec<f64> = (0..4).map(|_| random.unit() * 2.0 - 1.0).collect();
        let (k, s) = (random.below(4), random.below(2));
        let margin = 2.0 * x[0] + x[1] + 0.5 * x[2] + if k % 2 == s { 0.7 } else { -0.7 };
        label.push(f64::from(u8::from(random.unit() < 1.0 / (1.0 + (-margin).exp()))));
        columns.iter_mut().zip(x).for_each(|(column, x)| column.push(x));
        kind.push(format!("kind {k}"));
        side.push(format!("side {s}"));
    }
    let mut all: Vec<_> =
        ["strong", "middling", "weak", "none"].into_iter().zip(columns.into_iter().map(floats)).collect();
    all.extend([("kind", texts(kind)), ("side", texts(side)), ("click", floats(label))]);
    table(all)
}

fn importance(found: &Value) -> Vec<(String, f64, f64)> {
    let all = found["importance"].as_array().unwrap().iter();
    all.map(|entry| {
        let names = entry["columns"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
        let figure = |name: &str| entry[name].as_f64().unwrap();
        (names.collect::<Vec<_>>().join("+"), figure("loss_increase"), figure("standard_error"))
    })
    .collect()
}

#[test]
fn ablation_ranks_columns_by_what_was_planted() {
    let folder = Folder::new();
    folder.table("a.parquet", &planted(60_000));
    let base = "--learning-rate 0.1 --cross kind*side -o best";
    let each = found(&folder, &format!("--ablate {base}"));
    let ranked = importance(&each);
    let names: Vec<&str> = ranked.iter().map(|(name, ..)| name.as_str()).collect();
    // Without either parent there is no cross, which is worth more than the column of half the strongest's weight.
    assert_eq!([names[0], names[3], names[4], names[5]], ["strong", "middling", "weak", "none"]);
    assert!(names[1..3].contains(&"kind") && names[1..3].contains(&"side"));
    for (name, increase, error) in &ranked {
        let is_planted = name != "none";
        assert!(
            (increase / error > 5.0) == is_planted && increase / error > -4.0,
            "{name}: {increase} ±{error}"
        );
    }
    // The model is that of all columns.
    folder.ok(
        "train a.parquet --target click --seed 1 -o alone --learning-rate 0.1 --cross kind*side --refine",
    );
    assert!(model(&folder, "best") == model(&folder, "alone"));
    // Groups, the rate being searched first; in as many passes as it takes.
    let groups = found(&folder, "--ablate=strong+middling,weak,none --cross kind*side --places 2");
    let ranked = importance(&groups);
    let names: Vec<&str> = ranked.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["strong+middling", "weak", "none"]);
    assert!(trials(&groups).len() == 4 && ranked[0].1 > 0.1);
}

#[test]
fn ablation_ranks_the_generators_columns() {
    let folder = Folder::new();
    let mut mkdata = std::process::Command::new(env!("CARGO_BIN_EXE_mkdata"));
    let options = ["dense", "--rows", "200000", "--format", "parquet", "-o"];
    assert!(mkdata.args(options).arg(folder.path("dense")).output().unwrap().status.success());
    let run = "search dense --target label --seed 1 --quiet --summary - --ablate --learning-rate 0.1";
    let found = importance(&folder.summary(run)["search"]);
    let truth = folder.json("dense/_truth.json");
    let planted = truth["model"]["columns"].as_array().unwrap();
    let column = |name: &str| planted.iter().find(|column| column["name"] == name).unwrap();
    // A column that another one goes along with is worth less than its effect: that one stands in for it.
    let by_itself = |name: &str| {
        column(name)["follows"].is_null() && planted.iter().all(|column| column["follows"] != name)
    };
    let effect = |name: &str| column(name)["effect"].as_f64().unwrap();
    let ranked: Vec<_> = found.iter().filter(|(name, ..)| by_itself(name)).collect();
    assert!(ranked.len() > 10);
    for (place, (name, increase, error)) in ranked.iter().enumerate() {
        let later = ranked[place..].iter().map(|(later, ..)| effect(later)).fold(0.0, f64::max);
        assert!(effect(name).max(0.1) > later / 1.2, "{name} stands before one of an effect of {later}");
        assert_eq!(*increase > 4.0 * error, effect(name) > 0.1, "{name}: {increase} ±{error}");
    }
}

#[test]
fn parameters_of_the_loss_are_compared_by_one_score() {
    let folder = Folder::new();
    let mut random = Random(3);
    let x: Vec<f64> = (0..20_000).map(|_| random.unit()).collect();
    // One row in ten is far off: a mean is drawn away, a median is not.
    let off = |random: &mut Random| if random.below(10) == 0 { 50.0 } else { random.unit() };
    let y: Vec<f64> = x.iter().map(|x| 3.0 * x + off(&mut random)).collect();
    folder.table("a.parquet", &table(vec![("x", floats(x)), ("click", floats(y))]));
    let found = found(&folder, "--loss huber --grid huber-delta=0.1,1,100 --learning-rate 0.1 --full");
    assert_eq!(found["compared_by"], "absolute error");
    let deltas: Vec<f64> =
        trials(&found).iter().map(|trial| trial["options"]["huber-delta"].as_f64().unwrap()).collect();
    assert_eq!(deltas.last(), Some(&100.0), "{deltas:?}");
    let error =
        folder.fails(2, "search a.parquet --target click --loss huber --grid huber-delta=1,2 --score loss");
    says(&error, &["different losses", "--score absolute"]);
}

#[test]
fn spaces_are_given_in_options_or_in_a_file() {
    let folder = folder();
    folder.write("space.toml", "learning-rate = { low = 0.01, high = 1, scale = \"log\" }\nl2 = [0, 1e-6]\n");
    let typed = found(&folder, "--random 9 --range learning-rate=0.01..1,log --grid l2=0,1e-6");
    let filed = found(&folder, "--random 9 --space space.toml");
    // The order of the axes decides which draws are whose.
    let rates = |found: &Value| {
        trials(found).iter().all(|trial| {
            let rate = trial["options"]["learning-rate"].as_f64().unwrap();
            (0.01..=1.0).contains(&rate)
        })
    };
    assert!(rates(&typed) && rates(&filed));
    for (space, wanted) in [
        ("learning-rate = 3", "neither a list nor a range"),
        ("speed = [1]", "no parameter"),
        ("l2 = { low = 1, high = 0 }", "has to end above where it begins"),
        ("l2 = [true]", "neither a list nor a range"),
        ("l2 = { low = 0, high = 1, scale = \"log\" }", "above 0"),
        ("l2 = [", "space.toml"),
    ] {
        folder.write("space.toml", space);
        says(&folder.fails(2, "search a.parquet --target click --space space.toml --random 3"), &[wanted]);
    }
}

#[test]
fn a_refit_is_a_run_of_train() {
    let folder = folder();
    found(&folder, "--grid learning-rate=0.05,0.2 --epochs 3 --refit -o best");
    let best = model(&folder, "best");
    let run = "train a.parquet --target click --seed 1 --quiet -o alone --epochs 3 --refine --learning-rate";
    let is_one = ["0.05", "0.2"].iter().any(|rate| {
        folder.ok(&format!("{run} {rate}"));
        model(&folder, "alone") == best
    });
    assert!(is_one);
}

#[test]
fn large_mini_batches_and_few_rows_are_compared_by_what_there_is() {
    let folder = folder();
    let grid = "--grid learning-rate=0.001,0.1,0.5,3";
    for batch in [1000, 9000, 30_000, 40_000, 100_000] {
        let found = found(&folder, &format!("{grid} --batch-size {batch} -o best"));
        assert!(trials(&found).iter().all(|trial| trial["loss"].is_f64()), "{batch}: {found}");
        let (_, alone) = trained(&folder, &trials(&found)[0], &format!("--batch-size {batch}"));
        assert!(model(&folder, "best") == alone, "{batch}");
    }
    // What does not come to a halving in the rows that are kept still leaves places to others.
    let many = found(&folder, "--random 40 --places 4 --batch-size 30000");
    assert_eq!(trials(&many).iter().filter(|trial| trial["dropped"] == false).count(), 4);
    for rows in [10, 200, 700] {
        folder.table("a.parquet", &clicks(rows, 1));
        let found = found(&folder, &format!("{grid} --ablate"));
        assert!(trials(&found).iter().any(|trial| trial["loss"].is_f64()), "{rows}: {found}");
        let finite = |entry: &Value| entry["loss_increase"].is_f64();
        assert!(found["importance"].as_array().unwrap().iter().all(finite), "{rows}: {found}");
    }
}

#[test]
fn what_it_prints_is_what_train_takes() {
    let folder = folder();
    for (options, given) in [
        ("--optimizer sgd --grid power-t=0.3,0.5 --grid learning-rate=0.05,0.1", "--optimizer sgd"),
        ("--grid optimizer=sgd,adagrad,ftrl --grid momentum=0,0.9 --grid learning-rate=0.05", ""),
        ("--learning-rate 0.2 --grid l1=0,1e-9,1e-5", "--learning-rate 0.2"),
    ] {
        let out = folder.ok(&format!("search a.parquet --target click --seed 1 -o best {options}")).out();
        let (_, printed) = out.split_once("beside those given here: ").unwrap();
        folder.ok(&format!("train a.parquet --target click --seed 1 -o alone {given} {printed}"));
        assert!(model(&folder, "best") == model(&folder, "alone"), "{printed}");
    }
}

#[test]
fn tables_of_all_formats_hold_every_configuration() {
    let folder = folder();
    let grid = "--grid learning-rate=0.05,0.2,0.5";
    for name in ["t.csv", "t.parquet", "t.arrow", "t.json", "t.jsonl", "t.tsv"] {
        found(&folder, &format!("{grid} --table {name}"));
    }
    let rows = folder.read("t.csv").lines().count() - 1;
    assert_eq!(folder.read("t.jsonl").lines().count(), rows);
    assert_eq!(folder.json("t.json").as_array().unwrap().len(), rows);
    assert!(rows > 3 * 5);
    let error = folder.fails(2, &format!("search a.parquet --target click {grid} --table t.xls"));
    says(&error, &["can't tell the format", ".parquet"]);
}

#[test]
fn diverged_configurations_lose_and_if_all_diverge_it_says_so() {
    let folder = Folder::new();
    let x: Vec<f64> = (0..20_000).map(|i| f64::from(i % 100)).collect();
    folder.table("a.parquet", &table(vec![("x", floats(x.clone())), ("click", floats(x))]));
    let sgd = "--optimizer sgd --scale none --grid learning-rate=1e-6,1e30 --full";
    let all = found(&folder, sgd);
    assert_eq!(trials(&all)[0]["options"]["learning-rate"], 1e-6);
    assert!(trials(&all)[1]["loss"].is_null());
    let sgd = "--optimizer sgd --scale none --grid learning-rate=1e29,1e30";
    says(
        &folder.fails(1, &format!("search a.parquet --target click --seed 1 --quiet {sgd}")),
        &["all configurations have diverged", "smaller learning rates"],
    );
}

#[test]
fn what_does_not_go_together_is_refused() {
    let folder = folder();
    for (options, wanted) in [
        ("--optimizer lbfgs", "--optimizer lbfgs"),
        ("--optimizer gd", "gd takes its only step"),
        ("--grid optimizer=gd,sgd", "does not learn from mini-batches"),
        ("--warm-up 100 --optimizer ftrl", "ftrl"),
        ("--table x.csv -o x.csv", "the same file"),
        ("--schedule constant --grid power-t=0.5", "leave out one of them"),
        ("--grid class-weight=none,nobody=3", "nobody"),
        ("--range learning-rate=0.1..0.1 --random 3", "has to end above"),
        ("--grid learning-rate=1e39", "single precision"),
        ("--epochs 3", "--refit"),
        ("--refit", "-o MODEL"),
        ("--grid momentum=0.5", "--optimizer sgd"),
        ("--grid learning-rate=0.1 --learning-rate 0.1", "leave out one of them"),
        ("--grid l2=1 --grid l2=2", "named twice"),
        ("--grid l2=-1", "at least 0"),
        ("--grid speed=1", "no parameter"),
        ("--range l2=1e-9..1e-3", "a grid needs values"),
        ("--grid huber-delta=1", "huber-delta can't be searched with the logistic loss"),
        ("--grid optimizer=sgd,adagrad --random 5", "--range learning-rate"),
        ("--ablate=nothing", "nothing"),
        ("--group-by city", "--folds"),
        ("--score absolute", "for losses of numbers"),
        ("--random 3 --bayes 3", "--bayes"),
    ] {
        let run = folder.run(&format!("search a.parquet --target click {options}"));
        assert_eq!(run.output.status.code(), Some(2), "{options}: {}", run.err());
        says(&run.err(), &[wanted]);
    }
}

#[test]
fn the_screen_shows_the_best_and_how_to_train_it_again() {
    let folder = folder();
    let run =
        folder.ok("search a.parquet --target click --seed 1 -o best --grid learning-rate=0.05,0.2 --ablate");
    says(&run.err(), &["2 configurations", "tables start with", "rows/s", "model: best"]);
    says(
        &run.out(),
        &[
            "learning-rate",
            "loss increase",
            "age",
            "in options of train beside those given here: --learning-rate",
        ],
    );
    let json =
        folder.ok("search a.parquet --target click --seed 1 --grid learning-rate=0.05,0.2 --summary -");
    let summary: Value = serde_json::from_str(&json.out()).unwrap();
    assert_eq!(summary["command"], "search");
    assert!(summary.get("model").is_none() && summary["search"]["row_visits"].as_u64() > Some(0));
}
