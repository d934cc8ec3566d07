//! Texts for people: plans, outcomes, metrics, features.

mod folds;
mod learned;
mod metrics;
mod search;

use std::fmt::Write;
use std::path::Path;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
pub(super) use folds::folds;
use indicatif::{BinaryBytes, HumanCount};
pub(super) use learned::{learned, learned_json};
pub(super) use metrics::metrics;
pub(super) use search::{leaders, search};

use crate::features::{Plan, Target};
use crate::trainer::Summary;

/// The target in a sentence, and a table of the first `most` columns.
pub(super) fn plan(plan: &Plan, most: usize) -> String {
    let mut text = String::new();
    match &plan.target {
        Target::Binary { column, positive, negative, share, .. } => {
            let other = match negative {
                Some(negative) => format!("the other class: {negative}"),
                None => "all others are the other class".to_string(),
            };
            let _ = writeln!(
                text,
                "target: {column}; positive class: {positive}, {:.1}% of the sample ({other})",
                100.0 * share
            );
        }
        Target::Classes { column, classes, .. } => {
            let _ = writeln!(text, "target: {column}; {} classes", classes.len());
        }
        Target::Number { column, offset, scale, .. } => {
            let _ = write!(text, "target: {column}, a number");
            let _ = match (offset, scale) {
                (0.0, 1.0) => writeln!(text),
                _ => writeln!(text, " (centre {offset:.6}, deviation {scale:.6} in the sample)"),
            };
        }
    }
    if let Some(weight) = &plan.weight {
        let _ = writeln!(text, "weight: {weight}");
    }
    if let Some(offset) = &plan.offset {
        let _ = writeln!(text, "{}: {}", offset.kind.word(), offset.column);
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["column", "type", "used as", "missing", "distinct", "why"]);
    for column in plan.columns.iter().take(most) {
        let more = if column.distinct_is_bound { ">" } else { "" };
        table.add_row([
            column.name.clone(),
            column.data_type.clone(),
            column.used.word().to_string(),
            format!("{:.1}%", 100.0 * column.missing),
            format!("{more}{}", column.distinct),
            column.why.clone(),
        ]);
    }
    for i in [3, 4] {
        if let Some(column) = table.column_mut(i) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let _ = writeln!(text, "{}", table.trim_fmt());
    if plan.columns.len() > most {
        let _ = writeln!(text, "... and {} more columns: see millstream plan", plan.columns.len() - most);
    }
    text
}

/// A few lines on how a run went.
pub(super) fn outcome(summary: &Summary, output: Option<&Path>) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{} rows in {:.1} s, {} rows/s, peak memory {}",
        HumanCount(summary.rows),
        summary.seconds,
        HumanCount(summary.rows_per_second as u64),
        BinaryBytes(summary.peak_memory_bytes)
    );
    let bound = summary.stages.bound(summary.threads);
    let learns = matches!(summary.command, "train" | "cv" | "search");
    let last = if learns { "learning" } else { "scoring and writing" };
    let _ = writeln!(
        text,
        "bound by {} ({:.0}% busy); readers waited {:.0}% on the disk",
        bound.stage.unwrap_or(last),
        100.0 * bound.busy,
        100.0 * bound.disk
    );
    if !summary.skipped.is_empty() {
        let _ =
            writeln!(text, "{} rows were left out: {}", HumanCount(summary.skipped.rows), reasons(summary));
    }
    if let Some(race) = &summary.race {
        let losses: Vec<String> = race
            .iter()
            .map(|r| {
                let loss = r.progressive_loss.map_or("diverged".to_string(), |l| format!("{l:.5}"));
                // Three digits tell rates apart.
                let rate = format!("{:.2e}", r.learning_rate);
                let rate = rate.parse().unwrap_or(r.learning_rate);
                format!("{rate}: {loss}{}", if r.winner { " (chosen)" } else { "" })
            })
            .collect();
        let _ = writeln!(text, "progressive loss by learning rate: {}", losses.join(", "));
    }
    for (name, report) in [("progressive", &summary.progressive), ("hold-out", &summary.holdout)] {
        if let Some(report) = report {
            let _ = writeln!(text, "{name}: {}", metrics::headline(report));
        }
    }
    match (&summary.model, output) {
        (Some(model), Some(path)) => {
            let _ = writeln!(
                text,
                "model: {} ({}, {} weights){}",
                path.display(),
                BinaryBytes(model.bytes),
                HumanCount(model.weights as u64),
                if model.capped { "; its tables reached --max-model" } else { "" }
            );
        }
        (None, Some(path)) => {
            let _ = writeln!(text, "written: {}", path.display());
        }
        _ => {}
    }
    text
}

fn reasons(summary: &Summary) -> String {
    let reasons: Vec<String> =
        summary.skipped.reasons.iter().map(|(why, n)| format!("{why} ({n})")).collect();
    reasons.join(", ")
}
