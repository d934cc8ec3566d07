//! How a file separates and quotes its cells.

use std::borrow::Cow;

/// The bytes with a meaning of their own. Delimiter and quote may be `b'\n'`, which turns their meaning
/// off, since line ends are always looked at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    /// Stands between cells; `b'\n'` in a file of one column.
    pub(super) delimiter: u8,
    /// Stands around cells; `b'\n'` where quotes are ordinary characters.
    pub(super) quote: u8,
    /// Stands at the beginning of lines that are passed over.
    pub(super) comment: Option<u8>,
}

impl Dialect {
    /// Cells quoted as in RFC 4180.
    pub(super) fn quoted(delimiter: u8) -> Self {
        Dialect { delimiter, quote: b'"', comment: None }
    }

    /// The same, with comments.
    pub(super) fn with_comment(self, comment: Option<u8>) -> Self {
        Dialect { comment, ..self }
    }

    /// The same, with quotes as characters like any other.
    pub(super) fn unquoted(self) -> Self {
        Dialect { quote: b'\n', ..self }
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
