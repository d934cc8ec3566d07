//! Whole files, from the bytes on disk to record batches.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Float64Type, Schema, TimestampMicrosecondType};
use proptest::prelude::*;
use tempfile::NamedTempFile;

mod options;
mod rejects;
mod ugly;

use super::CsvSource;
use super::breaks::Breaks;
use super::dialect::Dialect;
use super::layout::Layout;
use super::spelling::Spelling;
use crate::error::Result;
use crate::input::bytes::Compression;
use crate::input::disk::Access;
use crate::input::{Extent, ReadAs, ReadOptions, Request, Source};

fn file(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn request(columns: &[(&str, ReadAs)], batch_rows: usize) -> Request {
    Request {
        columns: columns.iter().map(|(name, read_as)| (name.to_string(), *read_as)).collect(),
        batch_rows,
        rejects: false,
        ..Request::default()
    }
}

fn every_column(source: &CsvSource, read_as: ReadAs, batch_rows: usize) -> Request {
    let names: Vec<_> =
        source.schema().fields().iter().map(|field| (field.name().as_str(), read_as)).collect();
    request(&names, batch_rows)
}

/// All rows of all splits.
fn read(source: &CsvSource, request: &Request) -> Result<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    for split in source.splits(0) {
        let mut stream = source.open(&split, request, Access::default())?;
        while let Some(batch) = stream.next_batch()? {
            assert!((1..=request.batch_rows).contains(&batch.num_rows()));
            batches.push(batch);
        }
    }
    Ok(batches)
}

/// The cells of all rows as text, missing ones as `-`.
fn cells(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let Some(first) = batches.first() else { return Vec::new() };
    let table = concat_batches(&first.schema(), batches).unwrap();
    let texts: Vec<_> = table.columns().iter().map(|column| cast(column, &DataType::Utf8).unwrap()).collect();
    let cell = |column: &dyn Array, row| {
        if column.is_null(row) { "-".to_string() } else { column.as_string::<i32>().value(row).to_string() }
    };
    (0..table.num_rows()).map(|row| texts.iter().map(|column| cell(column, row)).collect()).collect()
}

fn types(source: &CsvSource) -> Vec<(String, DataType)> {
    let pair = |field: &Arc<Field>| (field.name().clone(), field.data_type().clone());
    source.schema().fields().iter().map(pair).collect()
}

fn opened(text: &str) -> CsvSource {
    CsvSource::open(file(text.as_bytes()).path(), &ReadOptions::default()).unwrap()
}

fn names(text: &str) -> Vec<String> {
    types(&opened(text)).into_iter().map(|(name, _)| name).collect()
}

fn native(bytes: &[u8]) -> Vec<Vec<String>> {
    let file = file(bytes);
    let source = CsvSource::open(file.path(), &ReadOptions::default()).unwrap();
    cells(&read(&source, &every_column(&source, ReadAs::Native, 3)).unwrap())
}

/// The error of reading one column, without the file's name.
fn error(bytes: &[u8], column: &str, read_as: ReadAs) -> String {
    let file = file(bytes);
    let result = CsvSource::open(file.path(), &ReadOptions::default())
        .and_then(|source| read(&source, &request(&[(column, read_as)], 1000)));
    let message = result.unwrap_err().to_string();
    let name = file.path().display().to_string();
    message.strip_prefix(&name).unwrap_or_else(|| panic!("no file in: {message}")).to_string()
}

const TABLE: &str = "id,name,when,ok,x\n1,\"a, b\",2011-01-01,true,0.5\n2,,2011-01-02 10:00,False,\n\
                     ,\"say \"\"hi\"\"\n!\",NA,?,-1e3\n";

const ROWS: [[&str; 5]; 3] = [
    ["1", "a, b", "2011-01-01T00:00:00", "true", "0.5"],
    ["2", "-", "2011-01-02T10:00:00", "false", "-"],
    ["-", "say \"hi\"\n!", "-", "-", "-1000.0"],
];

#[test]
fn types_are_found_and_read() {
    assert_eq!(native(TABLE.as_bytes()), ROWS);
    let types = types(&opened(TABLE)).into_iter().map(|(_, data_type)| data_type).collect::<Vec<_>>();
    let time = super::kind::TIME;
    assert_eq!(types, [DataType::Int64, DataType::Utf8, time, DataType::Boolean, DataType::Float64]);
}

#[test]
fn line_ends_marks_and_delimiters_make_no_difference() {
    assert_eq!(native(TABLE.replace("\n", "\r\n").replace("\r\n!", "\n!").as_bytes()), ROWS);
    assert_eq!(native(format!("\u{feff}{TABLE}").as_bytes()), ROWS);
    assert_eq!(native(format!("\n{}", TABLE.trim_end()).as_bytes()), ROWS);
    for delimiter in ["\t", ";", "|"] {
        let text = TABLE.replace(',', delimiter).replace(&format!("a{delimiter} b"), "a, b");
        assert_eq!(native(text.as_bytes()), ROWS, "{delimiter:?}");
    }
}

#[test]
fn compressed_files_are_one_split() {
    let gzip = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let (head, tail) = TABLE.split_at(40);
    let members = [gzip(head), gzip(tail)].concat();
    assert_eq!(native(&members), ROWS);
    let frames = [head, tail].map(|text| zstd::encode_all(text.as_bytes(), 3).unwrap()).concat();
    assert_eq!(native(&frames), ROWS);

    let file = file(&frames);
    let splits = CsvSource::open(file.path(), &ReadOptions::default()).unwrap().splits(3);
    assert_eq!((splits.len(), splits[0].file, &splits[0].extent), (1, 3, &Extent::Whole));
    assert_eq!(splits[0].bytes, frames.len() as u64);

    let long = "a,b\n".to_string() + &"1,2\n".repeat(300_000);
    for (name, bytes) in [("gzip", gzip(&long)), ("zstd", zstd::encode_all(long.as_bytes(), 3).unwrap())] {
        let cut = &bytes[..bytes.len() - 9];
        let expected = format!(": the {name} data breaks off before its end; fetch or write the file again");
        assert_eq!(error(cut, "a", ReadAs::Native), expected);
    }
    // Within the first 4 MiB it is seen when the types are found, behind them it is not.
    let late = |rows| format!("a,b\n{}x,\n", "1,2\n".repeat(rows));
    assert_eq!(native(&gzip(&late(900_000))).len(), 900_001);
    let found = error(&gzip(&late(1_100_000)), "a", ReadAs::Native);
    assert!(found.starts_with(", line 1100002, column `a`: found \"x\""), "{found}");
}

#[test]
fn headers_are_recognised() {
    assert_eq!(names("a,b\n1,2\n"), ["a", "b"]);
    assert_eq!(names("1,2\n3,4\n"), ["column_0", "column_1"]);
    assert_eq!(names("x,2\ny,4\n"), ["column_0", "column_1"]);
    assert_eq!(names("x,y\nz,w\n"), ["x", "y"]);
    assert_eq!(names(",x,y\n0,5,a\n"), ["column_0", "x", "y"]);
    assert_eq!(names("x,,y\nz,1,w\n"), ["column_0", "column_1", "column_2"]);
    assert_eq!(names("00123\n00456\n"), ["column_0"]);
    assert_eq!(names("\"a, b\",c\n1,2"), ["a, b", "c"]);
    assert_eq!(names("text\nhi, there\nyes\nno, no, no\n"), ["text"]);
    assert_eq!(native(b"x,2\ny,4\n"), [["x", "2"], ["y", "4"]]);
    let twice = error(b"a,b,a,b,c\n1,2,3,4,5\n", "a", ReadAs::Native);
    assert_eq!(twice, ": the header names `a`, `b` more than once; give every column a name of its own");
}

#[test]
fn a_file_of_a_header_only_has_a_schema_and_no_rows() {
    for text in ["a,b\n", "a,b", "a,b\r\n\r\n"] {
        let source = opened(text);
        assert_eq!(types(&source), ["a", "b"].map(|name| (name.to_string(), DataType::Utf8)));
        assert_eq!(native(text.as_bytes()), Vec::<Vec<String>>::new());
    }
}

#[test]
fn files_that_are_no_tables() {
    let empty = ": the file is empty; expected a header and rows";
    for text in ["", "\n\r\n\n", "\u{feff}"] {
        assert_eq!(error(text.as_bytes(), "a", ReadAs::Native), empty);
    }
    let cr = error(b"a,b\r1,2\r", "a", ReadAs::Native);
    assert!(cr.contains("carriage return"), "{cr}");
    let missing = CsvSource::open(Path::new("no-such.csv"), &ReadOptions::default()).unwrap_err().to_string();
    assert_eq!(missing, "can't read no-such.csv: there is no such file or folder; check the path");
}

#[test]
fn columns_come_as_requested() {
    let file = file(b"a,b,c,d\n1,true,2011-01-01,\n,NA,\"\",\n");
    let source = CsvSource::open(file.path(), &ReadOptions::default()).unwrap();
    let columns = [
        ("c", ReadAs::Time),
        ("b", ReadAs::Number),
        ("a", ReadAs::Number),
        ("b", ReadAs::Text),
        ("none", ReadAs::Native),
        ("none", ReadAs::Number),
        ("none", ReadAs::Text),
        ("none", ReadAs::Time),
    ];
    let batch = &read(&source, &request(&columns, 10)).unwrap()[0];
    let types: Vec<_> = batch.schema().fields().iter().map(|field| field.data_type().clone()).collect();
    let (number, text, time) = (DataType::Float64, DataType::Utf8, super::kind::TIME);
    let expected =
        [time.clone(), number.clone(), number.clone(), text.clone(), DataType::Null, number, text, time];
    assert_eq!(types, expected);
    assert_eq!(batch.column(0).as_primitive::<TimestampMicrosecondType>().value(0), 1_293_840_000_000_000);
    assert_eq!(batch.column(1).as_primitive::<Float64Type>().value(0), 1.0);
    assert_eq!(batch.column(3).as_string::<i32>().value(0), "true");
    assert!((0..4).all(|column| batch.column(column).is_null(1)));
    assert!((4..8).all(|column| batch.column(column).logical_null_count() == 2));

    let rows: usize = read(&source, &request(&[], 10)).unwrap().iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows, 2);
}

#[test]
fn booleans_as_text_are_spelt_in_one_way() {
    let file = file(b"a\nTrue\nFALSE\n true \n?\n");
    let source = CsvSource::open(file.path(), &ReadOptions::default()).unwrap();
    let batch = &read(&source, &request(&[("a", ReadAs::Text)], 10)).unwrap()[0];
    let texts: Vec<_> = batch.column(0).as_string::<i32>().iter().collect();
    assert_eq!(texts, [Some("true"), Some("false"), Some("true"), None]);
}

#[test]
fn errors_name_line_and_column() {
    let rows = "a,b\n1,\"x\ny\"\n\n2,z\n";
    let after = |row: &str| format!("{rows}{row}").into_bytes();
    let as_text = "correct it, leave the cell empty, or name the column's type, as in --type COLUMN=text";
    assert_eq!(
        error(&after("3x,\n"), "a", ReadAs::Number),
        format!(", line 6, column `a`: found \"3x\", expected a number; {as_text}")
    );
    assert_eq!(
        error(&after("2011-01-32,\n"), "a", ReadAs::Time).split(';').next(),
        Some(
            ", line 2, column `a`: found \"1\", expected a date or time such as 2011-01-31 or \
             2011-01-31T13:05:00Z"
        )
    );
    let ragged = error(&after("3\n"), "b", ReadAs::Text);
    assert!(ragged.starts_with(", line 6: found 1 cell, expected 2 cells"), "{ragged}");
    let ragged = error(&after("3,4,5\n"), "b", ReadAs::Text);
    assert!(ragged.starts_with(", line 6: found 3 cells, expected 2 cells"), "{ragged}");
    let unclosed = error(&after("3,\"oh\n4,5\n"), "b", ReadAs::Text);
    assert!(unclosed.starts_with(", line 6: the quote that opens a cell here is never closed"), "{unclosed}");
    let stray = error(&after("3,\"oh\"no\n4,5,6\n"), "b", ReadAs::Text);
    assert!(stray.starts_with(", line 6: found text after the closing quote"), "{stray}");
    let utf8 = error(&[&after("3,")[..], b"\xff\n"].concat(), "b", ReadAs::Text);
    assert!(utf8.starts_with(", line 6, column `b`: found \"\u{fffd}\", which is not valid UTF-8"), "{utf8}");
    let long = error(&after(&format!("{},\n", "é".repeat(50))), "a", ReadAs::Number);
    assert!(long.contains(&format!("found \"{}\"...", "é".repeat(40))), "{long}");

    let mut late = "a,b\n".to_string() + &"1,\"x\ny\"\n".repeat(200_000);
    late.push_str("2.5,z\n");
    assert_eq!(
        error(late.replace("2.5", "w").as_bytes(), "b", ReadAs::Number),
        format!(", line 2, column `b`: found \"x\\ny\", expected a number; {as_text}")
    );
    assert_eq!(types(&opened(&late))[0].1, DataType::Float64, "the end is sampled");
}

#[test]
fn a_column_of_integers_may_not_turn_into_one_of_floats() {
    let mut text = "a,b\n".to_string() + &"1,2\n".repeat(200_000);
    text.insert_str(350_000, "2.5,1\n");
    let line = text[..350_000].lines().count() + 1;
    let expected =
        "expected a whole number as in the rows sampled before; name the column's type: --type COLUMN=float";
    let error = error(text.as_bytes(), "a", ReadAs::Native);
    assert_eq!(error, format!(", line {line}, column `a`: found \"2.5\", {expected}"));
}

#[test]
fn places_are_lines() {
    let text = "a,b\n".to_string() + &"1,\"x\ny\"\n".repeat(20_000);
    let file = file(text.as_bytes());
    let mut source = CsvSource::open(file.path(), &ReadOptions::default()).unwrap();
    source.split_bytes = 64 << 10;
    let request = request(&[("a", ReadAs::Native)], 700);
    let mut row = 0;
    assert!(source.splits(0).len() > 1);
    for split in source.splits(0) {
        let mut stream = source.open(&split, &request, Access::default()).unwrap();
        while let Some(batch) = stream.next_batch().unwrap() {
            let place = stream.place(1);
            assert_eq!(place.part, Some(crate::error::Part::Line(2 + 2 * (row + 1))));
            assert_eq!(place.file.as_deref(), Some(file.path()));
            row += batch.num_rows() as u64;
        }
    }
    assert_eq!(row, 20_000);
}

#[test]
fn quotes_that_are_no_quotes_are_text() {
    let mut text = "label\ttext\n".to_string();
    for row in 0..500 {
        text += ["ham\t\"Hi\" she said\n", "ham\tit's 5\" wide\n", "ham\tplain\n", "spam\t\"open\n"][row % 4];
    }
    let rows = native(text.as_bytes());
    assert_eq!(rows.len(), 500);
    assert_eq!(rows[0], ["ham", "\"Hi\" she said"]);
    assert_eq!(rows[3], ["spam", "\"open"]);

    // Far behind the first sample, too: in the middle of the file.
    let late = "label\ttext\n".to_string() + &"ham\thello\n".repeat(100_000) + &text[11..].repeat(20);
    assert_eq!(native(late.as_bytes()).len(), 110_000);
}

#[test]
fn long_records_are_read_whole() {
    let cell = "line, of, text\n".repeat(100_000);
    let text = format!("a,b\n1,x\n2,\"{cell}\"\n3,y\n");
    let rows = native(text.as_bytes());
    assert_eq!(rows.len(), 3);
    assert!(rows[1][1] == cell && rows[2] == ["3", "y"]);
}

/// A source that is not sniffed, with splits of any size.
fn text_source(path: &Path, dialect: Dialect, columns: usize, start: u64, split_bytes: u64) -> CsvSource {
    let field = |column| Field::new(format!("c{column}"), DataType::Utf8, true);
    let layout = Layout {
        compression: Compression::None,
        len: path.metadata().unwrap().len(),
        dialect,
        start,
        start_line: 0,
        schema: Arc::new(Schema::new((0..columns).map(field).collect::<Vec<_>>())),
        record_bytes: 1,
        spelling: Spelling::default(),
        declared: Default::default(),
        breaks: Breaks::default(),
    };
    CsvSource::new(path, layout, split_bytes)
}

fn written(rows: &[Vec<String>], delimiter: char, line_end: &str, quote_all: bool) -> String {
    let mut text = String::new();
    for row in rows {
        let special = |c: char| c == delimiter || matches!(c, '"' | '\n' | '\r');
        let cell = |cell: &String| {
            if quote_all || cell.contains(special) || (row.len() == 1 && cell.is_empty()) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell.clone()
            }
        };
        let cells: Vec<String> = row.iter().map(cell).collect();
        text += &cells.join(&delimiter.to_string());
        text += line_end;
    }
    text
}

fn tables() -> impl Strategy<Value = Vec<Vec<String>>> {
    let cell = prop_oneof![
        4 => "[a-z0-9]{0,6}",
        2 => "[a\"\n, \r\t;é☃]{0,8}",
        1 => "([a-z]{1,3},[0-9]\n){0,3}",
        1 => Just("\",\"".to_string()),
    ];
    (1..5usize).prop_flat_map(move |columns| {
        prop::collection::vec(prop::collection::vec(cell.clone(), columns), 0..40)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_written_is_read(
        rows in tables(),
        delimiter in prop::sample::select(vec![',', '\t', ';', '|']),
        crlf: bool,
        quote_all: bool,
        split_bytes in prop_oneof![7..200u64, Just(1 << 20)],
        batch_rows in 1..9usize,
    ) {
        let text = written(&rows, delimiter, if crlf { "\r\n" } else { "\n" }, quote_all);
        let file = file(text.as_bytes());
        let columns = rows.first().map_or(1, Vec::len);
        let source = text_source(file.path(), Dialect::quoted(delimiter as u8), columns, 0, split_bytes);
        let expected: Vec<Vec<String>> = rows
            .iter()
            .map(|row| row.iter().map(|cell| if cell.is_empty() { "-" } else { cell }.to_string()).collect())
            .collect();
        match read(&source, &every_column(&source, ReadAs::Text, batch_rows)) {
            Ok(batches) => prop_assert_eq!(cells(&batches), expected),
            Err(error) => {
                prop_assert!(error.to_string().contains("is ambiguous around byte"), "{}", error);
                prop_assert!(split_bytes < 200, "one split can't be ambiguous");
            }
        }
    }

    #[test]
    fn splits_give_the_rows_of_the_whole_or_an_error(
        text in "([ab1\",;\n\r]|\",|\n\"|\"\"){0,300}",
        quoted: bool,
        split_bytes in 7..200u64,
        columns in 1..4usize,
    ) {
        let file = file(text.as_bytes());
        let dialect = if quoted { Dialect::quoted(b',') } else { Dialect::quoted(b',').unquoted() };
        let rows = |split_bytes| {
            let source = text_source(file.path(), dialect, columns, 0, split_bytes);
            read(&source, &every_column(&source, ReadAs::Text, 5)).map(|batches| cells(&batches))
        };
        match (rows(1 << 20), rows(split_bytes)) {
            (Ok(whole), Ok(split)) => prop_assert_eq!(whole, split),
            (Ok(_), Err(error)) => {
                prop_assert!(error.to_string().contains("is ambiguous around byte"), "{}", error);
            }
            (Err(_), split) => prop_assert!(split.is_err()),
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            prop::collection::vec(prop::sample::select(b"a1,\t\"\n\r\0\xff- .:".to_vec()), 0..300),
        ],
        gzip: bool,
    ) {
        let magic: &[u8] = if gzip { &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3] } else { &[] };
        let file = file(&[magic, &bytes].concat());
        if let Ok(source) = CsvSource::open(file.path(), &ReadOptions::default()) {
            for read_as in [ReadAs::Native, ReadAs::Number, ReadAs::Text, ReadAs::Time] {
                let _ = read(&source, &every_column(&source, read_as, 10));
            }
        }
    }
}
