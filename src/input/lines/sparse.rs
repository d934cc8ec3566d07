//! A column of sparse features under construction: for each row names or indices, with a number each.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Int32Array, MapArray, NullBufferBuilder, StructArray};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::DataType;

use super::scalar::Texts;
use crate::error::{Error, Result};
use crate::input::options::map_type;

/// The column. Whoever appends pushes keys and values, and then closes the row.
#[derive(Debug)]
pub(in crate::input) struct Sparse<K> {
    pub(in crate::input) keys: K,
    pub(in crate::input) values: Vec<f32>,
    /// Where each row begins, and the last ends.
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

/// Keys of sparse features.
pub(in crate::input) trait Keys {
    /// None yet.
    fn new() -> Self;

    /// Their type in Arrow.
    const TYPE: DataType;

    /// Takes back all but the first `len`.
    fn truncate(&mut self, len: usize);

    /// The array; leaves none.
    fn finish(&mut self) -> Result<ArrayRef>;
}

impl Keys for Vec<i32> {
    const TYPE: DataType = DataType::Int32;

    fn new() -> Self {
        Vec::new()
    }

    fn truncate(&mut self, len: usize) {
        Vec::truncate(self, len);
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        // The next batch will be about as long.
        let next = Vec::with_capacity(self.len());
        Ok(Arc::new(Int32Array::from(std::mem::replace(self, next))))
    }
}

impl Keys for Texts {
    const TYPE: DataType = DataType::Utf8;

    fn new() -> Self {
        Texts::new()
    }

    fn truncate(&mut self, len: usize) {
        Texts::truncate(self, len);
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(Arc::new(Texts::finish(self, None)?))
    }
}

impl<K: Keys> Sparse<K> {
    pub(in crate::input) fn new() -> Self {
        Sparse { keys: K::new(), values: Vec::new(), offsets: vec![0], nulls: NullBufferBuilder::new(0) }
    }

    /// Where in keys and values the row begins that is not closed yet.
    pub(in crate::input) fn row_start(&self) -> usize {
        self.offsets[self.offsets.len() - 1] as usize
    }

    /// Ends a row, which may be null.
    pub(in crate::input) fn close_row(&mut self, valid: bool) {
        self.close_rows(self.len() + 1, valid);
    }

    /// Ends rows until there are so many, all but the first without features.
    pub(in crate::input) fn close_rows(&mut self, rows: usize, valid: bool) {
        let more = rows.saturating_sub(self.len());
        // Each feature has two bytes of text at least, so that a batch has much fewer than 2^31.
        self.offsets.resize(self.offsets.len() + more, self.values.len() as i32);
        if valid { self.nulls.append_n_non_nulls(more) } else { self.nulls.append_n_nulls(more) }
    }

    pub(in crate::input) fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Takes back all but the first rows. Of a column in which fewer have ended none is among those.
    pub(in crate::input) fn truncate(&mut self, rows: usize) {
        if self.len() < rows {
            return;
        }
        self.offsets.truncate(rows + 1);
        self.nulls.truncate(rows);
        let len = self.row_start();
        self.keys.truncate(len);
        self.values.truncate(len);
    }

    /// The array; leaves the column empty.
    pub(in crate::input) fn finish(&mut self) -> Result<ArrayRef> {
        let fault = |error: arrow::error::ArrowError| Error::data(error.to_string());
        let DataType::Map(entries, ordered) = map_type(K::TYPE) else {
            return Err(Error::data("no type of maps"));
        };
        let DataType::Struct(fields) = entries.data_type() else {
            return Err(Error::data("no type of a map's entries"));
        };
        let values: ArrayRef = Arc::new(Float32Array::from(self.values.split_off(0)));
        let columns = vec![self.keys.finish()?, values];
        let all = StructArray::try_new(fields.clone(), columns, None).map_err(fault)?;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(&mut self.offsets, vec![0])));
        let map = MapArray::try_new(entries, offsets, all, self.nulls.finish(), ordered).map_err(fault)?;
        Ok(Arc::new(map))
    }
}
