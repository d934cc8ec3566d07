//! Scoring: the metrics that suit a loss and a target.

use crate::features::Target;
use crate::learn::Loss;
use crate::learn::metrics::Metrics;

/// Metrics without rows yet, for labels as `target` encodes them.
pub(crate) fn metrics(loss: Loss, target: &Target) -> Metrics {
    Metrics::new(loss, target.scale(), target.outputs())
}
