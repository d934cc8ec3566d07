//! Rows become Arrow arrays.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, new_null_array};
use arrow::datatypes::DataType;

use super::columns::{Columns, HEAD};
use super::row::{Section, halves, head, sections};
use super::seen::Seen;
use crate::error::{Error, Result};
use crate::input::Request;
use crate::input::lines::{Decoder, Sparse, Texts, Words, requested_type};
use crate::input::places::places;

/// Decodes lines.
pub(super) struct VwDecoder {
    columns: Arc<Columns>,
    /// Label, weight, base and tag.
    head: [Words; 4],
    /// Which of them the file has.
    has: [bool; 4],
    namespaces: Vec<Sparse<Texts>>,
    /// Rows so far. A namespace has ended those before its last, and others when it is met again: of thousands of
    /// them a row may have few.
    rows: usize,
    /// Which of the requested namespaces those of the file are, if they are.
    places: Vec<(String, Option<usize>)>,
    by_name: HashMap<String, usize>,
    /// The place that the next namespace is likely to have: most lines have the same ones in the same order.
    next: usize,
    seen: Seen,
    wanted: Vec<Wanted>,
}

/// A requested column.
enum Wanted {
    /// One of the forms of a part of the head.
    Head(usize, usize),
    Namespace(usize),
    /// One that the file lacks.
    Nulls(DataType),
}

impl VwDecoder {
    pub(super) fn new(columns: Arc<Columns>, request: &Request) -> Self {
        let mut words = HEAD.map(Words::new);
        let places = places(&columns.schema);
        let mut requested: HashMap<&str, usize> = HashMap::new();
        let wanted = |(name, read_as): &'_ (String, _)| {
            let native = places.get(name.as_str()).map(|place| columns.schema.field(*place).data_type());
            (requested_type(*read_as, native), native.is_some_and(DataType::is_nested), native.is_some())
        };
        let mut all = Vec::new();
        for column in &request.columns {
            let name = column.0.as_str();
            all.push(match (wanted(column), HEAD.iter().position(|part| *part == name)) {
                ((_, true, _), _) => {
                    let next = requested.len();
                    Wanted::Namespace(*requested.entry(name).or_insert(next))
                }
                ((data_type, _, true), Some(part)) => Wanted::Head(part, words[part].request(data_type)),
                ((data_type, ..), _) => Wanted::Nulls(data_type),
            });
        }
        let has = HEAD.map(|name| places.contains_key(name));
        let place = |column: &String| requested.get(column.as_str()).copied();
        let places: Vec<_> =
            columns.namespaces.iter().map(|(name, column)| (name.clone(), place(column))).collect();
        let by_name = places.iter().enumerate().map(|(index, (name, _))| (name.clone(), index)).collect();
        VwDecoder {
            head: words,
            has,
            namespaces: requested.iter().map(|_| Sparse::new()).collect(),
            rows: 0,
            places,
            by_name,
            next: 0,
            seen: Seen::new(),
            wanted: all,
            columns,
        }
    }

    fn append_section(&mut self, section: Section) -> Result<()> {
        let place = match self.places.get(self.next) {
            Some((name, _)) if name == section.name => self.next,
            _ => *self.by_name.get(section.name).ok_or_else(|| unknown(section.name))?,
        };
        self.next = place + 1;
        let nulls = &self.columns.nulls;
        let Some(column) = self.places[place].1 else { return section.each_feature(nulls, |_, _| Ok(())) };
        self.namespaces[column].close_rows(self.rows, true);
        let Sparse { keys, values, .. } = &mut self.namespaces[column];
        section.each_feature(nulls, |name, value| {
            let is_there = |entry: u32| keys.get(entry as usize) == name.as_bytes();
            match self.seen.find(column as u32, name, values.len() as u32, is_there) {
                None => {
                    keys.push(name);
                    values.push(value);
                }
                Some(entry) => {
                    let sum = values[entry as usize] + value;
                    if !sum.is_finite() {
                        return Err(Error::data(format!(
                            "the values of `{name}` add up to more than 32 bits hold"
                        ))
                        .remedy("expected a finite number"));
                    }
                    values[entry as usize] = sum;
                }
            }
            Ok(())
        })
    }
}

fn unknown(namespace: &str) -> Error {
    let (found, name) = match namespace {
        "" => ("features without a namespace".to_string(), "features"),
        name => (format!("namespace `{name}`"), name),
    };
    Error::data(format!("found {found}, expected a namespace of the rows sampled before"))
        .remedy(format!("name it with `--type {name}=map`"))
}

impl Decoder for VwDecoder {
    fn append(&mut self, line: &[u8]) -> Result<bool> {
        let (before, after) = halves(line)?;
        let head = head(before, &self.columns.nulls)?;
        let parts = [head.label, head.weight.or(self.has[1].then_some("1")), head.base, head.tag];
        for (index, part) in parts.into_iter().enumerate() {
            if part.is_some() && !self.has[index] {
                let (name, data_type) = (HEAD[index], if index == 3 { "text" } else { "float" });
                return Err(Error::data(format!("found a {name}, but the rows sampled before have none"))
                    .remedy(format!("name it with `--type {name}={data_type}`")));
            }
            self.head[index].push(part.map(str::as_bytes))?;
        }
        self.seen.clear();
        self.next = 0;
        for section in sections(after) {
            let section = section?;
            self.append_section(section).map_err(|error| match section.name {
                "" => error,
                name => error.in_column(name),
            })?;
        }
        self.rows += 1;
        Ok(true)
    }

    fn truncate(&mut self, rows: usize) {
        self.rows = rows;
        self.head.iter_mut().for_each(|part| part.truncate(rows));
        self.namespaces.iter_mut().for_each(|namespace| namespace.truncate(rows));
    }

    fn finish(&mut self, rows: usize) -> Result<Vec<ArrayRef>> {
        self.rows = 0;
        self.namespaces.iter_mut().for_each(|namespace| namespace.close_rows(rows, true));
        let head = self.head.iter_mut().map(Words::finish).collect::<Result<Vec<_>>>()?;
        let namespaces = self.namespaces.iter_mut().map(Sparse::finish).collect::<Result<Vec<_>>>()?;
        let array = |wanted: &Wanted| match wanted {
            Wanted::Head(part, form) => head[*part][*form].clone(),
            Wanted::Namespace(index) => namespaces[*index].clone(),
            Wanted::Nulls(data_type) => new_null_array(data_type, rows),
        };
        Ok(self.wanted.iter().map(array).collect())
    }
}
