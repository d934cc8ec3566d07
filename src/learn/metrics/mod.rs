//! Metrics: how good margins are, summed over rows in their order.
//!
//! All that is kept is sums, so memory does not grow with the rows. What needs rows in the order of their
//! margins is had from a histogram, with a bound on what that costs in accuracy.

mod binary;
mod classes;
mod numbers;
mod report;
mod scores;

use binary::Binary;
use classes::Classes;
use numbers::Numbers;
pub use report::{CalibrationGroup, ClassFigures, MOST_CONFUSED, Report};
use serde::{Deserialize, Serialize};

use super::kernels;
use super::loss::{Loss, Task};

/// What a metric sums over rows. Rows count with their importance weights.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Metrics {
    /// In the labels' units.
    loss: Loss,
    /// What a mean loss is multiplied by to be in the target's own units.
    unit: f64,
    /// Margins of each row.
    outputs: usize,
    rows: u64,
    weight: f64,
    loss_sum: f64,
    /// For each class how much more its rows' losses count in what was minimised, and those sums; where none
    /// count more, nothing.
    class_weights: Vec<f32>,
    minimised: (f64, f64),
    figures: Figures,
    /// Buffers.
    #[serde(skip)]
    losses: Vec<f32>,
    #[serde(skip)]
    predictions: Vec<f32>,
}

/// The sums that suit a task.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Figures {
    Binary(Binary),
    Classes(Classes),
    Numbers(Numbers),
    /// The loss is all that is wanted.
    Losses,
}

impl Metrics {
    /// Metrics of `loss`, whose parameters are in the target's own units, for labels in units of `scale` of
    /// those (1 for classes) and rows of `outputs` margins: one for each class for softmax, else one. Where
    /// labels are counted from makes no difference to any figure. Labels of two classes are 0 and 1, of
    /// several their numbers.
    pub fn new(loss: Loss, scale: f64, outputs: usize) -> Self {
        let figures = match loss.task() {
            Task::Binary => Figures::Binary(Binary::new(loss == Loss::Logistic)),
            Task::Classes => Figures::Classes(Classes::new(outputs)),
            Task::Number | Task::Count => Figures::Numbers(Numbers::new(loss, scale)),
        };
        Metrics { figures, ..Metrics::losses(loss, scale, outputs) }
    }

    /// Metrics that hold nothing but the loss: they are small, and cheap for many models.
    pub fn losses(loss: Loss, scale: f64, outputs: usize) -> Self {
        Metrics {
            loss: loss.in_units_of(scale),
            unit: loss.unit(scale),
            outputs,
            rows: 0,
            weight: 0.0,
            loss_sum: 0.0,
            class_weights: Vec::new(),
            minimised: (0.0, 0.0),
            figures: Figures::Losses,
            losses: Vec::new(),
            predictions: Vec::new(),
        }
    }

    /// The same with rows that count in the loss that is minimised as much more as their class's weight says
    /// (and as they are in all other figures).
    #[must_use]
    pub fn weighing_classes(mut self, class_weights: &[f32]) -> Self {
        self.class_weights = class_weights.to_vec();
        self
    }

    /// Adds rows: the margins of one row after those of the other, labels, and importance weights or none.
    /// Returns the index of the first row whose loss is not finite, if there is one.
    ///
    /// # Panics
    /// If there are not as many margins as the labels want, or a label is not the number of a class.
    pub fn add(&mut self, margins: &[f32], labels: &[f32], weights: &[f32]) -> Option<usize> {
        assert_eq!(margins.len(), labels.len() * self.outputs);
        if weights.is_empty() {
            self.add_weighted(margins, labels, std::iter::repeat(1.0))
        } else {
            assert_eq!(weights.len(), labels.len());
            self.add_weighted(margins, labels, weights.iter().map(|&w| f64::from(w)))
        }
    }

    fn add_weighted(
        &mut self,
        margins: &[f32],
        labels: &[f32],
        weights: impl Iterator<Item = f64> + Clone,
    ) -> Option<usize> {
        let (losses, predictions) = (&mut self.losses, &mut self.predictions);
        losses.resize(labels.len(), 0.0);
        predictions.clear();
        if self.loss == Loss::Softmax || !matches!(self.figures, Figures::Losses) {
            predictions.extend_from_slice(margins);
        }
        match &mut self.figures {
            Figures::Binary(binary) => {
                self.loss.losses(margins, labels, losses);
                if binary.has_probabilities() {
                    kernels::probability(predictions);
                }
                binary.add(margins, predictions, labels, weights.clone());
            }
            Figures::Classes(classes) => {
                kernels::softmax_loss(predictions, labels, losses);
                classes.add(predictions, labels, weights.clone());
            }
            Figures::Numbers(numbers) => {
                self.loss.losses(margins, labels, losses);
                numbers.add(margins, predictions, labels, weights.clone());
            }
            Figures::Losses if self.loss == Loss::Softmax => {
                kernels::softmax_loss(predictions, labels, losses);
            }
            Figures::Losses => self.loss.losses(margins, labels, losses),
        }
        self.rows += labels.len() as u64;
        for (&loss, w) in losses.iter().zip(weights.clone()) {
            self.weight += w;
            self.loss_sum += w * f64::from(loss);
        }
        if !self.class_weights.is_empty() {
            for ((&loss, &label), w) in losses.iter().zip(labels).zip(weights) {
                let w = w * f64::from(self.class_weights[label as usize]);
                self.minimised.0 += w * f64::from(loss);
                self.minimised.1 += w;
            }
        }
        if self.loss_sum.is_finite() { None } else { self.losses.iter().position(|l| !l.is_finite()) }
    }

    /// Mean loss in the units that were minimised; `None` before the first row.
    pub fn mean_loss(&self) -> Option<f64> {
        let (loss, weight) = self.sums();
        (weight > 0.0).then(|| loss / weight)
    }

    /// Sum of the losses, in the units that were minimised, and of the weights so far.
    pub fn sums(&self) -> (f64, f64) {
        if self.class_weights.is_empty() { (self.loss_sum, self.weight) } else { self.minimised }
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The figures so far; none but `rows` before the first row of some weight.
    pub fn report(&self) -> Report {
        let mut report = Report { rows: self.rows, ..Report::default() };
        let Some(mean_loss) = self.mean_loss() else { return report };
        report.mean_loss = Some(mean_loss * self.unit);
        if matches!(self.loss, Loss::Logistic | Loss::Softmax) {
            report.log_loss = (self.weight > 0.0).then(|| self.loss_sum / self.weight);
        }
        match &self.figures {
            Figures::Binary(binary) => binary.report(&mut report),
            Figures::Classes(classes) => classes.report(&mut report),
            Figures::Numbers(numbers) => numbers.report(&mut report),
            Figures::Losses => {}
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: Option<f64>, b: f64) {
        assert!((a.expect("a figure") - b).abs() < 1e-6, "{a:?} != {b}");
    }

    #[test]
    fn regression_figures_are_in_the_targets_units() {
        let mut metrics = Metrics::new(Loss::Squared, 10.0, 1);
        metrics.add(&[0.0, 1.0, 2.0], &[0.5, 1.0, 1.0], &[]);
        let report = metrics.report();
        close(report.rmse, 10.0 * (1.25f64 / 3.0).sqrt());
        close(report.mae, 5.0);
        close(report.bias, 5.0 / 3.0);
        close(report.r2, 1.0 - 1.25 / (1.0 / 6.0));
        close(report.mean_loss, 100.0 * 1.25 / 6.0);
    }

    #[test]
    fn parameters_of_the_loss_are_in_the_targets_units() {
        // Residuals of 5 and 20: half the square, and what is beyond 10 by the straight line.
        let mut metrics = Metrics::new(Loss::Huber { delta: 10.0 }, 10.0, 1);
        metrics.add(&[0.5, 2.0], &[0.0, 0.0], &[]);
        close(metrics.report().mean_loss, (12.5 + 150.0) / 2.0);
        let mut metrics = Metrics::new(Loss::Quantile { tau: 0.9 }, 10.0, 1);
        metrics.add(&[0.5, 2.0], &[1.0, 1.0], &[]);
        close(metrics.report().pinball, (4.5 + 1.0) / 2.0);
        close(metrics.report().coverage, 0.5);
    }

    #[test]
    fn the_first_row_that_diverged_is_named() {
        let mut metrics = Metrics::new(Loss::Squared, 1.0, 1);
        assert_eq!(metrics.add(&[0.0, f32::NAN, f32::NAN], &[0.0; 3], &[]), Some(1));
        let mut metrics = Metrics::new(Loss::Softmax, 1.0, 2);
        assert_eq!(metrics.add(&[0.0, 1.0, 0.0, f32::INFINITY], &[0.0, 1.0], &[]), Some(1));
    }

    #[test]
    fn a_constant_target_far_from_zero_has_no_variance() {
        let mut metrics = Metrics::new(Loss::Squared, 1.0, 1);
        metrics.add(&[1e6; 9], &[1_234_567.0; 9], &[0.1; 9]);
        assert_eq!(metrics.report().r2, None);
    }

    #[test]
    fn figures_that_have_no_rows_are_absent() {
        assert_eq!(Metrics::new(Loss::Logistic, 1.0, 1).report(), Report::default());
        // A margin of 0 does not speak for the positive class.
        let mut metrics = Metrics::new(Loss::Logistic, 1.0, 1);
        metrics.add(&[0.0, -0.0, -1.0], &[0.0; 3], &[]);
        let report = metrics.report();
        assert_eq!([report.auc, report.average_precision, report.recall, report.precision], [None; 4]);
        assert_eq!((report.accuracy, report.balanced_accuracy), (Some(1.0), Some(1.0)));
        let groups = report.calibration.unwrap();
        assert_eq!(groups.iter().map(|g| g.rows).collect::<Vec<_>>(), [1, 2], "equal margins stay together");
    }

    #[test]
    fn how_rows_are_cut_does_not_matter() {
        let margins: Vec<f32> = (0..300).map(|i| ((i * 37) % 101) as f32 / 13.0 - 4.0).collect();
        let weights: Vec<f32> = (0..300).map(|i| 0.1 + (i % 7) as f32).collect();
        for (loss, outputs) in [
            (Loss::Logistic, 1),
            (Loss::Hinge, 1),
            (Loss::Softmax, 3),
            (Loss::Squared, 1),
            (Loss::Poisson, 1),
        ] {
            let rows = 300 / outputs;
            let labels: Vec<f32> = (0..rows).map(|i| (i % outputs.max(2)) as f32).collect();
            let run = |size: usize| {
                let mut metrics = Metrics::new(loss, 1.0, outputs);
                for at in (0..rows).step_by(size) {
                    let end = (at + size).min(rows);
                    let margins = &margins[at * outputs..end * outputs];
                    metrics.add(margins, &labels[at..end], &weights[at..end]);
                }
                metrics.report()
            };
            assert_eq!(run(rows), run(7), "{loss:?}");
        }
    }
}
