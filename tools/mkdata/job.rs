//! A job is what to make, with every default filled in and every option checked.

use std::ops::Range;
use std::path::PathBuf;

use crate::clicks::Clicks;
use crate::dense::Dense;
use crate::model::Model;

/// The tables there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TableKind {
    /// Click log: label, 13 counts with gaps, 26 categories of 3 to 5 million values
    Clicks,
    /// Label and 28 float32 columns without gaps
    Dense,
}

/// How Parquet pages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Compression {
    Zstd,
    Snappy,
    None,
}

impl From<Compression> for parquet::basic::Compression {
    fn from(compression: Compression) -> Self {
        match compression {
            Compression::Zstd => Self::ZSTD(Default::default()), // level 1
            Compression::Snappy => Self::SNAPPY,
            Compression::None => Self::UNCOMPRESSED,
        }
    }
}

/// A file format with its settings.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Format {
    Parquet { compression: Compression, row_group_rows: usize },
    Ipc,
    Csv,
}

impl Format {
    /// How names of such files end.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Format::Parquet { .. } => "parquet",
            Format::Ipc => "arrow",
            Format::Csv => "csv",
        }
    }

    /// Bytes that a row takes, as measured on files of a million rows.
    pub(crate) fn bytes_per_row(self, table: TableKind) -> f64 {
        use Compression::{Snappy, Zstd};
        match (table, self) {
            (TableKind::Clicks, Format::Parquet { compression: Zstd, .. }) => 50.5,
            (TableKind::Clicks, Format::Parquet { compression: Snappy, .. }) => 68.0,
            (TableKind::Clicks, Format::Parquet { .. }) => 75.0,
            (TableKind::Clicks, Format::Ipc) => 174.0,
            (TableKind::Clicks, Format::Csv) => 247.0,
            (TableKind::Dense, Format::Parquet { compression: Zstd, .. }) => 102.0,
            (TableKind::Dense, Format::Parquet { .. }) => 112.0,
            (TableKind::Dense, Format::Ipc) => 113.0,
            (TableKind::Dense, Format::Csv) => 301.0,
        }
    }
}

/// What to make.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) table: TableKind,
    pub(crate) format: Format,
    pub(crate) folder: PathBuf,
    /// The rows of the endless table that are wanted.
    pub(crate) rows: Range<u64>,
    pub(crate) rows_per_file: u64,
    pub(crate) sorted: bool,
    pub(crate) seed: u64,
    pub(crate) threads: usize,
    pub(crate) force: bool,
    /// The command as typed, for the record.
    pub(crate) command: String,
}

/// One file: a range of rows, or those of it that have a certain label.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) rows: Range<u64>,
    pub(crate) label: Option<i8>,
}

impl Job {
    /// The model that the rows are drawn from.
    pub(crate) fn model(&self) -> Model {
        match self.table {
            TableKind::Clicks => Model::new(Box::new(Clicks::new(self.seed)), self.seed),
            TableKind::Dense => Model::new(Box::new(Dense::new(self.seed)), self.seed),
        }
    }

    /// The files. Sorted output goes over the rows twice, so that nothing needs to be counted or
    /// kept: each range has a file of its negatives among the first and one of its positives among
    /// the last.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let passes: &[Option<i8>] = if self.sorted { &[Some(0), Some(1)] } else { &[None] };
        let ranges = || {
            let starts = self.rows.clone().step_by(self.rows_per_file as usize);
            starts.map(|start| start..start.saturating_add(self.rows_per_file).min(self.rows.end))
        };
        let ranges = passes.iter().flat_map(|&label| ranges().map(move |rows| (rows, label)));
        let name = |number: usize| format!("part-{number:05}.{}", self.format.extension());
        let part = |(number, (rows, label))| Part { name: name(number), rows, label };
        ranges.enumerate().map(part).collect()
    }
}
