//! A chunk: encoded rows, column by column, as the kernels want them.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::block::Block;

/// Set in a code that is a hash (of a category the plan does not know); clear in a code that is
/// the index of a known category. The hash keeps its other 31 bits and is masked at use, so that
/// encoded rows do not depend on how far a table has grown.
pub const HASHED: u32 = 1 << 31;

/// How many columns of each sort a chunk has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Shape {
    /// Numbers.
    pub dense: usize,
    /// Categories, one code in each row.
    pub slots: usize,
    /// Lists, any number of codes in each row.
    pub lists: usize,
    /// Codes without values that the lists of a row hold together, about.
    pub listed: usize,
    /// Codes with values that they hold.
    pub valued: usize,
    /// Whether rows carry importance weights.
    pub weighted: bool,
    /// Whether rows carry offsets.
    pub offset: bool,
    /// In how many ways rows are divided into parts.
    pub divisions: usize,
}

impl Shape {
    /// Bytes of one encoded row, about.
    pub fn row_bytes(&self) -> usize {
        let lists = self.lists + self.listed + 2 * self.valued;
        let labels = 1 + usize::from(self.weighted) + usize::from(self.offset) + self.divisions;
        4 * (self.dense + self.slots + lists + labels) + 8
    }
}

/// One list column: row `r` holds the codes `offsets[r]..offsets[r + 1]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListColumn {
    /// `rows + 1` offsets into `codes`.
    #[serde(with = "crate::raw")]
    pub offsets: Vec<u32>,
    /// The codes of all rows.
    #[serde(with = "crate::raw")]
    pub codes: Vec<u32>,
    /// For each code the number that its weight is multiplied by; empty if all are 1.
    #[serde(with = "crate::raw")]
    pub values: Vec<f32>,
}

impl ListColumn {
    fn new() -> Self {
        ListColumn { offsets: vec![0], codes: Vec::new(), values: Vec::new() }
    }

    /// Where the codes of some rows lie.
    #[inline(always)]
    pub(crate) fn span(&self, rows: Range<usize>) -> Range<usize> {
        self.offsets[rows.start] as usize..self.offsets[rows.end] as usize
    }

    /// The codes of a row.
    #[inline(always)]
    pub fn row(&self, row: usize) -> &[u32] {
        &self.codes[self.span(row..row + 1)]
    }

    /// The codes of a row with their values, which the column must have.
    #[inline(always)]
    pub(crate) fn valued(&self, row: usize) -> impl Iterator<Item = (u32, f32)> {
        let span = self.span(row..row + 1);
        self.codes[span.clone()].iter().copied().zip(self.values[span].iter().copied())
    }

    /// Closes the row whose codes were pushed.
    pub fn end_row(&mut self) {
        self.offsets.push(self.codes.len() as u32);
    }

    fn clear(&mut self) {
        self.offsets.truncate(1);
        self.codes.clear();
        self.values.clear();
    }

    /// Appends some rows of a column that has values if this one has them.
    fn extend(&mut self, from: &ListColumn, rows: Range<usize>) {
        let base = self.codes.len() as u32;
        let first = from.offsets[rows.start];
        let span = from.span(rows.clone());
        self.codes.extend_from_slice(&from.codes[span.clone()]);
        if !from.values.is_empty() {
            self.values.extend_from_slice(&from.values[span]);
        }
        self.offsets.extend(from.offsets[rows.start + 1..=rows.end].iter().map(|o| o - first + base));
    }
}

/// Encoded rows. Buffers keep their allocation when the chunk is cleared and filled again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    shape: Shape,
    rows: usize,
    /// Targets: 0 or 1 for a classifier, with several classes a class's number, the (scaled) number for a
    /// regression.
    #[serde(with = "crate::raw")]
    pub labels: Vec<f32>,
    /// Importance weights; empty if the rows carry none.
    #[serde(with = "crate::raw")]
    pub weights: Vec<f32>,
    /// What is added to the margins; empty if that is nothing.
    #[serde(with = "crate::raw")]
    pub offsets: Vec<f32>,
    /// For each row the part of each division that it belongs to, one row after the other: what models side by
    /// side may leave out (see [`super::Variant`]).
    #[serde(with = "crate::raw")]
    pub parts: Vec<u32>,
    /// Numbers; of each column the first `rows` count.
    dense: Block<f32>,
    /// Codes of the category columns; of each the first `rows` count.
    slots: Block<u32>,
    /// The list columns.
    pub lists: Vec<ListColumn>,
}

impl Chunk {
    /// An empty chunk with room for `capacity` rows.
    pub fn new(shape: Shape, capacity: usize) -> Self {
        Chunk {
            shape,
            rows: 0,
            labels: Vec::with_capacity(capacity),
            weights: Vec::new(),
            offsets: Vec::new(),
            parts: Vec::new(),
            dense: Block::new(shape.dense, capacity),
            slots: Block::new(shape.slots, capacity),
            lists: (0..shape.lists).map(|_| ListColumn::new()).collect(),
        }
    }

    /// The columns' counts.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Rows held.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Most rows that the chunk takes.
    pub fn capacity(&self) -> usize {
        self.dense.capacity()
    }

    /// Bytes of memory held.
    pub fn bytes(&self) -> usize {
        let list = |l: &ListColumn| l.offsets.capacity() + l.codes.capacity() + l.values.capacity();
        let lists: usize = self.lists.iter().map(list).sum();
        let labels = self.labels.capacity() + self.weights.capacity() + self.offsets.capacity();
        4 * (labels + self.parts.capacity() + self.dense.len() + self.slots.len() + lists)
    }

    /// Bytes of its rows, whatever room it has beside them.
    pub fn content_bytes(&self) -> usize {
        let list = |l: &ListColumn| l.offsets.len() + l.codes.len() + l.values.len();
        let lists: usize = self.lists.iter().map(list).sum();
        let labels = self.labels.len() + self.weights.len() + self.offsets.len() + self.parts.len();
        4 * (labels + self.rows * (self.shape.dense + self.shape.slots) + lists)
    }

    /// Empties the chunk and makes room for at least `capacity` rows.
    pub fn reset(&mut self, capacity: usize) {
        self.rows = 0;
        self.labels.clear();
        self.weights.clear();
        self.offsets.clear();
        self.parts.clear();
        if self.capacity() < capacity {
            self.dense = Block::new(self.shape.dense, capacity);
            self.slots = Block::new(self.shape.slots, capacity);
        }
        self.lists.iter_mut().for_each(ListColumn::clear);
    }

    /// Declares `rows` rows to be there, after every column was filled with as many.
    pub fn set_rows(&mut self, rows: usize) {
        debug_assert!(rows <= self.capacity());
        debug_assert!(self.lists.iter().all(|l| l.offsets.len() == rows + 1));
        debug_assert!(self.lists.iter().all(|l| l.values.is_empty() || l.values.len() == l.codes.len()));
        self.rows = rows;
    }

    /// The numbers of dense column `column`, `rows` of them.
    #[inline(always)]
    pub fn dense(&self, column: usize) -> &[f32] {
        &self.dense.column(column)[..self.rows]
    }

    /// Room for the numbers of dense column `column`, `capacity` of them.
    pub fn dense_mut(&mut self, column: usize) -> &mut [f32] {
        self.dense.column_mut(column)
    }

    /// Room for the numbers of dense columns `column` and `column + 1`.
    pub fn dense_pair_mut(&mut self, column: usize) -> (&mut [f32], &mut [f32]) {
        self.dense.pair_mut(column)
    }

    /// The codes of category column `column`, `rows` of them.
    #[inline(always)]
    pub fn slots(&self, column: usize) -> &[u32] {
        &self.slots.column(column)[..self.rows]
    }

    /// Room for the codes of category column `column`, `capacity` of them.
    pub fn slots_mut(&mut self, column: usize) -> &mut [u32] {
        self.slots.column_mut(column)
    }

    /// The parts that a row belongs to, one of each division.
    #[inline(always)]
    pub fn parts_of(&self, row: usize) -> &[u32] {
        let divisions = self.shape.divisions;
        &self.parts[row * divisions..][..divisions]
    }

    /// Appends the rows that `rows` names as `(index in from, row)`, in that order.
    pub fn gather(&mut self, from: &[Chunk], rows: &[(u32, u32)]) {
        let start = self.rows;
        self.rows += rows.len();
        self.labels.extend(rows.iter().map(|&(c, r)| from[c as usize].labels[r as usize]));
        if self.shape.weighted {
            self.weights.extend(rows.iter().map(|&(c, r)| from[c as usize].weights[r as usize]));
        }
        if self.shape.offset {
            self.offsets.extend(rows.iter().map(|&(c, r)| from[c as usize].offsets[r as usize]));
        }
        if self.shape.divisions > 0 {
            rows.iter()
                .for_each(|&(c, r)| self.parts.extend_from_slice(from[c as usize].parts_of(r as usize)));
        }
        // Column by column: of each the rows in question fit into a cache.
        for column in 0..self.shape.dense {
            let sources: Vec<&[f32]> = from.iter().map(|chunk| chunk.dense(column)).collect();
            let target = &mut self.dense_mut(column)[start..start + rows.len()];
            for (t, &(c, r)) in target.iter_mut().zip(rows) {
                *t = sources[c as usize][r as usize];
            }
        }
        for column in 0..self.shape.slots {
            let sources: Vec<&[u32]> = from.iter().map(|chunk| chunk.slots(column)).collect();
            let target = &mut self.slots_mut(column)[start..start + rows.len()];
            for (t, &(c, r)) in target.iter_mut().zip(rows) {
                *t = sources[c as usize][r as usize];
            }
        }
        for (column, target) in self.lists.iter_mut().enumerate() {
            for &(c, r) in rows {
                target.extend(&from[c as usize].lists[column], r as usize..r as usize + 1);
            }
        }
    }

    /// Appends rows `start..end` of `from`.
    pub fn append(&mut self, from: &Chunk, start: usize, end: usize) {
        let at = self.rows;
        self.rows += end - start;
        self.labels.extend_from_slice(&from.labels[start..end]);
        if self.shape.weighted {
            self.weights.extend_from_slice(&from.weights[start..end]);
        }
        if self.shape.offset {
            self.offsets.extend_from_slice(&from.offsets[start..end]);
        }
        let divisions = self.shape.divisions;
        self.parts.extend_from_slice(&from.parts[divisions * start..divisions * end]);
        for column in 0..self.shape.dense {
            let source = &from.dense(column)[start..end];
            self.dense_mut(column)[at..at + end - start].copy_from_slice(source);
        }
        for column in 0..self.shape.slots {
            let source = &from.slots(column)[start..end];
            self.slots_mut(column)[at..at + end - start].copy_from_slice(source);
        }
        for (target, source) in self.lists.iter_mut().zip(&from.lists) {
            target.extend(source, start..end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(rows: usize) -> Chunk {
        let shape = Shape {
            dense: 2,
            slots: 1,
            lists: 2,
            listed: 8,
            valued: 2,
            weighted: true,
            offset: true,
            divisions: 2,
        };
        let mut chunk = Chunk::new(shape, rows);
        for r in 0..rows {
            chunk.labels.push(r as f32);
            chunk.weights.push(10.0 + r as f32);
            chunk.offsets.push(-0.5 * r as f32);
            chunk.parts.extend([r as u32 % 3, r as u32 % 5]);
            chunk.dense_mut(0)[r] = 0.5 * r as f32;
            chunk.dense_mut(1)[r] = -(r as f32);
            chunk.slots_mut(0)[r] = r as u32 * 7;
            chunk.lists[0].codes.extend((0..r as u32 % 3).map(|i| i + r as u32));
            chunk.lists[0].end_row();
            chunk.lists[1].codes.extend((0..r as u32 % 4).map(|i| i * r as u32));
            chunk.lists[1].values.extend((0..r % 4).map(|i| i as f32 - 0.25 * r as f32));
            chunk.lists[1].end_row();
        }
        chunk.set_rows(rows);
        chunk
    }

    #[test]
    fn gather_of_a_run_equals_append() {
        let from = sample(20);
        let mut gathered = Chunk::new(from.shape(), 20);
        let mut appended = Chunk::new(from.shape(), 20);
        let rows: Vec<(u32, u32)> = (3..6).chain(9..16).map(|row| (0, row)).collect();
        gathered.gather(std::slice::from_ref(&from), &rows);
        appended.append(&from, 3, 6);
        appended.append(&from, 9, 16);
        assert_eq!(gathered, appended);
        assert_eq!((gathered.rows(), gathered.offsets.len()), (10, 10));
        assert_eq!(gathered.lists[0].row(9), from.lists[0].row(15));
        let valued = |chunk: &Chunk, row| chunk.lists[1].valued(row).collect::<Vec<_>>();
        assert_eq!(valued(&gathered, 9), valued(&from, 15));
        assert_eq!(valued(&gathered, 9).len(), 3);
    }
}
