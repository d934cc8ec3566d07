//! How a file separates and quotes its cells.

use std::borrow::Cow;

/// The bytes with a meaning of their own. Either may be `b'\n'`, which turns its meaning off, since
/// line ends are always looked at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    /// Stands between cells; `b'\n'` in a file of one column.
    pub(super) delimiter: u8,
    /// Stands around cells; `b'\n'` where quotes are ordinary characters.
    pub(super) quote: u8,
}

impl Dialect {
    /// Cells quoted as in RFC 4180.
    pub(super) fn quoted(delimiter: u8) -> Self {
        Dialect { delimiter, quote: b'"' }
    }

    /// Quotes are characters like any other.
    pub(super) fn plain(delimiter: u8) -> Self {
        Dialect { delimiter, quote: b'\n' }
    }

    /// A cell without the quotes around it; quotes inside stay doubled.
    #[inline]
    pub(super) fn strip<'a>(&self, cell: &'a [u8]) -> &'a [u8] {
        match cell {
            [first, inner @ .., _] if *first == self.quote => inner,
            _ => cell,
        }
    }

    /// What a cell says, as shown in messages and used for names.
    pub(super) fn text<'a>(&self, cell: &'a [u8]) -> Cow<'a, str> {
        let inner = self.strip(cell);
        let text = String::from_utf8_lossy(inner);
        if inner.len() < cell.len() && inner.contains(&self.quote) {
            return Cow::Owned(text.replace("\"\"", "\""));
        }
        text
    }
}
