//! Numbers made features: row by row, or once for each value of a dictionary.

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::DataType;

use super::codes::{for_each_key, same_values};
use super::scale::Scale;
use super::values::for_each_number;
use crate::error::Result;

/// A dictionary larger than so many times the batch is not gone through for it.
const WORTH: usize = 8;

/// The dictionary of a column of numbers that was met last.
#[derive(Debug)]
pub(super) struct Known {
    values: ArrayRef,
    features: Vec<f32>,
    /// 1 for a number that counts as missing.
    flags: Vec<f32>,
}

impl Known {
    fn new(values: &ArrayRef, scale: &Scale) -> Result<Known> {
        let (mut features, mut flags) = (vec![0.0; values.len()], vec![0.0; values.len()]);
        by_row(values, scale, &mut features, Some(&mut flags))?;
        Ok(Known { values: values.clone(), features, flags })
    }
}

/// Makes features of an array of numbers, and flags of 1 where one is missing. Both have the array's length.
pub(super) fn encode_numbers(
    array: &ArrayRef,
    scale: &Scale,
    last: &mut Option<Known>,
    features: &mut [f32],
    flags: Option<&mut [f32]>,
) -> Result<()> {
    let DataType::Dictionary(..) = array.data_type() else {
        return by_row(array, scale, features, flags);
    };
    let values = array.as_any_dictionary().values();
    let known = match last {
        Some(known) if same_values(&known.values, values) => known,
        _ if values.len() > WORTH * array.len() => return by_row(array, scale, features, flags),
        _ => last.insert(Known::new(values, scale)?),
    };
    for_each_key(array, &known.features, scale.missing(), features)?;
    match flags {
        Some(flags) => for_each_key(array, &known.flags, 1.0, flags),
        None => Ok(()),
    }
}

fn by_row(array: &ArrayRef, scale: &Scale, features: &mut [f32], flags: Option<&mut [f32]>) -> Result<()> {
    let (origin, factor) = scale.linear_step();
    for_each_number(array, |row, x| {
        features[row] = x.map_or(f32::NAN, |x| ((x - origin) * factor) as f32);
    })?;
    match flags {
        Some(flags) => scale.finish(features, |row, missing| flags[row] = f32::from(u8::from(missing))),
        None => scale.finish(features, |_, _| ()),
    }
    Ok(())
}
