//! Converting: tables of any format become a folder of shards, from which training runs at the speed
//! of memory. See [`convert`].
//!
//! - `config`: what to convert, and how
//! - `shape`, `filter`, `grammar`, `words`: which rows and columns go over
//! - `lots`: the pieces into which the input is cut, and how they are read
//! - `shard`, `writers`, `dictionary`, `statistics`: shards under construction
//! - `division`, `hash`, `dedup`, `scatter`: which rows go where, which are left out, in which order
//! - `folder`, `rejects`: the output, and what it is safe from
//! - `size`: how large things will be
//! - `run`, `buckets`, `report`: all of it together

mod buckets;
mod config;
mod dedup;
mod dictionary;
mod division;
mod filter;
mod folder;
mod grammar;
mod lots;
mod rejects;
mod report;
mod run;
mod scatter;
mod shape;
mod shard;
mod size;
mod statistics;
mod summary;
mod words;
mod writers;

pub use config::{ConvertConfig, Division, Existing, IpcCompression, Recipe, RowOrder, ShardFormat};
pub use run::convert;
pub use statistics::{Numbers, Statistics};
pub use summary::{PartSummary, Summary};
