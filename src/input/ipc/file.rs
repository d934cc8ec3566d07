//! An Arrow IPC file ("Feather 2").

use std::ops::Range;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::ipc::convert::try_fb_to_schema;
use arrow::ipc::reader::read_footer_length;
use arrow::ipc::{Block, root_as_footer};

use super::message::{Decoder, message};
use super::{Slices, projection, unreadable};
use crate::error::{Error, Part, Place, Result};
use crate::input::guard::guarded;
use crate::input::meter::measured;
use crate::input::mmap::Map;
use crate::input::parquet::arrange;
use crate::input::source::{BatchStream, Extent, Request, Source, Split};

/// An Arrow IPC file, mapped.
pub(crate) struct IpcSource {
    path: PathBuf,
    map: Map,
    decoder: Decoder,
    blocks: Vec<Block>,
}

impl IpcSource {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let map = Map::open(path)?;
        let buffer = map.buffer();
        let (decoder, blocks) = guarded(|| read_footer(&buffer)).map_err(|e| e.in_file(path))?;
        Ok(IpcSource { path: path.to_path_buf(), map, decoder, blocks })
    }
}

/// A decoder that has read the dictionaries, and the record batches' places.
fn read_footer(buffer: &Buffer) -> Result<(Decoder, Vec<Block>)> {
    let short = || unreadable("it ends too early");
    let trailer = buffer.len().checked_sub(10).ok_or_else(short)?;
    let length =
        read_footer_length(buffer[trailer..].try_into().map_err(|_| short())?).map_err(unreadable)?;
    let start = trailer.checked_sub(length).ok_or_else(short)?;
    let footer = root_as_footer(&buffer[start..trailer]).map_err(unreadable)?;
    let schema = footer.schema().ok_or_else(|| unreadable("it has no schema"))?;
    let mut decoder = Decoder::new(try_fb_to_schema(schema).map_err(unreadable)?.into());
    for block in footer.dictionaries().iter().flatten() {
        let (header, body) = parts(block, buffer)?;
        decoder.dictionary(message(&header)?, &body)?;
    }
    let blocks: Vec<Block> = footer.recordBatches().iter().flatten().copied().collect();
    for block in &blocks {
        block_range(block, buffer.len())?;
    }
    Ok((decoder, blocks))
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
        &self.decoder.schema
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
        let range = block_range(&self.blocks[index], self.map.as_ref().len())?;
        let read = || {
            let (header, body) = parts(&self.blocks[index], &self.map.buffer())?;
            let columns = projection(&self.decoder.schema, request);
            let batch = self.decoder.batch(message(&header)?, &body, &columns)?;
            batch.map(|batch| arrange(&batch, request)).transpose()
        };
        let batch = measured(|_| range.len(), read).map_err(|e: Error| e.at(place.clone()))?;
        let slices = Slices::new(batch, request.batch_rows);
        Ok(Box::new(IpcFileStream { map: self.map.clone(), range, slices, place }))
    }

    fn open_bytes(&self, split: &Split, _: &Request) -> usize {
        // Mapped, but decompressed if it is compressed.
        usize::try_from(split.bytes).unwrap_or(usize::MAX).min(64 << 20)
    }
}

struct IpcFileStream {
    map: Map,
    range: Range<usize>,
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
        self.map.release(self.range.clone());
    }
}
