//! Checkpoints: now and then a run writes all that it goes on from to a file beside its output, so that whatever ends
//! it, another can go on from there and end in the same bits.
//!
//! The file holds an [`Identity`] (what must be the same for that), then what the run's parts write one after the
//! other, and at its end a hash of all that. It appears whole or not at all, and is gone when the output is there.
//!
//! A run is written down while it goes on: the [`Pen`] takes what is small, what does not change meanwhile is passed on
//! as it is, learners keep what they are about to change, and a thread ([`scribe`]) writes the file.

mod identity;
mod pen;
mod scribe;

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
pub(crate) use identity::{Identity, Typed};
pub(crate) use pen::{Pages, Pen};
use scribe::Scribe;
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128;

use super::notes::Notes;
use crate::error::{Error, Kind, Result};
use crate::features::Plan;
use crate::learn::Pace;
use crate::output::{AtomicFile, is_special};
use crate::pipeline::no_thread;

/// How often checkpoints are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// Not at all, not even when a run is interrupted.
    Never,
    /// After so many rows.
    Rows(u64),
    /// After such a time.
    Time(Duration),
}

/// What runs need to know of checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointConfig {
    /// Where they go; `None` for nowhere.
    pub file: Option<PathBuf>,
    /// How often they are written.
    pub every: Every,
    /// Whether to go on from one, if it is there.
    pub resume: bool,
}

impl CheckpointConfig {
    /// No checkpoints.
    pub const NONE: CheckpointConfig = CheckpointConfig { file: None, every: Every::Never, resume: false };

    /// Where the checkpoint of a run lies that makes `output`; nowhere, if that is no file.
    pub fn beside(output: &Path) -> Option<PathBuf> {
        let mut name = output.file_name()?.to_os_string();
        name.push(".checkpoint");
        (!is_special(output)).then(|| output.with_file_name(name))
    }
}

/// The checkpoints of a run, which may be none.
pub(crate) struct Checkpoints {
    /// Where they go, and what run they are of; `None` if none are written or read.
    file: Option<(PathBuf, Identity)>,
    every: Every,
    /// A hash of the plan, which follows from the options and from what a sample of the data shows.
    plan: u128,
    /// What a run has come to before the part of it that writes checkpoints now.
    before: Vec<u8>,
    /// When the last one was written, and rows since then.
    last: Instant,
    rows: u64,
    /// One that is on its way to the disk.
    on_its_way: Option<OnItsWay>,
    /// Whether the last one had to be given up, because its models were.
    given_up: bool,
    /// The one to go on from, until it is read.
    pages: Option<Pages>,
    /// Whether one is there that this run can go on from.
    there: bool,
    pauses: Pauses,
}

/// A checkpoint on its way.
struct OnItsWay {
    thread: JoinHandle<Result<Option<Duration>>>,
    /// Closed when no more parts come.
    enough: Sender<Infallible>,
}

impl OnItsWay {
    /// Waits until it is written, or given up, if not all of it has come.
    fn end(self) -> thread::Result<Result<Option<Duration>>> {
        drop(self.enough);
        self.thread.join()
    }
}

/// How often a run stood still to write a checkpoint, and for how long at the most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Pauses {
    /// Checkpoints written.
    pub written: u64,
    /// Seconds for which learning stood still at the most, but for an interruption.
    pub longest: f64,
}

impl Checkpoints {
    /// The checkpoints of a run of this identity; it goes on from one, if that is wanted and it is there.
    ///
    /// # Errors
    /// Those of the identity; and if the checkpoint is damaged, or comes from a run of other options or other data.
    pub(crate) fn open(
        config: &CheckpointConfig,
        identity: impl FnOnce() -> Result<Identity>,
        notes: &mut Notes<'_>,
    ) -> Result<Self> {
        let mut checkpoints = Checkpoints {
            file: None,
            every: Every::Never,
            plan: 0,
            before: Vec::new(),
            last: Instant::now(),
            rows: 0,
            on_its_way: None,
            given_up: false,
            there: false,
            pages: None,
            pauses: Pauses::default(),
        };
        let CheckpointConfig { file, every, resume } = config;
        let file = file.as_ref().filter(|_| *resume || *every != Every::Never);
        let Some(path) = file else { return Ok(checkpoints) };
        let identity = identity()?;
        let pages = if *resume { Pages::open(path, &identity)? } else { None };
        let shown = path.display();
        if pages.is_none() && path.exists() {
            notes.say(format!(
                "{shown} is left of a run that was interrupted: --resume would go on from there; this run will write \
                 over it"
            ));
        } else if pages.is_none() && *resume {
            notes.say(format!("there is no {shown} to go on from: begins anew"));
        }
        checkpoints.file = Some((path.clone(), identity));
        (checkpoints.every, checkpoints.there, checkpoints.pages) = (*every, pages.is_some(), pages);
        Ok(checkpoints)
    }

    /// The checkpoint to go on from, if there is one: to be had once.
    pub(crate) fn pages(&mut self) -> Option<Pages> {
        self.pages.take()
    }

    /// Takes note of the plan, by which the run whose checkpoint is gone on from must have learned, too.
    ///
    /// # Errors
    /// If it has not.
    pub(crate) fn learn_by(&mut self, plan: &Plan) -> Result<()> {
        let Some((path, _)) = &self.file else { return Ok(()) };
        let text = serde_json::to_vec(plan).map_err(|e| Error::data(format!("can't write the plan: {e}")))?;
        self.plan = xxh3_128(&text);
        let Some(pages) = &mut self.pages else { return Ok(()) };
        if pages.take::<u128>()? == self.plan {
            return Ok(());
        }
        // Nothing that this run could go on from.
        self.there = false;
        let message =
            format!("the data has changed since {} was written: a sample gives another plan", path.display());
        Err(Error::data(message)
            .remedy("give the same data as before, or remove the checkpoint to begin anew"))
    }

    /// Has a value written at the beginning of all checkpoints from now on: what the run has come to so far.
    ///
    /// # Errors
    /// If it can't be written.
    pub(crate) fn begin_with(&mut self, value: &impl Serialize) -> Result<()> {
        let bytes = rmp_serde::to_vec_named(value);
        self.before = bytes.map_err(|e| Error::data(format!("can't write a checkpoint: {e}")))?;
        Ok(())
    }

    /// Whether any are written.
    pub(crate) fn are_written(&self) -> bool {
        self.every != Every::Never
    }

    /// What they have cost, if some were written. To be asked when the models are gone, since the last one is given up
    /// if it is not complete.
    ///
    /// # Errors
    /// If it can't be written.
    pub(crate) fn cost(&mut self) -> Result<Option<Pauses>> {
        self.settle()?;
        Ok(Some(self.pauses).filter(|pauses| pauses.written > 0))
    }

    /// Counts rows; true if it is time for the next one. A slow disk makes them rarer, since none waits for another.
    ///
    /// # Errors
    /// If the last one could not be written.
    pub(crate) fn is_due(&mut self, rows: u64) -> Result<bool> {
        self.rows += rows;
        if self.on_its_way.as_ref().is_some_and(|one| one.thread.is_finished()) {
            self.settle()?;
        }
        let is_time = match self.every {
            Every::Never => false,
            Every::Rows(rows) => self.rows >= rows,
            Every::Time(time) => self.last.elapsed() >= time,
        };
        Ok((is_time || self.given_up) && self.on_its_way.is_none())
    }

    /// Writes one: `fill` writes what the run goes on from. Unless that is done at once, it is safe on the disk some time
    /// later, and of this moment all the same. One that is not complete by now is given up.
    ///
    /// # Errors
    /// If this one, or the one before, can't be written. The last one that was written stays.
    pub(crate) fn write(&mut self, pace: Pace, fill: impl FnOnce(&mut Pen) -> Result<()>) -> Result<()> {
        let start = Instant::now();
        self.settle()?;
        let Some((path, identity)) = &self.file else { return Ok(()) };
        let (mut pen, parts) = Pen::new(identity, pace)?;
        let (enough, is_enough) = bounded(0);
        let (thread, path) = (thread::Builder::new().name("millstream-checkpoint".to_string()), path.clone());
        let work = move || Scribe::new(AtomicFile::create(&path)?, is_enough).work(&parts);
        let thread = thread.spawn(work).map_err(no_thread)?;
        self.on_its_way = Some(OnItsWay { thread, enough });
        pen.put(&self.plan)?;
        pen.put_bytes(&self.before);
        fill(&mut pen)?;
        pen.end();
        (self.given_up, self.last, self.rows) = (false, Instant::now(), 0);
        match pace {
            Pace::AtOnce => self.settle(),
            Pace::WhileLearning => {
                self.pauses.longest = self.pauses.longest.max(start.elapsed().as_secs_f64());
                Ok(())
            }
        }
    }

    /// Waits until the last one is safe on the disk, or given up, if not all of it has come.
    ///
    /// # Errors
    /// If it can't be written.
    fn settle(&mut self) -> Result<()> {
        let Some(one) = self.on_its_way.take() else { return Ok(()) };
        match one.end().unwrap_or_else(|panic| std::panic::resume_unwind(panic))? {
            Some(pause) => {
                self.there = true;
                self.pauses.written += 1;
                self.pauses.longest = self.pauses.longest.max(pause.as_secs_f64());
            }
            None => self.given_up = true,
        }
        Ok(())
    }

    /// Ends a run. When it has what it was for, or nobody wants that any more, no checkpoint is needed; else its error says
    /// that it can go on, if it can.
    ///
    /// # Errors
    /// The run's, and if a checkpoint can't be removed.
    pub(crate) fn conclude<T>(mut self, result: Result<T>) -> Result<T> {
        let settled = self.settle();
        let left = self.file.as_ref().map(|(path, _)| path).filter(|_| self.there);
        let error = match result {
            Err(error) if error.kind() != Kind::BrokenPipe => error,
            done => {
                settled?;
                left.map_or(Ok(()), |path| {
                    fs::remove_file(path).map_err(|e| Error::io("can't remove", path, &e))
                })?;
                return done;
            }
        };
        Err(match left {
            Some(path) if settled.is_ok() => {
                // By itself an interruption says that nothing was written.
                let is_interruption = error.kind() == Kind::Interrupted;
                let error =
                    if is_interruption { Error::new(Kind::Interrupted, "interrupted") } else { error };
                error.and(&format!(
                    "what was learned so far is kept in {}: the same command with --resume goes on from there",
                    path.display()
                ))
            }
            _ => error,
        })
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        // No thread outlives the run. Whoever wants to know how it went has asked before.
        let _ = self.on_its_way.take().map(OnItsWay::end);
    }
}
