//! Tables of orders, and what a run on one finds.

use arrow::array::RecordBatch;
use serde_json::Value;

use crate::common::{Folder, Random, floats, integers, table, texts};

/// A summary of a run that says nothing else.
pub(crate) fn cv(folder: &Folder, arguments: &str) -> Value {
    folder.summary(&format!("cv {arguments} --quiet --summary -"))
}

pub(crate) fn folds(summary: &Value) -> &[Value] {
    summary["cv"]["folds"].as_array().unwrap()
}

/// The rows that each fold was scored on.
pub(crate) fn rows(summary: &Value) -> Vec<u64> {
    folds(summary).iter().map(|fold| fold["metrics"]["rows"].as_u64().unwrap()).collect()
}

pub(crate) fn mean(summary: &Value, figure: &str) -> f64 {
    summary["cv"]["metrics"][figure]["mean"].as_f64().unwrap()
}

pub(crate) fn log_losses(summary: &Value) -> Vec<f64> {
    folds(summary).iter().map(|fold| fold["metrics"]["log_loss"].as_f64().unwrap()).collect()
}

/// Orders in some shops, a row for each that `shops` names, one a day: `two` (yes or no), `three` (classes) and
/// `amount` depend on two numbers, the city, and a little on the shop.
pub(crate) fn orders(shops: &[u64], seed: u64) -> RecordBatch {
    let mut random = Random(seed);
    let (mut x, mut z, mut city, mut two, mut three, mut amount) =
        (vec![], vec![], vec![], vec![], vec![], vec![]);
    for shop in shops {
        let (a, b, c) = (4.0 * random.unit() - 2.0, random.unit(), random.below(3));
        let margin = a + b + c as f64 - 1.5 + 0.2 * (shop % 3) as f64;
        two.push(if random.unit() < 1.0 / (1.0 + (-margin).exp()) { "yes" } else { "no" });
        three.push(["a", "b", "c"][((margin.abs() + random.unit()) as usize).min(2)]);
        amount.push(margin + random.unit());
        x.push(a);
        z.push(b);
        city.push(format!("city {c}"));
    }
    table(vec![
        ("x", floats(x)),
        ("z", floats(z)),
        ("city", texts(city)),
        ("shop", texts(shops.iter().map(|shop| format!("shop {shop}")))),
        ("day", integers(0..shops.len() as i64)),
        ("two", texts(two)),
        ("three", texts(three)),
        ("amount", floats(amount)),
    ])
}

pub(crate) const TWO: &str = "--target two --ignore three,amount,shop,day";
pub(crate) const THREE: &str = "--target three --ignore two,amount,shop,day";
pub(crate) const AMOUNT: &str = "--target amount --ignore two,three,shop,day";

/// Orders in any of 300 shops.
pub(crate) fn any_orders(rows: u64) -> RecordBatch {
    let mut random = Random(1);
    let shops: Vec<u64> = (0..rows).map(|_| random.below(300)).collect();
    orders(&shops, 2)
}

/// Shops of which each has twice the rows of the one before, so that rows counted tell which shops they are of.
/// They come in runs of `run` rows, in an order drawn by chance.
pub(crate) fn doubling_shops(shops: u32, smallest: usize, run: usize) -> Vec<u64> {
    let runs = |shop: u32| (smallest << shop) / run;
    let mut all: Vec<u64> = (0..shops).flat_map(|shop| vec![u64::from(shop); runs(shop)]).collect();
    let mut random = Random(8);
    (1..all.len()).rev().for_each(|last| all.swap(last, random.below(last as u64 + 1) as usize));
    all.into_iter().flat_map(|shop| vec![shop; run]).collect()
}
