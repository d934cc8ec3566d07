//! CSV and TSV: text tables, plain or compressed with gzip or zstd.
//!
//! [`CsvSource::open`] finds out how a file is written (the [`Layout`](layout::Layout)) from samples
//! of it. A plain file is then cut into byte ranges that are read independently of each other; a
//! compressed one is read from its beginning. The parts, from the file up:
//!
//! - `tokens`: cuts a buffer of text into records and cells
//! - `records`: the two together: chunks of whole records
//! - `boundary`: guesses where a record begins, in the middle of a file
//! - `value`, `time`: a cell's meaning
//! - `layout`, `trial`, `kind`: what a file looks like, from a sample
//! - `column`: an Arrow array under construction
//! - `stream`, `source`: the format's side of the traits of [`crate::input`]

mod boundary;
mod column;
mod dialect;
mod kind;
mod layout;
mod records;
mod source;
mod stream;
#[cfg(test)]
mod tests;
mod time;
mod tokens;
mod trial;
mod value;

pub(super) use layout::unreadable;
pub(super) use source::CsvSource;
pub(super) use time::iso;
