//! Numbers: residuals, and what they are measured against.

use serde::{Deserialize, Serialize};

use super::report::Report;
use crate::learn::kernels;
use crate::learn::loss::Loss;

/// What is summed over rows whose target is a number.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Numbers {
    /// A unit of labels and predictions, in the target's own.
    scale: f64,
    weight: f64,
    /// Sums of the residuals (prediction less label), of their sizes and of their squares.
    residuals: f64,
    sizes: f64,
    squares: f64,
    /// The first label, and sums of the labels' differences from it and of those squared: of the labels
    /// themselves the variance would be what is left of two large numbers.
    first: Option<f64>,
    differences: f64,
    difference_squares: f64,
    about: About,
}

/// What is asked about the predictions beside their residuals.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum About {
    Nothing,
    /// Weight of the rows whose label is at most the prediction.
    Quantile {
        covered: f64,
    },
    /// Sum of the deviances, and a buffer for those of some rows.
    Poisson {
        sum: f64,
        deviances: Vec<f32>,
    },
}

impl Numbers {
    pub(super) fn new(loss: Loss, scale: f64) -> Self {
        let about = match loss {
            Loss::Quantile { .. } => About::Quantile { covered: 0.0 },
            Loss::Poisson => About::Poisson { sum: 0.0, deviances: Vec::new() },
            _ => About::Nothing,
        };
        Numbers {
            scale,
            weight: 0.0,
            residuals: 0.0,
            sizes: 0.0,
            squares: 0.0,
            first: None,
            differences: 0.0,
            difference_squares: 0.0,
            about,
        }
    }

    /// Adds rows: margins, and a copy of them that becomes the predictions.
    pub(super) fn add(
        &mut self,
        margins: &[f32],
        predictions: &mut [f32],
        labels: &[f32],
        weights: impl Iterator<Item = f64> + Clone,
    ) {
        let Some(&first) = labels.first() else { return };
        let first = *self.first.get_or_insert(f64::from(first));
        match &mut self.about {
            About::Nothing => {}
            About::Quantile { covered } => {
                for ((p, y), w) in predictions.iter().zip(labels).zip(weights.clone()) {
                    *covered += if y <= p { w } else { 0.0 };
                }
            }
            About::Poisson { sum, deviances } => {
                kernels::poisson_mean(predictions);
                deviances.resize(margins.len(), 0.0);
                kernels::poisson_deviance(margins, labels, deviances);
                for (&deviance, w) in deviances.iter().zip(weights.clone()) {
                    *sum += w * f64::from(deviance);
                }
            }
        }
        for ((&p, &y), w) in predictions.iter().zip(labels).zip(weights) {
            let y = f64::from(y);
            let (residual, difference) = (f64::from(p) - y, y - first);
            self.weight += w;
            self.residuals += w * residual;
            self.sizes += w * residual.abs();
            self.squares += w * residual * residual;
            self.differences += w * difference;
            self.difference_squares += w * difference * difference;
        }
    }

    pub(super) fn report(&self, report: &mut Report) {
        let mean = |sum: f64| sum / self.weight;
        report.rmse = Some(mean(self.squares).sqrt() * self.scale);
        report.mae = Some(mean(self.sizes) * self.scale);
        report.bias = Some(mean(self.residuals) * self.scale);
        let variance = mean(self.difference_squares) - mean(self.differences).powi(2);
        report.r2 = (variance > 0.0).then(|| 1.0 - mean(self.squares) / variance);
        match self.about {
            About::Nothing => {}
            About::Quantile { covered } => {
                report.pinball = report.mean_loss;
                report.coverage = Some(mean(covered));
            }
            // Of labels and predictions twice as large it is twice as large.
            About::Poisson { sum, .. } => report.poisson_deviance = Some(mean(sum) * self.scale),
        }
    }
}
