//! Parquet files with the settings of the writers that make most of them (pyarrow, Spark):
//! dictionaries of up to 1 MB, then plain pages; pages of 1 MB; statistics per column chunk.

use std::fs::File;
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::hex;
use crate::job::Compression;
use crate::sink::Sink;

const MEGABYTE: usize = 1 << 20;

/// Writes one Parquet file.
pub(crate) struct ParquetSink {
    writer: ArrowWriter<File>,
    schema: SchemaRef,
}

impl ParquetSink {
    pub(crate) fn new(
        file: File,
        schema: &SchemaRef,
        compression: Compression,
        row_group_rows: usize,
    ) -> Result<ParquetSink> {
        let schema = Arc::new(Schema::new(schema.fields().iter().map(|f| text_field(f)).collect::<Vec<_>>()));
        let mut properties = WriterProperties::builder()
            .set_compression(compression.into())
            .set_max_row_group_row_count(Some(row_group_rows))
            .set_dictionary_page_size_limit(MEGABYTE)
            .set_data_page_size_limit(MEGABYTE)
            .set_statistics_enabled(EnabledStatistics::Chunk);
        // Random floats never repeat: a dictionary of them is the column itself plus an index.
        for field in schema.fields().iter().filter(|f| f.data_type() == &DataType::Float32) {
            properties =
                properties.set_column_dictionary_enabled(ColumnPath::from(field.name().as_str()), false);
        }
        let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties.build()))?;
        Ok(ParquetSink { writer, schema })
    }
}

fn text_field(field: &Field) -> Field {
    match field.data_type() {
        DataType::UInt32 => field.clone().with_data_type(DataType::Utf8),
        _ => field.clone(),
    }
}

fn text_column(column: &ArrayRef) -> ArrayRef {
    match column.as_primitive_opt::<UInt32Type>() {
        Some(ids) => Arc::new(hex::strings(ids)),
        None => column.clone(),
    }
}

impl Sink for ParquetSink {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = batch.columns().iter().map(text_column).collect();
        Ok(self.writer.write(&RecordBatch::try_new(self.schema.clone(), columns)?)?)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.writer.close()?;
        Ok(())
    }
}
