//! Texts for people: what a search found.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::metrics::table;
use crate::trainer::{Estimate, Leader, Parameter, SearchOutcome, Summary, Trial};

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
        let _ = writeln!(text, "the best, in options of train beside those given here: {}", options(best));
    }
    text
}

fn trials(found: &SearchOutcome) -> String {
    let names: BTreeSet<Parameter> =
        found.trials.iter().flat_map(|trial| trial.options.keys().copied()).collect();
    let dropped = found.trials.iter().any(|trial| trial.dropped);
    let has_folds = found.trials.iter().any(|trial| trial.folds.is_some());
    let mut header: Vec<String> = names.iter().map(|name| name.name().to_string()).collect();
    header.extend(["rows".into(), found.compared_by.into(), "progressive".into()]);
    if has_folds {
        header.push("on left-out rows".into());
    }
    if dropped {
        header.push(String::new());
    }
    let row = |trial: &Trial| {
        let number = |loss: Option<f64>| loss.map_or("diverged".to_string(), short);
        let value = |name| trial.options.get(name).map_or("-".to_string(), ToString::to_string);
        let mut row: Vec<String> = names.iter().map(value).collect();
        row.extend([trial.rows.to_string(), number(trial.loss), number(trial.progressive_loss)]);
        if has_folds {
            let estimate = trial.folds.as_ref().and_then(|folds| folds.get("mean_loss"));
            let told = |e: &Estimate| format!("{} ±{}", short(e.mean), short(e.standard_error));
            row.push(estimate.map_or("-".to_string(), told));
        }
        if dropped {
            row.push(if trial.dropped { "dropped" } else { "" }.to_string());
        }
        row
    };
    let rows = found.trials.iter().take(SHOWN).map(row).collect();
    let mut text = format!("{}\n", table(header, rows, 0).trim_fmt());
    if found.trials.len() > SHOWN {
        let _ = writeln!(text, "... and {} more: see --table and --summary", found.trials.len() - SHOWN);
    }
    let visits = 100.0 * found.row_visits as f64 / found.row_visits_without_halving.max(1) as f64;
    let decides = if has_folds { "; left-out rows decide" } else { "" };
    let _ = writeln!(
        text,
        "({} over the later half of the rows that each learned from{decides}; {visits:.0}% of the row-visits without \
         halving)\n",
        found.compared_by
    );
    text
}

fn importance(found: &SearchOutcome) -> String {
    let rows = found.importance.iter().map(|importance| {
        let error = importance.standard_error;
        vec![
            importance.columns.join("+"),
            format!(
                "{}{}",
                if importance.loss_increase > 0.0 { "+" } else { "" },
                short(importance.loss_increase)
            ),
            error.map_or("-".to_string(), short),
            error.map_or("-".to_string(), |error| format!("{:.1}", importance.loss_increase / error)),
        ]
    });
    let header = ["without", "loss increase", "standard error", "errors"].map(String::from);
    let loss = short(found.importance[0].loss);
    format!(
        "with all columns the {} is {loss}\n\n{}\n\n",
        found.compared_by,
        table(header, rows.collect(), 1).trim_fmt()
    )
}

/// A loss, in six decimals, or as many digits as tell it from others where it is large.
fn short(loss: f64) -> String {
    match loss.abs() {
        size if size < 1e3 => format!("{loss:.6}"),
        size if size < 1e9 => format!("{loss:.1}"),
        _ => format!("{loss:.6e}"),
    }
}

/// The options that make `train` learn a configuration's model.
fn options(trial: &Trial) -> String {
    let each = trial.options.iter().map(|(name, value)| {
        let value = value.to_string();
        let is_plain = |c: char| c.is_alphanumeric() || "_.,=:+-/@%".contains(c);
        let value =
            if value.chars().all(is_plain) { value } else { format!("'{}'", value.replace('\'', r"'\''")) };
        let before = if *name == Parameter::PowerT { "--schedule inverse " } else { "" };
        format!("{before}--{} {value} ", name.name())
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
