//! What a cell says when it is read as a number, an integer or a boolean.

/// A cell's meaning under some type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<T> {
    /// It says this.
    Is(T),
    /// It says that there is nothing.
    Missing,
    /// It says something else.
    Not,
}

impl<T> Value<T> {
    /// The value, if there is one.
    #[inline(always)]
    pub(super) fn is(self) -> Option<T> {
        match self {
            Value::Is(value) => Some(value),
            Value::Missing | Value::Not => None,
        }
    }

    /// The same with another value.
    #[inline(always)]
    pub(super) fn map<U>(self, to: impl Fn(T) -> U) -> Value<U> {
        match self {
            Value::Is(value) => Value::Is(to(value)),
            Value::Missing => Value::Missing,
            Value::Not => Value::Not,
        }
    }
}

/// Whether a cell of a typed column, spaces around it removed, stands for a missing value.
pub(super) fn is_missing(cell: &[u8]) -> bool {
    matches!(
        cell,
        b"" | b"NA"
            | b"N/A"
            | b"na"
            | b"n/a"
            | b"null"
            | b"NULL"
            | b"Null"
            | b"None"
            | b"none"
            | b"\\N"
            | b"?"
            | b"-"
            | b"nan"
            | b"NaN"
            | b"NAN"
    )
}

/// A decimal number or infinity, correctly rounded.
#[inline]
pub(super) fn number(cell: &[u8]) -> Value<f64> {
    match short_decimal(cell) {
        Some(number) => Value::Is(number),
        None => slow_number(cell),
    }
}

fn slow_number(cell: &[u8]) -> Value<f64> {
    parsed(cell, |text| text.parse().ok().filter(|number: &f64| !number.is_nan()))
}

/// Digits with at most one point among them, where both the digits and the power of ten are exact
/// as floats, so that their quotient is the nearest float.
#[inline]
fn short_decimal(cell: &[u8]) -> Option<f64> {
    const POWERS: [f64; 20] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
        1e18, 1e19,
    ];
    let (negative, text) = match cell {
        [b'-', text @ ..] => (true, text),
        _ => (false, cell),
    };
    if text.len() > 19 {
        return None; // the digits could overflow
    }
    let mut digits = 0u64;
    let mut point = None;
    for (index, byte) in text.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            digits = digits * 10 + u64::from(digit);
        } else if *byte == b'.' && point.is_none() {
            point = Some(index);
        } else {
            return None;
        }
    }
    let decimals = point.map_or(0, |point| text.len() - 1 - point);
    if text.len() == usize::from(point.is_some()) || digits > 1 << 53 {
        return None;
    }
    let number = digits as f64 / POWERS[decimals];
    Some(if negative { -number } else { number })
}

/// A whole number.
#[inline]
pub(super) fn integer(cell: &[u8]) -> Value<i64> {
    let (negative, digits) = match cell {
        [b'-', digits @ ..] => (true, digits),
        _ => (false, cell),
    };
    if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
        return parsed(cell, |text| text.parse().ok());
    }
    let number = digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
    Value::Is(if negative { -number } else { number })
}

/// `true` or `false`, in any case.
pub(super) fn boolean(cell: &[u8]) -> Value<bool> {
    parsed(cell, |text| {
        let is = |word| text.eq_ignore_ascii_case(word);
        (is("true") || is("false")).then(|| is("true"))
    })
}

/// Reads a cell with `parse`, spaces around it aside, unless it stands for a missing value.
pub(super) fn parsed<T>(cell: &[u8], parse: impl Fn(&str) -> Option<T>) -> Value<T> {
    let cell = cell.trim_ascii();
    if is_missing(cell) {
        return Value::Missing;
    }
    std::str::from_utf8(cell).ok().and_then(parse).map_or(Value::Not, Value::Is)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers() {
        for (cell, expected) in [
            ("5", 5.0),
            ("-0.25", -0.25),
            (" 1e3 ", 1000.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("+7", 7.0),
            ("inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("9007199254740993", 9007199254740992.0),
            ("12345678901234567890123", 12345678901234567890123.0),
        ] {
            assert_eq!(number(cell.as_bytes()), Value::Is(expected), "{cell}");
        }
        for cell in ["", " ", "NA", "nan", "NaN", "\\N", "?", " - ", "null"] {
            assert_eq!(number(cell.as_bytes()), Value::Missing, "{cell}");
        }
        for cell in ["abc", ".", "-.", "1,5", "1 2", "--1", "0x10", "1_000", "-nan", "\u{661}"] {
            assert_eq!(number(cell.as_bytes()), Value::Not, "{cell}");
        }
    }

    #[test]
    fn integers_and_booleans() {
        assert_eq!(integer(b"-42"), Value::Is(-42));
        assert_eq!(integer(b" 9223372036854775807"), Value::Is(i64::MAX));
        assert_eq!(integer(b"9223372036854775808"), Value::Not);
        assert_eq!(integer(b"1.0"), Value::Not);
        assert_eq!(integer(b"-"), Value::Missing);
        assert_eq!(boolean(b" TRUE"), Value::Is(true));
        assert_eq!(boolean(b"False"), Value::Is(false));
        assert_eq!(boolean(b"none"), Value::Missing);
        assert_eq!(boolean(b"1"), Value::Not);
    }

    proptest! {
        #[test]
        fn short_decimals_are_the_nearest_float(text in "-?[0-9]{0,12}\\.?[0-9]{0,9}") {
            if let Some(number) = short_decimal(text.as_bytes()) {
                prop_assert_eq!(number.to_bits(), text.parse::<f64>().unwrap().to_bits());
            }
        }
    }
}
