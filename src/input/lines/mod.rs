//! What the formats of one row per line share: LIBSVM, Vowpal Wabbit's text and JSON lines.
//!
//! A [`Format`] knows the columns of a file, found from a [sample](TextFile::sample) of its lines,
//! and gives [`Decoder`]s, which turn lines into columns. All else is done here, from the file up:
//!
//! - `file`: a text file, its samples and its line numbers
//! - `reader`: the lines that begin in a range of it
//! - `number`: decimal numbers, quickly
//! - `scalar`, `sparse`: Arrow arrays under construction, from which a row can be taken back
//! - `word`: words of text as values of such arrays
//! - `stream`, `source`: the formats' side of the traits of [`crate::input`]

mod file;
mod number;
mod reader;
mod scalar;
mod source;
mod sparse;
mod stream;
#[cfg(test)]
pub(super) mod testing;
mod word;

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;

pub(super) use file::TextFile;
pub(super) use number::{decimal, digits, float, float32, narrow};
pub(super) use scalar::{Scalar, Texts, Values, push_some, requested_type};
pub(super) use source::LineSource;
pub(super) use sparse::Sparse;
pub(super) use word::{Words, is_whole, shown};

use super::Request;
use crate::error::Result;

/// A format of one row per line, with the columns of one file.
pub(super) trait Format: Send + Sync {
    /// The file's columns.
    fn schema(&self) -> &SchemaRef;

    /// What decodes the lines of a split.
    fn decoder(&self, request: &Request) -> Box<dyn Decoder>;
}

/// Turns lines into the requested columns.
pub(super) trait Decoder: Send {
    /// Appends the row of a line that is not blank; false if it holds none (a comment). After an
    /// error some of the columns hold a part of the row, until [`Decoder::truncate`].
    fn append(&mut self, line: &[u8]) -> Result<bool>;

    /// Takes back all but the first `rows` rows.
    fn truncate(&mut self, rows: usize);

    /// The requested columns, which hold `rows` rows; leaves them empty.
    fn finish(&mut self, rows: usize) -> Result<Vec<ArrayRef>>;
}
