//! Targets of every sort through the real binary: classes, losses and their parameters, offsets, and what is
//! predicted.

mod common;

use common::{Folder, Random, floats, integers, says, table, texts};
use serde_json::{Value, json};

/// A folder with `a.csv`: two numbers, an exposure, and targets of every sort that depend on them.
fn folder() -> Folder {
    let mut random = Random(7);
    let mut text = "x,z,time,kind,grade,flag,amount,claims\n".to_string();
    for _ in 0..600 {
        let (x, z, time) = (random.unit(), random.unit(), 1.0 + random.unit());
        let class = if x < 0.33 { 0 } else { 1 + usize::from(z > 0.5) };
        let claims = (4.0 * x * x * x * time + z).floor();
        text.push_str(&format!(
            "{x},{z},{time},{},{},{},{:.3},{claims}\n",
            ["ant", "bee", "cat"][class],
            class + 1,
            if x + z > 1.0 { "yes" } else { "no" },
            10.0 * x - 3.0 * z,
        ));
    }
    let folder = Folder::new();
    folder.write("a.csv", text);
    folder
}

fn plan(folder: &Folder, arguments: &str) -> Value {
    folder.summary(&format!("plan a.csv --json {arguments}"))["target"].clone()
}

/// What is said on standard error when a plan is made.
fn notes(folder: &Folder, arguments: &str) -> String {
    folder.ok(&format!("plan a.csv --json {arguments}")).err()
}

#[test]
fn the_sort_of_a_target_says_how_it_is_learned() {
    let folder = folder();
    let kind = plan(&folder, "--target kind");
    assert_eq!((&kind["task"], &kind["classes"]), (&json!("classes"), &json!(["ant", "bee", "cat"])));
    let shares: Vec<f64> = kind["shares"].as_array().unwrap().iter().map(|s| s.as_f64().unwrap()).collect();
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    let flag = plan(&folder, "--target flag");
    assert_eq!(
        (&flag["task"], &flag["positive"], &flag["negative"]),
        (&json!("binary"), &json!("yes"), &json!("no"))
    );
    let grade = plan(&folder, "--target grade");
    assert_eq!(grade["task"], "number");
    says(&notes(&folder, "--target grade"), &["3 distinct whole numbers", "--loss softmax"]);
    assert!(!notes(&folder, "--target grade --loss squared").contains("softmax"));
    assert_eq!(plan(&folder, "--target grade --loss softmax")["classes"], json!(["1", "2", "3"]));
    assert_eq!(plan(&folder, "--target flag --loss softmax")["classes"], json!(["no", "yes"]));
    says(&notes(&folder, "--target claims"), &["--loss poisson", "--loss softmax"]);
    let claims = plan(&folder, "--target claims --loss poisson");
    assert_eq!(
        (&claims["offset"], &claims["scale"], &claims["is_count"]),
        (&json!(0.0), &json!(1.0), &json!(true))
    );
}

#[test]
fn two_classes_of_several_are_made_by_naming_one() {
    let folder = folder();
    for loss in ["logistic", "hinge", "squared-hinge"] {
        let error = folder.fails(1, &format!("plan a.csv --target kind --loss {loss}"));
        says(&error, &["column `kind`", "3 distinct values", "--loss softmax", "--positive CLASS"]);
    }
    let error = folder.fails(1, "plan a.csv --target grade --loss logistic");
    says(&error, &["3 distinct values", "--loss softmax", "--positive CLASS", "--loss squared"]);
    for arguments in ["--target kind --positive bee", "--target kind --positive bee --loss hinge"] {
        let one = plan(&folder, arguments);
        assert_eq!((&one["positive"], &one["negative"]), (&json!("bee"), &Value::Null));
    }
    let error = folder.fails(2, "plan a.csv --target kind --positive dog");
    says(&error, &["no row", "\"dog\"", "\"ant\", \"bee\", \"cat\""]);
    let error = folder.fails(2, "plan a.csv --target grade --positive 2");
    says(&error, &["--positive", "not a number", "--loss logistic"]);
    let error = folder.fails(2, "plan a.csv --target kind --loss softmax --positive bee");
    says(&error, &["--positive", "not --loss softmax"]);
    folder.ok("train a.csv --target grade --loss logistic --positive 2 --ignore kind -o m --quiet");
    let out = folder.ok("predict a.csv --model m --keep grade --quiet").out();
    let mut lines = out.lines();
    assert_eq!(lines.next(), Some("grade,prediction,probability"));
    let right =
        lines.filter(|line| line.starts_with("2,2,") || line.contains(",not 2,") && !line.starts_with("2,"));
    assert!(right.count() > 450);
    // What is no 2 is one of the others, a value that was never seen, too; a missing one is none.
    folder.write("b.csv", "x,z,time,grade,flag,amount,claims\n0.1,0.2,1,77,no,1,1\n0.9,0.1,1,2.0,no,1,1\n");
    assert_eq!(folder.summary("evaluate b.csv --model m --quiet --summary -")["metrics"]["rows"], 2);
    folder.write("b.csv", "x,z,time,grade,flag,amount,claims\n0.1,0.2,1,,no,1,1\n");
    says(&folder.fails(1, "evaluate b.csv --model m"), &["b.csv, line 2, column `grade`", "missing"]);
}

#[test]
fn parameters_belong_to_their_losses() {
    let folder = folder();
    for (option, loss) in
        [("--huber-delta 1", "huber"), ("--quantile 0.9", "quantile"), ("--epsilon 1", "epsilon-insensitive")]
    {
        for other in ["", "--loss squared", "--loss logistic"] {
            let error = folder.fails(2, &format!("plan a.csv --target amount {option} {other}"));
            says(&error, &[option.split(' ').next().unwrap(), &format!("give --loss {loss}, too")]);
        }
        folder.ok(&format!("plan a.csv --target amount {option} --loss {loss}"));
        folder.ok(&format!("plan a.csv --target amount --loss {loss}"));
    }
    for wrong in [
        "--loss huber --huber-delta 0",
        "--loss quantile --quantile 1",
        "--loss epsilon-insensitive --epsilon=-1",
    ] {
        assert_eq!(
            folder.run(&format!("plan a.csv --target amount {wrong}")).output.status.code(),
            Some(2),
            "{wrong}"
        );
    }
    says(&notes(&folder, "--target amount --loss huber"), &["--huber-delta is ", "quartiles"]);
    says(&notes(&folder, "--target amount --loss epsilon-insensitive"), &["--epsilon is ", "quartiles"]);
    assert!(!notes(&folder, "--target amount --loss huber --huber-delta 2").contains("delta"));
    let error = folder.fails(1, "plan a.csv --target kind --loss huber");
    says(&error, &["column `kind`", "Utf8", "numbers for --loss huber"]);
}

#[test]
fn a_rare_positive_class_is_pointed_out() {
    let folder = Folder::new();
    let y = texts((0..1000).map(|i| if i % 250 == 3 { "fraud" } else { "ok" }));
    folder.table("a.csv", &table(vec![("x", floats((0..1000).map(f64::from))), ("y", y)]));
    let said = notes(&folder, "--target y --positive fraud");
    says(&said, &["only 0.40%", "\"fraud\"", "auc"]);
    assert!(!notes(&folder, "--target y --positive ok").contains("only"));
}

/// A table of more rows than a sample holds, in row groups of which it sees the beginnings: `kind` is one of
/// three classes everywhere, one of five in some rows in the middle; `grade` the same as numbers.
fn folder_with_rare_classes() -> Folder {
    let rows = 300_000;
    let class = |i: i64| match i {
        57_900 => 3,
        118_000 | 238_500 => 4,
        _ => i % 3,
    };
    let kinds = ["ant", "bee", "cat", "dog", "eel"];
    let folder = Folder::new();
    let data = table(vec![
        ("x", floats((0..rows).map(|i| (i * 37 % 101) as f64))),
        ("kind", texts((0..rows).map(|i| kinds[class(i) as usize]))),
        ("grade", integers((0..rows).map(|i| class(i) - 1))),
        ("flag", integers((0..rows).map(|i| i64::from(class(i) > 0)))),
    ]);
    folder.table_in_pieces("a.parquet", &data, 10_000);
    folder
}

#[test]
fn all_classes_are_found_by_scanning() {
    let folder = folder_with_rare_classes();
    let target =
        |arguments: &str| folder.summary(&format!("plan a.parquet --json {arguments}"))["target"].clone();
    let sampled = target("--target kind");
    assert_eq!(sampled["classes"], json!(["ant", "bee", "cat"]));
    let scanned = target("--target kind --scan-classes --threads 1");
    assert_eq!(scanned["classes"], json!(["ant", "bee", "cat", "dog", "eel"]));
    assert_eq!(scanned["shares"][3], json!(1.0 / 300_000.0));
    assert_eq!(target("--target kind --scan-classes --threads 3"), scanned);
    let grades = target("--target grade --loss softmax --scan-classes");
    assert_eq!(grades["classes"], json!(["-1", "0", "1", "2", "3"]));
    assert_eq!(grades["shares"], scanned["shares"]);
    assert_eq!(target("--target flag --scan-classes")["task"], "binary");
    let error = folder.fails(2, "plan a.parquet --target kind --positive eel");
    says(&error, &["\"eel\"", "\"ant\", \"bee\", \"cat\"", "--scan-classes"]);
    let eel = target("--target kind --positive eel --scan-classes");
    assert_eq!(eel["share"], json!(2.0 / 300_000.0));
    for loss in ["", "--loss squared", "--loss poisson"] {
        let error = folder.fails(2, &format!("plan a.parquet --target x --scan-classes {loss}"));
        says(&error, &["--scan-classes", "`x`", "number", "--loss softmax"]);
    }
    let error = folder.fails(1, "plan a.parquet --target kind --scan-classes --loss logistic");
    says(&error, &["5 distinct values", "--positive CLASS"]);
}

#[test]
fn the_plan_from_shards_is_that_from_the_table() {
    let folder = folder();
    let mut text = "x,many,few\n".to_string();
    for i in 0..3000u32 {
        text.push_str(&format!(
            "{},{},{}\n",
            i * 37 % 101,
            i * 7 % 1000,
            ["a", "b", "c", "d"][i as usize % 4]
        ));
    }
    folder.write("b.csv", text);
    folder.mkshards("b.csv -o shards");
    // Of `many` there are more classes than are kept beside shards.
    for arguments in
        ["--target many --loss softmax", "--target few", "--target few --positive c", "--target many"]
    {
        let of = |input: &str| folder.summary(&format!("plan {input} --json {arguments}"));
        assert_eq!(of("b.csv"), of("shards"), "{arguments}");
    }
    let kept = std::fs::read_to_string(folder.path("shards/_schema.json")).unwrap();
    assert!(kept.len() < 30_000, "{} bytes", kept.len());
}

#[test]
fn predictions_suit_the_loss() {
    let folder = folder();
    let header = |model: &str, arguments: &str| {
        let out = folder.ok(&format!("predict a.csv --model {model} --quiet {arguments}")).out();
        out.lines().next().unwrap().to_string()
    };
    folder.ok("train a.csv --target flag --ignore kind,grade -o logistic --quiet");
    assert_eq!(header("logistic", ""), "prediction,probability");
    assert_eq!(header("logistic", "--keep flag --probabilities"), "flag,prediction,probability,p(no),p(yes)");
    folder.ok("train a.csv --target flag --ignore kind,grade --loss hinge -o hinge --quiet");
    assert_eq!(header("hinge", ""), "prediction,margin");
    let error = folder.fails(2, "predict a.csv --model hinge --probabilities");
    says(&error, &["hinge", "no probabilities", "leave --probabilities out"]);
    let out = folder.ok("predict a.csv --model hinge --keep flag --quiet").out();
    let right = out.lines().filter(|line| line.starts_with("yes,yes,") || line.starts_with("no,no,-"));
    assert!(right.count() > 500);
    folder
        .ok("train a.csv --target claims --loss poisson --ignore kind,grade,flag,amount -o poisson --quiet");
    assert_eq!(header("poisson", ""), "prediction");
    let out = folder.ok("predict a.csv --model poisson --quiet").out();
    let predictions: Vec<f64> = out.lines().skip(1).map(|line| line.parse().unwrap()).collect();
    assert!(predictions.iter().all(|p| *p > 0.0));
    let mean = predictions.iter().sum::<f64>() / predictions.len() as f64;
    assert!((1.0..3.0).contains(&mean), "{mean}");
    let error = folder.fails(2, "predict a.csv --model poisson --probabilities");
    says(&error, &["poisson", "no probabilities"]);
}

#[test]
fn counts_are_not_negative() {
    let folder = Folder::new();
    let y = integers((0..500).map(|i| if i == 321 { -2 } else { i % 4 }));
    folder.table_in_pieces("a.parquet", &table(vec![("x", floats((0..500).map(f64::from))), ("y", y)]), 200);
    let error = folder.fails(1, "train a.parquet --target y --loss poisson -o m");
    says(&error, &["a.parquet, row group 1, row 121, column `y`", "-2", "at least 0", "--on-error skip"]);
    let summary =
        folder.summary("train a.parquet --target y --loss poisson -o m --on-error skip --quiet --summary -");
    assert_eq!(summary["skipped"]["rows"], 1);
}

#[test]
fn offsets_stand_beside_the_features() {
    let folder = folder();
    let plan = |arguments: &str| folder.summary(&format!("plan a.csv --json {arguments}"));
    let with = plan("--target claims --loss poisson --exposure time");
    assert_eq!(with["offset"], json!({"column": "time", "kind": "exposure"}));
    assert!(with["columns"].as_array().unwrap().iter().all(|column| column["name"] != "time"));
    assert_eq!(plan("--target amount --offset z")["offset"], json!({"column": "z", "kind": "margin"}));
    assert!(plan("--target amount").get("offset").is_none());
    for (code, arguments, all) in [
        (2, "--target amount --exposure time", ["--exposure suits --loss poisson", "--offset"]),
        (2, "--target kind --offset z", ["same for all classes", "--positive"]),
        (2, "--target amount --offset amount", ["`amount`", "both target and offset"]),
        (2, "--target amount --offset z --weight z", ["`z`", "both weight and offset"]),
        (2, "--target amount --offset z --numeric z", ["`z` is the offset", "feature"]),
        (2, "--target amount --offset zz", ["no column `zz`", "did you mean `z`?"]),
        (1, "--target amount --offset kind", ["column `kind`", "numbers as offsets"]),
        (1, "--target claims --loss poisson --exposure kind", ["column `kind`", "numbers as exposures"]),
    ] {
        says(&folder.fails(code, &format!("plan a.csv {arguments}")), &all);
    }
    assert_eq!(
        folder.run("plan a.csv --target claims --offset z --exposure time").output.status.code(),
        Some(2)
    );
}

#[test]
fn offsets_that_cannot_be_used_are_errors_at_their_row_or_are_skipped() {
    let folder = Folder::new();
    let rows = 300;
    for (bad, option, expected) in [
        (None, "--offset o", "a finite number as offset"),
        (Some(f64::NAN), "--offset o", "a finite number as offset"),
        (Some(f64::INFINITY), "--exposure o", "a finite exposure above 0"),
        (Some(0.0), "--exposure o", "a finite exposure above 0"),
        (Some(-1.0), "--exposure o", "a finite exposure above 0"),
    ] {
        let o = floats((0..rows).map(|i| if i == 250 { bad } else { Some(1.0 + f64::from(i % 3)) }));
        let y = integers((0..rows).map(|i| i64::from(i % 5)));
        let data = table(vec![("x", floats((0..rows).map(|i| f64::from(i % 7)))), ("o", o), ("y", y)]);
        folder.table_in_pieces("a.parquet", &data, 100);
        folder.table("a.csv", &data);
        let train = format!("--target y --loss poisson {option} -o m");
        let error = folder.fails(1, &format!("train a.parquet {train}"));
        says(&error, &["a.parquet, row group 2, row 50, column `o`", expected, "--on-error skip"]);
        let error = folder.fails(1, &format!("train a.csv {train}"));
        says(&error, &["a.csv, line 252, column `o`", expected]);
        let summary = folder.summary(&format!("train a.csv {train} --on-error skip --quiet --summary -"));
        assert_eq!(summary["skipped"]["rows"], 1);
        assert_eq!(summary["progressive"]["rows"], 299);
        let error = folder.fails(1, "predict a.parquet --model m -o p.csv");
        says(&error, &["a.parquet, row group 2, row 50, column `o`", expected]);
        folder.fails(1, "evaluate a.parquet --model m");
        let summary = folder.summary("evaluate a.parquet --model m --on-error skip --quiet --summary -");
        assert_eq!(summary["metrics"]["rows"], 299);
        std::fs::remove_file(folder.path("m")).unwrap();
    }
}

#[test]
fn an_offset_is_added_to_what_is_predicted() {
    let folder = folder();
    let predictions = |model: &str, input: &str| -> Vec<f64> {
        let out = folder.ok(&format!("predict {input} --model {model} --quiet")).out();
        out.lines().skip(1).map(|line| line.parse().unwrap()).collect()
    };
    folder.ok("train a.csv --target amount --offset time --ignore kind,grade,flag,claims -o m --quiet");
    folder.ok("train a.csv --target claims --loss poisson --exposure time --ignore kind,grade,flag,amount -o p --quiet");
    folder.write("b.csv", "x,z,time\n0.5,0.5,1\n0.5,0.5,5\n");
    let amounts = predictions("m", "b.csv");
    assert!((amounts[1] - amounts[0] - 4.0).abs() < 1e-4, "{amounts:?}");
    let claims = predictions("p", "b.csv");
    assert!((claims[1] / claims[0] - 5.0).abs() < 1e-4, "{claims:?}");
    // Without the offset there is nothing to predict from.
    folder.write("c.csv", "x,z\n0.5,0.5\n");
    let error = folder.fails(2, "predict c.csv --model m");
    says(&error, &["no column `time`", "the offset", "trained with"]);
    says(&folder.fails(2, "evaluate c.csv --model p"), &["no column `time`", "the exposure"]);
}

/// What only a learner of several margins, of offsets and of class weights can do.
mod learned {
    use super::*;

    const WHY: &str = "features other than x and z tell the target";

    fn train(folder: &Folder, arguments: &str) -> Value {
        folder.summary(&format!("train a.csv --numeric x,z --quiet --summary - --epochs 5 {arguments}"))
    }

    #[test]
    fn several_classes_are_learned_and_predicted() {
        let folder = folder();
        for target in ["kind", "grade --loss softmax"] {
            let others = if target == "kind" { "grade" } else { "kind" };
            let summary =
                train(&folder, &format!("--target {target} --ignore {others},flag,amount,claims,time -o m"));
            assert!(summary["holdout"]["accuracy"].as_f64().unwrap() > 0.8, "{WHY}: {summary}");
            let name = target.split(' ').next().unwrap();
            let out =
                folder.ok(&format!("predict a.csv --model m --keep {name} --probabilities --quiet")).out();
            let mut lines = out.lines();
            let classes = if name == "kind" { ["ant", "bee", "cat"] } else { ["1", "2", "3"] };
            let expected = format!(
                "{name},prediction,probability,p({}),p({}),p({})",
                classes[0], classes[1], classes[2]
            );
            assert_eq!(lines.next(), Some(expected.as_str()));
            let mut right = 0;
            for line in lines {
                let cells: Vec<&str> = line.split(',').collect();
                let p: Vec<f64> = cells[2..].iter().map(|cell| cell.parse().unwrap()).collect();
                assert!((p[1] + p[2] + p[3] - 1.0).abs() < 1e-5, "{line}");
                let best = classes.iter().position(|class| *class == cells[1]).unwrap();
                assert!(p[0] == p[1 + best] && p[1..].iter().all(|other| *other <= p[0]), "{line}");
                right += usize::from(cells[0] == cells[1]);
            }
            assert!(right > 480, "{right}");
            assert!(
                folder.summary("evaluate a.csv --model m --quiet --summary -")["metrics"]["mean_loss"]
                    .is_f64()
            );
        }
    }

    #[test]
    fn a_class_that_the_sample_did_not_show_is_an_error_a_skip_or_found_by_scanning() {
        let folder = folder_with_rare_classes();
        let train = "train a.parquet --target kind --ignore grade,flag -o m --quiet";
        let error = folder.fails(1, train);
        says(&error, &["a.parquet, row group 5, row 7900, column `kind`", "\"dog\", expected one of"]);
        says(&error, &["--scan-classes", "--on-error skip"]);
        let summary = folder.summary(&format!("{train} --on-error skip --summary -"));
        assert_eq!(summary["skipped"]["rows"], 3);
        folder.ok(&format!("{train} --scan-classes"));
    }

    #[test]
    fn class_weights_move_predictions_to_the_rarer_class() {
        let folder = Folder::new();
        let mut random = Random(3);
        let mut text = "x,y\n".to_string();
        for _ in 0..4000 {
            let x = random.unit();
            text.push_str(&format!("{x},{}\n", if random.unit() < 0.1 * x { "rare" } else { "usual" }));
        }
        folder.write("a.csv", text);
        let rare = |option: &str| {
            folder.ok(&format!("train a.csv --target y --positive rare -o m --quiet {option}"));
            let out = folder.ok("predict a.csv --model m --quiet").out();
            out.lines().filter(|line| line.starts_with("rare,")).count()
        };
        assert_eq!(rare(""), 0);
        let balanced = rare("--class-weight balanced");
        assert!((1000..3000).contains(&balanced), "{balanced}");
        assert!(rare("--class-weight rare=1000,usual=1") > balanced);
        let error = folder.fails(2, "train a.csv --target y -o n --class-weight odd=2");
        says(&error, &["\"odd\"", "\"rare\", \"usual\""]);
        let error = folder.fails(2, "train a.csv --target x -o n --class-weight balanced");
        says(&error, &["--class-weight", "not a number"]);
        assert_eq!(
            folder.run("train a.csv --target y -o n --class-weight heavy").output.status.code(),
            Some(2)
        );
    }

    #[test]
    fn what_an_offset_explains_is_not_learned_again() {
        let folder = Folder::new();
        let mut random = Random(5);
        let mut text = "x,o,y\n".to_string();
        for _ in 0..3000 {
            let (x, o) = (random.unit(), 100.0 * random.unit());
            text.push_str(&format!("{x},{o},{}\n", 2.0 * x + o));
        }
        folder.write("a.csv", text);
        let summary = folder.summary("train a.csv --target y --offset o --epochs 5 -o m --quiet --summary -");
        assert!(summary["holdout"]["rmse"].as_f64().unwrap() < 0.5, "{summary}");
        let report = folder.summary("evaluate a.csv --model m --quiet --summary -");
        assert!(report["metrics"]["rmse"].as_f64().unwrap() < 0.5, "{report}");
    }
}
