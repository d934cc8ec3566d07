//! The outcome of a search, as the summary tells it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::summary::Estimate;
use super::parameter::{Parameter, Value};

/// What a search found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SearchOutcome {
    /// What configurations were compared by.
    pub compared_by: &'static str,
    /// Rows after which the worse half was dropped first; the other halvings followed at twice the rows each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_halving: Option<u64>,
    /// Rows that models learned from, all together.
    pub row_visits: u64,
    /// How many of these were by models that were dropped.
    pub row_visits_of_dropped: u64,
    /// How many there would have been, had all learned from all rows.
    pub row_visits_without_halving: u64,
    /// All configurations, the best first.
    pub trials: Vec<Trial>,
    /// What columns are worth, the most first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub importance: Vec<Importance>,
}

/// How a configuration did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trial {
    /// Its number, in the order in which they were proposed.
    pub number: usize,
    /// Its options.
    pub options: BTreeMap<Parameter, Value>,
    /// Rows that each of its models learned from.
    pub rows: u64,
    /// Its mean loss over the later half of these; `None` if it diverged.
    pub loss: Option<f64>,
    /// Its mean loss over all of these.
    pub progressive_loss: Option<f64>,
    /// Whether it was dropped.
    pub dropped: bool,
    /// Its figures on the rows that its models left out, if there were folds and it learned to the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folds: Option<BTreeMap<String, Estimate>>,
}

/// What some columns are worth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Importance {
    /// The columns that a model did without.
    pub columns: Vec<String>,
    /// By how much its mean loss over the later half of the rows was larger.
    pub loss_increase: f64,
    /// The standard error of that, from the differences in blocks of rows; `None` with fewer than two blocks.
    pub standard_error: Option<f64>,
    /// The loss of the model that had all columns.
    pub loss: f64,
}
