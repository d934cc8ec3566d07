//! The summary: one JSON object that says what a run did.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::checkpoint::Pauses;
use super::notes::Notes;
use super::search::SearchOutcome;
use crate::error::Result;
use crate::features::{Plan, Use};
use crate::input::Skipped;
use crate::learn::metrics::Report;
use crate::pipeline::Stages;

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    /// `train`, `cv`, `search`, `evaluate` or `predict`.
    pub command: &'static str,
    /// Rows of the data: learned from, held out and skipped (an epoch's, not the sum over epochs).
    pub rows: u64,
    /// Epochs done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// Wall time of the whole run.
    pub seconds: f64,
    /// Rows of all epochs over the time that reading and learning took.
    pub rows_per_second: f64,
    /// Bytes read, the sample's included.
    pub bytes_read: u64,
    /// The process's largest resident size.
    pub peak_memory_bytes: u64,
    /// Threads.
    pub threads: usize,
    /// The seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The loss that was minimised.
    pub loss: &'static str,
    /// The task and how labels are understood.
    pub target: serde_json::Value,
    /// Each row predicted before it was learned from, in the first epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progressive: Option<Report>,
    /// Rows that were held out, scored by the model that is saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holdout: Option<Report>,
    /// Rows that were evaluated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Report>,
    /// What cross-validation found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cv: Option<CrossValidation>,
    /// What a search found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchOutcome>,
    /// The learning rates that raced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub race: Option<Vec<RaceEntry>>,
    /// Each column and how it is used.
    pub plan: Vec<PlanLine>,
    /// Where the time went.
    pub stages: Stages,
    /// The model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelSummary>,
    /// Rows that were left out.
    pub skipped: Skipped,
    /// SHA-256 of the model file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_sha256: Option<String>,
    /// What checkpoints cost, where some were written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoints: Option<Pauses>,
    /// What the user was told.
    pub notes: Vec<String>,
}

/// One racing learning rate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RaceEntry {
    /// The rate.
    pub learning_rate: f32,
    /// Its progressive loss, as far as it ran.
    pub progressive_loss: Option<f64>,
    /// Whether it won.
    pub winner: bool,
}

/// What cross-validation found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CrossValidation {
    /// Rows on which models were scored: all, or as many as there was room for.
    pub rows_scored: u64,
    /// The epoch after which models were scored: the best.
    pub epoch: u64,
    /// Each fold.
    pub folds: Vec<FoldScore>,
    /// Each figure over all folds.
    pub metrics: BTreeMap<String, Estimate>,
}

/// How well a model did on the fold that it did not learn from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoldScore {
    /// The repetition, from 1.
    pub repeat: u32,
    /// The fold, from 1.
    pub fold: u32,
    /// The learning rate that the model was trained with.
    pub learning_rate: f32,
    /// Its figures.
    pub metrics: Report,
}

/// A figure over folds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean over all folds.
    pub mean: f64,
    /// Its standard error: the folds' standard deviation over the root of their number in one division. Other
    /// divisions of the same rows make it no smaller.
    pub standard_error: f64,
}

/// The size of a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelSummary {
    /// Bytes of the file.
    pub bytes: u64,
    /// Weights.
    pub weights: usize,
    /// Weights that are not zero.
    pub non_zero: usize,
    /// The learning rate that it was trained with; 0 for an exact fit.
    pub learning_rate: f32,
    /// Whether a table would have grown further, had `--max-model` allowed it.
    pub capped: bool,
}

/// How a column is used.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanLine {
    column: String,
    r#type: String,
    used_as: &'static str,
    why: String,
    missing: f64,
    distinct: u64,
    features: usize,
}

impl Summary {
    /// Hands in the summary of a run that began at `start` and ends now, in which something was said.
    ///
    /// # Errors
    /// The watcher's.
    pub(crate) fn hand_in(self, start: Instant, notes: Notes<'_>) -> Result<Self> {
        let Notes { watch, notes } = notes;
        let (seconds, peak_memory_bytes) = (start.elapsed().as_secs_f64(), peak_memory());
        let summary = Summary { seconds, peak_memory_bytes, notes, ..self };
        watch.end(&summary)?;
        Ok(summary)
    }
}

/// The plan as the summary tells it.
pub(crate) fn plan_lines(plan: &Plan) -> Vec<PlanLine> {
    let lines = plan.columns.iter().map(|c| PlanLine {
        column: c.name.clone(),
        r#type: c.data_type.clone(),
        used_as: c.used.word(),
        why: c.why.clone(),
        missing: c.missing,
        distinct: c.distinct,
        features: match &c.used {
            Use::Ignore => 0,
            Use::Number { flag_missing, .. } => 1 + usize::from(*flag_missing),
            Use::Category { known, .. } | Use::List { known, .. } | Use::Map { known, .. } => known.len(),
            Use::Embedding { scales } => scales.len(),
            Use::Text { known, style, .. } => known.len() + style.len(),
            Use::Bins { edges } => edges.len() + 1,
            Use::Cross { .. } => c.used.codes(),
            Use::Time { parts } => parts.iter().map(|p| p.categories().unwrap_or(1)).sum(),
        },
    });
    lines.collect()
}

/// The largest resident size of this process so far, as the kernel counts it; 0 where it does not.
pub(crate) fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    peak.unwrap_or(0) << 10
}
