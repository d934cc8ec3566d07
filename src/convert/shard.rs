//! A shard under construction: rows are taken in batch by batch, and written when it is full.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, RecordBatch};
use arrow::compute::{BatchCoalescer, cast};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};
use arrow::ipc::{CompressionType, MetadataVersion};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::config::ShardFormat;
use super::dictionary::Dictionary;
use super::statistics::Statistics;
use crate::error::{Error, Result};
use crate::output::io_cause;

/// Rows of a record batch, and of a Parquet row group.
const BATCH_ROWS: usize = 1 << 16;
const GROUP_ROWS: usize = 1 << 17;

/// How rows are stored: the same for all shards of a conversion.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// The columns as they are stored, categories with dictionaries.
    pub(super) schema: SchemaRef,
    pub(super) format: ShardFormat,
    /// Bytes of a shard, about.
    pub(super) shard_bytes: usize,
}

impl Layout {
    fn is_category(field: &Field) -> bool {
        matches!(field.data_type(), DataType::Dictionary(_, _))
    }

    /// The schema with keys in the place of categories.
    fn keyed(&self) -> SchemaRef {
        let keyed = |field: &Arc<Field>| match Self::is_category(field) {
            true => Arc::new(field.as_ref().clone().with_data_type(DataType::Int32)),
            false => field.clone(),
        };
        Arc::new(Schema::new(self.schema.fields().iter().map(keyed).collect::<Vec<_>>()))
    }
}

/// A shard that is finished, under a temporary name.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) path: PathBuf,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) statistics: Vec<Statistics>,
}

/// A shard under construction. Dropped before it is finished, it leaves no file.
pub(super) struct ShardWriter {
    layout: Arc<Layout>,
    draft: Draft,
    rows: u64,
    statistics: Vec<Statistics>,
    sink: Sink,
}

/// A file that disappears again unless it is kept.
struct Draft(Option<PathBuf>);

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // The reason why it is dropped has been reported already.
            let _ = std::fs::remove_file(path);
        }
    }
}

enum Sink {
    /// The format allows one dictionary for a column and file, and programs that read it as a stream
    /// want it before the rows: so all rows are held until the last one is known.
    Ipc {
        dictionaries: Vec<Option<Dictionary>>,
        rows: Box<BatchCoalescer>,
        held: usize,
    },
    Parquet(Box<ArrowWriter<BufWriter<File>>>),
}

impl ShardWriter {
    /// An empty shard that will lie at `path`.
    pub(super) fn create(layout: Arc<Layout>, path: PathBuf) -> Result<Self> {
        let fields = layout.schema.fields();
        let sink = match layout.format {
            ShardFormat::Ipc(_) => Sink::Ipc {
                dictionaries: fields.iter().map(|f| Layout::is_category(f).then(Dictionary::new)).collect(),
                rows: Box::new(BatchCoalescer::new(layout.keyed(), BATCH_ROWS)),
                held: 0,
            },
            ShardFormat::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .set_max_row_group_row_count(Some(GROUP_ROWS))
                    .build();
                let file = BufWriter::with_capacity(1 << 20, create(&path)?);
                let writer = ArrowWriter::try_new(file, layout.schema.clone(), Some(properties));
                Sink::Parquet(Box::new(writer.map_err(|e| parquet_fault(&path, &e))?))
            }
        };
        let statistics = fields.iter().map(|field| Statistics::of(field.data_type())).collect();
        Ok(ShardWriter { layout, draft: Draft(Some(path)), rows: 0, statistics, sink })
    }

    fn path(&self) -> &Path {
        self.draft.0.as_deref().unwrap_or(Path::new(""))
    }

    /// Takes in rows, whose columns are those of the layout (categories in any form).
    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        for (statistics, column) in self.statistics.iter_mut().zip(batch.columns()) {
            statistics.add(column)?;
        }
        let path = self.draft.0.as_deref().unwrap_or(Path::new(""));
        match &mut self.sink {
            Sink::Ipc { dictionaries, rows, held } => {
                let mut columns = Vec::with_capacity(batch.num_columns());
                for (column, dictionary) in batch.columns().iter().zip(dictionaries.iter_mut()) {
                    columns.push(match dictionary {
                        Some(dictionary) => Arc::new(dictionary.keys(column)?) as ArrayRef,
                        None => column.clone(),
                    });
                }
                let keyed =
                    RecordBatch::try_new(rows.schema(), columns).map_err(|e| arrow_fault(path, &e))?;
                *held += keyed.columns().iter().map(slice_bytes).sum::<usize>();
                rows.push_batch(keyed).map_err(|e| arrow_fault(path, &e))
            }
            Sink::Parquet(writer) => {
                let mut columns = Vec::with_capacity(batch.num_columns());
                for (column, field) in batch.columns().iter().zip(self.layout.schema.fields()) {
                    columns.push(match Layout::is_category(field) {
                        true => cast(column, field.data_type()).map_err(|e| arrow_fault(path, &e))?,
                        false => column.clone(),
                    });
                }
                let batch = RecordBatch::try_new(self.layout.schema.clone(), columns)
                    .map_err(|e| arrow_fault(path, &e))?;
                writer.write(&batch).map_err(|e| parquet_fault(path, &e))
            }
        }
    }

    /// Bytes that the file would have now, about.
    pub(super) fn bytes(&self) -> usize {
        match &self.sink {
            Sink::Ipc { dictionaries, held, .. } => {
                held + dictionaries.iter().flatten().map(Dictionary::bytes).sum::<usize>()
            }
            Sink::Parquet(writer) => writer.bytes_written() + writer.in_progress_size(),
        }
    }

    /// Of each column whether it holds texts that repeat, so that a dictionary of them saves something.
    pub(super) fn repeats(&self) -> Vec<bool> {
        let Sink::Ipc { dictionaries, .. } = &self.sink else { return Vec::new() };
        let repeats = |(dictionary, statistics): (&Option<Dictionary>, &Statistics)| {
            dictionary.as_ref().is_some_and(|d| 10 * d.len() as u64 <= 7 * statistics.present)
        };
        dictionaries.iter().zip(&self.statistics).map(repeats).collect()
    }

    /// Whether it has the size that a shard should have.
    pub(super) fn is_full(&self) -> bool {
        self.bytes() >= self.layout.shard_bytes
    }

    /// Writes what is left to write; `None` if there were no rows.
    pub(super) fn finish(mut self) -> Result<Option<Shard>> {
        if self.rows == 0 {
            return Ok(None);
        }
        let path = self.path().to_path_buf();
        match self.sink {
            Sink::Ipc { dictionaries, mut rows, .. } => {
                rows.finish_buffered_batch().map_err(|e| arrow_fault(&path, &e))?;
                let texts = dictionaries.into_iter().map(|d| d.map(Dictionary::finish).transpose());
                write_ipc(&path, &self.layout, &texts.collect::<Result<Vec<_>>>()?, *rows)?;
            }
            Sink::Parquet(writer) => {
                let file = writer.into_inner().map_err(|e| parquet_fault(&path, &e))?;
                file.into_inner().map_err(|e| Error::io("can't write", &path, e.error()))?;
            }
        }
        let bytes = std::fs::metadata(&path).map_err(|e| Error::io("can't write", &path, &e))?.len();
        self.draft.0 = None;
        Ok(Some(Shard { path, rows: self.rows, bytes, statistics: self.statistics }))
    }
}

fn create(path: &Path) -> Result<File> {
    File::create(path).map_err(|e| Error::io("can't write", path, &e))
}

fn write_ipc(
    path: &Path,
    layout: &Layout,
    texts: &[Option<ArrayRef>],
    mut rows: BatchCoalescer,
) -> Result<()> {
    let fault = |e: ArrowError| arrow_fault(path, &e);
    let ShardFormat::Ipc(compression) = layout.format else { return Ok(()) };
    let options = IpcWriteOptions::try_new(64, false, MetadataVersion::V5)
        .and_then(|options| options.try_with_compression(compression.map(CompressionType::from)))
        .map_err(fault)?;
    let file = BufWriter::with_capacity(1 << 20, create(path)?);
    let mut writer = FileWriter::try_new_with_options(file, &layout.schema, options).map_err(fault)?;
    while let Some(batch) = rows.next_completed_batch() {
        let attach = |(column, texts): (&ArrayRef, &Option<ArrayRef>)| match texts {
            None => Ok(column.clone()),
            Some(texts) => {
                let keys = column.as_primitive::<Int32Type>().clone();
                DictionaryArray::try_new(keys, texts.clone()).map(|array| Arc::new(array) as ArrayRef)
            }
        };
        let columns = batch.columns().iter().zip(texts).map(attach).collect::<Result<Vec<_>, _>>();
        let batch = columns
            .and_then(|columns| RecordBatch::try_new(layout.schema.clone(), columns))
            .map_err(fault)?;
        writer.write(&batch).map_err(fault)?;
    }
    writer.finish().map_err(fault)?;
    let file = writer.into_inner().map_err(fault)?;
    file.into_inner().map_err(|e| Error::io("can't write", path, e.error()))?;
    Ok(())
}

/// Bytes of the rows of an array, whatever else its buffers hold.
fn slice_bytes(array: &ArrayRef) -> usize {
    array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size())
}

fn arrow_fault(path: &Path, error: &ArrowError) -> Error {
    match io_cause(error) {
        Some(io) => Error::io("can't write", path, io),
        None => Error::data(format!("can't write {}: {error}", path.display())),
    }
}

fn parquet_fault(path: &Path, error: &ParquetError) -> Error {
    match io_cause(error) {
        Some(io) => Error::io("can't write", path, io),
        None => Error::data(format!("can't write {}: {error}", path.display())),
    }
}
