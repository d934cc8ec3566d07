//! Several classes: who is taken for whom.

use serde::{Deserialize, Serialize};

use super::report::{ClassFigures, MOST_CONFUSED, Report, mean};

/// What is summed over rows of several classes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Classes {
    /// For each class the weight of its rows, of the rows that are decided for it, and of those that are both.
    support: Vec<f64>,
    predicted: Vec<f64>,
    hits: Vec<f64>,
    /// For each true class the weights by predicted class; empty for too many classes.
    confusion: Vec<f64>,
    weight: f64,
    /// Sum of the squared differences of probabilities and labels.
    squares: f64,
}

impl Classes {
    pub(super) fn new(classes: usize) -> Self {
        let pairs = if classes <= MOST_CONFUSED { classes * classes } else { 0 };
        Classes {
            support: vec![0.0; classes],
            predicted: vec![0.0; classes],
            hits: vec![0.0; classes],
            confusion: vec![0.0; pairs],
            weight: 0.0,
            squares: 0.0,
        }
    }

    /// Adds rows, each with one probability for each class.
    pub(super) fn add(&mut self, probabilities: &[f32], labels: &[f32], weights: impl Iterator<Item = f64>) {
        let classes = self.support.len();
        for ((row, &label), w) in probabilities.chunks_exact(classes).zip(labels).zip(weights) {
            let class = label as usize;
            // The first of the largest; the squares of the differences from 1 and 0.
            let (mut most, mut decision, mut squares) = (f32::NEG_INFINITY, 0, 0.0);
            for (class, &p) in row.iter().enumerate() {
                if p > most {
                    (most, decision) = (p, class);
                }
                squares += f64::from(p) * f64::from(p);
            }
            self.weight += w;
            self.squares += w * (squares + 1.0 - 2.0 * f64::from(row[class]));
            self.support[class] += w;
            self.predicted[decision] += w;
            if decision == class {
                self.hits[class] += w;
            }
            if !self.confusion.is_empty() {
                self.confusion[class * classes + decision] += w;
            }
        }
    }

    pub(super) fn report(&self, report: &mut Report) {
        let each = self.hits.iter().zip(&self.predicted).zip(&self.support);
        let classes: Vec<_> = each.map(|((&h, &p), &s)| ClassFigures::new(h, p, s)).collect();
        report.accuracy = Some(self.hits.iter().sum::<f64>() / self.weight);
        report.balanced_accuracy = mean(classes.iter().map(|class| class.recall));
        report.macro_f1 = mean(classes.iter().map(|class| class.f1));
        report.brier = Some(self.squares / self.weight);
        if !self.confusion.is_empty() {
            let rows = self.confusion.chunks_exact(classes.len());
            report.confusion = Some(rows.map(<[f64]>::to_vec).collect());
        }
        report.classes = Some(classes);
    }
}
