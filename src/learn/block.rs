//! A block: columns of numbers or codes of the same length, in one piece of memory.

use ndarray::Array2;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::raw::{self, Raw};

/// Numbers of 4 bytes in a cache line.
const LINE: usize = 16;

/// Columns of `capacity` entries each, shape `[columns, capacity]`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Block<T>(Array2<T>);

impl<T: Copy + Default> Block<T> {
    /// A block with room for at least `capacity` entries in each column. Columns are an odd number of cache lines
    /// apart: a mini-batch reads the same few rows of all columns, which would otherwise share a few sets of the
    /// caches and drive each other out.
    pub(crate) fn new(columns: usize, capacity: usize) -> Self {
        let capacity = (capacity.div_ceil(LINE) | 1) * LINE;
        Block(Array2::from_elem((columns, capacity), T::default()))
    }

    /// Entries that each column has room for.
    pub(crate) fn capacity(&self) -> usize {
        self.0.ncols()
    }

    /// Numbers of all columns.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// A column, all of its room.
    #[inline(always)]
    pub(crate) fn column(&self, column: usize) -> &[T] {
        self.0.row(column).to_slice().unwrap_or_default()
    }

    pub(crate) fn column_mut(&mut self, column: usize) -> &mut [T] {
        let capacity = self.capacity();
        &mut self.0.as_slice_mut().unwrap_or_default()[column * capacity..][..capacity]
    }

    /// A column and the next one.
    pub(crate) fn pair_mut(&mut self, column: usize) -> (&mut [T], &mut [T]) {
        let capacity = self.capacity();
        let all = self.0.as_slice_mut().unwrap_or_default();
        all[column * capacity..][..2 * capacity].split_at_mut(capacity)
    }
}

/// What is written of a block: its columns, one after the other.
#[derive(Serialize)]
#[serde(bound = "")]
struct Written<'a, T: Raw> {
    columns: usize,
    #[serde(with = "raw")]
    numbers: &'a [T],
}

/// What is read of it.
#[derive(Deserialize)]
#[serde(bound = "")]
struct Read<T: Raw> {
    columns: usize,
    #[serde(with = "raw")]
    numbers: Vec<T>,
}

impl<T: Raw> Serialize for Block<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let numbers = self.0.as_slice().unwrap_or_default();
        Written { columns: self.0.nrows(), numbers }.serialize(serializer)
    }
}

impl<'de, T: Raw> Deserialize<'de> for Block<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Read { columns, numbers } = Read::deserialize(deserializer)?;
        let capacity = numbers.len() / columns.max(1);
        Array2::from_shape_vec((columns, capacity), numbers).map(Block).map_err(serde::de::Error::custom)
    }
}
