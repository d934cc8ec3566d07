//! Arrow IPC: files mapped into memory, whose record batches are used in place; and streams, which
//! can only be read from their beginning.

use std::fs::File;
use std::io::BufReader;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::convert::try_fb_to_schema;
use arrow::ipc::reader::{FileDecoder, StreamReader, read_footer_length};
use arrow::ipc::{Block, root_as_footer};

use super::guard::guarded;
use super::meter::measured;
use super::mmap::Map;
use super::parquet::arrange;
use super::source::{BatchStream, Extent, Request, Source, Split};
use crate::error::{Error, Part, Place, Result};

fn unreadable(error: &ArrowError) -> Error {
    Error::data(format!("not a readable Arrow file ({error})"))
        .remedy("it may be damaged or cut short: write or copy it again")
}

/// An Arrow IPC file ("Feather 2"), mapped.
pub(crate) struct IpcSource {
    path: PathBuf,
    schema: SchemaRef,
    map: Map,
    decoder: Arc<FileDecoder>,
    blocks: Vec<Block>,
}

impl IpcSource {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let map = Map::open(path)?;
        let buffer = map.buffer();
        let (schema, decoder, blocks) = guarded(|| read_footer(&buffer)).map_err(|e| e.in_file(path))?;
        Ok(IpcSource { path: path.to_path_buf(), schema, map, decoder: Arc::new(decoder), blocks })
    }
}

/// The schema, a decoder that has read the dictionaries, and the record batches' places.
fn read_footer(buffer: &Buffer) -> Result<(SchemaRef, FileDecoder, Vec<Block>)> {
    let short =
        || Error::data("not a readable Arrow file (it ends too early)").remedy("write or copy it again");
    let trailer = buffer.len().checked_sub(10).ok_or_else(short)?;
    let length =
        read_footer_length(buffer[trailer..].try_into().map_err(|_| short())?).map_err(|e| unreadable(&e))?;
    let start = trailer.checked_sub(length).ok_or_else(short)?;
    let footer = root_as_footer(&buffer[start..trailer])
        .map_err(|e| unreadable(&ArrowError::ParseError(e.to_string())))?;
    let schema = footer.schema().ok_or_else(|| unreadable(&ArrowError::ParseError("no schema".into())))?;
    let schema: SchemaRef = Arc::new(try_fb_to_schema(schema).map_err(|e| unreadable(&e))?);
    let mut decoder = FileDecoder::new(schema.clone(), footer.version());
    for block in footer.dictionaries().iter().flatten() {
        let range = block_range(block, buffer.len())?;
        let data = buffer.slice_with_length(range.start, range.len());
        decoder.read_dictionary(block, &data).map_err(|e| unreadable(&e))?;
    }
    let blocks: Vec<Block> = footer.recordBatches().iter().flatten().copied().collect();
    for block in &blocks {
        block_range(block, buffer.len())?;
    }
    Ok((schema, decoder, blocks))
}

fn block_range(block: &Block, len: usize) -> Result<Range<usize>> {
    let range = || {
        let start = usize::try_from(block.offset()).ok()?;
        let body = usize::try_from(block.bodyLength()).ok()?;
        let end = start.checked_add(usize::try_from(block.metaDataLength()).ok()?)?.checked_add(body)?;
        (end <= len).then_some(start..end)
    };
    range().ok_or_else(|| {
        Error::data("not a readable Arrow file (a block lies outside the file)")
            .remedy("it may be damaged or cut short: write or copy it again")
    })
}

impl Source for IpcSource {
    fn path(&self) -> &Path {
        &self.path
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn splits(&self, file: usize) -> Vec<Split> {
        let blocks = self.blocks.iter().enumerate();
        blocks
            .map(|(i, block)| Split {
                file,
                extent: Extent::Batch(i),
                rows: None,
                bytes: u64::try_from(block.bodyLength()).unwrap_or(0),
            })
            .collect()
    }

    fn open(&self, split: &Split, request: &Request) -> Result<Box<dyn BatchStream>> {
        let index = match split.extent {
            Extent::Batch(index) if index < self.blocks.len() => index,
            _ => return Err(Error::data("not a split of an Arrow file").in_file(&self.path)),
        };
        let place =
            Place { file: Some(self.path.clone()), part: Some(Part::RecordBatch(index)), ..Place::default() };
        let block = &self.blocks[index];
        let range = block_range(block, self.map.as_ref().len())?;
        let data = self.map.buffer().slice_with_length(range.start, range.len());
        let batch = measured(|_| range.len(), || self.decoder.read_record_batch(block, &data))
            .map_err(|e| unreadable(&e).at(place.clone()))?;
        let batch = match batch {
            Some(batch) => Some(arrange(&batch, request).map_err(|e| e.at(place.clone()))?),
            None => None,
        };
        let slices = Slices { batch, batch_rows: request.batch_rows, at: 0, last: 0 };
        Ok(Box::new(IpcStream { map: self.map.clone(), range, slices, place }))
    }

    fn open_bytes(&self, split: &Split, _: &Request) -> usize {
        // Mapped, but decompressed if it is compressed.
        usize::try_from(split.bytes).unwrap_or(usize::MAX).min(64 << 20)
    }
}

/// Parts of at most `batch_rows` rows of a batch.
struct Slices {
    batch: Option<RecordBatch>,
    batch_rows: usize,
    at: usize,
    last: usize,
}

impl Slices {
    fn next(&mut self) -> Option<RecordBatch> {
        let batch = self.batch.as_ref()?;
        let rows = self.batch_rows.min(batch.num_rows() - self.at);
        if rows == 0 {
            self.batch = None;
            return None;
        }
        self.last = self.at;
        self.at += rows;
        Some(batch.slice(self.last, rows))
    }
}

struct IpcStream {
    map: Map,
    range: Range<usize>,
    slices: Slices,
    place: Place,
}

impl BatchStream for IpcStream {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        Ok(self.slices.next())
    }

    fn place(&self, row: usize) -> Place {
        Place { row: Some((self.slices.last + row) as u64), ..self.place.clone() }
    }
}

impl Drop for IpcStream {
    fn drop(&mut self) {
        self.slices.batch = None;
        self.map.release(self.range.clone());
    }
}

/// An Arrow IPC stream in a file.
pub(crate) struct IpcStreamSource {
    path: PathBuf,
    schema: SchemaRef,
    bytes: u64,
}

impl IpcStreamSource {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io("can't read", path, &e))?;
        let bytes = file.metadata().map_err(|e| Error::io("can't read", path, &e))?.len();
        let schema = guarded(|| reader(file, path).map(|r| r.schema()))?;
        Ok(IpcStreamSource { path: path.to_path_buf(), schema, bytes })
    }
}

fn reader(file: File, path: &Path) -> Result<StreamReader<BufReader<File>>> {
    StreamReader::try_new_buffered(file, None).map_err(|e| unreadable(&e).in_file(path))
}

impl Source for IpcStreamSource {
    fn path(&self) -> &Path {
        &self.path
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn splits(&self, file: usize) -> Vec<Split> {
        vec![Split { file, extent: Extent::Whole, rows: None, bytes: self.bytes }]
    }

    fn open(&self, _: &Split, request: &Request) -> Result<Box<dyn BatchStream>> {
        let file = File::open(&self.path).map_err(|e| Error::io("can't read", &self.path, &e))?;
        Ok(Box::new(WholeStream {
            reader: reader(file, &self.path)?,
            path: self.path.clone(),
            request: request.clone(),
            batches: 0,
            slices: Slices { batch: None, batch_rows: request.batch_rows, at: 0, last: 0 },
        }))
    }

    fn open_bytes(&self, _: &Split, _: &Request) -> usize {
        usize::try_from(self.bytes).unwrap_or(usize::MAX).min(64 << 20)
    }
}

struct WholeStream {
    reader: StreamReader<BufReader<File>>,
    path: PathBuf,
    request: Request,
    batches: usize,
    slices: Slices,
}

impl WholeStream {
    fn part(&self) -> Place {
        let part = Some(Part::RecordBatch(self.batches.saturating_sub(1)));
        Place { file: Some(self.path.clone()), part, ..Place::default() }
    }
}

impl BatchStream for WholeStream {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(slice) = self.slices.next() {
                return Ok(Some(slice));
            }
            let Some(batch) = self.reader.next() else { return Ok(None) };
            self.batches += 1;
            let batch = batch.map_err(|e| unreadable(&e).at(self.part()))?;
            self.slices.batch = Some(arrange(&batch, &self.request).map_err(|e| e.at(self.part()))?);
            (self.slices.at, self.slices.last) = (0, 0);
        }
    }

    fn place(&self, row: usize) -> Place {
        Place { row: Some((self.slices.last + row) as u64), ..self.part() }
    }
}
