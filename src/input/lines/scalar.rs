//! A column of single values under construction, of which the last rows can be taken back.

use std::sync::Arc;

use arrow::array::NullBufferBuilder;
use arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, TimeUnit};

use crate::error::{Error, Result};
use crate::input::ReadAs;

/// The column. Whoever appends pushes a value and then [`Scalar::valid`].
#[derive(Debug)]
pub(in crate::input) struct Scalar {
    pub(in crate::input) values: Values,
    nulls: NullBufferBuilder,
}

/// The values, those of nulls included.
#[derive(Debug)]
pub(in crate::input) enum Values {
    Integer(Vec<i64>),
    Float(Vec<f64>),
    Float32(Vec<f32>),
    Boolean(Vec<bool>),
    /// Microseconds since 1970.
    Time(Vec<i64>),
    Text(Texts),
}

/// Texts, one behind the other.
#[derive(Debug)]
pub(in crate::input) struct Texts {
    /// Where each begins, and the last ends.
    offsets: Vec<i32>,
    bytes: Vec<u8>,
}

impl Texts {
    pub(in crate::input) fn new() -> Self {
        Texts { offsets: vec![0], bytes: Vec::new() }
    }

    #[inline]
    pub(in crate::input) fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        // A batch holds the texts of two lines of the greatest length at the most, much less than 2 GiB.
        self.offsets.push(self.bytes.len() as i32);
    }

    /// Pushes the text, if there is one; whether there is.
    #[inline]
    pub(in crate::input) fn push_some(&mut self, text: Option<&str>) -> bool {
        if let Some(text) = text {
            self.push(text);
        }
        text.is_some()
    }

    /// Pushes empty texts until there are `len`.
    fn resize(&mut self, len: usize) {
        self.offsets.resize(len + 1, self.bytes.len() as i32);
    }

    pub(in crate::input) fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    pub(in crate::input) fn get(&self, index: usize) -> &[u8] {
        &self.bytes[self.offsets[index] as usize..self.offsets[index + 1] as usize]
    }

    pub(in crate::input) fn truncate(&mut self, len: usize) {
        self.offsets.truncate(len + 1);
        self.bytes.truncate(self.offsets[self.offsets.len() - 1] as usize);
    }

    /// The array; leaves no texts.
    pub(in crate::input) fn finish(&mut self, nulls: Option<NullBuffer>) -> Result<StringArray> {
        // The next batch will be about as long.
        let mut next = Texts {
            offsets: Vec::with_capacity(self.offsets.len()),
            bytes: Vec::with_capacity(self.bytes.len()),
        };
        next.offsets.push(0);
        let Texts { offsets, bytes } = std::mem::replace(self, next);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        StringArray::try_new(offsets, bytes.into(), nulls).map_err(|e| Error::data(e.to_string()))
    }
}

impl Scalar {
    /// A column of one of the types of [`requested_type`] that are single values; of text for any other.
    pub(in crate::input) fn new(data_type: &DataType) -> Self {
        let values = match data_type {
            DataType::Int64 => Values::Integer(Vec::new()),
            DataType::Float64 => Values::Float(Vec::new()),
            DataType::Float32 => Values::Float32(Vec::new()),
            DataType::Boolean => Values::Boolean(Vec::new()),
            DataType::Timestamp(..) => Values::Time(Vec::new()),
            _ => Values::Text(Texts::new()),
        };
        Scalar { values, nulls: NullBufferBuilder::new(0) }
    }

    pub(in crate::input) fn len(&self) -> usize {
        match &self.values {
            Values::Integer(values) | Values::Time(values) => values.len(),
            Values::Float(values) => values.len(),
            Values::Float32(values) => values.len(),
            Values::Boolean(values) => values.len(),
            Values::Text(texts) => texts.len(),
        }
    }

    /// Says that the value last pushed counts.
    #[inline]
    pub(in crate::input) fn valid(&mut self) {
        self.nulls.append_non_null();
    }

    pub(in crate::input) fn push_nulls(&mut self, count: usize) {
        let len = self.len() + count;
        match &mut self.values {
            Values::Integer(values) | Values::Time(values) => values.resize(len, 0),
            Values::Float(values) => values.resize(len, 0.0),
            Values::Float32(values) => values.resize(len, 0.0),
            Values::Boolean(values) => values.resize(len, false),
            Values::Text(texts) => texts.resize(len),
        }
        self.nulls.append_n_nulls(count);
    }

    pub(in crate::input) fn truncate(&mut self, rows: usize) {
        match &mut self.values {
            Values::Integer(values) | Values::Time(values) => values.truncate(rows),
            Values::Float(values) => values.truncate(rows),
            Values::Float32(values) => values.truncate(rows),
            Values::Boolean(values) => values.truncate(rows),
            Values::Text(texts) => texts.truncate(rows),
        }
        self.nulls.truncate(rows);
    }

    /// The array; leaves the column empty.
    pub(in crate::input) fn finish(&mut self) -> Result<ArrayRef> {
        use std::mem::take;
        let nulls = self.nulls.finish();
        Ok(match &mut self.values {
            Values::Integer(values) => Arc::new(Int64Array::new(take(values).into(), nulls)),
            Values::Float(values) => Arc::new(Float64Array::new(take(values).into(), nulls)),
            Values::Float32(values) => Arc::new(Float32Array::new(take(values).into(), nulls)),
            Values::Boolean(values) => Arc::new(BooleanArray::new(take(values).into(), nulls)),
            Values::Time(values) => Arc::new(TimestampMicrosecondArray::new(take(values).into(), nulls)),
            Values::Text(texts) => Arc::new(texts.finish(nulls)?),
        })
    }
}

/// Pushes the value, if there is one; whether there is.
#[inline]
pub(in crate::input) fn push_some<T>(values: &mut Vec<T>, value: Option<T>) -> bool {
    let is_some = value.is_some();
    values.extend(value);
    is_some
}

/// The type in which a column of the given type (`None` if the file lacks it) is handed over to one
/// who means to use it so. Lists, maps and structs stay what they are.
pub(in crate::input) fn requested_type(read_as: ReadAs, native: Option<&DataType>) -> DataType {
    match (read_as, native) {
        (_, Some(nested)) if nested.is_nested() => nested.clone(),
        (ReadAs::Native, native) => native.cloned().unwrap_or(DataType::Null),
        (ReadAs::Number, _) => DataType::Float64,
        (ReadAs::Time, _) => DataType::Timestamp(TimeUnit::Microsecond, None),
        _ => DataType::Utf8,
    }
}
