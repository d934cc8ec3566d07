//! How rows are divided: by groups, by time, and several times.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::common::{Folder, Random, floats, integers, table, texts};
use crate::data::{
    AMOUNT, THREE, TWO, any_orders, cv, doubling_shops, folds, log_losses, mean, orders, rows,
};

#[test]
fn rows_of_a_group_are_never_on_both_sides() {
    let folder = Folder::new();
    // Whoever knows a user knows what its rows are.
    let mut random = Random(3);
    let users: Vec<u64> = (0..6000).map(|_| random.below(300)).collect();
    let said: Vec<i64> = users.iter().map(|user| (Random(*user).below(2)) as i64).collect();
    let noise = floats((0..6000).map(|_| random.unit()));
    let names = texts(users.iter().map(|user| format!("user {user}")));
    folder.table("a.csv", &table(vec![("user", names), ("noise", noise), ("y", integers(said))]));
    let plain = mean(&cv(&folder, "a.csv --target y --seed 1"), "log_loss");
    let grouped = mean(&cv(&folder, "a.csv --target y --seed 1 --group-by user"), "log_loss");
    println!("log loss {plain:.4}, of new users {grouped:.4}");
    assert!(plain < 0.3 && grouped > 0.65, "{plain} {grouped}");

    // Each shop's rows are a binary digit: in one fold, and in all folds of the others not.
    let shops = doubling_shops(10, 1, 1);
    folder.table("b.parquet", &orders(&shops, 2));
    let rows = rows(&cv(&folder, &format!("b.parquet {TWO} --seed 1 --group-by shop --folds 3 --repeat 2")));
    for rows in rows.chunks(3) {
        assert_eq!(rows.iter().sum::<u64>(), shops.len() as u64, "{rows:?}");
        assert_eq!(rows.iter().fold(0, |all, rows| all | rows), shops.len() as u64, "{rows:?}");
    }
}

#[test]
fn with_time_models_learn_from_the_past_and_are_scored_on_the_next_block() {
    let folder = Folder::new();
    // What y says of x turns round after two thirds of the time. Rows come in no order.
    let (mut random, mut x, mut y, mut day) = (Random(4), vec![], vec![], vec![]);
    for row in 0..6000 {
        let number = random.unit();
        day.push(row * 7 % 6000);
        y.push(i64::from((number > 0.5) != (row * 7 % 6000 >= 4000)));
        x.push(number);
    }
    let data = table(vec![("x", floats(x)), ("day", integers(day)), ("y", integers(y))]);
    folder.table("a.parquet", &data);
    let summary = cv(&folder, "a.parquet --target y --ignore day --seed 1 --time day");
    assert_eq!(rows(&summary), [1000; 5]);
    assert_eq!(summary["cv"]["rows_scored"], 5000, "the first block has no past");
    let losses = log_losses(&summary);
    println!("log loss of blocks in time: {losses:.3?}");
    assert!(losses[..3].iter().all(|&loss| loss < 0.4), "what was learned holds: {losses:?}");
    assert!(losses[3] > 2.0, "nothing of the turn was known: {losses:?}");
    assert!(losses[4] < losses[3], "a fifth of the past is after the turn: {losses:?}");
    let by_chance = cv(&folder, "a.parquet --target y --ignore day --seed 1");
    assert_eq!(by_chance["cv"]["rows_scored"], 6000);
}

/// The figures of a fold that have a mean: not rows and bounds.
fn figures(fold: &Value) -> BTreeMap<&str, f64> {
    let bounds = ["rows", "auc_error", "average_precision_error"];
    let all = fold["metrics"].as_object().unwrap().iter();
    let numbers = all.filter_map(|(name, figure)| Some((name.as_str(), figure.as_f64()?)));
    numbers.filter(|(name, _)| !bounds.contains(name)).collect()
}

/// Checks means and standard errors of all figures but `missing`.
fn estimates_are_of_all_figures_but(missing: &[&str], options: &str, folds_each: f64) {
    let folder = Folder::new();
    folder.table("a.parquet", &any_orders(2000));
    let summary = cv(&folder, &format!("a.parquet {options} --seed 1"));
    for name in figures(&folds(&summary)[0]).into_keys().filter(|name| !missing.contains(name)) {
        let all: Vec<f64> = folds(&summary).iter().map(|fold| figures(fold)[name]).collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let variance = all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (all.len() - 1) as f64;
        let estimate = &summary["cv"]["metrics"][name];
        for (figure, expected) in [("mean", mean), ("standard_error", (variance / folds_each).sqrt())] {
            let found =
                estimate[figure].as_f64().unwrap_or_else(|| panic!("{options}: no {figure} of {name}"));
            assert!(
                (found - expected).abs() < 1e-9,
                "{options}: {figure} of {name}: {found}, not {expected}"
            );
        }
    }
}

#[test]
fn every_repetition_has_all_folds_and_figures_have_means_over_all_of_them() {
    let folder = Folder::new();
    folder.table("a.parquet", &any_orders(2000));
    let summary = cv(&folder, &format!("a.parquet {TWO} --seed 1 --folds 4 --repeat 3"));
    let number = |fold: &Value, name: &str| fold[name].as_u64().unwrap();
    let names: Vec<_> = folds(&summary).iter().map(|f| (number(f, "repeat"), number(f, "fold"))).collect();
    assert_eq!(names, (1..=3).flat_map(|repeat| (1..=4).map(move |fold| (repeat, fold))).collect::<Vec<_>>());
    assert!(rows(&summary).chunks(4).all(|rows| rows.iter().sum::<u64>() == 2000));
    assert_ne!(rows(&summary)[..4], rows(&summary)[4..8], "repetitions differ");
    assert_eq!(summary["cv"]["rows_scored"], 2000);
    for (task, count) in [(TWO, 11), (THREE, 6), (AMOUNT, 5)] {
        let summary = cv(&folder, &format!("a.parquet {task} --seed 1 --folds 2"));
        folds(&summary).iter().for_each(|fold| assert_eq!(figures(fold).len(), count, "{task}: {fold}"));
        for (more, folds_each) in [("", 5.0), ("--folds 4 --repeat 3", 4.0)] {
            estimates_are_of_all_figures_but(&["calibration_error"], &format!("{task} {more}"), folds_each);
        }
    }
}

#[test]
fn the_calibration_error_has_a_mean_too() {
    estimates_are_of_all_figures_but(&[], TWO, 5.0);
}
