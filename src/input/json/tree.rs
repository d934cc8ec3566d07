//! The keys of a file's objects, and the columns that they lead to.

use std::collections::HashMap;

use super::column::{Context, mismatch};
use super::cursor::{Cursor, Token};
use super::decoder::Arrays;
use super::kind::Kind;
use super::seen::Keys;
use crate::error::{Error, Result};

/// An object that is flattened.
#[derive(Debug)]
pub(super) struct Object {
    /// What comes before its keys in the names of columns.
    prefix: String,
    keys: Vec<(String, Node)>,
    by_name: HashMap<String, usize>,
}

/// What a key holds.
#[derive(Debug)]
enum Node {
    Object(Object),
    /// The column with this index.
    Column(usize),
}

impl Object {
    /// The tree of the keys that were seen, which appends its columns, each with its name.
    pub(super) fn flatten(keys: Keys, prefix: String, columns: &mut Vec<(String, Kind)>) -> Self {
        let mut nodes = Vec::new();
        let mut by_name = HashMap::new();
        for (key, seen) in keys.all {
            let name = format!("{prefix}{key}");
            by_name.insert(key.clone(), nodes.len());
            nodes.push(match seen.into_keys() {
                Ok(keys) => (key, Node::Object(Object::flatten(keys, format!("{name}."), columns))),
                Err(seen) => {
                    columns.push((name, seen.kind()));
                    (key, Node::Column(columns.len() - 1))
                }
            });
        }
        Object { prefix, keys: nodes, by_name }
    }

    /// Appends the object whose opening brace the cursor has passed.
    pub(super) fn append(
        &self,
        cursor: &mut Cursor,
        arrays: &mut Arrays,
        context: &mut Context,
    ) -> Result<()> {
        // Objects mostly have the same keys in the same order.
        let mut expected = 0;
        let mut first = true;
        while cursor.next_item(b'}', first)? {
            first = false;
            let key = cursor.key()?;
            let key = key.plain(&mut context.scratch)?;
            let index = match self.keys.get(expected) {
                Some((name, _)) if name == key => expected,
                _ => *self.by_name.get(key).ok_or_else(|| self.unknown(key, *cursor))?,
            };
            expected = index + 1;
            let (name, node) = &self.keys[index];
            match node {
                Node::Column(column) => {
                    arrays
                        .append(*column, name, cursor, context)
                        .map_err(|error| self.in_column(name, error))?;
                }
                Node::Object(object) => match cursor.value()? {
                    Token::Null => {}
                    Token::Object => object.append(cursor, arrays, context)?,
                    other => return Err(self.in_column(name, mismatch("an object", other))),
                },
            }
        }
        Ok(())
    }

    fn in_column(&self, key: &str, error: Error) -> Error {
        error.in_column(&format!("{}{key}", self.prefix))
    }

    fn unknown(&self, key: &str, mut cursor: Cursor) -> Error {
        let name = format!("{}{key}", self.prefix);
        let suited = match cursor.value() {
            Ok(Token::Boolean(_)) => "bool",
            Ok(Token::Number(_)) => "float",
            Ok(Token::Object) => "map",
            _ => "text",
        };
        Error::data(format!("found the key `{name}`, which the lines sampled before lack"))
            .remedy(format!("name it with `--type {name}={suited}`"))
    }
}
