//! The space: what values the parameters of a search may have.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

use super::parameter::{Parameter, Value};
use crate::error::{Error, Result};

/// A parameter and its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// The parameter.
    pub parameter: Parameter,
    /// The values.
    pub values: Values,
}

/// The values of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Some.
    List(Vec<Value>),
    /// All numbers between two.
    Range {
        /// The least.
        low: f64,
        /// The greatest.
        high: f64,
        /// Whether equal factors, not equal differences, are equally likely.
        log: bool,
    },
}

impl Display for Axis {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = self.parameter.name();
        match &self.values {
            Values::List(values) => {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                write!(f, "{name}={}", values.join(","))
            }
            Values::Range { low, high, .. } => {
                write!(f, "{name}={}..{}", Value::Number(*low), Value::Number(*high))
            }
        }
    }
}

/// One value of each axis, in their order.
pub(super) type Point = Vec<(Parameter, Value)>;

/// A value as checkpoints have it: its place in its axis's list, or the number that it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum Choice {
    Listed(usize),
    Number(f64),
}

impl Values {
    /// Which of these a value is.
    ///
    /// # Panics
    /// If it is none.
    pub(super) fn choice(&self, value: &Value) -> Choice {
        match (self, value) {
            (Values::Range { .. }, Value::Number(number)) => Choice::Number(*number),
            (Values::List(values), value) => {
                let place = values.iter().position(|other| other == value);
                Choice::Listed(place.expect("points are made of the axes' values"))
            }
            (Values::Range { .. }, Value::Word(..)) => panic!("ranges are of numbers"),
        }
    }

    /// The value of a choice that was made among these.
    ///
    /// # Panics
    /// If it was not.
    pub(super) fn chosen(&self, choice: Choice) -> Value {
        match (self, choice) {
            (Values::List(values), Choice::Listed(place)) => values[place].clone(),
            (Values::Range { .. }, Choice::Number(number)) => Value::Number(number),
            _ => panic!("a checkpoint's axes are those of its run"),
        }
    }

    /// The value at a place between 0 and 1, in which values are as likely as they are to be drawn.
    pub(super) fn at(&self, place: f64) -> Value {
        match self {
            Values::List(values) => {
                let last = values.len() - 1;
                values[((place * values.len() as f64) as usize).min(last)].clone()
            }
            Values::Range { low, high, log: true } => {
                let ends = [low.ln(), high.ln()];
                Value::Number(rounded((ends[0] + place * (ends[1] - ends[0])).exp()).clamp(*low, *high))
            }
            Values::Range { low, high, log: false } => {
                Value::Number(rounded(low + place * (high - low)).clamp(*low, *high))
            }
        }
    }
}

/// A number of four digits: as good a proposal as any near it, and one that can be typed.
pub(super) fn rounded(number: f64) -> f64 {
    format!("{number:.3e}").parse().unwrap_or(number)
}

/// Most points of a grid.
const MOST_POINTS: usize = 100_000;

/// How many points there are, if not any number.
pub(super) fn size(axes: &[Axis]) -> Option<usize> {
    axes.iter().try_fold(1usize, |size, axis| match &axis.values {
        Values::List(values) => Some(size.saturating_mul(values.len())),
        Values::Range { .. } => None,
    })
}

/// All points of a grid, the last axis's values changing first.
///
/// # Errors
/// If an axis has no list of values.
pub(super) fn grid(axes: &[Axis]) -> Result<Vec<Point>> {
    if let Some(size) = size(axes).filter(|size| *size > MOST_POINTS) {
        return Err(Error::usage(format!("the grid has {size} points, more than {MOST_POINTS}"))
            .remedy("give fewer values, or try some of them with --random N or --bayes N"));
    }
    let mut points = vec![Vec::new()];
    for Axis { parameter, values } in axes {
        let Values::List(values) = values else {
            let message = format!("a grid needs values of {}, not a range", parameter.name());
            return Err(Error::usage(message)
                .remedy(format!("give --grid {}=A,B,..., or --random N or --bayes N", parameter.name())));
        };
        let with = |point: &Point| {
            let point = point.clone();
            let longer = move |value: &Value| [point.clone(), vec![(*parameter, value.clone())]].concat();
            values.iter().map(longer).collect::<Vec<_>>()
        };
        points = points.iter().flat_map(with).collect();
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_spread_over_the_scale() {
        let range = |log| Values::Range { low: 0.01, high: 1.0, log };
        assert_eq!(range(true).at(0.5), Value::Number(0.1));
        assert_eq!(range(false).at(0.5), Value::Number(0.505));
        assert_eq!([range(true).at(0.0), range(true).at(1.0)], [Value::Number(0.01), Value::Number(1.0)]);
        let list = Values::List([1.0, 2.0, 3.0].map(Value::Number).to_vec());
        assert_eq!([0.0, 0.34, 0.99, 1.0].map(|p| list.at(p)), [1.0, 2.0, 3.0, 3.0].map(Value::Number));
        for values in [range(true), range(false), list] {
            assert_eq!(values.chosen(values.choice(&values.at(0.7))), values.at(0.7));
        }
    }

    #[test]
    fn a_grid_has_every_combination_once() {
        let axis = |parameter, values: &[f64]| {
            let values = values.iter().map(|&v| Value::Number(v)).collect();
            Axis { parameter, values: Values::List(values) }
        };
        let axes = [axis(Parameter::LearningRate, &[0.1, 0.2]), axis(Parameter::L2, &[0.0, 1e-6, 1e-3])];
        let points = grid(&axes).unwrap();
        assert_eq!(points.len(), 6);
        assert_eq!(
            points[4],
            [(Parameter::LearningRate, Value::Number(0.2)), (Parameter::L2, Value::Number(1e-6))]
        );
        let range = Values::Range { low: 0.1, high: 1.0, log: true };
        let error = grid(&[Axis { parameter: Parameter::L2, values: range }]).unwrap_err();
        assert!(error.to_string().contains("a grid needs values of l2"));
    }
}
