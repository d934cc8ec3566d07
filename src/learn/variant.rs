//! Variants: what models side by side may differ in.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::learner::Column;
use super::penalty::Penalty;

/// What one of several models side by side may have to itself; all else they share.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Variant {
    /// The learning rate.
    pub rate: f32,
    /// What weights cost, the bias aside.
    pub penalty: Penalty,
    /// Rows that the model does not learn from. They count as if they were not in their mini-batch, which may
    /// leave it without any.
    pub left_out: Option<Parts>,
    /// Columns that the model does without: their weights stay zero.
    pub without: Vec<Column>,
}

impl Variant {
    /// A model without penalty that learns from all rows and columns.
    pub fn at(rate: f32) -> Self {
        Variant { rate, ..Variant::default() }
    }

    /// Models at several rates, alike but for that.
    pub fn at_each(rates: &[f32], penalty: Penalty) -> Vec<Self> {
        rates.iter().map(|&rate| Variant { penalty, ..Variant::at(rate) }).collect()
    }

    /// Whether the model learns from a row that belongs to `parts`.
    #[inline(always)]
    pub fn learns_from(&self, parts: &[u32]) -> bool {
        !self.left_out.as_ref().is_some_and(|left_out| left_out.contain(parts))
    }
}

/// Some parts of one of the divisions of the rows (see [`super::Chunk::parts`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// Which division.
    pub division: usize,
    /// Which of its parts.
    pub range: Range<u32>,
}

impl Parts {
    /// Whether a row is in them that belongs to `parts`, one for each division.
    #[inline(always)]
    pub fn contain(&self, parts: &[u32]) -> bool {
        self.range.contains(&parts[self.division])
    }
}
