//! An Arrow array under construction from values of one kind.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray, NullBufferBuilder, StructArray};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Fields};

use super::cursor::{Cursor, Token};
use super::kind::Kind;
use crate::error::{Error, Result};
use crate::input::csv::iso;
use crate::input::lines::{Scalar, Sparse, Texts, Values, float, float32, push_some};

/// The array.
#[derive(Debug)]
pub(super) enum Column {
    Scalar(Kind, Scalar),
    List { item: Box<Column>, field: Arc<Field>, offsets: Vec<i32>, nulls: NullBufferBuilder },
    Struct { names: Fields, fields: Vec<Column>, nulls: NullBufferBuilder },
    Map(Sparse<Texts>),
}

/// What is used again for every value.
#[derive(Debug, Default)]
pub(super) struct Context {
    /// Strings that stand for missing values.
    pub(super) nulls: Vec<String>,
    /// A string or key without its escapes.
    pub(super) scratch: String,
}

impl Column {
    pub(super) fn new(kind: &Kind) -> Self {
        let nulls = NullBufferBuilder::new(0);
        match (kind, kind.data_type()) {
            (Kind::List(item), DataType::List(field)) => {
                Column::List { item: Box::new(Column::new(item)), field, offsets: vec![0], nulls }
            }
            (Kind::Struct(fields), DataType::Struct(names)) => Column::Struct {
                names,
                fields: fields.iter().map(|(_, kind)| Column::new(kind)).collect(),
                nulls,
            },
            (Kind::Map, _) => Column::Map(Sparse::new()),
            (kind, data_type) => Column::Scalar(kind.clone(), Scalar::new(&data_type)),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Column::Scalar(_, scalar) => scalar.len(),
            Column::List { offsets, .. } => offsets.len() - 1,
            Column::Struct { nulls, .. } => nulls.len(),
            Column::Map(map) => map.len(),
        }
    }

    pub(super) fn push_nulls(&mut self, count: usize) {
        match self {
            Column::Scalar(_, scalar) => scalar.push_nulls(count),
            Column::List { item, offsets, nulls, .. } => {
                offsets.resize(offsets.len() + count, item.len() as i32);
                nulls.append_n_nulls(count);
            }
            Column::Struct { fields, nulls, .. } => {
                fields.iter_mut().for_each(|field| field.push_nulls(count));
                nulls.append_n_nulls(count);
            }
            Column::Map(map) => map.close_rows(map.len() + count, false),
        }
    }

    /// Pushes nulls until there are `len` values.
    pub(super) fn pad(&mut self, len: usize) {
        let missing = len.saturating_sub(self.len());
        if missing > 0 {
            self.push_nulls(missing);
        }
    }

    /// Takes back all but the first `len` values.
    pub(super) fn truncate(&mut self, len: usize) {
        match self {
            Column::Scalar(_, scalar) => scalar.truncate(len),
            Column::List { item, offsets, nulls, .. } => {
                offsets.truncate(len + 1);
                item.truncate(offsets[offsets.len() - 1] as usize);
                nulls.truncate(len);
            }
            Column::Struct { fields, nulls, .. } => {
                fields.iter_mut().for_each(|field| field.truncate(len));
                nulls.truncate(len);
            }
            Column::Map(map) => map.truncate(len),
        }
    }

    /// Appends the value that comes next.
    pub(super) fn append(&mut self, cursor: &mut Cursor, context: &mut Context) -> Result<()> {
        let begin = *cursor;
        let token = cursor.value()?;
        if let Token::Null = token {
            self.push_nulls(1);
            return Ok(());
        }
        match (self, token) {
            (Column::Scalar(kind, scalar), token) => {
                if let Token::Text(text) = token {
                    let text = text.plain(&mut context.scratch)?;
                    if context.nulls.iter().any(|null| null == text) {
                        scalar.push_nulls(1);
                        return Ok(());
                    }
                }
                if *kind == Kind::Json && matches!(token, Token::Array | Token::Object) {
                    *cursor = begin;
                    let raw = cursor.skip()?;
                    if let Values::Text(texts) = &mut scalar.values {
                        texts.push(raw);
                    }
                } else {
                    push(kind, &mut scalar.values, token, &mut context.scratch)?;
                }
                scalar.valid();
            }
            (Column::List { item, offsets, nulls, .. }, Token::Array) => {
                let mut first = true;
                while cursor.next_item(b']', first)? {
                    item.append(cursor, context)?;
                    first = false;
                }
                offsets.push(item.len() as i32);
                nulls.append_non_null();
            }
            (Column::Struct { names, fields, nulls }, Token::Object) => {
                append_struct(names, fields, nulls.len(), cursor, context)?;
                nulls.append_non_null();
            }
            (Column::Map(map), Token::Object) => append_map(map, cursor, context)?,
            (column, token) => return Err(mismatch(column.expected(), token)),
        }
        Ok(())
    }

    fn expected(&self) -> &'static str {
        match self {
            Column::Scalar(kind, _) => kind.described(),
            Column::List { .. } => "an array",
            Column::Struct { .. } => "an object",
            Column::Map(_) => Kind::Map.described(),
        }
    }

    /// The array; leaves the column empty.
    pub(super) fn finish(&mut self) -> Result<ArrayRef> {
        let fault = |error: arrow::error::ArrowError| Error::data(error.to_string());
        Ok(match self {
            Column::Scalar(_, scalar) => scalar.finish()?,
            Column::List { item, field, offsets, nulls } => {
                let offsets = OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(offsets, vec![0])));
                let list = ListArray::try_new(field.clone(), offsets, item.finish()?, nulls.finish());
                Arc::new(list.map_err(fault)?)
            }
            Column::Struct { names, fields, nulls } => {
                let arrays = fields.iter_mut().map(Column::finish).collect::<Result<Vec<_>>>()?;
                Arc::new(StructArray::try_new(names.clone(), arrays, nulls.finish()).map_err(fault)?)
            }
            Column::Map(map) => map.finish()?,
        })
    }
}

/// Pushes a scalar that is not null.
fn push(kind: &Kind, values: &mut Values, token: Token, scratch: &mut String) -> Result<()> {
    let is_pushed = match (values, token) {
        (Values::Integer(values), Token::Number(number)) => push_some(values, integer(number)),
        (Values::Float(values), Token::Number(number)) => push_some(values, float(number.as_bytes())),
        (Values::Float32(values), Token::Number(number)) => push_some(values, float32(number.as_bytes())),
        (Values::Boolean(values), Token::Boolean(value)) => push_some(values, Some(value)),
        (Values::Time(values), Token::Text(text)) => push_some(values, iso(text.plain(scratch)?.as_bytes())),
        (Values::Text(texts), Token::Text(text)) => texts.push_some(Some(text.plain(scratch)?)),
        (Values::Text(texts), Token::Number(number)) => texts.push_some(Some(number)),
        (Values::Text(texts), Token::Boolean(true)) => texts.push_some(Some("true")),
        (Values::Text(texts), Token::Boolean(false)) => texts.push_some(Some("false")),
        (Values::Float(values), Token::Boolean(value)) if *kind == Kind::AnyNumber => {
            push_some(values, Some(f64::from(value)))
        }
        (Values::Float(values), Token::Text(text)) if *kind == Kind::AnyNumber => {
            let number = float(text.plain(scratch)?.trim().as_bytes());
            push_some(values, number.filter(|number| !number.is_nan()))
        }
        _ => false,
    };
    if is_pushed { Ok(()) } else { Err(mismatch(kind.described(), token)) }
}

/// A whole number, which may be written as `1.0` or `1e3`.
fn integer(number: &str) -> Option<i64> {
    if let Ok(number) = number.parse() {
        return Some(number);
    }
    let number: f64 = number.parse().ok()?;
    // Beyond that a float does not say which of several whole numbers is meant.
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
}

fn append_struct(
    names: &Fields,
    fields: &mut [Column],
    row: usize,
    cursor: &mut Cursor,
    context: &mut Context,
) -> Result<()> {
    let mut first = true;
    while cursor.next_item(b'}', first)? {
        let key = cursor.key()?;
        let key = key.plain(&mut context.scratch)?;
        let Some((index, _)) = names.find(key) else {
            return Err(Error::data(format!(
                "found an object with the key `{key}`, which those sampled before lack"
            ))
            .remedy("leave the key out, or read the arrays as JSON text, with --type COLUMN=text"));
        };
        if fields[index].len() > row {
            return Err(twice(key));
        }
        fields[index].append(cursor, context)?;
        first = false;
    }
    fields.iter_mut().for_each(|field| field.pad(row + 1));
    Ok(())
}

fn append_map(map: &mut Sparse<Texts>, cursor: &mut Cursor, context: &mut Context) -> Result<()> {
    let start = map.row_start();
    let mut first = true;
    while cursor.next_item(b'}', first)? {
        let key = cursor.key()?;
        let value = match cursor.value()? {
            Token::Null => None,
            Token::Boolean(value) => Some(f32::from(u8::from(value))),
            Token::Number(number) => match float32(number.as_bytes()) {
                Some(number) => Some(number),
                None => return Err(mismatch("a finite number of 32 bits", Token::Number(number))),
            },
            token => return Err(mismatch("a number for each key of a map", token)),
        };
        let key = key.plain(&mut context.scratch)?;
        if let Some(value) = value {
            map.keys.push(key);
            map.values.push(value);
        }
        first = false;
    }
    let mut keys: Vec<&[u8]> = (start..map.values.len()).map(|entry| map.keys.get(entry)).collect();
    keys.sort_unstable();
    if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(twice(&String::from_utf8_lossy(pair[0])));
    }
    map.close_row(true);
    Ok(())
}

/// The error for a key that stands twice in an object.
pub(super) fn twice(key: &str) -> Error {
    Error::data(format!("found the key `{key}` twice, expected it once in an object"))
        .remedy("leave out one of them")
}

/// The error for a value of another type.
pub(super) fn mismatch(expected: &str, found: Token) -> Error {
    Error::data(format!("found {}, expected {expected}", found.described()))
        .remedy("correct it, or give the column's type with --type")
}
