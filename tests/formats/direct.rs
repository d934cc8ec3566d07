//! Files that are read past the system's cache: the same rows as through it.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::*;
use arrow::compute::concat_batches;
use arrow::ipc::CompressionType;
use millstream::input::{Dataset, Io, ReadOptions, Request};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use tempfile::TempDir;

use crate::common::{each_batch, native};
use crate::table::{cut, table, write_csv, write_ipc, write_parquet, write_stream};

const ROWS: usize = 300_000;

fn rows() -> RecordBatch {
    // Numbers that can't be packed, so that there is something to read.
    let number = |i: usize| (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let text = (0..ROWS).map(|i| (i % 7 != 0).then(|| format!("t{}", number(i) % 1000)));
    table(vec![
        ("text".into(), Arc::new(StringArray::from_iter(text)) as ArrayRef),
        ("float".into(), Arc::new(Float64Array::from_iter_values((0..ROWS).map(|i| number(i) as f64)))),
        ("whole".into(), Arc::new(UInt64Array::from_iter_values((0..ROWS).map(number)))),
    ])
}

/// All rows of the columns with these names, or of all.
fn read(path: &Path, names: Option<&[&str]>, io: Io) -> RecordBatch {
    let options = ReadOptions { io: Some(io), ..ReadOptions::default() };
    let dataset = Dataset::open(&[path.display().to_string()], &options).unwrap();
    assert_eq!(dataset.can_fetch(), io == Io::Direct);
    let mut request: Request = native(&dataset, 8192);
    request.columns.retain(|(name, _)| names.is_none_or(|names| names.contains(&name.as_str())));
    let mut batches = Vec::new();
    each_batch(&dataset, &request, |_, batch| {
        batches.push(batch.clone());
        Ok(())
    })
    .unwrap();
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

#[test]
fn files_read_past_the_cache_have_the_same_rows() {
    let folder = TempDir::new().unwrap();
    let (all, path) = (rows(), |name: &str| folder.path().join(name));
    let properties = |rows| {
        let zstd = Compression::ZSTD(ZstdLevel::default());
        WriterProperties::builder().set_compression(zstd).set_max_row_group_row_count(Some(rows)).build()
    };
    write_parquet(&path("groups.parquet"), &all, properties(100_000));
    // One that is cut into splits, which are not read as a whole.
    let large = concat_batches(&all.schema(), [&all, &all]).unwrap();
    write_parquet(&path("large.parquet"), &large, properties(1 << 20));
    let batches = cut(&all, &[50_000, 100_000]);
    write_ipc(&path("batches.arrow"), &batches, None);
    write_ipc(&path("packed.arrow"), &batches, Some(CompressionType::ZSTD));
    write_stream(&path("stream.arrows"), &batches, None);
    write_csv(&path("text.csv"), &batches);
    let text = std::fs::read(path("text.csv")).unwrap();
    std::fs::write(path("text.csv.zst"), zstd::encode_all(&text[..], 1).unwrap()).unwrap();
    for name in [
        "groups.parquet",
        "large.parquet",
        "batches.arrow",
        "packed.arrow",
        "stream.arrows",
        "text.csv",
        "text.csv.zst",
    ] {
        for names in [None, Some(&["float"][..])] {
            let cached = read(&path(name), names, Io::Cached);
            assert!(cached.num_rows() >= ROWS);
            assert!(cached == read(&path(name), names, Io::Direct), "{name}, {names:?}");
        }
    }
}

#[test]
fn a_file_that_became_shorter_is_an_error() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.parquet");
    write_parquet(&path, &rows(), WriterProperties::builder().build());
    let options = ReadOptions { io: Some(Io::Direct), ..ReadOptions::default() };
    let dataset = Dataset::open(&[path.display().to_string()], &options).unwrap();
    File::options().write(true).open(&path).unwrap().set_len(1 << 20).unwrap();
    let error = each_batch(&dataset, &native(&dataset, 8192), |_, _| Ok(())).unwrap_err();
    assert!(error.to_string().contains("a.parquet"), "{error}");
}
