//! Words of text as values of columns.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use super::number::{float, float32};
use super::scalar::{Scalar, Values, push_some};
use crate::error::{Error, Result};
use crate::input::csv::iso;

/// Appends what a word says to a column, whose name errors give.
pub(in crate::input) fn push_word(column: &mut Scalar, name: &str, word: &[u8]) -> Result<()> {
    if read(column, word) {
        column.valid();
        return Ok(());
    }
    let (expected, remedy) = match &column.values {
        Values::Integer(_) if float(word).is_some_and(f64::is_finite) => {
            ("a whole number as in the rows sampled before", format!("give `--type {name}=float`"))
        }
        Values::Integer(_) => ("a whole number", format!("correct it, or give `--type {name}=text`")),
        Values::Boolean(_) => ("true or false", format!("correct it, or give `--type {name}=text`")),
        Values::Time(_) => ("a date or time such as 2011-01-31T13:05:00Z", "correct it".to_string()),
        Values::Text(_) => ("text in UTF-8", "convert the file, for example with iconv".to_string()),
        Values::Float(_) | Values::Float32(_) => ("a number", "correct it".to_string()),
    };
    Err(Error::data(format!("found {}, expected {expected}", shown(word))).remedy(remedy).in_column(name))
}

/// Pushes the value, if it can be read.
fn read(column: &mut Scalar, word: &[u8]) -> bool {
    match &mut column.values {
        Values::Integer(values) => push_some(values, whole(word)),
        Values::Float(values) => push_some(values, float(word).filter(|value| value.is_finite())),
        Values::Float32(values) => push_some(values, float32(word)),
        Values::Time(values) => push_some(values, iso(word)),
        Values::Boolean(values) => match word {
            b"1" | b"true" => push_some(values, Some(true)),
            b"0" | b"false" => push_some(values, Some(false)),
            _ => false,
        },
        // A number has one text, with or without a sign.
        Values::Text(texts) => {
            let unsigned = word.strip_prefix(b"+").filter(|rest| float(rest).is_some());
            texts.push_some(std::str::from_utf8(unsigned.unwrap_or(word)).ok())
        }
    }
}

fn whole(word: &[u8]) -> Option<i64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// Whether a word is a whole number of 64 bits.
pub(in crate::input) fn is_whole(word: &[u8]) -> bool {
    whole(word).is_some()
}

/// A part of a line as shown in a message: in quotes and not too long.
pub(in crate::input) fn shown(text: &[u8]) -> String {
    const LONGEST: usize = 40;
    let text = String::from_utf8_lossy(&text[..text.len().min(8 * LONGEST)]);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// A column of which each row has one word, for each type in which it was requested.
#[derive(Debug)]
pub(in crate::input) struct Words {
    name: String,
    columns: Vec<(DataType, Scalar)>,
}

impl Words {
    pub(in crate::input) fn new(name: &str) -> Self {
        Words { name: name.to_string(), columns: Vec::new() }
    }

    /// Asks for the column in a type, and gives the index to tell [`Words::finish`]'s arrays by.
    pub(in crate::input) fn request(&mut self, data_type: DataType) -> usize {
        let known = self.columns.iter().position(|(known, _)| *known == data_type);
        known.unwrap_or_else(|| {
            let column = Scalar::new(&data_type);
            self.columns.push((data_type, column));
            self.columns.len() - 1
        })
    }

    pub(in crate::input) fn push(&mut self, word: Option<&[u8]>) -> Result<()> {
        for (_, column) in &mut self.columns {
            match word {
                Some(word) => push_word(column, &self.name, word)?,
                None => column.push_nulls(1),
            }
        }
        Ok(())
    }

    pub(in crate::input) fn truncate(&mut self, rows: usize) {
        self.columns.iter_mut().for_each(|(_, column)| column.truncate(rows));
    }

    pub(in crate::input) fn finish(&mut self) -> Result<Vec<ArrayRef>> {
        self.columns.iter_mut().map(|(_, column)| column.finish()).collect()
    }
}
