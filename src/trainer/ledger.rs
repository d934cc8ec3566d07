//! The ledger: what a run of epochs knows beside the models that learn, and goes on from.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::team::Runner;
use super::trend::Trend;
use crate::input::Skipped;
use crate::learn::metrics::Report;
use crate::learn::{Iterate, Linear, State};

/// What a run knows.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Ledger {
    pub(crate) leg: Leg,
    /// The progressive accounts of all models in the first epoch, the one of them that led at its end, and the rows
    /// learned from.
    pub(crate) first: Arc<Vec<Runner>>,
    pub(crate) leader: usize,
    pub(crate) rows: u64,
    /// The best model so far, by the hold-out.
    pub(crate) best: Option<Arc<Best>>,
    /// The learning rate in the race of the model that all models side by side started from.
    pub(crate) descended_from: Option<f32>,
    /// How the loss on the hold-out goes, for each of the models side by side.
    pub(crate) trends: Vec<Trend>,
    pub(crate) skipped: Skipped,
    pub(crate) epochs_done: u64,
    /// Whether a table would have grown further.
    pub(crate) capped: bool,
}

/// Epochs in a row with the same aim.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Leg {
    /// The epoch that comes next, or goes on, and the last one.
    pub(crate) next: u64,
    pub(crate) last: u64,
    pub(crate) aim: Aim,
}

/// What epochs are for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Aim {
    /// Models side by side learn, until the hold-out's loss no longer falls.
    Choose {
        /// The least loss of these epochs, and the epoch that had it.
        least: f64,
        best: u64,
        /// Whether they race with penalties, because they overfitted without.
        penalised: bool,
    },
    /// The model that was chosen learns from all rows; this iterate of it is wanted.
    Finish { iterate: Iterate },
}

impl Leg {
    /// Epochs of models that learn side by side.
    pub(crate) fn choose(first: u64, last: u64, penalised: bool) -> Self {
        Leg { next: first, last, aim: Aim::Choose { least: f64::INFINITY, best: first, penalised } }
    }
}

/// The best model so far, by the hold-out.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Best {
    pub(crate) loss: f64,
    pub(crate) report: Report,
    pub(crate) linear: Linear,
    pub(crate) state: State,
    pub(crate) rate: f32,
    /// The learning rate that it had in the race.
    pub(crate) raced: f32,
    pub(crate) l2: f32,
    pub(crate) iterate: Iterate,
    pub(crate) epoch: u64,
}

impl Ledger {
    /// Of a run of so many models and epochs that begins.
    pub(crate) fn new(models: usize, epochs: u64) -> Self {
        Ledger {
            leg: Leg::choose(1, epochs, false),
            first: Arc::default(),
            leader: 0,
            rows: 0,
            best: None,
            descended_from: None,
            trends: vec![Trend::NEW; models],
            skipped: Skipped::default(),
            epochs_done: 0,
            capped: false,
        }
    }
}
