//! Input: files of every format become [`Source`]s, which are cut into [`Split`]s and stream Arrow
//! record batches.
//!
//! A fault in the data is an [`Error`](crate::Error) with its place; nothing is skipped silently.

mod ahead;
mod arrange;
mod bytes;
mod csv;
mod dataset;
mod detect;
mod disk;
mod fetched;
mod guard;
mod hash;
mod ipc;
mod json;
mod libsvm;
mod lines;
mod meter;
mod mmap;
mod options;
mod parquet;
mod places;
mod reject;
mod room;
mod skipped;
mod source;
mod spare;
mod spool;
mod stamp;
mod unify;
mod vw;

pub use dataset::{Dataset, UNFINISHED};
pub use disk::{Access, Io};
pub use fetched::Fetched;
pub use guard::{caught, guarded};
pub(crate) use hash::{hash_rows, hash_values};
pub(crate) use meter::measured;
pub use meter::take_read;
pub use mmap::{ignore_file_limit, remove_unfinished, set_unfinished};
pub use options::{ColumnType, ReadOptions, TextFormat};
pub use reject::Reject;
pub use skipped::Skipped;
pub use source::{BatchStream, Extent, ReadAs, Request, Source, Split};
pub(crate) use spare::{keep_spare, spare_bytes};
