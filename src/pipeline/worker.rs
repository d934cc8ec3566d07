//! The worker: reads, decodes and maps the next batch of a split, whenever it is told to.

use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use crossbeam_channel::{Receiver, Sender};

use super::fetcher::Coming;
use super::readers::Readers;
use super::stages::Stages;
use super::stream::SplitState;
use crate::error::{Error, Kind, Place, Result};
use crate::input::{BatchStream, Dataset, Fetched, Request, Skipped, guarded, measured, take_read};

/// Batches of a split to be read, one after the other.
pub(super) struct Job<S> {
    pub(super) state: Box<SplitState<S>>,
    pub(super) batches: usize,
}

/// A split's next batch, or its end, with what it took.
pub(super) struct Done<S, T> {
    pub(super) split: usize,
    /// With the last batch of a job.
    pub(super) state: Option<Box<SplitState<S>>>,
    /// Batches of the job that are done with: this one, and those that will not be read.
    pub(super) batches: usize,
    pub(super) rows: u64,
    pub(super) result: Result<Option<T>>,
    /// What was left out before it.
    pub(super) skipped: Skipped,
    pub(super) stages: Stages,
}

/// What reads, decodes and maps.
pub(super) struct Worker<'a, F> {
    pub(super) dataset: &'a Dataset,
    pub(super) request: &'a Request,
    pub(super) map: &'a F,
    pub(super) readers: Readers,
}

impl<F> Worker<'_, F> {
    /// Reads, decodes and maps the next batch of a job. The rest of the job, if there is one, goes on in its place.
    pub(super) fn advance<S, T>(&self, job: Job<S>) -> (Done<S, T>, Option<Job<S>>)
    where
        F: Fn(&RecordBatch, &mut SplitState<S>) -> Result<T>,
    {
        let Job { mut state, batches } = job;
        let mut done = self.next_batch(&mut state);
        if batches > 1 && matches!(done.result, Ok(Some(_))) {
            self.readers.end(1);
            return (done, Some(Job { state, batches: batches - 1 }));
        }
        (done.state, done.batches) = (Some(state), batches);
        self.readers.end(batches);
        (done, None)
    }

    fn next_batch<S, T>(&self, state: &mut SplitState<S>) -> Done<S, T>
    where
        F: Fn(&RecordBatch, &mut SplitState<S>) -> Result<T>,
    {
        let mut stages = Stages::default();
        let (mut rows, mut skipped) = (0, Skipped::default());
        take_read();
        let start = Instant::now();
        let mut decoded = Duration::ZERO;
        let result = guarded(|| {
            if self.request.rows.is_some_and(|rows| state.first_row >= rows) {
                return Ok(None);
            }
            let split = &self.dataset.splits()[state.split];
            let mut stream = match state.stream.take() {
                Some(stream) => stream,
                None => {
                    let mut stream = self.dataset.read(split, self.request, fetched(state.fetched.take()))?;
                    pass_over(stream.as_mut(), state.behind)?;
                    state.first_row = state.behind.1;
                    stream
                }
            };
            let batch = stream.next_batch();
            stream.take_rejects().iter().for_each(|reject| skipped.add_row(&reject.error));
            let batch = batch?;
            decoded = start.elapsed();
            let Some(batch) = batch else { return Ok(None) };
            let mapped = (self.map)(&batch, state).map_err(|error| match error.place().row {
                Some(row) => error.moved_to(stream.place(row as usize)),
                None => error.at(Place { row: None, ..stream.place(0) }),
            })?;
            rows = batch.num_rows() as u64;
            state.first_row += rows;
            state.stream = Some(stream);
            Ok(Some(mapped))
        })
        .map_err(|error| {
            let file = self.dataset.path(state.split);
            error.in_file(file)
        });
        let result = match result {
            Err(error) if self.request.rejects && error.kind() == Kind::Data => {
                let rows = self.dataset.splits()[state.split].rows;
                skipped.add_block(&error, rows.map(|rows| rows.saturating_sub(state.first_row)));
                Ok(None)
            }
            result => result,
        };
        let (bytes, read) = take_read();
        stages.bytes_read = bytes;
        stages.read.busy = read.as_secs_f64();
        stages.decode.busy = decoded.saturating_sub(read).as_secs_f64();
        stages.encode.busy = start.elapsed().saturating_sub(decoded).as_secs_f64();
        Done { split: state.split, state: None, batches: 1, rows, result, skipped, stages }
    }
}

/// What was fetched of a split, once it is there.
fn fetched(coming: Option<Coming>) -> Option<Fetched> {
    let coming = coming?;
    // Its bytes are counted by who uses them.
    measured(|_| 0, || coming.recv()).ok()?
}

/// A worker thread: does jobs until there are no more; returns how long it had none.
pub(super) fn work<S, T, F>(
    worker: &Worker<'_, F>,
    jobs: &Receiver<Job<S>>,
    done: &Sender<Done<S, T>>,
) -> Duration
where
    F: Fn(&RecordBatch, &mut SplitState<S>) -> Result<T>,
{
    let mut idle = Duration::ZERO;
    loop {
        let start = Instant::now();
        let Ok(job) = jobs.recv() else { return idle };
        idle += start.elapsed();
        let mut rest = Some(job);
        while let Some(job) = rest {
            let (batch, more) = worker.advance(job);
            if done.send(batch).is_err() {
                return idle;
            }
            rest = more;
        }
    }
}

/// Passes over batches that were consumed before.
///
/// # Errors
/// Those of reading them, and if they have not as many rows as they had.
fn pass_over(stream: &mut dyn BatchStream, (batches, rows): (u64, u64)) -> Result<()> {
    let mut found = 0;
    for _ in 0..batches {
        found += stream.next_batch()?.map_or(0, |batch| batch.num_rows() as u64);
    }
    // They have been counted.
    stream.take_rejects();
    if found == rows {
        return Ok(());
    }
    Err(Error::usage(format!("there are {found} rows where {rows} rows have been read before"))
        .remedy("the data has changed since: begin anew"))
}
