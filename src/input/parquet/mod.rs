//! Parquet: row groups, or parts of large ones, as splits; positioned reads; only the needed columns.

mod bits;
mod checked;
mod file;
mod flat;
mod hybrid;
mod pages;
mod plain;
mod stream;
mod thrift;
mod tools;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, RowSelection, RowSelector,
};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use parquet::basic::Type as PhysicalType;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, ParquetMetaData, ParquetStatisticsPolicy, RowGroupMetaData,
};
use parquet::schema::types::TypePtr;

use self::checked::CheckedGroup;
use self::file::Shared;
use self::flat::{FlatColumn, Given, is_all_dictionary};
use self::pages::{FIRST_ROWS, WINDOW, damaged, first_pages, range_of};
use self::stream::{From, ParquetStream};
use self::thrift::{has_encrypted_columns, has_impossible_groups};
use self::tools::Tools;
use super::disk::{Access, DiskFile};
use super::guard::guarded;
use super::places::places;
use super::source::{BatchStream, Extent, ReadAs, Request, Source, Split};
use crate::error::{Error, Part, Place, Result};

/// Row groups with more rows than this (and half as many again) are cut into splits of so many: a
/// split must be small enough to shuffle and to share out among threads. Each split decodes the
/// row group's dictionaries again, so it must not be too small either.
const SPLIT_ROWS: u64 = 1 << 18;

/// Most splits of a row group; one of far more rows, which a few bytes may promise, is cut into larger ones.
const MOST_SPLITS: u64 = 1 << 10;

/// Bytes of a split that are fetched as a whole.
const MOST_FETCHED: u64 = 16 << 20;

/// A Parquet file.
pub(crate) struct ParquetSource {
    path: PathBuf,
    schema: SchemaRef,
    metadata: ArrowReaderMetadata,
    /// What was found out of large column chunks: see [`ParquetSource::pages_bytes`].
    pages: Mutex<HashMap<(usize, usize), usize>>,
}

impl ParquetSource {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = Shared(open_file(path, Access::default())?);
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
        if has_impossible_groups(&file.0) {
            let impossible = damaged("its schema claims to have more columns than it names");
            return Err(unreadable(&impossible).in_file(path));
        }
        let metadata = guarded(|| load().map_err(|e| unreadable(&e)))
            .map_err(|e| or_encrypted(e, path).in_file(path))?;
        check_rows(metadata.metadata(), file.0.len()).map_err(|e| unreadable(&e).in_file(path))?;
        let (path, schema) = (path.to_path_buf(), metadata.schema().clone());
        Ok(ParquetSource { path, schema, metadata, pages: Mutex::default() })
    }

    fn group(&self, split: &Split) -> Result<(usize, u64, u64)> {
        match split.extent {
            Extent::Rows { group, start, len } => Ok((group, start, len)),
            _ => Err(Error::data("not a split of a Parquet file").in_file(&self.path)),
        }
    }

    /// The requested columns that are there, as ascending indices of the file's root columns (of which Arrow's
    /// schema may leave some out).
    fn roots(&self, request: &Request) -> Vec<usize> {
        let descriptor = self.metadata.metadata().file_metadata().schema_descr();
        let roots = descriptor.root_schema().get_fields().iter().enumerate();
        let wanted: HashSet<&str> = request.columns.iter().map(|(name, _)| name.as_str()).collect();
        roots.filter(|(_, root)| wanted.contains(root.name())).map(|(i, _)| i).collect()
    }

    /// Where each requested column of a row group comes from.
    fn flat_columns(
        &self,
        group: usize,
        start: u64,
        file: &Arc<DiskFile>,
        request: &Request,
    ) -> Result<Vec<From>, ParquetError> {
        let chunks = self.metadata.metadata().row_group(group).columns();
        let places = places(&self.schema);
        // A split's first rows are its row group's only where it begins with it.
        let rows = request.rows.filter(|_| start == 0).map(|rows| rows as usize);
        let window = request.rows.map_or(WINDOW, |_| FIRST_ROWS);
        // Of several chunks of one name the first counts.
        let by_path: HashMap<&[String], &ColumnChunkMetaData> =
            chunks.iter().rev().map(|chunk| (chunk.column_path().parts(), chunk)).collect();
        let from = |(i, (name, read_as)): (usize, &(String, ReadAs))| {
            let Some(place) = places.get(name.as_str()) else { return Ok(From::Nowhere) };
            let field = self.schema.field(*place);
            let keyed = Given::Keyed { rows };
            let given = match (request.translation(i), read_as) {
                // What is no number is found and named where numbers are made features.
                (_, ReadAs::Number) if !field.data_type().is_numeric() => keyed,
                (Some(translation), _) => Given::Translated(translation.clone()),
                (None, ReadAs::Text | ReadAs::Number) => keyed,
                (None, ReadAs::Native | ReadAs::Time) => Given::Plain,
            };
            let chunk = by_path.get(std::slice::from_ref(name)).copied();
            let flat =
                chunk.and_then(|chunk| FlatColumn::open(file, chunk, field.data_type(), given, window));
            flat.map_or(Ok(From::Arrow), |column| column.map(|column| From::Flat(Box::new(column))))
        };
        request.columns.iter().enumerate().map(from).collect()
    }

    /// Arrow's reader for the requested columns of some of a row group's rows.
    fn arrow_reader(
        &self,
        file: Arc<DiskFile>,
        group: usize,
        rows: Range<u64>,
        request: &Request,
    ) -> Result<ParquetRecordBatchReader, ParquetError> {
        let metadata = self.metadata.metadata();
        let row_group = metadata.row_group(group);
        let of_group = self.schema_of_group(row_group, request);
        let fields = of_group.as_ref().unwrap_or(&self.schema).fields();
        let descriptor = metadata.file_metadata().schema_descr();
        // Where Arrow's schema leaves columns out it can't say what they are to become.
        let has_all = descriptor.root_schema().get_fields().len() == fields.len();
        let projection = ProjectionMask::roots(descriptor, self.roots(request));
        let levels = parquet_to_arrow_field_levels(descriptor, projection, has_all.then_some(fields))?;
        // Pages may hold more rows than the footer promises.
        let (behind, wanted) = (rows.start as usize, (rows.end - rows.start) as usize);
        let rows = vec![RowSelector::skip(behind), RowSelector::select(wanted)];
        let rows = Some(RowSelection::from(rows));
        let checked = CheckedGroup { file: Arc::new(Shared(file)), metadata: metadata.clone(), group };
        ParquetRecordBatchReader::try_new_with_row_groups(&levels, &checked, request.batch_rows, rows)
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

/// Refuses rows that a file of so many bytes can't have: a page, which takes a byte at the least, has at most
/// 2^31 - 1 of them.
fn check_rows(metadata: &ParquetMetaData, bytes: u64) -> Result<(), ParquetError> {
    let rows = metadata
        .row_groups()
        .iter()
        .try_fold(0u64, |rows, group| rows.checked_add(u64::try_from(group.num_rows()).ok()?));
    match rows {
        Some(rows) if rows / i32::MAX as u64 <= bytes => Ok(()),
        _ => Err(damaged("the footer promises numbers of rows that can't be")),
    }
}

/// An error in a file whose columns are encrypted is owed to that.
fn or_encrypted(error: Error, path: &Path) -> Error {
    if !has_encrypted_columns(path) {
        return error;
    }
    Error::data("the file is encrypted, or some of its columns are").remedy("decrypt it first")
}

fn open_file(path: &Path, access: Access) -> Result<Arc<DiskFile>> {
    DiskFile::open(path, access).map(Arc::new).map_err(|e| Error::io("can't read", path, &e))
}

fn unreadable(error: &ParquetError) -> Error {
    Error::data(format!("not a readable Parquet file ({})", text_of(&error.to_string())))
        .remedy("it may be damaged or cut short: write or copy it again")
}

/// What an error of the parquet crate says.
fn text_of(error: &str) -> &str {
    error.trim_start_matches("Parquet argument error: ").trim_start_matches("Parquet error: ")
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
            // What a damaged footer says may be anything, and too much to be added up.
            let sizes =
                metadata.columns().iter().map(|chunk| u64::try_from(chunk.compressed_size()).unwrap_or(0));
            let bytes = sizes.fold(0, u64::saturating_add);
            let parts = if rows <= SPLIT_ROWS + SPLIT_ROWS / 2 {
                u64::from(rows > 0)
            } else {
                rows.div_ceil(SPLIT_ROWS).min(MOST_SPLITS)
            };
            let row = |part: u64| (u128::from(rows) * u128::from(part) / u128::from(parts)) as u64;
            for part in 0..parts {
                let (start, end) = (row(part), row(part + 1));
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

    /// Of row groups that are one split; of larger ones each column's pages are read when they are needed.
    fn ranges(&self, split: &Split, request: &Request) -> Vec<Range<u64>> {
        let Ok((group, _, len)) = self.group(split) else { return Vec::new() };
        let group = self.metadata.metadata().row_group(group);
        if u64::try_from(group.num_rows()) != Ok(len) || request.rows.is_some() {
            return Vec::new();
        }
        let ranges: Vec<_> = self.chunks(group, request).filter_map(|(_, chunk)| range_of(chunk)).collect();
        let bytes = ranges.iter().map(|range| range.end - range.start).fold(0, u64::saturating_add);
        if bytes <= MOST_FETCHED { ranges } else { Vec::new() }
    }

    fn open(&self, split: &Split, request: &Request, access: Access) -> Result<Box<dyn BatchStream>> {
        let (group, start, len) = self.group(split)?;
        let len = len.min(request.rows.unwrap_or(len));
        let place =
            Place { file: Some(self.path.clone()), part: Some(Part::RowGroup(group)), ..Place::default() };
        let file = open_file(&self.path, access)?;
        let at_place = |e: ParquetError| or_encrypted(unreadable(&e), &self.path).at(place.clone());
        let columns = self.flat_columns(group, start, &file, request).map_err(at_place)?;
        let others = request.columns.iter().zip(&columns).filter(|(_, from)| matches!(from, From::Arrow));
        let others = Request {
            columns: others.map(|(column, _)| column.clone()).collect(),
            translations: Vec::new(),
            ..*request
        };
        let arrow =
            (!others.columns.is_empty()).then(|| self.arrow_reader(file, group, start..start + len, &others));
        Ok(Box::new(ParquetStream {
            columns,
            tools: Tools::new().map_err(at_place)?,
            arrow: arrow.transpose().map_err(at_place)?,
            place: place.clone(),
            request: request.clone(),
            behind: start as usize,
            next_row: start,
            last_row: start,
            end: start + len,
        }))
    }

    fn open_bytes(&self, split: &Split, request: &Request) -> usize {
        let Ok((group, ..)) = self.group(split) else { return 0 };
        self.chunks(self.metadata.metadata().row_group(group), request)
            .map(|(leaf, chunk)| match usize::try_from(chunk.uncompressed_size()).unwrap_or(0) {
                bytes if bytes <= USUAL => bytes,
                bytes => self.pages_bytes(group, leaf, chunk).clamp(USUAL, bytes.saturating_mul(2)),
            })
            .fold(0, usize::saturating_add)
    }

    fn values_per_row(&self, split: &Split, request: &Request) -> usize {
        let Ok((group, ..)) = self.group(split) else { return 0 };
        let group = self.metadata.metadata().row_group(group);
        let values = self.chunks(group, request).map(|(_, chunk)| chunk.num_values().unsigned_abs());
        let values = values.fold(0, u64::saturating_add);
        usize::try_from(values.div_ceil(group.num_rows().unsigned_abs().max(1))).unwrap_or(usize::MAX)
    }
}

/// Bytes of a page and a dictionary of a usual size, each compressed and not.
const USUAL: usize = 2 << 20;

impl ParquetSource {
    /// The requested column chunks of a row group, with their places in it.
    fn chunks<'a>(
        &'a self,
        group: &'a RowGroupMetaData,
        request: &Request,
    ) -> impl Iterator<Item = (usize, &'a ColumnChunkMetaData)> {
        let roots = self.roots(request);
        let descriptor = self.metadata.metadata().file_metadata().schema_descr();
        let chunks = group.columns().iter().enumerate();
        chunks.filter(move |(leaf, _)| roots.binary_search(&descriptor.get_column_root_idx(*leaf)).is_ok())
    }

    /// Bytes that the pages of a large column chunk take, each as it is and decoded: like the first ones, since only
    /// their headers tell.
    fn pages_bytes(&self, group: usize, leaf: usize, chunk: &ColumnChunkMetaData) -> usize {
        let known = |known: &HashMap<_, _>| known.get(&(group, leaf)).copied();
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = known(&pages) {
            return bytes;
        }
        let read = || {
            let file = open_file(&self.path, Access::default())?;
            first_pages(file, chunk).map_err(|e| unreadable(&e))
        };
        // Whoever reads the column says what is wrong with it.
        let bytes = read().map_or(0, |bytes| if bytes <= USUAL { USUAL } else { 2 * bytes });
        pages.insert((group, leaf), bytes);
        bytes
    }
}

#[cfg(test)]
mod tests;
