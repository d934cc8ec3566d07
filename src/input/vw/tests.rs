//! Whole files.

use proptest::prelude::*;

use super::{looks_like, open};
use crate::input::lines::testing::{cells, file, gzip, maps, mutated, native, read, request, types};
use crate::input::{ColumnType, ReadAs, ReadOptions, Request};

const ROWS: &str =
    "1 2.0 'a|user:2 x y:0.5 |site news\n-1 |site news:2 sport\n\n'b| :3 :4 |user x x:2\r\n1 1 0.5 c|user\n";

fn options(types: &[(&str, ColumnType)]) -> ReadOptions {
    let types = types.iter().map(|(name, t)| (name.to_string(), *t)).collect();
    ReadOptions { types, nulls: vec!["NA".to_string()], ..ReadOptions::default() }
}

fn rows(text: &[u8]) -> Vec<Vec<String>> {
    let file = file(text);
    let source = open(file.path(), &options(&[])).unwrap();
    cells(&read(&source, &native(&source, 3)).unwrap().0)
}

fn columns(text: &str) -> Vec<String> {
    types(&open(file(text.as_bytes()).path(), &options(&[])).unwrap())
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

fn error(text: &str, types: &[(&str, ColumnType)]) -> String {
    let file = file(text.as_bytes());
    let result = open(file.path(), &options(types)).and_then(|source| read(&source, &native(&source, 100)));
    let message = result.map(|_| ()).unwrap_err().to_string();
    message.strip_prefix(&file.path().display().to_string()).unwrap().to_string()
}

#[test]
fn rows_are_read() {
    let expected = [
        ["1", "2.0", "-", "a", "{x: 2.0, y: 1.0}", "{news: 1.0}", "{}"],
        ["-1", "1.0", "-", "-", "{}", "{news: 2.0, sport: 1.0}", "{}"],
        ["-", "1.0", "-", "b", "{x: 3.0}", "{}", "{0: 3.0, 1: 4.0}"],
        ["1", "1.0", "0.5", "c", "{}", "{}", "{}"],
    ];
    assert_eq!(rows(ROWS.as_bytes()), expected);
    assert_eq!(rows(&gzip(ROWS.as_bytes())), expected);
    assert_eq!(columns(ROWS), ["label", "weight", "base", "tag", "user", "site", "features"]);
    assert_eq!(columns("1 | a b\n"), ["label", "features"]);
}

#[test]
fn what_is_missing_is_left_out() {
    assert_eq!(rows(b"NA |f a:NA b:1\n1 |f c\n"), [["-", "{b: 1.0}"], ["1", "{c: 1.0}"]]);
}

#[test]
fn namespaces_that_few_rows_have_stay_in_their_rows() {
    let (mut text, mut expected, mut bad) = (String::new(), Vec::new(), 0);
    for row in 0..60 {
        let mut cells = vec![row.to_string()];
        text += &row.to_string();
        for (every, name) in [(1, "a"), (5, "b"), (6, "c"), (59, "d")] {
            let is_there = row % every == every - 1;
            cells.push(if is_there { format!("{{x: {row}.0, y: 1.0}}") } else { "{}".to_string() });
            text += &if is_there { format!(" |{name} x:{row}") } else { String::new() };
        }
        // Namespaces may go on after others.
        for (every, name) in [(1, "a"), (5, "b"), (6, "c"), (59, "d")] {
            text += &if row % every == every - 1 { format!(" |{name} y") } else { String::new() };
        }
        text += "\n";
        expected.push(cells);
        if row % 4 == 3 {
            text += "0 |a x:1 |b x:2 y |a z:z\n";
            bad += 1;
        }
    }
    let file = file(text.as_bytes());
    let source = open(file.path(), &options(&[])).unwrap();
    for batch_rows in [1, 4, 7, 100] {
        let request = Request { rejects: true, ..native(&source, batch_rows) };
        let (batches, rejects) = read(&source, &request).unwrap();
        assert_eq!((cells(&batches), rejects.len()), (expected.clone(), bad), "{batch_rows}");
    }
}

#[test]
fn columns_are_read_as_requested() {
    let file = file(ROWS.as_bytes());
    let source = open(file.path(), &options(&[("more", ColumnType::Map)])).unwrap();
    let wanted = [
        ("site", ReadAs::Text),
        ("label", ReadAs::Number),
        ("gone", ReadAs::Time),
        ("label", ReadAs::Text),
        ("more", ReadAs::Native),
    ];
    let batches = read(&source, &request(&wanted)).unwrap().0;
    assert_eq!(cells(&batches)[0], ["{news: 1.0}", "1.0", "-", "1", "{}"]);
}

#[test]
fn faults_say_where_and_what() {
    let many = "1 |a x:1\n".repeat(600_000);
    for (line, complaint) in [
        ("1 a x", ", line 600001: found \"1 a x\", expected a bar `|` before the features"),
        (
            "0:1:0.5 |a x",
            ", line 600001, column `label`: found label \"0:1:0.5\", expected a number; labels of several",
        ),
        ("1 2 3 4 |a x", ", line 600001: found \"4\" after label, weight and base, expected a tag or a bar"),
        ("x |a x", ", line 600001, column `label`: found \"x\", expected a whole number"),
        (
            "0.5 |a x",
            ", line 600001, column `label`: found \"0.5\", expected a whole number as in the rows sampled",
        ),
        (
            "1 2 |a x",
            ", line 600001: found a weight, but the rows sampled before have none; name it with `--type weight=float`",
        ),
        (
            "1 'x |a x",
            ", line 600001: found a tag, but the rows sampled before have none; name it with `--type tag=text`",
        ),
        (
            "1 |b x",
            ", line 600001, column `b`: found namespace `b`, expected a namespace of the rows sampled before; name it with `--type b=map`",
        ),
        (
            "1 | x",
            ", line 600001: found features without a namespace, expected a namespace of the rows sampled before; name it with `--type features=map`",
        ),
        ("1 |a x:y", ", line 600001, column `a`: found \"x:y\", expected a finite number"),
        ("1 |a x:1:2", ", line 600001, column `a`: found \"x:1:2\", expected a finite number"),
        ("1 |a:b x", ", line 600001: found \"a:b\", expected a namespace and a finite number"),
        ("1 |a x:3e38 x:3e38", ", line 600001, column `a`: the values of `x` add up to"),
    ] {
        let after = &many[..many.len() * 5 / 6]; // so that no sample is taken where the fault is
        let found = error(&format!("{many}{line}\n{after}"), &[]);
        assert!(found.starts_with(complaint), "{found}");
    }
    let collision = error("1 |label x\n", &[]);
    assert!(
        collision.starts_with(": the namespace `label` has the name of the column for another part"),
        "{collision}"
    );
    let typed = error("1 |a x\n", &[("a", ColumnType::Float)]);
    assert!(typed.starts_with(": `a` is a namespace, which can only be a map"), "{typed}");
}

#[test]
fn bar_separated_tables_are_something_else() {
    let lines = |text: &str| looks_like(&text.lines().map(str::as_bytes).collect::<Vec<_>>());
    for text in [
        "1 |f a b c\n0 |f d\n",
        "|f a:1\n",
        "1 | a b\n-1 | c\n",
        "1 2 'tag|f x:0.5 |g y\n",
        "1 |f a\n1 |f a b\n",
    ] {
        assert!(lines(text), "{text}");
    }
    for text in [
        "a|b|c\n1|2|3\n",
        "1|New York|x y\n2|Rome|z\n",
        "1 | a | b\n2 | c | d\n",
        "| a | b |\n|---|---|\n| 1 | 2 |\n",
        "id |name\n1 |x y\n",
        "1 |x\n2 |y\n",
        "1 2 3\n",
        "a,b\n1,2|3\n",
    ] {
        assert!(!lines(text), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rows_read_back_equal(
        rows in prop::collection::vec(
            (any::<i16>(), prop::collection::vec(("[a-zé|_0-9]{1,3}", -1e9f32..1e9), 0..9)),
            1..40,
        ),
        size in 1u64..200,
    ) {
        let clean = |name: &String| name.replace('|', "/");
        let feature = |(name, value): &(String, f32)| format!(" {}:{value}", clean(name));
        let line = |(label, features): &(i16, Vec<_>)| format!("{label} |n{}\n", features.iter().map(feature).collect::<String>());
        let text: String = rows.iter().map(line).collect();
        let file = file(text.as_bytes());
        let source = open(file.path(), &ReadOptions::default()).unwrap().in_splits_of(size);
        let batches = read(&source, &native(&source, 7)).unwrap().0;
        let labels: Vec<String> = cells(&batches).into_iter().map(|mut cells| cells.remove(0)).collect();
        prop_assert_eq!(labels, rows.iter().map(|(label, _)| label.to_string()).collect::<Vec<_>>());
        let mut expected = Vec::new();
        for (_, features) in &rows {
            let mut sums: Vec<(String, f32)> = Vec::new();
            for (name, value) in features {
                match sums.iter_mut().find(|(known, _)| *known == clean(name)) {
                    Some((_, sum)) => *sum += value,
                    None => sums.push((clean(name), *value)),
                }
            }
            expected.push(sums);
        }
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
