//! What the user says of a file goes before what is found out.

use std::collections::BTreeMap;

use super::*;
use crate::input::ColumnType;

/// The columns' types, and the cells, of a file read as the options say.
fn table(bytes: &[u8], options: &ReadOptions) -> (Vec<DataType>, Vec<Vec<String>>) {
    let file = file(bytes);
    let source = CsvSource::open(file.path(), options).unwrap();
    let types = types(&source).into_iter().map(|(_, data_type)| data_type).collect();
    (types, cells(&read(&source, &every_column(&source, ReadAs::Native, 100)).unwrap()))
}

fn refused(bytes: &[u8], options: &ReadOptions) -> String {
    let file = file(bytes);
    let message = CsvSource::open(file.path(), options).unwrap_err().to_string();
    message.replace(&file.path().display().to_string(), "")
}

#[test]
fn delimiters_headers_and_quotes() {
    let options = ReadOptions { delimiter: Some(b'^'), ..Default::default() };
    assert_eq!(table(b"a^b,c\n1^2,3\n", &options).1, [["1", "2,3"]]);
    let options = ReadOptions { delimiter: Some(b'x'), ..Default::default() };
    assert_eq!(table(b"a,b\n1,2\n", &options).1, [["1,2"]], "no such delimiter: one column");
    let options = ReadOptions { header: Some(false), ..Default::default() };
    assert_eq!(table(b"a,b\n1,2\n", &options).1, [["a", "b"], ["1", "2"]]);
    let options = ReadOptions { header: Some(true), ..Default::default() };
    assert_eq!(table(b"1,2\n3,4\n", &options).1, [["3", "4"]]);
    let options = ReadOptions { quotes: Some(false), ..Default::default() };
    assert_eq!(table(b"a,b\n\"1,2\"\n\"3,4\"\n", &options).1, [["\"1", "2\""], ["\"3", "4\""]]);
    let options = ReadOptions { quotes: Some(true), ..Default::default() };
    assert_eq!(table(b"a\n\"x\ny\"\n", &options).1, [["x\ny"]]);
    for delimiter in [b'\n', b'\r', b'"'] {
        let options = ReadOptions { delimiter: Some(delimiter), ..Default::default() };
        let message = refused(b"a,b\n", &options);
        assert!(
            message.ends_with("can't be a delimiter; name the byte that stands between cells"),
            "{message}"
        );
    }
}

#[test]
fn comments() {
    let options = ReadOptions { comment: Some(b'#'), ..Default::default() };
    let text = "# by \"me\", today\na,b\n# 1,2,3,4\n1,\"x\n#y\"\n#\"\n2,#z\n# end";
    assert_eq!(table(text.as_bytes(), &options).1, [["1", "x\n#y"], ["2", "#z"]]);
    let mut long = "# x, y\na,b\n".to_string();
    for row in 0..30_000 {
        long += &format!("{row},\"t\n{row}\"\n# {row}, \"left\" out, \"\n");
    }
    let file = file(long.as_bytes());
    let mut source = CsvSource::open(file.path(), &options).unwrap();
    source.split_bytes = 64 << 10;
    assert!(source.splits(0).len() > 10);
    let rows = cells(&read(&source, &every_column(&source, ReadAs::Native, 1000)).unwrap());
    assert_eq!(rows.len(), 30_000);
    assert_eq!(rows[29_999], ["29999", "t\n29999"]);
}

#[test]
fn nulls_in_columns_of_every_type() {
    let nulls = ["-999", "missing", "k. A."].map(String::from).to_vec();
    let options = ReadOptions { nulls, ..Default::default() };
    let text = "i,f,b,t,s\n1,0.5,true,2020-01-01,x\n-999,-999,missing,missing,missing\n\
                NA, -999 ,?,k. A.,NA\n,,,,\"missing\"\n";
    let (types, rows) = table(text.as_bytes(), &options);
    let time = super::super::kind::TIME;
    assert_eq!(types, [DataType::Int64, DataType::Float64, DataType::Boolean, time, DataType::Utf8]);
    assert_eq!(rows[1], ["-"; 5]);
    assert_eq!(rows[2], ["-", "-", "-", "-", "NA"], "the usual spellings are no nulls of texts");
    assert_eq!(rows[3], ["-"; 5]);
}

#[test]
fn decimal_commas() {
    let options = ReadOptions { decimal_comma: true, ..Default::default() };
    let expected = vec![["1.5", "2"], ["-0.25", "3"]];
    for text in ["a;b\n1,5;2\n-0,25;3\n", "a\tb\n1,5\t2\n-0,25\t3\n", "a,b\n\"1,5\",2\n\"-0,25\",3\n"] {
        let (types, rows) = table(text.as_bytes(), &options);
        assert_eq!(types, [DataType::Float64, DataType::Int64], "{text}");
        assert_eq!(rows, expected, "{text}");
    }
    assert_eq!(table(b"a\n1,5\n2,25\n", &options).1, [["1.5"], ["2.25"]]);
    assert_eq!(table(b"a;b\n1.5;1\n", &options).0[0], DataType::Utf8, "a point may part thousands");
}

#[test]
fn types_by_name() {
    let types = [
        ("id", ColumnType::Text),
        ("x", ColumnType::Float32),
        ("n", ColumnType::Float),
        ("c", ColumnType::Category),
        ("none", ColumnType::Integer),
    ];
    let types: BTreeMap<_, _> = types.map(|(name, given)| (name.to_string(), given)).into();
    let options = ReadOptions { types, ..Default::default() };
    let (found, rows) = table(b"id,x,n,c\n7,0.1,1,5\n,3,NA,NA\n", &options);
    assert_eq!(found, [DataType::Utf8, DataType::Float32, DataType::Float64, DataType::Utf8]);
    assert_eq!(rows, [["7", "0.1", "1.0", "5"], ["-", "3.0", "-", "NA"]]);

    let options = ReadOptions { types: [("a".to_string(), ColumnType::Map)].into(), ..Default::default() };
    let message = refused(b"a\n1\n", &options);
    let expected = "column `a` shall be a map, but a cell of a CSV file holds a single value; \
                    give it another type";
    assert_eq!(message, format!(": {expected}"));
}

#[test]
fn utf_16_is_named() {
    let expected = ": the file is UTF-16, to judge by its first bytes; expected UTF-8; convert it, for example \
                    with `iconv -f UTF-16 -t UTF-8`";
    for text in [&b"\xff\xfea\0,\0b\0\n\0"[..], b"\xfe\xff\0a\0,\0b\0\n"] {
        assert_eq!(refused(text, &ReadOptions::default()), expected);
        let file = file(text);
        let inputs = [file.path().display().to_string()];
        let error = crate::input::Dataset::open(&inputs, &ReadOptions::default()).map(|_| ()).unwrap_err();
        assert!(error.to_string().ends_with(expected), "{error}");
    }
}

#[test]
fn small_files_with_stray_quotes_are_read_from_the_start() {
    // A quote that seems to end a cell wherever one begins to read between it and the one before it.
    let line = |i: usize| format!("ham\tno. {i} said \"{}\"\n", "yes and no ".repeat(i % 50));
    let text = format!("label\ttext\n{}", (0..2000).map(line).collect::<String>());
    let file = file(text.as_bytes());
    let source = CsvSource::open(file.path(), &ReadOptions::default()).unwrap();
    let batches = read(&source, &every_column(&source, ReadAs::Text, 700)).unwrap();
    let expected: Vec<String> =
        text.lines().skip(1).map(|line| line.split_once('\t').unwrap().1.into()).collect();
    let found: Vec<String> = cells(&batches).into_iter().map(|row| row[1].clone()).collect();
    assert_eq!(found, expected);
}
