//! What the tests of the formats share.

use std::io::Write;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use tempfile::NamedTempFile;

use crate::error::Result;
use crate::input::disk::Access;
use crate::input::{ReadAs, Reject, Request, Source};

pub(crate) fn file(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// All columns as the file has them.
pub(crate) fn native(source: &dyn Source, batch_rows: usize) -> Request {
    let columns = source.schema().fields().iter().map(|field| (field.name().clone(), ReadAs::Native));
    Request { columns: columns.collect(), batch_rows, rejects: false, ..Request::default() }
}

pub(crate) fn request(columns: &[(&str, ReadAs)]) -> Request {
    let columns = columns.iter().map(|(name, read_as)| (name.to_string(), *read_as)).collect();
    Request { columns, batch_rows: 1000, rejects: false, ..Request::default() }
}

/// All rows of all splits, and the rejects.
pub(crate) fn read(source: &dyn Source, request: &Request) -> Result<(Vec<RecordBatch>, Vec<Reject>)> {
    let (mut batches, mut rejects) = (Vec::new(), Vec::new());
    for split in source.splits(0) {
        let mut stream = source.open(&split, request, Access::default())?;
        while let Some(batch) = stream.next_batch()? {
            assert!((1..=request.batch_rows).contains(&batch.num_rows()));
            rejects.extend(stream.take_rejects());
            batches.push(batch);
        }
        rejects.extend(stream.take_rejects());
    }
    Ok((batches, rejects))
}

/// The cells of all rows as text, missing ones as `-`, maps as `{key: value, ...}`.
pub(crate) fn cells(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let options = FormatOptions::new().with_null("-");
    let cells_of = |batch: &RecordBatch| {
        let formatters: Vec<_> =
            batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
        (0..batch.num_rows())
            .map(|row| formatters.iter().map(|f| f.value(row).to_string()).collect())
            .collect::<Vec<Vec<String>>>()
    };
    batches.iter().flat_map(cells_of).collect()
}

/// The keys, as text, and values of a map in each row.
pub(crate) fn maps(batches: &[RecordBatch], column: usize) -> Vec<Vec<(String, f32)>> {
    let mut rows = Vec::new();
    for batch in batches {
        let map = batch.column(column).as_map();
        for row in 0..map.len() {
            let entries = map.value(row);
            let keys = cast(entries.column(0), &DataType::Utf8).unwrap();
            let values = entries.column(1).as_primitive::<Float32Type>();
            let keys = keys.as_string::<i32>().iter().map(|key| key.unwrap().to_string());
            rows.push(keys.zip(values.values().iter().copied()).collect());
        }
    }
    rows
}

/// Names and types of the columns.
pub(crate) fn types(source: &dyn Source) -> Vec<(String, String)> {
    let pair = |field: &arrow::datatypes::FieldRef| (field.name().clone(), field.data_type().to_string());
    source.schema().fields().iter().map(pair).collect()
}

/// Changes some bytes of a text, as `changes` say.
pub(crate) fn mutated(text: &[u8], changes: &[(usize, u8)]) -> Vec<u8> {
    let mut bytes = text.to_vec();
    for (at, byte) in changes {
        let length = bytes.len().max(1);
        match byte % 3 {
            0 if !bytes.is_empty() => bytes[at % length] = *byte,
            1 if !bytes.is_empty() => drop(bytes.remove(at % length)),
            _ => bytes.insert(at % length, *byte),
        }
    }
    bytes
}
