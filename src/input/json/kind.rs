//! The types of columns, by what is read into them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};

use crate::input::options::map_type;
use crate::input::{ColumnType, ReadAs};

/// What is read into a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// Whole numbers.
    Integer,
    /// Numbers.
    Float,
    /// Numbers of 32 bits.
    Float32,
    Boolean,
    /// Dates and times.
    Time,
    /// Strings, and numbers and booleans as they are written.
    Text,
    /// Numbers, those in strings too, and booleans as 0 and 1.
    AnyNumber,
    /// Strings, and everything else as it is written.
    Json,
    List(Box<Kind>),
    Struct(Vec<(String, Kind)>),
    /// Objects of numbers.
    Map,
}

impl Kind {
    /// The type of the array.
    pub(super) fn data_type(&self) -> DataType {
        match self {
            Kind::Integer => DataType::Int64,
            Kind::Float | Kind::AnyNumber => DataType::Float64,
            Kind::Float32 => DataType::Float32,
            Kind::Boolean => DataType::Boolean,
            Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, None),
            Kind::Text | Kind::Json => DataType::Utf8,
            Kind::List(item) => DataType::List(Arc::new(Field::new("item", item.data_type(), true))),
            Kind::Struct(fields) => {
                let field = |(name, kind): &(String, Kind)| Field::new(name, kind.data_type(), true);
                DataType::Struct(fields.iter().map(field).collect())
            }
            Kind::Map => map_type(DataType::Utf8),
        }
    }

    /// What is read into a column of this kind for one who means to use it so.
    pub(super) fn requested(&self, read_as: ReadAs) -> Kind {
        match (read_as, self) {
            (ReadAs::Native, _) | (_, Kind::List(_) | Kind::Struct(_) | Kind::Map) => self.clone(),
            (ReadAs::Number, Kind::Integer | Kind::Float | Kind::Float32) => Kind::Float,
            (ReadAs::Number, _) => Kind::AnyNumber,
            (ReadAs::Time, _) => Kind::Time,
            (_, Kind::Json) => Kind::Json,
            _ => Kind::Text,
        }
    }

    /// In messages.
    pub(super) fn described(&self) -> &'static str {
        match self {
            Kind::Integer => "a whole number",
            Kind::Float | Kind::Float32 | Kind::AnyNumber => "a number",
            Kind::Boolean => "true or false",
            Kind::Time => "a date or time such as 2011-01-31T13:05:00Z in a string",
            Kind::Text => "a string, a number or a boolean",
            Kind::Json => "a value",
            Kind::List(_) => "an array",
            Kind::Struct(_) => "an object",
            Kind::Map => "an object of numbers",
        }
    }
}

impl From<ColumnType> for Kind {
    fn from(wanted: ColumnType) -> Self {
        match wanted {
            ColumnType::Text | ColumnType::Category => Kind::Json,
            ColumnType::Integer => Kind::Integer,
            ColumnType::Float => Kind::Float,
            ColumnType::Float32 => Kind::Float32,
            ColumnType::Boolean => Kind::Boolean,
            ColumnType::Time => Kind::Time,
            ColumnType::Map => Kind::Map,
        }
    }
}
