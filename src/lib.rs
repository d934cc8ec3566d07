//! millstream fits linear models to tables that do not fit in memory, in one pass over the data.

mod blocking;
pub mod catalog;
pub mod cli;
pub mod convert;
pub mod error;
pub mod features;
pub mod input;
pub mod learn;
mod machine;
pub mod model;
pub mod output;
pub mod pipeline;
pub mod random;
mod raw;
mod suggest;
pub mod trainer;

pub use error::{Error, Result};
