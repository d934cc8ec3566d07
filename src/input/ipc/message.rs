//! Messages: what files and streams consist of.

use std::collections::HashMap;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::{read_dictionary, read_record_batch};
use arrow::ipc::{CompressionType, Message, MessageHeader, RecordBatch as Batch, root_as_message};

use super::owned::{own, owned};
use super::unreadable;
use crate::error::Result;

/// What the messages so far have said.
pub(super) struct Decoder {
    pub(super) schema: SchemaRef,
    /// The dictionaries by their numbers.
    pub(super) dictionaries: HashMap<i64, ArrayRef>,
}

impl Decoder {
    pub(super) fn new(schema: SchemaRef) -> Self {
        Decoder { schema, dictionaries: HashMap::new() }
    }

    /// Reads a message that must hold a dictionary.
    pub(super) fn dictionary(&mut self, message: Message<'_>, body: &Buffer) -> Result<()> {
        let dictionary = message.header_as_dictionary_batch().ok_or_else(|| {
            unreadable(format!("found a {:?}, expected a dictionary", message.header_type()))
        })?;
        if let Some(data) = dictionary.data() {
            check_sizes(data, body)?;
        }
        read_dictionary(body, dictionary, &self.schema, &mut self.dictionaries, &message.version())
            .map_err(unreadable)?;
        if let Some(values) = self.dictionaries.get_mut(&dictionary.id()) {
            *values = own(values).map_err(unreadable)?;
        }
        Ok(())
    }

    /// The columns `projection` of a message that holds a record batch; `None` for an empty message.
    pub(super) fn batch(
        &self,
        message: Message<'_>,
        body: &Buffer,
        projection: &[usize],
    ) -> Result<Option<RecordBatch>> {
        if message.header_type() == MessageHeader::NONE {
            return Ok(None);
        }
        let batch = message.header_as_record_batch().ok_or_else(|| {
            unreadable(format!("found a {:?}, expected a record batch", message.header_type()))
        })?;
        check_sizes(batch, body)?;
        let (schema, dictionaries) = (self.schema.clone(), &self.dictionaries);
        let read = read_record_batch(body, batch, schema, dictionaries, Some(projection), &message.version());
        owned(&read.map_err(unreadable)?).map(Some)
    }
}

/// The message at the start of `data`, which may come after a mark and its length.
pub(super) fn message(data: &[u8]) -> Result<Message<'_>> {
    let prefix = if data.starts_with(&CONTINUATION) { 8 } else { 4 };
    let data = data.get(prefix..).ok_or_else(|| unreadable("a message is cut short"))?;
    root_as_message(data).map_err(|e| unreadable(format!("a message is damaged: {e}")))
}

/// What every message begins with, since Arrow 0.15.
pub(super) const CONTINUATION: [u8; 4] = [0xff; 4];

/// Bytes of a compressed record batch's buffers, unpacked, as far as they say; `None` if it is not compressed.
pub(super) fn unpacked_bytes(batch: Batch<'_>, body: &Buffer) -> Option<usize> {
    batch.compression()?;
    let length = |buffer: &arrow::ipc::Buffer| {
        let start = usize::try_from(buffer.offset()).ok()?;
        let (length, _) = body.get(start..)?.split_first_chunk()?;
        usize::try_from(i64::from_le_bytes(*length)).ok()
    };
    let lengths = batch.buffers()?.iter().filter(|buffer| buffer.length() > 0).filter_map(length);
    Some(lengths.fold(0, usize::saturating_add))
}

/// Refuses rows and lengths that can't be: Arrow allocates what a compressed buffer says it will
/// be, and there is no way back from an allocation that fails.
fn check_sizes(batch: Batch<'_>, body: &Buffer) -> Result<()> {
    if batch.length() < 0 {
        return Err(unreadable(format!("a record batch of {} rows", batch.length())));
    }
    let Some(compression) = batch.compression() else { return Ok(()) };
    // The most that a byte can stand for: a block of one repeated byte.
    let ratio = if compression.codec() == CompressionType::LZ4_FRAME { 1 << 8 } else { 1 << 16 };
    for buffer in batch.buffers().iter().flatten() {
        let bytes = || {
            let start = usize::try_from(buffer.offset()).ok()?;
            body.get(start..start.checked_add(usize::try_from(buffer.length()).ok()?)?)
        };
        let bytes = bytes().ok_or_else(|| unreadable("a buffer lies outside its record batch"))?;
        if let Some((length, data)) = bytes.split_first_chunk()
            && i64::from_le_bytes(*length) > ratio * (data.len() as i64 + 64)
        {
            let length = i64::from_le_bytes(*length);
            return Err(unreadable(format!("{} bytes can't hold {length}, compressed", data.len())));
        }
    }
    Ok(())
}
