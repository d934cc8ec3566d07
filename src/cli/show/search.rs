//! Texts for people: what a search found.

use std::fmt::Write;

use super::metrics::table;
use crate::trainer::{Leader, Parameter, SearchOutcome, Summary, Trial};

/// Configurations that are shown; the others are in the summary.
const SHOWN: usize = 10;

/// A table of the best configurations, what columns are worth, and how to train the best one again.
pub(in crate::cli) fn search(summary: &Summary) -> String {
    let Some(found) = &summary.search else { return String::new() };
    let mut text = String::new();
    if found.trials.len() > 1 {
        text.push_str(&trials(found));
    }
    if !found.importance.is_empty() {
        text.push_str(&importance(found));
    }
    if let Some(best) = found.trials.first() {
        let _ = writeln!(text, "the best as options of train: {}", options(best));
    }
    text
}

fn trials(found: &SearchOutcome) -> String {
    let names: Vec<Parameter> =
        found.trials.first().map(|trial| trial.options.keys().copied().collect()).unwrap_or_default();
    let has_folds = found.trials.iter().any(|trial| trial.folds.is_some());
    let mut header: Vec<String> = names.iter().map(|name| name.name().to_string()).collect();
    header.extend(["rows".into(), found.compared_by.into(), "progressive".into()]);
    if has_folds {
        header.push("on left-out rows".into());
    }
    let row = |trial: &Trial| {
        let number = |loss: Option<f64>| loss.map_or("diverged".to_string(), |loss| format!("{loss:.6}"));
        let mut row: Vec<String> = names.iter().map(|name| trial.options[name].to_string()).collect();
        row.extend([trial.rows.to_string(), number(trial.loss), number(trial.progressive_loss)]);
        if has_folds {
            let estimate = trial.folds.as_ref().and_then(|folds| folds.get("mean_loss"));
            row.push(estimate.map_or("-".to_string(), |e| format!("{:.6} ±{:.6}", e.mean, e.standard_error)));
        }
        row
    };
    let rows = found.trials.iter().take(SHOWN).map(row).collect();
    let mut text = format!("{}\n", table(header, rows, 0).trim_fmt());
    if found.trials.len() > SHOWN {
        let _ = writeln!(text, "... and {} more: see --table and --summary", found.trials.len() - SHOWN);
    }
    let _ = writeln!(
        text,
        "({} over the later half of the rows that each learned from; {:.0}% of the row-visits without halving)\n",
        found.compared_by,
        100.0 * found.row_visits as f64 / found.row_visits_without_halving.max(1) as f64
    );
    text
}

fn importance(found: &SearchOutcome) -> String {
    let rows = found.importance.iter().map(|importance| {
        let error = importance.standard_error;
        vec![
            importance.columns.join("+"),
            format!("{:+.6}", importance.loss_increase),
            error.map_or("-".to_string(), |error| format!("{error:.6}")),
            error.map_or("-".to_string(), |error| format!("{:.1}", importance.loss_increase / error)),
        ]
    });
    let header = ["without", "loss increase", "standard error", "errors"].map(String::from);
    let loss = found.importance[0].loss;
    format!(
        "with all columns the {} is {loss:.6}\n\n{}\n\n",
        found.compared_by,
        table(header, rows.collect(), 1).trim_fmt()
    )
}

/// The options that make `train` learn a configuration's model.
fn options(trial: &Trial) -> String {
    let each = trial.options.iter().map(|(name, value)| {
        let value = value.to_string();
        let quote = if value.contains([' ', '\'', '"', '$']) { "'" } else { "" };
        format!("--{} {quote}{value}{quote} ", name.name())
    });
    format!("{}--refine", each.collect::<String>())
}

/// The best configurations so far, on lines.
pub(in crate::cli) fn leaders(leaders: &[Leader]) -> String {
    let line = |leader: &Leader| {
        let state = if leader.learns { "" } else { " (dropped)" };
        format!("\n{:.5} after {} rows  {}{state}", leader.loss, leader.rows, leader.configuration)
    };
    leaders.iter().map(line).collect()
}
