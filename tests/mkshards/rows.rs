//! Which rows and columns go over, in every format.

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, TimestampSecondArray, UInt64Array};
use arrow::datatypes::{DataType, Int16Type};

use crate::common::{Folder, clicks, floats, integers, says, table};
use crate::shards::{batches, columns, names, rows};

const PEOPLE: &str = "name,age,city,paid\n\
                      Ann,31,Graz,1.5\n\
                      Bob,,Wien,2\n\
                      \"Cid, jr.\",17,Graz,\n\
                      Ann,31,Graz,1.5\n\
                      Eve,64,,0.25\n";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("people.csv", PEOPLE);
    folder
}

fn first(rows: &[Vec<String>]) -> Vec<&str> {
    rows.iter().map(|row| row[0].as_str()).collect()
}

#[test]
fn all_rows_go_over_as_they_are() {
    let folder = folder();
    let summary = folder.mkshards("people.csv -o out --type city=category,name=text");
    let expected = [
        ["Ann", "31", "Graz", "1.5"],
        ["Bob", "~", "Wien", "2.0"],
        ["Cid, jr.", "17", "Graz", "~"],
        ["Ann", "31", "Graz", "1.5"],
        ["Eve", "64", "~", "0.25"],
    ];
    assert_eq!(rows(&folder, "out"), expected);
    assert_eq!((&summary["rows"], &summary["rows_read"]), (&5.into(), &5.into()));
    assert_eq!(folder.names(), ["out", "people.csv"]);
    assert_eq!(names(&folder, "out"), ["part-00000.arrow"]);
    let batch = &batches(&folder.path("out/part-00000.arrow"))[0];
    let types: Vec<_> = batch.schema_ref().fields().iter().map(|f| f.data_type().clone()).collect();
    let category = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    assert_eq!(types, [DataType::Utf8, DataType::Int64, category, DataType::Float64]);
    let catalog = folder.json("out/_schema.json");
    assert_eq!(catalog["rows"], 5);
    let age = &catalog["columns"][1];
    assert_eq!((&age["missing"], &age["min"], &age["max"]), (&1.into(), &17.0.into(), &64.0.into()));
    assert_eq!(age["mean"], 35.75);
}

#[test]
fn columns_are_selected_dropped_renamed_and_filled() {
    let folder = folder();
    folder.mkshards("people.csv -o a --select city,name --rename name=who,city=where");
    assert_eq!(columns(&folder, "a"), ["where", "who"]);
    assert_eq!(rows(&folder, "a")[1], ["Wien", "Bob"]);
    folder.mkshards("people.csv -o b --drop name,paid --fill age=0,city=nowhere");
    assert_eq!(columns(&folder, "b"), ["age", "city"]);
    assert_eq!(rows(&folder, "b")[1], ["0", "Wien"]);
    assert_eq!(rows(&folder, "b")[4], ["64", "nowhere"]);
    let error = folder.mkshards_fails(2, "people.csv -o c --select nam");
    says(&error, &["no column `nam`", "did you mean `name`?"]);
    let error = folder.mkshards_fails(2, "people.csv -o c --rename name=age");
    says(&error, &["two columns", "`age`"]);
    let error = folder.mkshards_fails(2, "people.csv -o c --fill age=old");
    says(&error, &["column `age`", "\"old\"", "Int64"]);
    says(&folder.mkshards_fails(2, "people.csv -o c --drop name,age,city,paid"), &["no column is left"]);
    assert_eq!(folder.names(), ["a", "b", "people.csv"], "a mistake leaves nothing");
}

#[test]
fn rows_are_filtered_and_counted() {
    let folder = folder();
    let mut command = folder.mkshards_command("people.csv -o out --quiet --summary s.json");
    assert!(
        command.args(["--where", "age >= 18 and city = 'Graz' or age is null"]).status().unwrap().success()
    );
    assert_eq!(first(&rows(&folder, "out")), ["Ann", "Bob", "Ann"]);
    let summary = folder.json("s.json");
    assert_eq!(
        (&summary["rows"], &summary["filtered"], &summary["rows_read"]),
        (&3.into(), &2.into(), &5.into())
    );
    let error = folder.mkshards_fails(2, "people.csv -o c --where agee>3");
    says(&error, &["did you mean `age`?"]);
    folder.mkshards("people.csv -o none --where age>100");
    assert!(names(&folder, "none").is_empty(), "no row, no shard");
}

#[test]
fn of_equal_rows_the_first_stays() {
    let folder = folder();
    let summary = folder.mkshards("people.csv -o out --dedup");
    assert_eq!(first(&rows(&folder, "out")), ["Ann", "Bob", "Cid, jr.", "Eve"]);
    assert_eq!((&summary["duplicates"], &summary["rows"]), (&1.into(), &4.into()));
    // Over many lots, too.
    let table = clicks(3000, 1);
    folder.table("a.csv", &table);
    let text = folder.read("a.csv");
    let (header, body) = text.split_once('\n').unwrap();
    folder.write("twice.csv", format!("{header}\n{body}{body}"));
    folder.mkshards("twice.csv -o twice --dedup --shard-size 16KB");
    folder.mkshards("a.csv -o once --dedup");
    assert!(names(&folder, "twice").len() > 1);
    assert_eq!(rows(&folder, "twice"), rows(&folder, "once"));
}

#[test]
fn every_format_gives_the_same_rows() {
    let folder = Folder::new();
    let table = clicks(2000, 7);
    for name in ["t.csv", "t.parquet", "t.arrow"] {
        folder.table_in_pieces(name, &table, 300);
        folder.mkshards(&format!("{name} -o {name}.shards --shard-size 32KB"));
    }
    let text = folder.read("t.csv");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gz, text.as_bytes()).unwrap();
    folder.write("t.csv.gz", gz.finish().unwrap());
    folder.mkshards("t.csv.gz -o t.csv.gz.shards --shard-size 32KB");
    folder.write("t.tsv", text.replace(',', "\t"));
    folder.mkshards("t.tsv -o t.tsv.shards");
    let expected = rows(&folder, "t.parquet.shards");
    assert_eq!(expected.len(), 2000);
    for name in ["t.csv", "t.arrow", "t.csv.gz", "t.tsv"] {
        assert_eq!(rows(&folder, &format!("{name}.shards")), expected, "{name}");
    }
    for options in ["--format parquet", "--compress lz4", "--compress zstd", "--threads 1"] {
        folder.mkshards(&format!("t.csv -o x --overwrite --shard-size 32KB {options}"));
        assert_eq!(rows(&folder, "x"), expected, "{options}");
    }
    let error = folder.mkshards_fails(2, "t.csv -o y --format parquet --compress lz4");
    says(&error, &["--compress is for Arrow shards"]);
}

#[test]
fn types_are_found_or_named() {
    let folder = Folder::new();
    folder.write("t.csv", "a;b;c;d\n1,5;007;x;2020-01-02\n2,25;008;-;2020-01-03\n");
    folder.mkshards("t.csv -o out --decimal-comma --type c=text --null -");
    assert_eq!(rows(&folder, "out")[0], ["1.5", "007", "x", "2020-01-02T00:00:00"]);
    assert_eq!(rows(&folder, "out")[1][2], "~");
    let mut command = folder.mkshards_command("t.csv -o int --quiet");
    assert!(command.args(["--decimal-comma", "--type", "b=int,a=float32"]).status().unwrap().success());
    assert_eq!(rows(&folder, "int")[0][..2], ["1.5", "7"]);
    says(&folder.mkshards_fails(2, "t.csv -o x --type e=int"), &["no column `e`"]);
    says(&folder.mkshards_fails(2, "t.csv -o x --type a=integral"), &["integral", "types are"]);
    // Types of files that have their own are cast.
    folder.table("t.parquet", &clicks(100, 1));
    folder.mkshards("t.parquet -o cast --type click=int,user=text --select click,user");
    let batch = &batches(&folder.path("cast/part-00000.arrow"))[0];
    assert_eq!(batch.column(0).data_type(), &DataType::Int64);
    assert_eq!(batch.column(1).data_type(), &DataType::Utf8);
    let error = folder.mkshards_fails(1, "t.parquet -o x --type city=int");
    says(&error, &["t.parquet", "column `city`", "Int64", "--type"]);
}

#[test]
fn values_are_never_changed_without_a_word() {
    let folder = Folder::new();
    // Digits with zeros before them, far behind the sample.
    let line = |i: usize| {
        format!("{i},{}\n", if i == 200_111 { "00123".into() } else { (i % 90_000 + 10_000).to_string() })
    };
    folder.write("late.csv", format!("id,zip\n{}", (0..300_000).map(line).collect::<String>()));
    let error = folder.mkshards_fails(1, "late.csv -o late");
    says(&error, &["line 200113", "column `zip`", "\"00123\"", "code", "--type"]);
    let summary = folder.mkshards("late.csv -o late --rejects r.csv");
    assert_eq!(summary["rejects"], 1);
    folder.mkshards("late.csv -o late --overwrite --type zip=text --where id=200111");
    assert_eq!(rows(&folder, "late")[0][1], "00123");
    // Whole numbers that no integer holds.
    folder.write("j.jsonl", "{\"a\":18446744073709551615}\n{\"a\":18446744073709551614}\n");
    folder.mkshards("j.jsonl -o json --dedup");
    assert_eq!(rows(&folder, "json"), [["18446744073709551615"], ["18446744073709551614"]]);
    let unsigned: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
    folder.table("u.parquet", &table(vec![("a", unsigned)]));
    folder.table("s.parquet", &table(vec![("a", integers([9_007_199_254_740_993]))]));
    folder.mkshards("s.parquet u.parquet -o both");
    assert_eq!(rows(&folder, "both"), [["9007199254740993"], ["18446744073709551615"]]);
    // Types that have no room for a value.
    folder.table("f.parquet", &table(vec![("x", floats([1.5, 2.0]))]));
    says(
        &folder.mkshards_fails(1, "f.parquet -o x --type x=int"),
        &["column `x`", "Float64", "Int64", "--type"],
    );
    says(&folder.mkshards_fails(1, "f.parquet -o x --type x=bool"), &["column `x`", "Boolean"]);
    // Dictionaries of texts that hardly repeat.
    let texts: DictionaryArray<Int16Type> =
        (0..300).map(|i| format!("v{i}")).collect::<Vec<_>>().iter().map(|t| Some(t.as_str())).collect();
    folder.table("d.arrow", &table(vec![("x", Arc::new(texts))]));
    for options in
        ["", "--dedup", "--shuffle", "--format parquet", "--type x=text", "--type x=category", "--fill x=y"]
    {
        folder.mkshards(&format!("d.arrow -o dictionary --overwrite {options}"));
        assert_eq!(rows(&folder, "dictionary").len(), 300, "{options}");
    }
    // Seconds, which Parquet does not know.
    let seconds: ArrayRef = Arc::new(TimestampSecondArray::from(vec![1_577_836_800]));
    folder.table("t.arrow", &table(vec![("t", seconds)]));
    folder.mkshards("t.arrow -o seconds --format parquet");
    assert_eq!(rows(&folder, "seconds"), [["2020-01-01T00:00:00"]]);
}

#[test]
fn long_cells_take_no_more_memory_than_they_need() {
    let folder = Folder::new();
    let line = |i: usize| format!("{i},{}\n", "x".repeat(300_000));
    folder.write("wide.csv", format!("id,text\n{}", (0..40).map(line).collect::<String>()));
    folder.mkshards("wide.csv -o wide --memory 1GB");
    assert_eq!(rows(&folder, "wide").len(), 40);
}

#[test]
fn outputs_that_are_inputs_are_refused() {
    let folder = folder();
    says(&folder.mkshards_fails(2, "people.csv -o out --rejects people.csv"), &["people.csv is an input"]);
    folder.mkshards("people.csv -o out");
    says(
        &folder.mkshards_fails(2, "people.csv -o out --overwrite --rejects out/r.csv"),
        &["among the shards"],
    );
    says(&folder.mkshards_fails(2, "people.csv -o new --summary people.csv"), &["people.csv is an input"]);
    says(&folder.mkshards_fails(2, "people.csv -o new --summary r.csv --rejects r.csv"), &["both", "r.csv"]);
    assert_eq!(folder.read("people.csv"), PEOPLE);
}

#[test]
fn standard_input_is_converted() {
    let folder = folder();
    let mut command = folder.mkshards_command("- -o out --quiet");
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), PEOPLE.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    folder.mkshards("people.csv -o file");
    assert_eq!(rows(&folder, "out"), rows(&folder, "file"));
}
