//! The configuration of a conversion: a plain struct, made by the command line or by a program.

use std::path::PathBuf;

use arrow::ipc::CompressionType;
use serde::Serialize;

use crate::input::ReadOptions;

/// What to convert, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvertConfig {
    /// Files, folders and globs; `-` is standard input.
    pub inputs: Vec<String>,
    /// How they are read where they don't say so themselves.
    pub read: ReadOptions,
    /// The folder of the shards.
    pub output: PathBuf,
    /// The shards' format.
    pub format: ShardFormat,
    /// Bytes of a shard, about.
    pub shard_bytes: usize,
    /// Which rows and columns go over, and how.
    pub recipe: Recipe,
    /// Whether of equal rows only the first goes over.
    pub dedup: bool,
    /// The order of the rows.
    pub order: RowOrder,
    /// Folders among which rows are divided.
    pub division: Option<Division>,
    /// Where rows go that can't be read; without it the first is an error.
    pub rejects: Option<PathBuf>,
    /// Most rows that may go there.
    pub max_rejects: u64,
    /// Seed of the order and of the division.
    pub seed: u64,
    /// Threads; they change nothing but the time.
    pub threads: usize,
    /// Bytes of memory, `None` for half of the machine's; they change nothing but the time.
    pub memory: Option<usize>,
    /// What becomes of what lies in the folder.
    pub existing: Existing,
}

/// The format of shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ShardFormat {
    /// Arrow IPC files.
    Ipc(Option<IpcCompression>),
    /// Parquet, zstd.
    Parquet,
}

impl ShardFormat {
    /// How names of such files end.
    pub fn extension(self) -> &'static str {
        match self {
            ShardFormat::Ipc(_) => "arrow",
            ShardFormat::Parquet => "parquet",
        }
    }
}

/// Compression of the buffers of an Arrow IPC file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IpcCompression {
    /// LZ4 frames.
    Lz4,
    /// Zstandard.
    Zstd,
}

impl From<IpcCompression> for CompressionType {
    fn from(compression: IpcCompression) -> Self {
        match compression {
            IpcCompression::Lz4 => CompressionType::LZ4_FRAME,
            IpcCompression::Zstd => CompressionType::ZSTD,
        }
    }
}

/// Which rows and columns go over, and how. Names are those of the input.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Recipe {
    /// The columns that go over, in this order; empty for all.
    pub select: Vec<String>,
    /// Columns that don't.
    pub drop: Vec<String>,
    /// Columns and their new names.
    pub rename: Vec<(String, String)>,
    /// Rows to keep: comparisons in the manner of SQL's WHERE.
    pub filter: Option<String>,
    /// Columns, and what to write where they hold nothing.
    pub fill: Vec<(String, String)>,
}

/// The order of the rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RowOrder {
    /// As they come.
    AsIs,
    /// Every order equally likely.
    Shuffled,
    /// By these columns, ascending, missing values first; equal rows as they come.
    By(Vec<String>),
}

/// Folders among which rows are divided.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Division {
    /// The folders' names, and each one's share of the rows; the shares add up to 1.
    pub parts: Vec<(String, f64)>,
    /// Rows with the same value in this column stay together; without it, equal rows do.
    pub by: Option<String>,
}

/// What becomes of what lies in the output folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// A folder that holds anything is refused.
    Refuse,
    /// Shards of an earlier conversion are removed.
    Overwrite,
    /// A conversion that broke off goes on.
    Resume,
}
