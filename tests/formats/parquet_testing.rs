//! Apache's conformance files, good and bad: read as pyarrow reads them (the digests come from
//! `tests/expected/parquet_testing.py`), or refused in a sentence.

use std::collections::BTreeMap;
use std::fs;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray};
use arrow::compute::{cast, concat};
use arrow::datatypes::DataType;
use millstream::input::{Dataset, ReadAs, Request};
use serde_json::Value;

use crate::common::{each_batch, fails, open, shared};

/// Columns that we read and pyarrow does not, or the reverse, or that it reads as another value; with why.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    (
        "data/dict-page-offset-zero.parquet",
        "",
        "its empty list of encodings has another element type than the parquet crate (60.1) accepts",
    ),
    ("data/nation.dict-malformed.parquet", "name", "its pages overlap; pyarrow reads on regardless"),
    ("data/nation.dict-malformed.parquet", "comment_col", "as above"),
    ("data/incorrect_map_schema.parquet", "", "pyarrow insists on required keys of maps"),
    ("data/incorrect_map_schema.parquet", "my_map", "as above"),
    ("data/repeated_no_annotation.parquet", "id", "the footer counts no rows, its row group 6"),
    ("data/repeated_no_annotation.parquet", "phoneNumbers", "as above"),
    ("data/int96_from_spark.parquet", "a", "pyarrow overflows on the year 290000"),
    ("data/datapage_v1-corrupt-checksum.parquet", "a", "pyarrow checks sums only if asked to"),
    ("data/datapage_v1-corrupt-checksum.parquet", "b", "as above"),
    ("data/rle-dict-uncompressed-corrupt-checksum.parquet", "long_field", "as above"),
    ("data/rle-dict-uncompressed-corrupt-checksum.parquet", "binary_field", "as above"),
];

/// The list elements, or the array itself.
fn flat(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::FixedSizeList(item, _) => {
            let list = DataType::List(item.clone());
            flat(&cast(array, &list).unwrap())
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let parts: Vec<ArrayRef> = list.iter().flatten().collect();
            let parts: Vec<&dyn Array> = parts.iter().map(|p| p.as_ref()).collect();
            if parts.is_empty() { list.values().slice(0, 0) } else { concat(&parts).unwrap() }
        }
        _ => array.clone(),
    }
}

/// Compares a column with its digest; what is unlike, if anything.
fn compare(array: &ArrayRef, expected: &Value) -> Result<(), String> {
    let same = |what: &str, found: String, expected: &Value| {
        let expected = expected.as_str().map_or_else(|| expected.to_string(), str::to_string);
        if found == expected { Ok(()) } else { Err(format!("{what} {found}, expected {expected}")) }
    };
    same("rows", array.len().to_string(), &expected["rows"])?;
    same("nulls", array.logical_null_count().to_string(), &expected["nulls"])?;
    if expected["count"].is_null() {
        return Ok(());
    }
    let items = flat(array);
    same("count", (items.len() - items.logical_null_count()).to_string(), &expected["count"])?;
    let text = |e: arrow::error::ArrowError| e.to_string();
    if !expected["crc"].is_null() {
        let bytes = cast(&items, &DataType::Binary).map_err(text)?;
        let bytes: &BinaryArray = bytes.as_binary();
        let crc = |text: &[u8]| {
            let mut crc = flate2::Crc::new();
            crc.update(text);
            u64::from(crc.sum())
        };
        return same("crc", bytes.iter().flatten().map(crc).sum::<u64>().to_string(), &expected["crc"]);
    }
    if !expected["sum"].is_null() {
        let whole = if *items.data_type() == DataType::UInt64 { DataType::UInt64 } else { DataType::Int64 };
        let items = match items.data_type() {
            DataType::Time32(_) | DataType::Date32 => cast(&items, &DataType::Int32).map_err(text)?,
            _ => items,
        };
        let numbers =
            cast(&cast(&items, &whole).map_err(text)?, &DataType::Decimal128(38, 0)).map_err(text)?;
        let numbers = numbers.as_primitive::<arrow::datatypes::Decimal128Type>();
        return same("sum", numbers.iter().flatten().sum::<i128>().to_string(), &expected["sum"]);
    }
    if expected["float"].is_null() {
        return Ok(());
    }
    let numbers = cast(&items, &DataType::Float64).map_err(text)?;
    let numbers = numbers.as_primitive::<arrow::datatypes::Float64Type>();
    let finite: Vec<f64> = numbers.iter().flatten().filter(|x| x.is_finite()).collect();
    same("finite", finite.len().to_string(), &expected["finite"])?;
    let (sum, size) = (expected["float"].as_f64().unwrap(), expected["size"].as_f64().unwrap());
    let found: f64 = finite.iter().sum();
    if (found - sum).abs() <= 1e-12 * size { Ok(()) } else { Err(format!("sum {found}, expected {sum}")) }
}

/// All of one column.
fn column(dataset: &Dataset, name: &str) -> millstream::Result<ArrayRef> {
    let request = Request {
        columns: vec![(name.into(), ReadAs::Native)],
        batch_rows: 100,
        rejects: false,
        ..Request::default()
    };
    let mut parts: Vec<ArrayRef> = Vec::new();
    each_batch(dataset, &request, |_, batch| {
        parts.push(batch.column(0).clone());
        Ok(())
    })?;
    let parts: Vec<&dyn Array> = parts.iter().map(|p| p.as_ref()).collect();
    let data_type = dataset.schema().field_with_name(name).unwrap().data_type().clone();
    Ok(if parts.is_empty() { arrow::array::new_empty_array(&data_type) } else { concat(&parts).unwrap() })
}

#[test]
fn apache_s_files_are_read_as_pyarrow_reads_them_or_refused() {
    let Some(folder) = shared("parquet-testing") else { return };
    let expected: BTreeMap<String, BTreeMap<String, Value>> = {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/expected/parquet_testing.json");
        serde_json::from_str(&fs::read_to_string(folder).unwrap()).unwrap()
    };
    let mut unlike = Vec::new();
    for (name, columns) in &expected {
        let path = folder.join(name);
        let dataset = match open(&path) {
            Ok(dataset) => dataset,
            Err(error) => {
                let error = error.to_string();
                println!("{error}");
                assert!(error.contains(path.to_str().unwrap()) && !error.contains('\n'), "{error}");
                if name.ends_with(".encrypted") {
                    assert!(error.contains("encrypted"), "{error}");
                }
                if name.starts_with("data/") && !columns.contains_key("error") {
                    unlike.push((name.clone(), String::new(), error));
                }
                continue;
            }
        };
        if columns.contains_key("error") && columns["error"].is_string() {
            unlike.push((name.clone(), String::new(), "pyarrow refuses it".into()));
        }
        for field in dataset.schema().fields() {
            let expected = columns.get(field.name()).unwrap_or(&Value::Null);
            // Columns of an encrypted file may be plain.
            let is_sound = name.starts_with("data/") && !name.ends_with(".encrypted");
            let found = match (column(&dataset, field.name()), expected["error"].is_string()) {
                (Ok(_), _) if !is_sound => Ok(()),
                (Ok(array), false) => compare(&array, expected),
                (Ok(_), true) => Err("pyarrow can't read it".into()),
                (Err(error), is_bad) => {
                    println!("{error}");
                    let error = error.to_string();
                    assert!(error.contains(path.to_str().unwrap()) && !error.contains('\n'), "{error}");
                    if name.ends_with(".encrypted") {
                        assert!(error.contains("encrypted,"), "{error}");
                    }
                    if is_bad || !is_sound { Ok(()) } else { Err(error) }
                }
            };
            if let Err(difference) = found {
                unlike.push((name.clone(), field.name().clone(), difference));
            }
        }
    }
    unlike.retain(|(file, column, _)| !DIFFERENCES.iter().any(|(f, c, _)| f == file && c == column));
    assert!(unlike.is_empty(), "{}", unlike.iter().map(|u| format!("{u:?}\n")).collect::<String>());
}

#[test]
fn the_program_reads_or_refuses_every_file_of_apache_s() {
    let Some(folder) = shared("parquet-testing") else { return };
    for part in ["data", "bad_data"] {
        let mut paths: Vec<_> = fs::read_dir(folder.join(part)).unwrap().map(|e| e.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            let path = path.display();
            // There is no such column, so a file that can be read is refused for that.
            let complaint = fails(&format!("train {path} --target nothing -o /dev/null --quiet"));
            let is_named = complaint.contains(&path.to_string());
            assert!(
                is_named || complaint.contains("`nothing`") || complaint.contains("no rows"),
                "{complaint}"
            );
            assert!(!complaint.contains("panicked"), "{complaint}");
        }
    }
}
