//! The summary of a conversion.

use serde::Serialize;

/// What a conversion did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Always `mkshards`.
    pub command: &'static str,
    /// Rows read.
    pub rows_read: u64,
    /// Rows written.
    pub rows: u64,
    /// Rows that a filter left out.
    pub filtered: u64,
    /// Rows that were left out because they equal an earlier one.
    pub duplicates: u64,
    /// Rows that could not be read.
    pub rejects: u64,
    /// The folders and what they hold.
    pub parts: Vec<PartSummary>,
    /// Bytes of the input.
    pub bytes_read: u64,
    /// Bytes of all shards.
    pub bytes_written: u64,
    /// Seconds from beginning to end.
    pub seconds: f64,
    /// Bytes of input for each second.
    pub bytes_per_second: f64,
    /// Most bytes of memory that the process held.
    pub peak_memory_bytes: u64,
    /// Threads that worked at the same time.
    pub threads: usize,
    /// The seed.
    pub seed: u64,
    /// What the user should know, a sentence each.
    pub notes: Vec<String>,
}

/// One folder of shards.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartSummary {
    /// The folder.
    pub folder: String,
    /// Its rows.
    pub rows: u64,
    /// Its shards.
    pub shards: usize,
    /// Their bytes.
    pub bytes: u64,
}
