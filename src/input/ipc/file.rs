//! An Arrow IPC file ("Feather 2").

use std::collections::VecDeque;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::ipc::convert::try_fb_to_schema;
use arrow::ipc::reader::read_footer_length;
use arrow::ipc::{Block, Message, root_as_footer};

use super::message::{Decoder, buffers_of, message, unpacked_bytes};
use super::{Slices, projection, unreadable};
use crate::error::{Error, Part, Place, Result};
use crate::input::arrange::arrange;
use crate::input::disk::Access;
use crate::input::fetched::{Fetched, merged};
use crate::input::guard::guarded;
use crate::input::meter::measured;
use crate::input::mmap::Map;
use crate::input::source::{BatchStream, Extent, Request, Source, Split};

/// An Arrow IPC file, mapped.
pub(crate) struct IpcSource {
    path: PathBuf,
    map: Map,
    schema: SchemaRef,
    /// Where the dictionaries lie.
    dictionaries: Vec<Block>,
    batches: Vec<Batch>,
    /// The decoder, with the dictionaries read, as long as it is in use or among the recent ones.
    decoder: Mutex<Weak<Decoder>>,
    recent: Arc<Recent>,
}

/// A record batch, as its header describes it.
struct Batch {
    block: Block,
    rows: u64,
    /// Bytes of memory that it takes while it is read.
    bytes: usize,
}

/// The most bytes that a batch is taken to need which is used where it is mapped: it has more only as long as nobody else wants
/// them.
const MOST_MAPPED: usize = 64 << 20;

/// Bytes of a batch that is read as a whole although only its first rows are wanted.
const SMALL: i64 = 16 << 20;

/// The decoders used last, of all files together: the splits of a file mostly follow one another and
/// share their dictionaries, but a folder may have far more files than memory has room for theirs.
#[derive(Default)]
pub(crate) struct Recent(Mutex<VecDeque<Arc<Decoder>>>);

/// Decoders kept although no split of theirs is open.
const MOST_RECENT: usize = 4;

impl Recent {
    fn keep(&self, decoder: &Arc<Decoder>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|other| !Arc::ptr_eq(other, decoder));
        kept.push_back(decoder.clone());
        if kept.len() > MOST_RECENT {
            kept.pop_front();
        }
    }
}

impl IpcSource {
    pub(crate) fn open(path: &Path, recent: Arc<Recent>) -> Result<Self> {
        let map = Map::open(path)?;
        let read = |buffer: &Buffer| {
            let (schema, dictionaries, blocks) = read_footer(buffer)?;
            let batches =
                blocks.into_iter().map(|block| Batch::of(block, buffer)).collect::<Result<Vec<_>>>()?;
            Ok((schema, dictionaries, batches))
        };
        let read = map.look_around(|buffer| guarded(|| read(buffer)));
        let (schema, dictionaries, batches) = read.map_err(|e| e.in_file(path))?;
        let (path, decoder) = (path.to_path_buf(), Mutex::default());
        Ok(IpcSource { path, map, schema, dictionaries, batches, decoder, recent })
    }

    /// A decoder that has read the dictionaries, shared by all splits that are open.
    fn decoder(&self) -> Result<Arc<Decoder>> {
        // Nothing is left half-done in there if a thread panics.
        let mut shared = self.decoder.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(decoder) = shared.upgrade() {
            self.recent.keep(&decoder);
            return Ok(decoder);
        }
        let mut decoder = Decoder::new(self.schema.clone());
        let buffer = self.map.buffer();
        for block in &self.dictionaries {
            self.map.populate(block_range(block, buffer.len())?);
            let (header, body) = parts(block, &buffer)?;
            decoder.dictionary(message(&header)?, &body)?;
        }
        let decoder = Arc::new(decoder);
        *shared = Arc::downgrade(&decoder);
        self.recent.keep(&decoder);
        Ok(decoder)
    }

    fn batch(&self, split: &Split) -> Option<&Batch> {
        match split.extent {
            Extent::Batch(index) => self.batches.get(index),
            _ => None,
        }
    }

    /// Reads the requested columns of a batch, which may have been fetched. Returns of how many bytes.
    fn read(
        &self,
        batch: &Batch,
        request: &Request,
        fetched: Option<&Fetched>,
    ) -> Result<(Option<RecordBatch>, usize)> {
        let columns = projection(&self.schema, request);
        let range = block_range(&batch.block, self.map.as_ref().len())?;
        let fetched = fetched.and_then(|fetched| fetched.get(range.start as u64..range.end as u64));
        let (header, body, bytes) = match fetched {
            Some(bytes) => {
                let (header, body) = split_off(&batch.block, &Buffer::from(bytes));
                (header, body, range.len())
            }
            None => {
                let (header, body) = parts(&batch.block, &self.map.buffer())?;
                let bytes =
                    self.populate(batch, &columns, message(&header)?, range.end - body.len(), request.rows);
                (header, body, bytes)
            }
        };
        let found = self.decoder()?.batch(message(&header)?, &body, &columns)?;
        Ok((found.map(|found| arrange(&found, request)).transpose()?, bytes))
    }

    /// Has what is wanted of columns read into the map; of how many bytes. The batch's body begins at the file's byte `first`.
    fn populate(
        &self,
        batch: &Batch,
        columns: &[usize],
        message: Message<'_>,
        first: usize,
        rows: Option<u64>,
    ) -> usize {
        let Some(described) = message.header_as_record_batch() else { return 0 };
        // Of compressed buffers the beginning is of no use.
        let wanted = rows.filter(|_| described.compression().is_none()).unwrap_or(batch.rows);
        let share = (wanted as f64 / batch.rows.max(1) as f64).min(1.0);
        let buffers = buffers_of(&self.schema, columns, described);
        let ranges =
            buffers.into_iter().filter_map(|buffer| part(buffer, share, first, self.map.as_ref().len()));
        let ranges = merged(ranges.collect());
        let bytes = ranges.iter().map(|range| (range.end - range.start) as usize).sum();
        // In one go: whoever uses it would else wait for the disk again and again. But no more than need be in memory at a time.
        if bytes <= MOST_MAPPED {
            ranges.into_iter().for_each(|range| self.map.populate(range.start as usize..range.end as usize));
        }
        bytes
    }
}

/// Where in a file of `length` bytes the first `share` of a buffer lies, in a body that begins at its byte `first`.
fn part(buffer: &arrow::ipc::Buffer, share: f64, first: usize, length: usize) -> Option<Range<u64>> {
    let start = u64::try_from(buffer.offset()).ok()?.checked_add(first as u64)?;
    let end = start.checked_add((buffer.length() as f64 * share).ceil() as u64)?;
    (end <= length as u64).then_some(start..end)
}

/// The schema, and the places of dictionaries and record batches.
fn read_footer(buffer: &Buffer) -> Result<(SchemaRef, Vec<Block>, Vec<Block>)> {
    let short = || unreadable("it ends too early");
    let trailer = buffer.len().checked_sub(10).ok_or_else(short)?;
    let length =
        read_footer_length(buffer[trailer..].try_into().map_err(|_| short())?).map_err(unreadable)?;
    let start = trailer.checked_sub(length).ok_or_else(short)?;
    let footer = root_as_footer(&buffer[start..trailer]).map_err(unreadable)?;
    let schema = footer.schema().ok_or_else(|| unreadable("it has no schema"))?;
    let schema = try_fb_to_schema(schema).map_err(unreadable)?.into();
    let dictionaries: Vec<Block> = footer.dictionaries().iter().flatten().copied().collect();
    let batches: Vec<Block> = footer.recordBatches().iter().flatten().copied().collect();
    for block in dictionaries.iter().chain(&batches) {
        block_range(block, buffer.len())?;
    }
    Ok((schema, dictionaries, batches))
}

impl Batch {
    fn of(block: Block, buffer: &Buffer) -> Result<Self> {
        let (header, body) = parts(&block, buffer)?;
        let batch = message(&header)?.header_as_record_batch();
        let rows = batch.map_or(0, |batch| batch.length());
        let rows = u64::try_from(rows).map_err(|_| unreadable(format!("a record batch of {rows} rows")))?;
        let unpacked = batch.and_then(|batch| unpacked_bytes(batch, &body));
        Ok(Batch { block, rows, bytes: unpacked.unwrap_or(body.len().min(MOST_MAPPED)) })
    }
}

fn block_range(block: &Block, len: usize) -> Result<Range<usize>> {
    let range = || {
        let start = usize::try_from(block.offset()).ok()?;
        let body = usize::try_from(block.bodyLength()).ok()?;
        let end = start.checked_add(usize::try_from(block.metaDataLength()).ok()?)?.checked_add(body)?;
        (end <= len).then_some(start..end)
    };
    range().ok_or_else(|| unreadable("a block lies outside the file"))
}

/// A block's header and body.
fn parts(block: &Block, buffer: &Buffer) -> Result<(Buffer, Buffer)> {
    let range = block_range(block, buffer.len())?;
    Ok(split_off(block, &buffer.slice_with_length(range.start, range.len())))
}

/// The same of a block's bytes.
fn split_off(block: &Block, bytes: &Buffer) -> (Buffer, Buffer) {
    let header = block.metaDataLength() as usize;
    (bytes.slice_with_length(0, header), bytes.slice(header))
}

impl Source for IpcSource {
    fn path(&self) -> &Path {
        &self.path
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn splits(&self, file: usize) -> Vec<Split> {
        let batches = self.batches.iter().enumerate();
        batches
            .map(|(i, Batch { block, rows, .. })| Split {
                file,
                extent: Extent::Batch(i),
                rows: Some(*rows),
                bytes: u64::try_from(block.bodyLength()).unwrap_or(0),
            })
            .collect()
    }

    /// A batch of which most columns are wanted.
    fn ranges(&self, split: &Split, request: &Request) -> Vec<Range<u64>> {
        let wanted = projection(&self.schema, request).len();
        let batch = self.batch(split).filter(|_| 2 * wanted >= self.schema.fields().len());
        // Of a few rows little is needed, and here and there.
        let batch = batch.filter(|batch| request.rows.is_none() || batch.block.bodyLength() <= SMALL);
        let block = batch.and_then(|batch| block_range(&batch.block, self.map.as_ref().len()).ok());
        block.into_iter().map(|block| block.start as u64..block.end as u64).collect()
    }

    fn open(&self, split: &Split, request: &Request, access: Access) -> Result<Box<dyn BatchStream>> {
        let batch = self
            .batch(split)
            .ok_or_else(|| Error::data("not a split of an Arrow file").in_file(&self.path))?;
        let part = match split.extent {
            Extent::Batch(index) => Some(Part::RecordBatch(index)),
            _ => None,
        };
        let place = Place { file: Some(self.path.clone()), part, ..Place::default() };
        let bytes = |read: &Result<(_, usize)>| read.as_ref().map_or(0, |(_, bytes)| *bytes);
        let read = measured(bytes, || self.read(batch, request, access.fetched.as_ref()));
        let (rows, _) = read.map_err(|e| e.at(place.clone()))?;
        let slices = Slices::new(rows, request.batch_rows);
        let blocks = self.dictionaries.iter().chain([&batch.block]).copied().collect();
        Ok(Box::new(IpcFileStream { map: self.map.clone(), blocks, slices, place }))
    }

    fn open_bytes(&self, split: &Split, _: &Request) -> usize {
        self.batch(split).map_or(0, |batch| batch.bytes)
    }
}

struct IpcFileStream {
    map: Map,
    /// What is read of it.
    blocks: Vec<Block>,
    slices: Slices,
    place: Place,
}

impl BatchStream for IpcFileStream {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        Ok(self.slices.next())
    }

    fn place(&self, row: usize) -> Place {
        Place { row: Some((self.slices.last + row) as u64), ..self.place.clone() }
    }
}

impl Drop for IpcFileStream {
    fn drop(&mut self) {
        self.slices.batch = None;
        // The dictionaries, too: other splits of this file that are open read them again.
        for block in &self.blocks {
            self.map.release(block_range(block, self.map.as_ref().len()).unwrap_or(0..0));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use arrow::array::{ArrayRef, Float64Array, Int32Array};
    use arrow::ipc::writer::FileWriter;

    use super::*;
    use crate::input::source::ReadAs;

    #[test]
    fn of_a_batch_the_wanted_columns_are_read_as_far_as_rows_are_wanted() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("a.arrow");
        let numbers = |n: i32| Arc::new(Int32Array::from_iter_values(0..n)) as ArrayRef;
        let x = Arc::new(Float64Array::from_iter_values((0..100_000).map(f64::from))) as ArrayRef;
        let table = RecordBatch::try_from_iter([("a", numbers(100_000)), ("x", x), ("b", numbers(100_000))]);
        let mut writer =
            FileWriter::try_new(File::create(&path).unwrap(), &table.as_ref().unwrap().schema()).unwrap();
        writer.write(&table.unwrap()).unwrap();
        writer.finish().unwrap();
        let source = IpcSource::open(&path, Arc::default()).unwrap();
        let read = |names: &[&str], rows| {
            let columns = names.iter().map(|name| (name.to_string(), ReadAs::Native)).collect();
            let request = Request { columns, batch_rows: 1000, rows, ..Request::default() };
            let (batch, bytes) = source.read(&source.batches[0], &request, None).unwrap();
            assert_eq!(batch.unwrap().num_columns(), names.len());
            bytes
        };
        // Beside the values there may be bits that say that none is null.
        let is_about = |bytes: usize, values: usize| (values..values + values / 10).contains(&bytes);
        assert!(is_about(read(&["a"], None), 400_000));
        assert!(is_about(read(&["a"], Some(10_000)), 40_000));
        assert!(is_about(read(&["b", "a"], None), 800_000));
        assert!(is_about(read(&["x", "b", "a"], Some(1_000_000)), 1_600_000));
    }
}
