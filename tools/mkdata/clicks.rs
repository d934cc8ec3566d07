//! The click log: a table in the shape of Criteo's, 13 counts `I1..I13` and 26 categories
//! `C1..C26`. Shares of gaps, tails and cardinalities are like the original's; the columns are
//! drawn independently of each other, so that a column's effect is its own.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, UInt32Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field};
use rand::RngExt;
use rand_distr::StandardNormal;
use serde_json::{Value, json};

use crate::model::Table;
use crate::random::{PowerLaw, Stream, column_key, deviate, mix32, mix64};

/// A heavy-tailed count: a log-normal number rounded down. Its effect is `weight * ln(1 + x)` (-1
/// counts as 0), or `missing` where there is a gap.
struct Count {
    median: f64,
    sigma: f64,
    gaps: f64,
    minus_ones: f64,
    weight: f64,
    missing: f64,
}

#[rustfmt::skip]
const COUNTS: [Count; 13] = [
    Count { median: 2.0,    sigma: 1.5, gaps: 0.45,  minus_ones: 0.0, weight: 0.30,  missing: -0.20 },
    Count { median: 4.0,    sigma: 2.0, gaps: 0.0,   minus_ones: 0.3, weight: 0.10,  missing: 0.0 },
    Count { median: 8.0,    sigma: 1.6, gaps: 0.21,  minus_ones: 0.0, weight: 0.08,  missing: 0.10 },
    Count { median: 5.0,    sigma: 1.1, gaps: 0.22,  minus_ones: 0.0, weight: -0.15, missing: 0.0 },
    Count { median: 2000.0, sigma: 2.2, gaps: 0.03,  minus_ones: 0.0, weight: -0.12, missing: 0.0 },
    Count { median: 40.0,   sigma: 1.7, gaps: 0.22,  minus_ones: 0.0, weight: -0.15, missing: -0.60 },
    Count { median: 4.0,    sigma: 1.6, gaps: 0.04,  minus_ones: 0.0, weight: 0.25,  missing: 0.0 },
    Count { median: 10.0,   sigma: 1.2, gaps: 0.001, minus_ones: 0.0, weight: 0.0,   missing: 0.0 },
    Count { median: 60.0,   sigma: 1.4, gaps: 0.04,  minus_ones: 0.0, weight: -0.05, missing: 0.0 },
    Count { median: 0.7,    sigma: 0.6, gaps: 0.45,  minus_ones: 0.0, weight: 0.40,  missing: 0.30 },
    Count { median: 2.0,    sigma: 0.9, gaps: 0.04,  minus_ones: 0.0, weight: 0.35,  missing: 0.0 },
    Count { median: 0.3,    sigma: 1.2, gaps: 0.40,  minus_ones: 0.0, weight: 0.15,  missing: -0.30 },
    Count { median: 6.0,    sigma: 1.2, gaps: 0.22,  minus_ones: 0.0, weight: 0.0,   missing: 0.40 },
];

/// A category. Its values' effects are deviates of standard deviation `scale`, hashed from the value
/// and the seed, so that millions of them take no memory; a gap has one as well.
struct Category {
    cardinality: u32,
    exponent: f64,
    gaps: f64,
    scale: f64,
}

const fn category(cardinality: u32, exponent: f64, gaps: f64, scale: f64) -> Category {
    Category { cardinality, exponent, gaps, scale }
}

const CATEGORIES: [Category; 26] = [
    category(2_000, 1.20, 0.0, 0.35),
    category(500, 1.10, 0.0, 0.30),
    category(3_000_000, 1.05, 0.03, 0.30),
    category(500_000, 1.10, 0.03, 0.25),
    category(100, 1.30, 0.0, 0.20),
    category(15, 1.20, 0.12, 0.25),
    category(10_000, 1.10, 0.0, 0.30),
    category(300, 1.25, 0.0, 0.0),
    category(3, 1.30, 0.0, 0.30),
    category(50_000, 1.10, 0.0, 0.35),
    category(5_000, 1.10, 0.0, 0.30),
    category(2_000_000, 1.05, 0.03, 0.25),
    category(3_000, 1.10, 0.0, 0.0),
    category(20, 1.20, 0.0, 0.40),
    category(12_000, 1.15, 0.0, 0.25),
    category(5_000_000, 1.05, 0.03, 0.20),
    category(10, 1.20, 0.0, 0.40),
    category(7_500, 1.10, 0.0, 0.35),
    category(1_000, 1.20, 0.44, 0.25),
    category(4, 1.10, 0.44, 0.20),
    category(1_000_000, 1.06, 0.03, 0.0),
    category(27, 1.30, 0.45, 0.15),
    category(60, 1.10, 0.0, 0.30),
    category(200_000, 1.10, 0.03, 0.30),
    category(150, 1.10, 0.44, 0.10),
    category(100_000, 1.10, 0.44, 0.30),
];

/// The click log under a seed.
pub(crate) struct Clicks {
    seed: u64,
    laws: [PowerLaw; CATEGORIES.len()],
}

impl Clicks {
    pub(crate) fn new(seed: u64) -> Clicks {
        let law = |category: Category| PowerLaw::new(category.cardinality, category.exponent);
        Clicks { seed, laws: CATEGORIES.map(law) }
    }

    fn categories(&self, number: usize, rng: &mut Stream, logits: &mut [f64]) -> ArrayRef {
        let Category { gaps, scale, .. } = CATEGORIES[number];
        let law = &self.laws[number];
        let key = column_key(self.seed, COUNTS.len() + number);
        let effect = |value: u64| scale * deviate(mix64(key ^ value));
        let gap_effect = effect(1 << 32); // no value has this bit

        let mut ids = Vec::with_capacity(logits.len());
        let mut valid = Vec::with_capacity(logits.len());
        for logit in logits {
            let u: f64 = rng.random();
            valid.push(u >= gaps);
            if u < gaps {
                ids.push(0);
                *logit += gap_effect;
            } else {
                let id = mix32(law.rank((u - gaps) / (1.0 - gaps)) ^ (key >> 32) as u32);
                ids.push(id);
                *logit += effect(id.into());
            }
        }
        Arc::new(UInt32Array::new(ids.into(), nulls(valid)))
    }
}

impl Count {
    fn column(&self, rng: &mut Stream, logits: &mut [f64]) -> ArrayRef {
        let mut values = Vec::with_capacity(logits.len());
        let mut valid = Vec::with_capacity(logits.len());
        for logit in logits {
            let u: f64 = rng.random();
            valid.push(u >= self.gaps);
            if u < self.gaps {
                values.push(0);
                *logit += self.missing;
            } else if u < self.gaps + self.minus_ones {
                values.push(-1);
            } else {
                let normal: f64 = rng.sample(StandardNormal);
                let value = (self.median * (self.sigma * normal).exp()) as i32;
                values.push(value);
                *logit += self.weight * (1.0 + f64::from(value)).ln();
            }
        }
        Arc::new(Int32Array::new(values.into(), nulls(valid)))
    }
}

fn nulls(valid: Vec<bool>) -> Option<NullBuffer> {
    Some(NullBuffer::from(valid)).filter(|nulls| nulls.null_count() > 0)
}

impl Table for Clicks {
    fn fields(&self) -> Vec<Field> {
        let counts = (1..=COUNTS.len()).map(|n| Field::new(format!("I{n}"), DataType::Int32, true));
        let categories = (1..=CATEGORIES.len()).map(|n| Field::new(format!("C{n}"), DataType::UInt32, true));
        counts.chain(categories).collect()
    }

    /// A quarter, as in Criteo's challenge set, where negatives had been thinned out; click logs as
    /// they come have a few per cent or less.
    fn base_rate(&self) -> f64 {
        0.25
    }

    fn column(&self, number: usize, _: &[ArrayRef], rng: &mut Stream, logits: &mut [f64]) -> ArrayRef {
        match COUNTS.get(number) {
            Some(count) => count.column(rng, logits),
            None => self.categories(number - COUNTS.len(), rng, logits),
        }
    }

    fn truth(&self, number: usize) -> Value {
        if let Some(count) = COUNTS.get(number) {
            return json!({
                "kind": "count",
                "nulls": count.gaps,
                "minus_ones": count.minus_ones,
                "weight": count.weight,
                "null_effect": count.missing,
            });
        }
        let category = &CATEGORIES[number - COUNTS.len()];
        json!({
            "kind": "category",
            "nulls": category.gaps,
            "cardinality": category.cardinality,
            "exponent": category.exponent,
            "scale": category.scale,
        })
    }
}
