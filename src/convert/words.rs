//! The words of a filter.

use std::fmt;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Word {
    /// A keyword, or the name of a column.
    Name(String),
    /// A name in double quotes or backticks.
    Quoted(String),
    Number(String),
    /// A text in single quotes.
    Text(String),
    Sign(&'static str),
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Word::Name(text) | Word::Number(text) => f.write_str(text),
            Word::Quoted(text) => write!(f, "`{text}`"),
            Word::Text(text) => write!(f, "'{text}'"),
            Word::Sign(sign) => write!(f, "`{sign}`"),
        }
    }
}

/// Signs, the longer ones first.
const SIGNS: [&str; 12] = ["<=", ">=", "<>", "!=", "==", "<", ">", "=", "(", ")", ",", "-"];

/// Cuts a filter into words; or says what can't be one.
pub(super) fn words(text: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if matches!(first, '\'' | '"' | '`') {
            let (inner, after) = quoted(&rest[1..], first)?;
            words.push(if first == '\'' { Word::Text(inner) } else { Word::Quoted(inner) });
            rest = after;
        } else if first.is_alphabetic() || first == '_' {
            let end =
                rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.'))).unwrap_or(rest.len());
            words.push(Word::Name(rest[..end].to_string()));
            rest = &rest[end..];
        } else if first.is_ascii_digit() || first == '.' {
            let end = number(rest);
            words.push(Word::Number(rest[..end].to_string()));
            rest = &rest[end..];
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            rest = &rest[sign.len()..];
            if *sign == "-" {
                let end = number(rest);
                if end == 0 {
                    return Err("found '-' without a number after it".to_string());
                }
                words.push(Word::Number(format!("-{}", &rest[..end])));
                rest = &rest[end..];
            } else {
                words.push(Word::Sign(sign));
            }
        } else {
            return Err(format!("found {first:?}"));
        }
        rest = rest.trim_start();
    }
    Ok(words)
}

/// The text up to the closing quote, of which two stand for one, and what comes after it.
fn quoted(text: &str, quote: char) -> Result<(String, &str), String> {
    let mut inner = String::new();
    let mut rest = text;
    loop {
        let end = rest.find(quote).ok_or(format!("a quote {quote} is not closed"))?;
        inner.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix(quote) {
            Some(after) => {
                inner.push(quote);
                rest = after;
            }
            None => return Ok((inner, rest)),
        }
    }
}

/// The length of the number that the text begins with.
fn number(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_part = |at: usize| match bytes[at] {
        b'0'..=b'9' | b'.' | b'e' | b'E' => true,
        b'+' | b'-' => at > 0 && matches!(bytes[at - 1], b'e' | b'E'),
        _ => false,
    };
    (0..bytes.len()).find(|&at| !is_part(at)).unwrap_or(bytes.len())
}
