//! The hold-out: rows that are never learned from, or not by the models that they score, kept encoded in bounded memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::scoring::Scoring;
use crate::learn::metrics::Report;
use crate::learn::{Chunk, Linear, Parts};
use crate::random::keyed;

/// Most bytes of held rows. When they are full, every second row goes, by hash.
pub(crate) const HOLDOUT_BYTES: usize = 48 << 20;

/// Which rows are held out: decided for each row by itself, from the seed and its place in the data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Division {
    seed: u64,
    /// Keys below this are held out.
    below: u64,
    /// Whether held rows are learned from all the same: by models that leave others out.
    pub(crate) are_learned: bool,
}

impl Division {
    pub(crate) fn new(fraction: f64, seed: u64) -> Self {
        Division {
            seed: seed ^ 0x686f_6c64_6f75_7421,
            below: (fraction * u64::MAX as f64) as u64,
            are_learned: false,
        }
    }

    /// Holds all rows, as far as there is room, and lets models learn from them.
    pub(crate) fn sample(seed: u64) -> Self {
        Division { are_learned: true, ..Division::new(1.0, seed) }
    }

    /// Holds nothing out.
    pub(crate) const NONE: Division = Division { seed: 0, below: 0, are_learned: false };

    pub(crate) fn is_empty(&self) -> bool {
        self.below == 0
    }

    /// The key of a held-out row, given the row's number; `None` for a row to learn from.
    pub(crate) fn key(&self, row: u64) -> Option<u64> {
        let key = keyed(self.seed, row);
        (key < self.below).then_some(key)
    }
}

/// Rows held out of one chunk, with their keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) chunk: Chunk,
    #[serde(with = "crate::raw")]
    pub(crate) keys: Vec<u64>,
}

impl Held {
    /// Bytes of the rows: what room there is beside them is another after a checkpoint.
    fn bytes(&self) -> usize {
        self.chunk.content_bytes() + 8 * self.keys.len()
    }
}

/// All held-out rows. Clones share them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Holdout {
    held: Vec<Arc<Held>>,
    bytes: usize,
    /// Only rows with keys below this are kept.
    below: u64,
    /// The same for whoever sets rows aside: others need not come.
    #[serde(skip)]
    limit: Arc<AtomicU64>,
    /// Rows set aside, kept or not.
    rows: u64,
    #[serde(skip)]
    margins: Vec<f32>,
}

impl Holdout {
    pub(crate) fn new(division: &Division) -> Self {
        let below = division.below;
        let limit = Arc::new(AtomicU64::new(below));
        Holdout { held: Vec::new(), bytes: 0, below, limit, rows: 0, margins: Vec::new() }
    }

    /// What keys have to be below. It falls while rows come in.
    pub(crate) fn limit(&self) -> Arc<AtomicU64> {
        self.limit.store(self.below, Ordering::Relaxed);
        self.limit.clone()
    }

    pub(crate) fn push(&mut self, held: Held) {
        self.rows += held.chunk.rows() as u64;
        let held = thin(held, self.below);
        if held.keys.is_empty() {
            return;
        }
        self.bytes += held.bytes();
        self.held.push(Arc::new(held));
        while self.bytes > HOLDOUT_BYTES {
            self.below /= 2;
            self.limit.store(self.below, Ordering::Relaxed);
            let held = std::mem::take(&mut self.held).into_iter().map(Arc::unwrap_or_clone);
            let thinned = held.map(|held| thin(held, self.below)).filter(|held| !held.keys.is_empty());
            self.held = thinned.map(Arc::new).collect();
            self.bytes = self.held.iter().map(|held| held.bytes()).sum();
        }
    }

    /// Rows set aside, and rows that are kept for scoring.
    pub(crate) fn rows(&self) -> (u64, u64) {
        (self.rows, self.held.iter().map(|h| h.keys.len() as u64).sum())
    }

    /// Scores a model on the rows that are kept.
    pub(crate) fn score(&mut self, model: &Linear, scoring: Scoring<'_>) -> Report {
        let mut metrics = scoring.metrics();
        for held in &self.held {
            model.margins(&held.chunk, &mut self.margins);
            metrics.add(&self.margins, &held.chunk.labels, &held.chunk.weights);
        }
        metrics.report()
    }

    /// The rows that are kept of some parts of a division.
    pub(crate) fn of(&self, parts: &Parts) -> Chunk {
        let of = |chunk: &Chunk| {
            let rows = 0..chunk.rows();
            rows.filter(|&row| parts.contain(chunk.parts_of(row))).map(|row| (0, row as u32)).collect()
        };
        let rows: Vec<Vec<(u32, u32)>> = self.held.iter().map(|held| of(&held.chunk)).collect();
        let shape = self.held.first().map_or_else(Default::default, |held| held.chunk.shape());
        let mut chunk = Chunk::new(shape, rows.iter().map(Vec::len).sum());
        for (held, rows) in self.held.iter().zip(&rows) {
            chunk.gather(std::slice::from_ref(&held.chunk), rows);
        }
        chunk
    }
}

/// The rows with keys below `below`, in buffers of just their size.
fn thin(held: Held, below: u64) -> Held {
    let kept: Vec<(u32, u32)> =
        (0..).zip(&held.keys).filter(|(_, key)| **key < below).map(|(row, _)| (0, row)).collect();
    if kept.len() == held.keys.len() {
        return held;
    }
    let mut chunk = Chunk::new(held.chunk.shape(), kept.len());
    chunk.gather(std::slice::from_ref(&held.chunk), &kept);
    let keys = kept.iter().map(|&(_, row)| held.keys[row as usize]).collect();
    Held { chunk, keys }
}
