//! A trend: how a model's loss on the hold-out goes from epoch to epoch.

use serde::{Deserialize, Serialize};

/// A loss this much above the least one has risen for good, not by chance.
const WORSE: f64 = 2e-3;

/// The least and the last of the losses after each epoch.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Trend {
    least: f64,
    last: f64,
}

impl Trend {
    /// That of a model that has no loss yet.
    pub(crate) const NEW: Trend = Trend { least: f64::INFINITY, last: f64::INFINITY };

    /// Takes the loss after one more epoch.
    pub(crate) fn push(&mut self, loss: f64) {
        self.last = loss;
        self.least = self.least.min(loss);
    }

    /// Whether later epochs made the model worse; one that diverged is another matter.
    pub(crate) fn rises(&self) -> bool {
        self.last.is_finite() && self.last > self.least * (1.0 + WORSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_rises_when_it_is_clearly_above_the_least_one() {
        let mut trend = Trend::NEW;
        assert!(!trend.rises());
        for (loss, rises) in
            [(0.5, false), (0.5005, false), (0.502, true), (0.4, false), (f64::INFINITY, false)]
        {
            trend.push(loss);
            assert_eq!(trend.rises(), rises, "{loss}");
        }
    }
}
