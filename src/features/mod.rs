//! Features: from Arrow's columns to encoded rows.
//!
//! A [`Survey`] looks at a sample; [`decide`] turns it, with the user's [`Overrides`], into a
//! [`Plan`]; an [`Encoder`] carries the plan out on record batches. The plan travels inside the
//! model, so that predicting needs nothing else.

mod decide;
mod encode;
mod overrides;
mod plan;
mod scale;
mod survey;
mod target;
mod values;
mod vocabulary;

pub(crate) use crate::suggest::no_such_column;
pub use decide::{Wishes, decide};
pub use encode::{Encoded, Encoder, ReadHint, RowFilter, SplitCache};
pub use overrides::{ColumnUse, Overrides};
pub use plan::{FeatureRef, Plan, PlannedColumn, TimePart, Use};
pub use scale::Scale;
pub use survey::Survey;
pub use target::Target;
