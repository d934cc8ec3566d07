//! Whole files.

use arrow::array::AsArray;
use arrow::datatypes::Float64Type;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::open;
use crate::input::lines::testing::{cells, file, gzip, mutated, native, read, request, types};
use crate::input::{ColumnType, ReadAs, ReadOptions, Request};

const ROWS: &str = concat!(
    r#"{"id": 1, "user": {"name": "Zoë \"Z\"", "age": 7}, "at": "2011-01-31T13:05:00Z", "x": 1, "ok": true, "tags": ["a", "b"]}"#,
    "\n\n",
    r#"{"x": 2.5, "user": null, "mixed": 1.50, "tags": [], "id": 12345678901, "items": [{"n": 1}, {"m": "x", "n": null}]}"#,
    "\r\n",
    r#"{"mixed": "\u00e9\ud83d\ude00", "any": [1, [2]], "x": -1e3, "ok": null, "big": 12345678901234567890}"#,
    "\n",
    r#"{"mixed": false, "any": {"k": [1, 2.0]}, "x": NaN}"#,
);

fn options(types: &[(&str, ColumnType)]) -> ReadOptions {
    let types = types.iter().map(|(name, t)| (name.to_string(), *t)).collect();
    ReadOptions { types, nulls: vec!["n/a".to_string()], ..ReadOptions::default() }
}

fn rows(text: &[u8], types: &[(&str, ColumnType)]) -> Vec<Vec<String>> {
    let file = file(text);
    let source = open(file.path(), &options(types)).unwrap();
    cells(&read(&source, &native(&source, 3)).unwrap().0)
}

fn columns(text: &str, declared: &[(&str, ColumnType)]) -> Vec<(String, String)> {
    types(&open(file(text.as_bytes()).path(), &options(declared)).unwrap())
}

fn error(text: &str, types: &[(&str, ColumnType)]) -> String {
    let file = file(text.as_bytes());
    let result = open(file.path(), &options(types)).and_then(|source| read(&source, &native(&source, 100)));
    let message = result.map(|_| ()).unwrap_err().to_string();
    message.strip_prefix(&file.path().display().to_string()).unwrap_or(&message).to_string()
}

#[test]
fn rows_are_read() {
    let expected = [
        ["1", "Zoë \"Z\"", "7", "2011-01-31T13:05:00", "1.0", "true", "[a, b]", "-", "-", "-", "-"],
        ["12345678901", "-", "-", "-", "2.5", "-", "[]", "1.50", "[{n: 1, m: -}, {n: -, m: x}]", "-", "-"],
        ["-", "-", "-", "-", "-1000.0", "-", "-", "é😀", "-", "[1, [2]]", "12345678901234567890"],
        ["-", "-", "-", "-", "-", "-", "-", "false", "-", "{\"k\": [1, 2.0]}", "-"],
    ];
    assert_eq!(rows(ROWS.as_bytes(), &[]), expected);
    assert_eq!(rows(format!("\u{feff}{ROWS}\n").as_bytes(), &[]), expected);
    assert_eq!(rows(&gzip(ROWS.as_bytes()), &[]), expected);
    let types: Vec<String> = columns(ROWS, &[]).into_iter().map(|(_, data_type)| data_type).collect();
    let time = "Timestamp(µs)";
    assert_eq!(types[..6], ["Int64", "Utf8", "Int64", time, "Float64", "Boolean"]);
    assert_eq!(types[6], "List(Utf8)");
    assert_eq!(types[7..], ["Utf8", types[8].as_str(), "Utf8", "Utf8"]);
    let names: Vec<String> = columns(ROWS, &[]).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names[..4], ["id", "user.name", "user.age", "at"]);
}

#[test]
fn columns_are_read_as_requested() {
    let file = file(b"{\"a\": 1, \"t\": \"2.5\", \"b\": true}\n{\"a\": 2, \"t\": \"n/a\"}\n");
    let source = open(file.path(), &options(&[])).unwrap();
    let wanted = [
        ("gone", ReadAs::Text),
        ("t", ReadAs::Number),
        ("a", ReadAs::Text),
        ("a", ReadAs::Number),
        ("b", ReadAs::Number),
        ("b", ReadAs::Text),
    ];
    let batches = read(&source, &request(&wanted)).unwrap().0;
    assert_eq!(cells(&batches), [["-", "2.5", "1", "1.0", "1.0", "true"], ["-", "-", "2", "2.0", "-", "-"]]);
    assert_eq!(batches[0].column(3).as_primitive::<Float64Type>().value(1), 2.0);
}

#[test]
fn declared_types_count() {
    let text = "{\"a\": {\"x\": 1, \"y\": true}, \"b\": 1}\n{\"b\": 2.0, \"a\": {\"z\": null}}\n";
    let declared = [
        ("a", ColumnType::Map),
        ("b", ColumnType::Integer),
        ("c", ColumnType::Text),
        ("d.e", ColumnType::Time),
    ];
    assert_eq!(
        rows(text.as_bytes(), &declared),
        [["{x: 1.0, y: 1.0}", "1", "-", "-"], ["{}", "2", "-", "-"]]
    );
    assert_eq!(columns(text, &declared)[3].0, "d.e");
    assert_eq!(columns("{\"a.b\": 1}\n", &[("a.b", ColumnType::Float)]), [("a.b".into(), "Float64".into())]);
    assert!(error("{\"a\": 1}\n", &[("a.b", ColumnType::Float)]).contains("is no object"));
}

#[test]
fn faults_say_where_and_what() {
    let many = "{\"a\": 1, \"o\": {\"s\": \"x\"}, \"l\": [1], \"t\": \"2011-01-31\", \"k\": [{\"p\": 1}]}\n"
        .repeat(80_000);
    let after = &many[..many.len() * 5 / 6]; // so that no sample is taken where the fault is
    for (line, complaint) in [
        ("{\"a\": \"7\"}", ", column `a`: found the string \"7\", expected a whole number"),
        ("{\"a\": 0.5}", ", column `a`: found the number 0.5, expected a whole number"),
        ("{\"a\": {}}", ", column `a`: found an object, expected a whole number"),
        ("{\"a\": 1, \"a\": 2}", ", column `a`: found the key `a` twice"),
        ("{\"o\": 3}", ", column `o`: found the number 3, expected an object"),
        ("{\"o\": {\"s\": []}}", ", column `o.s`: found an array, expected a string, a number or a boolean"),
        (
            "{\"o\": {\"r\": 1}}",
            ": found the key `o.r`, which the lines sampled before lack; name it with `--type o.r=float`",
        ),
        (
            "{\"b\": \"x\"}",
            ": found the key `b`, which the lines sampled before lack; name it with `--type b=text`",
        ),
        ("{\"l\": [1, \"x\"]}", ", column `l`: found the string \"x\", expected a whole number"),
        (
            "{\"k\": [{\"q\": 1}]}",
            ", column `k`: found an object with the key `q`, which those sampled before lack",
        ),
        ("{\"t\": \"x\"}", ", column `t`: found the string \"x\", expected a date or time"),
        ("[1]", ": found an array, expected an object in each line"),
        ("{\"a\": 1", ": the line ends in the middle of its JSON: expected a comma or `}`"),
        ("{\"t\": \"x", ", column `t`: the line ends in the middle of its JSON: the string is not closed"),
        (
            "{\"a\": 01}",
            ", column `a`: found \"01}\" at byte 6 of the line, expected a number as JSON writes it",
        ),
        ("{\"a\": 1} x", ": found \"x\" at byte 9 of the line, expected the line to end behind the object"),
        ("{\"a\": 1,}", ": found \"}\" at byte 8 of the line, expected another item behind the comma"),
        ("{\"a\" 1}", ": found \"1}\" at byte 5 of the line, expected a colon behind the key"),
        ("{a: 1}", ": found \"a: 1}\" at byte 1 of the line, expected a key in double quotes"),
        ("{\"a\": yes}", ", column `a`: found \"yes}\" at byte 6 of the line, expected a value"),
        ("{\"t\": \"\\x\"}", ", column `t`: found the escape \\x, which JSON doesn't know"),
    ] {
        let found = error(&format!("{many}{line}\n{after}"), &[]);
        assert!(found.starts_with(&format!(", line 80001{complaint}")), "{found}");
    }
    assert!(
        error("[{\"a\": 1},\n{\"a\": 2}]", &[])
            .contains("one JSON array, expected an object in each line; convert it with `jq -c '.[]'`")
    );
    assert!(error("{\n  \"a\": 1\n}\n", &[]).contains("goes on over several lines"));
    assert!(error("{\"a\"\n", &[]).contains("the line ends in the middle"));
    assert!(error("{\"a.b\": 1, \"a\": {\"b\": 1}}\n", &[]).contains("two keys for a column `a.b`"));
}

#[test]
fn rejects_leave_no_trace() {
    let text = "{\"a\": 1, \"l\": [{\"x\": 1}]}\n{\"a\": 2, \"l\": [{\"x\": 2}, {\"x\": \"\\x\"}]}\n{\"l\": [{\"x\": 3}], \"a\": 3}\n";
    let file = file(text.as_bytes());
    let source = open(file.path(), &options(&[])).unwrap();
    let mut request = native(&source, 10);
    request.rejects = true;
    let (batches, rejects) = read(&source, &request).unwrap();
    assert_eq!(cells(&batches), [["1", "[{x: 1}]"], ["3", "[{x: 3}]"]]);
    assert_eq!((rejects.len(), rejects[0].text.as_str()), (1, text.lines().nth(1).unwrap()));
}

#[test]
fn keys_that_few_rows_have_stay_in_their_rows() {
    let (mut text, mut expected, mut bad) = (String::new(), Vec::new(), 0);
    for row in 0..60 {
        let mut cells = vec![row.to_string()];
        let mut line = format!("{{\"id\": {row}");
        for (every, key, value, cell) in [
            (5, "n", format!("{row}.5"), format!("{row}.5")),
            (6, "t", format!("\"t{row}\""), format!("t{row}")),
            (7, "l", format!("[{row}, {row}]"), format!("[{row}, {row}]")),
            (8, "m", format!("{{\"a\": {row}}}"), format!("{{a: {row}.0}}")),
            (9, "s", format!("[{{\"x\": {row}}}]"), format!("[{{x: {row}}}]")),
        ] {
            let is_there = row % every == every - 1;
            cells.push(if is_there { cell } else { "-".to_string() });
            line += &if is_there { format!(", \"{key}\": {value}") } else { String::new() };
        }
        text += &format!("{line}}}\n");
        expected.push(cells);
        if row % 4 == 3 {
            text += "{\"id\": 0, \"n\": 1.5, \"t\": \"\", \"l\": [3], \"m\": {\"b\": 1}, \"s\": [{}], \"n\": 2}\n";
            bad += 1;
        }
    }
    let file = file(text.as_bytes());
    let source = open(file.path(), &options(&[("m", ColumnType::Map)])).unwrap();
    for batch_rows in [1, 4, 7, 100] {
        let request = Request { rejects: true, ..native(&source, batch_rows) };
        let (batches, rejects) = read(&source, &request).unwrap();
        assert_eq!((cells(&batches), rejects.len()), (expected.clone(), bad), "{batch_rows}");
    }
}

#[test]
fn deep_nesting_is_refused() {
    let deep = format!("{{\"a\": 1}}\n{{\"b\": {}\n", "[".repeat(100_000));
    assert!(error(&deep, &[("b", ColumnType::Text)]).contains("more than 128 arrays and objects"));
}

/// Any JSON value of a column's type.
fn value(kind: u8) -> BoxedStrategy<Value> {
    match kind {
        0 => any::<i64>().prop_map(Value::from).boxed(),
        1 => {
            any::<f64>().prop_filter("JSON has no infinity", |x| x.is_finite()).prop_map(Value::from).boxed()
        }
        2 => any::<bool>().prop_map(Value::from).boxed(),
        3 => any::<String>().prop_map(Value::from).boxed(),
        _ => prop::collection::vec(any::<i64>(), 0..4).prop_map(Value::from).boxed(),
    }
}

fn row() -> impl Strategy<Value = Vec<Option<Value>>> {
    (0..5u8).map(|kind| prop::option::of(value(kind)).boxed()).collect::<Vec<_>>()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rows_read_back_equal(rows in prop::collection::vec(row(), 1..30), size in 1u64..300) {
        let mut text = String::new();
        for row in &rows {
            let [a, b, c, d, e] = &row[..] else { unreachable!() };
            text.push_str(&json!({"a": a, "n": {"b": b, "c": c}, "d": d, "e": e}).to_string());
            text.push('\n');
        }
        let file = file(text.as_bytes());
        // A float that is whole is written as one, so that types are declared.
        let declared = [("a", ColumnType::Integer), ("n.b", ColumnType::Float), ("n.c", ColumnType::Boolean), ("d", ColumnType::Text)];
        let source = open(file.path(), &ReadOptions { nulls: Vec::new(), ..options(&declared) }).unwrap().in_splits_of(size);
        let batches = read(&source, &native(&source, 7)).unwrap().0;
        let mut read_back = Vec::new();
        for batch in &batches {
            for row in 0..batch.num_rows() {
                let there = |column: usize| batch.column(column).is_valid(row);
                use arrow::datatypes::Int64Type;
                read_back.push(vec![
                    there(0).then(|| batch.column(0).as_primitive::<Int64Type>().value(row).into()),
                    there(1).then(|| batch.column(1).as_primitive::<Float64Type>().value(row).into()),
                    there(2).then(|| batch.column(2).as_boolean().value(row).into()),
                    there(3).then(|| batch.column(3).as_string::<i32>().value(row).into()),
                    there(4).then(|| match batch.column(4).as_list_opt::<i32>() {
                        Some(list) if !list.value(row).is_empty() => list.value(row).as_primitive::<Int64Type>().values().to_vec().into(),
                        _ => Value::Array(Vec::new()),
                    }),
                ]);
            }
        }
        prop_assert_eq!(read_back, rows);
    }

    #[test]
    fn damaged_files_never_panic(changes in prop::collection::vec(any::<(usize, u8)>(), 1..12), rejects: bool) {
        let file = file(&mutated(ROWS.as_bytes(), &changes));
        if let Ok(source) = open(file.path(), &ReadOptions::default()) {
            let source = source.in_splits_of(100);
            let mut request = native(&source, 2);
            request.rejects = rejects;
            let _ = read(&source, &request);
        }
    }
}
