//! A sink writes the rows of one file in one format.

use std::fs::File;

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::csv::CsvSink;
use crate::ipc::IpcSink;
use crate::job::Format;
use crate::parquet::ParquetSink;

/// Takes the rows of a file, in batches of any size, in order.
pub(crate) trait Sink {
    /// Adds rows. `UInt32` columns are categories and become eight hex digits.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Writes what is still held back and ends the file.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// The sink for `format`; `schema` is that of the batches to come.
pub(crate) fn create(file: File, schema: &SchemaRef, format: Format) -> Result<Box<dyn Sink>> {
    Ok(match format {
        Format::Parquet { compression, row_group_rows } => {
            Box::new(ParquetSink::new(file, schema, compression, row_group_rows)?)
        }
        Format::Ipc => Box::new(IpcSink::new(file, schema)),
        Format::Csv => Box::new(CsvSink::new(file, schema)?),
    })
}
