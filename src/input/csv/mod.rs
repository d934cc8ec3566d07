//! CSV and TSV: text tables, plain or compressed with gzip or zstd.
//!
//! [`CsvSource::open`] finds out how a file is written (the [`Layout`](layout::Layout)) from samples
//! of it. A plain file is then cut into byte ranges that are read independently of each other; a
//! compressed one is read from its beginning. The parts, from the file up:
//!
//! - `mask`, `tokens`: cut a buffer of text into records and cells; `flaw`: what can't be cut
//! - `records`: the two together: chunks of whole records
//! - `boundary`: guesses where a record begins, in the middle of a file; `starts`: what was found for ranges; `quiet`:
//!   where there are no quotes
//! - `value`, `digits`, `time`, `spelling`: a cell's meaning
//! - `layout`, `trial`, `kind`: what a file looks like, from a sample
//! - `cells`, `column`, `bits`, `texts`: Arrow arrays under construction
//! - `breaks`: where lines begin, for messages
//! - `stream`, `source`: the format's side of the traits of [`crate::input`]

mod bits;
mod boundary;
mod breaks;
mod cells;
mod column;
mod dialect;
mod digits;
mod flaw;
mod kind;
mod layout;
mod mask;
mod quiet;
mod records;
mod source;
mod spelling;
mod starts;
mod stream;
#[cfg(test)]
mod tests;
mod texts;
mod time;
mod tokens;
mod trial;
mod value;

pub(super) use layout::unreadable;
pub(super) use source::CsvSource;
pub(super) use time::iso;
