//! An Arrow IPC stream in a file.

use std::path::{Path, PathBuf};

use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::ipc::convert::try_fb_to_schema;
use arrow::ipc::{Message, MessageHeader};

use super::message::{CONTINUATION, Decoder, message};
use super::{Slices, projection, unreadable};
use crate::error::{Error, Part, Place, Result};
use crate::input::arrange::arrange;
use crate::input::disk::Access;
use crate::input::guard::guarded;
use crate::input::meter::measured;
use crate::input::mmap::Map;
use crate::input::source::{BatchStream, Extent, Request, Source, Split};

/// The whole stream is one split: a dictionary may be replaced anywhere in it.
pub(crate) struct IpcStreamSource {
    path: PathBuf,
    schema: SchemaRef,
    map: Map,
}

impl IpcStreamSource {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let map = Map::open(path)?;
        let schema = guarded(|| read_schema(&map.buffer())).map_err(|e| e.in_file(path))?;
        Ok(IpcStreamSource { path: path.to_path_buf(), schema, map })
    }
}

fn read_schema(buffer: &Buffer) -> Result<SchemaRef> {
    let (header, _) = next_message(buffer, &mut 0)?.ok_or_else(|| unreadable("it is empty"))?;
    let schema = message(&header)?.header_as_schema().ok_or_else(|| unreadable("it has no schema"))?;
    Ok(try_fb_to_schema(schema).map_err(unreadable)?.into())
}

/// The message at `at`, which moves behind it, and its body; `None` at the end.
fn next_message(buffer: &Buffer, at: &mut usize) -> Result<Option<(Buffer, Buffer)>> {
    // The end mark may be missing, as when the writer was piped somewhere.
    let Some(start) = buffer.get(*at..).filter(|rest| !rest.is_empty()) else { return Ok(None) };
    let short = || unreadable("it ends in the middle of a message");
    let prefix = if start.starts_with(&CONTINUATION) { 8 } else { 4 };
    let length = start.get(prefix - 4..prefix).and_then(|b| b.try_into().ok()).ok_or_else(short)?;
    let length = u32::from_le_bytes(length) as usize;
    if length == 0 {
        return Ok(None);
    }
    let header = start.get(..prefix + length).ok_or_else(short)?;
    let body = usize::try_from(message(header)?.bodyLength()).map_err(|_| short())?;
    let body_start = *at + header.len();
    if body > buffer.len() - body_start {
        return Err(short());
    }
    let message = (buffer.slice_with_length(*at, header.len()), buffer.slice_with_length(body_start, body));
    *at = body_start + body;
    Ok(Some(message))
}

impl Source for IpcStreamSource {
    fn path(&self) -> &Path {
        &self.path
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn splits(&self, file: usize) -> Vec<Split> {
        vec![Split { file, extent: Extent::Whole, rows: None, bytes: self.map.as_ref().len() as u64 }]
    }

    fn open(&self, _: &Split, request: &Request, _: Access) -> Result<Box<dyn BatchStream>> {
        Ok(Box::new(IpcStream {
            map: self.map.clone(),
            at: 0,
            released: 0,
            decoder: Decoder::new(self.schema.clone()),
            projection: projection(&self.schema, request),
            path: self.path.clone(),
            request: request.clone(),
            batches: 0,
            slices: Slices::new(None, request.batch_rows),
        }))
    }

    fn open_bytes(&self, _: &Split, _: &Request) -> usize {
        self.map.as_ref().len().min(64 << 20)
    }
}

struct IpcStream {
    map: Map,
    at: usize,
    released: usize,
    decoder: Decoder,
    projection: Vec<usize>,
    path: PathBuf,
    request: Request,
    batches: usize,
    slices: Slices,
}

impl IpcStream {
    fn part(&self) -> Place {
        let part = Some(Part::RecordBatch(self.batches.saturating_sub(1)));
        Place { file: Some(self.path.clone()), part, ..Place::default() }
    }

    /// Reads messages up to the next record batch; whether there was one.
    fn advance(&mut self) -> Result<bool> {
        let buffer = self.map.buffer();
        self.map.release(self.released..self.at);
        self.released = self.at;
        while let Some((header, body)) = next_message(&buffer, &mut self.at)? {
            let message: Message<'_> = message(&header)?;
            match message.header_type() {
                MessageHeader::DictionaryBatch => self.decoder.dictionary(message, &body)?,
                MessageHeader::Schema => {}
                _ => {
                    self.batches += 1;
                    let read = || self.decoder.batch(message, &body, &self.projection);
                    if let Some(batch) = measured(|_| header.len() + body.len(), read)? {
                        let batch = arrange(&batch, &self.request)?;
                        self.slices = Slices::new(Some(batch), self.request.batch_rows);
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }
}

impl BatchStream for IpcStream {
    fn next_batch(&mut self) -> Result<Option<arrow::array::RecordBatch>> {
        loop {
            if let Some(slice) = self.slices.next() {
                return Ok(Some(slice));
            }
            if !self.advance().map_err(|e: Error| e.at(self.part()))? {
                return Ok(None);
            }
        }
    }

    fn place(&self, row: usize) -> Place {
        Place { row: Some((self.slices.last + row) as u64), ..self.part() }
    }
}
