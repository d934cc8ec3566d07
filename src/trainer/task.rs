//! The task of a run that learns, and the fit that comes of it.

use std::sync::Arc;

use super::config::TrainConfig;
use super::scoring::Scoring;
use super::summary::RaceEntry;
use crate::features::Plan;
use crate::input::Skipped;
use crate::learn::metrics::Report;
use crate::learn::{Linear, Loss, Settings, State};
use crate::pipeline::Stages;

/// What is to be learned, and how.
pub(crate) struct Task<'a> {
    pub(crate) config: &'a TrainConfig,
    /// The loss in the target's own unit.
    pub(crate) loss: Loss,
    pub(crate) settings: Settings,
    pub(crate) plan: Arc<Plan>,
    /// Rows after which only the race's winner goes on.
    pub(crate) race_rows: u64,
}

impl Task<'_> {
    pub(crate) fn scoring(&self) -> Scoring<'_> {
        Scoring {
            loss: self.loss,
            target: &self.plan.target,
            class_weights: &self.settings.class_weights,
            losses_alone: false,
        }
    }
}

/// What came of it.
pub(crate) struct Fit {
    pub(crate) linear: Linear,
    pub(crate) state: State,
    /// The learning rate; 0 where there is none.
    pub(crate) rate: f32,
    /// Strength of the L2 penalty.
    pub(crate) l2: f32,
    pub(crate) progressive: Option<Report>,
    pub(crate) holdout: Option<Report>,
    pub(crate) race: Option<Vec<RaceEntry>>,
    pub(crate) rows_learned: u64,
    pub(crate) rows_held: u64,
    pub(crate) skipped: Skipped,
    pub(crate) epochs: u64,
    pub(crate) stages: Stages,
    pub(crate) capped: bool,
}

impl Fit {
    /// Rows of the data.
    pub(crate) fn rows(&self) -> u64 {
        self.rows_learned + self.rows_held + self.skipped.rows
    }
}
