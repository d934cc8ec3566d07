//! Arguments of `cv`.

use std::path::PathBuf;

use clap::Args;

use super::args::FitArgs;
use super::headings::{EVALUATION, OUTPUT};
use crate::error::Result;
use crate::trainer::{CvConfig, DivideBy};

/// `millstream cv`
#[derive(Debug, Args)]
pub struct CvArgs {
    #[command(flatten)]
    pub(super) fit: FitArgs,
    /// Folds. With --time as many blocks are tested on.
    #[arg(long, help_heading = EVALUATION, default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=100))]
    folds: u32,
    /// Divide the rows into folds so many times.
    #[arg(long, help_heading = EVALUATION, value_name = "TIMES", default_value_t = 1, conflicts_with = "time",
        value_parser = clap::value_parser!(u32).range(1..=100))]
    repeat: u32,
    #[command(flatten)]
    divide: DivideArgs,
    /// Where a model goes that learns from all rows in the same pass [default: there is none].
    #[arg(short = 'o', long = "model", help_heading = OUTPUT, value_name = "FILE")]
    model: Option<PathBuf>,
}

/// How rows are divided into folds: by chance, if nothing is said.
#[derive(Debug, Args)]
#[command(next_help_heading = EVALUATION)]
pub(super) struct DivideArgs {
    /// Keep rows with the same value of a column in one fold.
    #[arg(long, value_name = "COLUMN", conflicts_with = "time")]
    group_by: Option<String>,
    /// Learn from the past and test on the next block, by a column of numbers, dates or timestamps.
    #[arg(long, value_name = "COLUMN")]
    time: Option<String>,
}

impl DivideArgs {
    pub(super) fn validate(self) -> DivideBy {
        match (self.group_by, self.time) {
            (_, Some(column)) => DivideBy::Time(column),
            (Some(column), None) => DivideBy::Group(column),
            (None, None) => DivideBy::Row,
        }
    }

    /// Whether anything is said.
    pub(super) fn says(&self) -> bool {
        self.group_by.is_some() || self.time.is_some()
    }
}

impl CvArgs {
    pub(super) fn validate(self) -> Result<CvConfig> {
        let train = self.fit.validate(self.model, None)?;
        Ok(CvConfig { train, folds: self.folds, repeats: self.repeat, by: self.divide.validate() })
    }
}
