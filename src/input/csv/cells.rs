//! The cells of some records, column by column.

use std::ops::Range;

use super::dialect::Dialect;
use super::spelling::Spelling;
use super::tokens::Tokens;

/// Some records, all of which have every column.
pub(super) struct Cells<'a> {
    pub(super) dialect: Dialect,
    pub(super) spelling: &'a Spelling,
    pub(super) tokens: &'a Tokens,
    /// The text that the tokens point into, and bytes of no meaning behind it, which save asking where
    /// the text ends when a cell is loaded as a word.
    pub(super) bytes: &'a [u8],
    /// Bytes of the text alone.
    pub(super) len: usize,
    columns: usize,
    /// Whether all of the text is UTF-8; cell after cell must be looked at otherwise.
    is_utf8: bool,
}

/// What a cell says, read as text.
pub(super) enum CellText<'a> {
    Missing,
    /// The bytes from here to there; none, and so a missing value, if there are none between.
    Plain(usize, usize),
    /// These bytes, but for the first of each two quotes.
    Escaped(&'a [u8]),
    /// This is no UTF-8.
    Invalid,
}

impl<'a> Cells<'a> {
    /// The cells of `tokens`, which point into the first `len` of `bytes`. `text` says whether any
    /// will be read as text.
    pub(super) fn new(
        dialect: Dialect,
        spelling: &'a Spelling,
        tokens: &'a Tokens,
        (bytes, len): (&'a [u8], usize),
        columns: usize,
        text: bool,
    ) -> Self {
        // Checking all of the text at once is much faster than checking it cell by cell.
        let is_utf8 = text && std::str::from_utf8(&bytes[..len]).is_ok();
        Cells { dialect, spelling, tokens, bytes, len, columns, is_utf8 }
    }

    /// Where the cells of a column lie.
    #[inline(always)]
    pub(super) fn ranges(&self, column: usize) -> impl Iterator<Item = Range<usize>> {
        self.tokens.column(column, self.columns)
    }

    /// The cells of a column without the quotes around them.
    #[inline(always)]
    pub(super) fn stripped(&self, column: usize) -> impl Iterator<Item = &'a [u8]> {
        let (dialect, bytes) = (self.dialect, self.bytes);
        self.ranges(column).map(move |range| dialect.strip(&bytes[range]))
    }

    /// What the cell there says.
    #[inline(always)]
    pub(super) fn text(&self, range: Range<usize>) -> CellText<'a> {
        let Range { start, end } = range;
        if self.bytes.get(start) == Some(&self.dialect.quote) && start < end {
            return self.quoted(start + 1, end - 1);
        }
        // Gaps come at random: to tell them from other cells here would be to guess wrongly half the time.
        if self.spelling.is_null(&self.bytes[start..end]) {
            return CellText::Missing;
        }
        if !self.is_utf8 && std::str::from_utf8(&self.bytes[start..end]).is_err() {
            return CellText::Invalid;
        }
        CellText::Plain(start, end)
    }

    #[inline(never)]
    fn quoted(&self, start: usize, end: usize) -> CellText<'a> {
        let text = &self.bytes[start..end];
        if text.is_empty() || self.spelling.is_null(text) {
            CellText::Missing
        } else if !self.is_utf8 && std::str::from_utf8(text).is_err() {
            CellText::Invalid
        } else if text.contains(&b'"') {
            CellText::Escaped(text)
        } else {
            CellText::Plain(start, end)
        }
    }
}
