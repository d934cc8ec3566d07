//! What a sample shows of the values in one place.

use std::collections::HashMap;

use super::cursor::{Cursor, Token};
use super::kind::Kind;
use crate::error::Result;
use crate::input::csv::iso;

/// The values seen in one place: of a key, or the items of its arrays.
#[derive(Debug, Default)]
pub(super) struct Seen {
    whole: bool,
    fraction: bool,
    boolean: bool,
    time: bool,
    text: bool,
    array: Option<Box<Seen>>,
    object: Option<Keys>,
    /// As the user says.
    pub(super) declared: Option<Kind>,
}

/// The keys of objects, in the order in which they were first seen.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) all: Vec<(String, Seen)>,
    by_name: HashMap<String, usize>,
}

impl Keys {
    /// What was seen of a key.
    pub(super) fn get(&mut self, key: &str) -> &mut Seen {
        let index = match self.by_name.get(key) {
            Some(index) => *index,
            None => {
                self.by_name.insert(key.to_string(), self.all.len());
                self.all.push((key.to_string(), Seen::default()));
                self.all.len() - 1
            }
        };
        &mut self.all[index].1
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.by_name.contains_key(key)
    }

    /// Takes in the object whose opening brace the cursor has passed.
    pub(super) fn see(&mut self, cursor: &mut Cursor, nulls: &[String]) -> Result<()> {
        let (mut scratch, mut first) = (String::new(), true);
        while cursor.next_item(b'}', first)? {
            let key = cursor.key()?;
            self.get(key.plain(&mut scratch)?).see(cursor, nulls)?;
            first = false;
        }
        Ok(())
    }
}

impl Seen {
    /// Takes in the value that comes next.
    fn see(&mut self, cursor: &mut Cursor, nulls: &[String]) -> Result<()> {
        match cursor.value()? {
            Token::Null => {}
            Token::Boolean(_) => self.boolean = true,
            Token::Number(number) if number.parse::<i64>().is_ok() => self.whole = true,
            // A float would make different ones of these equal: as texts they stay what they are.
            Token::Number(number) if number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => {
                self.text = true;
            }
            Token::Number(_) => self.fraction = true,
            Token::Text(text) => {
                let mut scratch = String::new();
                let text = text.plain(&mut scratch)?;
                if nulls.iter().any(|null| null == text) {
                } else if iso(text.as_bytes()).is_some() {
                    self.time = true;
                } else {
                    self.text = true;
                }
            }
            Token::Array => {
                let items = self.array.get_or_insert_default();
                let mut first = true;
                while cursor.next_item(b']', first)? {
                    items.see(cursor, nulls)?;
                    first = false;
                }
            }
            Token::Object => self.object.get_or_insert_default().see(cursor, nulls)?,
        }
        Ok(())
    }

    fn is_scalar(&self) -> bool {
        self.whole || self.fraction || self.boolean || self.time || self.text
    }

    /// The keys, if there were objects or nothing at all: these are flattened.
    pub(super) fn into_keys(self) -> Result<Keys, Self> {
        let is_nested = self.object.is_some() && !self.is_scalar() && self.array.is_none();
        match self {
            Seen { declared: None, object: Some(keys), .. } if is_nested => Ok(keys),
            other => Err(other),
        }
    }

    /// The keys, to which more are to be added; `None` if there were other values than objects.
    pub(super) fn keys_mut(&mut self) -> Option<&mut Keys> {
        if self.is_scalar() || self.array.is_some() || self.declared.is_some() {
            return None;
        }
        Some(self.object.get_or_insert_default())
    }

    /// The kind that takes in all values.
    pub(super) fn kind(&self) -> Kind {
        if let Some(declared) = &self.declared {
            return declared.clone();
        }
        let number = self.whole || self.fraction;
        match (&self.array, &self.object) {
            (None, None) => match (number, self.boolean, self.time, self.text) {
                (true, false, false, false) if self.fraction => Kind::Float,
                (true, false, false, false) => Kind::Integer,
                (false, true, false, false) => Kind::Boolean,
                (false, false, true, false) => Kind::Time,
                _ => Kind::Text,
            },
            (Some(items), None) if !self.is_scalar() => match items.kind() {
                Kind::Json => Kind::Json,
                kind => Kind::List(Box::new(kind)),
            },
            (None, Some(keys)) if !self.is_scalar() && !keys.all.is_empty() => {
                Kind::Struct(keys.all.iter().map(|(key, seen)| (key.clone(), seen.kind())).collect())
            }
            _ => Kind::Json,
        }
    }
}
