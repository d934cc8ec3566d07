//! Columns: those of a chunk, found once for all of its mini-batches.

use std::ops::Range;

use super::chunk::{Chunk, ListColumn};

/// The columns of a chunk's features.
#[derive(Debug)]
pub(crate) struct Columns<'a> {
    /// Rows of each.
    pub(crate) rows: usize,
    dense: Vec<&'a [f32]>,
    slots: Vec<&'a [u32]>,
    pub(crate) lists: &'a [ListColumn],
}

impl<'a> Columns<'a> {
    pub(crate) fn of(chunk: &'a Chunk) -> Self {
        let shape = chunk.shape();
        Columns {
            rows: chunk.rows(),
            dense: (0..shape.dense).map(|column| chunk.dense(column)).collect(),
            slots: (0..shape.slots).map(|column| chunk.slots(column)).collect(),
            lists: &chunk.lists,
        }
    }

    /// The numbers of some rows in dense column `column`.
    #[inline(always)]
    pub(crate) fn dense(&self, column: usize, rows: Range<usize>) -> &'a [f32] {
        &self.dense[column][rows]
    }

    /// The codes of some rows in category column `column`.
    #[inline(always)]
    pub(crate) fn slots(&self, column: usize, rows: Range<usize>) -> &'a [u32] {
        &self.slots[column][rows]
    }
}
