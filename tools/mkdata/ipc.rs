//! Arrow IPC files: uncompressed, aligned to 64 bytes, batches of 65,536 rows, categories as
//! dictionaries with Int32 keys.
//!
//! The format allows one dictionary per column and file, and it stands before the rows: a file's
//! rows are therefore held in memory until the last one is known.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasherDefault, Hasher};
use std::io::BufWriter;
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, AsArray, DictionaryArray, Int32Array, RecordBatch, UInt32Array};
use arrow::compute::BatchCoalescer;
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::MetadataVersion;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};

use crate::hex;
use crate::sink::Sink;

const BATCH_ROWS: usize = 65_536;

/// Writes one Arrow IPC file.
pub(crate) struct IpcSink {
    file: File,
    /// One per column; `None` for those that are not categories.
    dictionaries: Vec<Option<Dictionary>>,
    /// The rows so far, categories as keys of the dictionaries.
    rows: BatchCoalescer,
}

impl IpcSink {
    pub(crate) fn new(file: File, schema: &SchemaRef) -> IpcSink {
        let is_category = |field: &Field| field.data_type() == &DataType::UInt32;
        let dictionaries: Vec<_> =
            schema.fields().iter().map(|f| is_category(f).then(Dictionary::default)).collect();
        let keyed = categories_as(DataType::Int32, schema, &dictionaries);
        IpcSink { file, dictionaries, rows: BatchCoalescer::new(keyed, BATCH_ROWS) }
    }
}

impl Sink for IpcSink {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns =
            batch.columns().iter().zip(&mut self.dictionaries).map(|(column, dictionary)| match dictionary {
                Some(dictionary) => Arc::new(dictionary.keys(column.as_primitive())),
                None => column.clone(),
            });
        let keyed = RecordBatch::try_new(self.rows.schema(), columns.collect())?;
        Ok(self.rows.push_batch(keyed)?)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.rows.finish_buffered_batch()?;
        let both = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let schema = categories_as(both, &self.rows.schema(), &self.dictionaries);
        let texts: Vec<Option<ArrayRef>> =
            self.dictionaries.into_iter().map(|dictionary| dictionary.map(Dictionary::texts)).collect();
        let options = IpcWriteOptions::try_new(64, false, MetadataVersion::V5)?;
        let file = BufWriter::with_capacity(1 << 20, self.file);
        let mut writer = FileWriter::try_new_with_options(file, &schema, options)?;
        while let Some(batch) = self.rows.next_completed_batch() {
            let columns: Result<Vec<ArrayRef>, ArrowError> =
                batch.columns().iter().zip(&texts).map(|(column, texts)| attach(column, texts)).collect();
            writer.write(&RecordBatch::try_new(schema.clone(), columns?)?)?;
        }
        Ok(writer.finish()?)
    }
}

/// `schema` with the type of the categories replaced.
fn categories_as(data_type: DataType, schema: &SchemaRef, dictionaries: &[Option<Dictionary>]) -> SchemaRef {
    let fields = schema.fields().iter().zip(dictionaries).map(|(field, dictionary)| match dictionary {
        Some(_) => field.as_ref().clone().with_data_type(data_type.clone()),
        None => field.as_ref().clone(),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A column of keys with its dictionary; any other column as it is.
fn attach(column: &ArrayRef, texts: &Option<ArrayRef>) -> Result<ArrayRef, ArrowError> {
    let Some(texts) = texts else { return Ok(column.clone()) };
    let keys = column.as_primitive::<Int32Type>().clone();
    Ok(Arc::new(DictionaryArray::try_new(keys, texts.clone())?))
}

/// The categories of a column seen so far, each with its key: its place in order of appearance.
#[derive(Default)]
struct Dictionary {
    keys: HashMap<u32, i32, BuildHasherDefault<Scattered>>,
    ids: Vec<u32>,
}

impl Dictionary {
    /// The keys of `ids`, which are added where they are new.
    fn keys(&mut self, ids: &UInt32Array) -> Int32Array {
        let mut key = |id: u32| {
            *self.keys.entry(id).or_insert_with(|| {
                self.ids.push(id);
                self.ids.len() as i32 - 1
            })
        };
        ids.iter().map(|id| id.map(&mut key)).collect()
    }

    /// The categories in the order of their keys.
    fn texts(self) -> ArrayRef {
        Arc::new(hex::strings(&UInt32Array::from(self.ids)))
    }
}

/// A hasher for ids, which are hashes already; the map looks at the high bits too, hence the product.
#[derive(Default)]
struct Scattered(u64);

impl Hasher for Scattered {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only ids are hashed");
    }

    fn write_u32(&mut self, id: u32) {
        self.0 = u64::from(id).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
