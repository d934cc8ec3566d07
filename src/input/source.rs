//! What every format gives: a file is a [`Source`], cut into [`Split`]s, each a stream of batches.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::disk::Access;
use super::reject::Reject;
use crate::error::{Place, Result};
use crate::features::Translate;

/// A part of one file that can be read on its own, and is the unit of shuffling and of parallel
/// decoding. Where splits lie depends on the file alone, never on threads or memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Index of the file in its dataset.
    pub file: usize,
    /// Which part of the file.
    pub extent: Extent,
    /// Rows, where the format knows them without reading.
    pub rows: Option<u64>,
    /// Bytes on disk, for progress.
    pub bytes: u64,
}

/// Where in its file a split lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// `len` rows of a Parquet row group, from its row `start` on.
    Rows {
        /// The row group.
        group: usize,
        /// First row, counted in the row group.
        start: u64,
        /// Number of rows.
        len: u64,
    },
    /// One record batch of an Arrow IPC file.
    Batch(usize),
    /// The records of a text file that begin in these bytes (as cut by the format).
    Bytes {
        /// First byte of the range.
        start: u64,
        /// First byte after the range.
        end: u64,
    },
    /// The whole file, which can only be read from its beginning (compressed text, streams).
    Whole,
}

/// How the reader of a column means to use it; formats without types of their own (CSV) decode
/// accordingly, the others give what they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadAs {
    /// As the file's own schema says.
    Native,
    /// A number (`Float64` from text).
    Number,
    /// Text (`Utf8`, or a dictionary of it where the file holds one).
    Text,
    /// A date or timestamp (`Timestamp(Microsecond, None)` from text).
    Time,
}

/// The columns wanted of a split, and the size of its batches.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Names and uses, in the order in which the batches shall hold them.
    pub columns: Vec<(String, ReadAs)>,
    /// For each column its translation, where one is wanted; may be empty if none is. A format that has no use for it
    /// gives the column as it is.
    pub translations: Vec<Option<Arc<dyn Translate>>>,
    /// Most rows of a batch.
    pub batch_rows: usize,
    /// So many rows of each split are wanted, its first ones: who reads it ends with the batch that reaches them, if the
    /// stream does not end there.
    pub rows: Option<u64>,
    /// Whether rows that can't be read are left out, to be had from [`BatchStream::take_rejects`],
    /// instead of being errors. Only the text formats have such rows: what can't be read of the
    /// others is no single row.
    pub rejects: bool,
}

impl Request {
    /// The translation that is wanted of a column.
    pub(super) fn translation(&self, column: usize) -> Option<&Arc<dyn Translate>> {
        self.translations.get(column)?.as_ref()
    }
}

/// One file. Opened once for its schema and splits; then each split can be read from any thread.
pub trait Source: Send + Sync {
    /// The file's path.
    fn path(&self) -> &Path;

    /// The file in which its bytes can be read: another than its path where it is a copy.
    fn file(&self) -> &Path {
        self.path()
    }

    /// The file's columns. For text, as found from a sample.
    fn schema(&self) -> &SchemaRef;

    /// The splits, in the order of the file's rows; `file` is the index to put into them.
    fn splits(&self, file: usize) -> Vec<Split>;

    /// Starts reading a split. The batches hold the requested columns in the requested order; a
    /// column that this file lacks comes as nulls.
    fn open(&self, split: &Split, request: &Request, access: Access) -> Result<Box<dyn BatchStream>>;

    /// Where in the file that lies which reading a split takes, if it is to be fetched as a whole where files are read past the
    /// system's cache.
    fn ranges(&self, _split: &Split, _request: &Request) -> Vec<Range<u64>> {
        Vec::new()
    }

    /// Bytes of memory that an opened split holds at the most while it is read, besides the
    /// batch it hands out and what was fetched; an estimate from the file's metadata.
    fn open_bytes(&self, split: &Split, request: &Request) -> usize;

    /// Values that a row of a split has in the requested columns on average, all those of its lists among them; an
    /// estimate from the file's metadata.
    fn values_per_row(&self, _split: &Split, request: &Request) -> usize {
        request.columns.len()
    }
}

/// The batches of one split, in order.
pub trait BatchStream: Send {
    /// The next batch, of at least one and at most `batch_rows` rows; `None` at the end (there may be rejects
    /// still, after the last batch).
    fn next_batch(&mut self) -> Result<Option<RecordBatch>>;

    /// The rows that were left out since this was last asked, in the order of the file.
    fn take_rejects(&mut self) -> Vec<Reject> {
        Vec::new()
    }

    /// Where a row of the batch last returned stands in the file, for error messages. May be slow.
    fn place(&self, row: usize) -> Place;
}
