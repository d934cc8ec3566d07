//! Reading shards back.

use std::fs::File;
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::ipc::reader::FileReader;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::common::Folder;

/// The names of the shards in a folder, in order.
pub(crate) fn names(folder: &Folder, shards: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path(shards)).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.starts_with("part-"));
    names.sort();
    names
}

/// The record batches of one file, with dictionaries.
pub(crate) fn batches(path: &Path) -> Vec<RecordBatch> {
    let file = File::open(path).unwrap();
    if path.extension().is_some_and(|e| e == "parquet") {
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        return reader.map(Result::unwrap).collect();
    }
    FileReader::try_new(file, None).unwrap().map(Result::unwrap).collect()
}

/// All rows of a folder of shards, in order, cell by cell; a missing value is `~`.
pub(crate) fn rows(folder: &Folder, shards: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for name in names(folder, shards) {
        for batch in batches(&folder.path(shards).join(name)) {
            let options = FormatOptions::default().with_null("~");
            let columns: Vec<ArrayFormatter> =
                batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
            for row in 0..batch.num_rows() {
                rows.push(columns.iter().map(|column| column.value(row).to_string()).collect());
            }
        }
    }
    rows
}

/// The names of the columns.
pub(crate) fn columns(folder: &Folder, shards: &str) -> Vec<String> {
    let name = &names(folder, shards)[0];
    let batch = &batches(&folder.path(shards).join(name))[0];
    batch.schema_ref().fields().iter().map(|field| field.name().clone()).collect()
}

/// The bytes of all shards, one after another.
pub(crate) fn bytes(folder: &Folder, shards: &str) -> Vec<Vec<u8>> {
    names(folder, shards).iter().map(|name| std::fs::read(folder.path(shards).join(name)).unwrap()).collect()
}
