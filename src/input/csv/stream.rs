//! The record batches of one split.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};

use super::boundary::record_start;
use super::column::{Cells, Column};
use super::layout::{Layout, unreadable};
use super::records::{Fault, LONGEST, Records};
use super::tokens::Flaw;
use crate::error::{Error, Part, Place, Result};
use crate::input::bytes::{Bytes, Compression};
use crate::input::{BatchStream, Request};

/// Bytes of text after which a batch is handed out early, so that long cells don't add up to more
/// than memory or a text array can hold.
const BATCH_BYTES: u64 = 64 << 20;

pub(super) struct CsvStream {
    path: PathBuf,
    file: Arc<File>,
    layout: Arc<Layout>,
    /// Where the first record begins, as guessed.
    start: u64,
    records: Records,
    columns: Vec<Column>,
    schema: SchemaRef,
    batch_rows: usize,
    /// Line breaks between the start and each row of the last batch.
    lines: Vec<u64>,
    /// Where the next split begins nominally, as long as that isn't checked.
    unchecked: Option<u64>,
}

impl CsvStream {
    /// The records that begin in the nominal range; a range that ends at `u64::MAX` has no next.
    pub(super) fn new(
        path: &Path,
        file: File,
        layout: Arc<Layout>,
        (start, end): (u64, u64),
        request: &Request,
    ) -> Result<Self> {
        let file = Arc::new(file);
        let failed = |error: io::Error| unreadable(layout.compression, &error).in_file(path);
        let start = true_start(&file, &layout, start).map_err(failed)?;
        let bytes = Bytes::open(file.clone(), layout.compression, layout.len, start).map_err(failed)?;
        let column =
            |(name, read_as): &(String, _)| Column::new(name, *read_as, layout.schema.column_with_name(name));
        let columns: Vec<Column> = request.columns.iter().map(column).collect();
        let fields: Vec<_> = columns.iter().map(Column::field).collect();
        Ok(CsvStream {
            path: path.to_path_buf(),
            file,
            start,
            records: Records::new(layout.dialect, bytes, start, end),
            columns,
            schema: Arc::new(Schema::new(fields)),
            batch_rows: request.batch_rows.max(1),
            lines: Vec::new(),
            unchecked: (end < layout.len).then_some(end),
            layout,
        })
    }

    /// Appends the current chunk's records to the columns.
    fn append(&mut self) -> Result<()> {
        let tokens = self.records.tokens();
        let expected = self.layout.columns();
        if let Some(ragged) = (0..tokens.len()).find(|record| tokens.cells(*record) != expected) {
            let cells = |count| format!("{count} cell{}", if count == 1 { "" } else { "s" });
            let (found, expected) = (cells(tokens.cells(ragged)), cells(expected));
            let error = Error::data(format!("found {found}, expected {expected} as in the first row"))
                .remedy("put cells that contain the delimiter or a line break in double quotes");
            return Err(self.failed_at(tokens.line(ragged), error));
        }
        let cells = Cells::new(self.layout.dialect, tokens, self.records.text(), &self.columns);
        for column in &mut self.columns {
            if let Err((record, error)) = column.append(&cells) {
                let line = tokens.line(record);
                return Err(self.failed_at(line, error));
            }
        }
        self.lines.extend((0..tokens.len()).map(|record| tokens.line(record)));
        Ok(())
    }

    /// At the end of the split: it must be where the next one begins.
    fn check_end(&mut self) -> Result<()> {
        let Some(end) = self.unchecked.take() else { return Ok(()) };
        let next = true_start(&self.file, &self.layout, end)
            .map_err(|error| unreadable(self.layout.compression, &error).in_file(&self.path))?;
        if next == self.records.position() { Ok(()) } else { Err(self.ambiguous(end)) }
    }

    fn ambiguous(&self, byte: u64) -> Error {
        Error::data(format!("the quoting of the file is ambiguous around byte {byte}"))
            .remedy(
                "write it with consistent quotes (doubled inside cells), or compress it with gzip, which is \
                 read from the start",
            )
            .in_file(&self.path)
    }

    fn fault(&self, fault: Fault) -> Error {
        match described(fault) {
            Ok((line, error)) => self.failed_at(line, error),
            Err(error) => unreadable(self.layout.compression, &error).in_file(&self.path),
        }
    }

    /// Adds the place to an error, `line` line breaks after the start. If the split's start was
    /// guessed wrongly, or there is a fault before it, that is the error instead.
    fn failed_at(&self, line: u64, error: Error) -> Error {
        match self.lines_before() {
            Ok(Some(before)) => error.at(self.at_line(before + line)),
            Ok(None) => self.ambiguous(self.start),
            Err(fault) => match described(fault) {
                Ok((line, earlier)) => earlier.at(self.at_line(self.layout.start_line + line)),
                Err(_) => error.in_file(&self.path),
            },
        }
    }

    fn at_line(&self, line_breaks: u64) -> Place {
        Place { file: Some(self.path.clone()), part: Some(Part::Line(line_breaks + 1)), ..Place::default() }
    }

    /// Line breaks before the start; reads everything before it. `None` if no record begins there.
    fn lines_before(&self) -> Result<Option<u64>, Fault> {
        let Layout { dialect, len, start, start_line, .. } = *self.layout;
        if self.start == start {
            return Ok(Some(start_line));
        }
        let bytes = Bytes::open(self.file.clone(), Compression::None, len, start).map_err(Fault::Io)?;
        let mut before = Records::new(dialect, bytes, start, self.start);
        while before.next(usize::MAX)? {}
        Ok((before.position() == self.start).then_some(start_line + before.line()))
    }
}

/// A fault in the text as an error, and the line breaks before it; or that of the file.
fn described(fault: Fault) -> Result<(u64, Error), io::Error> {
    match fault {
        Fault::Flaw(Flaw::Unclosed(line)) => {
            let error = Error::data("the quote that opens a cell here is never closed");
            Ok((line, error.remedy("close it, or double quotes that are part of a quoted cell")))
        }
        Fault::Flaw(Flaw::AfterQuote(line)) => {
            let error = Error::data("found text after the closing quote of a cell that begins here");
            Ok((line, error.remedy("double the quotes that are part of a quoted cell")))
        }
        Fault::TooLong(line) => {
            let error = Error::data(format!("found a record longer than {} MiB", LONGEST >> 20));
            Ok((line, error.remedy("check that every quote is closed")))
        }
        Fault::Io(error) => Err(error),
    }
}

/// Where the records of a split begin that nominally begins at `nominal`.
fn true_start(file: &File, layout: &Layout, nominal: u64) -> io::Result<u64> {
    if nominal <= layout.start {
        return Ok(layout.start);
    }
    record_start(file, layout.len, layout.dialect, layout.columns(), nominal)
}

impl BatchStream for CsvStream {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        self.lines.clear();
        let start = self.records.position();
        while self.lines.len() < self.batch_rows && self.records.position() - start < BATCH_BYTES {
            match self.records.next(self.batch_rows - self.lines.len()) {
                Ok(true) => self.append()?,
                Ok(false) => {
                    self.check_end()?;
                    break;
                }
                Err(fault) => return Err(self.fault(fault)),
            }
        }
        let rows = self.lines.len();
        if rows == 0 {
            return Ok(None);
        }
        let arrays = self.columns.iter_mut().map(|column| column.finish(rows)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)
            .map_err(|error| Error::data(error.to_string()).in_file(&self.path))?;
        Ok(Some(batch))
    }

    fn place(&self, row: usize) -> Place {
        let file = Place { file: Some(self.path.clone()), ..Place::default() };
        match (self.lines.get(row), self.lines_before()) {
            (Some(line), Ok(Some(before))) => self.at_line(before + line),
            _ => file,
        }
    }
}
