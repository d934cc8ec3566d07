//! How values are spelled in a file's cells.

use super::time::time;
use super::value::{Value, boolean, integer, is_missing, number};
use crate::input::ReadOptions;

/// Spellings that the user knows of.
#[derive(Debug, Clone, Default)]
pub(super) struct Spelling {
    /// What stands for a missing value in columns of every type, besides the usual.
    nulls: Vec<Vec<u8>>,
    decimal_comma: bool,
}

impl Spelling {
    pub(super) fn new(options: &ReadOptions) -> Self {
        let nulls = options.nulls.iter().map(|null| null.trim_ascii().as_bytes().to_vec()).collect();
        Spelling { nulls, decimal_comma: options.decimal_comma }
    }

    /// Whether the usual spellings are the only ones.
    pub(super) fn is_usual(&self) -> bool {
        self.nulls.is_empty() && !self.decimal_comma
    }

    /// Whether a cell, spaces around it aside, stands for a missing value by the user's word.
    pub(super) fn is_null(&self, cell: &[u8]) -> bool {
        !self.nulls.is_empty() && self.nulls.iter().any(|null| null == cell.trim_ascii())
    }

    /// Whether a cell of a typed column stands for a missing value.
    pub(super) fn is_missing(&self, cell: &[u8]) -> bool {
        is_missing(cell.trim_ascii()) || self.is_null(cell)
    }

    /// A number. Where a comma stands before the decimals, a point is an error: it might part thousands.
    pub(super) fn number(&self, cell: &[u8]) -> Value<f64> {
        if !self.decimal_comma || self.is_null(cell) {
            return self.unless_null(cell, number);
        }
        if cell.contains(&b'.') {
            return Value::Not;
        }
        match cell.iter().position(|byte| *byte == b',') {
            Some(comma) => {
                let mut cell = cell.to_vec();
                cell[comma] = b'.';
                number(&cell)
            }
            None => number(cell),
        }
    }

    pub(super) fn integer(&self, cell: &[u8]) -> Value<i64> {
        self.unless_null(cell, integer)
    }

    pub(super) fn boolean(&self, cell: &[u8]) -> Value<bool> {
        self.unless_null(cell, boolean)
    }

    pub(super) fn time(&self, cell: &[u8]) -> Value<i64> {
        self.unless_null(cell, time)
    }

    fn unless_null<T>(&self, cell: &[u8], read: impl Fn(&[u8]) -> Value<T>) -> Value<T> {
        if self.is_null(cell) { Value::Missing } else { read(cell) }
    }

    /// What a number is called in messages.
    pub(super) fn number_name(&self) -> &'static str {
        if self.decimal_comma { "a number with a decimal comma" } else { "a number" }
    }

    /// Whether a cell is a number, a boolean, or a date or time.
    pub(super) fn is_value(&self, cell: &[u8]) -> bool {
        let is_number = matches!(self.number(cell), Value::Is(_));
        is_number || matches!(boolean(cell), Value::Is(_)) || matches!(time(cell), Value::Is(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_before_decimals() {
        let spelling = Spelling { nulls: vec![b"k.A.".to_vec()], decimal_comma: true };
        assert_eq!(spelling.number(b"2,75"), Value::Is(2.75));
        assert_eq!(spelling.number(b" -1,5e3 "), Value::Is(-1500.0));
        assert_eq!(spelling.number(b"7"), Value::Is(7.0));
        for cell in ["1.5", "1.234,5", "1,2,3", ",", "x"] {
            assert_eq!(spelling.number(cell.as_bytes()), Value::Not, "{cell}");
        }
        for cell in [" k.A. ", "", "NA"] {
            assert_eq!(spelling.number(cell.as_bytes()), Value::Missing, "{cell}");
        }
    }

    #[test]
    fn nulls_of_the_user() {
        let spelling = Spelling { nulls: vec![b"-999".to_vec()], decimal_comma: false };
        assert_eq!(spelling.integer(b"-999"), Value::Missing);
        assert_eq!(spelling.integer(b"-99"), Value::Is(-99));
        assert!(spelling.is_missing(b" -999") && spelling.is_missing(b"NA") && !spelling.is_null(b"NA"));
    }
}
