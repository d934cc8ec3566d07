//! Parquet: row groups, or parts of large ones, as splits; positioned reads; only the needed columns.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::{Encoding, Type as PhysicalType};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetStatisticsPolicy, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};
use parquet::schema::types::TypePtr;

use super::guard::guarded;
use super::meter::measured;
use super::source::{BatchStream, Extent, ReadAs, Request, Source, Split};
use super::thrift::has_encrypted_columns;
use crate::error::{Error, Part, Place, Result};

/// Row groups with more rows than this (and half as many again) are cut into splits of so many: a
/// split must be small enough to shuffle and to share out among threads. Each split decodes the
/// row group's dictionaries again, so it must not be too small either.
const SPLIT_ROWS: u64 = 1 << 18;

/// A Parquet file.
pub(crate) struct ParquetSource {
    path: PathBuf,
    schema: SchemaRef,
    metadata: ArrowReaderMetadata,
}

impl ParquetSource {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = PositionedFile::open(path)?;
        // Statistics are of no use here, and in wide files they are most of the metadata.
        let options = ArrowReaderOptions::new()
            .with_column_stats_policy(ParquetStatisticsPolicy::SkipAll)
            .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll)
            .with_encoding_stats_as_mask(true);
        let load = || {
            let metadata = ArrowReaderMetadata::load(&file, options)?;
            match schema_with_microseconds(&metadata) {
                None => Ok(metadata),
                Some(schema) => ArrowReaderMetadata::try_new(
                    metadata.metadata().clone(),
                    ArrowReaderOptions::new().with_schema(schema),
                ),
            }
        };
        let metadata = guarded(|| load().map_err(|e| unreadable(&e)))
            .map_err(|e| or_encrypted(e, path).in_file(path))?;
        Ok(ParquetSource { path: path.to_path_buf(), schema: metadata.schema().clone(), metadata })
    }

    fn group(&self, split: &Split) -> Result<(usize, u64, u64)> {
        match split.extent {
            Extent::Rows { group, start, len } => Ok((group, start, len)),
            _ => Err(Error::data("not a split of a Parquet file").in_file(&self.path)),
        }
    }

    /// The requested columns that are there, as indices of the file's root columns (of which Arrow's
    /// schema may leave some out).
    fn roots(&self, request: &Request) -> Vec<usize> {
        let descriptor = self.metadata.metadata().file_metadata().schema_descr();
        let roots = descriptor.root_schema().get_fields().iter().enumerate();
        let wanted: HashSet<&str> = request.columns.iter().map(|(name, _)| name.as_str()).collect();
        roots.filter(|(_, root)| wanted.contains(root.name())).map(|(i, _)| i).collect()
    }

    /// The file's schema with dictionaries for the texts that this row group stores as such: then each
    /// distinct text is seen once for each row group instead of once for each row. Texts of chunks that
    /// fell back to plain pages are read flat: a dictionary of them would be made by hashing each row.
    /// `None` where nothing changes.
    fn schema_of_group(&self, group: &RowGroupMetaData, request: &Request) -> Option<SchemaRef> {
        let texts = request.columns.iter().filter(|(_, read_as)| *read_as == ReadAs::Text);
        let texts: HashSet<&str> = texts.map(|(name, _)| name.as_str()).collect();
        let stored = group.columns().iter().filter(|chunk| is_all_dictionary(chunk));
        let stored: HashSet<&str> =
            stored.filter_map(|chunk| Some(chunk.column_path().parts().first()?.as_str())).collect();
        let mut changed = false;
        let fields: Vec<FieldRef> = self
            .schema
            .fields()
            .iter()
            .map(|field| {
                let values = match field.data_type() {
                    DataType::Utf8 | DataType::Utf8View => DataType::Utf8,
                    DataType::LargeUtf8 => DataType::LargeUtf8,
                    _ => return field.clone(),
                };
                if !texts.contains(field.name().as_str()) || !stored.contains(field.name().as_str()) {
                    return field.clone();
                }
                changed = true;
                let data_type = DataType::Dictionary(Box::new(DataType::Int32), Box::new(values));
                Arc::new(Field::new(field.name(), data_type, field.is_nullable()))
            })
            .collect();
        changed.then(|| Arc::new(Schema::new(fields)))
    }
}

/// The schema with microseconds for the timestamps of 96 bits that older programs write: as the
/// nanoseconds that they hold, dates beyond 2262 would turn into others. `None` without such.
fn schema_with_microseconds(metadata: &ArrowReaderMetadata) -> Option<SchemaRef> {
    let descriptor = metadata.metadata().file_metadata().schema_descr();
    let is_old = |root: &&TypePtr| root.is_primitive() && root.get_physical_type() == PhysicalType::INT96;
    let old: HashSet<&str> =
        descriptor.root_schema().get_fields().iter().filter(is_old).map(|root| root.name()).collect();
    let fields = metadata.schema().fields().iter().map(|field| match field.data_type() {
        DataType::Timestamp(TimeUnit::Nanosecond, zone) if old.contains(field.name().as_str()) => {
            let data_type = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
            Arc::new(field.as_ref().clone().with_data_type(data_type))
        }
        _ => field.clone(),
    });
    (!old.is_empty()).then(|| Arc::new(Schema::new(fields.collect::<Vec<_>>())))
}

/// An error in a file whose columns are encrypted is owed to that.
fn or_encrypted(error: Error, path: &Path) -> Error {
    if !has_encrypted_columns(path) {
        return error;
    }
    Error::data("the file is encrypted, or some of its columns are").remedy("decrypt it first")
}

fn is_all_dictionary(chunk: &ColumnChunkMetaData) -> bool {
    chunk.dictionary_page_offset().is_some()
        && chunk.page_encoding_stats_mask().is_some_and(|mask| {
            mask.is_only(Encoding::PLAIN_DICTIONARY) || mask.is_only(Encoding::RLE_DICTIONARY)
        })
}

fn unreadable(error: &ParquetError) -> Error {
    let text = error.to_string();
    Error::data(format!("not a readable Parquet file ({})", text.trim_start_matches("Parquet error: ")))
        .remedy("it may be damaged or cut short: write or copy it again")
}

impl Source for ParquetSource {
    fn path(&self) -> &Path {
        &self.path
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn splits(&self, file: usize) -> Vec<Split> {
        let mut splits = Vec::new();
        for (group, metadata) in self.metadata.metadata().row_groups().iter().enumerate() {
            let rows = u64::try_from(metadata.num_rows()).unwrap_or(0);
            let bytes = u64::try_from(metadata.compressed_size()).unwrap_or(0);
            let parts = if rows <= SPLIT_ROWS + SPLIT_ROWS / 2 {
                u64::from(rows > 0)
            } else {
                rows.div_ceil(SPLIT_ROWS)
            };
            for part in 0..parts {
                let (start, end) = (rows * part / parts, rows * (part + 1) / parts);
                splits.push(Split {
                    file,
                    extent: Extent::Rows { group, start, len: end - start },
                    rows: Some(end - start),
                    bytes: bytes / parts,
                });
            }
        }
        splits
    }

    fn open(&self, split: &Split, request: &Request) -> Result<Box<dyn BatchStream>> {
        let (group, start, len) = self.group(split)?;
        let place =
            Place { file: Some(self.path.clone()), part: Some(Part::RowGroup(group)), ..Place::default() };
        let file = PositionedFile::open(&self.path)?;
        let row_group = self.metadata.metadata().row_group(group);
        let metadata = match self.schema_of_group(row_group, request) {
            None => Ok(self.metadata.clone()),
            Some(schema) => ArrowReaderMetadata::try_new(
                self.metadata.metadata().clone(),
                ArrowReaderOptions::new().with_schema(schema),
            ),
        };
        let reader = metadata.and_then(|metadata| {
            let descriptor = metadata.metadata().file_metadata().schema_descr_ptr();
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
                .with_row_groups(vec![group])
                .with_projection(ProjectionMask::roots(&descriptor, self.roots(request)))
                .with_batch_size(request.batch_rows)
                .with_offset(start as usize)
                .with_limit(len as usize)
                .build()
        });
        let reader = reader.map_err(|e| or_encrypted(unreadable(&e), &self.path).at(place.clone()))?;
        Ok(Box::new(ParquetStream {
            reader,
            place,
            request: request.clone(),
            next_row: start,
            last_row: start,
            end: start + len,
        }))
    }

    fn open_bytes(&self, split: &Split, request: &Request) -> usize {
        /// A page and a dictionary of a usual size, each compressed and not.
        const USUAL: usize = 2 << 20;
        let Ok((group, ..)) = self.group(split) else { return 0 };
        let roots = self.roots(request);
        let metadata = self.metadata.metadata();
        let descriptor = metadata.file_metadata().schema_descr();
        let chunks = metadata.row_group(group).columns().iter().enumerate();
        chunks
            .filter(|(leaf, _)| roots.contains(&descriptor.get_column_root_idx(*leaf)))
            .map(|(_, chunk)| usize::try_from(chunk.uncompressed_size()).unwrap_or(0).min(USUAL))
            .sum()
    }
}

struct ParquetStream {
    reader: ParquetRecordBatchReader,
    place: Place,
    request: Request,
    next_row: u64,
    last_row: u64,
    end: u64,
}

impl BatchStream for ParquetStream {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        match self.reader.next() {
            None if self.next_row == self.end => Ok(None),
            None => {
                let message = format!(
                    "its rows end before row {}, though the footer promises {}",
                    self.next_row, self.end
                );
                let remedy = "the file may be damaged: write or copy it again";
                Err(Error::data(message).remedy(remedy).at(self.place.clone()))
            }
            Some(Ok(batch)) => {
                self.last_row = self.next_row;
                self.next_row += batch.num_rows() as u64;
                arrange(&batch, &self.request).map(Some).map_err(|e| e.at(self.place.clone()))
            }
            Some(Err(error)) => {
                let text = error.to_string();
                let text =
                    text.trim_start_matches("Parquet argument error: ").trim_start_matches("Parquet error: ");
                let error = Error::data(format!("can't decode the rows from {} on ({text})", self.next_row))
                    .remedy("the file may be damaged: write or copy it again");
                let path = self.place.file.as_deref().unwrap_or(Path::new(""));
                Err(or_encrypted(error, path).at(self.place.clone()))
            }
        }
    }

    fn place(&self, row: usize) -> Place {
        Place { row: Some(self.last_row + row as u64), ..self.place.clone() }
    }
}

/// The requested columns of a batch in the requested order, nulls for those that it lacks.
pub(super) fn arrange(batch: &RecordBatch, request: &Request) -> Result<RecordBatch> {
    let (mut fields, mut columns): (Vec<FieldRef>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
    for (name, _) in &request.columns {
        match batch.schema_ref().index_of(name) {
            Ok(index) => {
                fields.push(batch.schema_ref().fields()[index].clone());
                columns.push(batch.column(index).clone());
            }
            Err(_) => {
                fields.push(Arc::new(Field::new(name, DataType::Null, true)));
                columns.push(new_null_array(&DataType::Null, batch.num_rows()));
            }
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
        .map_err(|e| Error::data(format!("can't put the columns together: {e}")))
}

/// A file read at positions: unlike `File` itself, which has one cursor for all that share it, it
/// can be read from many threads.
struct PositionedFile {
    file: Arc<File>,
    len: u64,
}

impl PositionedFile {
    fn open(path: &Path) -> Result<Self> {
        let fault = |e: io::Error| Error::io("can't read", path, &e);
        let file = File::open(path).map_err(fault)?;
        let len = file.metadata().map_err(fault)?.len();
        Ok(PositionedFile { file: Arc::new(file), len })
    }
}

impl Length for PositionedFile {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for PositionedFile {
    type T = BufReader<Cursor>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(BufReader::new(Cursor { file: self.file.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        // A damaged file may ask for anything: refuse before allocating.
        if start.checked_add(length as u64).is_none_or(|end| end > self.len) {
            return Err(ParquetError::EOF(format!(
                "{length} bytes are wanted from byte {start} on, but the file has only {}",
                self.len
            )));
        }
        let mut buffer = vec![0; length];
        measured(|_| length, || self.file.read_exact_at(&mut buffer, start))?;
        Ok(buffer.into())
    }
}

struct Cursor {
    file: Arc<File>,
    at: u64,
}

impl Read for Cursor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
