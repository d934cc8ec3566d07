//! Arrow IPC: files and streams, both mapped into memory, whose record batches are used in place. A
//! file's batches are splits; a stream can only be read from its beginning.

mod file;
mod message;
mod owned;
mod stream;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use super::places::places;
use super::source::Request;
use crate::error::Error;

pub(super) use file::{IpcSource, Recent};
pub(super) use stream::IpcStreamSource;

fn unreadable(why: impl std::fmt::Display) -> Error {
    Error::data(format!("not a readable Arrow file ({why})"))
        .remedy("it may be damaged or cut short: write or copy it again")
}

/// The requested columns that are there, ascending.
fn projection(schema: &Schema, request: &Request) -> Vec<usize> {
    let places = places(schema);
    let mut columns: Vec<usize> =
        request.columns.iter().filter_map(|(name, _)| places.get(name.as_str()).copied()).collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// Parts of at most `batch_rows` rows of a batch.
struct Slices {
    batch: Option<RecordBatch>,
    batch_rows: usize,
    at: usize,
    last: usize,
}

impl Slices {
    fn new(batch: Option<RecordBatch>, batch_rows: usize) -> Self {
        Slices { batch, batch_rows, at: 0, last: 0 }
    }

    fn next(&mut self) -> Option<RecordBatch> {
        let batch = self.batch.as_ref()?;
        let rows = self.batch_rows.min(batch.num_rows() - self.at);
        if rows == 0 {
            self.batch = None;
            return None;
        }
        self.last = self.at;
        self.at += rows;
        Some(batch.slice(self.last, rows))
    }
}
