//! The target: how labels are understood.

use arrow::array::ArrayRef;
use serde::{Deserialize, Serialize};

use super::values::{Sort, for_each_number, for_each_text};
use crate::error::{Error, Result};
use crate::learn::Loss;

/// The column to predict, and what its values mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "lowercase")]
pub enum Target {
    /// Two classes.
    Binary {
        /// The column.
        column: String,
        /// The class that is predicted to be present: label 1.
        positive: String,
        /// The other one: label 0.
        negative: String,
        /// The positive class's share of the sample.
        share: f64,
    },
    /// A number; the label is `(value - offset) / scale`.
    Number {
        /// The column.
        column: String,
        /// The sample's mean, or 0.
        offset: f64,
        /// The sample's standard deviation, or 1.
        scale: f64,
    },
}

impl Target {
    /// The column's name.
    pub fn column(&self) -> &str {
        match self {
            Target::Binary { column, .. } | Target::Number { column, .. } => column,
        }
    }

    /// What one unit of the label is in the target's own unit.
    pub fn scale(&self) -> f64 {
        match self {
            Target::Binary { .. } => 1.0,
            Target::Number { scale, .. } => *scale,
        }
    }

    /// The prediction, in the target's own unit, of a margin.
    pub fn unscale(&self, margin: f32) -> f64 {
        match self {
            Target::Binary { .. } => f64::from(margin),
            Target::Number { offset, scale, .. } => f64::from(margin) * scale + offset,
        }
    }

    /// The loss to minimise when the user names none.
    pub fn default_loss(&self) -> Loss {
        match self {
            Target::Binary { .. } => Loss::Logistic,
            Target::Number { .. } => Loss::Squared,
        }
    }

    /// Whether the labels are best read as numbers (where a file has no types of its own).
    pub fn is_number(&self) -> bool {
        match self {
            Target::Binary { positive, negative, .. } => {
                positive.parse::<f64>().is_ok() && negative.parse::<f64>().is_ok()
            }
            Target::Number { .. } => true,
        }
    }

    /// Appends each row's label to `labels`; `bad(row, why)` decides what becomes of one that can't be
    /// understood: an error, or `Ok` to go on with a zero in its place.
    pub(crate) fn encode(
        &self,
        array: &ArrayRef,
        labels: &mut Vec<f32>,
        mut bad: impl FnMut(usize, Error) -> Result<()>,
    ) -> Result<()> {
        let mut result = Ok(());
        let mut push = |row: usize, label: Result<f32>| {
            if result.is_ok() {
                labels.push(label.unwrap_or_else(|error| {
                    result = bad(row, error);
                    0.0
                }));
            }
        };
        match self {
            Target::Number { offset, scale, .. } => for_each_number(array, |row, x| {
                push(
                    row,
                    match x {
                        Some(x) if x.is_finite() && (((x - offset) / scale) as f32).is_finite() => {
                            Ok(((x - offset) / scale) as f32)
                        }
                        Some(x) => Err(Error::data(format!("found {x}, expected a finite number as target"))
                            .remedy("leave such rows out with --on-error skip")),
                        None => Err(missing()),
                    },
                );
            })?,
            Target::Binary { positive, negative, .. } => {
                let other = |found: &str| {
                    Error::data(format!("found {found:?}, expected {negative:?} or {positive:?} as target"))
                        .remedy("a target has two classes; leave such rows out with --on-error skip")
                };
                let numbers = positive.parse::<f64>().ok().zip(negative.parse::<f64>().ok());
                match (Sort::of(array.data_type()), numbers) {
                    (Sort::Number, Some((one, zero))) => for_each_number(array, |row, x| {
                        push(
                            row,
                            match x {
                                Some(x) if x == one => Ok(1.0),
                                Some(x) if x == zero => Ok(0.0),
                                Some(x) if x.is_nan() => Err(missing()),
                                Some(x) => Err(other(&x.to_string())),
                                None => Err(missing()),
                            },
                        );
                    })?,
                    _ => for_each_text(array, |row, text| {
                        push(
                            row,
                            match text {
                                Some(t) if t == positive.as_bytes() => Ok(1.0),
                                Some(t) if t == negative.as_bytes() => Ok(0.0),
                                Some(t) => Err(other(&String::from_utf8_lossy(t))),
                                None => Err(missing()),
                            },
                        );
                    })?,
                }
            }
        }
        result
    }
}

fn missing() -> Error {
    Error::data("the target is missing").remedy("leave such rows out with --on-error skip")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int8Array, StringArray};

    use super::*;

    fn labels(target: &Target, array: ArrayRef) -> Result<Vec<f32>> {
        let mut labels = Vec::new();
        target.encode(&array, &mut labels, |_, e| Err(e))?;
        Ok(labels)
    }

    fn binary(positive: &str, negative: &str) -> Target {
        let column = "y".to_string();
        Target::Binary { column, positive: positive.into(), negative: negative.into(), share: 0.5 }
    }

    #[test]
    fn two_classes_are_told_apart_in_every_type() {
        let signs = labels(&binary("1", "-1"), Arc::new(Int8Array::from(vec![1, -1, 1])));
        assert_eq!(signs.unwrap(), [1.0, 0.0, 1.0]);
        let floats = labels(&binary("1", "0"), Arc::new(Float64Array::from(vec![0.0, 1.0])));
        assert_eq!(floats.unwrap(), [0.0, 1.0]);
        let texts = labels(&binary("yes", "no"), Arc::new(StringArray::from(vec!["no", "yes"])));
        assert_eq!(texts.unwrap(), [0.0, 1.0]);
    }

    #[test]
    fn strange_labels_are_errors() {
        let third = labels(&binary("yes", "no"), Arc::new(StringArray::from(vec!["no", "maybe"])));
        assert!(third.unwrap_err().to_string().starts_with("found \"maybe\", expected \"no\" or \"yes\""));
        let number = Target::Number { column: "y".into(), offset: 0.0, scale: 1.0 };
        assert!(labels(&number, Arc::new(Float64Array::from(vec![1.0, f64::NAN]))).is_err());
        assert!(labels(&number, Arc::new(Float64Array::from(vec![Some(1.0), None]))).is_err());
    }
}
