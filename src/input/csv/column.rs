//! An Arrow array under construction from the cells of one column.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BooleanBuilder, Float64Builder, Int64Builder, PrimitiveBuilder,
    StringBuilder, TimestampMicrosecondBuilder, new_null_array,
};
use arrow::datatypes::{DataType, Field};

use super::dialect::Dialect;
use super::kind::TIME;
use super::time::time;
use super::tokens::Tokens;
use super::value::{Value, boolean, integer, number};
use crate::error::Error;
use crate::input::ReadAs;

/// A requested column.
pub(super) struct Column {
    name: String,
    /// Its place in the file's records; `None` for a column that the file lacks.
    index: Option<usize>,
    builder: Builder,
}

enum Builder {
    Number(Float64Builder),
    /// A boolean column read as the numbers 0 and 1.
    Flag(Float64Builder),
    Integer(Int64Builder),
    Boolean(BooleanBuilder),
    Time(TimestampMicrosecondBuilder),
    Text(StringBuilder, String),
    /// A boolean column read as the texts `true` and `false`, however the file writes them; other
    /// texts stay what they are.
    FlagText(StringBuilder),
    /// The column isn't there, or has no type of its own.
    Nulls(DataType),
}

/// Some records, all of which have every column.
pub(super) struct Cells<'a> {
    dialect: Dialect,
    tokens: &'a Tokens,
    bytes: &'a [u8],
    /// The same bytes as text; `None` where some of them are not UTF-8 or no text is wanted.
    text: Option<&'a str>,
}

impl<'a> Cells<'a> {
    /// The cells of `tokens`, which point into `bytes`; `columns` are those that will be read.
    pub(super) fn new(dialect: Dialect, tokens: &'a Tokens, bytes: &'a [u8], columns: &[Column]) -> Self {
        // Checking all of the text at once is much faster than checking it cell by cell.
        let any_text = columns.iter().any(|column| matches!(column.builder, Builder::Text(..)));
        let text = if any_text { std::str::from_utf8(bytes).ok() } else { None };
        Cells { dialect, tokens, bytes, text }
    }

    /// A cell without the quotes around it.
    #[inline]
    fn cell(&self, record: usize, column: usize) -> &'a [u8] {
        self.dialect.strip(&self.bytes[self.tokens.cell(record, column)])
    }

    #[inline]
    fn text(&self, cell: Range<usize>) -> Option<&'a str> {
        match self.text {
            Some(text) => text.get(cell),
            None => std::str::from_utf8(&self.bytes[cell]).ok(),
        }
    }
}

impl Column {
    /// A column of the given name and use, which is the field `index` of the file if it has it.
    pub(super) fn new(name: &str, read_as: ReadAs, field: Option<(usize, &Field)>) -> Self {
        let native = field.map(|(_, field)| field.data_type());
        let builder = match (read_as, native) {
            (ReadAs::Number, None) => Builder::Nulls(DataType::Float64),
            (ReadAs::Text | ReadAs::Category, None) => Builder::Nulls(DataType::Utf8),
            (ReadAs::Time, None) => Builder::Nulls(TIME),
            (ReadAs::Native, None) => Builder::Nulls(DataType::Null),
            (ReadAs::Number, Some(DataType::Boolean)) => Builder::Flag(Float64Builder::new()),
            (ReadAs::Number, _) | (ReadAs::Native, Some(DataType::Float64)) => {
                Builder::Number(Float64Builder::new())
            }
            (ReadAs::Native, Some(DataType::Int64)) => Builder::Integer(Int64Builder::new()),
            (ReadAs::Native, Some(DataType::Boolean)) => Builder::Boolean(BooleanBuilder::new()),
            (ReadAs::Native, Some(DataType::Timestamp(..))) | (ReadAs::Time, _) => {
                Builder::Time(TimestampMicrosecondBuilder::new())
            }
            (ReadAs::Text | ReadAs::Category, Some(DataType::Boolean)) => {
                Builder::FlagText(StringBuilder::new())
            }
            (ReadAs::Text | ReadAs::Category | ReadAs::Native, _) => {
                Builder::Text(StringBuilder::new(), String::new())
            }
        };
        Column { name: name.to_string(), index: field.map(|(index, _)| index), builder }
    }

    /// The field of the batches.
    pub(super) fn field(&self) -> Field {
        let data_type = match &self.builder {
            Builder::Number(_) | Builder::Flag(_) => DataType::Float64,
            Builder::Integer(_) => DataType::Int64,
            Builder::Boolean(_) => DataType::Boolean,
            Builder::Time(_) => TIME,
            Builder::Text(..) | Builder::FlagText(_) => DataType::Utf8,
            Builder::Nulls(data_type) => data_type.clone(),
        };
        Field::new(&self.name, data_type, true)
    }

    /// Appends the column's cells. A cell that can't be read is an error with the record's index.
    pub(super) fn append(&mut self, cells: &Cells) -> Result<(), (usize, Error)> {
        let Some(index) = self.index else { return Ok(()) };
        let appended = match &mut self.builder {
            Builder::Number(builder) => append(builder, cells, index, number),
            Builder::Flag(builder) => append(builder, cells, index, flag),
            Builder::Integer(builder) => append(builder, cells, index, integer),
            Builder::Time(builder) => append(builder, cells, index, time),
            Builder::Boolean(builder) => append_booleans(builder, cells, index),
            Builder::Text(builder, scratch) => append_texts(builder, scratch, cells, index),
            Builder::FlagText(builder) => append_flag_texts(builder, cells, index),
            Builder::Nulls(_) => Ok(()),
        };
        appended.map_err(|record| {
            let cell = cells.dialect.text(&cells.bytes[cells.tokens.cell(record, index)]);
            (record, self.misread(&cell).in_column(&self.name))
        })
    }

    fn misread(&self, cell: &str) -> Error {
        let found = shown(cell);
        let as_text =
            "correct it or leave the cell empty; a feature may also be named in --categorical or --ignore";
        match &self.builder {
            Builder::Text(..) | Builder::FlagText(_) => {
                Error::data(format!("found {found}, which is not valid UTF-8"))
                    .remedy("convert the file to UTF-8, for example with iconv")
            }
            Builder::Integer(_) if matches!(number(cell.as_bytes()), Value::Is(_)) => {
                Error::data(format!("found {found}, expected a whole number as in the rows sampled before"))
                    .remedy("name the column in --numeric")
            }
            Builder::Integer(_) => {
                Error::data(format!("found {found}, expected a whole number")).remedy(as_text)
            }
            Builder::Boolean(_) | Builder::Flag(_) => {
                Error::data(format!("found {found}, expected true or false")).remedy(as_text)
            }
            Builder::Time(_) => {
                let expected = "a date or time such as 2011-01-31 or 2011-01-31T13:05:00Z";
                Error::data(format!("found {found}, expected {expected}")).remedy(as_text)
            }
            Builder::Number(_) | Builder::Nulls(_) => {
                Error::data(format!("found {found}, expected a number")).remedy(as_text)
            }
        }
    }

    /// The array of everything appended, which is `rows` long; leaves the column empty.
    pub(super) fn finish(&mut self, rows: usize) -> ArrayRef {
        match &mut self.builder {
            Builder::Number(builder) | Builder::Flag(builder) => Arc::new(builder.finish()),
            Builder::Integer(builder) => Arc::new(builder.finish()),
            Builder::Boolean(builder) => Arc::new(builder.finish()),
            Builder::Time(builder) => Arc::new(builder.finish()),
            Builder::Text(builder, _) | Builder::FlagText(builder) => Arc::new(builder.finish()),
            Builder::Nulls(data_type) => new_null_array(data_type, rows),
        }
    }
}

/// Appends what `parse` makes of the cells; gives the index of the first that it can't read.
fn append<T: ArrowPrimitiveType>(
    builder: &mut PrimitiveBuilder<T>,
    cells: &Cells,
    column: usize,
    parse: impl Fn(&[u8]) -> Value<T::Native>,
) -> Result<(), usize> {
    for record in 0..cells.tokens.len() {
        match parse(cells.cell(record, column)) {
            Value::Is(value) => builder.append_value(value),
            Value::Missing => builder.append_null(),
            Value::Not => return Err(record),
        }
    }
    Ok(())
}

fn append_booleans(builder: &mut BooleanBuilder, cells: &Cells, column: usize) -> Result<(), usize> {
    for record in 0..cells.tokens.len() {
        match boolean(cells.cell(record, column)) {
            Value::Is(value) => builder.append_value(value),
            Value::Missing => builder.append_null(),
            Value::Not => return Err(record),
        }
    }
    Ok(())
}

fn append_flag_texts(builder: &mut StringBuilder, cells: &Cells, column: usize) -> Result<(), usize> {
    for record in 0..cells.tokens.len() {
        match boolean(cells.cell(record, column)) {
            Value::Is(value) => builder.append_value(if value { "true" } else { "false" }),
            Value::Missing => builder.append_null(),
            Value::Not => {
                let cell = &cells.bytes[cells.tokens.cell(record, column)];
                std::str::from_utf8(cell).map_err(|_| record)?;
                builder.append_value(cells.dialect.text(cell));
            }
        }
    }
    Ok(())
}

fn append_texts(
    builder: &mut StringBuilder,
    scratch: &mut String,
    cells: &Cells,
    column: usize,
) -> Result<(), usize> {
    for record in 0..cells.tokens.len() {
        let range = cells.tokens.cell(record, column);
        let is_quoted = cells.bytes.get(range.start) == Some(&cells.dialect.quote) && !range.is_empty();
        let range = if is_quoted { range.start + 1..range.end - 1 } else { range };
        let Some(text) = cells.text(range) else { return Err(record) };
        if text.is_empty() {
            builder.append_null();
        } else if is_quoted && text.contains('"') {
            scratch.clear();
            // Quotes come in pairs here, of which the first is left out.
            for (index, part) in text.split("\"\"").enumerate() {
                scratch.push_str(if index == 0 { "" } else { "\"" });
                scratch.push_str(part);
            }
            builder.append_value(&scratch);
        } else {
            builder.append_value(text);
        }
    }
    Ok(())
}

/// A boolean as a number.
fn flag(cell: &[u8]) -> Value<f64> {
    match boolean(cell) {
        Value::Is(value) => Value::Is(f64::from(value)),
        Value::Missing => Value::Missing,
        Value::Not => number(cell),
    }
}

/// A cell as shown in a message: in quotes, on one line, and not too long.
fn shown(cell: &str) -> String {
    const LONGEST: usize = 40;
    match cell.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}...", &cell[..end]),
        None => format!("{cell:?}"),
    }
}
