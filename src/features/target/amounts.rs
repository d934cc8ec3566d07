//! Amounts: weights and offsets, numbers of which each row must have a usable one.

use arrow::array::ArrayRef;

use super::{OffsetKind, parse, quoted};
use crate::error::{Error, Result};
use crate::features::values::{for_each_number, for_each_text, is_text, plain};

/// What a column of amounts is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Amount {
    /// How much a row counts.
    Weight,
    /// What is added to the margin, in labels' units of `scale`.
    Offset { kind: OffsetKind, scale: f64 },
}

impl Amount {
    /// What is kept of a number, if it can be used.
    fn of(self, x: f64) -> Option<f32> {
        let kept = match self {
            Amount::Weight => Some(x).filter(|x| *x >= 0.0),
            Amount::Offset { kind: OffsetKind::Margin, scale } => Some(x / scale),
            Amount::Offset { kind: OffsetKind::Exposure, scale } => {
                Some(x).filter(|x| *x > 0.0 && x.is_finite()).map(|x| ln(x) / scale)
            }
        };
        kept.map(|x| x as f32).filter(|x| x.is_finite())
    }

    fn expected(self) -> &'static str {
        match self {
            Amount::Weight => "a finite weight of at least 0",
            Amount::Offset { kind: OffsetKind::Margin, .. } => "a finite number as offset",
            Amount::Offset { kind: OffsetKind::Exposure, .. } => "a finite exposure above 0",
        }
    }

    /// Appends what is kept of each row's number to `amounts`; `bad(row, why)` decides what becomes of one
    /// that can't be used: an error, or `Ok` to go on with a zero in its place.
    pub(super) fn encode(
        self,
        array: &ArrayRef,
        amounts: &mut Vec<f32>,
        bad: &mut dyn FnMut(usize, Error) -> Result<()>,
    ) -> Result<()> {
        let mut result = Ok(());
        let mut push = |row: usize, x: Option<f64>, found: &dyn Fn() -> String| {
            let usable = x.and_then(|x| self.of(x));
            amounts.push(usable.unwrap_or(0.0));
            if usable.is_none() && result.is_ok() {
                let error = Error::data(format!("found {}, expected {}", found(), self.expected()));
                result = bad(row, error.remedy("leave such rows out with --on-error skip"));
            }
        };
        let nothing = || "nothing".to_string();
        if is_text(plain(&array.slice(0, 0))?.data_type()) {
            for_each_text(array, |row, text| {
                push(row, text.and_then(parse), &|| text.map_or_else(nothing, quoted));
            })?;
        } else {
            for_each_number(array, |row, x| push(row, x, &|| x.map_or_else(nothing, |x| x.to_string())))?;
        }
        result
    }
}

/// The natural logarithm of a normal, positive number, to about 1e-12: the C library's may differ in its
/// last bit from one processor to another, and models would with it.
fn ln(x: f64) -> f64 {
    const MANTISSA: u64 = (1 << 52) - 1;
    // x = m 2^e with m between sqrt(1/2) and sqrt(2); ln m = 2 artanh((m - 1) / (m + 1)).
    let shift = if x < f64::MIN_POSITIVE { 54 } else { 0 };
    let bits = (x * (1u64 << shift) as f64).to_bits();
    let mut exponent = (bits >> 52) as i64 - 1023;
    let mut m = f64::from_bits(bits & MANTISSA | 1023 << 52);
    if m > std::f64::consts::SQRT_2 {
        m *= 0.5;
        exponent += 1;
    }
    let s = (m - 1.0) / (m + 1.0);
    let q = s * s;
    let series = (0..9).rev().fold(0.0, |sum, k| sum * q + 1.0 / f64::from(2 * k + 1));
    (exponent - shift) as f64 * std::f64::consts::LN_2 + 2.0 * s * series
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int32Array, StringArray};

    use super::*;

    const EXPOSURE: Amount = Amount::Offset { kind: OffsetKind::Exposure, scale: 1.0 };
    const OFFSET: Amount = Amount::Offset { kind: OffsetKind::Margin, scale: 4.0 };

    /// What is kept of each row, and what was said of those that can't be used.
    fn encode(amount: Amount, array: impl arrow::array::Array + 'static) -> (Vec<f32>, Vec<String>) {
        let (mut amounts, mut said) = (Vec::new(), Vec::new());
        let mut bad = |row: usize, error: Error| {
            said.push(format!("{row}: {error}"));
            Ok(())
        };
        amount.encode(&(Arc::new(array) as ArrayRef), &mut amounts, &mut bad).unwrap();
        (amounts, said)
    }

    #[test]
    fn logarithms_are_those_of_the_library() {
        let mut x = 5e-324;
        while x < f64::MAX / 1.7 {
            assert!((ln(x) - x.ln()).abs() < 1e-12 * x.ln().abs().max(1.0), "{x}: {} {}", ln(x), x.ln());
            x *= 1.618_034;
            x = x.max(1.1e-323);
        }
        assert_eq!(ln(1.0), 0.0);
        let near = 1.0 + 1e-9;
        assert!((ln(near) - near.ln()).abs() < 1e-21);
    }

    #[test]
    fn offsets_are_counted_in_the_labels_unit_and_exposures_by_their_logarithm() {
        let (offsets, said) = encode(OFFSET, Float64Array::from(vec![Some(8.0), Some(-2.0), None]));
        assert_eq!(offsets, [2.0, -0.5, 0.0]);
        assert_eq!(said.len(), 1);
        assert!(said[0].starts_with("2: found nothing, expected a finite number as offset"), "{said:?}");
        let (exposures, said) = encode(EXPOSURE, Int32Array::from(vec![1, 10, 0, -3]));
        assert_eq!(exposures, [0.0, 10f32.ln(), 0.0, 0.0]);
        assert!(said[0].starts_with("2: found 0, expected a finite exposure above 0"), "{said:?}");
        assert_eq!(said.len(), 2);
        let (_, said) = encode(OFFSET, StringArray::from(vec!["1.5", "much", "inf"]));
        assert!(said[0].starts_with("1: found \"much\", expected"), "{said:?}");
        assert_eq!(said.len(), 2);
    }

    #[test]
    fn weights_are_finite_and_not_negative() {
        let (weights, said) =
            encode(Amount::Weight, Float64Array::from(vec![0.0, 2.5, -1.0, f64::NAN, 1e300]));
        assert_eq!(weights, [0.0, 2.5, 0.0, 0.0, 0.0]);
        assert_eq!(said.len(), 3);
        assert!(said[0].starts_with("2: found -1, expected a finite weight of at least 0"), "{said:?}");
    }
}
