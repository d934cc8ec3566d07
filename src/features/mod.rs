//! Features: from Arrow's columns to encoded rows.
//!
//! A [`Survey`] looks at a sample and sums up what it found in a [`Profile`]; [`decide`] turns this,
//! with the user's [`Overrides`], into a [`Plan`]; an [`Encoder`] carries the plan out on record
//! batches. The plan travels inside the model, so that predicting needs nothing else.

mod agree;
mod bins;
mod choose;
mod codes;
mod column;
mod cross;
mod decide;
mod digest;
mod distinct;
mod encode;
mod flaw;
mod hashes;
mod keys;
mod limits;
mod maps;
mod mixing;
mod numbers;
mod overrides;
mod plan;
mod profile;
mod scale;
mod survey;
mod target;
mod text;
mod thinned;
mod tokens;
mod translate;
mod values;
mod vocabulary;

pub(crate) use crate::suggest::no_such_column;
pub use cross::{Cross, Parent};
pub(crate) use decide::check_names;
pub use decide::{Decided, Wishes, decide};
pub use encode::{Encoded, Encoder, ReadHint, RowFilter, SplitCache};
pub use limits::Limits;
pub use overrides::{Clip, ColumnUse, Overrides};
pub use plan::{FeatureRef, Plan, PlannedColumn, TimePart, Use};
pub use profile::Profile;
pub use scale::{Form, Scale};
pub use survey::Survey;
pub(crate) use target::Tally;
pub use target::{ClassWeights, LossChoice, Offset, OffsetKind, Target};
pub use translate::Translate;
pub(crate) use translate::translated_field;
pub(crate) use values::is_text;
