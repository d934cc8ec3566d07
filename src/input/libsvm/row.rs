//! A line's parts.

use crate::error::{Error, Result};
use crate::input::lines::{decimal, digits, float, float32, narrow, shown};

/// What stands in a line besides its features.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Row<'a> {
    pub(super) label: Option<&'a [u8]>,
    pub(super) query: Option<&'a [u8]>,
}

/// Names of the columns.
pub(super) const LABEL: &str = "label";
pub(super) const QUERY: &str = "qid";
pub(super) const FEATURES: &str = "features";

/// Takes a line apart and appends its features; `None` for a comment. After an error some of the
/// features may have been appended. Labels and query numbers are not looked at yet.
pub(super) fn parse<'a>(
    line: &'a [u8],
    indices: &mut Vec<i32>,
    values: &mut Vec<f32>,
) -> Result<Option<Row<'a>>> {
    let mut at = spaces_end(line, 0);
    if matches!(line.get(at), None | Some(b'#')) {
        return Ok(None);
    }
    let mut row = Row { label: None, query: None };
    let end = word_end(line, at);
    // Of rows without a label the first word is a feature.
    if !line[at..end].contains(&b':') {
        row.label = Some(&line[at..end]);
        at = end;
    }
    let first = indices.len();
    let mut last = -1;
    let mut ascending = true;
    loop {
        at = spaces_end(line, at);
        if matches!(line.get(at), None | Some(b'#')) {
            break;
        }
        let (index, value, end) = match short_feature(line, at) {
            Some(feature) => feature,
            None => {
                let end = word_end(line, at);
                let word = &line[at..end];
                if let Some(query) = word.strip_prefix(b"qid:") {
                    if row.query.replace(query).is_some() {
                        return Err(
                            Error::data("found a second qid, expected one at the most").in_column(QUERY)
                        );
                    }
                    at = end;
                    continue;
                }
                let (index, value) = feature(word).map_err(|error| error.in_column(FEATURES))?;
                (index, value, end)
            }
        };
        ascending &= index > last;
        last = index;
        indices.push(index);
        values.push(value);
        at = end;
    }
    if !ascending {
        check_distinct(&indices[first..])?;
    }
    Ok(Some(row))
}

/// The feature that begins at `at`, and where it ends, if it is written in the common way.
#[inline]
fn short_feature(line: &[u8], at: usize) -> Option<(i32, f32, usize)> {
    let (index, end) = digits(line, at)?;
    if line.get(end) != Some(&b':') {
        return None;
    }
    let (value, end) = decimal(line, end + 1)?;
    if !matches!(line.get(end), None | Some(b' ' | b'\t')) {
        return None;
    }
    Some((i32::try_from(index).ok()?, narrow(value)?, end))
}

/// A feature however it is written.
fn feature(word: &[u8]) -> Result<(i32, f32)> {
    let fault = |expected: &str| Error::data(format!("found {}, expected {expected}", shown(word)));
    let Some(colon) = word.iter().position(|byte| *byte == b':') else {
        return Err(fault("an index and a value with a colon between them")
            .remedy("correct the line, or name another --input-format"));
    };
    let (index, value) = (&word[..colon], &word[colon + 1..]);
    let index = std::str::from_utf8(index).ok().and_then(|text| text.parse::<u32>().ok());
    let Some(index) = index.and_then(|index| i32::try_from(index).ok()) else {
        return Err(fault("an index from 0 to 2147483647 before the colon")
            .remedy("number the features; text names need Vowpal Wabbit's format"));
    };
    match float32(value) {
        Some(value) => Ok((index, value)),
        None => Err(fault("a finite number of 32 bits behind the colon")
            .remedy("leave out features that are missing")),
    }
}

fn check_distinct(indices: &[i32]) -> Result<()> {
    let mut sorted = indices.to_vec();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Error::data(format!("found index {} twice, expected it once in a row", pair[0]))
            .remedy("leave out one of the values, or add them up")
            .in_column(FEATURES)),
        None => Ok(()),
    }
}

#[inline]
fn spaces_end(line: &[u8], mut at: usize) -> usize {
    while matches!(line.get(at), Some(b' ' | b'\t')) {
        at += 1;
    }
    at
}

fn word_end(line: &[u8], at: usize) -> usize {
    let length = line[at..].iter().position(|byte| matches!(byte, b' ' | b'\t'));
    length.map_or(line.len(), |length| at + length)
}

/// Whether lines, which are those that a file begins with, are of this format beyond doubt: all can
/// be read, and there are features behind a label (`12:30` alone may be the time of day).
pub(in crate::input) fn looks_like(lines: &[&[u8]]) -> bool {
    let (mut indices, mut values) = (Vec::new(), Vec::new());
    let mut is_sure = false;
    for line in lines {
        indices.clear();
        values.clear();
        match parse(line, &mut indices, &mut values) {
            Ok(Some(row)) if row.label.is_none_or(is_label) => {
                is_sure |= row.label.is_some() && !indices.is_empty();
            }
            Ok(None) => {}
            _ => return false,
        }
    }
    is_sure
}

/// Whether a label is a number, or several with commas between them.
pub(super) fn is_label(label: &[u8]) -> bool {
    label.split(|byte| *byte == b',').all(|part| float(part).is_some_and(f64::is_finite))
}
