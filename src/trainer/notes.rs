//! Notes: what a run says to its user while it goes on, and once more in its summary.

use super::checkpoint::Pages;
use super::watch::Watch;
use crate::error::Result;

/// Tells the watcher and remembers for the summary.
pub(crate) struct Notes<'a> {
    pub(crate) watch: &'a mut dyn Watch,
    pub(crate) notes: Vec<String>,
}

impl<'a> Notes<'a> {
    pub(crate) fn new(watch: &'a mut dyn Watch) -> Self {
        Notes { watch, notes: Vec::new() }
    }

    pub(crate) fn say(&mut self, text: String) {
        self.watch.note(&text);
        self.notes.push(text);
    }

    /// Goes on from what an earlier run has said, of which this one has said the beginning again by now.
    pub(crate) fn go_on(&mut self, pages: &mut Pages) -> Result<()> {
        self.notes = pages.take()?;
        pages.doubt.take().into_iter().for_each(|doubt| self.say(doubt));
        Ok(())
    }

    /// Says where an earlier run left off: after so many rows of one of several epochs or passes.
    pub(crate) fn goes_on_after(&mut self, rows: u64, kind: &str, number: u64, of: u64) {
        let which = if of == 1 { String::new() } else { format!(" of {kind} {number}") };
        self.say(format!("goes on after {rows} rows{which}, where an earlier run left off"));
    }
}
