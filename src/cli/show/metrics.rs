//! Texts for people: metrics, as a line after training and in full after an evaluation.

use std::fmt::Write;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use serde_json::Value;

use super::reasons;
use crate::learn::metrics::{CalibrationGroup, ClassFigures, Report};
use crate::trainer::Summary;

/// Classes of which a table is printed, at the most.
const MOST_CLASSES: usize = 30;
/// Characters of a class's name in a table, at the most.
const MOST_LETTERS: usize = 20;

/// The metrics of an evaluation: single figures, one on each line, and tables.
pub(in crate::cli) fn metrics(summary: &Summary) -> String {
    let figures = summary.metrics.as_ref().map(figures).unwrap_or_default();
    let width = figures.iter().map(|(name, _)| name.len()).max().unwrap_or(0).max("skipped".len());
    let mut text = format!("{:width$} {}\n", "rows", summary.rows);
    if !summary.skipped.is_empty() {
        let _ = writeln!(text, "{:width$} {} ({})", "skipped", summary.skipped.rows, reasons(summary));
    }
    for (name, x) in figures {
        let _ = writeln!(text, "{name:width$} {x:.6}");
    }
    let Some(report) = &summary.metrics else { return text };
    let classes = class_names(&summary.target);
    if classes.len() > MOST_CLASSES {
        let what = if report.confusion.is_some() { "the confusion matrix and the" } else { "the" };
        let count = classes.len();
        let _ = writeln!(text, "\n{what} figures of each of the {count} classes: see --summary");
        return text;
    }
    if let Some(confusion) = &report.confusion {
        let _ = writeln!(text, "\nrows by true class (down) and predicted class (across)\n");
        let _ = writeln!(text, "{}", confusion_table(confusion, &classes).trim_fmt());
    }
    if let Some(figures) = &report.classes {
        let _ = writeln!(text, "\n{}", class_table(figures, &classes).trim_fmt());
    }
    if let Some(groups) = &report.calibration {
        let _ = writeln!(text, "\ncalibration, in groups by predicted probability\n");
        let _ = writeln!(text, "{}", calibration_table(groups).trim_fmt());
    }
    text
}

/// The figures that matter most, for one line.
pub(super) fn headline(report: &Report) -> String {
    let names = main_figures(report);
    let figures = figures(report).into_iter().filter(|(name, _)| names.contains(name));
    figures.map(|(name, x)| format!("{name} {x:.5}")).collect::<Vec<_>>().join(", ")
}

/// The names of the figures that matter most.
pub(super) fn main_figures(report: &Report) -> Vec<&'static str> {
    let names: &[&str] = if report.pinball.is_some() {
        &["pinball", "coverage"]
    } else if report.poisson_deviance.is_some() {
        &["poisson_deviance", "rmse"]
    } else {
        &["log_loss", "auc", "accuracy", "macro_f1", "rmse", "mae", "r2"]
    };
    figures(report).into_iter().map(|(name, _)| name).filter(|name| names.contains(name)).collect()
}

/// All single figures that are there.
pub(super) fn figures(report: &Report) -> Vec<(&'static str, f64)> {
    let all = [
        ("log_loss", report.log_loss),
        ("auc", report.auc),
        ("average_precision", report.average_precision),
        ("accuracy", report.accuracy),
        ("balanced_accuracy", report.balanced_accuracy),
        ("precision", report.precision),
        ("recall", report.recall),
        ("f1", report.f1),
        ("macro_f1", report.macro_f1),
        ("brier", report.brier),
        ("calibration_error", report.calibration_error),
        ("pinball", report.pinball),
        ("coverage", report.coverage),
        ("poisson_deviance", report.poisson_deviance),
        ("rmse", report.rmse),
        ("mae", report.mae),
        ("r2", report.r2),
        ("bias", report.bias),
    ];
    all.into_iter().filter_map(|(name, x)| Some((name, x?))).collect()
}

/// The names of the classes in the order of their labels, as the summary's target has them, cut to a length
/// that fits a table; none for a number.
fn class_names(target: &Value) -> Vec<String> {
    let names: Vec<String> = match (target["classes"].as_array(), target["positive"].as_str()) {
        (Some(classes), _) => classes.iter().filter_map(|c| Some(c.as_str()?.to_string())).collect(),
        (None, Some(positive)) => {
            // Where every other value is the negative class it has no name.
            let negative =
                target["negative"].as_str().map_or_else(|| format!("not {positive}"), str::to_string);
            vec![negative, positive.to_string()]
        }
        (None, None) => Vec::new(),
    };
    names.into_iter().map(|name| cut(&name)).collect()
}

fn cut(name: &str) -> String {
    if name.chars().count() <= MOST_LETTERS {
        return name.to_string();
    }
    name.chars().take(MOST_LETTERS - 3).chain("...".chars()).collect()
}

/// A table without lines, its numbers to the right, which are all columns but `texts`.
pub(super) fn table(header: impl IntoIterator<Item = String>, rows: Vec<Vec<String>>, texts: usize) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(header.into_iter().collect::<Vec<_>>());
    table.add_rows(rows);
    table.column_iter_mut().skip(texts).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
    table
}

/// The class of a place in a table.
fn name(classes: &[String], class: usize) -> String {
    classes.get(class).cloned().unwrap_or_else(|| class.to_string())
}

fn confusion_table(confusion: &[Vec<f64>], classes: &[String]) -> Table {
    let are_whole = confusion.iter().flatten().all(|x| x.fract() == 0.0);
    let header = (0..confusion.len()).map(|class| name(classes, class));
    let rows = confusion.iter().enumerate().map(|(class, row)| {
        let cells = row.iter().map(|&x| weight(x, are_whole));
        std::iter::once(name(classes, class)).chain(cells).collect()
    });
    table(std::iter::once(String::new()).chain(header), rows.collect(), 1)
}

fn class_table(figures: &[ClassFigures], classes: &[String]) -> Table {
    let are_whole = figures.iter().all(|f| f.support.fract() == 0.0);
    let share = |x: Option<f64>| x.map_or("-".to_string(), |x| format!("{x:.4}"));
    let rows = figures.iter().enumerate().map(|(class, f)| {
        let figures = [share(f.precision), share(f.recall), share(f.f1), weight(f.support, are_whole)];
        std::iter::once(name(classes, class)).chain(figures).collect()
    });
    table(["class", "precision", "recall", "f1", "support"].map(String::from), rows.collect(), 1)
}

fn calibration_table(groups: &[CalibrationGroup]) -> Table {
    let rows = groups
        .iter()
        .map(|g| vec![g.rows.to_string(), format!("{:.5}", g.predicted), format!("{:.5}", g.observed)]);
    table(["rows", "predicted", "observed"].map(String::from), rows.collect(), 0)
}

/// Rows, or their weight.
fn weight(x: f64, is_whole: bool) -> String {
    if is_whole { format!("{x:.0}") } else { format!("{x:.2}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::learn::Loss;
    use crate::learn::metrics::Metrics;

    #[test]
    fn the_matrix_names_its_classes() {
        let names = class_names(&json!({"classes": ["a", "b", "a very long name of a class"]}));
        assert_eq!(names[2], "a very long name ...");
        let confusion = [vec![12.0, 3.0, 0.0], vec![0.0, 4.0, 100.0], vec![1.0, 0.0, 5.0]];
        let text = confusion_table(&confusion, &names).trim_fmt();
        let lines: Vec<Vec<&str>> = text.lines().map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(lines[0][..3], ["a", "b", "a"]);
        assert_eq!(lines[2], ["b", "0", "4", "100"]);
        let text = confusion_table(&[vec![0.5, 1.0]], &[]).trim_fmt();
        let weights = text.lines().nth(1).unwrap().split_whitespace();
        assert_eq!(weights.collect::<Vec<_>>(), ["0", "0.50", "1.00"], "weights that are no counts");
    }

    #[test]
    fn two_classes_are_named_negative_first() {
        assert_eq!(class_names(&json!({"positive": "yes", "negative": "no"})), ["no", "yes"]);
        assert_eq!(class_names(&json!({"positive": "yes", "negative": null})), ["not yes", "yes"]);
        assert!(class_names(&json!({"offset": 0.0, "scale": 1.0})).is_empty());
    }

    #[test]
    fn the_line_after_training_holds_what_matters_for_the_loss() {
        let line = |loss: Loss, outputs: usize| {
            let mut metrics = Metrics::new(loss, 1.0, outputs);
            metrics.add(&[0.5, -0.5, 1.0, 2.0], &[1.0, 0.0, 1.0, 0.0][..4 / outputs], &[]);
            let line = headline(&metrics.report());
            line.split(", ").map(|f| f.split(' ').next().unwrap().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(line(Loss::Logistic, 1), ["log_loss", "auc", "accuracy"]);
        assert_eq!(line(Loss::Hinge, 1), ["auc", "accuracy"]);
        assert_eq!(line(Loss::Softmax, 2), ["log_loss", "accuracy", "macro_f1"]);
        assert_eq!(line(Loss::Squared, 1), ["rmse", "mae", "r2"]);
        assert_eq!(line(Loss::Quantile { tau: 0.5 }, 1), ["pinball", "coverage"]);
        assert_eq!(line(Loss::Poisson, 1), ["poisson_deviance", "rmse"]);
    }
}
