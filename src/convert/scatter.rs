//! Rows in another order, of tables larger than memory. Every row has a key; rows are scattered to
//! buckets by ranges of keys, each bucket on disk, and each bucket is then sorted in memory. For a
//! shuffle keys are random numbers, so that every order is equally likely (a bucket is drawn for each
//! row on its own, and orders within buckets are uniform); otherwise they are the columns to sort by.
//! The order is one of keys, and then of the input: neither the number of threads nor the buckets
//! matter.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, RecordBatch};
use arrow::buffer::{Buffer, OffsetBuffer};
use arrow::compute::{cast, interleave, interleave_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::CompressionType;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow::row::{RowConverter, SortField};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::output::io_cause;
use crate::random::keyed;

/// Rows and their keys.
pub(super) type Keyed = (RecordBatch, BinaryArray);

/// What the key of a row is made of.
#[derive(Debug, Clone)]
pub(super) enum Keys {
    /// Random numbers, by seed.
    Random(u64),
    /// These columns of the rows, ascending, missing values first.
    Columns(Vec<usize>),
}

impl Keys {
    /// The keys of some rows, as bytes that sort as the rows shall; `id` and `first` tell them from all
    /// other rows.
    pub(super) fn of(&self, batch: &RecordBatch, id: u64, first: u64) -> Result<BinaryArray> {
        match self {
            Keys::Random(seed) => {
                let seed = keyed(*seed, id);
                let rows = 0..batch.num_rows() as u64;
                let bytes: Vec<u8> = rows.flat_map(|row| keyed(seed, first + row).to_be_bytes()).collect();
                let offsets = OffsetBuffer::from_repeated_length(8, batch.num_rows());
                BinaryArray::try_new(offsets, Buffer::from_vec(bytes), None).map_err(fault)
            }
            Keys::Columns(columns) => {
                // Dictionaries are resolved: their keys say nothing about the order.
                let plain = |&column: &usize| {
                    let column = batch.column(column);
                    match column.data_type() {
                        DataType::Dictionary(_, values) => cast(column, values).map_err(fault),
                        _ => Ok(column.clone()),
                    }
                };
                let columns: Vec<ArrayRef> = columns.iter().map(plain).collect::<Result<_>>()?;
                let fields = columns.iter().map(|column| SortField::new(column.data_type().clone()));
                let converter = RowConverter::new(fields.collect()).map_err(|e| {
                    Error::usage(format!("rows can't be sorted so: {e}"))
                        .remedy("name other columns in --sort-by")
                })?;
                let rows = converter.convert_columns(&columns).map_err(fault)?;
                rows.try_into_binary().map_err(fault)
            }
        }
    }
}

/// The ranges of keys that make the buckets of one part: bucket `i` holds the keys from bound `i - 1` on
/// and below bound `i`.
#[derive(Debug, Clone, Default)]
pub(super) struct Bounds(Vec<Vec<u8>>);

impl Bounds {
    /// Ranges of equal width of random keys.
    pub(super) fn even(buckets: u64) -> Self {
        let bound = |i: u64| ((u128::from(i) << 64) / u128::from(buckets)) as u64;
        Bounds((1..buckets).map(|i| bound(i).to_be_bytes().to_vec()).collect())
    }

    /// Ranges that hold about as many of a sample's keys each. A key of which there are very many gets a
    /// bucket of its own, which then needs no sorting.
    pub(super) fn from_sample(mut keys: Vec<Vec<u8>>, buckets: u64) -> Self {
        keys.sort_unstable();
        let mut bounds: Vec<Vec<u8>> = Vec::new();
        for i in 1..buckets {
            let at = (i as u128 * keys.len() as u128 / u128::from(buckets)) as usize;
            let Some(key) = keys.get(at) else { break };
            if bounds.last() == Some(key) {
                // Twice the same: everything above it begins another bucket. The least key above it
                // is the same one with a zero behind it.
                let above: Vec<u8> = key.iter().copied().chain([0]).collect();
                bounds.push(above);
            } else if bounds.last().is_none_or(|last| last < key) {
                bounds.push(key.clone());
            }
        }
        Bounds(bounds)
    }

    pub(super) fn buckets(&self) -> usize {
        self.0.len() + 1
    }

    fn bucket(&self, key: &[u8]) -> usize {
        self.0.partition_point(|bound| bound.as_slice() <= key)
    }
}

/// A bucket on disk: blocks of rows, each with the lot that it came from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Bucket {
    /// The part whose rows it holds.
    pub(super) part: usize,
    pub(super) name: String,
    /// Bytes of its file.
    bytes: u64,
    /// Bytes of its rows in memory.
    pub(super) memory: u64,
    pub(super) rows: u64,
    /// Whether all of its keys are the same.
    pub(super) is_uniform: bool,
}

struct Open {
    bucket: Bucket,
    /// The first key seen.
    key: Option<Vec<u8>>,
}

/// Scatters rows to the buckets of one part.
pub(super) struct Scatter {
    folder: PathBuf,
    bounds: Bounds,
    buckets: Vec<Mutex<Open>>,
}

/// The name of the column of keys in the blocks.
const KEY: &str = "\u{0}key";

impl Scatter {
    pub(super) fn new(folder: &Path, part: usize, prefix: &str, bounds: Bounds) -> Self {
        let open = |number: usize| {
            let name = format!("{prefix}{number:05}");
            Mutex::new(Open {
                bucket: Bucket { part, name, bytes: 0, memory: 0, rows: 0, is_uniform: true },
                key: None,
            })
        };
        let buckets = (0..bounds.buckets()).map(open).collect();
        Scatter { folder: folder.to_path_buf(), bounds, buckets }
    }

    /// Scatters the rows of a lot, all of them at once: a bucket's rows of one lot are one block.
    pub(super) fn add(&self, lot: u64, rows: &[Keyed]) -> Result<()> {
        let mut places: Vec<Vec<(usize, usize)>> = vec![Vec::new(); self.bounds.buckets()];
        for (index, (_, keys)) in rows.iter().enumerate() {
            for row in 0..keys.len() {
                places[self.bounds.bucket(keys.value(row))].push((index, row));
            }
        }
        for (bucket, places) in self.buckets.iter().zip(&places) {
            if !places.is_empty() {
                let (block, memory) = block(lot, rows, places)?;
                let mut open = bucket.lock().unwrap_or_else(PoisonError::into_inner);
                open.append(&self.folder, &block, rows, places)?;
                open.bucket.memory += memory;
            }
        }
        Ok(())
    }

    /// The buckets that hold rows, in the order of their keys.
    pub(super) fn finish(self) -> Vec<Bucket> {
        let buckets = self.buckets.into_iter();
        let buckets = buckets.map(|open| open.into_inner().unwrap_or_else(PoisonError::into_inner).bucket);
        buckets.filter(|bucket| bucket.rows > 0).collect()
    }
}

impl Open {
    fn append(
        &mut self,
        folder: &Path,
        block: &[u8],
        rows: &[Keyed],
        places: &[(usize, usize)],
    ) -> Result<()> {
        let path = folder.join(&self.bucket.name);
        let write = || OpenOptions::new().create(true).append(true).open(&path)?.write_all(block);
        write().map_err(|e| Error::io("can't write", &path, &e))?;
        self.bucket.bytes += block.len() as u64;
        self.bucket.rows += places.len() as u64;
        if self.bucket.is_uniform {
            let mut keys = places.iter().map(|&(index, row)| rows[index].1.value(row));
            let first = match &self.key {
                Some(first) => first,
                None => self.key.insert(keys.clone().next().unwrap_or_default().to_vec()),
            };
            self.bucket.is_uniform = keys.all(|key| key == first.as_slice());
        }
        Ok(())
    }
}

/// Some rows with their keys as bytes: the lot's id, the length of what follows, an Arrow stream of one
/// batch, and what the batch takes in memory. It is compressed: rows with all their texts take twice the room of the shards that come of them.
fn block(lot: u64, rows: &[Keyed], places: &[(usize, usize)]) -> Result<(Vec<u8>, u64)> {
    let Some((first, _)) = rows.first() else { return Ok((Vec::new(), 0)) };
    let mut fields: Vec<Arc<Field>> = first.schema_ref().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(KEY, DataType::Binary, false)));
    let schema = Arc::new(Schema::new(fields));
    let batches: Vec<&RecordBatch> = rows.iter().map(|(batch, _)| batch).collect();
    let keys: Vec<&dyn Array> = rows.iter().map(|(_, keys)| keys as &dyn Array).collect();
    let mut columns = interleave_record_batch(&batches, places).map_err(fault)?.columns().to_vec();
    columns.push(interleave(&keys, places).map_err(fault)?);
    let batch = RecordBatch::try_new(schema.clone(), columns).map_err(fault)?;
    let mut bytes = lot.to_le_bytes().to_vec();
    bytes.extend([0; 8]);
    let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME));
    let options = options.map_err(fault)?;
    let mut writer = StreamWriter::try_new_with_options(&mut bytes, &schema, options).map_err(fault)?;
    writer.write(&batch).map_err(fault)?;
    writer.finish().map_err(fault)?;
    drop(writer);
    let length = (bytes.len() - 16) as u64;
    bytes[8..16].copy_from_slice(&length.to_le_bytes());
    Ok((bytes, batch.get_array_memory_size() as u64))
}

impl Bucket {
    /// Where its blocks lie, in the order of their lots.
    fn blocks(&self, path: &Path) -> Result<Vec<(u64, u64, u64)>> {
        let fault = |e: std::io::Error| Error::io("can't read", path, &e);
        let mut file = File::open(path).map_err(fault)?;
        let mut blocks = Vec::new();
        let mut at = 0;
        while at < self.bytes {
            let mut head = [0; 16];
            file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut head)).map_err(fault)?;
            let [lot, length] =
                [0, 8].map(|i| u64::from_le_bytes(head[i..i + 8].try_into().unwrap_or_default()));
            blocks.push((lot, at + 16, length));
            at += 16 + length;
        }
        blocks.sort_unstable();
        Ok(blocks)
    }

    /// Gives its blocks in the order of their lots, each with its lot's id and its rows.
    fn each_block(&self, folder: &Path, mut each: impl FnMut(u64, Vec<Keyed>) -> Result<()>) -> Result<()> {
        let path = folder.join(&self.name);
        let fault = |e: std::io::Error| Error::io("can't read", &path, &e);
        let mut file = File::open(&path).map_err(fault)?;
        for (lot, start, length) in self.blocks(&path)? {
            file.seek(SeekFrom::Start(start)).map_err(fault)?;
            let bytes = BufReader::with_capacity(1 << 20, Read::by_ref(&mut file).take(length));
            let mut rows = Vec::new();
            for batch in StreamReader::try_new(bytes, None).map_err(self::fault)? {
                let mut batch = batch.map_err(self::fault)?;
                let keys = batch.remove_column(batch.num_columns() - 1);
                rows.push((batch, keys.as_binary::<i32>().clone()));
            }
            each(lot, rows)?;
        }
        Ok(())
    }

    /// Gives its rows in order, in batches of at most `batch_rows` rows.
    pub(super) fn gather(
        &self,
        folder: &Path,
        batch_rows: usize,
        mut each: impl FnMut(RecordBatch) -> Result<()>,
    ) -> Result<()> {
        if self.is_uniform {
            return self
                .each_block(folder, |_, rows| rows.into_iter().try_for_each(|(batch, _)| each(batch)));
        }
        let mut all: Vec<Keyed> = Vec::new();
        self.each_block(folder, |_, rows| {
            all.extend(rows);
            Ok(())
        })?;
        let mut order: Vec<(&[u8], (usize, usize))> = Vec::with_capacity(self.rows as usize);
        for (index, (_, keys)) in all.iter().enumerate() {
            order.extend((0..keys.len()).map(|row| (keys.value(row), (index, row))));
        }
        // Equal keys stay in the order of the input.
        order.sort_unstable();
        let batches: Vec<&RecordBatch> = all.iter().map(|(batch, _)| batch).collect();
        for part in order.chunks(batch_rows) {
            let places: Vec<(usize, usize)> = part.iter().map(|(_, place)| *place).collect();
            each(interleave_record_batch(&batches, &places).map_err(fault)?)?;
        }
        Ok(())
    }

    /// Cuts a bucket that is too large into smaller ones; removes it.
    pub(super) fn split(&self, folder: &Path, buckets: u64) -> Result<Vec<Bucket>> {
        let mut sample = Vec::new();
        let stride = (self.rows / 50_000).max(1) as usize;
        self.each_block(folder, |_, rows| {
            for (_, keys) in rows {
                sample.extend((0..keys.len()).step_by(stride).map(|row| keys.value(row).to_vec()));
            }
            Ok(())
        })?;
        let bounds = Bounds::from_sample(sample, buckets);
        let scatter = Scatter::new(folder, self.part, &format!("{}-", self.name), bounds);
        self.each_block(folder, |lot, rows| scatter.add(lot, &rows))?;
        self.remove(folder)?;
        Ok(scatter.finish())
    }

    /// Removes its file.
    pub(super) fn remove(&self, folder: &Path) -> Result<()> {
        let path = folder.join(&self.name);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("can't remove", &path, &e)),
            _ => Ok(()),
        }
    }
}

/// The schema of rows on their way through buckets: dictionaries resolved, since blocks stand alone.
pub(super) fn plain(batch: &RecordBatch) -> Result<RecordBatch> {
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for (column, field) in batch.columns().iter().zip(batch.schema_ref().fields()) {
        let column = match column.data_type() {
            DataType::Dictionary(_, values) => cast(column, values).map_err(fault)?,
            _ => column.clone(),
        };
        fields.push(field.as_ref().clone().with_data_type(column.data_type().clone()));
        columns.push(column);
    }
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    RecordBatch::try_new(schema, columns).map_err(fault)
}

fn fault(error: arrow::error::ArrowError) -> Error {
    match io_cause(&error) {
        Some(io) => Error::io("can't write in", Path::new(crate::input::UNFINISHED), io),
        None => Error::data(format!("can't put rows into order: {error}")),
    }
}
