//! Offsets: what a column adds to the margin of each row, with no weight to be learned.

use serde::{Deserialize, Serialize};

/// A column that is added to the margin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offset {
    /// The column.
    pub column: String,
    /// What of it is added.
    pub kind: OffsetKind,
}

/// What of an offset's column is added to the margin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OffsetKind {
    /// The number itself: for a regression in the target's own unit.
    Margin,
    /// Its logarithm, so that a count is expected to grow with it: time at risk, area, rows of a group.
    Exposure,
}

impl OffsetKind {
    /// The word for it in messages.
    pub fn word(self) -> &'static str {
        match self {
            OffsetKind::Margin => "offset",
            OffsetKind::Exposure => "exposure",
        }
    }
}
