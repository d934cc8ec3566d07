//! Sizes: how many rows there are and how many bytes they will take, as a sample says.

use std::path::PathBuf;
use std::sync::Arc;

use super::config::ShardFormat;
use super::lots::Reader;
use super::shape::Shape;
use super::shard::{Layout, ShardWriter};
use crate::error::Result;
use crate::input::{Dataset, Extent};

/// What is expected of the input.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// Bytes of a row in memory, which are those of an uncompressed shard.
    pub(super) row_bytes: f64,
    /// Rows of a byte of text.
    rows_per_byte: f64,
    /// Share of the rows that are kept.
    kept: f64,
}

/// Bytes that a byte of compressed text stands for, about.
const EXPANSION: f64 = 5.0;
/// Rows that are looked at.
const SAMPLE_ROWS: u64 = 1 << 14;
/// In Parquet a row takes so much less.
const PARQUET: f64 = 3.5;

impl Size {
    /// Reads a split from the middle.
    /// Returns also which columns hold texts that repeat, of those that are categories in `shape`.
    pub(super) fn measure(dataset: &Dataset, shape: &Shape) -> Result<(Size, Vec<bool>)> {
        let splits = dataset.splits();
        let middle = splits.len() / 2;
        let Some(split) = splits.get(middle) else {
            return Ok((Size { row_bytes: 1.0, rows_per_byte: 1.0, kept: 1.0 }, Vec::new()));
        };
        let layout =
            Layout { schema: shape.schema.clone(), format: ShardFormat::Ipc(None), shard_bytes: usize::MAX };
        let mut sample = ShardWriter::create(Arc::new(layout), PathBuf::new())?;
        // A range of text is read to its end: how many rows it has is what is to be found out.
        let most = if matches!(split.extent, Extent::Bytes { .. }) { u64::MAX } else { SAMPLE_ROWS };
        let mut kept = 0;
        let read = Reader { dataset, shape }.read_some(middle, most, |prepared, _| {
            kept += prepared.batch.num_rows() as u64;
            sample.push(&prepared.batch)
        });
        // An error in the data will be met again, and reported then.
        let rows = read.map_or(kept, |account| account.rows).max(1) as f64;
        let size = Size {
            row_bytes: (sample.bytes() as f64 / kept.max(1) as f64).max(1.0),
            rows_per_byte: rows / split.bytes.max(1) as f64,
            kept: (kept as f64 / rows).max(0.01),
        };
        Ok((size, sample.repeats()))
    }

    /// Rows of a split that will be kept, about.
    pub(super) fn rows(&self, dataset: &Dataset, split: usize) -> u64 {
        let split = &dataset.splits()[split];
        let rows = match (split.rows, &split.extent) {
            (Some(rows), _) => rows as f64,
            (None, Extent::Whole) => split.bytes as f64 * EXPANSION / self.row_bytes,
            (None, _) => split.bytes as f64 * self.rows_per_byte,
        };
        (rows * self.kept).ceil() as u64
    }

    /// Rows that will be kept, about.
    pub(super) fn total_rows(&self, dataset: &Dataset) -> u64 {
        (0..dataset.splits().len()).map(|split| self.rows(dataset, split)).sum()
    }

    /// Rows of a shard.
    pub(super) fn rows_per_shard(&self, layout: &Layout) -> u64 {
        let row_bytes = match layout.format {
            ShardFormat::Ipc(_) => self.row_bytes,
            ShardFormat::Parquet => self.row_bytes / PARQUET,
        };
        ((layout.shard_bytes as f64 / row_bytes) as u64).max(1)
    }
}
