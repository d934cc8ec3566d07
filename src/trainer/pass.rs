//! A pass over the data: splits are read and encoded on all threads, rows divided into those to learn from and
//! those held out, shuffled if need be, and handed on in an order that data and seed alone determine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow::array::RecordBatch;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::account::Account;
use super::checkpoint::{Checkpoints, Pages, Pen};
use super::folds::Folds;
use super::holdout::{Aside, Division, HOLDOUT_BYTES, Holdout};
use super::notes::Notes;
use super::reading::{Spares, item_bytes, keep_buffers};
use super::watch::Watch;
use crate::error::{Error, Kind, Result};
use crate::features::{Encoder, SplitCache};
use crate::input::{Dataset, Request, Skipped};
use crate::learn::{Chunk, Pace, Shape};
use crate::pipeline::{
    Budget, Flow, GradientWorkers, Needs, Order, Position, Shuffle, SplitState, Stages, Weigh, stream,
};

/// Bytes and rows of the buffer in which rows are shuffled; part of what determines the model, so no
/// memory budget changes them.
const SHUFFLE_BYTES: usize = 64 << 20;
const SHUFFLE_ROWS: usize = 1 << 17;
/// Rows that are shuffled at the least, if they don't take more than so many bytes.
const FEWEST_SHUFFLED: usize = 1 << 12;
const MOST_SHUFFLE_BYTES: usize = 256 << 20;
/// Chunks that the buffer holds at the least: it shall have rows of each split that is open.
const SHUFFLED_CHUNKS: usize = 32;

/// Why rows are left out that could be read.
pub(crate) const UNUSABLE: &str = "target, weight or offset not usable";

/// Whoever takes the rows of a pass.
pub(crate) trait Sink {
    /// Takes rows, in the pass's order. Whoever takes long over them tells the watcher how it goes.
    ///
    /// # Errors
    /// If the pass can't go on.
    fn push(&mut self, chunk: &Chunk, watch: &mut dyn Watch) -> Result<()>;

    /// Takes note that the pass has no more rows.
    ///
    /// # Errors
    /// If the rows that it has can't be made use of. After an interruption it can be asked again.
    fn end(&mut self, _watch: &mut dyn Watch) -> Result<()> {
        Ok(())
    }

    /// Sums of loss and weight of the rows so far, for progress.
    fn sums(&self) -> Option<(f64, f64)>;

    /// Which of several models these sums are of.
    fn model(&self) -> usize {
        0
    }

    /// Bytes of rows that it keeps, at the most.
    fn held_bytes(&self) -> usize {
        0
    }

    /// Writes what it goes on from.
    ///
    /// # Errors
    /// Those of the pen.
    fn write(&mut self, pen: &mut Pen) -> Result<()>;
}

/// One pass.
pub(crate) struct Pass<'a> {
    /// Its number and that of the last one, as the user is to be told; the number decides the order of rows.
    pub(crate) number: u64,
    pub(crate) of: u64,
    /// Which rows are not to be learned from.
    pub(crate) division: Division,
    /// Where those go, if this pass collects them.
    pub(crate) holdout: Option<&'a mut Holdout>,
    pub(crate) collects: bool,
    /// Where an earlier run left off.
    pub(crate) from: Option<Standing>,
    /// Where the run is kept.
    pub(crate) book: Option<Book<'a>>,
}

/// How far a pass has come: what it goes on from, beside the hold-out and the sink.
#[derive(Serialize, Deserialize)]
pub(crate) struct Standing {
    position: Position,
    shuffle: Option<Shuffle>,
    skipped: Skipped,
}

impl Standing {
    /// Rows of the pass that lie behind.
    pub(crate) fn rows(&self) -> u64 {
        self.position.rows()
    }
}

/// Keeps a run: writes checkpoints of it while a pass goes on.
pub(crate) struct Book<'a> {
    checkpoints: &'a mut Checkpoints,
    /// What the user was told so far.
    said: &'a [String],
    /// Writes what the run has beside the pass.
    ledger: &'a dyn Fn(&mut Pen) -> Result<()>,
}

impl<'a> Book<'a> {
    /// The book of a run, if one is to be kept.
    pub(crate) fn of(
        checkpoints: &'a mut Checkpoints,
        said: &'a [String],
        ledger: &'a dyn Fn(&mut Pen) -> Result<()>,
    ) -> Option<Self> {
        checkpoints.are_written().then_some(Book { checkpoints, said, ledger })
    }

    /// What was written of a run: what it has beside the pass, how far the pass has come, and the hold-out. What the sink
    /// wrote follows in the pages. The user has been told what was said before.
    ///
    /// # Errors
    /// Those of the pages.
    pub(crate) fn read<L: DeserializeOwned, H: DeserializeOwned>(
        pages: &mut Pages,
        notes: &mut Notes<'_>,
    ) -> Result<(L, Standing, H)> {
        notes.go_on(pages)?;
        Ok((pages.take()?, pages.take()?, pages.take()?))
    }

    /// Lets a result pass; if that is an interruption, a checkpoint is written first.
    fn keep<T>(
        book: &mut Option<Self>,
        result: Result<T>,
        standing: &Standing,
        holdout: Option<&Holdout>,
        sink: &mut dyn Sink,
    ) -> Result<T> {
        match (result, book) {
            (Err(error), Some(book)) if error.kind() == Kind::Interrupted => {
                book.write(Pace::AtOnce, standing, holdout, sink)?;
                Err(error)
            }
            (result, _) => result,
        }
    }

    /// Writes a checkpoint if it is due, `rows` rows having been read, and this is a good moment.
    fn write_if_due(
        &mut self,
        rows: u64,
        is_good: bool,
        standing: &Standing,
        holdout: Option<&Holdout>,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        if self.checkpoints.is_due(rows)? && is_good {
            self.write(Pace::WhileLearning, standing, holdout, sink)?;
        }
        Ok(())
    }

    /// Writes a checkpoint.
    fn write(
        &mut self,
        pace: Pace,
        standing: &Standing,
        holdout: Option<&Holdout>,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        self.checkpoints.write(pace, |pen| {
            pen.put(&self.said)?;
            (self.ledger)(pen)?;
            pen.put(standing)?;
            pen.put_later(holdout.cloned());
            sink.write(pen)
        })
    }
}

/// What all passes of a run have in common.
pub(crate) struct Passes<'a> {
    pub(crate) dataset: &'a Dataset,
    pub(crate) stop: &'a AtomicBool,
    pub(crate) seed: u64,
    /// Threads that learn, and how many read.
    pub(crate) crew: Arc<GradientWorkers>,
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
    aside: Option<Aside>,
    skipped: u64,
    /// Rows that it was made from.
    rows: u64,
}

impl Weigh for Piece {
    fn bytes(&self) -> usize {
        self.chunk.bytes() + self.aside.as_ref().map_or(0, Aside::bytes)
    }
}

impl Passes<'_> {
    /// Goes through all rows once. Returns where the time went, and what was left out.
    ///
    /// # Errors
    /// Those of the data, of the memory's budget, of the sink and of the book.
    pub(crate) fn run(
        &self,
        pass: Pass<'_>,
        sink: &mut dyn Sink,
        watch: &mut dyn Watch,
    ) -> Result<(Stages, Skipped)> {
        let Pass { number: epoch, of, division, mut holdout, collects, from, mut book } = pass;
        let splits = self.dataset.splits().len();
        let shape = self.shape();
        // What determines the order of rows does not depend on the models that learn from them.
        let row_bytes = self.encoder.plan().shape().row_bytes();
        let fewest = FEWEST_SHUFFLED.min(MOST_SHUFFLE_BYTES / row_bytes).max(SHUFFLED_CHUNKS);
        let shuffle_rows = (SHUFFLE_BYTES / row_bytes).clamp(fewest, SHUFFLE_ROWS);
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
        let behind = from.as_ref().map(|from| from.position.clone());
        if behind.as_ref().is_some_and(|behind| !behind.fits(&order)) {
            return Err(Error::data("the checkpoint belongs to data that is cut in another way")
                .remedy("remove it and begin anew"));
        }
        let in_flight = self.budget.in_flight(&needs)?;
        keep_buffers(in_flight);
        let flow = Flow {
            request: &request,
            threads: self.crew.reading(),
            in_flight,
            needs,
            from: behind.as_ref(),
            readers: self.crew.readers().clone(),
            stop: self.stop,
        };
        let spares = Spares::new(shape);
        let limit = holdout.as_ref().filter(|_| collects).map(|holdout| holdout.limit());
        let mut out = Chunk::new(shape, request.batch_rows);
        let mut account = Account::new(self.dataset, epoch, of);
        let mut standing = from.unwrap_or_else(|| Standing {
            position: Position::start(&order),
            shuffle: self.shuffled.then(|| Shuffle::new(shuffle_rows, self.seed, epoch)),
            skipped: self.dataset.skipped().clone(),
        });
        let rows_behind = standing.rows();
        account.go_on(standing.position.begun(&order), rows_behind);
        let streamed = stream(
            self.dataset,
            &order,
            flow,
            |batch: &RecordBatch, split: &mut SplitState<SplitCache>| {
                self.encode(division, (collects, limit.as_deref()), &spares, batch, split)
            },
            |item| {
                let piece = item.value;
                account.add(item.split, piece.rows);
                item.ended.iter().for_each(|track| standing.position.end(*track));
                standing.position.add(item.track, piece.rows);
                standing.skipped.add(&item.skipped);
                standing.skipped.add_rows(piece.skipped, UNUSABLE);
                if let (Some(holdout), Some(aside)) = (holdout.as_mut(), piece.aside) {
                    holdout.push(&aside, &piece.chunk);
                    aside.apart.into_iter().for_each(|chunk| spares.give(chunk));
                }
                let is_full = match &mut standing.shuffle {
                    None => {
                        sink.push(&piece.chunk, watch)?;
                        spares.give(piece.chunk);
                        true
                    }
                    Some(shuffle) => shuffle.push(piece.chunk),
                };
                if let Some(shuffle) = standing.shuffle.as_mut().filter(|_| is_full) {
                    shuffle.drain(
                        request.batch_rows,
                        &mut out,
                        |chunk| sink.push(chunk, watch),
                        |c| spares.give(c),
                    )?;
                }
                if let Some(book) = &mut book {
                    // With an empty buffer there is less to write.
                    book.write_if_due(piece.rows, is_full, &standing, holdout.as_deref(), sink)?;
                }
                watch.progress(account.progress(sink.model(), sink.sums()));
                Ok(())
            },
        );
        let (mut stages, skipped) = Book::keep(&mut book, streamed, &standing, holdout.as_deref(), sink)?;
        if let Some(shuffle) = &mut standing.shuffle {
            shuffle.drain(request.batch_rows, &mut out, |chunk| sink.push(chunk, watch), |_| ())?;
        }
        standing.skipped.add(&skipped);
        (0..order.tracks.len()).for_each(|track| standing.position.finish(&order, track));
        if let Some(book) = &mut book {
            book.write_if_due(0, true, &standing, holdout.as_deref(), sink)?;
        }
        let ended = sink.end(watch);
        Book::keep(&mut book, ended, &standing, holdout.as_deref(), sink)?;
        watch.progress(account.progress(sink.model(), sink.sums()));
        stages.rows_read = standing.rows() - rows_behind;
        Ok((stages, standing.skipped))
    }

    /// The shape of the chunks.
    pub(crate) fn shape(&self) -> Shape {
        let divisions = self.folds.as_ref().map_or(0, Folds::divisions);
        Shape { divisions, ..self.encoder.plan().shape() }
    }

    /// Encodes a batch and parts its rows. Those to be held are collected if that is wanted, where their keys are below
    /// a limit, if there is one.
    fn encode(
        &self,
        division: Division,
        (collects, limit): (bool, Option<&AtomicU64>),
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
            return Ok(Piece { chunk, aside: None, skipped, rows });
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
            if let Some(key) = key.filter(|&key| collects && (key < limit || !division.are_learned)) {
                hold.push((0, if division.are_learned { learn.len() as u32 - 1 } else { row }));
                keys.push(key);
            }
        }
        let take = |rows: &[(u32, u32)]| {
            let mut part = spares.take(rows.len());
            part.reset(rows.len());
            part.gather(std::slice::from_ref(&chunk), rows);
            part
        };
        let aside = match hold.is_empty() {
            true => None,
            false if division.are_learned => Some(Aside::among(hold, keys)),
            false => Some(Aside::apart(take(&hold), keys)),
        };
        if learn.len() == chunk.rows() {
            return Ok(Piece { chunk, aside, skipped, rows });
        }
        let part = take(&learn);
        spares.give(chunk);
        Ok(Piece { chunk: part, aside, skipped, rows })
    }
}
