//! The dense table: 28 columns `f0..f27` of float32 without gaps, a linear model, and labels drawn
//! from it (that draw is the noise). The first nine columns are normal, then six uniform and six
//! log-normal; the last seven follow one of the first seven, with noise of their own.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float32Array};
use arrow::datatypes::{DataType, Field, Float32Type};
use rand::RngExt;
use rand_distr::StandardNormal;
use serde_json::{Value, json};

use crate::model::Table;
use crate::random::{Stream, column_key, deviate};

const COLUMNS: usize = 28;

/// Where the columns that follow others begin.
const FOLLOWERS: usize = 21;

/// The dense table under a seed.
pub(crate) struct Dense {
    weights: [f64; COLUMNS],
}

impl Dense {
    /// Draws the weights; every fifth column has none.
    pub(crate) fn new(seed: u64) -> Dense {
        let weight = |number| if number % 5 == 4 { 0.0 } else { 0.5 * deviate(column_key(seed, number)) };
        Dense { weights: std::array::from_fn(weight) }
    }
}

impl Table for Dense {
    fn fields(&self) -> Vec<Field> {
        (0..COLUMNS).map(|number| Field::new(format!("f{number}"), DataType::Float32, false)).collect()
    }

    fn base_rate(&self) -> f64 {
        0.5
    }

    fn column(&self, number: usize, earlier: &[ArrayRef], rng: &mut Stream, logits: &mut [f64]) -> ArrayRef {
        let rows = 0..logits.len();
        let values: Vec<f32> = match number {
            0..9 => rows.map(|_| rng.sample(StandardNormal)).collect(),
            9..15 => rows.map(|_| rng.random()).collect(),
            15..FOLLOWERS => rows.map(|_| (0.75 * rng.sample::<f32, _>(StandardNormal)).exp()).collect(),
            _ => {
                let leader = earlier[number - FOLLOWERS].as_primitive::<Float32Type>().values();
                leader.iter().map(|x| 0.8 * x + 0.6 * rng.sample::<f32, _>(StandardNormal)).collect()
            }
        };
        for (logit, value) in logits.iter_mut().zip(&values) {
            *logit += self.weights[number] * f64::from(*value);
        }
        Arc::new(Float32Array::from(values))
    }

    fn truth(&self, number: usize) -> Value {
        let (shape, leader) = match number {
            0..9 => ("normal", None),
            9..15 => ("uniform", None),
            15..FOLLOWERS => ("log-normal", None),
            _ => ("correlated", Some(format!("f{}", number - FOLLOWERS))),
        };
        json!({ "kind": "number", "shape": shape, "follows": leader, "weight": self.weights[number] })
    }
}
