//! A table on its way out: Parquet, CSV, Arrow or JSON, to a file or to standard output.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::FileWriter;
use arrow::json::{ArrayWriter, LineDelimitedWriter};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::atomic::AtomicFile;
use crate::blocking::Blocking;
use crate::error::{Error, Kind, Result};

/// The format of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Parquet, zstd.
    Parquet,
    /// CSV with a header.
    Csv,
    /// Tab-separated values with a header.
    Tsv,
    /// An Arrow IPC file.
    Arrow,
    /// A JSON array of objects.
    Json,
    /// A JSON object on each line.
    JsonLines,
}

impl Format {
    /// The format that a path's extension names.
    ///
    /// # Errors
    /// If it names none.
    pub fn of(path: &Path) -> Result<Format> {
        match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("parquet" | "parq" | "pq") => Ok(Format::Parquet),
            Some("csv") => Ok(Format::Csv),
            Some("tsv") => Ok(Format::Tsv),
            Some("arrow" | "feather" | "ipc") => Ok(Format::Arrow),
            Some("json") => Ok(Format::Json),
            Some("jsonl" | "ndjson") => Ok(Format::JsonLines),
            _ => Err(Error::usage(format!("can't tell the format of {} from its name", path.display()))
                .remedy("end it in .parquet, .csv, .tsv, .arrow, .json or .jsonl")),
        }
    }
}

/// Writes record batches of one schema.
pub struct TableWriter {
    encoder: Encoder,
    /// What it is called in messages.
    name: PathBuf,
}

enum Encoder {
    Parquet(Box<ArrowWriter<AtomicFile>>),
    Csv(arrow::csv::Writer<AtomicFile>),
    Arrow(Box<FileWriter<AtomicFile>>),
    Json(Box<ArrayWriter<BufWriter<AtomicFile>>>),
    JsonLines(Box<LineDelimitedWriter<BufWriter<AtomicFile>>>),
    Stdout(arrow::csv::Writer<BufWriter<Blocking<io::Stdout>>>),
}

impl TableWriter {
    /// A writer to a file, by its extension. What comes behind the first `kept` columns is predictions: numbers of which few
    /// are the same, and classes of which each row has one. To find that out took longer than to make them.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn create(file: AtomicFile, schema: SchemaRef, kept: usize) -> Result<Self> {
        let csv = |delimiter| arrow::csv::WriterBuilder::new().with_header(true).with_delimiter(delimiter);
        let name = file.path().to_path_buf();
        let encoder = match Format::of(&name)? {
            Format::Parquet => {
                let mut properties =
                    WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default()));
                for field in schema.fields().iter().skip(kept) {
                    let column = ColumnPath::new(vec![field.name().clone()]);
                    properties = properties
                        .set_column_dictionary_enabled(column.clone(), false)
                        .set_column_statistics_enabled(column, EnabledStatistics::None);
                }
                let writer = ArrowWriter::try_new(file, schema, Some(properties.build()));
                Encoder::Parquet(Box::new(writer.map_err(parquet_fault)?))
            }
            Format::Csv => Encoder::Csv(csv(b',').build(file)),
            Format::Tsv => Encoder::Csv(csv(b'\t').build(file)),
            Format::Arrow => {
                Encoder::Arrow(Box::new(FileWriter::try_new(file, &schema).map_err(arrow_fault)?))
            }
            Format::Json => Encoder::Json(Box::new(ArrayWriter::new(BufWriter::new(file)))),
            Format::JsonLines => Encoder::JsonLines(Box::new(LineDelimitedWriter::new(BufWriter::new(file)))),
        };
        Ok(TableWriter { encoder, name })
    }

    /// A writer of CSV to standard output.
    pub fn stdout() -> Self {
        let writer = arrow::csv::WriterBuilder::new().with_header(true);
        TableWriter {
            name: PathBuf::from("standard output"),
            encoder: Encoder::Stdout(writer.build(BufWriter::with_capacity(1 << 16, Blocking(io::stdout())))),
        }
    }

    /// Writes a batch.
    ///
    /// # Errors
    /// If the disk fails, or nobody reads our output any more.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match &mut self.encoder {
            Encoder::Parquet(writer) => writer.write(batch).map_err(parquet_fault),
            Encoder::Csv(writer) => writer.write(batch).map_err(arrow_fault),
            Encoder::Arrow(writer) => writer.write(batch).map_err(arrow_fault),
            Encoder::Json(writer) => writer.write(batch).map_err(arrow_fault),
            Encoder::JsonLines(writer) => writer.write(batch).map_err(arrow_fault),
            Encoder::Stdout(writer) => writer.write(batch).map_err(arrow_fault),
        }
        .map_err(|error| error.in_file(&self.name))
    }

    /// Finishes the table; only now does a file get its name.
    ///
    /// # Errors
    /// If the disk fails, or nobody reads our output any more.
    pub fn finish(self) -> Result<()> {
        let name = self.name;
        match self.encoder {
            Encoder::Parquet(writer) => writer.into_inner().map_err(parquet_fault)?.commit(),
            Encoder::Csv(writer) => writer.into_inner().commit(),
            Encoder::Arrow(writer) => writer.into_inner().map_err(arrow_fault)?.commit(),
            Encoder::Json(mut writer) => {
                writer.finish().map_err(arrow_fault)?;
                unbuffered(writer.into_inner())?.commit()
            }
            Encoder::JsonLines(mut writer) => {
                writer.finish().map_err(arrow_fault)?;
                unbuffered(writer.into_inner())?.commit()
            }
            Encoder::Stdout(writer) => {
                let mut out = writer.into_inner();
                out.flush().map_err(|e| io_fault(&e))
            }
        }
        .map_err(|error| error.in_file(&name))
    }
}

fn unbuffered(writer: BufWriter<AtomicFile>) -> Result<AtomicFile> {
    writer.into_inner().map_err(|e| io_fault(e.error()))
}

fn io_fault(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Error::new(Kind::BrokenPipe, "nobody reads the output"),
        io::ErrorKind::StorageFull => Error::new(Kind::Io, "can't write the output: the disk is full"),
        _ => Error::new(Kind::Io, format!("can't write the output: {error}")),
    }
}

/// The error behind an error, if it came from the operating system.
pub(crate) fn io_cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a io::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io);
        }
        cause = error.source();
    }
    None
}

fn arrow_fault(error: ArrowError) -> Error {
    match &error {
        ArrowError::IoError(_, io) => io_fault(io),
        // The CSV writer tells only in words what went wrong.
        other if other.to_string().contains("Broken pipe") => io_fault(&io::ErrorKind::BrokenPipe.into()),
        other if other.to_string().contains("No space left") => io_fault(&io::ErrorKind::StorageFull.into()),
        other => match io_cause(other) {
            Some(io) => io_fault(io),
            None => Error::new(Kind::Io, format!("can't write the output: {other}")),
        },
    }
}

fn parquet_fault(error: ParquetError) -> Error {
    match io_cause(&error) {
        Some(io) => io_fault(io),
        None => Error::new(Kind::Io, format!("can't write the output: {error}")),
    }
}
