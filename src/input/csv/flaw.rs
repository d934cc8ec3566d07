//! What makes a record no record: text that is no CSV.

use super::records::LONGEST;
use crate::error::Error;

/// A flaw in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) kind: FlawKind,
    /// Line breaks before the place to blame.
    pub(super) line: u64,
    /// Counted from the record's start: the line that goes on here is the last that can't be read.
    pub(super) from: usize,
}

/// Which flaw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FlawKind {
    /// A quote is opened and closed nowhere.
    Unclosed,
    /// A quoted cell goes on after its closing quote.
    AfterQuote,
    /// The record is longer than [`LONGEST`].
    TooLong,
}

impl Flaw {
    /// The error, without its place.
    pub(super) fn error(&self) -> Error {
        match self.kind {
            FlawKind::Unclosed => Error::data("the quote that opens a cell here is never closed")
                .remedy("close it, or double quotes that are part of a quoted cell"),
            FlawKind::AfterQuote => {
                Error::data("found text after the closing quote of a cell that begins here")
                    .remedy("double the quotes that are part of a quoted cell")
            }
            FlawKind::TooLong => Error::data(format!("found a record longer than {} MiB", LONGEST >> 20))
                .remedy("check that every quote is closed"),
        }
    }
}
