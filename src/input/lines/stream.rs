//! The record batches of one split.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema};

use super::Decoder;
use super::file::TextFile;
use super::reader::{LONGEST, Line, Lines};
use crate::error::{Error, Place, Result};
use crate::input::disk::Access;
use crate::input::{BatchStream, Reject, Request};

/// Bytes of text after which a batch is handed out early, so that long lines don't add up to more
/// than memory or a text array can hold. So many bytes of rejects without a row are given up at.
const BATCH_BYTES: usize = 64 << 20;

pub(super) struct LineStream {
    text: Arc<TextFile>,
    lines: Lines,
    /// Where the first line begins.
    start: u64,
    decoder: Box<dyn Decoder>,
    names: Vec<String>,
    batch_rows: usize,
    /// For each row of the last batch the lines between the start and it.
    numbers: Vec<u64>,
    /// Whether lines that can't be read are left out.
    leave_out: bool,
    rejects: Vec<Reject>,
    reject_bytes: usize,
}

impl LineStream {
    /// The lines that begin in a range.
    pub(super) fn new(
        text: Arc<TextFile>,
        (start, stop): (u64, u64),
        decoder: Box<dyn Decoder>,
        request: &Request,
        access: Access,
    ) -> Result<Self> {
        let lines = text.lines(start, stop, access).map_err(|error| text.failed(&error))?;
        Ok(LineStream {
            start: lines.position(),
            text,
            lines,
            decoder,
            names: request.columns.iter().map(|(name, _)| name.clone()).collect(),
            batch_rows: request.batch_rows.max(1),
            numbers: Vec::new(),
            leave_out: request.rejects,
            rejects: Vec::new(),
            reject_bytes: 0,
        })
    }

    /// Decodes the next line; `None` at the end, and otherwise its bytes.
    fn advance(&mut self) -> Result<Option<usize>> {
        let number = self.lines.count();
        let (error, text) = match self.lines.next().map_err(|error| self.text.failed(&error))? {
            None => return Ok(None),
            Some(Line::TooLong(beginning)) => {
                let error = Error::data(format!("found a line longer than {} MiB", LONGEST >> 20));
                (error.remedy("check that this is a file of one row per line"), beginning)
            }
            Some(Line::Text(text)) => {
                let line = self.lines.text(text);
                if line.trim_ascii_start().is_empty() {
                    return Ok(Some(line.len()));
                }
                match self.decoder.append(line) {
                    Ok(is_row) => {
                        if is_row {
                            self.numbers.push(number);
                        }
                        return Ok(Some(line.len()));
                    }
                    Err(error) => (error, line[..line.len().min(Reject::LONGEST)].to_vec()),
                }
            }
        };
        self.decoder.truncate(self.numbers.len());
        let error = error.at(self.text.line(self.start, number));
        if !self.leave_out {
            return Err(error);
        }
        if self.numbers.is_empty() && self.reject_bytes > BATCH_BYTES {
            return Err(
                error.remedy("none of many lines before it can be read either: check the file's format")
            );
        }
        self.reject_bytes += text.len();
        self.rejects.push(Reject::new(error, &text));
        Ok(Some(text.len()))
    }
}

impl BatchStream for LineStream {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        self.numbers.clear();
        let mut bytes = 0;
        while self.numbers.len() < self.batch_rows && (bytes < BATCH_BYTES || self.numbers.is_empty()) {
            match self.advance()? {
                Some(read) => bytes += read,
                None => break,
            }
        }
        let rows = self.numbers.len();
        if rows == 0 {
            return Ok(None);
        }
        let arrays = self.decoder.finish(rows).map_err(|error| error.in_file(self.text.path()))?;
        let fields: Vec<Field> = self
            .names
            .iter()
            .zip(&arrays)
            .map(|(name, array)| Field::new(name, array.data_type().clone(), true))
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
            .map_err(|error| Error::data(error.to_string()).in_file(self.text.path()))?;
        Ok(Some(batch))
    }

    fn take_rejects(&mut self) -> Vec<Reject> {
        self.reject_bytes = 0;
        std::mem::take(&mut self.rejects)
    }

    fn place(&self, row: usize) -> Place {
        match self.numbers.get(row) {
            Some(number) => self.text.line(self.start, *number),
            None => Place { file: Some(self.text.path().to_path_buf()), ..Place::default() },
        }
    }
}
