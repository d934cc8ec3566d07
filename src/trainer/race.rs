//! The race: several learning rates side by side, compared by their progressive losses.

use super::scoring::Scoring;
use crate::learn::metrics::{Metrics, Report};

/// Progressive metrics of the models side by side.
#[derive(Debug)]
pub(crate) struct Race {
    runners: Vec<Runner>,
    /// Margins of each model for a row.
    outputs: usize,
    rows: u64,
    next_mark: u64,
    margins: Vec<f32>,
}

#[derive(Debug)]
struct Runner {
    rate: f32,
    /// Whether the learner still trains it.
    running: bool,
    metrics: Metrics,
    /// Sums of loss and weight at the last mark and at the one before.
    marks: [(f64, f64); 2],
    /// Row of the first loss that was not finite.
    diverged: Option<u64>,
}

/// The first mark; the others follow at twice the rows each.
const FIRST_MARK: u64 = 1024;

/// Rows after which the winner goes on alone, if the data has so many. By then the losses of the
/// rates differ by more than chance, or so little that it does not matter.
pub(crate) const RACE_ROWS: u64 = 1 << 18;

impl Race {
    pub(crate) fn new(scoring: Scoring<'_>, rates: &[f32]) -> Self {
        let runner = |&rate: &f32| Runner {
            rate,
            running: true,
            metrics: scoring.metrics(),
            marks: [(0.0, 0.0); 2],
            diverged: None,
        };
        Race {
            runners: rates.iter().map(runner).collect(),
            outputs: scoring.target.outputs(),
            rows: 0,
            next_mark: FIRST_MARK,
            margins: Vec::new(),
        }
    }

    /// Adds rows that were predicted before they were learned from: their margins (for each running model in
    /// turn those of all outputs), labels and weights.
    pub(crate) fn add(&mut self, margins: &[f32], labels: &[f32], weights: &[f32]) {
        let running = self.runners.iter().filter(|r| r.running).count();
        for (k, runner) in self.runners.iter_mut().filter(|r| r.running).enumerate() {
            self.margins.resize(labels.len() * self.outputs, 0.0);
            for output in 0..self.outputs {
                let own = self.margins[output..].iter_mut().step_by(self.outputs);
                let all = margins[k * self.outputs + output..].iter().step_by(running * self.outputs);
                own.zip(all).for_each(|(own, margin)| *own = *margin);
            }
            let bad = runner.metrics.add(&self.margins, labels, weights);
            runner.diverged = runner.diverged.or(bad.map(|row| self.rows + row as u64));
        }
        self.rows += labels.len() as u64;
        if self.rows >= self.next_mark {
            self.next_mark *= 2;
            for runner in &mut self.runners {
                runner.marks = [runner.marks[1], runner.metrics.sums()];
            }
        }
    }

    /// Rows before the next mark: whoever adds rows stops there, so that marks do not depend on how
    /// rows come in chunks.
    pub(crate) fn rows_to_mark(&self) -> u64 {
        self.next_mark - self.rows
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// The running model whose loss over the later rows, between a half and three quarters of all, is
    /// the least: its index among the running ones. `None` if all have diverged.
    pub(crate) fn leader(&self) -> Option<usize> {
        let recent = |runner: &Runner| {
            let (loss, weight) = runner.metrics.sums();
            let (before, weight_before) = runner.marks[0];
            (loss - before) / (weight - weight_before).max(f64::MIN_POSITIVE)
        };
        let running = self.runners.iter().filter(|r| r.running).enumerate();
        let sound = running.filter(|(_, r)| r.diverged.is_none());
        sound.min_by(|a, b| recent(a.1).total_cmp(&recent(b.1))).map(|(k, _)| k)
    }

    /// Lets all but one of the running models end here.
    pub(crate) fn keep(&mut self, model: usize) {
        for (k, runner) in self.runners.iter_mut().filter(|r| r.running).enumerate() {
            runner.running = k == model;
        }
    }

    /// Row of the first loss that was not finite, of the running model that got farthest.
    pub(crate) fn diverged_at(&self) -> Option<u64> {
        self.runners.iter().filter(|r| r.running).filter_map(|r| r.diverged).max()
    }

    /// The progressive metrics of a rate, as far as it ran.
    pub(crate) fn report_of_rate(&self, rate: f32) -> Option<Report> {
        self.runners.iter().find(|r| r.rate == rate).map(|r| r.metrics.report())
    }

    /// Sums of loss and weight of the leader, for progress.
    pub(crate) fn leader_sums(&self) -> Option<(f64, f64)> {
        let leader = self.leader()?;
        self.runners.iter().filter(|r| r.running).nth(leader).map(|r| r.metrics.sums())
    }

    /// Each rate with its progressive loss; none if it diverged.
    pub(crate) fn losses(&self) -> Vec<(f32, Option<f64>)> {
        let loss = |r: &Runner| if r.diverged.is_some() { None } else { r.metrics.report().mean_loss };
        self.runners.iter().map(|r| (r.rate, loss(r))).collect()
    }
}
