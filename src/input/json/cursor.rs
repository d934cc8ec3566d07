//! A line's tokens, one after the other.

use memchr::memchr2;

use super::escape::unescape;
use crate::error::{Error, Result};
use crate::input::lines::shown;

/// Most arrays and objects that may lie in one another.
const DEEPEST: usize = 128;

/// A place in a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

/// A value, or the beginning of one that holds others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Token<'a> {
    Null,
    Boolean(bool),
    /// As it is written.
    Number(&'a str),
    Text(Text<'a>),
    Array,
    Object,
}

/// A string.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Text<'a> {
    raw: &'a str,
    escaped: bool,
}

impl<'a> Text<'a> {
    /// The string without escapes, for which `scratch` is used if it has any.
    pub(super) fn plain<'b>(&self, scratch: &'b mut String) -> Result<&'b str>
    where
        'a: 'b,
    {
        if !self.escaped {
            return Ok(self.raw);
        }
        unescape(self.raw, scratch)?;
        Ok(scratch)
    }
}

impl Token<'_> {
    /// What it is, in messages.
    pub(super) fn described(&self) -> String {
        match self {
            Token::Null => "null".to_string(),
            Token::Boolean(value) => value.to_string(),
            Token::Number(number) => format!("the number {}", &number[..number.len().min(40)]),
            Token::Text(text) => format!("the string {}", shown(text.raw.as_bytes())),
            Token::Array => "an array".to_string(),
            Token::Object => "an object".to_string(),
        }
    }
}

impl<'a> Cursor<'a> {
    /// At the beginning of a line.
    pub(super) fn new(line: &'a [u8]) -> Result<Self> {
        match std::str::from_utf8(line) {
            Ok(text) => Ok(Cursor { text, at: 0 }),
            Err(_) => Err(Error::data("found text that is not valid UTF-8")
                .remedy("convert the file to UTF-8, for example with iconv")),
        }
    }

    #[inline]
    fn skip_spaces(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// The value that comes next, or its beginning.
    #[inline]
    pub(super) fn value(&mut self) -> Result<Token<'a>> {
        match self.skip_spaces() {
            Some(b'"') => self.string().map(Token::Text),
            Some(b'{') => {
                self.at += 1;
                Ok(Token::Object)
            }
            Some(b'[') => {
                self.at += 1;
                Ok(Token::Array)
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn string(&mut self) -> Result<Text<'a>> {
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let mut at = start;
        let mut escaped = false;
        loop {
            match memchr2(b'"', b'\\', &bytes[at..]) {
                None => return Err(self.cut_off("the string is not closed")),
                Some(length) if bytes[at + length] == b'"' => {
                    self.at = at + length + 1;
                    return Ok(Text { raw: &self.text[start..at + length], escaped });
                }
                Some(length) => {
                    escaped = true;
                    at += length + 2;
                    if at > bytes.len() {
                        return Err(self.cut_off("the string is not closed"));
                    }
                }
            }
        }
    }

    fn number(&mut self) -> Result<Token<'a>> {
        let (bytes, start) = (self.text.as_bytes(), self.at);
        let mut at = start + usize::from(bytes[start] == b'-');
        if self.text[at..].starts_with("Infinity") {
            self.at = at + "Infinity".len();
            return Ok(Token::Number(&self.text[start..self.at]));
        }
        let digits = |at: &mut usize| {
            let first = *at;
            while bytes.get(*at).is_some_and(u8::is_ascii_digit) {
                *at += 1;
            }
            *at - first
        };
        let leading_zero = bytes.get(at) == Some(&b'0');
        let whole = digits(&mut at);
        let mut sound = whole > 0 && !(leading_zero && whole > 1);
        if bytes.get(at) == Some(&b'.') {
            at += 1;
            sound &= digits(&mut at) > 0;
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            at += 1;
            at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
            sound &= digits(&mut at) > 0;
        }
        if !sound
            || bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_'))
        {
            return Err(self.unexpected("a number as JSON writes it"));
        }
        self.at = at;
        Ok(Token::Number(&self.text[start..at]))
    }

    fn word(&mut self) -> Result<Token<'a>> {
        let rest = &self.text[self.at..];
        for (word, token) in [
            ("null", Token::Null),
            ("true", Token::Boolean(true)),
            ("false", Token::Boolean(false)),
            ("NaN", Token::Null),
            ("Infinity", Token::Number("Infinity")),
        ] {
            if let Some(after) = rest.strip_prefix(word)
                && !after.starts_with(|c: char| c.is_alphanumeric() || c == '_')
            {
                self.at += word.len();
                return Ok(token);
            }
        }
        Err(self.unexpected("a value"))
    }

    /// Whether there is another item of the array or object, which ends with `close`; `first` is its first.
    #[inline]
    pub(super) fn next_item(&mut self, close: u8, first: bool) -> Result<bool> {
        match self.skip_spaces() {
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            Some(b',') if !first => {
                self.at += 1;
                if self.skip_spaces() == Some(close) {
                    return Err(self.unexpected("another item behind the comma"));
                }
                Ok(true)
            }
            Some(_) if first => Ok(true),
            _ => Err(self.unexpected(if close == b']' { "a comma or `]`" } else { "a comma or `}`" })),
        }
    }

    /// An object's key, and the colon behind it.
    #[inline]
    pub(super) fn key(&mut self) -> Result<Text<'a>> {
        if self.skip_spaces() != Some(b'"') {
            return Err(self.unexpected("a key in double quotes"));
        }
        let key = self.string()?;
        if self.skip_spaces() != Some(b':') {
            return Err(self.unexpected("a colon behind the key"));
        }
        self.at += 1;
        Ok(key)
    }

    /// Goes behind the next value, and gives it as it is written.
    pub(super) fn skip(&mut self) -> Result<&'a str> {
        self.skip_spaces();
        let start = self.at;
        let mut scratch = String::new();
        self.skip_value(0, &mut scratch)?;
        Ok(&self.text[start..self.at])
    }

    fn skip_value(&mut self, depth: usize, scratch: &mut String) -> Result<()> {
        if depth > DEEPEST {
            return Err(Error::data(format!("found more than {DEEPEST} arrays and objects in one another"))
                .remedy("write the data flatter"));
        }
        match self.value()? {
            Token::Array => {
                let mut first = true;
                while self.next_item(b']', first)? {
                    self.skip_value(depth + 1, scratch)?;
                    first = false;
                }
            }
            Token::Object => {
                let mut first = true;
                while self.next_item(b'}', first)? {
                    self.key()?.plain(scratch)?;
                    self.skip_value(depth + 1, scratch)?;
                    first = false;
                }
            }
            Token::Text(text) => drop(text.plain(scratch)?),
            _ => {}
        }
        Ok(())
    }

    /// Checks that nothing comes after the line's object.
    pub(super) fn end(&mut self) -> Result<()> {
        match self.skip_spaces() {
            None => Ok(()),
            Some(_) => Err(self.unexpected("the line to end behind the object")),
        }
    }

    fn unexpected(&self, expected: &str) -> Error {
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return self.cut_off(&format!("expected {expected}"));
        }
        let found = rest.char_indices().nth(16).map_or(rest, |(end, _)| &rest[..end]);
        Error::data(format!("found {found:?} at byte {} of the line, expected {expected}", self.at))
            .remedy("write an object of valid JSON in each line")
    }

    fn cut_off(&self, what: &str) -> Error {
        Error::data(format!("the line ends in the middle of its JSON: {what}"))
            .remedy("write a whole object in each line, for example with `jq -c .`")
    }
}
