//! Texts for people: the folds of a cross-validation.

use super::metrics::{figures, main_figures, table};
use crate::trainer::Summary;

/// A table of the folds with the figures that matter most, and below them all figures' means.
pub(in crate::cli) fn folds(summary: &Summary) -> String {
    let Some(cv) = &summary.cv else { return String::new() };
    let Some(first) = cv.folds.first() else { return String::new() };
    let names = main_figures(&first.metrics);
    let repeated = cv.folds.iter().any(|fold| fold.repeat > 1);
    let mut rows = Vec::new();
    for fold in &cv.folds {
        let name = if repeated { format!("{}.{}", fold.repeat, fold.fold) } else { fold.fold.to_string() };
        let found = figures(&fold.metrics);
        let figure = |name: &&str| {
            let figure = found.iter().find(|(other, _)| other == name);
            figure.map_or("-".to_string(), |(_, x)| format!("{x:.5}"))
        };
        let mut row = vec![name, fold.metrics.rows.to_string(), format!("{}", fold.learning_rate)];
        row.extend(names.iter().map(figure));
        rows.push(row);
    }
    let header = ["fold", "rows", "rate"].into_iter().chain(names.iter().copied()).map(String::from);
    let mut text = format!("{}\n\n", table(header, rows, 1).trim_fmt());
    let means = figures(&first.metrics).into_iter().filter_map(|(name, _)| {
        let estimate = cv.metrics.get(name)?;
        Some(vec![name.into(), format!("{:.6}", estimate.mean), format!("{:.6}", estimate.standard_error)])
    });
    let header = ["", "mean", "standard error"].map(String::from);
    text.push_str(&format!("{}\n", table(header, means.collect(), 1).trim_fmt()));
    text
}
