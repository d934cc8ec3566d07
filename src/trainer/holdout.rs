//! The hold-out: rows that are never learned from, or not by the models that they score, kept encoded in bounded memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::scoring::Scoring;
use crate::learn::metrics::Report;
use crate::learn::{Chunk, Linear, Parts, Shape};
use crate::random::keyed;

/// Most bytes of held rows. When they are full, every second row goes, by hash.
pub(crate) const HOLDOUT_BYTES: usize = 48 << 20;
/// Bytes of rows that lie together.
const HELD_BYTES: usize = 1 << 20;

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

/// Rows of a chunk that are to be held, with their keys.
pub(crate) struct Aside {
    keys: Vec<u64>,
    rows: Vec<(u32, u32)>,
    /// The chunk, if it is not the one that is learned from.
    pub(crate) apart: Option<Chunk>,
}

impl Aside {
    /// Some rows, as [`Chunk::gather`] takes them, of the chunk that is learned from.
    pub(crate) fn among(rows: Vec<(u32, u32)>, keys: Vec<u64>) -> Self {
        Aside { keys, rows, apart: None }
    }

    /// All rows of a chunk of their own.
    pub(crate) fn apart(chunk: Chunk, keys: Vec<u64>) -> Self {
        Aside { keys, rows: all_rows(&chunk), apart: Some(chunk) }
    }

    /// Bytes of memory held.
    pub(crate) fn bytes(&self) -> usize {
        16 * self.keys.len() + self.apart.as_ref().map_or(0, Chunk::bytes)
    }
}

/// The rows of a chunk, as [`Chunk::gather`] takes them.
fn all_rows(chunk: &Chunk) -> Vec<(u32, u32)> {
    (0..chunk.rows() as u32).map(|row| (0, row)).collect()
}

/// Some of the held rows, with their keys. All of them have the same room, whatever chunks rows came in: else what the
/// thinning frees would not fit what comes after it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Held {
    chunk: Chunk,
    #[serde(with = "crate::raw")]
    keys: Vec<u64>,
}

impl Held {
    /// Room for as many rows as fit into [`HELD_BYTES`], about.
    fn new(shape: Shape) -> Self {
        let chunk = Chunk::new(shape, HELD_BYTES / (shape.row_bytes() + 8));
        Held { keys: Vec::with_capacity(chunk.capacity()), chunk }
    }

    /// Bytes of the rows.
    fn bytes(&self) -> usize {
        self.chunk.content_bytes() + 8 * self.keys.len()
    }

    /// How many rows may be added in one go: few, since lists may be longer than they were taken to be.
    fn room(&self) -> usize {
        const STRIDE: usize = 256;
        let is_full = !self.chunk.lists.is_empty() && self.bytes() >= HELD_BYTES;
        if is_full { 0 } else { STRIDE.min(self.chunk.capacity() - self.keys.len()) }
    }
}

/// All held-out rows. Clones share them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Holdout {
    held: Vec<Arc<Held>>,
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
        Holdout { held: Vec::new(), below, limit, rows: 0, margins: Vec::new() }
    }

    /// What keys have to be below. It falls while rows come in.
    pub(crate) fn limit(&self) -> Arc<AtomicU64> {
        self.limit.store(self.below, Ordering::Relaxed);
        self.limit.clone()
    }

    /// Takes what is set aside of rows of which `learned` is learned from, as far as there is room.
    pub(crate) fn push(&mut self, aside: &Aside, learned: &Chunk) {
        self.rows += aside.keys.len() as u64;
        self.add(aside.apart.as_ref().unwrap_or(learned), &aside.rows, &aside.keys);
        while self.bytes() > HOLDOUT_BYTES {
            self.below /= 2;
            self.limit.store(self.below, Ordering::Relaxed);
            for held in std::mem::take(&mut self.held) {
                self.add(&held.chunk, &all_rows(&held.chunk), &held.keys);
            }
        }
    }

    /// Adds the rows with keys below the limit.
    fn add(&mut self, chunk: &Chunk, rows: &[(u32, u32)], keys: &[u64]) {
        let kept = rows.iter().zip(keys).filter(|(_, key)| **key < self.below);
        let (rows, keys): (Vec<(u32, u32)>, Vec<u64>) = kept.unzip();
        let mut start = 0;
        while start < rows.len() {
            let Some(last) = self.held.last_mut().filter(|last| last.room() > 0) else {
                self.held.push(Arc::new(Held::new(chunk.shape())));
                continue;
            };
            let end = rows.len().min(start + last.room());
            let last = Arc::make_mut(last);
            last.chunk.gather(std::slice::from_ref(chunk), &rows[start..end]);
            last.keys.extend_from_slice(&keys[start..end]);
            start = end;
        }
    }

    fn bytes(&self) -> usize {
        self.held.iter().map(|held| held.bytes()).sum()
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

    /// Scores a model on the rows that are kept of some parts of a division; `None` if there are none.
    pub(crate) fn score_parts(
        &mut self,
        parts: &Parts,
        model: &Linear,
        scoring: Scoring<'_>,
    ) -> Option<Report> {
        let mut metrics = scoring.metrics();
        let mut part = Chunk::new(self.held.first()?.chunk.shape(), 0);
        let mut scored = 0;
        for Held { chunk, .. } in self.held.iter().map(Arc::as_ref) {
            let mut rows = all_rows(chunk);
            rows.retain(|&(_, row)| parts.contain(chunk.parts_of(row as usize)));
            part.reset(rows.len());
            part.gather(std::slice::from_ref(chunk), &rows);
            model.margins(&part, &mut self.margins);
            metrics.add(&self.margins, &part.labels, &part.weights);
            scored += rows.len();
        }
        (scored > 0).then(|| metrics.report())
    }
}
