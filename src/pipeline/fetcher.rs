//! The fetcher: a thread that reads what splits take before they are opened, where files are read past the system's cache,
//! which then does not read ahead either. It takes hardly any of a processor's time.

use std::collections::BTreeMap;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::input::{Dataset, Fetched, Request};

/// What has been fetched of a split, or will be.
pub(super) type Coming = Receiver<Option<Fetched>>;

/// A split to be fetched, and where that goes.
pub(super) struct Wanted {
    split: usize,
    to: Sender<Option<Fetched>>,
}

/// Who has splits fetched.
pub(super) struct Fetcher {
    wanted: Sender<Wanted>,
    /// By their splits.
    coming: BTreeMap<usize, Coming>,
}

impl Fetcher {
    /// One that passes on what it wants, of which at the most `most` splits are coming at a time.
    pub(super) fn new(most: usize) -> (Self, Receiver<Wanted>) {
        let (wanted, to_fetch) = bounded(most);
        (Fetcher { wanted, coming: BTreeMap::new() }, to_fetch)
    }

    /// Whether a split is being fetched, or has been.
    pub(super) fn expects(&self, split: usize) -> bool {
        self.coming.contains_key(&split)
    }

    /// Has a split fetched.
    pub(super) fn expect(&mut self, split: usize) {
        let (to, coming) = bounded(1);
        // Who opens the split reads it otherwise.
        if self.wanted.try_send(Wanted { split, to }).is_ok() {
            self.coming.insert(split, coming);
        }
    }

    /// What is coming of a split that is opened now.
    pub(super) fn take(&mut self, split: usize) -> Option<Coming> {
        self.coming.remove(&split)
    }

    /// Splits that are coming.
    pub(super) fn coming(&self) -> usize {
        self.coming.len()
    }
}

/// Fetches what is wanted, until nobody wants anything.
pub(super) fn fetch(dataset: &Dataset, request: &Request, wanted: &Receiver<Wanted>) {
    for Wanted { split, to } in wanted {
        // Whoever wanted it may have ended.
        let _ = to.send(dataset.fetch(&dataset.splits()[split], request));
    }
}
