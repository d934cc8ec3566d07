//! Input: files of every format become [`Source`]s, which are cut into [`Split`]s and stream Arrow
//! record batches.
//!
//! A fault in the data is an [`Error`](crate::Error) with its place; nothing is skipped silently.

mod csv;
mod source;

pub use csv::CsvSource;
pub use source::{BatchStream, Extent, ReadAs, Request, Source, Split};
