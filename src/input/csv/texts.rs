//! An array of texts under construction.

use arrow::array::StringArray;
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::error::ArrowError;

use super::bits::Bits;
use super::records::PADDING;

/// How much a batch is likely to hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) rows: usize,
    pub(super) cell_bytes: usize,
}

/// Texts, the bytes of which are known to be UTF-8.
#[derive(Debug)]
pub(super) struct Texts {
    /// The texts in a row, and behind them room to write to. It stays from batch to batch: an array gets a
    /// copy of just what it needs.
    bytes: Vec<u8>,
    used: usize,
    /// Where each text ends.
    ends: Vec<i32>,
    valid: Bits,
}

impl Texts {
    /// No texts, but room for some.
    pub(super) fn new(room: Room) -> Self {
        let mut ends = Vec::with_capacity(room.rows + 1);
        ends.push(0);
        Texts {
            bytes: Vec::with_capacity(room.rows * room.cell_bytes),
            used: 0,
            ends,
            valid: Bits::default(),
        }
    }

    /// Makes room for texts of so many bytes in all.
    pub(super) fn make_room(&mut self, bytes: usize) {
        let needed = self.used + bytes + PADDING;
        if self.bytes.len() < needed {
            self.bytes.resize(needed + needed / 2, 0);
        }
    }

    #[inline(always)]
    pub(super) fn push_null(&mut self) {
        self.ends.push(self.used as i32);
        self.valid.push(false);
    }

    pub(super) fn push(&mut self, text: &[u8]) {
        self.make_room(text.len());
        self.push_range(text, 0, text.len());
    }

    /// Appends a part of a longer text, a null if it is empty; [`Self::make_room`] comes first.
    #[inline(always)]
    pub(super) fn push_range(&mut self, from: &[u8], start: usize, end: usize) {
        let len = end - start;
        let to = &mut self.bytes[self.used..];
        // Copying a fixed number of bytes is much faster than copying just those that are there.
        if let (true, Some(to), Some(from)) = (
            len <= PADDING,
            to.first_chunk_mut::<PADDING>(),
            from.get(start..).and_then(<[u8]>::first_chunk::<PADDING>),
        ) {
            *to = *from;
        } else {
            to[..len].copy_from_slice(&from[start..end]);
        }
        self.used += len;
        self.ends.push(self.used as i32);
        self.valid.push(len > 0);
    }

    /// The array of all texts; leaves none.
    pub(super) fn finish(&mut self) -> Result<StringArray, ArrowError> {
        let bytes = self.bytes[..self.used].to_vec();
        // The next batch will be about as large.
        let mut ends = Vec::with_capacity(self.ends.len());
        ends.push(0);
        let ends = std::mem::replace(&mut self.ends, ends);
        self.used = 0;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
        StringArray::try_new(offsets, Buffer::from_vec(bytes), self.valid.finish_nulls())
    }
}

/// The text of a quoted cell, without the first of each two quotes.
pub(super) fn unescape(text: &[u8], to: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(quote) = rest.windows(2).position(|pair| pair == b"\"\"") {
        to.extend_from_slice(&rest[..=quote]);
        rest = &rest[quote + 2..];
    }
    to.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_come_in_pairs() {
        let mut text = Vec::new();
        unescape(b"\"\"a\"\"\"\"b\"\"", &mut text);
        assert_eq!(text, b"\"a\"\"b\"");
    }
}
