//! The division of rows among folders: by the hash of a row, or of one of its values.

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;

use super::config::Division;
use super::shape::Prepared;
use crate::error::{Error, Result};
use crate::input::{hash_rows, hash_values};
use crate::random::keyed;

/// Deals rows to parts.
#[derive(Debug)]
pub(super) struct Divider {
    /// Where each part ends, in 2^64 equal steps; the last one ends at the end.
    ends: Vec<u64>,
    seed: u64,
}

/// A purpose of the seed.
const PURPOSE: u64 = 0x6469_7669_6465;

impl Divider {
    pub(super) fn new(division: Option<&Division>, seed: u64) -> Self {
        let mut sum = 0.0;
        let mut ends: Vec<u64> = division.map_or_else(Vec::new, |division| {
            let end = |(_, share): &(String, f64)| {
                sum += share;
                (sum * 2f64.powi(64)) as u64
            };
            division.parts.iter().map(end).collect()
        });
        ends.pop();
        Divider { ends, seed: keyed(seed, PURPOSE) }
    }

    /// How many parts there are.
    pub(super) fn parts(&self) -> usize {
        self.ends.len() + 1
    }

    /// Each row's part; empty if there is only one.
    pub(super) fn assign(&self, prepared: &Prepared) -> Result<Vec<u16>> {
        if self.ends.is_empty() {
            return Ok(Vec::new());
        }
        let hashes = match &prepared.by {
            Some(column) => hash_values(column)?,
            None => hash_rows(&prepared.batch)?,
        };
        let part = |hash: u128| {
            let draw = keyed(self.seed, (hash >> 64) as u64 ^ hash as u64);
            self.ends.partition_point(|end| *end <= draw) as u16
        };
        Ok(hashes.into_iter().map(part).collect())
    }

    /// The rows of each part, in order; parts without rows are left out.
    pub(super) fn divide(&self, prepared: Prepared) -> Result<Vec<(usize, RecordBatch)>> {
        let parts = self.assign(&prepared)?;
        if parts.is_empty() {
            return Ok(vec![(0, prepared.batch)]);
        }
        let mut divided = Vec::new();
        for part in 0..self.parts() {
            let keeps: BooleanArray = parts.iter().map(|&other| Some(usize::from(other) == part)).collect();
            if keeps.true_count() > 0 {
                let rows = filter_record_batch(&prepared.batch, &keeps)
                    .map_err(|e| Error::data(format!("can't divide rows: {e}")))?;
                divided.push((part, rows));
            }
        }
        Ok(divided)
    }
}
