//! Bits in a row: which values of an array under construction are there.

use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};

/// A bit for each value, also used for booleans themselves.
#[derive(Debug, Default)]
pub(super) struct Bits {
    words: Vec<u64>,
    /// The bits that don't fill a word yet.
    word: u64,
    len: usize,
}

impl Bits {
    #[inline(always)]
    pub(super) fn push(&mut self, bit: bool) {
        self.word |= u64::from(bit) << (self.len % 64);
        self.len += 1;
        if self.len.is_multiple_of(64) {
            self.words.push(self.word);
            self.word = 0;
        }
    }

    /// All bits pushed; none are left.
    pub(super) fn finish(&mut self) -> BooleanBuffer {
        self.words.push(self.word);
        let words = std::mem::take(&mut self.words);
        self.words.reserve(words.len());
        let bits = BooleanBuffer::new(Buffer::from_vec(words), 0, self.len);
        (self.word, self.len) = (0, 0);
        bits
    }

    /// The same as the nulls of an array.
    pub(super) fn finish_nulls(&mut self) -> Option<NullBuffer> {
        Some(NullBuffer::new(self.finish())).filter(|nulls| nulls.null_count() > 0)
    }
}
