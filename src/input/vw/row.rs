//! A line's parts.

use memchr::memchr;

use crate::error::{Error, Result};
use crate::input::lines::{decimal, float, float32, narrow, shown};

/// What stands before the first bar.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Head<'a> {
    pub(super) label: Option<&'a str>,
    pub(super) weight: Option<&'a str>,
    pub(super) base: Option<&'a str>,
    pub(super) tag: Option<&'a str>,
}

/// A namespace and the text of its features.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Section<'a> {
    /// Empty for the namespace without a name.
    pub(super) name: &'a str,
    pub(super) scale: f32,
    features: &'a str,
}

/// A line as text, before its first bar and after it.
pub(super) fn halves(line: &[u8]) -> Result<(&str, &str)> {
    let line = std::str::from_utf8(line).map_err(|_| {
        Error::data("found text that is not valid UTF-8")
            .remedy("convert the file to UTF-8, for example with iconv")
    })?;
    memchr(b'|', line.as_bytes()).map(|bar| (&line[..bar], &line[bar + 1..])).ok_or_else(|| {
        Error::data(format!("found {}, expected a bar `|` before the features", shown(line.as_bytes())))
            .remedy("correct the line, or name another --input-format")
    })
}

/// Takes apart what stands before the first bar.
pub(super) fn head<'a>(text: &'a str, nulls: &[String]) -> Result<Head<'a>> {
    let mut words = text.split_ascii_whitespace();
    let mut head = Head::default();
    let is_glued = !text.ends_with([' ', '\t']);
    if let Some(last) = words.clone().next_back()
        && (is_glued || last.starts_with('\''))
    {
        words.next_back();
        let tag = last.strip_prefix('\'').unwrap_or(last);
        head.tag = Some(tag).filter(|tag| !tag.is_empty());
    }
    [head.label, head.weight, head.base] = [words.next(), words.next(), words.next()];
    if let Some(label) = head.label
        && label.contains([':', ','])
    {
        return Err(Error::data(format!("found label {}, expected a number", shown(label.as_bytes())))
            .remedy(
                "labels of several parts, as for contextual bandits or costs of classes, can't be learned",
            )
            .in_column("label"));
    }
    if let Some(more) = words.next() {
        return Err(Error::data(format!(
            "found {} after label, weight and base, expected a tag or a bar",
            shown(more.as_bytes())
        ))
        .remedy("put a quote before the tag"));
    }
    let is_there = |word: &&str| !nulls.iter().any(|null| null == word);
    Ok(Head {
        label: head.label.filter(is_there),
        weight: head.weight.filter(is_there),
        base: head.base.filter(is_there),
        tag: head.tag.filter(is_there),
    })
}

/// The namespaces of what stands after the first bar.
pub(super) fn sections(text: &str) -> impl Iterator<Item = Result<Section<'_>>> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let bar = memchr(b'|', text.as_bytes());
        rest = bar.map(|bar| &text[bar + 1..]);
        Some(section(&text[..bar.unwrap_or(text.len())]))
    })
}

fn section(text: &str) -> Result<Section<'_>> {
    let end = text.bytes().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(text.len());
    let (word, features) = text.split_at(end);
    let Some(colon) = word.bytes().position(|byte| byte == b':') else {
        return Ok(Section { name: word, scale: 1.0, features });
    };
    match float32(&word.as_bytes()[colon + 1..]) {
        Some(scale) => Ok(Section { name: &word[..colon], scale, features }),
        None => Err(Error::data(format!(
            "found {}, expected a namespace and a finite number with a colon between them",
            shown(word.as_bytes())
        ))
        .remedy("put a space between the bar and the first feature")),
    }
}

impl Section<'_> {
    /// Gives each feature with its scaled value to `take`, but for those whose value says that it is missing.
    #[inline]
    pub(super) fn each_feature(
        &self,
        nulls: &[String],
        mut take: impl FnMut(&str, f32) -> Result<()>,
    ) -> Result<()> {
        let bytes = self.features.as_bytes();
        let mut unnamed = 0u32;
        let mut at = 0;
        loop {
            while matches!(bytes.get(at), Some(b' ' | b'\t')) {
                at += 1;
            }
            if at == bytes.len() {
                return Ok(());
            }
            let start = at;
            while bytes.get(at).is_some_and(|byte| !matches!(byte, b' ' | b'\t' | b':')) {
                at += 1;
            }
            let name = &self.features[start..at];
            let mut value = 1.0;
            if bytes.get(at) == Some(&b':') {
                let (read, end) = match short_value(bytes, at + 1) {
                    Some(read) => read,
                    None => {
                        let length = bytes[at..].iter().position(|byte| matches!(byte, b' ' | b'\t'));
                        let end = length.map_or(bytes.len(), |length| at + length);
                        let text = &self.features[at + 1..end];
                        if nulls.iter().any(|null| null == text) {
                            at = end;
                            continue;
                        }
                        let read = float32(text.as_bytes()).ok_or_else(|| misread(&bytes[start..end]))?;
                        (read, end)
                    }
                };
                (value, at) = (read, end);
            }
            // Most namespaces have no scale.
            if self.scale != 1.0 {
                value *= self.scale;
                if !value.is_finite() {
                    return Err(Error::data(format!(
                        "the value of `{name}` times its namespace's scale is too large"
                    ))
                    .remedy("expected a finite number of 32 bits"));
                }
            }
            if name.is_empty() {
                take(itoa::Buffer::new().format(unnamed), value)?;
                unnamed += 1;
            } else {
                take(name, value)?;
            }
        }
    }
}

#[inline]
fn short_value(bytes: &[u8], at: usize) -> Option<(f32, usize)> {
    let (value, end) = decimal(bytes, at)?;
    if !matches!(bytes.get(end), None | Some(b' ' | b'\t')) {
        return None;
    }
    Some((narrow(value)?, end))
}

fn misread(feature: &[u8]) -> Error {
    Error::data(format!("found {}, expected a finite number of 32 bits behind the colon", shown(feature)))
        .remedy("leave out features that are missing, and colons in names")
}

/// Whether lines, which are those that a file begins with, are of this format beyond doubt. Tables
/// whose cells are separated by bars can look alike: here a space comes before every bar, unless a
/// quoted tag does, numbers come before the first, and a single word or nothing between bars,
/// in every line, is taken for a cell.
pub(in crate::input) fn looks_like(lines: &[&[u8]]) -> bool {
    let mut features = 0;
    let mut most_like_cells = 0;
    for line in lines {
        let Ok((before, after)) = halves(line) else { return false };
        let Ok(Head { label, weight, base, tag }) = head(before, &[]) else { return false };
        let quoted = before.split_ascii_whitespace().next_back().is_some_and(|word| word.starts_with('\''));
        let is_number = |word: Option<&str>| word.is_none_or(|word| float(word.as_bytes()).is_some());
        if !(is_number(label) && is_number(weight) && is_number(base)) || (tag.is_some() && !quoted) {
            return false;
        }
        let mut has_value = false;
        let mut words = 0;
        for (index, section) in sections(after).enumerate() {
            let Ok(section) = section else { return false };
            let found = features;
            let mut count = |_: &str, value: f32| {
                features += 1;
                has_value |= value != 1.0;
                Ok(())
            };
            if section.each_feature(&[], &mut count).is_err() {
                return false;
            }
            words = words.max(features - found);
            // A name stands right after its bar, where a cell may have a space.
            if index > 0 && section.name.is_empty() {
                return false;
            }
        }
        let spaced = after.match_indices('|').all(|(at, _)| at == 0 || after[..at].ends_with([' ', '\t']));
        if !spaced {
            return false;
        }
        most_like_cells += usize::from(!has_value && words < 2 && !after.contains(':'));
    }
    features > 0 && most_like_cells < lines.len()
}
