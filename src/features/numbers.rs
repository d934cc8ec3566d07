//! Numbers made features.

use arrow::array::ArrayRef;

use super::limits::Limits;
use super::scale::Scale;
use super::values::{is_text, map_numbers, plain};
use crate::error::{Error, Result};
use crate::learn::kernels::within;

/// Makes features of an array of as many numbers, `gap` where one is missing.
///
/// # Errors
/// If it is of another type.
pub(super) fn encode_numbers(array: &ArrayRef, scale: &Scale, gap: f32, features: &mut [f32]) -> Result<()> {
    expect_numbers(array)?;
    let (origin, factor) = scale.linear_step();
    let linear = |x: f64| ((x - origin) * factor) as f32;
    if scale.is_linear() {
        let Limits { low, high } = scale.limits();
        return map_numbers(array, features, gap, |x| within(linear(x), low, high, gap));
    }
    map_numbers(array, features, f32::NAN, linear)?;
    scale.features(features, gap);
    Ok(())
}

pub(super) fn expect_numbers(array: &ArrayRef) -> Result<()> {
    if is_text(plain(&array.slice(0, 0))?.data_type()) {
        return Err(not_numbers());
    }
    Ok(())
}

/// The error of texts where numbers should be.
pub(super) fn not_numbers() -> Error {
    Error::data("found text, expected numbers, as in the data of the plan")
}
