//! Messages: what files and streams consist of.

use std::collections::HashMap;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Schema, SchemaRef, UnionMode};
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

/// The buffers of some of a record batch's columns, given in ascending order.
pub(super) fn buffers_of<'a>(
    schema: &Schema,
    columns: &[usize],
    batch: Batch<'a>,
) -> Vec<&'a arrow::ipc::Buffer> {
    let mut buffers = batch.buffers().into_iter().flatten();
    let mut views = batch.variadicBufferCounts().into_iter().flatten();
    let mut found = Vec::new();
    for (column, field) in schema.fields().iter().enumerate() {
        let its = buffers.by_ref().take(count(field.data_type(), &mut views));
        if columns.binary_search(&column).is_ok() {
            found.extend(its);
        } else {
            its.for_each(drop);
        }
    }
    found
}

/// How many buffers a column of a type has, those of its children among them; `views` tells it of texts that are views.
fn count(data_type: &DataType, views: &mut impl Iterator<Item = i64>) -> usize {
    use DataType as T;
    match data_type {
        T::Null => 0,
        T::Utf8 | T::LargeUtf8 | T::Binary | T::LargeBinary => 3,
        T::Utf8View | T::BinaryView => 2 + views.next().map_or(0, |n| usize::try_from(n).unwrap_or(0)),
        T::List(item) | T::LargeList(item) | T::Map(item, _) => 2 + count(item.data_type(), views),
        T::ListView(item) | T::LargeListView(item) => 3 + count(item.data_type(), views),
        T::FixedSizeList(item, _) => 1 + count(item.data_type(), views),
        T::Struct(fields) => 1 + fields.iter().map(|field| count(field.data_type(), views)).sum::<usize>(),
        T::Union(fields, mode) => {
            let own = if *mode == UnionMode::Dense { 2 } else { 1 };
            own + fields.iter().map(|(_, field)| count(field.data_type(), views)).sum::<usize>()
        }
        T::RunEndEncoded(ends, values) => count(ends.data_type(), views) + count(values.data_type(), views),
        _ => 2,
    }
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

#[cfg(test)]
mod tests {
    use arrow::array::{Array, new_null_array};
    use arrow::datatypes::{Field, Fields, UnionFields};
    use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};

    use super::*;

    #[test]
    fn buffers_are_counted_as_writers_write_them() {
        let item = || std::sync::Arc::new(Field::new("item", DataType::Utf8View, true));
        let pair = Fields::from(vec![
            Field::new("a", DataType::Utf8, true),
            Field::new("b", DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)), true),
        ]);
        let ends = std::sync::Arc::new(Field::new("run_ends", DataType::Int32, false));
        let union = UnionFields::from_fields(vec![Field::new("x", DataType::Int8, true)]);
        let types = [
            DataType::Null,
            DataType::Int64,
            DataType::Boolean,
            DataType::FixedSizeBinary(3),
            DataType::LargeUtf8,
            DataType::BinaryView,
            DataType::List(item()),
            DataType::LargeListView(item()),
            DataType::FixedSizeList(item(), 2),
            DataType::Struct(pair),
            DataType::Union(union.clone(), UnionMode::Sparse),
            DataType::Union(union, UnionMode::Dense),
            DataType::RunEndEncoded(ends, item()),
            DataType::Float32,
        ];
        let fields: Vec<Field> = types.iter().map(|t| Field::new(t.to_string(), t.clone(), true)).collect();
        let columns = types.iter().map(|t| new_null_array(t, 5)).collect();
        let schema = std::sync::Arc::new(Schema::new(fields));
        let table = RecordBatch::try_new(schema.clone(), columns).unwrap();
        let mut tracker = DictionaryTracker::new(false);
        let options = IpcWriteOptions::default();
        let writer = IpcDataGenerator::default();
        writer.schema_to_bytes_with_dictionary_tracker(&schema, &mut tracker, &options);
        let (_, written) =
            writer.encode(&table, &mut tracker, &options, &mut IpcWriteContext::default()).unwrap();
        let header = root_as_message(&written.ipc_message).unwrap();
        let batch = header.header_as_record_batch().unwrap();
        let buffers = |columns: &[usize]| buffers_of(&schema, columns, batch).into_iter().collect::<Vec<_>>();
        let all: Vec<usize> = (0..types.len()).collect();
        assert_eq!(buffers(&all), batch.buffers().unwrap().iter().collect::<Vec<_>>());
        // The last column's values, five numbers, are the last buffer.
        let last = buffers(&[types.len() - 1]);
        assert_eq!((last.len(), last[1].length()), (2, 20));
        assert_eq!(buffers(&[1])[1].length(), 40);
        assert!(table.column(1).is_null(0));
    }
}
