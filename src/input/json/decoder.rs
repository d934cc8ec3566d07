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
        let mut kinds: Vec<(usize, Kind)> = Vec::new();
        let wanted = |(name, read_as): &(String, _)| {
            let Ok(column) = file.schema.index_of(name) else {
                return Wanted::Nulls(requested_type(*read_as, None));
            };
            let form = (column, file.kinds[column].requested(*read_as));
            Wanted::Array(kinds.iter().position(|known| *known == form).unwrap_or_else(|| {
                kinds.push(form);
                kinds.len() - 1
            }))
        };
        let wanted = request.columns.iter().map(wanted).collect();
        let mut forms = vec![Vec::new(); file.kinds.len()];
        for (index, (column, _)) in kinds.iter().enumerate() {
            forms[*column].push(index);
        }
        let arrays = kinds.iter().map(|(_, kind)| Column::new(kind)).collect();
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
        let Arrays { columns, rows, .. } = &mut self.arrays;
        columns.iter_mut().filter(|column| column.len() == *rows).for_each(Column::push_null);
        *rows += 1;
        Ok(true)
    }

    fn truncate(&mut self, rows: usize) {
        self.arrays.columns.iter_mut().for_each(|column| column.truncate(rows));
        self.arrays.rows = rows;
    }

    fn finish(&mut self, rows: usize) -> Result<Vec<ArrayRef>> {
        self.arrays.rows = 0;
        let arrays = self.arrays.columns.iter_mut().map(Column::finish).collect::<Result<Vec<_>>>()?;
        let array = |wanted: &Wanted| match wanted {
            Wanted::Array(index) => arrays[*index].clone(),
            Wanted::Nulls(data_type) => new_null_array(data_type, rows),
        };
        Ok(self.wanted.iter().map(array).collect())
    }
}
