//! Arguments that say what features are made of the columns.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::headings::FEATURES;
use crate::error::{Error, Result};
use crate::features::{Clip, ColumnUse, Cross, Overrides};

/// How columns are used.
#[derive(Debug, Args)]
#[command(next_help_heading = FEATURES)]
pub(super) struct FeatureArgs {
    /// Columns to use as numbers.
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    numeric: Vec<String>,
    /// Columns to use as categories.
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    categorical: Vec<String>,
    /// Columns of text whose words to use.
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    text: Vec<String>,
    /// Words of a text that can be a feature together, at the most [default: 2].
    #[arg(long, value_name = "WORDS")]
    ngrams: Option<usize>,
    /// Columns of numbers to cut into ranges with a weight each.
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    bin: Vec<String>,
    /// Ranges of each such column [default: 20].
    #[arg(long, value_name = "RANGES")]
    bins: Option<usize>,
    /// Columns to use together, with a weight for each combination of their values.
    #[arg(long, value_name = "COLUMN*COLUMN,...", value_delimiter = ',')]
    cross: Vec<String>,
    /// Columns to leave out.
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    ignore: Vec<String>,
    /// A TOML file that says how columns are used.
    #[arg(long, value_name = "FILE.toml")]
    features: Option<PathBuf>,
    /// Whether numbers far outside the sample count as those at its edge.
    #[arg(long, value_enum)]
    clip: Option<ClipArg>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ClipArg {
    Auto,
    None,
}

impl FeatureArgs {
    /// The user's word on features, and the uses that options, not the file, give to columns.
    pub(super) fn validate(self) -> Result<(Overrides, BTreeMap<String, ColumnUse>)> {
        let mut overrides = match &self.features {
            Some(path) => Overrides::read(path)?,
            None => Overrides::default(),
        };
        let mut said = BTreeMap::new();
        overrides.set(&self.numeric, ColumnUse::Numeric, &mut said)?;
        overrides.set(&self.categorical, ColumnUse::Categorical, &mut said)?;
        overrides.set(&self.text, ColumnUse::Text, &mut said)?;
        overrides.set(&self.bin, ColumnUse::Bins, &mut said)?;
        overrides.set(&self.ignore, ColumnUse::Ignore, &mut said)?;
        for cross in self.cross {
            let cross = Cross::try_from(cross)?;
            if !overrides.crosses.contains(&cross) {
                overrides.crosses.push(cross);
            }
        }
        let uses = |used| overrides.columns.values().any(|&other| other == used);
        if self.ngrams.is_some() && !uses(ColumnUse::Text) {
            return Err(Error::usage(
                "--ngrams is for the words of texts, and no column is used for its words",
            )
            .remedy("name the columns: --text COLUMN, or leave --ngrams out"));
        }
        if self.bins.is_some() && !uses(ColumnUse::Bins) && overrides.crosses.is_empty() {
            return Err(Error::usage("--bins is for numbers cut into ranges, and no column is cut")
                .remedy("name the columns: --bin COLUMN or --cross COLUMN*COLUMN, or leave --bins out"));
        }
        overrides.ngrams = self.ngrams.or(overrides.ngrams);
        overrides.bins = self.bins.or(overrides.bins);
        overrides.clip = match self.clip {
            Some(ClipArg::Auto) => Clip::Auto,
            Some(ClipArg::None) => Clip::None,
            None => overrides.clip,
        };
        overrides.check()?;
        Ok((overrides, said))
    }
}
