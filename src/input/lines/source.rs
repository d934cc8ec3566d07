//! A file of one row per line as a [`Source`].

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::Format;
use super::file::{Sampled, TextFile};
use super::reader::BLOCK;
use super::stream::LineStream;
use crate::error::{Error, Result};
use crate::input::bytes::Compression;
use crate::input::bytes::text_range;
use crate::input::disk::Access;
use crate::input::{BatchStream, Extent, Request, Source, Split};

/// A file of one row per line, plain or compressed with gzip or zstd. Lines end with LF or CRLF, the
/// last need not; blank lines are skipped.
///
/// # Error handling
///
/// A line that can't be read, or is longer than 64 MiB, is an error with the number of the line
/// (counted from 1), or a reject where the request wants that. What is wrong in columns that were not
/// requested need not be found.
pub(in crate::input) struct LineSource {
    text: Arc<TextFile>,
    format: Box<dyn Format>,
    sampled: Sampled,
    split_bytes: u64,
}

impl LineSource {
    /// A file whose lines have been sampled.
    pub(in crate::input) fn new(text: TextFile, sampled: Sampled, format: Box<dyn Format>) -> Self {
        let split_bytes = (text.len() / 64).clamp(64 << 10, 4 << 20);
        LineSource { text: Arc::new(text), format, sampled, split_bytes }
    }

    /// Cuts into splits of another size.
    #[cfg(test)]
    pub(in crate::input) fn in_splits_of(self, split_bytes: u64) -> Self {
        LineSource { split_bytes, ..self }
    }
}

impl Source for LineSource {
    fn path(&self) -> &Path {
        self.text.path()
    }

    fn schema(&self) -> &SchemaRef {
        self.format.schema()
    }

    fn splits(&self, file: usize) -> Vec<Split> {
        let (len, text_start) = (self.text.len(), self.text.start());
        if self.text.compression() != Compression::None {
            return vec![Split { file, extent: Extent::Whole, rows: None, bytes: len }];
        }
        let range = |index: u64| {
            let start = text_start.max(index * self.split_bytes);
            let end = len.min((index + 1) * self.split_bytes);
            Split { file, extent: Extent::Bytes { start, end }, rows: None, bytes: end.saturating_sub(start) }
        };
        (0..len.div_ceil(self.split_bytes)).map(range).filter(|split| split.bytes > 0).collect()
    }

    fn ranges(&self, split: &Split, request: &Request) -> Vec<Range<u64>> {
        text_range(split, request, self.text.len()).into_iter().collect()
    }

    fn open(&self, split: &Split, request: &Request, access: Access) -> Result<Box<dyn BatchStream>> {
        let (start, end) = match split.extent {
            Extent::Bytes { start, end } if self.text.compression() == Compression::None => (start, end),
            Extent::Whole => (self.text.start(), u64::MAX),
            _ => return Err(Error::usage("this split is of a file of another format").in_file(self.path())),
        };
        let decoder = self.format.decoder(request);
        Ok(Box::new(LineStream::new(self.text.clone(), (start, end), decoder, request, access)?))
    }

    fn open_bytes(&self, split: &Split, request: &Request) -> usize {
        let Sampled { lines, bytes, longest } = self.sampled;
        let line_bytes = bytes / lines.max(1) + 1;
        let rows = match split.extent {
            Extent::Bytes { .. } => request.batch_rows.min(split.bytes as usize / line_bytes + 1),
            _ => request.batch_rows,
        };
        // Per row: the line number, and what the text becomes: a number of eight bytes takes two
        // bytes of text at the least, and vectors that grow have room for as much again.
        let row = 8 + 4 * line_bytes + 16 * request.columns.len();
        // The buffer doubles up to the longest line.
        BLOCK.max(4 * longest) + rows * row + self.text.compression().memory()
    }
}
