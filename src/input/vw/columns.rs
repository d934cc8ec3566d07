//! The columns of a file, as a sample shows them.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::decoder::VwDecoder;
use super::row::{Head, halves, head, sections};
use crate::error::{Error, Result};
use crate::input::lines::{Decoder, Format, LineSource, TextFile, float, is_whole};
use crate::input::options::map_type;
use crate::input::{ColumnType, ReadOptions, Request};

/// Names of the columns that are no namespace.
pub(super) const HEAD: [&str; 4] = ["label", "weight", "base", "tag"];

/// The column of the namespace without a name.
const UNNAMED: &str = "features";

/// Opens a file and finds out from samples of it which columns it has.
pub(in crate::input) fn open(path: &Path, options: &ReadOptions) -> Result<LineSource> {
    let text = TextFile::open(path)?;
    let mut survey = Survey { nulls: options.nulls.clone(), ..Survey::default() };
    let sampled = text.sample(|line| drop(survey.see(line)))?;
    let columns = survey.columns(options).map_err(|error| error.in_file(path))?;
    Ok(LineSource::new(text, sampled, Box::new(Vw { columns: Arc::new(columns) })))
}

struct Vw {
    columns: Arc<Columns>,
}

/// What a file holds.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) schema: SchemaRef,
    /// The namespaces, each with the name of its column.
    pub(super) namespaces: Vec<(String, String)>,
    /// Further spellings of missing values.
    pub(super) nulls: Vec<String>,
}

impl Format for Vw {
    fn schema(&self) -> &SchemaRef {
        &self.columns.schema
    }

    fn decoder(&self, request: &Request) -> Box<dyn Decoder> {
        Box::new(VwDecoder::new(self.columns.clone(), request))
    }
}

/// What the sampled lines have. Lines that can't be read don't count: reading them will say why.
#[derive(Default)]
struct Survey {
    nulls: Vec<String>,
    any_fraction: bool,
    weights: bool,
    bases: bool,
    tags: bool,
    namespaces: Vec<String>,
    /// The same, to be looked for.
    known: HashSet<String>,
}

impl Survey {
    fn see(&mut self, line: &[u8]) -> Result<()> {
        let (before, after) = halves(line)?;
        let Head { label, weight, base, tag } = head(before, &self.nulls)?;
        for section in sections(after) {
            section?.each_feature(&self.nulls, |_, _| Ok(()))?;
        }
        let label = label.map(str::as_bytes).filter(|label| float(label).is_some_and(f64::is_finite));
        self.any_fraction |= label.is_some_and(|label| !is_whole(label));
        self.weights |= weight.is_some();
        self.bases |= base.is_some();
        self.tags |= tag.is_some();
        for section in sections(after) {
            let name = section?.name;
            if !self.known.contains(name) {
                self.known.insert(name.to_string());
                self.namespaces.push(name.to_string());
            }
        }
        Ok(())
    }

    fn columns(self, options: &ReadOptions) -> Result<Columns> {
        let label = if self.any_fraction { DataType::Float64 } else { DataType::Int64 };
        let found = [label, DataType::Float64, DataType::Float64, DataType::Utf8];
        let present = [true, self.weights, self.bases, self.tags];
        let mut fields = Vec::new();
        for ((name, found), present) in HEAD.into_iter().zip(found).zip(present) {
            let wanted = options.types.get(name).filter(|wanted| **wanted != ColumnType::Map);
            if present || wanted.is_some() {
                fields.push(Field::new(name, wanted.map_or(found, |wanted| wanted.data_type()), true));
            }
        }
        let mut namespaces: Vec<(String, String)> = Vec::new();
        let mut names = Vec::new();
        for namespace in self.namespaces {
            let name = if namespace.is_empty() { UNNAMED } else { &namespace };
            names.push(name.to_string());
            namespaces.push((namespace.clone(), name.to_string()));
        }
        let mut known: HashSet<String> = names.iter().cloned().collect();
        for (name, wanted) in &options.types {
            let is_map = *wanted == ColumnType::Map;
            if is_map && known.insert(name.clone()) {
                names.push(name.clone());
                namespaces.push((name.clone(), name.clone()));
                if name == UNNAMED {
                    namespaces.push((String::new(), name.clone()));
                }
            } else if !is_map && known.contains(name) {
                return Err(Error::usage(format!("`{name}` is a namespace, which can only be a map"))
                    .remedy("leave it out of --type"));
            }
        }
        let mut before = HashSet::new();
        for name in &names {
            if !before.insert(name) || fields.iter().any(|field| field.name() == name) {
                let what = if name == UNNAMED {
                    "the namespace without a name"
                } else {
                    "another part of its lines"
                };
                return Err(Error::data(format!(
                    "the namespace `{name}` has the name of the column for {what}"
                ))
                .remedy("rename the namespace, for example with sed"));
            }
        }
        fields.extend(names.into_iter().map(|name| Field::new(name, map_type(DataType::Utf8), true)));
        Ok(Columns { schema: Arc::new(Schema::new(fields)), namespaces, nulls: options.nulls.clone() })
    }
}
