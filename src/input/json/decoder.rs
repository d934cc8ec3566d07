//! Rows become Arrow arrays.

use std::sync::Arc;

use arrow::array::{ArrayRef, new_null_array};
use arrow::datatypes::DataType;

use super::column::{Column, Context, twice};
use super::columns::{Columns, no_object};
use super::cursor::{Cursor, Token};
use super::kind::Kind;
use crate::error::Result;
use crate::input::Request;
use crate::input::lines::{Decoder, requested_type};
use crate::input::places::places;

/// Decodes lines.
pub(super) struct JsonDecoder {
    file: Arc<Columns>,
    arrays: Arrays,
    context: Context,
    wanted: Vec<Wanted>,
}

/// The arrays under construction.
pub(super) struct Arrays {
    columns: Vec<Column>,
    /// For each column of the file the arrays into which it is read.
    forms: Vec<Vec<usize>>,
    /// Rows so far.
    rows: usize,
}

/// A requested column.
enum Wanted {
    /// The array with this index.
    Array(usize),
    /// One that the file lacks.
    Nulls(DataType),
}

impl Arrays {
    /// Appends the value that comes next to a column of the file, whose key is given.
    pub(super) fn append(
        &mut self,
        column: usize,
        key: &str,
        cursor: &mut Cursor,
        context: &mut Context,
    ) -> Result<()> {
        let begin = *cursor;
        for index in &self.forms[column] {
            if self.columns[*index].len() > self.rows {
                return Err(twice(key));
            }
            *cursor = begin;
            // The rows before that lack the key get their nulls only now, all at once: of thousands of keys a row may
            // have few.
            self.columns[*index].pad(self.rows);
            self.columns[*index].append(cursor, context)?;
        }
        if self.forms[column].is_empty() {
            cursor.skip()?;
        }
        Ok(())
    }
}

impl JsonDecoder {
    pub(super) fn new(file: Arc<Columns>, request: &Request) -> Self {
        let places = places(&file.schema);
        let mut kinds: Vec<Kind> = Vec::new();
        let mut forms: Vec<Vec<usize>> = vec![Vec::new(); file.kinds.len()];
        let wanted = |(name, read_as): &(String, _)| {
            let Some(&column) = places.get(name.as_str()) else {
                return Wanted::Nulls(requested_type(*read_as, None));
            };
            let kind = file.kinds[column].requested(*read_as);
            let known = forms[column].iter().copied().find(|index| kinds[*index] == kind);
            Wanted::Array(known.unwrap_or_else(|| {
                forms[column].push(kinds.len());
                kinds.push(kind);
                kinds.len() - 1
            }))
        };
        let wanted = request.columns.iter().map(wanted).collect();
        let arrays = kinds.iter().map(Column::new).collect();
        JsonDecoder {
            arrays: Arrays { columns: arrays, forms, rows: 0 },
            context: Context { nulls: file.nulls.clone(), ..Context::default() },
            file,
            wanted,
        }
    }
}

impl Decoder for JsonDecoder {
    fn append(&mut self, line: &[u8]) -> Result<bool> {
        let mut cursor = Cursor::new(line)?;
        match cursor.value()? {
            Token::Object => self.file.root.append(&mut cursor, &mut self.arrays, &mut self.context)?,
            other => return Err(no_object(other)),
        }
        cursor.end()?;
        self.arrays.rows += 1;
        Ok(true)
    }

    fn truncate(&mut self, rows: usize) {
        self.arrays.columns.iter_mut().for_each(|column| column.truncate(rows));
        self.arrays.rows = rows;
    }

    fn finish(&mut self, rows: usize) -> Result<Vec<ArrayRef>> {
        self.arrays.rows = 0;
        self.arrays.columns.iter_mut().for_each(|column| column.pad(rows));
        let arrays = self.arrays.columns.iter_mut().map(Column::finish).collect::<Result<Vec<_>>>()?;
        let array = |wanted: &Wanted| match wanted {
            Wanted::Array(index) => arrays[*index].clone(),
            Wanted::Nulls(data_type) => new_null_array(data_type, rows),
        };
        Ok(self.wanted.iter().map(array).collect())
    }
}
