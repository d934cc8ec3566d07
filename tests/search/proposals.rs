//! What `--bayes` proposes is as good as a grid of as many points.

use serde_json::Value;

use crate::common::{Folder, shared};
use crate::trials;

/// `tools/bench_bayes.py` asks more tables, over more seeds.
#[test]
fn proposals_find_what_a_grid_finds_with_half_the_rows() {
    let spread = |first: f64, last: f64| {
        let values = (0..8).map(|i| (first * (last / first).powf(f64::from(i) / 7.0)).to_string());
        values.collect::<Vec<_>>().join(",")
    };
    let (rates, strengths) = (spread(0.02, 1.0), spread(1e-9, 1e-3));
    let grid = format!("--full --grid learning-rate={rates} --grid l2={strengths}");
    let bayes = "--bayes 64 --range learning-rate=0.02..1 --range l2=1e-9..1e-3";
    for (name, target) in [("elec", "class"), ("diamonds", "price")] {
        let Some(table) = shared(&format!("{name}/train.csv")) else { continue };
        let folder = Folder::new();
        let (mut above, mut visits, mut wasted) = (0.0, 0.0, 0.0);
        let seeds = 1..=4;
        for seed in seeds.clone() {
            let found = |options: &str| {
                let run = format!("search {} --target {target} --seed {seed} --quiet", table.display());
                folder.summary(&format!("{run} --summary - {options}"))["search"].take()
            };
            let (full, halved) = (found(&grid), found(bayes));
            let loss = |found: &Value| trials(found)[0]["loss"].as_f64().unwrap();
            above += loss(&halved) / loss(&full) - 1.0;
            let share = |rows: &str| {
                halved[rows].as_f64().unwrap() / halved["row_visits_without_halving"].as_f64().unwrap()
            };
            visits += share("row_visits");
            wasted += share("row_visits_of_dropped");
        }
        let [above, visits, wasted] = [above, visits, wasted].map(|sum| sum / seeds.clone().count() as f64);
        println!("{name}: loss {:+.3}%, {visits:.2} of the rows, {wasted:.2} on losers", 100.0 * above);
        assert!(above < 1e-5 && visits < 0.45 && wasted < 0.26, "{name}: {above} {visits} {wasted}");
    }
}
