//! A batch's columns in the order in which they were asked for.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};

use super::places::places;
use super::source::Request;
use crate::error::{Error, Result};

/// The requested columns of a batch in the requested order, nulls for those that it lacks.
pub(super) fn arrange(batch: &RecordBatch, request: &Request) -> Result<RecordBatch> {
    let places = places(batch.schema_ref());
    let columns = request.columns.iter().map(|(name, _)| {
        let index = *places.get(name.as_str())?;
        Some((batch.schema_ref().fields()[index].clone(), batch.column(index).clone()))
    });
    put_together(columns, request, batch.num_rows())
}

/// A batch of `rows` rows of columns in the requested order, nulls for those that are not there.
pub(super) fn put_together(
    found: impl Iterator<Item = Option<(FieldRef, ArrayRef)>>,
    request: &Request,
    rows: usize,
) -> Result<RecordBatch> {
    let columns = found.zip(&request.columns).map(|(column, (name, _))| {
        column.unwrap_or_else(|| {
            (Arc::new(Field::new(name, DataType::Null, true)), new_null_array(&DataType::Null, rows))
        })
    });
    let (fields, arrays): (Vec<FieldRef>, Vec<ArrayRef>) = columns.unzip();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        .map_err(|e| Error::data(format!("can't put the columns together: {e}")))
}
