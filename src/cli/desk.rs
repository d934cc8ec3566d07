//! The desk of a command that reads data: what it says while it runs, and what it hands in at the end.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::screen::{Screen, say};
use super::{print, to_json, watch_for_interrupts};
use crate::error::Result;
use crate::features::Plan;
use crate::output::AtomicFile;
use crate::trainer::{Leader, Progress, Summary, Watch};

/// Where a command's texts and its summary go.
pub(super) struct Desk {
    quiet: bool,
    pub(super) summary_to: SummaryTo,
}

impl Desk {
    /// A desk, from whose setting up on a signal ends the run in order.
    ///
    /// # Errors
    /// If the summary can't be written.
    pub(super) fn new(stop: &Arc<AtomicBool>, quiet: bool, summary: Option<PathBuf>) -> Result<Self> {
        watch_for_interrupts(stop);
        Ok(Desk { quiet, summary_to: SummaryTo::new(summary)? })
    }

    /// Runs a command with a screen, which is gone afterwards, and hands in its summary.
    ///
    /// # Errors
    /// The command's, and if the summary can't be written.
    pub(super) fn watch(&self, run: impl FnOnce(&mut dyn Watch) -> Result<Summary>) -> Result<Summary> {
        let mut watcher = Watcher { screen: Screen::new(self.quiet), summary_to: &self.summary_to };
        let result = run(&mut watcher);
        watcher.screen.finish();
        result
    }

    /// Says how a run went.
    pub(super) fn tell(&self, text: &str) {
        if !self.quiet {
            say(text.trim_end());
        }
    }

    /// Shows what a command is for on standard output, unless that holds the summary alone, for programs to read.
    ///
    /// # Errors
    /// If it can't be written.
    pub(super) fn show(&self, text: &str) -> Result<()> {
        match (self.quiet, &self.summary_to) {
            (false, SummaryTo::Nowhere | SummaryTo::File(_)) => print(text),
            _ => {
                self.tell(text);
                Ok(())
            }
        }
    }
}

/// Shows a run on the screen, and writes its summary.
struct Watcher<'a> {
    screen: Screen,
    summary_to: &'a SummaryTo,
}

impl Watch for Watcher<'_> {
    fn plan(&mut self, plan: &Plan, sample_rows: u64) {
        self.screen.plan(plan, sample_rows);
    }

    fn note(&mut self, text: &str) {
        self.screen.note(text);
    }

    fn progress(&mut self, progress: Progress) {
        self.screen.progress(progress);
    }

    fn tries(&mut self, tried: usize, of: usize) {
        self.screen.tries(tried, of);
    }

    fn leaders(&mut self, leaders: &[Leader]) {
        self.screen.leaders(leaders);
    }

    fn end(&mut self, summary: &Summary) -> Result<()> {
        self.screen.finish();
        self.summary_to.write(summary)
    }
}

/// Writes a summary as JSON to a file, or to standard output if the path is `-`.
///
/// # Errors
/// If it can't be written.
pub fn write_summary(path: &Path, summary: &impl serde::Serialize) -> Result<()> {
    SummaryTo::new(Some(path.to_path_buf()))?.write(summary)
}

/// Where the summary goes.
pub(super) enum SummaryTo {
    Nowhere,
    Stdout,
    File(PathBuf),
}

impl SummaryTo {
    /// Before a run: a summary that can't be written must not be found out after hours.
    fn new(path: Option<PathBuf>) -> Result<Self> {
        match path {
            None => Ok(SummaryTo::Nowhere),
            Some(path) if path == Path::new("-") => Ok(SummaryTo::Stdout),
            Some(path) => AtomicFile::check(&path).map(|()| SummaryTo::File(path)),
        }
    }

    fn write(&self, summary: &impl serde::Serialize) -> Result<()> {
        match self {
            SummaryTo::Nowhere => Ok(()),
            SummaryTo::Stdout => print(&to_json(summary)?),
            SummaryTo::File(path) => {
                let mut file = AtomicFile::create(path)?;
                file.write_all(to_json(summary)?.as_bytes()).map_err(|e| file.fault(&e))?;
                file.commit()
            }
        }
    }
}
