//! Scoring: the metrics that suit a loss and a target.

use crate::features::Target;
use crate::learn::Loss;
use crate::learn::metrics::Metrics;

/// What rows are scored by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scoring<'a> {
    /// The loss in the target's own unit.
    pub(crate) loss: Loss,
    pub(crate) target: &'a Target,
    /// For each class how much more its rows count in what is minimised; empty if all count the same.
    pub(crate) class_weights: &'a [f32],
    /// Whether the loss is all that is wanted.
    pub(crate) losses_alone: bool,
}

impl Scoring<'_> {
    /// Metrics without rows yet, for labels as the target encodes them.
    pub(crate) fn metrics(&self) -> Metrics {
        let new = if self.losses_alone { Metrics::losses } else { Metrics::new };
        let metrics = new(self.loss, self.target.scale(), self.target.outputs());
        metrics.weighing_classes(self.class_weights)
    }
}
