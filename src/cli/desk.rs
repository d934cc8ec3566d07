//! The desk of a command that reads data: what it says while it runs, and what it hands in at the end.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::screen::{Screen, say};
use super::{print, to_json, watch_for_interrupts};
use crate::error::Result;
use crate::output::AtomicFile;
use crate::trainer::Summary;

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

    /// Runs a command with a screen, which is gone afterwards.
    ///
    /// # Errors
    /// The command's.
    pub(super) fn watch(&self, run: impl FnOnce(&mut Screen) -> Result<Summary>) -> Result<Summary> {
        let mut screen = Screen::new(self.quiet);
        let result = run(&mut screen);
        screen.finish();
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
    fn show(&self, text: &str) -> Result<()> {
        match (self.quiet, &self.summary_to) {
            (false, SummaryTo::Nowhere | SummaryTo::File(_)) => print(text),
            _ => {
                self.tell(text);
                Ok(())
            }
        }
    }

    /// Writes the summary, if it is wanted, and then shows what the command is for: whoever reads that may stop reading,
    /// and what the run could have gone on from is gone.
    ///
    /// # Errors
    /// If one of them can't be written.
    pub(super) fn deliver(&self, summary: &Summary, text: &str) -> Result<()> {
        self.hand_in(summary)?;
        self.show(text)
    }

    /// Writes the summary, if it is wanted.
    ///
    /// # Errors
    /// If it can't be written.
    pub(super) fn hand_in(&self, summary: &Summary) -> Result<()> {
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
