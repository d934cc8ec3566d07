//! A pass over the data: splits are read and encoded on all threads, rows divided into those to learn from and
//! those held out, shuffled if need be, and handed on in an order that data and seed alone determine.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow::array::RecordBatch;

use super::account::Account;
use super::folds::Folds;
use super::holdout::{Division, HOLDOUT_BYTES, Held, Holdout};
use super::reading::{LIST_LENGTH, Spares, item_bytes};
use super::watch::{Leader, Watch};
use crate::error::Result;
use crate::features::{Encoder, SplitCache};
use crate::input::{Dataset, Request};
use crate::learn::{Chunk, Shape};
use crate::pipeline::{Budget, Flow, Needs, Order, Shuffle, SplitState, Stages, Weigh, stream};

/// Bytes and rows of the buffer in which rows are shuffled; part of what determines the model, so no
/// memory budget changes them.
const SHUFFLE_BYTES: usize = 64 << 20;
const SHUFFLE_ROWS: usize = 1 << 17;
/// Rows that are shuffled at the least.
const FEWEST_SHUFFLED: usize = 1 << 12;
/// Chunks that the buffer holds at the least: it shall have rows of each split that is open.
const SHUFFLED_CHUNKS: usize = 32;

/// Whoever takes the rows of a pass.
pub(crate) trait Sink {
    /// Takes rows, in the pass's order; `readers_rest` says that until it returns readers need no processor.
    ///
    /// # Errors
    /// If the pass can't go on.
    fn push(&mut self, chunk: &Chunk, readers_rest: bool) -> Result<()>;

    /// Sums of loss and weight of the rows so far, for progress.
    fn sums(&self) -> Option<(f64, f64)>;

    /// Which of several models these sums are of.
    fn model(&self) -> usize {
        0
    }

    /// The best configurations of a search, if that has changed.
    fn news(&mut self) -> Option<Vec<Leader>> {
        None
    }

    /// Bytes of rows that it keeps, at the most.
    fn held_bytes(&self) -> usize {
        0
    }
}

/// What all passes of a run have in common.
pub(crate) struct Passes<'a> {
    pub(crate) dataset: &'a Dataset,
    pub(crate) stop: &'a AtomicBool,
    pub(crate) seed: u64,
    /// Threads that read.
    pub(crate) readers: usize,
    pub(crate) encoder: Encoder,
    pub(crate) request: Request,
    pub(crate) shuffled: bool,
    /// Rows of the dataset, where they are known.
    pub(crate) rows: Option<u64>,
    pub(crate) division: Division,
    /// How rows are divided among models.
    pub(crate) folds: Option<Folds>,
    /// The number of each split's first row.
    pub(crate) starts: Vec<u64>,
    pub(crate) budget: Budget,
    /// What planning needed.
    pub(crate) least_memory: usize,
}

/// An encoded batch: rows to learn from, rows held out, rows skipped.
struct Piece {
    chunk: Chunk,
    held: Option<Held>,
    skipped: u64,
    /// Rows that it was made from.
    rows: u64,
}

impl Weigh for Piece {
    fn bytes(&self) -> usize {
        self.chunk.bytes() + self.held.as_ref().map_or(0, |h| h.chunk.bytes())
    }
}

impl Passes<'_> {
    /// Goes through all rows once, as epoch `epoch` of at most `epochs`. Rows that `division` holds out go to
    /// `holdout`, if there is one. Returns where the time went, and the rows that were skipped.
    ///
    /// # Errors
    /// Those of the data, of the memory's budget, and of the sink.
    pub(crate) fn run(
        &self,
        (epoch, epochs): (u64, u64),
        division: Division,
        mut holdout: Option<&mut Holdout>,
        sink: &mut dyn Sink,
        watch: &mut dyn Watch,
    ) -> Result<(Stages, u64)> {
        let splits = self.dataset.splits().len();
        let shape = self.shape();
        // What determines the order of rows does not depend on the models that learn from them.
        let row_bytes = self.encoder.plan().shape().row_bytes(LIST_LENGTH);
        let shuffle_rows = (SHUFFLE_BYTES / row_bytes).clamp(FEWEST_SHUFFLED, SHUFFLE_ROWS);
        // Rows that are permuted all together need no other order before that; and so it does not matter
        // how the dataset is cut into splits.
        let fits_buffer = self.rows.is_some_and(|rows| rows <= shuffle_rows as u64);
        let order = if self.shuffled && !fits_buffer {
            Order::shuffled(splits, self.seed, epoch)
        } else {
            Order::in_place(0..splits)
        };
        let held = if self.division.is_empty() { 0 } else { HOLDOUT_BYTES };
        let most_rows = if self.shuffled { shuffle_rows / SHUFFLED_CHUNKS } else { usize::MAX };
        let request = Request { batch_rows: self.request.batch_rows.min(most_rows), ..self.request.clone() };
        let needs = Needs {
            open: order.width(),
            open_bytes: self.dataset.open_bytes(&request),
            item_bytes: item_bytes(&self.encoder, request.batch_rows),
            held_bytes: held + sink.held_bytes() + if self.shuffled { shuffle_rows * row_bytes } else { 0 },
        };
        self.budget.check(needs.least().max(self.least_memory), self.shuffled)?;
        let flow = Flow {
            request: &request,
            threads: self.readers,
            in_flight: self.budget.in_flight(&needs)?,
            needs,
            rows_of_each: u64::MAX,
            stop: self.stop,
        };
        let spares = Spares::new(shape, 64);
        let limit = holdout.as_ref().map(|holdout| holdout.limit());
        let mut shuffle = self.shuffled.then(|| Shuffle::new(shuffle_rows, self.seed, epoch));
        let mut out = Chunk::new(shape, request.batch_rows);
        let mut account = Account::new(self.dataset, epoch, epochs);
        let mut skipped = 0;
        let stages = stream(
            self.dataset,
            &order,
            flow,
            |batch: &RecordBatch, split: &mut SplitState<SplitCache>| {
                self.encode((division, limit.as_deref()), &spares, batch, split)
            },
            |item| {
                let piece = item.value;
                account.add(item.split, piece.rows);
                skipped += piece.skipped;
                if let (Some(holdout), Some(held)) = (holdout.as_mut(), piece.held) {
                    holdout.push(held);
                }
                match &mut shuffle {
                    None => {
                        sink.push(&piece.chunk, item.readers_rest)?;
                        spares.give(piece.chunk);
                    }
                    Some(shuffle) => {
                        if shuffle.push(piece.chunk) {
                            let push = |chunk: &Chunk| sink.push(chunk, item.readers_rest);
                            shuffle.drain(request.batch_rows, &mut out, push, |c| spares.give(c))?;
                        }
                    }
                }
                watch.progress(account.progress(sink.model(), sink.sums()));
                if let Some(leaders) = sink.news() {
                    watch.leaders(&leaders);
                }
                Ok(())
            },
        )?;
        if let Some(shuffle) = &mut shuffle {
            shuffle.drain(request.batch_rows, &mut out, |c| sink.push(c, true), |_| ())?;
        }
        watch.progress(account.progress(sink.model(), sink.sums()));
        Ok((stages, skipped))
    }

    /// The shape of the chunks.
    pub(crate) fn shape(&self) -> Shape {
        let divisions = self.folds.as_ref().map_or(0, Folds::divisions);
        Shape { divisions, ..self.encoder.plan().shape() }
    }

    /// Encodes a batch and parts its rows; those to be held have keys below a limit, if there is one.
    fn encode(
        &self,
        (division, limit): (Division, Option<&AtomicU64>),
        spares: &Spares,
        batch: &RecordBatch,
        split: &mut SplitState<SplitCache>,
    ) -> Result<Piece> {
        let mut chunk = spares.take(batch.num_rows());
        let encoded = self.encoder.encode(batch, &mut split.state, &mut chunk)?;
        let skipped = encoded.skipped.len() as u64;
        let (first, rows) = (self.starts[split.split] + split.first_row, chunk.rows() as u64);
        if let Some(folds) = &self.folds {
            folds.assign(first, batch, self.encoder.columns().len(), &mut chunk.parts)?;
        }
        if division.is_empty() && skipped == 0 {
            return Ok(Piece { chunk, held: None, skipped, rows });
        }
        let limit = limit.map_or(u64::MAX, |limit| limit.load(Ordering::Relaxed));
        let (mut learn, mut hold, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        let mut bad = encoded.skipped.into_iter().peekable();
        for row in 0..chunk.rows() as u32 {
            if bad.next_if_eq(&row).is_some() {
                continue;
            }
            let key = division.key(first + u64::from(row));
            if key.is_none() || division.are_learned {
                learn.push((0, row));
            }
            // Rows that nobody learns from are counted, whether they are kept or not.
            if let Some(key) = key.filter(|&key| key < limit || !division.are_learned) {
                hold.push((0, row));
                keys.push(key);
            }
        }
        let take = |rows: &[(u32, u32)], mut part: Chunk| {
            part.reset(rows.len());
            part.gather(std::slice::from_ref(&chunk), rows);
            part
        };
        let held = (!hold.is_empty())
            .then(|| Held { chunk: take(&hold, Chunk::new(chunk.shape(), hold.len())), keys });
        if learn.len() == chunk.rows() {
            return Ok(Piece { chunk, held, skipped, rows });
        }
        let part = take(&learn, spares.take(learn.len()));
        spares.give(chunk);
        Ok(Piece { chunk: part, held, skipped, rows })
    }
}
