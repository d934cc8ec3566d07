//! The batches of a split: flat columns by readers of their own, the others by Arrow's.

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Field;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

use super::flat::FlatColumn;
use super::tools::Tools;
use super::{or_encrypted, text_of};
use crate::error::{Error, Place, Result};
use crate::features::translated_field;
use crate::input::arrange::put_together;
use crate::input::places::places;
use crate::input::source::{BatchStream, Request};

/// Where a requested column comes from.
pub(super) enum From {
    Flat(Box<FlatColumn>),
    /// Arrow's reader.
    Arrow,
    /// The file lacks it, or its rows have all been read.
    Nowhere,
}

pub(super) struct ParquetStream {
    pub(super) place: Place,
    pub(super) request: Request,
    /// For each requested column.
    pub(super) columns: Vec<From>,
    pub(super) tools: Tools,
    /// Arrow's reader, if there is anything for it.
    pub(super) arrow: Option<ParquetRecordBatchReader>,
    /// Rows of the row group before the next one that flat columns have still to pass over.
    pub(super) behind: usize,
    pub(super) next_row: u64,
    pub(super) last_row: u64,
    pub(super) end: u64,
}

impl BatchStream for ParquetStream {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        if self.next_row == self.end {
            return Ok(None);
        }
        let mut rows = (self.end - self.next_row).min(self.request.batch_rows as u64) as usize;
        let others = match &mut self.arrow {
            None => None,
            Some(reader) => match reader.next() {
                None => return Err(self.early()),
                Some(Err(error)) => return Err(self.damaged(&error.to_string())),
                Some(Ok(batch)) => {
                    rows = batch.num_rows();
                    Some(batch)
                }
            },
        };
        let is_last = self.next_row + rows as u64 == self.end;
        let behind = std::mem::take(&mut self.behind);
        let places = others.as_ref().map(|batch| places(batch.schema_ref())).unwrap_or_default();
        let mut found = Vec::with_capacity(self.columns.len());
        for (column, (name, _)) in self.columns.iter_mut().zip(&self.request.columns) {
            found.push(match column {
                From::Nowhere => None,
                From::Arrow => others.as_ref().and_then(|batch| {
                    let index = *places.get(name.as_str())?;
                    Some((batch.schema_ref().fields()[index].clone(), batch.column(index).clone()))
                }),
                From::Flat(flat) => match flat.next(behind, rows, &mut self.tools) {
                    Ok(array) => {
                        let field = match flat.is_translated() {
                            true => translated_field(name),
                            false => Field::new(name, array.data_type().clone(), true),
                        };
                        Some((Arc::new(field), array))
                    }
                    Err(error) => {
                        let name = name.clone();
                        return Err(self.damaged(&error.to_string()).in_column(&name));
                    }
                },
            });
            if is_last {
                // What was read leaves its buffers, which are still in the caches, to the next column.
                *column = From::Nowhere;
            }
        }
        self.last_row = self.next_row;
        self.next_row += rows as u64;
        let batch = put_together(found.into_iter(), &self.request, rows);
        batch.map(Some).map_err(|e| e.at(self.place.clone()))
    }

    fn place(&self, row: usize) -> Place {
        Place { row: Some(self.last_row + row as u64), ..self.place.clone() }
    }
}

impl ParquetStream {
    fn early(&self) -> Error {
        let message =
            format!("its rows end before row {}, though the footer promises {}", self.next_row, self.end);
        let remedy = "the file may be damaged: write or copy it again";
        Error::data(message).remedy(remedy).at(self.place.clone())
    }

    fn damaged(&self, error: &str) -> Error {
        let message = format!("can't decode the rows from {} on ({})", self.next_row, text_of(error));
        let error = Error::data(message).remedy("the file may be damaged: write or copy it again");
        let path = self.place.file.as_deref().unwrap_or(Path::new(""));
        or_encrypted(error, path).at(self.place.clone())
    }
}
