//! Going on with a model: `--init`.

mod common;

use common::{Folder, Random, floats, integers, says, table, texts};
use serde_json::Value;

/// Visits in some cities: `flag` (yes or no), `kind` (three classes) and `claims` (a count, in `time`) depend on two
/// numbers and the city, of which those with small numbers are more frequent.
fn visits(folder: &Folder, name: &str, rows: usize, cities: std::ops::Range<u64>, seed: u64) {
    let mut random = Random(seed);
    let (mut x, mut z, mut city, mut time) = (vec![], vec![], vec![], vec![]);
    let (mut flag, mut kind, mut claims) = (vec![], vec![], vec![]);
    for _ in 0..rows {
        let (a, b, t) = (random.unit(), random.unit(), 1.0 + random.unit());
        let c = cities.start
            + random.below(cities.end - cities.start).min(random.below(cities.end - cities.start));
        let noise = random.unit() - random.unit();
        let class = if a < 0.33 { 0 } else { 1 + usize::from(b > 0.5) };
        flag.push(if a + b + noise + 0.5 * (c % 3) as f64 > 1.5 { "yes" } else { "no" });
        kind.push(["ant", "bee", "cat"][class]);
        claims.push((4.0 * a * a * t + b + noise.abs()).floor() as i64);
        x.push(a);
        z.push(b);
        city.push(format!("c{c}"));
        time.push(t);
    }
    let columns = vec![
        ("x", floats(x)),
        ("z", floats(z)),
        ("city", texts(city)),
        ("time", floats(time)),
        ("flag", texts(flag)),
        ("kind", texts(kind)),
        ("claims", integers(claims)),
    ];
    folder.table(name, &table(columns));
}

const FLAG: &str = "--target flag --ignore kind,claims";
const KIND: &str = "--target kind --ignore flag,claims";
const CLAIMS: &str = "--target claims --ignore kind,flag --loss poisson --exposure time";

/// All numbers that are predicted.
fn predictions(folder: &Folder, input: &str, model: &str) -> Vec<f64> {
    let out = folder.ok(&format!("predict {input} --model {model} --quiet -o p.csv")).out();
    assert!(out.is_empty());
    let text = folder.read("p.csv");
    text.lines().skip(1).flat_map(|line| line.split(',').filter_map(|cell| cell.parse().ok())).collect()
}

fn farthest(a: &[f64], b: &[f64]) -> f64 {
    assert!(a.len() == b.len() && !a.is_empty());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn loss(folder: &Folder, input: &str, model: &str) -> f64 {
    let summary = folder.summary(&format!("evaluate {input} --model {model} --quiet --summary -"));
    summary["metrics"]["mean_loss"].as_f64().unwrap()
}

#[test]
fn going_on_file_by_file_is_learning_from_all_files_in_one_go() {
    let folder = Folder::new();
    // Mini-batches, of 32 rows by default, end where files do, and plans are alike: numbers are not scaled, and each
    // file shows all cities.
    visits(&folder, "a.csv", 3200, 0..8, 1);
    visits(&folder, "b.csv", 1600, 0..8, 2);
    visits(&folder, "c.csv", 800, 0..8, 3);
    visits(&folder, "test.csv", 500, 0..8, 4);
    for (target, options) in [
        (FLAG, "--optimizer adagrad"),
        (FLAG, "--optimizer adagrad --l2 0.001"),
        (FLAG, "--optimizer sgd"),
        (FLAG, "--optimizer sgd --schedule inverse --l2 0.01"),
        (FLAG, "--optimizer sgd --momentum 0.9"),
        (FLAG, "--optimizer rmsprop"),
        (FLAG, "--optimizer rmsprop --l1 0.001"),
        (FLAG, "--optimizer ftrl"),
        (FLAG, "--optimizer ftrl --l1 0.003 --l2 0.001"),
        (FLAG, "--schedule inverse"),
        (FLAG, "--warm-up 4000"),
        (FLAG, "--batch-size 100"),
        (FLAG, "--class-weight yes=3"),
        (FLAG, "--weight time"),
        (FLAG, "--loss hinge"),
        (FLAG, "--factors 3"),
        (FLAG, "--factors 3 --optimizer ftrl"),
        (KIND, ""),
        (KIND, "--optimizer ftrl --l1 0.001"),
        (CLAIMS, ""),
    ] {
        let common = format!("{target} --learning-rate 0.1 --shuffle none --scale none --quiet {options}");
        folder.ok(&format!("train a.csv {common} -o m"));
        let first = predictions(&folder, "test.csv", "m");
        // A model may take the place of the one that it comes from.
        folder.ok(&format!("train b.csv {common} --init m -o m"));
        folder.ok(&format!("train c.csv {common} --init m -o m"));
        folder.ok(&format!("train a.csv b.csv c.csv {common} -o one"));
        let (found, expected) =
            (predictions(&folder, "test.csv", "m"), predictions(&folder, "test.csv", "one"));
        assert!(farthest(&first, &expected) > 0.01, "{target} {options}: the first file says it all");
        let off = farthest(&found, &expected);
        assert!(off < 1e-6, "{target} {options}: {off}");
    }
}

#[test]
fn what_a_model_keeps_of_its_optimiser_matters() {
    let folder = Folder::new();
    visits(&folder, "a.csv", 3200, 0..8, 1);
    visits(&folder, "b.csv", 320, 0..8, 2);
    let train = |arguments: &str| folder.ok(&format!("train {arguments} {FLAG} --shuffle none")).err();
    train("a.csv --learning-rate 0.1 -o m");
    let note = "comes from another optimiser: its steps are not known";
    let same = train("b.csv --learning-rate 0.1 --init m -o same");
    assert!(!same.contains(note), "{same}");
    // Without its sums of squares AdaGrad takes large steps again.
    says(&train("a.csv --optimizer sgd --learning-rate 1e-9 --init m -o other"), &[note]);
    train("b.csv --learning-rate 0.1 --init other -o anew");
    let [before, other, same, anew] =
        ["m", "other", "same", "anew"].map(|model| predictions(&folder, "a.csv", model));
    assert!(farthest(&before, &other) < 1e-5, "next to no learning rate is next to no change");
    let (small, large) = (farthest(&before, &same), farthest(&before, &anew));
    assert!(small > 0.0 && large > 2.0 * small, "{small} {large}");
}

#[test]
fn a_model_of_another_learning_rate_goes_on_from_its_weights() {
    let folder = Folder::new();
    visits(&folder, "a.csv", 3200, 0..8, 1);
    visits(&folder, "few.csv", 32, 0..8, 2);
    for options in
        ["--optimizer ftrl", "--optimizer ftrl --l1 0.001", "--optimizer adagrad", "--optimizer sgd"]
    {
        folder.ok(&format!("train a.csv {FLAG} {options} --learning-rate 0.1 -o m --quiet"));
        folder.ok(&format!(
            "train few.csv {FLAG} {options} --learning-rate 0.0001 --init m -o n --quiet --shuffle none"
        ));
        let off = farthest(&predictions(&folder, "a.csv", "m"), &predictions(&folder, "a.csv", "n"));
        assert!(off > 0.0 && off < 0.01, "{options}: one tiny step moves predictions by {off}");
    }
}

#[test]
fn categories_that_come_later_are_learned() {
    let folder = Folder::new();
    visits(&folder, "a.csv", 5000, 0..4, 1);
    visits(&folder, "b.csv", 40_000, 4..10, 2);
    visits(&folder, "new.csv", 5000, 4..10, 3);
    for options in ["", "--factors 2", "--optimizer ftrl", "--optimizer lbfgs"] {
        folder.ok(&format!("train a.csv {FLAG} {options} -o m --quiet"));
        folder.ok(&format!("train b.csv {FLAG} {options} --init m -o n --quiet"));
        folder.ok(&format!("train b.csv {FLAG} {options} -o only --quiet"));
        let [before, after, only] = ["m", "n", "only"].map(|model| loss(&folder, "new.csv", model));
        assert!(after < 0.9 * before, "{options}: {before} before, {after} after");
        // Their slots are not named in the plan, but there is room for each to have one of its own.
        assert!(
            after < (before + 9.0 * only) / 10.0,
            "{options}: {before}, {after}, {only} by a plan of theirs"
        );
    }
    // The city alone makes a difference, of which a common slot would know nothing.
    folder.ok(&format!("train a.csv {FLAG} -o m --quiet"));
    folder.ok(&format!("train b.csv {FLAG} --init m -o n --quiet"));
    let header = "x,z,city,time\n";
    folder.write("rows.csv", format!("{header}0.5,0.5,c6,1.5\n0.5,0.5,c7,1.5\n0.5,0.5,c5,1.5\n"));
    let p = predictions(&folder, "rows.csv", "n");
    assert!(p[0] < p[1] - 0.1 && p[1] < p[2] - 0.1, "{p:?}");
    let p = predictions(&folder, "rows.csv", "m");
    assert!(p[0] == p[1] && p[1] == p[2], "{p:?}");
}

#[test]
fn more_rows_do_not_make_a_model_worse_and_few_do_not_make_it_forget() {
    let folder = Folder::new();
    visits(&folder, "a.csv", 8000, 0..8, 1);
    visits(&folder, "b.csv", 8000, 0..8, 2);
    visits(&folder, "few.csv", 100, 0..8, 3);
    visits(&folder, "test.csv", 5000, 0..8, 4);
    for options in ["", "--optimizer sgd", "--optimizer rmsprop", "--optimizer ftrl", "--epochs 6"] {
        folder.ok(&format!("train a.csv {FLAG} {options} -o m --quiet"));
        folder.ok(&format!("train b.csv {FLAG} {options} --init m -o more --quiet"));
        folder.ok(&format!("train few.csv {FLAG} {options} --init m -o little --quiet"));
        folder.ok(&format!("train few.csv {FLAG} {options} -o only --quiet"));
        let [before, more, little, only] =
            ["m", "more", "little", "only"].map(|model| loss(&folder, "test.csv", model));
        assert!(more < 1.005 * before, "{options}: {before} before, {more} with more rows");
        assert!(little < 1.02 * before, "{options}: {before} before, {little} with a few more rows");
        assert!(
            little < 0.95 * only,
            "{options}: {only} by few rows alone, {little} with a model to start from"
        );
    }
}

#[test]
fn models_of_classes_and_of_factors_go_on() {
    let folder = Folder::new();
    visits(&folder, "a.csv", 320, 0..8, 1);
    visits(&folder, "b.csv", 8000, 0..8, 2);
    visits(&folder, "test.csv", 3000, 0..8, 4);
    for target in [KIND.to_string(), format!("{FLAG} --factors 4"), CLAIMS.to_string()] {
        folder.ok(&format!("train a.csv {target} -o m --quiet"));
        folder.ok(&format!("train b.csv {target} --init m -o n --quiet"));
        let (before, after) = (loss(&folder, "test.csv", "m"), loss(&folder, "test.csv", "n"));
        assert!(after < 0.95 * before, "{target}: {before} before, {after} after");
        let shown = |model: &str| folder.ok(&format!("inspect {model} --json")).out();
        assert!(shown("m") != shown("n"));
    }
}

#[test]
fn an_exact_fit_goes_on_to_the_same_minimum_in_few_passes() {
    let folder = Folder::new();
    visits(&folder, "a.csv", 3000, 0..8, 1);
    visits(&folder, "b.csv", 3000, 0..8, 2);
    let fit = |arguments: &str| -> Value {
        folder.summary(&format!("train {arguments} --optimizer lbfgs --quiet --summary -"))
    };
    let passes = |summary: &Value| summary["epochs"].as_u64().unwrap();
    for (target, penalty) in [(FLAG, ""), (FLAG, "--l2 0.001"), (FLAG, "--l1 0.002"), (KIND, "--l2 0.001")] {
        let options = format!("{target} {penalty}");
        let cold = passes(&fit(&format!("a.csv {options} -o m")));
        let again = fit(&format!("a.csv {options} --init m -o again"));
        assert!(passes(&again) <= 3 && cold > 8, "{options}: {cold} passes, {} more", passes(&again));
        says(&again["notes"].to_string(), &["converged in"]);
        let (m, n) = (predictions(&folder, "a.csv", "m"), predictions(&folder, "a.csv", "again"));
        assert!(farthest(&m, &n) < 1e-3, "{options}: {}", farthest(&m, &n));
        // Of other rows of the same kind the minimum is another, but not far.
        fit(&format!("b.csv {options} -o cold"));
        fit(&format!("b.csv {options} --init m -o warm"));
        let (cold, warm) = (loss(&folder, "b.csv", "cold"), loss(&folder, "b.csv", "warm"));
        let before = loss(&folder, "b.csv", "m");
        assert!(warm < before && (warm / cold - 1.0).abs() < 2e-3, "{options}: {before}, {warm}, {cold}");
    }
    // A single pass looks, and changes nothing.
    fit(&format!("b.csv {KIND} --epochs 1 --init m -o n"));
    assert!(farthest(&predictions(&folder, "a.csv", "m"), &predictions(&folder, "a.csv", "n")) == 0.0);
}

#[test]
fn what_is_no_model_is_told() {
    let folder = Folder::new();
    visits(&folder, "a.csv", 200, 0..8, 1);
    folder.write("junk", "no model");
    for (init, said) in [
        ("junk", "junk: not a model of millstream"),
        ("a.csv", "a.csv: not a model of millstream"),
        ("nothing", "can't read nothing: there is no such file or folder"),
        (".", "is a folder, expected a model"),
    ] {
        let code = if init == "." { 2 } else { 1 };
        let error = folder.fails(code, &format!("train a.csv {FLAG} --init {init} -o n"));
        says(&error, &[said]);
    }
}

#[test]
fn options_that_contradict_the_model_are_refused() {
    let folder = Folder::new();
    visits(&folder, "a.csv", 2000, 0..8, 1);
    visits(&folder, "b.csv", 2000, 0..8, 2);
    folder.ok(&format!("train a.csv {FLAG} -o m --quiet"));
    for (options, all) in [
        ("--target kind", ["predicts `flag`, not `kind`", "name its target"]),
        ("--target nothing", ["predicts `flag`, not `nothing`", "--init"]),
        ("--target flag --loss hinge", ["--loss hinge", "its loss is logistic"]),
        ("--target flag --loss squared", ["--loss squared", "its loss is logistic"]),
        ("--target flag --positive no", ["--positive no", "its positive class is yes"]),
        ("--target flag --weight time", ["--weight", "trained without weights"]),
        ("--target flag --offset time", ["--offset", "trained without offsets"]),
        ("--target flag --factors 4", ["is linear, not one of 4 factors", "--factors"]),
        ("--target flag --scale none", ["--scale none", "it scales `x`"]),
        ("--target flag --clip none", ["--clip none", "it clips `x`"]),
        ("--target flag --cross city*x", ["--cross city*x", "no such cross"]),
        ("--target flag --bin x", ["column `x`", "there it is number"]),
        ("--target flag --text city", ["column `city`", "there it is category"]),
        ("--target flag --ignore z", ["column `z`", "there it is number"]),
        ("--target flag --numeric claims", ["column `claims`", "there it is ignored"]),
        ("--target flag --numeric nothing", ["column `nothing`", "not known"]),
        ("--target flag --scan-classes", ["--scan-classes", "the classes are the model's"]),
    ] {
        let error = folder.fails(2, &format!("train b.csv {options} --init m -o n"));
        says(&error, &all);
    }
    // Those of the model are no contradiction, nor need they be said again.
    let own = format!("{FLAG} --loss logistic --positive yes --weight time --cross city*x --bin z --bins 5");
    folder.ok(&format!("train a.csv {own} -o m --quiet"));
    folder.ok(&format!("train b.csv {own} --init m -o n --quiet"));
    folder.ok("train b.csv --target flag --init m -o o --quiet");
    assert!(std::fs::read(folder.path("n")).unwrap() == std::fs::read(folder.path("o")).unwrap());
    let error = folder.fails(2, &format!("train b.csv {FLAG} --weight x --init m -o n"));
    says(&error, &["--weight", "its weights are in `time`"]);

    folder.ok(&format!("train a.csv {FLAG} --factors 4 -o m --quiet"));
    for (factors, now) in [("--factors 8", "one of 8 factors"), ("", "linear")] {
        let error = folder.fails(2, &format!("train b.csv {FLAG} {factors} --init m -o n"));
        says(&error, &["is one of 4 factors, not", now, "the same --factors"]);
    }
    folder
        .ok("train a.csv --target x --ignore flag,kind,claims --loss huber --huber-delta 0.25 -o m --quiet");
    let error = folder.fails(2, "train b.csv --target x --loss huber --huber-delta 0.5 --init m -o n");
    says(&error, &["--loss huber", "its loss is huber with another parameter"]);
    for same in ["--huber-delta 0.25", ""] {
        folder.ok(&format!("train b.csv --target x --loss huber {same} --init m -o n --quiet"));
    }
}

#[test]
fn columns_that_the_new_data_lacks_are_told() {
    let folder = Folder::new();
    visits(&folder, "a.csv", 2000, 0..8, 1);
    folder.ok(&format!("train a.csv {FLAG} --weight time -o m --quiet"));
    folder.ok("train a.csv --target claims --loss poisson --exposure time --numeric x,z -o p --quiet");
    folder.write("b.csv", "x,city,time,flag\n0.5,c1,1.5,yes\n0.25,c2,1,no\n");
    let said = folder.ok("train b.csv --target flag --init m -o n").err();
    says(&said, &["lacks columns that the model uses; they count as missing: z"]);
    for (header, model, target, lacking) in [
        ("x,z,city,time,other", "m", "flag", "no column `flag`"),
        ("x,z,city,flag,other", "m", "flag", "no column `time`"),
        ("x,z,city,claims,other", "p", "claims", "no column `time`, the exposure"),
    ] {
        folder.write("b.csv", format!("{header}\n0.5,0.25,c1,1,1\n0.75,0.5,c2,2,2\n"));
        let error = folder.fails(2, &format!("train b.csv --target {target} --init {model} -o n"));
        says(&error, &[lacking]);
    }
}

#[test]
fn a_class_that_the_model_does_not_know_is_an_error_at_its_row() {
    let folder = Folder::new();
    visits(&folder, "a.csv", 2000, 0..8, 1);
    folder.ok(&format!("train a.csv {KIND} -o m --quiet"));
    folder.write("b.csv", "x,z,city,time,kind\n0.5,0.25,c1,1,ant\n0.75,0.5,c2,2,dog\n");
    let error = folder.fails(1, "train b.csv --target kind --init m -o n");
    says(&error, &["b.csv, line 3, column `kind`", "\"dog\"", "ant", "--on-error skip"]);
    let skipped =
        folder.summary("train b.csv --target kind --init m -o n --on-error skip --quiet --summary -");
    assert_eq!(skipped["skipped"]["rows"], 1);
}
