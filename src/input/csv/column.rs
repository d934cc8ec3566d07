//! An Arrow array under construction from the cells of one column.

use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray, new_null_array};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow::error::ArrowError;

use super::bits::Bits;
use super::cells::{CellText, Cells};
use super::digits::short_integer;
use super::kind::{TIME, is_code};
use super::texts::{Room, Texts, unescape};
use super::value::Value;
use crate::error::Error;
use crate::input::ReadAs;

/// A requested column.
pub(super) struct Column {
    name: String,
    /// Its place in the file's records; `None` for a column that the file lacks.
    index: Option<usize>,
    /// Whether digits with zeros before them are no number: where they were met in the sample, the column is
    /// text, and so it can't be that they are numbers only because they come later.
    refuses_codes: bool,
    builder: Builder,
}

enum Builder {
    Number(Values<Float64Type>),
    Number32(Values<Float32Type>),
    /// A boolean column read as the numbers 0 and 1.
    Flag(Values<Float64Type>),
    Integer(Values<Int64Type>),
    Boolean(Bits, Bits),
    Time(Values<TimestampMicrosecondType>),
    Text(Texts),
    /// A boolean column read as the texts `true` and `false`, however the file writes them; other
    /// texts stay what they are.
    FlagText(Texts),
    /// The column isn't there, or has no type of its own.
    Nulls(DataType),
}

/// Values of a type of fixed width.
struct Values<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    valid: Bits,
}

impl<T: ArrowPrimitiveType> Values<T> {
    fn new(room: Room) -> Self {
        Values { values: Vec::with_capacity(room.rows), valid: Bits::default() }
    }

    #[inline(always)]
    fn push(&mut self, value: Option<T::Native>) {
        self.values.push(value.unwrap_or_default());
        self.valid.push(value.is_some());
    }

    fn finish(&mut self) -> ArrayRef {
        let values = std::mem::take(&mut self.values);
        self.values.reserve(values.len());
        Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), self.valid.finish_nulls()))
    }
}

impl Column {
    /// A column of the given name and use, which is the field `index` of the file if it has it.
    /// `is_declared` says that the user named its type.
    pub(super) fn new(
        name: &str,
        read_as: ReadAs,
        field: Option<(usize, &Field)>,
        is_declared: bool,
        room: Room,
    ) -> Self {
        let native = field.map(|(_, field)| field.data_type());
        let builder = match (read_as, native) {
            (ReadAs::Number, None) => Builder::Nulls(DataType::Float64),
            (ReadAs::Text, None) => Builder::Nulls(DataType::Utf8),
            (ReadAs::Time, None) => Builder::Nulls(TIME),
            (ReadAs::Native, None) => Builder::Nulls(DataType::Null),
            (ReadAs::Number, Some(DataType::Boolean)) => Builder::Flag(Values::new(room)),
            (ReadAs::Number, _) | (ReadAs::Native, Some(DataType::Float64)) => {
                Builder::Number(Values::new(room))
            }
            (ReadAs::Native, Some(DataType::Float32)) => Builder::Number32(Values::new(room)),
            (ReadAs::Native, Some(DataType::Int64)) => Builder::Integer(Values::new(room)),
            (ReadAs::Native, Some(DataType::Boolean)) => Builder::Boolean(Bits::default(), Bits::default()),
            (ReadAs::Native, Some(DataType::Timestamp(..))) | (ReadAs::Time, _) => {
                Builder::Time(Values::new(room))
            }
            (ReadAs::Text, Some(DataType::Boolean)) => Builder::FlagText(Texts::new(room)),
            (ReadAs::Text | ReadAs::Native, _) => Builder::Text(Texts::new(room)),
        };
        let refuses_codes = read_as == ReadAs::Native && !is_declared;
        Column { name: name.to_string(), index: field.map(|(index, _)| index), refuses_codes, builder }
    }

    /// The field of the batches.
    pub(super) fn field(&self) -> Field {
        let data_type = match &self.builder {
            Builder::Number(_) | Builder::Flag(_) => DataType::Float64,
            Builder::Number32(_) => DataType::Float32,
            Builder::Integer(_) => DataType::Int64,
            Builder::Boolean(..) => DataType::Boolean,
            Builder::Time(_) => TIME,
            Builder::Text(_) | Builder::FlagText(_) => DataType::Utf8,
            Builder::Nulls(data_type) => data_type.clone(),
        };
        Field::new(&self.name, data_type, true)
    }

    /// Whether its cells become texts, so that they must be UTF-8.
    pub(super) fn is_text(&self) -> bool {
        matches!(self.builder, Builder::Text(_) | Builder::FlagText(_))
    }

    /// Appends the column's cells. Those that can't be read come as nulls, and their records' indices
    /// are put into `bad`.
    pub(super) fn append(&mut self, cells: &Cells, bad: &mut Vec<usize>) -> Result<(), Error> {
        let Some(index) = self.index else { return Ok(()) };
        let (spelling, strict) = (cells.spelling, self.refuses_codes);
        match &mut self.builder {
            Builder::Number(values) if spelling.is_usual() => {
                append_short(values, cells, index, bad, strict, |number| number as f64, super::value::number);
            }
            Builder::Number(values) => append(values, cells, index, bad, |cell| spelling.number(cell)),
            Builder::Number32(values) => {
                append(values, cells, index, bad, |cell| spelling.number(cell).map(|number| number as f32));
            }
            Builder::Flag(values) => append(values, cells, index, bad, |cell| match spelling.boolean(cell) {
                Value::Not => spelling.number(cell),
                value => value.map(f64::from),
            }),
            Builder::Integer(values) if spelling.is_usual() => {
                append_short(values, cells, index, bad, strict, |number| number, super::value::integer);
            }
            Builder::Integer(values) => append(values, cells, index, bad, |cell| spelling.integer(cell)),
            Builder::Time(values) => append(values, cells, index, bad, |cell| spelling.time(cell)),
            Builder::Boolean(values, valid) => {
                for (record, cell) in cells.stripped(index).enumerate() {
                    let value = spelling.boolean(cell);
                    note(&value, record, bad);
                    values.push(value == Value::Is(true));
                    valid.push(matches!(value, Value::Is(_)));
                }
            }
            Builder::Text(texts) => append_texts(texts, cells, index, bad),
            Builder::FlagText(texts) => append_flag_texts(texts, cells, index, bad),
            Builder::Nulls(_) => {}
        }
        Ok(())
    }

    /// The error for a cell that can't be read.
    #[cold]
    pub(super) fn misread(&self, cells: &Cells, record: usize) -> Error {
        let cell = self.index.map_or(&[][..], |index| &cells.bytes[cells.tokens.cell(record, index)]);
        let cell = cells.dialect.text(cell);
        let found = shown(&cell);
        let as_text = "correct it, leave the cell empty, or name the column's type, as in --type COLUMN=text";
        let error = match &self.builder {
            Builder::Text(..) | Builder::FlagText(_) => {
                Error::data(format!("found {found}, which is not valid UTF-8"))
                    .remedy("convert the file to UTF-8, for example with iconv")
            }
            Builder::Integer(_) | Builder::Number(_)
                if self.refuses_codes && is_code(cell.trim().as_bytes(), false) =>
            {
                Error::data(format!(
                    "found {found}, which is a code rather than a number as in the rows sampled before"
                ))
                .remedy("name the column's type: --type COLUMN=text, or int if zeros before it don't matter")
            }
            Builder::Integer(_) if matches!(cells.spelling.number(cell.as_bytes()), Value::Is(_)) => {
                Error::data(format!("found {found}, expected a whole number as in the rows sampled before"))
                    .remedy("name the column's type: --type COLUMN=float")
            }
            Builder::Integer(_) => {
                Error::data(format!("found {found}, expected a whole number")).remedy(as_text)
            }
            Builder::Boolean(..) | Builder::Flag(_) => {
                Error::data(format!("found {found}, expected true or false")).remedy(as_text)
            }
            Builder::Time(_) => {
                let expected = "a date or time such as 2011-01-31 or 2011-01-31T13:05:00Z";
                Error::data(format!("found {found}, expected {expected}")).remedy(as_text)
            }
            Builder::Number(_) | Builder::Number32(_) | Builder::Nulls(_) => {
                Error::data(format!("found {found}, expected {}", cells.spelling.number_name()))
                    .remedy(as_text)
            }
        };
        error.in_column(&self.name)
    }

    /// The array of everything appended, which is `rows` long; leaves the column empty.
    pub(super) fn finish(&mut self, rows: usize) -> Result<ArrayRef, ArrowError> {
        Ok(match &mut self.builder {
            Builder::Number(values) | Builder::Flag(values) => values.finish(),
            Builder::Number32(values) => values.finish(),
            Builder::Integer(values) => values.finish(),
            Builder::Boolean(values, valid) => {
                Arc::new(BooleanArray::new(values.finish(), valid.finish_nulls()))
            }
            Builder::Time(values) => values.finish(),
            Builder::Text(texts) | Builder::FlagText(texts) => Arc::new(texts.finish()?),
            Builder::Nulls(data_type) => new_null_array(data_type, rows),
        })
    }
}

#[inline(always)]
fn note<T>(value: &Value<T>, record: usize, bad: &mut Vec<usize>) {
    if matches!(value, Value::Not) {
        bad.push(record);
    }
}

/// Appends what `parse` makes of the cells.
fn append<T: ArrowPrimitiveType>(
    values: &mut Values<T>,
    cells: &Cells,
    column: usize,
    bad: &mut Vec<usize>,
    parse: impl Fn(&[u8]) -> Value<T::Native>,
) {
    for (record, cell) in cells.stripped(column).enumerate() {
        let value = parse(cell);
        note(&value, record, bad);
        values.push(value.is());
    }
}

/// Appends numbers, most of which are whole ones of few digits, or missing; what isn't goes to `parse`.
fn append_short<T: ArrowPrimitiveType>(
    values: &mut Values<T>,
    cells: &Cells,
    column: usize,
    bad: &mut Vec<usize>,
    refuses_codes: bool,
    short: impl Fn(i64) -> T::Native,
    parse: impl Fn(&[u8]) -> Value<T::Native>,
) {
    for (record, range) in cells.ranges(column).enumerate() {
        let len = range.end - range.start;
        let word = cells.bytes.get(range.start..).and_then(<[u8]>::first_chunk::<8>);
        if let (true, Some(word)) = (len <= 8, word)
            && let Some(number) = short_integer(*word, len)
            && !(refuses_codes
                && len > 1
                && (word[0] == b'0' || number == 0 || word[1] == b'0' && word[0] == b'-'))
        {
            values.values.push(short(number));
            values.valid.push(len > 0);
            continue;
        }
        let cell = cells.dialect.strip(&cells.bytes[range]);
        let is_code = refuses_codes && is_code(cell, matches!(super::value::integer(cell), Value::Is(_)));
        let value = if is_code { Value::Not } else { parse(cell) };
        note(&value, record, bad);
        values.push(value.is());
    }
}

fn append_flag_texts(texts: &mut Texts, cells: &Cells, column: usize, bad: &mut Vec<usize>) {
    for (record, range) in cells.ranges(column).enumerate() {
        let cell = &cells.bytes[range];
        match cells.spelling.boolean(cells.dialect.strip(cell)) {
            Value::Is(value) => texts.push(if value { b"true" } else { b"false" }),
            Value::Missing => texts.push_null(),
            Value::Not if std::str::from_utf8(cell).is_ok() => {
                texts.push(cells.dialect.text(cell).as_bytes());
            }
            Value::Not => {
                bad.push(record);
                texts.push_null();
            }
        }
    }
}

fn append_texts(texts: &mut Texts, cells: &Cells, column: usize, bad: &mut Vec<usize>) {
    texts.make_room(cells.len);
    for (record, range) in cells.ranges(column).enumerate() {
        match cells.text(range) {
            CellText::Missing => texts.push_null(),
            CellText::Plain(start, end) => texts.push_range(cells.bytes, start, end),
            CellText::Escaped(text) => {
                let mut unescaped = Vec::new();
                unescape(text, &mut unescaped);
                texts.push(&unescaped);
                texts.make_room(cells.len);
            }
            CellText::Invalid => {
                bad.push(record);
                texts.push_null();
            }
        }
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
