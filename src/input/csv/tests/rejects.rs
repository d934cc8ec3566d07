//! Rows that can't be read are left out, and told of.

use super::*;
use crate::input::disk::Access;

/// The cells of all rows, and of each row left out the error without the file's name and the text.
pub(super) type Sorted = (Vec<Vec<String>>, Vec<(String, String)>);

pub(super) fn sorted(source: &CsvSource, mut request: Request) -> Result<Sorted> {
    request.rejects = true;
    let (mut batches, mut rejects) = (Vec::new(), Vec::new());
    let name = source.path().display().to_string();
    for split in source.splits(0) {
        let mut stream = source.open(&split, &request, Access::default())?;
        loop {
            let batch = stream.next_batch()?;
            for reject in stream.take_rejects() {
                let message = reject.error.to_string();
                let (message, _) = message.split_once("; ").unwrap_or((&message, ""));
                let message = message.strip_prefix(&name).unwrap_or(message).trim_start_matches(", ");
                rejects.push((message.to_string(), reject.text));
            }
            match batch {
                Some(batch) => {
                    assert!((1..=request.batch_rows).contains(&batch.num_rows()));
                    batches.push(batch);
                }
                None => break,
            }
        }
    }
    Ok((cells(&batches), rejects))
}

fn numbers_and_texts(text: &[u8], split_bytes: u64) -> Sorted {
    let file = file(text);
    let mut source = text_source(file.path(), Dialect::quoted(b','), 2, 0, split_bytes);
    source.split_bytes = split_bytes;
    sorted(&source, request(&[("c0", ReadAs::Number), ("c1", ReadAs::Text)], 3)).unwrap()
}

fn pairs(rejects: &[(&str, &str)]) -> Vec<(String, String)> {
    rejects.iter().map(|(message, text)| (message.to_string(), text.to_string())).collect()
}

#[test]
fn every_fault_of_a_row() {
    let text = b"1,a\n2\n3,c,d\nx,y\n4,\xff\r\n5,e\n6,\"f\"g\n\"7\n\",h\n8,i\n9,\"open\n10,k\n\n";
    let expected = pairs(&[
        ("line 2: found 1 cell, expected 2 cells as in the first row", "2"),
        ("line 3: found 3 cells, expected 2 cells as in the first row", "3,c,d"),
        ("line 4, column `c0`: found \"x\", expected a number", "x,y"),
        ("line 5, column `c1`: found \"\u{fffd}\", which is not valid UTF-8", "4,\u{fffd}"),
        ("line 7: found text after the closing quote of a cell that begins here", "6,\"f\"g"),
        ("line 11: the quote that opens a cell here is never closed", "9,\"open"),
    ]);
    let (rows, rejects) = numbers_and_texts(text, 1 << 20);
    assert_eq!(rejects, expected);
    assert_eq!(rows, [["1.0", "a"], ["5.0", "e"], ["7.0", "h"], ["8.0", "i"], ["10.0", "k"]]);
}

#[test]
fn a_flaw_takes_the_lines_up_to_its_own() {
    let (rows, rejects) = numbers_and_texts(b"1,\"a\nb\" c \"\nd,e\n2,f\n", 1 << 20);
    let after = "line 1: found text after the closing quote of a cell that begins here";
    let word = "line 3, column `c0`: found \"d\", expected a number";
    assert_eq!(rejects, pairs(&[(after, "1,\"a\nb\" c \""), (word, "d,e")]));
    assert_eq!(rows, [["2.0", "f"]]);
}

#[test]
fn a_record_longer_than_any() {
    let line = "x".repeat(super::super::records::LONGEST + 5);
    let text = format!("1,a\n2,{line}\n3,b\n4,\"open\n5,{line}\n6,c\n7");
    let (rows, rejects) = numbers_and_texts(text.as_bytes(), 1 << 40);
    assert_eq!(rows, [["1.0", "a"], ["3.0", "b"], ["6.0", "c"]]);
    let long = "found a record longer than 64 MiB";
    let shown: Vec<_> =
        rejects.iter().map(|(message, text)| (message.as_str(), &text[..text.len().min(3)])).collect();
    let [second, fourth, fifth] = [2, 4, 5].map(|line| format!("line {line}: {long}"));
    let last = "line 7: found 1 cell, expected 2 cells as in the first row";
    assert_eq!(shown[..3], [(&*second, "2,x"), (&*fourth, "4,\""), (&*fifth, "5,x")]);
    assert_eq!(rejects[3], (last.to_string(), "7".to_string()));
    assert_eq!((rejects[0].1.len(), rejects[1].1.as_str()), (crate::input::Reject::LONGEST, "4,\"open"));
}

#[test]
fn many_rejects_in_many_splits() {
    let mut text = String::new();
    for row in 0..100_000 {
        text += &format!("{row},x\nno,{row}\n");
    }
    let start = std::time::Instant::now();
    let (rows, rejects) = numbers_and_texts(text.as_bytes(), 10_000);
    assert_eq!((rows.len(), rejects.len()), (100_000, 100_000));
    let expected = "line 199998, column `c0`: found \"no\", expected a number";
    assert_eq!(rejects[99_998], (expected.to_string(), "no,99998".to_string()));
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

#[test]
fn a_split_of_rejects_only_has_no_batch() {
    let (rows, rejects) = numbers_and_texts(b"a,b\nc,d\ne\n", 1 << 20);
    assert_eq!((rows.len(), rejects.len()), (0, 3));
}

#[test]
fn places_are_those_of_the_rows_kept() {
    let file = file(b"x,1\n1,\"a\nb\"\n2,b\nx,\n3,c\n");
    let source = text_source(file.path(), Dialect::quoted(b','), 2, 0, 1 << 20);
    let request = Request { rejects: true, ..request(&[("c0", ReadAs::Number)], 10) };
    let mut stream = source.open(&source.splits(0)[0], &request, Access::default()).unwrap();
    assert_eq!(stream.next_batch().unwrap().unwrap().num_rows(), 3);
    let lines: Vec<_> = (0..3).map(|row| stream.place(row).part).collect();
    assert_eq!(lines, [2, 4, 6].map(|line| Some(crate::error::Part::Line(line))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn splits_and_batches_make_no_difference(
        text in "([0-9ab]{0,3}(,|\n|\"|\r\n)|\"[a,\n]{0,5}\"|[0-9],[a-z]{0,3}\n|,\"|\"\n|#x\n){0,80}",
        split_bytes in 7..200u64,
        batch_rows in 1..5usize,
        quoted: bool,
        comments: bool,
    ) {
        let file = file(text.as_bytes());
        let dialect = if quoted { Dialect::quoted(b',') } else { Dialect::quoted(b',').unquoted() };
        let dialect = dialect.with_comment(comments.then_some(b'#'));
        let rows = |split_bytes, batch_rows| {
            let source = text_source(file.path(), dialect, 2, 0, split_bytes);
            let columns = [("c1", ReadAs::Number), ("c0", ReadAs::Text), ("c1", ReadAs::Text)];
            sorted(&source, request(&columns, batch_rows))
        };
        let whole = rows(1 << 20, 100).unwrap();
        match rows(split_bytes, batch_rows) {
            Ok(split) => prop_assert_eq!(whole, split),
            Err(error) => {
                prop_assert!(error.to_string().contains("is ambiguous around byte"), "{}", error);
            }
        }
    }
}
