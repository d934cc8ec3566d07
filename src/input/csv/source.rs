//! The CSV file as a [`Source`].

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::layout::Layout;
use super::records::{BLOCK, CHUNK};
use super::starts::Starts;
use super::stream::{BATCH_BYTES, CsvStream};
use crate::error::{Error, Result};
use crate::input::bytes::Compression;
use crate::input::bytes::text_range;
use crate::input::disk::{Access, DiskFile};
use crate::input::{BatchStream, Extent, ReadOptions, Request, Source, Split};

/// A CSV or TSV file, plain or compressed with gzip or zstd.
///
/// Cells are separated by commas, tabs, semicolons or bars and quoted as in RFC 4180; a quote inside
/// an unquoted cell is a character like any other. Lines end with LF or CRLF, blank lines are skipped.
/// The delimiter, whether quotes are quotes, whether there is a header, and the columns' types are
/// found from samples spread over the file (of a compressed file: from its first 4 MiB of text), where
/// the options don't say them. Without a header, the columns are named `column_0`, `column_1` and so on.
///
/// An empty cell is a missing value. In columns of numbers, booleans and times so are `NA`, `N/A`,
/// `null`, `None`, `NaN`, `\N`, `?` and `-`, and spaces around a value don't matter; the nulls of the
/// options are missing values in columns of every type.
///
/// # Error handling
///
/// A cell that can't be read as requested, a record with too few or too many cells, and text after
/// a closing quote are errors with the line (counted from 1, line breaks inside quotes included), or rows
/// left out where rejects are asked for. Then text after a closing quote costs the rest of its line, a
/// quote that is never closed its line, a record longer than 64 MiB its own: the next line is read again.
/// Where a range of a plain file begins is guessed from the text around it, and the guess is checked
/// when the range before has been read: rows are never cut wrongly without an error. Whoever reads
/// only some of the splits does without that check.
#[derive(Debug)]
pub(crate) struct CsvSource {
    path: PathBuf,
    layout: Arc<Layout>,
    pub(super) split_bytes: u64,
    starts: Arc<Starts>,
}

/// Files up to this size that hold quotes are not cut: where a cell in the middle of a file begins must be
/// guessed then, and the guess may fail for the sake of very little.
const SMALL: u64 = 8 << 20;

/// Whether a plain file holds quotes that mean something.
fn has_quotes(path: &Path, layout: &Layout) -> Result<bool> {
    if layout.compression != Compression::None || layout.dialect == layout.dialect.unquoted() {
        return Ok(false);
    }
    let text = std::fs::read(path).map_err(|error| Error::io("can't read", path, &error))?;
    Ok(memchr::memchr(layout.dialect.quote, &text).is_some())
}

impl CsvSource {
    /// Opens a file and finds out from samples of it how to read it.
    pub(crate) fn open(path: &Path, options: &ReadOptions) -> Result<Self> {
        let layout = Layout::sniff(path, options)?;
        let split_bytes = if layout.len <= SMALL && has_quotes(path, &layout)? {
            layout.len.max(1)
        } else {
            (layout.len / 64).clamp(64 << 10, 4 << 20)
        };
        Ok(Self::new(path, layout, split_bytes))
    }

    pub(super) fn new(path: &Path, layout: Layout, split_bytes: u64) -> Self {
        let starts = Arc::new(Starts::new(layout.start, split_bytes));
        CsvSource { path: path.to_path_buf(), layout: Arc::new(layout), split_bytes, starts }
    }
}

impl Source for CsvSource {
    fn path(&self) -> &Path {
        &self.path
    }

    fn schema(&self) -> &SchemaRef {
        &self.layout.schema
    }

    fn splits(&self, file: usize) -> Vec<Split> {
        let Layout { compression, len, start, .. } = *self.layout;
        if compression != Compression::None {
            return vec![Split { file, extent: Extent::Whole, rows: None, bytes: len }];
        }
        // Ranges lie at multiples of the size, but for the first, which begins with the rows.
        let first = start / self.split_bytes;
        let range = |index: u64| {
            let start = start.max(index * self.split_bytes);
            let end = len.min((index + 1) * self.split_bytes);
            Split { file, extent: Extent::Bytes { start, end }, rows: None, bytes: end - start }
        };
        (first..len.div_ceil(self.split_bytes)).map(range).filter(|split| split.bytes > 0).collect()
    }

    fn ranges(&self, split: &Split, request: &Request) -> Vec<Range<u64>> {
        text_range(split, request, self.layout.len).into_iter().collect()
    }

    fn open(&self, split: &Split, request: &Request, access: Access) -> Result<Box<dyn BatchStream>> {
        let (start, end) = match split.extent {
            Extent::Bytes { start, end } if self.layout.compression == Compression::None => (start, end),
            Extent::Whole => (self.layout.start, u64::MAX),
            _ => return Err(Error::usage("this split is of a file of another format").in_file(&self.path)),
        };
        let file = DiskFile::open(&self.path, access)
            .map_err(|error| Error::io("can't read", &self.path, &error))?;
        let (layout, starts) = (self.layout.clone(), self.starts.clone());
        Ok(Box::new(CsvStream::new(&self.path, file, layout, starts, (start, end), request)?))
    }

    fn open_bytes(&self, split: &Split, request: &Request) -> usize {
        let Layout { compression, record_bytes, .. } = *self.layout;
        let rows = match split.extent {
            Extent::Bytes { .. } => request.batch_rows.min(split.bytes as usize / record_bytes + 1),
            _ => request.batch_rows,
        };
        // A batch ends early where records are long.
        let rows = rows.min(BATCH_BYTES as usize / record_bytes + 1);
        // Per row: the line number, and per column a value or, as text, about its share of a record.
        let row = 8 + 12 * request.columns.len() + record_bytes;
        // A block, and the ends of a chunk's cells, four bytes for each of its own at the most.
        let text = BLOCK.max(2 * record_bytes) + 4 * CHUNK.max(record_bytes);
        text + rows * row + compression.memory()
    }
}
