//! What the command says, and where.

use crate::common::{Folder, says};
use crate::data::{TWO, any_orders, folds};
use crate::found::found;

#[test]
fn what_is_wrong_is_said_with_a_remedy() {
    let folder = Folder::new();
    folder.table("a.csv", &any_orders(500));
    let fails = |code: i32, options: &str| folder.fails(code, &format!("cv a.csv {options}"));
    says(&fails(2, &format!("{TWO} --optimizer lbfgs")), &["mini-batches", "leave out --optimizer lbfgs"]);
    says(&fails(2, "--target two --group-by shpo"), &["no column `shpo`", "did you mean `shop`?"]);
    says(&fails(2, "--target two --time when"), &["no column `when`", "x, z, city, shop, day"]);
    says(&fails(1, "--target two --time city"), &["`city`", "numbers, dates or timestamps"]);
    folder.write("few.csv", format!("day,y\n{}", "1,0\n2,1\n1,1\n2,0\n".repeat(50)));
    let error = folder.fails(1, "cv few.csv --target y --time day");
    says(&error, &["`day`", "too few different values for 5 blocks", "fewer --folds", "another column"]);
    let error = folder.fails(1, "cv few.csv --target y --group-by day");
    says(&error, &["has no rows", "fewer --folds", "another column"]);
    for (options, named) in [
        ("--folds 1", "--folds"),
        ("--repeat 0", "--repeat"),
        ("--time day --repeat 2", "'--time <COLUMN>' cannot be used with '--repeat <TIMES>'"),
        ("--time day --group-by shop", "'--time <COLUMN>' cannot be used with '--group-by <COLUMN>'"),
        ("--holdout 0.1", "--holdout"),
    ] {
        let run = folder.run(&format!("cv a.csv --target two {options}"));
        assert_eq!(run.output.status.code(), Some(2), "{options}");
        says(&run.err(), &[named, "--help"]);
    }
}

#[test]
fn tables_that_do_not_fit_the_largest_model_are_refused_as_by_train() {
    let folder = Folder::new();
    folder.table("a.csv", &any_orders(500));
    for command in ["train a.csv -o m", "cv a.csv"] {
        let error = folder.fails(2, &format!("{command} --target two --ignore three,amount --max-model 1KB"));
        says(&error, &["more than --max-model allows", "raise --max-model"]);
    }
}

#[test]
fn folds_are_a_table_on_standard_output_unless_the_summary_is_there() {
    let folder = Folder::new();
    folder.table("a.csv", &any_orders(500));
    let run = |options: &str| folder.ok(&format!("cv a.csv {TWO} --folds 3 --seed 1 {options}"));
    let shown = run("--summary s.json");
    let words = |line: &str| line.split_whitespace().map(String::from).collect::<Vec<_>>();
    let text = shown.out();
    let lines: Vec<Vec<String>> = text.lines().map(words).collect();
    assert_eq!(lines[0], ["fold", "rows", "rate", "log_loss", "auc", "accuracy"]);
    for (line, fold) in lines[1..4].iter().zip(folds(&folder.json("s.json"))) {
        let figure = |name: &str| format!("{:.5}", fold["metrics"][name].as_f64().unwrap());
        assert_eq!(line[..2], [fold["fold"].to_string(), fold["metrics"]["rows"].to_string()]);
        assert_eq!(line[3..], ["log_loss", "auc", "accuracy"].map(figure));
    }
    says(&text, &["standard error", "average_precision", "brier"]);
    let summary = run("--summary -");
    assert_eq!(found(serde_json::from_str(&summary.out()).unwrap()), found(folder.json("s.json")));
    says(&summary.err(), &["fold", "standard error"]);
    let quiet = run("--quiet");
    assert_eq!((quiet.out(), quiet.err()), (String::new(), String::new()));
    says(&run("--repeat 2").out(), &["1.1", "2.3"]);
}
