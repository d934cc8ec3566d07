//! The account of an epoch: what its progress reports say.

use std::time::Instant;

use super::recent::Recent;
use super::watch::Progress;
use crate::input::Dataset;

/// Counts what progress reports.
pub(crate) struct Account<'a> {
    dataset: &'a Dataset,
    epoch: (u64, u64),
    start: Instant,
    rows: u64,
    /// Bytes of the splits that have begun; each is counted when its first batch comes.
    bytes: u64,
    begun: Vec<bool>,
    recent: Recent,
    /// Rows that an earlier run has read, and their share of all.
    behind: (u64, f64),
}

impl<'a> Account<'a> {
    pub(crate) fn new(dataset: &'a Dataset, epoch: u64, epochs: u64) -> Self {
        let begun = vec![false; dataset.splits().len()];
        Account {
            dataset,
            epoch: (epoch, epochs),
            start: Instant::now(),
            rows: 0,
            bytes: 0,
            begun,
            recent: Recent::new(),
            behind: (0, 0.0),
        }
    }

    /// Goes on from where an earlier run has read some rows of some splits.
    pub(crate) fn go_on(&mut self, splits: impl Iterator<Item = usize>, rows: u64) {
        splits.for_each(|split| self.add(split, 0));
        self.rows += rows;
        self.behind = (rows, self.share());
    }

    /// Counts a batch of a split.
    pub(crate) fn add(&mut self, split: usize, rows: u64) {
        self.rows += rows;
        if !std::mem::replace(&mut self.begun[split], true) {
            self.bytes += self.dataset.splits()[split].bytes;
        }
    }

    /// Where the epoch stands, given the sums of loss and weight so far, and which model's they are.
    pub(crate) fn progress(&mut self, model: usize, sums: Option<(f64, f64)>) -> Progress {
        let loss = sums.map(|(loss, weight)| {
            let overall = loss / weight.max(f64::MIN_POSITIVE);
            (overall, self.recent.mean(self.rows, model, (loss, weight)).unwrap_or(overall))
        });
        let share = self.share();
        Progress {
            epoch: self.epoch,
            rows: self.rows,
            share,
            behind: self.behind,
            bytes: ((share - self.behind.1) * self.dataset.bytes() as f64) as u64,
            elapsed: self.start.elapsed(),
            loss,
        }
    }

    /// The share of rows where they are known, else of the bytes of begun splits.
    fn share(&self) -> f64 {
        let share = match self.dataset.rows() {
            Some(rows) => self.rows as f64 / rows.max(1) as f64,
            None => self.bytes as f64 / self.dataset.bytes().max(1) as f64,
        };
        share.min(1.0)
    }
}
