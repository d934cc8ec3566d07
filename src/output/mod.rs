//! Output: files that appear whole or not at all, and tables in every format.

mod atomic;
mod table;

pub use atomic::{AtomicFile, is_special};
pub(crate) use table::io_cause;
pub use table::{Format, TableWriter};
