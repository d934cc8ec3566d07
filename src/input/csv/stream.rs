//! The record batches of one split.

use std::cell::OnceCell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Schema, SchemaRef};

use super::boundary::Text;
use super::cells::Cells;
use super::column::Column;
use super::flaw::Flaw;
use super::layout::{Layout, unreadable};
use super::records::{Fault, Records};
use super::starts::Starts;
use super::texts::Room;
use crate::error::{Error, Part, Place, Result};
use crate::input::bytes::{Bytes, Compression};
use crate::input::disk::DiskFile;
use crate::input::places::places;
use crate::input::{BatchStream, Reject, Request};

/// Bytes of text after which a batch is handed out early, so that long cells don't add up to more
/// than memory or a text array can hold.
pub(super) const BATCH_BYTES: u64 = 64 << 20;

pub(super) struct CsvStream {
    path: PathBuf,
    file: Arc<DiskFile>,
    layout: Arc<Layout>,
    starts: Arc<Starts>,
    /// Where the first record begins, as guessed.
    start: u64,
    records: Records,
    columns: Vec<Column>,
    any_text: bool,
    schema: SchemaRef,
    batch_rows: usize,
    /// Line breaks between the start and each row of the last batch.
    lines: Vec<u64>,
    /// Where the next split begins nominally, as long as that isn't checked.
    unchecked: Option<u64>,
    /// What was left out since that was asked last, if anything may be.
    rejects: Option<Vec<Reject>>,
    /// Rows of the batch under construction that can't be read.
    left_out: Vec<usize>,
    /// Line breaks before the start; counted when the first row is left out.
    breaks: OnceCell<u64>,
}

/// A record that can't be read.
struct Misread {
    /// Where it lies in the chunk's text.
    range: std::ops::Range<usize>,
    /// Line breaks between the start and it.
    line: u64,
    /// Its index, unless it is ragged.
    record: Option<usize>,
    error: Error,
}

impl CsvStream {
    /// The records that begin in the nominal range; a range that ends at `u64::MAX` has no next.
    pub(super) fn new(
        path: &Path,
        file: DiskFile,
        layout: Arc<Layout>,
        starts: Arc<Starts>,
        (start, end): (u64, u64),
        request: &Request,
    ) -> Result<Self> {
        let file = Arc::new(file);
        let failed = |error: io::Error| unreadable(layout.compression, &error).in_file(path);
        let start = starts.at(text(&file, &layout), start).map_err(failed)?;
        let bytes = Bytes::open(file.clone(), layout.compression, layout.len, start).map_err(failed)?;
        let room = room(&layout, end.saturating_sub(start), request.batch_rows);
        let places = places(&layout.schema);
        let column = |(name, read_as): &(String, _)| {
            let field = places.get(name.as_str()).map(|place| (*place, layout.schema.field(*place)));
            Column::new(name, *read_as, field, layout.declared.contains(name), room)
        };
        let columns: Vec<Column> = request.columns.iter().map(column).collect();
        let fields: Vec<_> = columns.iter().map(Column::field).collect();
        Ok(CsvStream {
            path: path.to_path_buf(),
            file,
            start,
            records: Records::new(layout.dialect, Some(layout.columns()), bytes, start, end),
            any_text: columns.iter().any(Column::is_text),
            columns,
            schema: Arc::new(Schema::new(fields)),
            batch_rows: request.batch_rows.max(1),
            lines: Vec::new(),
            unchecked: (end < layout.len).then_some(end),
            rejects: request.rejects.then(Vec::new),
            left_out: Vec::new(),
            breaks: OnceCell::new(),
            layout,
            starts,
        })
    }

    /// Appends the current chunk's records to the columns.
    fn append(&mut self) -> Result<()> {
        let tokens = self.records.tokens();
        let Layout { dialect, spelling, .. } = &*self.layout;
        let text = self.records.padded_text();
        let cells = Cells::new(*dialect, spelling, tokens, text, self.layout.columns(), self.any_text);
        let mut bad = Vec::new();
        let mut misread: Vec<Misread> = Vec::new();
        for column in &mut self.columns {
            column.append(&cells, &mut bad).map_err(|error| error.in_file(&self.path))?;
            misread.extend(bad.drain(..).map(|record| Misread {
                range: tokens.range(record),
                line: tokens.line(record),
                record: Some(record),
                error: column.misread(&cells, record),
            }));
        }
        let before = self.lines.len();
        self.lines.extend((0..tokens.len()).map(|record| tokens.line(record)));
        if misread.is_empty() && tokens.ragged().is_empty() {
            return Ok(());
        }
        self.sort_out(before, misread)
    }

    /// Leaves out the records of the current chunk that can't be read, or fails with the first. `before`
    /// rows of the batch come from earlier chunks.
    #[cold]
    fn sort_out(&mut self, before: usize, mut misread: Vec<Misread>) -> Result<()> {
        misread.extend(self.records.tokens().ragged().iter().map(|ragged| Misread {
            range: ragged.range.clone(),
            line: ragged.line,
            record: None,
            error: ragged_error(ragged.cells, self.layout.columns()),
        }));
        // Of a record's faults, the one in the column that was asked for first counts.
        misread.sort_by_key(|misread| misread.range.start);
        misread.dedup_by_key(|misread| misread.range.start);
        for Misread { range, line, record, error } in misread {
            if self.rejects.is_none() {
                return Err(self.failed_at(line, error));
            }
            let text = self.records.padded_text().0[range].to_vec();
            self.left_out.extend(record.map(|record| before + record));
            self.reject(line, error, &text)?;
        }
        Ok(())
    }

    /// Notes a row that is left out.
    fn reject(&mut self, line: u64, error: Error, text: &[u8]) -> Result<()> {
        let breaks = match self.breaks.get() {
            Some(breaks) => *breaks,
            None => {
                let breaks = self
                    .count_breaks()
                    .map_err(|error| unreadable(self.layout.compression, &error).in_file(&self.path))?;
                *self.breaks.get_or_init(|| breaks)
            }
        };
        let reject = Reject::new(error.at(self.at_line(breaks + line)), text);
        self.rejects.get_or_insert_default().push(reject);
        Ok(())
    }

    /// Line breaks before the start, whatever stands there.
    fn count_breaks(&self) -> io::Result<u64> {
        match self.layout.compression {
            Compression::None => self.layout.breaks.before(&self.file, self.start),
            _ => Ok(self.layout.start_line),
        }
    }

    /// Leaves out a record with a flaw, or fails.
    #[cold]
    fn pass_over(&mut self, fault: Fault) -> Result<()> {
        match fault {
            Fault::Flaw(flaw) if self.rejects.is_some() => match self.records.skip(flaw.from) {
                Ok(text) => self.reject(flaw.line, flaw.error(), &text),
                Err(fault) => Err(self.fault(fault)),
            },
            fault => Err(self.fault(fault)),
        }
    }

    /// At the end of the split: it must be where the next one begins.
    fn check_end(&mut self) -> Result<()> {
        let Some(end) = self.unchecked.take() else { return Ok(()) };
        let next = self
            .starts
            .at(text(&self.file, &self.layout), end)
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
        match fault {
            Fault::Flaw(flaw) => self.failed_at(flaw.line, flaw.error()),
            Fault::Io(error) => unreadable(self.layout.compression, &error).in_file(&self.path),
        }
    }

    /// Adds the place to an error, `line` line breaks after the start. If the split's start was
    /// guessed wrongly, or there is a fault before it, that is the error instead.
    fn failed_at(&self, line: u64, error: Error) -> Error {
        match self.lines_before() {
            Ok(Some(before)) => error.at(self.at_line(before + line)),
            Ok(None) => self.ambiguous(self.start),
            Err(Fault::Flaw(flaw)) => {
                let Flaw { line, .. } = flaw;
                flaw.error().at(self.at_line(self.layout.start_line + line))
            }
            Err(Fault::Io(_)) => error.in_file(&self.path),
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
        if self.rejects.is_some() {
            return self.count_breaks().map(Some).map_err(Fault::Io);
        }
        let bytes = Bytes::open(self.file.clone(), Compression::None, len, start).map_err(Fault::Io)?;
        let mut before = Records::new(dialect, None, bytes, start, self.start);
        while before.next(usize::MAX)? {}
        Ok((before.position() == self.start).then_some(start_line + before.line()))
    }

    /// Appends records until the batch is full; false if the split ends with it.
    fn fill(&mut self) -> Result<bool> {
        self.lines.clear();
        self.left_out.clear();
        let start = self.records.position();
        while self.lines.len() < self.batch_rows && self.records.position() - start < BATCH_BYTES {
            match self.records.next(self.batch_rows - self.lines.len()) {
                Ok(true) => self.append()?,
                Ok(false) => {
                    self.check_end()?;
                    return Ok(false);
                }
                Err(fault) => self.pass_over(fault)?,
            }
        }
        Ok(true)
    }

    /// The batch of what was appended, without the rows that are left out.
    fn finish(&mut self) -> Result<RecordBatch> {
        let failed = |error: arrow::error::ArrowError| Error::data(error.to_string()).in_file(&self.path);
        let rows = self.lines.len();
        let arrays = self.columns.iter_mut().map(|column| column.finish(rows));
        let arrays = arrays.collect::<Result<_, _>>().map_err(failed)?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch =
            RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options).map_err(failed)?;
        if self.left_out.is_empty() {
            return Ok(batch);
        }
        let mut kept = vec![true; rows];
        self.left_out.iter().for_each(|row| kept[*row] = false);
        let mut row = kept.iter();
        self.lines.retain(|_| row.next().copied().unwrap_or(true));
        filter_record_batch(&batch, &BooleanArray::from(kept)).map_err(failed)
    }
}

/// What a batch of a split of so many bytes is likely to hold: memory that grows is copied.
fn room(layout: &Layout, bytes: u64, batch_rows: usize) -> Room {
    let rows = usize::try_from(bytes / layout.record_bytes.max(1) as u64).unwrap_or(usize::MAX);
    let rows = rows.saturating_add(rows / 8).min(batch_rows).min(1 << 16);
    Room { rows, cell_bytes: 1 + layout.record_bytes.div_ceil(layout.columns().max(1)).min(64) }
}

fn ragged_error(found: usize, expected: usize) -> Error {
    let cells = |count| format!("{count} cell{}", if count == 1 { "" } else { "s" });
    Error::data(format!("found {}, expected {} as in the first row", cells(found), cells(expected)))
        .remedy("put cells that contain the delimiter or a line break in double quotes")
}

/// The text of a plain file that is laid out so.
fn text<'a>(file: &'a DiskFile, layout: &Layout) -> Text<'a> {
    Text { file, len: layout.len, dialect: layout.dialect, columns: layout.columns() }
}

impl BatchStream for CsvStream {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let goes_on = self.fill()?;
            if !self.lines.is_empty() {
                let batch = self.finish()?;
                if batch.num_rows() > 0 {
                    return Ok(Some(batch));
                }
            }
            if !goes_on {
                return Ok(None);
            }
        }
    }

    fn take_rejects(&mut self) -> Vec<Reject> {
        self.rejects.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn place(&self, row: usize) -> Place {
        let file = Place { file: Some(self.path.clone()), ..Place::default() };
        match (self.lines.get(row), self.lines_before()) {
            (Some(line), Ok(Some(before))) => self.at_line(before + line),
            _ => file,
        }
    }
}
