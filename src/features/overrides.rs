//! Overrides: what the user says about features, by options or in a file.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::datatypes::Field;
use serde::Deserialize;

use super::bins::{DEFAULT_BINS, MOST_BINS};
use super::cross::Cross;
use super::encode::ReadHint;
use super::text::{DEFAULT_NGRAMS, MOST_NGRAMS};
use super::values::{Sort, is_text};
use crate::error::{Error, Part, Place, Result};

/// How a column shall be used, whatever the sample suggests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnUse {
    /// As a number, scaled as the sample suggests.
    Numeric,
    /// As a number standardised.
    Standard,
    /// As a number through a signed log, standardised.
    Log,
    /// As a number just as it is.
    Raw,
    /// As a category.
    Categorical,
    /// As a number whose bins are categories.
    Bins,
    /// As a text whose words are features.
    Text,
    /// Not at all.
    Ignore,
}

/// Whether numbers far outside the sample are cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clip {
    /// Well beyond where nearly all numbers of the sample lie.
    #[default]
    Auto,
    /// Nowhere.
    None,
}

/// The user's word on features. As a file:
///
/// ```toml
/// crosses = ["country*device", "when.hour*zip"]
/// bins = 10             # of each binned column
/// ngrams = 1            # words of a text that are one feature, at the most
/// clip = "none"         # or auto
/// keep_duplicates = true
///
/// [columns]
/// zip = "categorical"   # numeric, standard, log, raw, bins, categorical, text or ignore
/// id = "ignore"
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Overrides {
    /// Uses by column name.
    pub columns: BTreeMap<String, ColumnUse>,
    /// Columns to be taken together.
    pub crosses: Vec<Cross>,
    /// Bins of a number.
    pub bins: Option<usize>,
    /// Words of a text that are one feature, at the most.
    pub ngrams: Option<usize>,
    /// Whether numbers far outside the sample are cut off.
    pub clip: Clip,
    /// Whether a column is used that has the values of another.
    pub keep_duplicates: bool,
}

impl Overrides {
    /// Reads a features file.
    ///
    /// # Errors
    /// If it can't be read or is not such a TOML file; the error says where.
    pub fn read(path: &Path) -> Result<Overrides> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("can't read", path, &e))?;
        let overrides: Overrides = toml::from_str(&text).map_err(|e: toml::de::Error| {
            let part = e.span().map(|span| Part::Line(1 + text[..span.start].matches('\n').count() as u64));
            Error::usage(e.message().replace('\n', " "))
                .at(Place { file: Some(path.to_path_buf()), part, ..Place::default() })
                .remedy("write [columns], then lines such as zip = \"categorical\"")
        })?;
        overrides.check().map_err(|e| e.in_file(path))?;
        Ok(overrides)
    }

    /// Checks the numbers.
    ///
    /// # Errors
    /// If one of them makes no sense.
    pub fn check(&self) -> Result<()> {
        if self.bins.is_some_and(|bins| !(2..=MOST_BINS).contains(&bins)) {
            return Err(Error::usage(format!("a number can have 2 to {MOST_BINS} bins")));
        }
        if self.ngrams.is_some_and(|ngrams| !(1..=MOST_NGRAMS).contains(&ngrams)) {
            return Err(Error::usage(format!("1 to {MOST_NGRAMS} words can be a feature together")));
        }
        Ok(())
    }

    /// Bins of a number.
    pub(crate) fn bins(&self) -> usize {
        self.bins.unwrap_or(DEFAULT_BINS)
    }

    /// Of a column whose words are used how many can be a feature together.
    pub(crate) fn ngrams_of(&self, column: &str) -> Option<usize> {
        let is_text = self.columns.get(column) == Some(&ColumnUse::Text);
        is_text.then(|| self.ngrams.unwrap_or(DEFAULT_NGRAMS))
    }

    /// Whether nothing is made of a column.
    pub(crate) fn ignores(&self, column: &str) -> bool {
        self.columns.get(column) == Some(&ColumnUse::Ignore) && !self.crosses(column)
    }

    /// Whether a column is part of a cross.
    fn crosses(&self, column: &str) -> bool {
        let is_column = |name: &String| {
            name == column || name.strip_prefix(column).is_some_and(|part| part.starts_with('.'))
        };
        self.crosses.iter().any(|cross| cross.parents.iter().any(is_column))
    }

    /// As what a sample looks at the values of a column, which are `natural` by themselves.
    pub(crate) fn sort(&self, column: &str, natural: Sort) -> Sort {
        match self.columns.get(column) {
            Some(ColumnUse::Ignore) if self.ignores(column) => Sort::Other,
            Some(ColumnUse::Categorical) if !matches!(natural, Sort::List | Sort::Map | Sort::Other) => {
                Sort::Text
            }
            Some(ColumnUse::Numeric | ColumnUse::Standard | ColumnUse::Log | ColumnUse::Raw)
                if matches!(natural, Sort::Bool | Sort::Time) =>
            {
                Sort::Number
            }
            _ => natural,
        }
    }

    /// How a sample reads a column from a file without types: as it will be read for learning, so that
    /// the sample's categories are spelt as in the file, and nothing is expected of ignored columns.
    pub fn read_hint(&self, field: &Field) -> ReadHint {
        match self.columns.get(field.name()) {
            // They have no text.
            _ if field.data_type().is_nested() => ReadHint::Native,
            Some(ColumnUse::Ignore) if !self.ignores(field.name()) => ReadHint::Native,
            Some(ColumnUse::Categorical | ColumnUse::Text | ColumnUse::Ignore) => ReadHint::Text,
            Some(
                ColumnUse::Numeric | ColumnUse::Standard | ColumnUse::Log | ColumnUse::Raw | ColumnUse::Bins,
            ) if !is_text(field.data_type()) => ReadHint::Number,
            _ => ReadHint::Native,
        }
    }

    /// Sets the use of some columns; what options say wins over the file.
    ///
    /// # Errors
    /// If an option already gave one of them another use.
    pub fn set(
        &mut self,
        columns: &[String],
        used: ColumnUse,
        said: &mut BTreeMap<String, ColumnUse>,
    ) -> Result<()> {
        for column in columns {
            if said.insert(column.clone(), used).is_some_and(|before| before != used) {
                return Err(Error::usage(format!("column `{column}` is given two different uses")));
            }
            self.columns.insert(column.clone(), used);
        }
        Ok(())
    }
}
