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
    /// Any number of classes; the label is a class's place.
    Classes {
        /// The column.
        column: String,
        /// The classes.
        classes: Vec<String>,
        /// Each one's share of the sample.
        shares: Vec<f64>,
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
            Target::Binary { column, .. }
            | Target::Classes { column, .. }
            | Target::Number { column, .. } => column,
        }
    }

    /// What one unit of the label is in the target's own unit.
    pub fn scale(&self) -> f64 {
        match self {
            Target::Binary { .. } | Target::Classes { .. } => 1.0,
            Target::Number { scale, .. } => *scale,
        }
    }

    /// Margins of each row.
    pub fn outputs(&self) -> usize {
        match self {
            Target::Classes { classes, .. } => classes.len(),
            Target::Binary { .. } | Target::Number { .. } => 1,
        }
    }

    /// The prediction, in the target's own unit, of a margin.
    pub fn unscale(&self, margin: f32) -> f64 {
        match self {
            Target::Binary { .. } | Target::Classes { .. } => f64::from(margin),
            Target::Number { offset, scale, .. } => f64::from(margin) * scale + offset,
        }
    }

    /// The loss to minimise when the user names none.
    pub fn default_loss(&self) -> Loss {
        match self {
            Target::Binary { .. } => Loss::Logistic,
            Target::Classes { .. } => Loss::Softmax,
            Target::Number { .. } => Loss::Squared,
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
            Target::Number { offset, scale, .. } => {
                let fault = |found: &str| {
                    Error::data(format!("found {found}, expected a finite number as target"))
                        .remedy("leave such rows out with --on-error skip")
                };
                let label = |x: f64| {
                    let label = ((x - offset) / scale) as f32;
                    if label.is_finite() { Ok(label) } else { Err(fault(&x.to_string())) }
                };
                if Sort::of(array.data_type()) == Sort::Text {
                    for_each_text(array, |row, text| {
                        let read = |t| parse(t).ok_or_else(|| fault(&quoted(t))).and_then(label);
                        push(row, text.ok_or_else(missing).and_then(read));
                    })?;
                } else {
                    for_each_number(array, |row, x| push(row, x.ok_or_else(missing).and_then(label)))?;
                }
            }
            Target::Classes { .. } => return Err(Error::usage("several classes can't be learned yet")),
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
                        // A class that is a number may be written in other ways: 1 as 1.0.
                        let is = |t: &[u8], class: &str, number: Option<f64>| {
                            t == class.as_bytes() || number.is_some_and(|n| parse(t) == Some(n))
                        };
                        let (one, zero) = numbers.filter(|(one, zero)| one != zero).unzip();
                        push(
                            row,
                            match text {
                                Some(t) if is(t, positive, one) => Ok(1.0),
                                Some(t) if is(t, negative, zero) => Ok(0.0),
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

/// The number that a text says.
pub(super) fn parse(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// A text as shown in a message.
pub(super) fn quoted(text: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(text))
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
        let spelt = labels(&binary("1", "0"), Arc::new(StringArray::from(vec!["0.0", " 1", "1"])));
        assert_eq!(spelt.unwrap(), [0.0, 1.0, 1.0]);
        let codes = labels(&binary("1", "01"), Arc::new(StringArray::from(vec!["01", "1"])));
        assert_eq!(codes.unwrap(), [0.0, 1.0]);
    }

    #[test]
    fn strange_labels_are_errors() {
        let third = labels(&binary("yes", "no"), Arc::new(StringArray::from(vec!["no", "maybe"])));
        assert!(third.unwrap_err().to_string().starts_with("found \"maybe\", expected \"no\" or \"yes\""));
        let number = Target::Number { column: "y".into(), offset: 0.0, scale: 1.0 };
        assert!(labels(&number, Arc::new(Float64Array::from(vec![1.0, f64::NAN]))).is_err());
        assert!(labels(&number, Arc::new(Float64Array::from(vec![Some(1.0), None]))).is_err());
        let text = labels(&number, Arc::new(StringArray::from(vec!["1.5", "much"])));
        assert!(text.unwrap_err().to_string().starts_with("found \"much\", expected a finite number"));
    }
}
