//! Ugly files: for each what is read of it, which lines are left out and why, or the sentence that stops it.

mod cells;
mod lines;

use super::rejects::sorted;
use super::*;
use crate::input::ColumnType;

/// What a file gives, a line for each: its columns, its rows (missing cells as `-`), the lines left out.
fn outcome(bytes: &[u8], options: &ReadOptions, split_bytes: Option<u64>) -> String {
    let file = file(bytes);
    let name = file.path().display().to_string();
    let sentence = |error: crate::error::Error| {
        let message = error.to_string();
        let message = message.strip_prefix(&name).unwrap_or(&message).trim_start_matches([',', ':', ' ']);
        format!("error: {}", message.split("; ").next().unwrap_or_default())
    };
    let mut source = match CsvSource::open(file.path(), options) {
        Ok(source) => source,
        Err(error) => return sentence(error),
    };
    source.split_bytes = split_bytes.unwrap_or(source.split_bytes);
    let schema: Vec<String> =
        types(&source).into_iter().map(|(name, data_type)| format!("{name} {data_type}")).collect();
    match sorted(&source, every_column(&source, ReadAs::Native, 3)) {
        Ok((rows, rejects)) => {
            let rows = rows.iter().map(|row| format!("\n{}", row.join("|")));
            let rejects = rejects.iter().map(|(message, text)| format!("\n! {message} <- {text}"));
            format!("{}{}", schema.join(", "), rows.chain(rejects).collect::<String>())
        }
        Err(error) => sentence(error),
    }
}

fn check(name: &str, bytes: &[u8], expected: &[&str]) {
    check_as(name, bytes, &ReadOptions::default(), expected);
}

/// A file, whole, compressed and in splits, gives what is expected.
fn check_as(name: &str, bytes: &[u8], options: &ReadOptions, expected: &[&str]) {
    let expected = expected.join("\n");
    assert_eq!(outcome(bytes, options, None), expected, "{name}");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    assert_eq!(outcome(&encoder.finish().unwrap(), options, None), expected, "{name}, compressed");
    for split_bytes in [5, 16] {
        let split = outcome(bytes, options, Some(split_bytes));
        let ambiguous = split.starts_with("error: the quoting of the file is ambiguous");
        assert!(split == expected || (ambiguous && bytes.contains(&b'"')), "{name}, in splits: {split}");
    }
}

#[test]
fn a_field_of_a_megabyte() {
    let field = "x, \"\"y\"\"\n".repeat(100_000);
    let text = format!("a,b\n1,\"{field}\"\n2,z\n3\n");
    let found = outcome(text.as_bytes(), &ReadOptions::default(), None);
    let ragged = "! line 100004: found 1 cell, expected 2 cells as in the first row <- 3";
    assert!(found == format!("a Int64, b Utf8\n1|{}\n2|z\n{ragged}", field.replace("\"\"", "\"")));
    let bare = "x".repeat(1 << 20);
    let found = outcome(format!("a,b\n1,{bare}\n2,z\n").as_bytes(), &ReadOptions::default(), None);
    assert!(found == format!("a Int64, b Utf8\n1|{bare}\n2|z"));
}

#[test]
fn ten_thousand_columns() {
    let line = |cell: &dyn Fn(usize) -> String| (0..10_000).map(cell).collect::<Vec<_>>().join(",");
    let header = line(&|column| format!("c{column}"));
    let row = line(&|column| if column % 3 == 0 { String::new() } else { column.to_string() });
    let text = format!("{header}\n{row}\n{row},\n{row}\n");
    let found = outcome(text.as_bytes(), &ReadOptions::default(), None);
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(
        lines[0].starts_with("c0 Utf8, c1 Int64, c2 Int64, c3 Utf8") && lines[1].starts_with("-|1|2|-|4")
    );
    assert_eq!(lines[1], lines[2]);
    assert!(lines[3].starts_with("! line 3: found 10001 cells, expected 10000 cells"));
}

#[test]
fn rows_of_empty_cells_only() {
    let text = format!("a,b,c\n{}", ",,\n".repeat(50_000));
    let found = outcome(text.as_bytes(), &ReadOptions::default(), None);
    assert_eq!(found.lines().count(), 50_001);
    assert!(found.lines().skip(1).all(|line| line == "-|-|-"));
}

#[test]
fn a_million_blank_lines() {
    let text = format!("a,b\n1,2\n{}3,4\n{}x\n", "\n".repeat(1_000_000), "\r\n".repeat(300_000));
    let found = outcome(text.as_bytes(), &ReadOptions::default(), None);
    let ragged = "! line 1300004: found 1 cell, expected 2 cells as in the first row <- x";
    assert_eq!(found, format!("a Int64, b Int64\n1|2\n3|4\n{ragged}"));
}

#[test]
fn a_comment_of_a_megabyte() {
    let options = ReadOptions { comment: Some(b'#'), ..Default::default() };
    let text = format!("a,b\n1,2\n#{}\n3,4\n", "\",".repeat(500_000));
    assert_eq!(outcome(text.as_bytes(), &options, None), "a Int64, b Int64\n1|2\n3|4");
}

#[test]
fn zeros_at_the_end() {
    // As a crash may leave them: no line of its own, and no number.
    let text = [&b"a,b\n1,2\n3,4\n"[..], &[0; 10_000]].concat();
    let found = outcome(&text, &ReadOptions::default(), None);
    let expected =
        "a Int64, b Int64\n1|2\n3|4\n! line 4: found 1 cell, expected 2 cells as in the first row <- \0";
    assert!(found.starts_with(expected), "{}", &found[..200]);
}
