//! Carries out a job: threads that each make one file at a time, progress, and the record of what
//! was planted.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use serde_json::json;

use crate::folder::{self, Draft};
use crate::job::{Job, Part};
use crate::model::{BLOCK, Model};
use crate::sink;

/// What is known of some rows that were written.
#[derive(Clone, Copy, Default)]
struct Totals {
    rows: u64,
    positives: u64,
    bytes: u64,
    loss: f64,
}

impl Totals {
    fn add(&mut self, other: &Totals) {
        self.rows += other.rows;
        self.positives += other.positives;
        self.bytes += other.bytes;
        self.loss += other.loss;
    }
}

/// Makes the files and `_truth.json`.
pub(crate) fn run(job: &Job) -> Result<()> {
    let start = Instant::now();
    folder::prepare(&job.folder, job.force)?;
    let model = job.model();
    let totals = write_parts(job, &model, &job.parts())?;
    write_truth(job, &model, &totals)?;

    let seconds = start.elapsed().as_secs_f64();
    let megabytes = totals.bytes as f64 / 1e6;
    let rows = totals.rows as f64;
    eprintln!(
        "base rate {:.4}, log loss of the true model {:.5}",
        totals.positives as f64 / rows,
        totals.loss / rows
    );
    eprintln!(
        "{} rows, {megabytes:.1} MB in {seconds:.1} s: {:.0} rows/s, {:.1} MB/s",
        totals.rows,
        rows / seconds,
        megabytes / seconds,
    );
    Ok(())
}

/// Writes all `parts` and adds them up in their order, so that the sums too are the same for any
/// number of threads. The first fault stops all threads.
fn write_parts(job: &Job, model: &Model, parts: &[Part]) -> Result<Totals> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let (sender, receiver) = crossbeam_channel::unbounded();
    let mut finished = vec![Totals::default(); parts.len()];
    thread::scope(|scope| {
        for _ in 0..job.threads.min(parts.len()) {
            let (sender, next, stop) = (sender.clone(), &next, &stop);
            scope.spawn(move || {
                while let Some(number) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&n| n < parts.len())
                {
                    let result = write_part(job, model, &parts[number], stop);
                    // The receiver lives until all senders are gone.
                    let _ = sender.send((number, result));
                }
            });
        }
        drop(sender);
        let mut fault = None;
        for (done, (number, result)) in receiver.iter().enumerate() {
            match result {
                Ok(Some(totals)) => {
                    finished[number] = totals;
                    eprintln!(
                        "{}: {} rows, {:.1} MB ({} of {})",
                        parts[number].name,
                        totals.rows,
                        totals.bytes as f64 / 1e6,
                        done + 1,
                        parts.len(),
                    );
                }
                Ok(None) => {}
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    fault.get_or_insert(error);
                }
            }
        }
        fault.map_or(Ok(()), Err)
    })?;
    let mut totals = Totals::default();
    finished.iter().for_each(|part| totals.add(part));
    Ok(totals)
}

/// Writes one file; `None` if `stop` was set meanwhile.
fn write_part(job: &Job, model: &Model, part: &Part, stop: &AtomicBool) -> Result<Option<Totals>> {
    let (draft, file) = Draft::create(&job.folder, &part.name)?;
    let fault = || format!("cannot write {}", job.folder.join(&part.name).display());
    let mut sink = sink::create(file, model.schema(), job.format).with_context(fault)?;
    let mut totals = Totals::default();
    let size = BLOCK as u64;
    for number in part.rows.start / size..part.rows.end.div_ceil(size) {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let first = number * size;
        let start = part.rows.start.saturating_sub(first);
        let end = (part.rows.end - first).min(size);
        let rows = model.block(number)?.rows(start as usize..end as usize, part.label)?;
        sink.write(&rows.batch).with_context(fault)?;
        totals.rows += rows.batch.num_rows() as u64;
        totals.positives += rows.positives;
        totals.loss += rows.loss;
    }
    sink.finish().with_context(fault)?;
    totals.bytes = draft.keep()?;
    Ok(Some(totals))
}

/// Records what was planted. The name begins with an underscore, which readers of folders pass over.
fn write_truth(job: &Job, model: &Model, totals: &Totals) -> Result<()> {
    let rows = totals.rows as f64;
    let mut truth = json!({
        "command": job.command,
        "seed": job.seed,
        "first_row": job.rows.start,
        "rows": totals.rows,
        "bytes": totals.bytes,
        "base_rate": totals.positives as f64 / rows,
        "bayes_log_loss": totals.loss / rows,
    });
    truth["model"] = model.truth();
    let (draft, mut file) = Draft::create(&job.folder, "_truth.json")?;
    writeln!(file, "{truth:#}").map_err(|error| anyhow!(error)).context("cannot write _truth.json")?;
    draft.keep()?;
    Ok(())
}
