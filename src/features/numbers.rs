//! Numbers made features.

use arrow::array::ArrayRef;

use super::scale::Scale;
use super::values::{for_each_number, is_text, plain};
use crate::error::{Error, Result};

/// Makes features of an array of as many numbers, NaN where one is missing.
///
/// # Errors
/// If it is of another type.
pub(super) fn encode_numbers(array: &ArrayRef, scale: &Scale, features: &mut [f32]) -> Result<()> {
    expect_numbers(array)?;
    let (origin, factor) = scale.linear_step();
    for_each_number(array, |row, x| {
        features[row] = x.map_or(f32::NAN, |x| ((x - origin) * factor) as f32);
    })?;
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
        return Err(Error::data("found text, expected numbers, as in the data of the plan"));
    }
    Ok(())
}
