//! Whole files.

use proptest::prelude::*;

use super::open;
use crate::input::disk::Access;
use crate::input::lines::testing::{cells, file, gzip, maps, mutated, native, read, request, types};
use crate::input::{ColumnType, ReadAs, ReadOptions, Source};

const ROWS: &str = "+1 1:0.5 3:-2e-1 # first\n\n# a comment\n-1 qid:7 2:1\n-1 \r\n 1 5:1 4:2\n";

fn rows(text: &[u8]) -> Vec<Vec<String>> {
    let file = file(text);
    let source = open(file.path(), &ReadOptions::default()).unwrap();
    cells(&read(&source, &native(&source, 3)).unwrap().0)
}

fn error(text: &str) -> String {
    let file = file(text.as_bytes());
    let source = open(file.path(), &ReadOptions::default()).unwrap();
    let message = read(&source, &native(&source, 100)).unwrap_err().to_string();
    message.strip_prefix(&file.path().display().to_string()).unwrap().to_string()
}

fn columns(text: &str) -> Vec<(String, String)> {
    types(&open(file(text.as_bytes()).path(), &ReadOptions::default()).unwrap())
}

#[test]
fn rows_are_read() {
    let expected = [
        ["1", "-", "{1: 0.5, 3: -0.2}"],
        ["-1", "7", "{2: 1.0}"],
        ["-1", "-", "{}"],
        ["1", "-", "{5: 1.0, 4: 2.0}"],
    ];
    assert_eq!(rows(ROWS.as_bytes()), expected);
    assert_eq!(rows(format!("\u{feff}{}", ROWS.trim_end()).as_bytes()), expected);
    assert_eq!(rows(ROWS.replace("\r\n", "\n").replace('\n', "\r\n").as_bytes()), expected);
    assert_eq!(rows(&gzip(ROWS.as_bytes())), expected);
    assert_eq!(rows(&zstd::encode_all(ROWS.as_bytes(), 1).unwrap()), expected);
}

#[test]
fn labels_decide_on_their_type() {
    let label = |text| columns(text)[0].1.clone();
    assert_eq!(label("+1 1:1\n-1 1:1\n"), "Int64");
    assert_eq!(label("1 1:1\n0.5 1:1\n"), "Float64");
    assert_eq!(label("1 1:1\n1,3 1:1\n"), "Utf8");
    assert_eq!(rows(b"1,3 1:1\n 2:1\n"), [["1,3", "{1: 1.0}"], ["-", "{2: 1.0}"]]);
    assert_eq!(columns("1 1:1\n").len(), 2);
}

#[test]
fn columns_are_read_as_requested() {
    let file = file(ROWS.as_bytes());
    let types = [("label".to_string(), ColumnType::Float32)].into();
    let source = open(file.path(), &ReadOptions { types, ..ReadOptions::default() }).unwrap();
    assert_eq!(super::super::lines::testing::types(&source)[0].1, "Float32");
    let wanted = [
        ("gone", ReadAs::Text),
        ("label", ReadAs::Text),
        ("features", ReadAs::Number),
        ("label", ReadAs::Number),
        ("label", ReadAs::Native),
    ];
    let batches = read(&source, &request(&wanted)).unwrap().0;
    let types: Vec<String> = batches[0].columns().iter().map(|c| c.data_type().to_string()).collect();
    assert_eq!([&types[0], &types[1], &types[3], &types[4]], ["Utf8", "Utf8", "Float64", "Float32"]);
    assert_eq!(cells(&batches)[0], ["-", "1", "{1: 0.5, 3: -0.2}", "1.0", "1.0"]);
    assert_eq!(read(&source, &request(&[])).unwrap().0[0].num_rows(), 4);
}

#[test]
fn faults_say_where_and_what() {
    for (line, complaint) in [
        ("1 0.5", ", line 3, column `features`: found \"0.5\", expected an index and a value with a colon"),
        ("1 -1:2", ", line 3, column `features`: found \"-1:2\", expected an index from 0 to 2147483647"),
        ("1 2147483648:1", ", line 3, column `features`: found \"2147483648:1\", expected an index from 0"),
        ("1 1:nan", ", line 3, column `features`: found \"1:nan\", expected a finite number"),
        ("1 1:1e39", ", line 3, column `features`: found \"1:1e39\", expected a finite number"),
        ("1 1:", ", line 3, column `features`: found \"1:\", expected a finite number"),
        ("1 3:1 2:1 3:0", ", line 3, column `features`: found index 3 twice, expected it once"),
        ("x 1:1", ", line 3, column `label`: found \"x\", expected a whole number"),
        ("inf 1:1", ", line 3, column `label`: found \"inf\", expected a whole number"),
        ("1 qid:1 qid:1 1:1", ", line 3, column `qid`: found a second qid"),
    ] {
        let found = error(&format!("1 1:1\n\n{line}\n1 1:1\n"));
        assert!(found.starts_with(complaint), "{found}");
    }
    let late = "1 1:1\n".repeat(1 << 20);
    let after = &late[..late.len() * 5 / 6]; // so that no sample is taken where the fault is
    assert!(
        error(&format!("{late}0.5 1:1\n{after}"))
            .starts_with(", line 1048577, column `label`: found \"0.5\"")
    );
}

#[test]
fn rejects_are_left_out_and_handed_over() {
    let text = "1 1:1 9:3\n1 1:x\n2 2:2\n3 3:1 3:1\n";
    let file = file(text.as_bytes());
    let source = open(file.path(), &ReadOptions::default()).unwrap().in_splits_of(12);
    let mut request = native(&source, 10);
    request.rejects = true;
    let (batches, rejects) = read(&source, &request).unwrap();
    assert_eq!(cells(&batches), [["1", "{1: 1.0, 9: 3.0}"], ["2", "{2: 2.0}"]]);
    let told: Vec<_> =
        rejects.iter().map(|reject| (reject.error.place().part, reject.text.as_str())).collect();
    use crate::error::Part::Line;
    assert_eq!(told, [(Some(Line(2)), "1 1:x"), (Some(Line(4)), "3 3:1 3:1")]);
}

#[test]
fn lines_longer_than_memory_are_passed_over() {
    let long = "9".repeat((64 << 20) + (1 << 20));
    for (text, rows) in [(format!("1 1:1\n{long}\n2 2:2\n"), 2), (format!("1 1:1\n{long}"), 1)] {
        for bytes in [text.as_bytes().to_vec(), zstd::encode_all(text.as_bytes(), 1).unwrap()] {
            let file = file(&bytes);
            let source = open(file.path(), &ReadOptions::default()).unwrap();
            let mut request = native(&source, 10);
            let told = read(&source, &request).unwrap_err().to_string();
            assert!(told.contains(", line 2: found a line longer than 64 MiB"), "{told}");
            request.rejects = true;
            let (batches, rejects) = read(&source, &request).unwrap();
            assert_eq!(cells(&batches).len(), rows);
            assert_eq!((rejects.len(), rejects[0].text.len()), (1, crate::input::Reject::LONGEST));
        }
    }
}

#[test]
fn a_row_knows_its_line() {
    let text = "# head\n1 1:1\n\n2 1:1\n#\n3 1:1\n4 1:1";
    let file = file(text.as_bytes());
    for size in 1..40 {
        let source = open(file.path(), &ReadOptions::default()).unwrap().in_splits_of(size);
        let mut places = Vec::new();
        for split in source.splits(0) {
            let mut stream = source.open(&split, &native(&source, 2), Access::default()).unwrap();
            while let Some(batch) = stream.next_batch().unwrap() {
                places.extend((0..batch.num_rows()).map(|row| stream.place(row).part));
            }
        }
        use crate::error::Part::Line;
        assert_eq!(places, [2, 4, 6, 7].map(|line| Some(Line(line))), "in splits of {size}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rows_read_back_equal(
        rows in prop::collection::vec((any::<i32>(), prop::collection::btree_map(0..=i32::MAX, -1e9f32..1e9, 0..9)), 1..40),
        size in 1u64..200,
        crlf: bool,
    ) {
        let line_break = if crlf { "\r\n" } else { "\n" };
        let feature = |(index, value): (&i32, &f32)| format!(" {index}:{value}");
        let line = |(label, features): &(i32, std::collections::BTreeMap<i32, f32>)| {
            format!("{label}{}", features.iter().map(feature).collect::<String>())
        };
        let text = rows.iter().map(line).collect::<Vec<_>>().join(line_break);
        let file = file(text.as_bytes());
        let source = open(file.path(), &ReadOptions::default()).unwrap().in_splits_of(size);
        let batches = read(&source, &native(&source, 7)).unwrap().0;
        let labels: Vec<String> = cells(&batches).into_iter().map(|mut cells| cells.remove(0)).collect();
        prop_assert_eq!(labels, rows.iter().map(|(label, _)| label.to_string()).collect::<Vec<_>>());
        let expected: Vec<Vec<(String, f32)>> =
            rows.iter().map(|(_, f)| f.iter().map(|(index, value)| (index.to_string(), *value)).collect()).collect();
        prop_assert_eq!(maps(&batches, 1), expected);
    }

    #[test]
    fn damaged_files_never_panic(changes in prop::collection::vec(any::<(usize, u8)>(), 1..12), rejects: bool) {
        let file = file(&mutated(ROWS.as_bytes(), &changes));
        if let Ok(source) = open(file.path(), &ReadOptions::default()) {
            let source = source.in_splits_of(17);
            let mut request = native(&source, 2);
            request.rejects = rejects;
            let _ = read(&source, &request);
        }
    }
}
