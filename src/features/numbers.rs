//! Numbers made features.

use arrow::array::ArrayRef;

use super::limits::Limits;
use super::scale::Scale;
use super::values::{is_text, map_numbers, plain};
use crate::error::{Error, Result};
use crate::learn::kernels::within;

/// Makes features of an array of as many numbers, NaN where one is missing.
///
/// # Errors
/// If it is of another type.
pub(super) fn encode_numbers(array: &ArrayRef, scale: &Scale, features: &mut [f32]) -> Result<()> {
    expect_numbers(array)?;
    let (origin, factor) = scale.linear_step();
    let linear = |x: f64| ((x - origin) * factor) as f32;
    if scale.is_linear() {
        let Limits { low, high } = scale.limits();
        return map_numbers(array, features, f32::NAN, |x| within(linear(x), low, high));
    }
    map_numbers(array, features, f32::NAN, linear)?;
    scale.features(features);
    Ok(())
}

/// Writes 1 for each feature that is missing, and 0 for the others.
pub(super) fn flag_missing(features: &[f32], flags: &mut [f32]) {
    for (flag, feature) in flags.iter_mut().zip(features) {
        *flag = f32::from(u8::from(feature.is_nan()));
    }
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
