//! Exact statistics of a column over all rows of a shard, or of many.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Counts, and for numbers their range and mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// Rows in which the column holds something.
    pub present: u64,
    /// Rows in which it does not.
    pub missing: u64,
    /// Of numbers, that are there and finite.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numbers: Option<Numbers>,
}

/// Range and sum of finite numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Numbers {
    /// How many there are.
    pub count: u64,
    /// The least; null if there are none.
    pub min: Option<f64>,
    /// The greatest; null if there are none.
    pub max: Option<f64>,
    /// Their sum, added in the order of the rows.
    pub sum: f64,
}

impl Statistics {
    /// Of no rows.
    pub(super) fn of(data_type: &DataType) -> Self {
        let numbers = data_type.is_numeric().then_some(Numbers { count: 0, min: None, max: None, sum: 0.0 });
        Statistics { present: 0, missing: 0, numbers }
    }

    /// Takes in more rows.
    pub(super) fn add(&mut self, column: &ArrayRef) -> Result<()> {
        let missing = column.logical_null_count();
        self.missing += missing as u64;
        self.present += (column.len() - missing) as u64;
        let Some(numbers) = &mut self.numbers else { return Ok(()) };
        let fault = |e| Error::data(format!("can't read {} as numbers: {e}", column.data_type()));
        let floats = cast(column, &DataType::Float64).map_err(fault)?;
        let floats = floats.as_primitive::<Float64Type>();
        // Eight sums side by side, so that the additions need not wait for each other.
        let mut lanes = [Lane::EMPTY; 8];
        let valid = |row: usize| floats.nulls().is_none_or(|nulls| nulls.is_valid(row));
        for (row, &x) in floats.values().iter().enumerate() {
            lanes[row % 8].add(x, valid(row) && x.is_finite());
        }
        for lane in lanes.iter().filter(|lane| lane.count > 0) {
            numbers.merge(&Numbers {
                count: lane.count,
                min: Some(lane.min),
                max: Some(lane.max),
                sum: lane.sum,
            });
        }
        Ok(())
    }

    /// Takes in the statistics of other rows.
    pub(super) fn merge(&mut self, other: &Statistics) {
        self.present += other.present;
        self.missing += other.missing;
        if let (Some(mine), Some(theirs)) = (&mut self.numbers, &other.numbers) {
            mine.merge(theirs);
        }
    }
}

#[derive(Clone, Copy)]
struct Lane {
    count: u64,
    min: f64,
    max: f64,
    sum: f64,
}

impl Lane {
    const EMPTY: Lane = Lane { count: 0, min: f64::INFINITY, max: f64::NEG_INFINITY, sum: 0.0 };

    /// Takes in a number if `counts`, without branching on that.
    #[inline(always)]
    fn add(&mut self, x: f64, counts: bool) {
        self.count += u64::from(counts);
        self.min = self.min.min(if counts { x } else { f64::INFINITY });
        self.max = self.max.max(if counts { x } else { f64::NEG_INFINITY });
        self.sum += if counts { x } else { 0.0 };
    }
}

impl Numbers {
    fn merge(&mut self, other: &Numbers) {
        let both = |a: Option<f64>, b: Option<f64>, f: fn(f64, f64) -> f64| match (a, b) {
            (Some(a), Some(b)) => Some(f(a, b)),
            (a, b) => a.or(b),
        };
        self.count += other.count;
        self.min = both(self.min, other.min, f64::min);
        self.max = both(self.max, other.max, f64::max);
        self.sum += other.sum;
    }
}
