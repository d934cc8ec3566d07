//! Watching a run: what it says while it goes on.

use std::time::Duration;

use super::summary::Summary;
use crate::error::Result;
use crate::features::Plan;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// The epoch, from 1, and how many there can be.
    pub epoch: (u64, u64),
    /// Rows so far in this epoch.
    pub rows: u64,
    /// Share of this epoch's bytes that are done.
    pub share: f64,
    /// Rows and share that an earlier run has done, from which this one goes on.
    pub behind: (u64, f64),
    /// Bytes of the splits that this run has done, in this epoch.
    pub bytes: u64,
    /// Time since the epoch's beginning.
    pub elapsed: Duration,
    /// Progressive loss overall, and of about the last 65,536 rows.
    pub loss: Option<(f64, f64)>,
}

/// One of the best configurations of a search so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Leader {
    /// The configuration, as options.
    pub configuration: String,
    /// Rows that it learned from.
    pub rows: u64,
    /// Its loss over the later half of them.
    pub loss: f64,
    /// Whether it goes on.
    pub learns: bool,
}

/// Someone who watches a run. Every method may do nothing.
pub trait Watch {
    /// The plan, with the number of rows in the sample.
    fn plan(&mut self, _plan: &Plan, _sample_rows: u64) {}

    /// Something the user should know, a sentence.
    fn note(&mut self, _text: &str) {}

    /// Progress, reported for every chunk.
    fn progress(&mut self, _progress: Progress) {}

    /// Of how many configurations of a search so many are tried, or have been, on the rows that are kept for that; the pass
    /// waits meanwhile. Reported for every chunk of those.
    fn tries(&mut self, _tried: usize, _of: usize) {}

    /// The best configurations of a search, the best first, whenever that has changed.
    fn leaders(&mut self, _leaders: &[Leader]) {}

    /// The summary of a run that has written its outputs. What it could have gone on from is removed afterwards.
    ///
    /// # Errors
    /// If the summary can't be handed on.
    fn end(&mut self, _summary: &Summary) -> Result<()> {
        Ok(())
    }
}

/// Someone who does not care.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Watch for Silent {}
