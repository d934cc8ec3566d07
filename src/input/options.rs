//! Options: how files are to be read where they don't say so themselves.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};

use super::disk::Io;
use crate::error::{Error, Result};

/// What the user says of the files; whatever is not said is found out from them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReadOptions {
    /// The format of text files; told from content and name otherwise.
    pub format: Option<TextFormat>,
    /// The byte between cells.
    pub delimiter: Option<u8>,
    /// Whether the first record names the columns.
    pub header: Option<bool>,
    /// Whether double quotes are quotes (true) or characters like any other (false).
    pub quotes: Option<bool>,
    /// Lines that begin with this byte are passed over.
    pub comment: Option<u8>,
    /// Spellings of a missing value besides the usual ones, in columns of every type.
    pub nulls: Vec<String>,
    /// Whether numbers are written with a comma before the decimals (`3,14`).
    pub decimal_comma: bool,
    /// Whether what can't be read or used is left out and counted, instead of being an error: rows, what is left of
    /// damaged blocks, and files among others that are not what they seem.
    pub skips_bad: bool,
    /// Types of columns by name. A column that no sample of the file shows may be named here.
    pub types: BTreeMap<String, ColumnType>,
    /// How files are read: past the system's cache if they don't fit in memory, if nothing is said.
    pub io: Option<Io>,
}

/// A format of text. (Files of the binary formats say what they are.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFormat {
    /// Cells between delimiters: CSV, TSV.
    Csv,
    /// LIBSVM or SVMlight: `label [qid:N] index:value ...`.
    Libsvm,
    /// Vowpal Wabbit's text: `label weight 'tag|namespace name:value ...`.
    Vw,
    /// A JSON object in each line.
    JsonLines,
}

/// The type of a column, as the user names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Text.
    Text,
    /// Text of which few values differ: a dictionary in shards.
    Category,
    /// Whole numbers of 64 bits.
    Integer,
    /// Floats of 64 bits.
    Float,
    /// Floats of 32 bits.
    Float32,
    /// True or false.
    Boolean,
    /// Dates and times.
    Time,
    /// Names (or indices) with a number each, as in the sparse formats.
    Map,
}

impl ColumnType {
    /// The type of the arrays in which such a column is read.
    pub fn data_type(self) -> DataType {
        match self {
            ColumnType::Text | ColumnType::Category => DataType::Utf8,
            ColumnType::Integer => DataType::Int64,
            ColumnType::Float => DataType::Float64,
            ColumnType::Float32 => DataType::Float32,
            ColumnType::Boolean => DataType::Boolean,
            ColumnType::Time => DataType::Timestamp(TimeUnit::Microsecond, None),
            ColumnType::Map => map_type(DataType::Utf8),
        }
    }
}

/// The type of columns of sparse features: a map from keys of the given type to numbers.
pub(super) fn map_type(keys: DataType) -> DataType {
    let fields = vec![Field::new("key", keys, false), Field::new("value", DataType::Float32, false)];
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(fields.into()), false)), false)
}

impl FromStr for ColumnType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "text" | "string" | "str" | "utf8" => ColumnType::Text,
            "category" | "categorical" | "dictionary" => ColumnType::Category,
            "int" | "int64" | "integer" => ColumnType::Integer,
            "float" | "float64" | "double" | "number" => ColumnType::Float,
            "float32" => ColumnType::Float32,
            "bool" | "boolean" => ColumnType::Boolean,
            "time" | "timestamp" | "date" | "datetime" => ColumnType::Time,
            "map" => ColumnType::Map,
            _ => {
                return Err(Error::usage(format!("{text:?} is no type of a column"))
                    .remedy("types are text, category, int, float, float32, bool, time and map"));
            }
        })
    }
}
