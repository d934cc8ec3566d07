//! Rows that can't be read.

use crate::error::Error;

/// A row that was left out because it can't be read.
#[derive(Debug)]
pub struct Reject {
    /// Where it stands, what was found and what was expected.
    pub error: Error,
    /// The row as the file has it, or its beginning.
    pub text: String,
}

impl Reject {
    /// Longest text that is kept of a row, in bytes.
    pub const LONGEST: usize = 4096;

    /// A reject with the row's text, shortened where it is very long.
    pub fn new(error: Error, text: &[u8]) -> Self {
        let kept = &text[..text.len().min(Self::LONGEST)];
        Reject { error, text: String::from_utf8_lossy(kept).into_owned() }
    }
}
