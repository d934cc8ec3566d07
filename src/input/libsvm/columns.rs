//! The columns of a file, as a sample shows them.

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::decoder::LibsvmDecoder;
use super::row::{FEATURES, LABEL, QUERY, Row, is_label, parse};
use crate::error::{Error, Result};
use crate::input::lines::{Decoder, Format, LineSource, TextFile, float, is_whole};
use crate::input::options::map_type;
use crate::input::{ColumnType, ReadOptions, Request};

/// Opens a file and finds out from samples of it which columns it has.
pub(in crate::input) fn open(path: &Path, options: &ReadOptions) -> Result<LineSource> {
    let text = TextFile::open(path)?;
    let mut survey = Survey::default();
    let sampled = text.sample(|line| survey.see(line))?;
    let schema = survey.schema(options).map_err(|error| error.in_file(path))?;
    Ok(LineSource::new(text, sampled, Box::new(Libsvm { schema: Arc::new(schema) })))
}

struct Libsvm {
    schema: SchemaRef,
}

impl Format for Libsvm {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn decoder(&self, request: &Request) -> Box<dyn Decoder> {
        Box::new(LibsvmDecoder::new(&self.schema, request))
    }
}

/// What the sampled lines have. Lines that can't be read don't count: reading them will say why.
#[derive(Default)]
struct Survey {
    labels: usize,
    whole: usize,
    single: usize,
    queries: bool,
    indices: Vec<i32>,
    values: Vec<f32>,
}

impl Survey {
    fn see(&mut self, line: &[u8]) {
        self.indices.clear();
        self.values.clear();
        let Ok(Some(Row { label, query })) = parse(line, &mut self.indices, &mut self.values) else { return };
        self.queries |= query.is_some();
        if let Some(label) = label.filter(|label| is_label(label)) {
            self.labels += 1;
            self.whole += usize::from(is_whole(label));
            self.single += usize::from(float(label).is_some());
        }
    }

    fn schema(&self, options: &ReadOptions) -> Result<Schema> {
        let label = match self {
            Survey { labels, whole, .. } if labels == whole => DataType::Int64,
            Survey { labels, single, .. } if labels == single => DataType::Float64,
            _ => DataType::Utf8,
        };
        let wanted =
            |name, found: DataType| options.types.get(name).map_or(found, |wanted| wanted.data_type());
        let mut fields = vec![Field::new(LABEL, wanted(LABEL, label), true)];
        if self.queries || options.types.contains_key(QUERY) {
            fields.push(Field::new(QUERY, wanted(QUERY, DataType::Int64), true));
        }
        fields.push(Field::new(FEATURES, map_type(DataType::Int32), true));
        let is_map = |name: &str| options.types.get(name).map(|wanted| *wanted == ColumnType::Map);
        if is_map(FEATURES) == Some(false) || is_map(LABEL) == Some(true) || is_map(QUERY) == Some(true) {
            return Err(Error::usage(
                "of the columns of a LIBSVM file, `features` is a map, and no other can be",
            )
            .remedy("leave it out of --type"));
        }
        Ok(Schema::new(fields))
    }
}
