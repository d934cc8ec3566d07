use proptest::prelude::*;

use super::*;

const ALL: Scan = Scan { stop: usize::MAX, most: usize::MAX, last: true, line: 0, columns: None };

fn scan(dialect: Dialect, text: &str, last: bool) -> (Vec<Vec<String>>, Scanned) {
    let mut tokens = Tokens::default();
    let scanned = tokens.scan(dialect, text.as_bytes(), Scan { last, ..ALL });
    let cell = |record, column| dialect.text(&text.as_bytes()[tokens.cell(record, column)]).into_owned();
    let record = |record| (0..tokens.cells(record)).map(|column| cell(record, column)).collect();
    ((0..tokens.len()).map(record).collect(), scanned)
}

const COMMA: Dialect = Dialect { delimiter: b',', quote: b'"', comment: None };

#[test]
fn quotes_line_ends_and_blank_lines() {
    let text = "a,b\r\n\n\r\n\"x,\"\"1\"\"\n\",5\" pipe\n,\r\n\"\",\"\"";
    let (rows, scanned) = scan(COMMA, text, true);
    let expected = [["a", "b"], ["x,\"1\"\n", "5\" pipe"], ["", ""], ["", ""]];
    assert_eq!(rows, expected);
    assert_eq!(scanned, Scanned { bytes: text.len(), line: 6, flaw: None });
}

#[test]
fn a_partial_record_is_left() {
    let (rows, scanned) = scan(COMMA, "a,b\n1,\"2\n", false);
    assert_eq!(rows, [["a", "b"]]);
    assert_eq!(scanned, Scanned { bytes: 4, line: 1, flaw: None });
}

#[test]
fn flaws_name_the_line_of_the_quote() {
    for (text, kind, line, from) in [
        ("a\n\n1,\"2\n\n", FlawKind::Unclosed, 2, 2),
        ("a\n\"2\n\"x,1", FlawKind::AfterQuote, 1, 4),
        ("\"2\"x", FlawKind::AfterQuote, 0, 3),
        ("\"2\"x\"", FlawKind::AfterQuote, 0, 3),
        ("1,\"a\nb\",\"c\n", FlawKind::Unclosed, 1, 8),
    ] {
        assert_eq!(scan(COMMA, text, true).1.flaw, Some(Flaw { kind, line, from }), "{text:?}");
    }
}

#[test]
fn meanings_can_be_turned_off() {
    let (rows, _) = scan(Dialect::quoted(b'\t').unquoted(), "a\t\"b\nc\t\"d\"\n", true);
    assert_eq!(rows, [["a", "\"b"], ["c", "\"d\""]]);
    let (rows, _) = scan(Dialect::quoted(b'\n'), "a,b\n\"c\nd\"\n", true);
    assert_eq!(rows, [["a,b"], ["c\nd"]]);
}

#[test]
fn comments_are_passed_over_at_the_start_of_a_record() {
    let text = "# a \"comment,\n#\n1,#2\n\"x\n# no comment\",y\n#z,\"\r\n3,4\n# end, \"";
    let (rows, scanned) = scan(COMMA.with_comment(Some(b'#')), text, true);
    assert_eq!(rows, [["1", "#2"], ["x\n# no comment", "y"], ["3", "4"]]);
    assert_eq!(scanned, Scanned { bytes: text.len(), line: 7, flaw: None });
}

#[test]
fn ragged_records_are_kept_apart() {
    let mut tokens = Tokens::default();
    let text = b"1,2\n3\n4,5\n\"6\n\",7,8\n9,10";
    tokens.scan(COMMA, text, Scan { columns: Some(2), ..ALL });
    assert_eq!((0..tokens.len()).map(|record| tokens.line(record)).collect::<Vec<_>>(), [0, 2, 5]);
    assert_eq!(tokens.column(1, 2).map(|range| &text[range]).collect::<Vec<_>>(), [b"2", b"5", &b"10"[..]]);
    let ragged: Vec<_> = tokens.ragged().iter().map(|r| (&text[r.range.clone()], r.line, r.cells)).collect();
    assert_eq!(ragged, [(&b"3"[..], 1, 1), (b"\"6\n\",7,8", 3, 3)]);
}

/// What [`Tokens::scan`] finds, byte by byte: for each record its line and its cells as they stand there.
/// And the flaw that ends it, or where what is left begins.
type Naive = (Vec<(u64, Vec<Vec<u8>>)>, Result<usize, (FlawKind, u64)>);

fn naive(dialect: Dialect, bytes: &[u8], last: bool) -> Naive {
    let mut records = Vec::new();
    let (mut at, mut line) = (0, 0);
    loop {
        let (start, start_line) = (at, line);
        let mut cells: Vec<Vec<u8>> = Vec::new();
        if at == bytes.len() {
            return (records, Ok(at));
        }
        if Some(bytes[at]) == dialect.comment {
            match bytes[at..].iter().position(|byte| *byte == b'\n') {
                Some(end) => at += end + 1,
                None if last => at = bytes.len(),
                None => return (records, Ok(start)),
            }
            line += 1;
            continue;
        }
        // One cell after the other.
        let ended = loop {
            let cell = at;
            if bytes.get(at) == Some(&dialect.quote)
                && dialect.quote != b'\n'
                && dialect.quote != dialect.delimiter
            {
                let opened = line;
                at += 1;
                loop {
                    match &bytes[at..] {
                        [] if last => return (records, Err((FlawKind::Unclosed, opened))),
                        [] => return (records, Ok(start)),
                        [a, b, ..] if *a == dialect.quote && *b == dialect.quote => at += 2,
                        [a, ..] if *a == dialect.quote => break,
                        [byte, ..] => {
                            line += u64::from(*byte == b'\n');
                            at += 1;
                        }
                    }
                }
                at += 1;
                let closed = match &bytes[at..] {
                    [] | [b'\n', ..] | [b'\r', b'\n', ..] => true,
                    [b'\r'] => true,
                    [byte, ..] => *byte == dialect.delimiter,
                };
                if !closed {
                    // What follows is only looked at when a byte with a meaning ends it.
                    let special = |byte: &u8| [b'\n', dialect.delimiter, dialect.quote].contains(byte);
                    if !last && !bytes[at..].iter().any(special) {
                        return (records, Ok(start));
                    }
                    return (records, Err((FlawKind::AfterQuote, opened)));
                }
            }
            let end = bytes[at..].iter().position(|byte| *byte == b'\n' || *byte == dialect.delimiter);
            let end = end.map(|end| at + end);
            at = end.unwrap_or(bytes.len());
            let text = &bytes[cell..at];
            if end.is_some_and(|end| bytes[end] != b'\n') {
                cells.push(text.to_vec());
                at += 1;
                continue;
            }
            cells.push(text.strip_suffix(b"\r").unwrap_or(text).to_vec());
            break end.is_some();
        };
        if !ended && !last {
            return (records, Ok(start));
        }
        at += usize::from(ended);
        line += u64::from(ended);
        if cells != [b""] {
            records.push((start_line, cells));
        }
    }
}

/// Text with much that has a meaning, and long stretches without.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => "[a-z0-9]{0,9}",
        4 => Just(",".to_string()),
        2 => "\r?\n",
        2 => "\"([a-z,\n]|\"\"){0,9}\",",
        2 => ",\"([a-z,\n]|\"\"){0,70}\"\r?\n",
        1 => "[\",\n\r#a]{0,4}",
        1 => "[a-z]{60,70}",
        1 => "\n#[a\",]{0,20}\n",
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn like_the_naive_scan(
        bytes in text(),
        quoted: bool,
        comments: bool,
        last: bool,
        delimiter in prop::sample::select(b",\nz".to_vec()),
    ) {
        let dialect = Dialect::quoted(delimiter).with_comment(comments.then_some(b'#'));
        let dialect = if quoted { dialect } else { dialect.unquoted() };
        let mut tokens = Tokens::default();
        let scanned = tokens.scan(dialect, &bytes, Scan { last, ..ALL });
        let (records, end) = naive(dialect, &bytes, last);
        let cell = |record, column| bytes[tokens.cell(record, column)].to_vec();
        let record = |record| (tokens.line(record), (0..tokens.cells(record)).map(|c| cell(record, c)).collect());
        let found: Vec<(u64, Vec<Vec<u8>>)> = (0..tokens.len()).map(record).collect();
        prop_assert_eq!(found, records);
        match end {
            Ok(left) => prop_assert_eq!((scanned.flaw, scanned.bytes), (None, left)),
            Err(flaw) => prop_assert_eq!(scanned.flaw.map(|flaw| (flaw.kind, flaw.line)), Some(flaw)),
        }
    }

    #[test]
    fn scans_in_parts_find_the_same(bytes in text(), most in 1..4usize, columns in 1..4usize) {
        let whole = Scan { columns: Some(columns), ..ALL };
        let mut tokens = Tokens::default();
        let scanned = tokens.scan(COMMA, &bytes, whole);
        let expected: Vec<_> = (0..tokens.len()).map(|r| (tokens.range(r), tokens.line(r))).collect();
        let expected_ragged: Vec<_> = tokens.ragged().iter().map(|r| (r.range.clone(), r.line)).collect();
        let (mut found, mut ragged, mut at, mut line) = (Vec::new(), Vec::new(), 0, 0);
        let flaw = loop {
            let part = tokens.scan(COMMA, &bytes[at..], Scan { most, stop: 50, line, ..whole });
            let moved = |range: Range<usize>| range.start + at..range.end + at;
            found.extend((0..tokens.len()).map(|r| (moved(tokens.range(r)), tokens.line(r))));
            ragged.extend(tokens.ragged().iter().map(|r| (moved(r.range.clone()), r.line)));
            (at, line) = (at + part.bytes, part.line);
            if part.flaw.is_some() || at == bytes.len() {
                break part.flaw;
            }
        };
        prop_assert_eq!(found, expected);
        prop_assert_eq!(ragged, expected_ragged);
        prop_assert_eq!((at, line, flaw), (scanned.bytes, scanned.line, scanned.flaw));
    }
}
