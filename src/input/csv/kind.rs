//! Which type the cells of a column have in common.

use arrow::datatypes::{DataType, TimeUnit};

use super::spelling::Spelling;
use super::value::Value;

/// The type of columns of dates and times.
pub(super) const TIME: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// The types that all cells seen so far can be read as.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    seen: bool,
    boolean: bool,
    integer: bool,
    number: bool,
    time: bool,
}

impl Kind {
    /// Of a column of which no cell has been seen.
    pub(super) fn new() -> Self {
        Kind { seen: false, boolean: true, integer: true, number: true, time: true }
    }

    /// Takes a cell into account.
    pub(super) fn see(&mut self, cell: &[u8], spelling: &Spelling) {
        if self.is_text() {
            return;
        }
        let cell = cell.trim_ascii();
        if spelling.is_missing(cell) {
            return;
        }
        self.seen = true;
        let is_integer = matches!(spelling.integer(cell), Value::Is(_));
        let is_code = is_code(cell, is_integer);
        self.integer &= is_integer && !is_code;
        self.number &= !is_code && (is_integer || matches!(spelling.number(cell), Value::Is(_)));
        self.boolean = self.boolean && matches!(spelling.boolean(cell), Value::Is(_));
        self.time = self.time && matches!(spelling.time(cell), Value::Is(_));
    }

    /// Whether a cell seen can be read as nothing else, so that no other matters.
    fn is_text(&self) -> bool {
        !(self.boolean || self.integer || self.number || self.time)
    }

    /// The narrowest type that fits; text where nothing was seen.
    pub(super) fn data_type(&self) -> DataType {
        match self {
            Kind { seen: false, .. } => DataType::Utf8,
            Kind { boolean: true, .. } => DataType::Boolean,
            Kind { integer: true, .. } => DataType::Int64,
            Kind { number: true, .. } => DataType::Float64,
            Kind { time: true, .. } => TIME,
            _ => DataType::Utf8,
        }
    }
}

/// Whether digits are a name rather than a number: `00123`, or more of them than an integer holds,
/// as in hashed identifiers (a float would make distinct ones equal).
pub(super) fn is_code(cell: &[u8], is_integer: bool) -> bool {
    let digits = cell.strip_prefix(b"-").unwrap_or(cell);
    digits.len() > 1 && (digits[0] == b'0' || !is_integer) && digits.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_type_that_fits_all() {
        let kind = |cells: &[&str]| {
            let mut kind = Kind::new();
            cells.iter().for_each(|cell| kind.see(cell.as_bytes(), &Spelling::default()));
            kind.data_type()
        };
        assert_eq!(kind(&["1", "", "0", " 7 ", "NA", "-3"]), DataType::Int64);
        assert_eq!(kind(&["1", "2.5"]), DataType::Float64);
        assert_eq!(kind(&["0.5", "0", "1e9", "inf"]), DataType::Float64);
        assert_eq!(kind(&["true", "FALSE", "?"]), DataType::Boolean);
        assert_eq!(kind(&["true", "1"]), DataType::Utf8);
        assert_eq!(kind(&["2011-01-01", "2011-01-01 10:00"]), TIME);
        assert_eq!(kind(&["2011-01-01", "2011"]), DataType::Utf8);
        assert_eq!(kind(&["1", "00123"]), DataType::Utf8);
        assert_eq!(kind(&["1", "18446744073709551615"]), DataType::Utf8);
        assert_eq!(kind(&["", "NA"]), DataType::Utf8);
        assert_eq!(kind(&[]), DataType::Utf8);
        assert_eq!(kind(&["a", "1"]), DataType::Utf8);
    }
}
