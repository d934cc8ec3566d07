//! Two classes: what the histogram of their margins tells, and the Brier score.

use serde::{Deserialize, Serialize};

use super::report::{ClassFigures, Report, mean};
use super::scores::Scores;

/// What is summed over rows of two classes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Binary {
    scores: Scores,
    /// Whether margins have probabilities: those of the hinge losses do not.
    has_probabilities: bool,
    weight: f64,
    /// Sum of the squared differences of probability and label.
    squares: f64,
}

impl Binary {
    pub(super) fn new(has_probabilities: bool) -> Self {
        Binary { scores: Scores::new(), has_probabilities, weight: 0.0, squares: 0.0 }
    }

    pub(super) fn has_probabilities(&self) -> bool {
        self.has_probabilities
    }

    /// Adds rows; without probabilities `probabilities` may be anything.
    pub(super) fn add(
        &mut self,
        margins: &[f32],
        probabilities: &[f32],
        labels: &[f32],
        weights: impl Iterator<Item = f64>,
    ) {
        for (((&margin, &p), &y), w) in margins.iter().zip(probabilities).zip(labels).zip(weights) {
            let (p, y) = (f64::from(p), f64::from(y));
            self.weight += w;
            self.squares += w * (p - y) * (p - y);
            self.scores.add(margin, p, y, w);
        }
    }

    pub(super) fn report(&self, report: &mut Report) {
        if let Some((auc, error)) = self.scores.auc() {
            (report.auc, report.auc_error) = (Some(auc), Some(error));
        }
        if let Some((average, error)) = self.scores.average_precision() {
            (report.average_precision, report.average_precision_error) = (Some(average), Some(error));
        }
        let confusion = self.scores.confusion();
        let [[true_negative, false_positive], [false_negative, true_positive]] = confusion;
        let (negative, positive) = (true_negative + false_positive, false_negative + true_positive);
        let of_negative = ClassFigures::new(true_negative, true_negative + false_negative, negative);
        let of_positive = ClassFigures::new(true_positive, true_positive + false_positive, positive);
        report.accuracy = Some((true_negative + true_positive) / self.weight);
        report.balanced_accuracy = mean([of_negative.recall, of_positive.recall].into_iter());
        (report.precision, report.recall, report.f1) =
            (of_positive.precision, of_positive.recall, of_positive.f1);
        report.confusion = Some(confusion.iter().map(|row| row.to_vec()).collect());
        if self.has_probabilities {
            report.brier = Some(self.squares / self.weight);
            let groups = self.scores.calibration();
            let distances = groups.iter().map(|g| g.weight * (g.predicted - g.observed).abs());
            report.calibration_error = Some(distances.sum::<f64>() / self.weight);
            report.calibration = Some(groups);
        }
    }
}
