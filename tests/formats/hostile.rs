//! Damaged files: whatever their bytes, they give an error or rows, soon and in little memory.

use std::fs;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use arrow::array::{ListArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Float64Type, Schema};
use arrow::ipc::CompressionType;
use millstream::Result;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use crate::common::{each_batch, encoded, native, open, plan};
use crate::table::{codecs, cut, groups, table, unusable, write_ipc, write_parquet, write_stream};

/// A table of a few columns of every sort.
fn sample() -> RecordBatch {
    let pick = |columns: Vec<_>, which: &[usize]| -> Vec<_> {
        columns.into_iter().enumerate().filter(|(i, _)| which.contains(i)).map(|(_, c)| c).collect()
    };
    let mut columns: Vec<_> = groups().into_iter().flat_map(|group| pick(group, &[0, 2, 9])).collect();
    columns.extend(pick(unusable(), &[0, 3, 4]));
    columns.retain(|(name, _)| !name.contains("View"));
    table(columns).slice(0, 120)
}

/// Reads it as planning and training do.
fn read(path: &Path) -> Result<usize> {
    let dataset = open(path)?;
    let mut rows = 0;
    each_batch(&dataset, &native(&dataset, 100), |_, batch| {
        rows += batch.num_rows();
        assert!(rows < 1 << 20, "far more rows than there are");
        Ok(())
    })?;
    let plan = plan(&dataset, "y")?;
    encoded(&dataset, &plan, 100)?;
    Ok(rows)
}

/// Reads each of the damaged files; stuck ones are found by a clock. Returns how many could be read.
fn survive(name: &str, cases: impl Iterator<Item = (String, Vec<u8>)> + Send + 'static) -> usize {
    let folder = TempDir::new().unwrap();
    let name = name.to_string();
    let (tell, told) = mpsc::channel();
    let worker = thread::spawn(move || {
        for (case, bytes) in cases {
            tell.send((case.clone(), None)).unwrap();
            // A name of its own for each: a map of the last one may still be there.
            let path = folder.path().join(format!("{case}-{name}"));
            fs::write(&path, bytes).unwrap();
            let result = read(&path);
            if let Err(error) = &result {
                let error = error.to_string();
                assert!(error.contains(path.to_str().unwrap()), "{case}: {error}");
            }
            fs::remove_file(&path).unwrap();
            tell.send((case, Some(result.is_ok()))).unwrap();
        }
    });
    let (mut at, mut read) = (String::new(), 0);
    loop {
        match told.recv_timeout(Duration::from_secs(20)) {
            Ok((case, result)) => {
                read += usize::from(result == Some(true));
                at = case;
            }
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("{at} takes too long"),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    worker.join().unwrap_or_else(|_| panic!("failed at {at}"));
    read
}

/// Most memory that this process has had, in bytes.
fn peak_memory() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<usize>().ok()).unwrap_or(0) << 10
}

fn truncated(bytes: &[u8]) -> impl Iterator<Item = (String, Vec<u8>)> + Send + 'static {
    let bytes = bytes.to_vec();
    (0..bytes.len()).step_by(53).map(move |n| (format!("cut-{n}"), bytes[..n].to_vec()))
}

fn flipped(bytes: &[u8], cases: u64) -> impl Iterator<Item = (String, Vec<u8>)> + Send + 'static {
    let bytes = bytes.to_vec();
    (0..cases).map(move |seed| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut bytes = bytes.clone();
        // Half of the damage goes where it hurts most: the footer.
        let from = if seed % 2 == 0 { 0 } else { bytes.len() * 3 / 4 };
        let (at, bit) = (rng.random_range(from..bytes.len()), rng.random_range(0..8));
        bytes[at] ^= 1 << bit;
        (format!("flip-{seed}"), bytes)
    })
}

fn damage(name: &str, write: impl Fn(&Path)) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    write(&path);
    assert_eq!(read(&path).unwrap_or_else(|e| panic!("{e}")), 120);
    let bytes = fs::read(&path).unwrap();
    let whole = survive(name, truncated(&bytes));
    println!("{name}: of {} truncations {whole} were read", bytes.len().div_ceil(53));
    let read = survive(name, flipped(&bytes, 300));
    println!("{name}: of 300 flips {read} were read");
    assert!(peak_memory() < 3 << 30, "{} bytes", peak_memory());
}

#[test]
fn damaged_parquet() {
    let (_, properties) = codecs().swap_remove(2);
    damage("snappy.parquet", |path| write_parquet(path, &sample(), properties.clone()));
    let (_, properties) = codecs().swap_remove(13);
    damage("zstd2.parquet", |path| write_parquet(path, &sample(), properties.clone()));
}

#[test]
fn damaged_arrow_files() {
    let batches = cut(&sample(), &[50]);
    damage("plain.arrow", |path| write_ipc(path, &batches, None));
    damage("lz4.arrow", |path| write_ipc(path, &batches, Some(CompressionType::LZ4_FRAME)));
    damage("zstd.arrow", |path| write_ipc(path, &batches, Some(CompressionType::ZSTD)));
}

#[test]
fn damaged_arrow_streams() {
    let batches = cut(&sample(), &[50]);
    damage("plain.arrows", |path| write_stream(path, &batches, None));
    damage("lz4.arrows", |path| write_stream(path, &batches, Some(CompressionType::LZ4_FRAME)));
}

/// A compressed buffer says how long it will be; Arrow takes its word and allocates as much.
#[test]
fn a_compressed_buffer_that_claims_to_be_huge_is_refused() {
    let folder = TempDir::new().unwrap();
    let numbers: arrow::array::ArrayRef =
        Arc::new(arrow::array::Int64Array::from_iter_values((0..4096).map(|i| i % 9)));
    let table = table(vec![("x".into(), numbers)]);
    for compression in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
        for is_file in [true, false] {
            let path = folder.path().join(format!("{compression:?}-{is_file}"));
            if is_file {
                write_ipc(&path, &cut(&table, &[]), Some(compression));
            } else {
                write_stream(&path, &cut(&table, &[]), Some(compression));
            }
            let mut bytes = fs::read(&path).unwrap();
            let length = (8 * 4096i64).to_le_bytes();
            let at = bytes.windows(8).position(|b| b == length).expect("the length stands before the data");
            bytes[at..at + 8].copy_from_slice(&(1i64 << 46).to_le_bytes());
            let path = folder.path().join(format!("bad-{compression:?}-{is_file}"));
            fs::write(&path, bytes).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains("can't hold 70368744177664"), "{error}");
        }
    }
}

/// What all buffers claim together is more than can be counted; the budget for memory was small then.
#[test]
fn compressed_buffers_that_claim_to_be_huge_together_need_all_memory() {
    let folder = TempDir::new().unwrap();
    let numbers = |name: &str| {
        let column: arrow::array::ArrayRef =
            Arc::new(arrow::array::Int64Array::from_iter_values((0..4096).map(|i| i % 9)));
        (name.into(), column)
    };
    let path = folder.path().join("m.arrow");
    let table = table(["a", "b", "c"].map(numbers).to_vec());
    write_ipc(&path, &cut(&table, &[]), Some(CompressionType::ZSTD));
    let mut bytes = fs::read(&path).unwrap();
    let length = (8 * 4096i64).to_le_bytes();
    for at in (0..bytes.len() - 8).rev() {
        if bytes[at..at + 8] == length {
            bytes[at..at + 8].copy_from_slice(&i64::MAX.to_le_bytes());
        }
    }
    fs::write(&path, bytes).unwrap();
    let dataset = open(&path).unwrap();
    assert_eq!(dataset.open_bytes(&native(&dataset, 1024)), usize::MAX);
    let command = ["plan", path.to_str().unwrap(), "--target", "y"];
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_millstream")).args(command).output().unwrap();
    let error = String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success() && error.contains("give at least"), "{error}");
}

/// A Parquet file without columns whose footer, in Thrift's compact protocol, promises rows.
fn promising(rows: i64) -> Vec<u8> {
    let mut number = (rows << 1 ^ rows >> 63) as u64;
    let mut varint = Vec::new();
    while number >= 0x80 {
        varint.push(number as u8 | 0x80);
        number >>= 7;
    }
    varint.push(number as u8);
    // The version; the schema's root, its name and no children; rows; a row group of no columns, no bytes and rows.
    let schema = [0x15, 2, 0x19, 0x1c, 0x48, 1, b'm', 0x15, 0, 0];
    let footer = [&schema[..], &[0x16], &varint, &[0x19, 0x1c, 0x19, 0x0c, 0x16, 0, 0x16], &varint, &[0, 0]];
    let footer = footer.concat();
    let length = (footer.len() as u32).to_le_bytes();
    [b"PAR1", &footer[..], &length, b"PAR1"].concat()
}

/// Splits were made of however many rows a row group's entry claims, until memory was full.
#[test]
fn a_row_group_that_claims_to_be_huge() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("m.parquet");
    for rows in [1 << 42, i64::MAX, -1] {
        fs::write(&path, promising(rows)).unwrap();
        let error = open(&path).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("numbers of rows that can't be"), "{rows}: {error}");
        assert!(error.contains(path.to_str().unwrap()), "{rows}: {error}");
    }
    // A page for each byte could hold so many.
    fs::write(&path, promising(1 << 36)).unwrap();
    let dataset = open(&path).unwrap();
    assert_eq!((dataset.splits().len(), dataset.rows()), (1 << 10, Some(1 << 36)));
    assert_eq!(dataset.splits().iter().map(|split| split.rows.unwrap()).sum::<u64>(), 1 << 36);
}

#[test]
fn rows_that_are_too_many_to_be_counted() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("m.arrow");
    let options = RecordBatchOptions::new().with_row_count(Some(i64::MAX as usize));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options).unwrap();
    write_ipc(&path, &[batch.clone(), batch.clone(), batch], None);
    assert_eq!(open(&path).unwrap().rows(), None);
}

/// The parquet crate passed over as many numbers as a damaged page header lists, one by one, though the file had ended.
#[test]
fn a_page_header_that_lists_more_than_the_file_holds() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("m.parquet");
    let lists = (0..50).map(|row| Some(vec![Some(f64::from(row)); 3]));
    let lists = ListArray::from_iter_primitive::<Float64Type, _, _>(lists);
    write_parquet(&path, &table(vec![("l".into(), Arc::new(lists))]), WriterProperties::builder().build());
    let reader = SerializedFileReader::new(fs::File::open(&path).unwrap()).unwrap();
    let (start, _) = reader.metadata().row_group(0).column(0).byte_range();
    let mut bytes = fs::read(&path).unwrap();
    // In Thrift's compact protocol: field 9, unknown, a list of 2^31 - 1 numbers of eight bytes.
    let claims = [0x99, 0xf7, 0xff, 0xff, 0xff, 0xff, 0x07];
    bytes[start as usize..start as usize + claims.len()].copy_from_slice(&claims);
    assert_eq!(survive("m.parquet", std::iter::once(("lists".to_string(), bytes))), 0);
}
