//! Metrics: how good margins are, summed over rows in their order.

use serde::Serialize;

use super::kernels;
use super::loss::Loss;

/// What a metric sums over rows. Rows count with their importance weights.
#[derive(Debug, Clone)]
pub struct Metrics {
    loss: Loss,
    /// Labels and margins are in these units: a label's real value is `label * scale + offset`.
    scale: f64,
    rows: u64,
    weight: f64,
    loss_sum: f64,
    /// Right decisions (logistic), or sum of absolute residuals (squared).
    first: f64,
    /// Sum of squared residuals: of the probability (logistic) or of the margin (squared).
    second: f64,
    label_sum: f64,
    label_squares: f64,
    auc: Option<Auc>,
    /// Buffers.
    losses: Vec<f32>,
    outputs: Vec<f32>,
}

/// The figures, of which those that suit the loss are there.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// Rows seen.
    pub rows: u64,
    /// Mean of the loss that was minimised (in the target's own units where it was scaled).
    pub mean_loss: Option<f64>,
    /// Mean logistic loss, in nats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_loss: Option<f64>,
    /// Area under the ROC curve; absent if there is only one class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auc: Option<f64>,
    /// The most by which `auc` can be off, because nearly equal scores are counted as equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auc_error: Option<f64>,
    /// Share of rows whose class has the larger probability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Mean squared difference of probability and label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brier: Option<f64>,
    /// Root of the mean squared residual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rmse: Option<f64>,
    /// Mean absolute residual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mae: Option<f64>,
    /// Share of the target's variance that is explained; absent if the target is constant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r2: Option<f64>,
}

impl Metrics {
    /// Metrics of `loss`; a label's real size is `scale` times the label's (1 for a classifier).
    pub fn new(loss: Loss, scale: f64) -> Self {
        Metrics {
            loss,
            scale,
            rows: 0,
            weight: 0.0,
            loss_sum: 0.0,
            first: 0.0,
            second: 0.0,
            label_sum: 0.0,
            label_squares: 0.0,
            auc: (loss == Loss::Logistic).then(Auc::new),
            losses: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// Adds rows: margins, labels, and importance weights or none. Returns the index of the first
    /// row whose loss is not finite, if there is one.
    pub fn add(&mut self, margins: &[f32], labels: &[f32], weights: &[f32]) -> Option<usize> {
        self.rows += margins.len() as u64;
        self.losses.resize(margins.len(), 0.0);
        self.loss.losses(margins, labels, &mut self.losses);
        self.outputs.clear();
        self.outputs.extend_from_slice(margins);
        if self.loss == Loss::Logistic {
            kernels::probability(&mut self.outputs);
        }
        for i in 0..margins.len() {
            let w = weights.get(i).map_or(1.0, |&w| f64::from(w));
            let (y, output) = (f64::from(labels[i]), f64::from(self.outputs[i]));
            self.weight += w;
            self.loss_sum += w * f64::from(self.losses[i]);
            self.second += w * (output - y) * (output - y);
            self.first += w * match self.loss {
                Loss::Logistic => f64::from(u8::from((margins[i] > 0.0) == (labels[i] > 0.5))),
                _ => (output - y).abs(),
            };
            self.label_sum += w * y;
            self.label_squares += w * y * y;
        }
        if let Some(auc) = &mut self.auc {
            auc.add(margins, labels, weights);
        }
        if self.loss_sum.is_finite() { None } else { self.losses.iter().position(|l| !l.is_finite()) }
    }

    /// Mean loss in the units that were minimised; `None` before the first row.
    pub fn mean_loss(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.loss_sum / self.weight)
    }

    /// Sum of the losses and of the weights so far.
    pub fn sums(&self) -> (f64, f64) {
        (self.loss_sum, self.weight)
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The figures so far.
    pub fn report(&self) -> Report {
        let mut report = Report { rows: self.rows, ..Report::default() };
        if self.weight <= 0.0 {
            return report;
        }
        let mean = |sum: f64| sum / self.weight;
        match self.loss {
            Loss::Logistic => {
                report.mean_loss = Some(mean(self.loss_sum));
                report.log_loss = report.mean_loss;
                report.accuracy = Some(mean(self.first));
                report.brier = Some(mean(self.second));
                if let Some((auc, error)) = self.auc.as_ref().and_then(Auc::value) {
                    (report.auc, report.auc_error) = (Some(auc), Some(error));
                }
            }
            _ => {
                report.mean_loss = Some(mean(self.loss_sum) * self.scale * self.scale);
                report.rmse = Some(mean(self.second).sqrt() * self.scale);
                report.mae = Some(mean(self.first) * self.scale);
                let variance = mean(self.label_squares) - mean(self.label_sum).powi(2);
                report.r2 = (variance > 0.0).then(|| 1.0 - mean(self.second) / variance);
            }
        }
        report
    }
}

/// The area under the ROC curve of scores sorted into bins of about 0.2% relative width.
#[derive(Debug, Clone)]
struct Auc {
    /// For each bin the weight of the negative and of the positive rows.
    bins: Vec<[f64; 2]>,
}

/// A bin is the upper bits of a score's order-preserving bit pattern: sign, exponent, 7 of mantissa.
const BIN_BITS: u32 = 16;

impl Auc {
    fn new() -> Self {
        Auc { bins: vec![[0.0; 2]; 1 << BIN_BITS] }
    }

    fn add(&mut self, scores: &[f32], labels: &[f32], weights: &[f32]) {
        for (i, (score, &label)) in scores.iter().zip(labels).enumerate() {
            let bits = score.to_bits();
            let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
            let weight = weights.get(i).map_or(1.0, |&w| f64::from(w));
            self.bins[(ordered >> (32 - BIN_BITS)) as usize][usize::from(label > 0.5)] += weight;
        }
    }

    /// The area, ties counted half, and the most by which binning can have moved it.
    fn value(&self) -> Option<(f64, f64)> {
        let (mut below, mut pairs, mut ties) = ([0.0, 0.0], 0.0, 0.0);
        for [negative, positive] in &self.bins {
            pairs += positive * (below[0] + 0.5 * negative);
            ties += positive * negative;
            below = [below[0] + negative, below[1] + positive];
        }
        let all = below[0] * below[1];
        (all > 0.0).then(|| (pairs / all, 0.5 * ties / all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Expected figures by scikit-learn 1.9.1:
    //   y = [0,0,1,1,1,0]; p = 1/(1+exp(-m)); m = [-2,0.5,0.4,3,-0.1,-1]; w = [1,2,1,1,3,1]
    //   log_loss(y, p, sample_weight=w), roc_auc_score(y, p, sample_weight=w), brier_score_loss(...)
    const MARGINS: [f32; 6] = [-2.0, 0.5, 0.4, 3.0, -0.1, -1.0];
    const LABELS: [f32; 6] = [0.0, 0.0, 1.0, 1.0, 1.0, 0.0];
    const WEIGHTS: [f32; 6] = [1.0, 2.0, 1.0, 1.0, 3.0, 1.0];

    fn close(a: Option<f64>, b: f64) {
        assert!((a.expect("a figure") - b).abs() < 1e-6, "{a:?} != {b}");
    }

    #[test]
    fn classifier_figures_are_scikit_learns() {
        let mut metrics = Metrics::new(Loss::Logistic, 1.0);
        assert_eq!(metrics.add(&MARGINS, &LABELS, &[]), None);
        let report = metrics.report();
        close(report.log_loss, 0.453_377_66);
        close(report.auc, 0.777_777_78);
        close(report.accuracy, 4.0 / 6.0);
        close(report.brier, 0.152_149_73);
        let mut metrics = Metrics::new(Loss::Logistic, 1.0);
        metrics.add(&MARGINS, &LABELS, &WEIGHTS);
        let report = metrics.report();
        close(report.log_loss, 0.575_904_03);
        close(report.auc, 0.6);
    }

    #[test]
    fn regression_figures_are_in_the_targets_units() {
        let mut metrics = Metrics::new(Loss::Squared, 10.0);
        metrics.add(&[0.0, 1.0, 2.0], &[0.5, 1.0, 1.0], &[]);
        let report = metrics.report();
        close(report.rmse, 10.0 * (1.25f64 / 3.0).sqrt());
        close(report.mae, 5.0);
        close(report.r2, 1.0 - 1.25 / (1.0 / 6.0));
    }

    #[test]
    fn the_first_row_that_diverged_is_named() {
        let mut metrics = Metrics::new(Loss::Squared, 1.0);
        assert_eq!(metrics.add(&[0.0, f32::NAN, f32::NAN], &[0.0; 3], &[]), Some(1));
    }
}
