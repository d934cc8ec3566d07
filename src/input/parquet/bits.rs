//! Bits that say which rows of a page are there.

use arrow::array::BooleanBufferBuilder;

use crate::learn::kernels::expand;

/// Bits, the first one the lowest of the first word.
#[derive(Debug, Default)]
pub(super) struct Bits {
    words: Vec<u64>,
    len: usize,
}

impl Bits {
    pub(super) fn clear(&mut self) {
        self.words.clear();
        self.len = 0;
    }

    /// Appends the lowest `count` bits of `bits`, 1 to 64; the others are 0.
    #[inline]
    fn push(&mut self, bits: u64, count: usize) {
        let taken = self.len % 64;
        match self.words.last_mut().filter(|_| taken > 0) {
            None => self.words.push(bits),
            Some(last) => {
                *last |= bits << taken;
                if taken + count > 64 {
                    self.words.push(bits >> (64 - taken));
                }
            }
        }
        self.len += count;
    }

    /// Appends the same bit several times.
    pub(super) fn push_same(&mut self, bit: bool, mut count: usize) {
        let bits = if bit { u64::MAX } else { 0 };
        while count > 0 {
            let n = count.min(64);
            self.push(bits & lowest(n), n);
            count -= n;
        }
    }

    /// Appends bits `first..first + count` of `bytes`, which [`SLACK`](super::hybrid::SLACK) bytes must follow.
    pub(super) fn push_packed(&mut self, bytes: &[u8], mut first: usize, mut count: usize) {
        while count > 0 {
            // So many as eight bytes have wherever they begin.
            let n = count.min(57);
            let word = u64::from_le_bytes(bytes[first / 8..].first_chunk().copied().unwrap_or_default());
            self.push(word >> (first % 8) & lowest(n), n);
            first += n;
            count -= n;
        }
    }

    /// Appends them to Arrow's.
    pub(super) fn append_to(&self, builder: &mut BooleanBufferBuilder) {
        let words: Vec<u64> = self.words.iter().map(|word| word.to_le()).collect();
        builder.append_packed_range(0..self.len, bytemuck::cast_slice(&words));
    }
}

/// The lowest `count` bits, 1 to 64.
fn lowest(count: usize) -> u64 {
    u64::MAX >> (64 - count)
}

/// Which rows are there.
#[derive(Debug, Clone, Copy)]
pub(super) enum There<'a> {
    /// All of so many.
    All(usize),
    /// Those whose bits are set, so many.
    Some(&'a Bits, usize),
}

impl<'a> There<'a> {
    pub(super) fn of(bits: &'a Bits) -> Self {
        let count = bits.words.iter().map(|word| word.count_ones() as usize).sum();
        if count == bits.len { There::All(count) } else { There::Some(bits, count) }
    }

    /// How many rows are there.
    pub(super) fn count(self) -> usize {
        match self {
            There::All(count) | There::Some(_, count) => count,
        }
    }

    /// For each row that is there one of the `values`, as many as are and [`BEHIND`] more, for the others `gap`. `buffer` is for
    /// rows on their way.
    pub(super) fn expand<'b>(self, values: &'b [u32], gap: u32, buffer: &'b mut Vec<u32>) -> &'b [u32] {
        match self {
            There::All(count) => &values[..count],
            There::Some(bits, _) => {
                if buffer.len() < bits.len {
                    buffer.resize(bits.len, 0);
                }
                expand(values, &bits.words, gap, &mut buffer[..bits.len]);
                &buffer[..bits.len]
            }
        }
    }

    /// Appends for each row that is there the next value, for the others `gap`.
    pub(super) fn place<T: Copy>(self, gap: T, values: impl IntoIterator<Item = T>, out: &mut Vec<T>) {
        match self {
            There::All(count) => out.extend(values.into_iter().take(count)),
            There::Some(bits, _) => {
                let start = out.len();
                out.resize(start + bits.len, gap);
                let (rows, mut values) = (&mut out[start..], values.into_iter());
                for (rows, &word) in rows.chunks_mut(64).zip(&bits.words) {
                    let mut left = word;
                    // From one set bit to the next: gaps come at random, and a branch for each row would be guessed wrong.
                    for value in values.by_ref().take(word.count_ones() as usize) {
                        rows[left.trailing_zeros() as usize] = value;
                        left &= left - 1;
                    }
                }
            }
        }
    }
}
