//! Rows become Arrow arrays.

use arrow::array::{ArrayRef, new_null_array};
use arrow::datatypes::{DataType, Schema};

use super::row::{LABEL, QUERY, parse};
use crate::error::{Error, Result};
use crate::input::Request;
use crate::input::lines::{Decoder, Sparse, Words, requested_type};

/// Decodes lines.
pub(super) struct LibsvmDecoder {
    label: Words,
    query: Words,
    /// Whether the file has query numbers.
    has_queries: bool,
    features: Sparse<Vec<i32>>,
    wanted: Vec<Wanted>,
}

/// A requested column.
enum Wanted {
    /// One of the forms of the label.
    Label(usize),
    /// One of the forms of the query's number.
    Query(usize),
    Features,
    /// One that the file lacks.
    Nulls(DataType),
}

impl LibsvmDecoder {
    pub(super) fn new(schema: &Schema, request: &Request) -> Self {
        let (mut label, mut query) = (Words::new(LABEL), Words::new(QUERY));
        let wanted = |(name, read_as): &(String, _)| {
            let native = schema.field_with_name(name).ok().map(|field| field.data_type());
            let data_type = requested_type(*read_as, native);
            match (native, name.as_str()) {
                (None, _) => Wanted::Nulls(data_type),
                (_, LABEL) => Wanted::Label(label.request(data_type)),
                (_, QUERY) => Wanted::Query(query.request(data_type)),
                _ => Wanted::Features,
            }
        };
        let wanted = request.columns.iter().map(wanted).collect();
        let has_queries = schema.field_with_name(QUERY).is_ok();
        LibsvmDecoder { label, query, has_queries, features: Sparse::new(), wanted }
    }
}

impl Decoder for LibsvmDecoder {
    fn append(&mut self, line: &[u8]) -> Result<bool> {
        let Some(row) = parse(line, &mut self.features.keys, &mut self.features.values)? else {
            return Ok(false);
        };
        if row.query.is_some() && !self.has_queries {
            return Err(Error::data("found a qid, but the rows sampled before have none")
                .remedy(format!("give `--type {QUERY}=int`"))
                .in_column(QUERY));
        }
        self.label.push(row.label)?;
        self.query.push(row.query)?;
        self.features.close_row(true);
        Ok(true)
    }

    fn truncate(&mut self, rows: usize) {
        self.label.truncate(rows);
        self.query.truncate(rows);
        self.features.truncate(rows);
    }

    fn finish(&mut self, rows: usize) -> Result<Vec<ArrayRef>> {
        let (labels, queries) = (self.label.finish()?, self.query.finish()?);
        let features = self.features.finish()?;
        let array = |wanted: &Wanted| match wanted {
            Wanted::Label(form) => labels[*form].clone(),
            Wanted::Query(form) => queries[*form].clone(),
            Wanted::Features => features.clone(),
            Wanted::Nulls(data_type) => new_null_array(data_type, rows),
        };
        Ok(self.wanted.iter().map(array).collect())
    }
}
