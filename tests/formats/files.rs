//! Files that belong together, and those that do not.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Schema};
use parquet::file::properties::WriterProperties;
use tempfile::TempDir;

use crate::common::{each_batch, encoded, fails, native, open, plan, succeeds};
use crate::table::{cut, write_ipc, write_parquet, write_stream};

const ROWS: usize = 60;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Folder(TempDir::new().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn path(&self) -> String {
        self.0.path().display().to_string()
    }

    /// Writes a file of a column `x`, and a target `y`.
    fn write(&self, name: &str, x: ArrayRef) {
        self.write_columns(name, vec![("x", x, true)]);
    }

    fn write_columns(&self, name: &str, columns: Vec<(&str, ArrayRef, bool)>) {
        let y: ArrayRef = Arc::new(Float32Array::from_iter_values((0..ROWS).map(|i| (i % 7) as f32)));
        let columns: Vec<_> = columns.into_iter().chain([("y", y, true)]).collect();
        let field = |(name, array, nullable): &(&str, ArrayRef, bool)| {
            Field::new(*name, array.data_type().clone(), *nullable)
        };
        let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
        let arrays = columns.into_iter().map(|c| c.1).collect();
        let batch = RecordBatch::try_new(Arc::new(schema), arrays).unwrap();
        match name.rsplit('.').next().unwrap() {
            "parquet" => write_parquet(&self.at(name), &batch, WriterProperties::new()),
            "arrow" => write_ipc(&self.at(name), &cut(&batch, &[20]), None),
            "arrows" => write_stream(&self.at(name), &cut(&batch, &[20]), None),
            _ => unreachable!("a format of this test"),
        }
    }
}

fn ints() -> ArrayRef {
    Arc::new(Int32Array::from_iter_values((0..ROWS as i32).map(|i| i % 10)))
}

fn cast(array: &ArrayRef, data_type: DataType) -> ArrayRef {
    arrow::compute::cast(array, &data_type).unwrap()
}

#[test]
fn files_may_differ_in_the_width_of_numbers_and_the_form_of_texts() {
    let folder = Folder::new();
    let text = cast(&ints(), DataType::Utf8);
    let dictionary = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
    let wide =
        |numbers: DataType, text: ArrayRef| vec![("x", cast(&ints(), numbers), true), ("t", text, true)];
    folder.write_columns("a.parquet", wide(DataType::Int8, text.clone()));
    folder.write_columns("b.arrow", wide(DataType::Int64, cast(&text, dictionary)));
    folder.write_columns("c.arrows", wide(DataType::Float32, cast(&text, DataType::Utf8View)));
    folder.write_columns("d.parquet", wide(DataType::UInt64, cast(&text, DataType::LargeUtf8)));
    fs::write(
        folder.at("e.csv"),
        (0..ROWS).fold("y,x,t\n".into(), |s, i| format!("{s}{},{},{}\n", i % 7, i % 10, i % 10)),
    )
    .unwrap();
    // Texts of digits are numbers in CSV, unless another file says otherwise.
    fs::remove_file(folder.at("e.csv")).unwrap();
    let dataset = open(folder.0.path()).unwrap();
    assert_eq!(dataset.schema().field_with_name("x").unwrap().data_type(), &DataType::Float64);
    let plan = plan(&dataset, "y").unwrap();
    let rows = encoded(&dataset, &plan, 64).unwrap();
    assert_eq!(rows.len(), 4 * ROWS);
    for part in rows.chunks_exact(ROWS) {
        assert_eq!(part, &rows[..ROWS]);
    }
    // As categories, 3 and 3.0 are one.
    let model = folder.at("../a.model").display().to_string() + &folder.path().replace('/', "-");
    succeeds(&format!("train {} --target y --categorical x -o {model} --quiet", folder.path()));
    let shown = succeeds(&format!("inspect {model} --json"));
    fs::remove_file(model).unwrap();
    assert!(shown.contains("3.0") && !shown.contains("\"x=3\""), "{shown}");
}

#[test]
fn a_column_may_be_missing_where_it_can_be_null() {
    let folder = Folder::new();
    folder.write_columns("a.parquet", vec![("x", ints(), true), ("z", ints(), true)]);
    folder.write("b.arrow", cast(&ints(), DataType::Int64));
    folder.write_columns("c.arrows", vec![("x", new_null_array(&DataType::Null, ROWS), true)]);
    let dataset = open(folder.0.path()).unwrap();
    let mut nulls = Vec::new();
    each_batch(&dataset, &native(&dataset, 1000), |_, batch| {
        nulls.push((
            batch.column(0).logical_null_count(),
            batch.column_by_name("z").unwrap().logical_null_count(),
        ));
        Ok(())
    })
    .unwrap();
    assert_eq!(nulls, [(0, 0), (0, 20), (0, 40), (20, 20), (40, 40)]);

    folder.write_columns("d.parquet", vec![("x", ints(), true), ("w", ints(), false)]);
    let error = open(folder.0.path()).err().unwrap().to_string();
    assert!(error.contains("`w`") && error.contains("d.parquet") && error.contains("a.parquet"), "{error}");
}

#[test]
fn files_that_disagree_are_refused_by_their_names_and_the_column() {
    for (name, other) in [
        ("b.parquet", cast(&ints(), DataType::Utf8)),
        ("b.arrow", cast(&ints(), DataType::Boolean)),
        ("b.arrows", cast(&ints(), DataType::Date32)),
    ] {
        let folder = Folder::new();
        folder.write("0.parquet", new_null_array(&DataType::Null, ROWS));
        folder.write("a.parquet", ints());
        folder.write(name, other);
        let complaint = fails(&format!("plan {} --target y", folder.path()));
        for part in ["`x`", "a.parquet", name] {
            assert!(complaint.contains(part), "{complaint}");
        }
        assert!(!complaint.contains("0.parquet"), "{complaint}");
    }
}

#[test]
fn a_name_that_a_file_gives_to_two_columns_is_refused() {
    for name in ["a.parquet", "a.arrow", "a.arrows"] {
        let folder = Folder::new();
        folder.write_columns(name, vec![("x", ints(), true), ("x", ints(), true)]);
        let complaint = fails(&format!("plan {} --target y", folder.path()));
        assert!(
            complaint.contains("two columns have the name `x`") && complaint.contains(name),
            "{complaint}"
        );
    }
}

#[test]
fn names_with_dots_and_strange_characters_are_names() {
    let folder = Folder::new();
    let numbers = StructArray::from(vec![(Arc::new(Field::new("b", DataType::Int32, true)), ints())]);
    for name in ["a.parquet", "a.arrow", "a.arrows"] {
        let columns = vec![
            ("a", Arc::new(numbers.clone()) as ArrayRef, true),
            ("a.b", cast(&ints(), DataType::Utf8), true),
            ("", ints(), true),
            ("ü\n", ints(), true),
        ];
        folder.write_columns(name, columns);
        let dataset = open(&folder.at(name)).unwrap();
        let plan = plan(&dataset, "y").unwrap();
        let used: Vec<&str> = plan.columns.iter().map(|c| c.used.word()).collect();
        assert_eq!(used, ["ignored", "category", "number", "number"]);
        assert_eq!(encoded(&dataset, &plan, 64).unwrap().len(), ROWS);
    }
}

#[test]
fn files_are_told_by_what_they_hold() {
    let folder = Folder::new();
    folder.write("a.parquet", ints());
    folder.write("b.arrow", ints());
    folder.write("c.arrows", ints());
    for (from, to) in [("a.parquet", "a.csv"), ("b.arrow", "b.parquet"), ("c.arrows", "c.arrow")] {
        fs::rename(folder.at(from), folder.at(to)).unwrap();
        assert!(succeeds(&format!("plan {} --target y", folder.at(to).display())).contains('x'));
    }
    for (name, bytes, complaint) in [
        ("d.parquet", b"".as_slice(), "empty"),
        ("e.parquet", b"x,y\n1,2\n", "not a Parquet"),
        ("f.csv", b"\x00\x01\x02\x03\x04\x05\x06\x07\x08", "not a Parquet"),
        ("g.parquet", b"PAR1", "not a readable Parquet"),
        ("h.arrow", b"ARROW1\0\0", "not a readable Arrow"),
        ("i.arrows", b"\xff\xff\xff\xff\x00\x00\x00\x00", "not a readable Arrow"),
        ("j.parquet", b"PARExxxxxxxxPARE", "encrypted"),
    ] {
        fs::write(folder.at(name), bytes).unwrap();
        let found = fails(&format!("plan {} --target y", folder.at(name).display()));
        assert!(found.contains(complaint) && found.contains(name), "{found}");
    }
}

#[test]
fn folders_and_globs() {
    let folder = Folder::new();
    folder.write("a.parquet", ints());
    folder.write("b.arrow", ints());
    fs::write(folder.at("_SUCCESS"), "").unwrap();
    fs::write(folder.at("notes.md"), "not a table").unwrap();
    fs::create_dir(folder.at("more")).unwrap();
    let dataset = open(folder.0.path()).unwrap();
    assert_eq!(dataset.files().count(), 2);
    assert!(dataset.notes()[0].ends_with(": more/, notes.md"), "{:?}", dataset.notes());
    assert_eq!(open(&folder.at("*.[pa]*")).unwrap().files().count(), 2);
    assert!(fails(&format!("plan {}/*.orc --target y", folder.path())).contains("no file matches"));
    assert!(fails(&format!("plan {}/more --target y", folder.path())).contains("no file of a known format"));
    assert!(fails(&format!("plan {}/gone.csv --target y", folder.path())).contains("no such file"));
    assert!(fails("plan /dev/zero --target y").contains("is a device"));
}

#[test]
fn times_of_named_zones_can_be_shown() {
    let folder = Folder::new();
    let times = Int64Array::from_iter_values((0..ROWS as i64).map(|i| 1_600_000_000_000 + i * 86_400_000));
    let zone = DataType::Timestamp(arrow::datatypes::TimeUnit::Millisecond, Some("Europe/Warsaw".into()));
    folder.write("a.parquet", cast(&(Arc::new(times) as ArrayRef), zone));
    let (path, model) =
        (folder.at("a.parquet").display().to_string(), folder.at("a.model").display().to_string());
    succeeds(&format!("train {path} --target y -o {model} --quiet"));
    let output = succeeds(&format!("predict {path} --model {model} --keep x --quiet"));
    assert!(output.contains("2020-09-13T14:26:40+02:00"), "{output}");
}
