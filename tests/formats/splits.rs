//! Row groups and record batches of all sizes: each row comes exactly once, in order.

use std::path::Path;
use std::sync::Arc;

use arrow::array::*;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use millstream::input::{Extent, ReadAs, Request};
use parquet::file::properties::WriterProperties;
use tempfile::TempDir;

use crate::common::{each_batch, native, open, succeeds};
use crate::table::{cut, groups, table, write_ipc, write_parquet, write_stream};

const MANY: usize = 700_000;

/// A narrow table with a text, a number with gaps, and a list, all told by the row's number.
fn narrow(rows: usize) -> RecordBatch {
    let text = (0..rows).map(|i| (i % 5 != 2).then(|| format!("t{}", i % 1000)));
    let mut lists = ListBuilder::new(Int32Builder::new());
    for i in 0..rows {
        (0..i % 3).for_each(|k| lists.values().append_value((i + k) as i32));
        lists.append(i % 7 != 3);
    }
    table(vec![
        ("text".into(), Arc::new(StringArray::from_iter(text)) as ArrayRef),
        ("gaps".into(), Arc::new(Int64Array::from_iter((0..rows).map(|i| (i % 3 != 1).then_some(i as i64))))),
        ("list".into(), Arc::new(lists.finish())),
    ])
}

#[test]
fn a_large_row_group_is_cut_and_gives_each_row_once_and_in_order() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.parquet");
    let all = narrow(MANY);
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(MANY));
    write_parquet(&path, &all, properties.set_data_page_row_count_limit(9973).build());
    let dataset = open(&path).unwrap();
    assert_eq!(dataset.rows(), Some(MANY as u64));
    assert!(dataset.splits().len() >= 3, "{:?}", dataset.splits());
    assert!(dataset.splits().iter().all(|s| matches!(s.extent, Extent::Rows { group: 0, .. })));
    let mut request = native(&dataset, 8192);
    request.columns[0].1 = ReadAs::Text;
    let mut at = 0;
    each_batch(&dataset, &request, |_, batch| {
        let expected = all.slice(at, batch.num_rows());
        at += batch.num_rows();
        let text = arrow::compute::cast(batch.column(0), &DataType::Utf8).unwrap();
        assert_eq!(&text, expected.column(0), "before row {at}");
        for i in 1..batch.num_columns() {
            assert_eq!(batch.column(i), expected.column(i), "before row {at}");
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(at, MANY);

    let (path, model) = (path.display(), folder.path().join("a.model"));
    let model = model.display();
    succeeds(&format!("train {path} --target y -o {model} --quiet --ignore id"));
    let output = succeeds(&format!("predict {path} --model {model} --keep id --quiet --threads 3"));
    let ids = output.lines().skip(1).map(|line| line.split(',').next().unwrap().parse::<usize>().unwrap());
    assert!(ids.eq(0..MANY));
}

/// Reads a file's row numbers, a few columns at a time.
fn ids(path: &Path, batch_rows: usize) -> Vec<i64> {
    let dataset = open(path).unwrap();
    let columns = vec![("id".to_string(), ReadAs::Number), ("nowhere".to_string(), ReadAs::Text)];
    let mut ids = Vec::new();
    each_batch(
        &dataset,
        &Request { columns, batch_rows, rejects: false, ..Request::default() },
        |_, batch| {
            assert_eq!(batch.column(1).logical_null_count(), batch.num_rows());
            // Numbers of a Parquet dictionary come as such.
            let numbers = cast(batch.column(0), &DataType::Int64).unwrap();
            ids.extend_from_slice(numbers.as_primitive::<Int64Type>().values());
            Ok(())
        },
    )
    .unwrap();
    ids
}

#[test]
fn small_and_empty_row_groups_and_batches() {
    let folder = TempDir::new().unwrap();
    let all = table(groups().remove(0));
    let rows = all.num_rows() as i64;
    for lengths in [vec![], vec![0], vec![0, 0, 1, 1, 0, 30, 0], vec![700], vec![3; 200]] {
        let batches = cut(&all, &lengths);
        let (file, stream) = (folder.path().join("a.arrow"), folder.path().join("a.arrows"));
        write_ipc(&file, &batches, None);
        write_stream(&stream, &batches, None);
        for batch_rows in [1, 64, 10_000] {
            assert!(ids(&file, batch_rows).into_iter().eq(0..rows), "{lengths:?}");
            assert!(ids(&stream, batch_rows).into_iter().eq(0..rows), "{lengths:?}");
        }
    }
    let path = folder.path().join("a.parquet");
    let narrow = narrow(500);
    for group in [1, 3, 499, 500] {
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group));
        write_parquet(&path, &narrow, properties.build());
        assert!(ids(&path, 64).into_iter().eq(0..500), "{group}");
    }
}

#[test]
fn a_folder_with_files_of_no_rows_is_read() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let all = table(groups().remove(2));
    write_parquet(&at("a.parquet"), &all.slice(0, 0), WriterProperties::new());
    write_ipc(&at("b.arrow"), &[all.slice(0, 0)], None);
    let empty = all.slice(0, 0);
    write_stream(&at("c.arrows"), &[empty.clone(), empty], None);
    let model = at("a.model");
    let train = format!("train {} --target y -o {} --quiet", folder.path().display(), model.display());
    let complaint = crate::common::fails(&train);
    assert!(complaint.contains("no rows"), "{complaint}");
    // One with rows, and one written without batches.
    write_parquet(&at("d.parquet"), &all, WriterProperties::new());
    let file = std::fs::File::create(at("e.arrow")).unwrap();
    arrow::ipc::writer::FileWriter::try_new(file, &all.schema()).unwrap().finish().unwrap();
    succeeds(&train);
    let predict =
        format!("predict {} --model {} --keep id --quiet", folder.path().display(), model.display());
    assert_eq!(succeeds(&predict).lines().count(), all.num_rows() + 1);
}
