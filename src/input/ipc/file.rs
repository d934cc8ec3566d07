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
use arrow::ipc::{Block, root_as_footer};

use super::message::{Decoder, buffers_of, message, unpacked_bytes};
use super::{Slices, projection, unreadable};
use crate::error::{Error, Part, Place, Result};
use crate::input::arrange::arrange;
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

/// Ranges that lie closer to each other than this are read as one.
const CLOSE: usize = 64 << 10;

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
        map.expects_jumps(true);
        let buffer = map.buffer();
        let source = guarded(|| {
            let (schema, dictionaries, blocks) = read_footer(&buffer)?;
            let batches = blocks.into_iter().map(|block| Batch::of(block, &buffer)).collect::<Result<_>>()?;
            let decoder = Mutex::default();
            Ok(IpcSource {
                path: path.to_path_buf(),
                map: map.clone(),
                schema,
                dictionaries,
                batches,
                decoder,
                recent,
            })
        });
        // Headers lie all over the file, and the system maps far more than is looked at: with many files that was what a
        // run took most memory for.
        map.release(0..map.as_ref().len());
        map.expects_jumps(false);
        source.map_err(|e| e.in_file(path))
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

    /// Has what is requested of a split read in one go, unless that is more than need be in memory at a time: whoever uses it
    /// would else wait for the disk again and again. Returns how many bytes these are.
    fn populate(&self, split: &Split, request: &Request) -> usize {
        let ranges = merged(self.ranges(split, request).unwrap_or_default());
        let bytes = ranges.iter().map(Range::len).sum();
        if bytes <= MOST_MAPPED {
            ranges.into_iter().for_each(|range| self.map.populate(range));
        }
        bytes
    }

    /// Where in the file the buffers of the requested columns lie, as far as their first rows go, if no more are wanted.
    fn ranges(&self, split: &Split, request: &Request) -> Option<Vec<Range<usize>>> {
        let Extent::Batch(index) = split.extent else { return None };
        let Batch { block, rows, .. } = self.batches.get(index)?;
        let (header, body) = parts(block, &self.map.buffer()).ok()?;
        let batch = message(&header).ok()?.header_as_record_batch()?;
        let first = block_range(block, self.map.as_ref().len()).ok()?.end - body.len();
        let wanted = request.rows.filter(|_| batch.compression().is_none()).unwrap_or(*rows);
        let share = (wanted as f64 / (*rows).max(1) as f64).min(1.0);
        let range = |buffer: &arrow::ipc::Buffer| {
            let start = usize::try_from(buffer.offset()).ok()?;
            let length = (buffer.length() as f64 * share).ceil() as usize;
            let end = start.checked_add(length).filter(|&end| end <= body.len())?;
            Some(first + start..first + end)
        };
        let columns = projection(&self.schema, request);
        Some(buffers_of(&self.schema, &columns, batch).into_iter().filter_map(range).collect())
    }
}

/// The ranges in their order, those that lie close to each other as one.
fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in ranges.into_iter().filter(|range| !range.is_empty()) {
        match merged.last_mut() {
            Some(last) if range.start <= last.end + CLOSE => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
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
    let header = block.metaDataLength() as usize;
    let body = range.len() - header;
    Ok((buffer.slice_with_length(range.start, header), buffer.slice_with_length(range.start + header, body)))
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

    fn open(&self, split: &Split, request: &Request) -> Result<Box<dyn BatchStream>> {
        let index = match split.extent {
            Extent::Batch(index) if index < self.batches.len() => index,
            _ => return Err(Error::data("not a split of an Arrow file").in_file(&self.path)),
        };
        let place =
            Place { file: Some(self.path.clone()), part: Some(Part::RecordBatch(index)), ..Place::default() };
        let block = &self.batches[index].block;
        let read = || {
            let bytes = self.populate(split, request);
            let decoder = self.decoder()?;
            let (header, body) = parts(block, &self.map.buffer())?;
            let columns = projection(&self.schema, request);
            let batch = decoder.batch(message(&header)?, &body, &columns)?;
            Ok((batch.map(|batch| arrange(&batch, request)).transpose()?, bytes))
        };
        let bytes = |read: &Result<(_, usize)>| read.as_ref().map_or(0, |(_, bytes)| *bytes);
        let (batch, _) = measured(bytes, read).map_err(|e: Error| e.at(place.clone()))?;
        let slices = Slices::new(batch, request.batch_rows);
        let blocks = self.dictionaries.iter().chain([block]).copied().collect();
        Ok(Box::new(IpcFileStream { map: self.map.clone(), blocks, slices, place }))
    }

    fn open_bytes(&self, split: &Split, _: &Request) -> usize {
        let Extent::Batch(index) = split.extent else { return 0 };
        self.batches.get(index).map_or(0, |batch| batch.bytes)
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
