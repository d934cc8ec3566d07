//! Values in the plain encoding, one after the other: those of dictionaries, and of pages that have none.

use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, PrimitiveArray, StringArray};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type, Int64Type};
use parquet::basic::Type as PhysicalType;
use parquet::errors::{ParquetError, Result};

use super::pages::damaged;
use crate::features::Translate;

/// What a column's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Values {
    Int32,
    Int64,
    Float32,
    Float64,
    Text,
}

/// Texts that are translated together.
const TOGETHER: usize = 256;

impl Values {
    pub(super) fn of(physical: PhysicalType, data_type: &DataType) -> Option<Values> {
        Some(match (physical, data_type) {
            (PhysicalType::INT32, DataType::Int32) => Values::Int32,
            (PhysicalType::INT64, DataType::Int64) => Values::Int64,
            (PhysicalType::FLOAT, DataType::Float32) => Values::Float32,
            (PhysicalType::DOUBLE, DataType::Float64) => Values::Float64,
            (PhysicalType::BYTE_ARRAY, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => {
                Values::Text
            }
            _ => return None,
        })
    }

    /// Bytes of a value at the least: of a text those of its length, of a number all.
    fn least_bytes(self) -> usize {
        match self {
            Values::Int32 | Values::Float32 | Values::Text => 4,
            Values::Int64 | Values::Float64 => 8,
        }
    }

    /// `count`, if so many values fit into the bytes.
    pub(super) fn room_for(self, bytes: &[u8], count: usize) -> Result<usize> {
        if count <= bytes.len() / self.least_bytes() { Ok(count) } else { Err(early()) }
    }

    /// The first `count` values.
    pub(super) fn decode(self, bytes: &[u8], count: usize) -> Result<ArrayRef> {
        Ok(match self {
            Values::Int32 => Arc::new(numbers::<Int32Type, 4>(bytes, count, i32::from_le_bytes)?),
            Values::Int64 => Arc::new(numbers::<Int64Type, 8>(bytes, count, i64::from_le_bytes)?),
            Values::Float32 => Arc::new(numbers::<Float32Type, 4>(bytes, count, f32::from_le_bytes)?),
            Values::Float64 => Arc::new(numbers::<Float64Type, 8>(bytes, count, f64::from_le_bytes)?),
            Values::Text => Arc::new(texts(bytes, count)?),
        })
    }

    /// The first values, at the most `count`, as many as there are.
    pub(super) fn decode_some(self, bytes: &[u8], count: usize) -> Result<ArrayRef> {
        let there = match self {
            Values::Text => {
                let mut texts = Texts { bytes };
                (0..count).take_while(|_| texts.one().is_ok()).count()
            }
            _ => bytes.len() / self.least_bytes(),
        };
        self.decode(bytes, count.min(there))
    }

    /// Writes what the first values become, as many as `out` has. Returns their bytes.
    pub(super) fn translate(
        self,
        bytes: &[u8],
        translation: &dyn Translate,
        out: &mut [u32],
    ) -> Result<usize> {
        let fault = |e: crate::error::Error| damaged(&e.to_string());
        if self != Values::Text {
            translation.translate(&self.decode(bytes, out.len())?, out).map_err(fault)?;
            return Ok(self.least_bytes() * out.len());
        }
        let mut texts = Texts { bytes };
        let mut some = [[].as_slice(); TOGETHER];
        for out in out.chunks_mut(TOGETHER) {
            let some = &mut some[..out.len()];
            texts.next(some)?;
            translation.translate_texts(some, out).map_err(fault)?;
        }
        Ok(bytes.len() - texts.bytes.len())
    }
}

fn numbers<T: ArrowPrimitiveType, const BYTES: usize>(
    bytes: &[u8],
    count: usize,
    number: impl Fn([u8; BYTES]) -> T::Native,
) -> Result<PrimitiveArray<T>> {
    let (numbers, _) = bytes.as_chunks::<BYTES>();
    let numbers = numbers.get(..count).ok_or_else(early)?;
    let numbers: ScalarBuffer<T::Native> = numbers.iter().map(|bytes| number(*bytes)).collect();
    Ok(PrimitiveArray::new(numbers, None))
}

/// Texts, each with its length before it.
struct Texts<'a> {
    bytes: &'a [u8],
}

impl<'a> Texts<'a> {
    /// The next texts, as many as `out` has.
    fn next(&mut self, out: &mut [&'a [u8]]) -> Result<()> {
        let all = self.bytes;
        for out in &mut *out {
            *out = self.one()?;
        }
        // All at once, since lengths are such bytes, too, where texts are short.
        let are_texts = all[..all.len() - self.bytes.len()].is_ascii()
            || out.iter().all(|text| std::str::from_utf8(text).is_ok());
        if are_texts { Ok(()) } else { Err(damaged("a text is not UTF-8")) }
    }

    #[inline]
    fn one(&mut self) -> Result<&'a [u8]> {
        let (length, after) = self.bytes.split_first_chunk().ok_or_else(early)?;
        let (text, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(early)?;
        self.bytes = after;
        Ok(text)
    }
}

fn texts(bytes: &[u8], count: usize) -> Result<StringArray> {
    let mut offsets = Vec::with_capacity(Values::Text.room_for(bytes, count)? + 1);
    let mut values = Vec::new();
    let mut texts = Texts { bytes };
    offsets.push(0);
    for _ in 0..count {
        values.extend_from_slice(texts.one()?);
        offsets.push(values.len() as i32);
    }
    let offsets = OffsetBuffer::new(offsets.into());
    Ok(StringArray::try_new(offsets, Buffer::from_vec(values), None)?)
}

pub(super) fn early() -> ParquetError {
    damaged("values end early")
}
