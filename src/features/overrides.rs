//! Overrides: what the user says about columns, by options or in a file.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::datatypes::Field;
use serde::Deserialize;

use super::encode::ReadHint;
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
    /// Not at all.
    Ignore,
}

/// The user's word on each column. As a file:
///
/// ```toml
/// [columns]
/// zip = "categorical"   # numeric, standard, log, raw, categorical or ignore
/// id = "ignore"
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overrides {
    /// Uses by column name.
    #[serde(default)]
    pub columns: BTreeMap<String, ColumnUse>,
}

impl Overrides {
    /// Reads a features file.
    ///
    /// # Errors
    /// If it can't be read or is not such a TOML file; the error says where.
    pub fn read(path: &Path) -> Result<Overrides> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("can't read", path, &e))?;
        toml::from_str(&text).map_err(|e: toml::de::Error| {
            let part = e.span().map(|span| Part::Line(1 + text[..span.start].matches('\n').count() as u64));
            Error::usage(e.message().replace('\n', " "))
                .at(Place { file: Some(path.to_path_buf()), part, ..Place::default() })
                .remedy("write [columns], then lines such as zip = \"categorical\"")
        })
    }

    /// As what a sample looks at the values of a column, which are `natural` by themselves.
    pub(crate) fn sort(&self, column: &str, natural: Sort) -> Sort {
        match self.columns.get(column) {
            Some(ColumnUse::Ignore) => Sort::Other,
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
            Some(ColumnUse::Categorical | ColumnUse::Ignore) => ReadHint::Text,
            Some(ColumnUse::Numeric | ColumnUse::Standard | ColumnUse::Log | ColumnUse::Raw)
                if !is_text(field.data_type()) =>
            {
                ReadHint::Number
            }
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
