//! What `mkdata` promises, checked on the files that the real binary writes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Int8Type, Schema, SchemaRef};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use tempfile::TempDir;

/// Runs `mkdata` with `arguments`, split at spaces, and the output folder `folder`.
fn mkdata(arguments: &str, folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mkdata"));
    command.args(arguments.split(' ')).arg("-o").arg(folder).output().expect("mkdata starts")
}

/// Makes a table in a fresh folder; fails if `mkdata` does.
fn made(arguments: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let output = mkdata(arguments, folder.path());
    assert!(output.status.success(), "mkdata {arguments}: {}", stderr(&output));
    folder
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn truth(folder: &TempDir) -> Value {
    serde_json::from_slice(&fs::read(folder.path().join("_truth.json")).unwrap()).unwrap()
}

/// The parts' names and bytes.
fn parts(folder: &TempDir) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap());
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    let parts = named.filter(|(name, _)| name.starts_with("part-"));
    parts.map(|(name, path)| (name, fs::read(path).unwrap())).collect()
}

/// All rows of a folder, categories as plain text whatever the format.
fn rows(folder: &TempDir) -> RecordBatch {
    let mut schema: Option<SchemaRef> = None;
    let mut batches = Vec::new();
    for name in parts(folder).keys() {
        let path = folder.path().join(name);
        for batch in read(&path, schema.clone()) {
            let batch = plain(&batch);
            schema = Some(batch.schema());
            batches.push(batch);
        }
    }
    concat_batches(&schema.expect("a folder has rows"), &batches).unwrap()
}

fn read(path: &Path, schema: Option<SchemaRef>) -> Vec<RecordBatch> {
    let file = File::open(path).unwrap();
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("parquet") => {
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
            reader.map(Result::unwrap).collect()
        }
        Some("arrow") => {
            arrow::ipc::reader::FileReader::try_new(file, None).unwrap().map(Result::unwrap).collect()
        }
        Some("csv") => {
            let schema = schema.unwrap_or_else(|| header_schema(path));
            let reader = arrow::csv::ReaderBuilder::new(schema).with_header(true).build(file).unwrap();
            reader.map(Result::unwrap).collect()
        }
        other => panic!("unknown extension {other:?}"),
    }
}

/// The types follow from the names: label, I1.., C1.., f0..
fn header_schema(path: &Path) -> SchemaRef {
    let text = fs::read_to_string(path).unwrap();
    let fields = text.lines().next().unwrap().split(',').map(|name| match &name[..1] {
        "l" => Field::new(name, DataType::Int8, false),
        "I" => Field::new(name, DataType::Int32, true),
        "C" => Field::new(name, DataType::Utf8, true),
        _ => Field::new(name, DataType::Float32, false),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn plain(batch: &RecordBatch) -> RecordBatch {
    let column = |(field, column): (&Arc<Field>, &ArrayRef)| match column.data_type() {
        DataType::Dictionary(_, values) => {
            assert_eq!(values.as_ref(), &DataType::Utf8);
            let field = field.as_ref().clone().with_data_type(DataType::Utf8);
            (Arc::new(field), cast(column, &DataType::Utf8).unwrap())
        }
        _ => (field.clone(), column.clone()),
    };
    let schema = batch.schema();
    let (fields, columns): (Vec<_>, Vec<_>) = schema.fields().iter().zip(batch.columns()).map(column).unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn labels(rows: &RecordBatch) -> Vec<i8> {
    rows.column_by_name("label").unwrap().as_primitive::<Int8Type>().values().to_vec()
}

#[test]
fn threads_do_not_change_a_byte() {
    for format in ["parquet", "ipc", "csv"] {
        let make = |threads| {
            made(&format!("clicks --rows 20000 --rows-per-file 7000 --format {format} --threads {threads}"))
        };
        let (one, three) = (make(1), make(3));
        assert_eq!(parts(&one).len(), 3);
        assert!(parts(&one) == parts(&three), "{format} files differ");
        for key in ["bayes_log_loss", "base_rate", "model"] {
            assert_eq!(truth(&one)[key], truth(&three)[key]);
        }
    }
}

#[test]
fn formats_hold_the_same_rows() {
    for table in ["clicks", "dense"] {
        let make = |format| made(&format!("{table} --rows 10000 --rows-per-file 6000 --format {format}"));
        let parquet = rows(&make("parquet"));
        assert_eq!(parquet.num_rows(), 10_000);
        assert!(parquet == rows(&make("ipc")), "{table}: IPC differs from Parquet");
        assert!(parquet == rows(&make("csv")), "{table}: CSV differs from Parquet");
        assert!(parquet == rows(&make("parquet --compression snappy --row-group-rows 1000")));
    }
}

#[test]
fn skipping_goes_on_with_the_same_table() {
    let all = made("clicks --rows 12000 --format parquet --seed 3");
    let later = made("clicks --rows 2500 --skip 9500 --format parquet --seed 3");
    assert!(rows(&all).slice(9_500, 2_500) == rows(&later));
    assert_eq!(truth(&all)["model"], truth(&later)["model"]);
    let other_seed = made("clicks --rows 2500 --skip 9500 --format parquet --seed 4");
    assert!(rows(&later) != rows(&other_seed));
}

#[test]
fn sorted_output_has_the_same_rows_with_negatives_first() {
    let mixed = made("dense --rows 10000 --rows-per-file 4000 --format parquet");
    let sorted = made("dense --rows 10000 --rows-per-file 4000 --format parquet --sorted");
    assert_eq!(parts(&sorted).len(), 6);
    let (mixed_rows, sorted_rows) = (rows(&mixed), rows(&sorted));
    let mut expected: Vec<usize> = (0..mixed_rows.num_rows()).collect();
    expected.sort_by_key(|&row| labels(&mixed_rows)[row]);
    let expected = arrow::array::UInt64Array::from_iter_values(expected.into_iter().map(|row| row as u64));
    assert!(arrow::compute::take_record_batch(&mixed_rows, &expected).unwrap() == sorted_rows);
    let loss = |folder| truth(folder)["bayes_log_loss"].as_f64().unwrap();
    assert!((loss(&mixed) - loss(&sorted)).abs() < 1e-9);
}

#[test]
fn the_planted_model_is_as_stated() {
    for (table, rate) in [("clicks", 0.25), ("dense", 0.5)] {
        let folder = made(&format!("{table} --rows 40000 --format parquet"));
        let truth = truth(&folder);
        let labels = labels(&rows(&folder));
        let measured = labels.iter().map(|&label| f64::from(label)).sum::<f64>() / labels.len() as f64;
        assert!((measured - rate).abs() < 0.01, "{table}: base rate {measured}");
        assert_eq!(truth["base_rate"].as_f64().unwrap(), measured);
        let entropy = -(measured * measured.ln() + (1.0 - measured) * (1.0 - measured).ln());
        let loss = truth["bayes_log_loss"].as_f64().unwrap();
        assert!(0.0 < loss && loss < 0.95 * entropy, "{table}: {loss} against {entropy}");
    }
}

#[test]
fn columns_are_as_the_record_says() {
    let folder = made("clicks --rows 40000 --format parquet");
    let rows = rows(&folder);
    let truth = truth(&folder);
    let columns = truth["model"]["columns"].as_array().unwrap();
    assert_eq!(columns.len(), 39);
    for planted in columns {
        let name = planted["name"].as_str().unwrap();
        let column = rows.column_by_name(name).unwrap();
        let nulls = column.null_count() as f64 / rows.num_rows() as f64;
        assert!((nulls - planted["nulls"].as_f64().unwrap()).abs() < 0.015, "{name}: {nulls} nulls");
        if let Some(cardinality) = planted["cardinality"].as_u64() {
            let distinct: std::collections::HashSet<_> = column.as_string::<i32>().iter().flatten().collect();
            let most = cardinality.min(rows.num_rows() as u64) as usize;
            assert!(distinct.len() <= most && distinct.len() >= most.min(50), "{name}: {}", distinct.len());
        }
    }
}

#[test]
fn a_folder_in_use_is_refused_unless_forced() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let output = mkdata("dense --rows 10 --format csv", folder.path());
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(message.contains("is not empty") && message.contains("--force"), "{message}");
    assert_eq!(message.lines().count(), 1);
    assert!(parts(&folder).is_empty());

    assert!(mkdata("dense --rows 10 --format csv --force", folder.path()).status.success());
    assert_eq!(rows(&folder).num_rows(), 10);
    assert_eq!(fs::read(folder.path().join("notes.txt")).unwrap(), b"mine");
}

#[test]
fn an_unusable_folder_is_one_sentence_and_exit_code_1() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let output = mkdata("dense --rows 10 --format csv", &file.join("below"));
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(
        message.starts_with("mkdata: cannot make the folder") && message.lines().count() == 1,
        "{message}"
    );
}

#[test]
fn wrong_usage_is_exit_code_2() {
    for arguments in [
        "clicks --format parquet",
        "clicks --rows 0 --format parquet",
        "clicks --rows 10 --size 1GB --format parquet",
        "clicks --rows 10 --format csv --compression zstd",
        "clicks --rows 10 --format ipc --row-group-rows 5",
        "clicks --size lots --format csv",
        "clouds --rows 10 --format csv",
    ] {
        let folder = TempDir::new().unwrap();
        let output = mkdata(arguments, folder.path());
        assert_eq!(output.status.code(), Some(2), "{arguments}: {}", stderr(&output));
    }
}

#[test]
fn a_size_is_met_roughly() {
    for arguments in ["clicks --format csv", "clicks --format ipc", "dense --format parquet"] {
        let folder = made(&format!("{arguments} --size 10MB"));
        let bytes: usize = parts(&folder).values().map(Vec::len).sum();
        assert!((5_000_000..20_000_000).contains(&bytes), "{arguments}: {bytes}");
    }
}
