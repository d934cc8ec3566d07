//! Where the bytes with a meaning stand in a block of text, as bits.
//!
//! A block is compared sixteen bytes at a time, by what every processor of its kind can do (SSE2, NEON), so
//! that nothing need be detected.

use wide::u8x16;

use super::dialect::Dialect;

/// Bytes of a block.
pub(super) const BLOCK: usize = 64;

/// One bit for each byte of a block, the lowest for the first; no byte has more than one meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Masks {
    pub(super) line_ends: u64,
    pub(super) delimiters: u64,
    pub(super) quotes: u64,
}

/// The bytes looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needles {
    delimiter: u8,
    quote: u8,
}

impl Needles {
    pub(super) fn new(dialect: Dialect) -> Self {
        Needles { delimiter: dialect.delimiter, quote: dialect.quote }
    }

    /// Where they are.
    #[inline(always)]
    pub(super) fn find(self, block: &[u8; BLOCK]) -> Masks {
        let [a, b, c, d] = [0, 1, 2, 3].map(|part| {
            let (parts, _) = block.as_chunks::<16>();
            u8x16::new(parts[part])
        });
        let equal = |needle: u8| {
            let needle = u8x16::splat(needle);
            let bits = |part: u8x16| u64::from(part.simd_eq(needle).to_bitmask());
            bits(a) | bits(b) << 16 | bits(c) << 32 | bits(d) << 48
        };
        let (line_ends, delimiters, quotes) = (equal(b'\n'), equal(self.delimiter), equal(self.quote));
        // A delimiter or quote that is turned off is the line end.
        Masks { line_ends, delimiters: delimiters & !line_ends, quotes: quotes & !line_ends }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn naive(block: &[u8; BLOCK], needle: u8) -> u64 {
        block.iter().enumerate().map(|(at, byte)| u64::from(*byte == needle) << at).sum()
    }

    fn check(block: &[u8; BLOCK]) {
        let masks = Needles::new(Dialect::quoted(b',')).find(block);
        let found = [masks.line_ends, masks.delimiters, masks.quotes];
        assert_eq!(found, [b'\n', b',', b'"'].map(|needle| naive(block, needle)), "{block:?}");
    }

    #[test]
    fn every_byte_is_told_from_the_needles() {
        for byte in 0..=255u8 {
            for position in 0..BLOCK {
                let mut block = [b'x'; BLOCK];
                block[position] = byte;
                check(&block);
            }
        }
    }

    #[test]
    fn meanings_are_turned_off() {
        let mut block = [b'x'; BLOCK];
        (block[3], block[5]) = (b'\n', b'"');
        let masks = Needles::new(Dialect::quoted(b'\n').unquoted()).find(&block);
        assert_eq!(masks, Masks { line_ends: 8, delimiters: 0, quotes: 0 });
    }

    proptest! {
        #[test]
        fn any_block(bytes in prop::collection::vec(prop::sample::select(b"\n,\"\0\x8ca".to_vec()), BLOCK)) {
            check(&bytes.try_into().unwrap());
        }
    }
}
