//! The columns of a file, as a sample shows them.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

use super::cursor::{Cursor, Token};
use super::decoder::JsonDecoder;
use super::kind::Kind;
use super::seen::Keys;
use super::tree::Object;
use crate::error::{Error, Result};
use crate::input::lines::{Decoder, Format, LineSource, TextFile};
use crate::input::{ReadOptions, Request};

/// Opens a file and finds out from samples of it which columns it has.
pub(in crate::input) fn open(path: &Path, options: &ReadOptions) -> Result<LineSource> {
    let text = TextFile::open(path)?;
    check_start(&text.head(4 << 10)?).map_err(|error| error.in_file(path))?;
    let mut survey = Survey { keys: Keys::default(), nulls: &options.nulls, rows: 0, fault: None };
    let sampled = text.sample(|line| survey.see(line))?;
    let columns = survey.columns(options).map_err(|error| error.in_file(path))?;
    Ok(LineSource::new(text, sampled, Box::new(Json { columns: Arc::new(columns) })))
}

/// Whether a text begins like JSON: the first bracket is followed by what may follow it there.
pub(in crate::input) fn looks_like(head: &[u8]) -> bool {
    match head.trim_ascii_start() {
        [b'{', rest @ ..] => matches!(rest.trim_ascii_start(), [] | [b'"' | b'}', ..]),
        [b'[', rest @ ..] => matches!(rest.trim_ascii_start(), [] | [b'{' | b'[', ..]),
        _ => false,
    }
}

fn check_start(head: &[u8]) -> Result<()> {
    let head = head.trim_ascii_start();
    let one_array = || {
        Error::data("the file is one JSON array, expected an object in each line")
            .remedy("convert it with `jq -c '.[]'`")
    };
    if head.starts_with(b"[") {
        return Err(one_array());
    }
    match head.split(|byte| *byte == b'\n').next().map(<[u8]>::trim_ascii) {
        Some(b"{") => Err(Error::data("an object goes on over several lines, expected one in each line")
            .remedy("convert the file with `jq -c .`")),
        _ => Ok(()),
    }
}

struct Json {
    columns: Arc<Columns>,
}

/// What a file holds.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) schema: SchemaRef,
    /// What is read into each.
    pub(super) kinds: Vec<Kind>,
    pub(super) root: Object,
    /// Strings that stand for missing values.
    pub(super) nulls: Vec<String>,
}

impl Format for Json {
    fn schema(&self) -> &SchemaRef {
        &self.columns.schema
    }

    fn decoder(&self, request: &Request) -> Box<dyn Decoder> {
        Box::new(JsonDecoder::new(self.columns.clone(), request))
    }
}

/// What the sampled lines have. Lines that can't be read don't count, as long as there are others:
/// reading them will say why.
struct Survey<'a> {
    keys: Keys,
    nulls: &'a [String],
    rows: usize,
    fault: Option<Error>,
}

impl Survey<'_> {
    fn see(&mut self, line: &[u8]) {
        // Only what can be read to its end shall count.
        let whole = |mut cursor: Cursor| {
            cursor.skip()?;
            cursor.end()
        };
        let seen = Cursor::new(line).and_then(|mut cursor| {
            whole(cursor)?;
            match cursor.value()? {
                Token::Object => self.keys.see(&mut cursor, self.nulls),
                other => Err(no_object(other)),
            }
        });
        match seen {
            Ok(()) => self.rows += 1,
            Err(fault) => drop(self.fault.get_or_insert(fault)),
        }
    }

    fn columns(mut self, options: &ReadOptions) -> Result<Columns> {
        if let Some(fault) = self.fault
            && self.rows == 0
        {
            return Err(fault);
        }
        for (name, wanted) in &options.types {
            declare(&mut self.keys, name, (*wanted).into()).then_some(()).ok_or_else(|| {
                Error::usage(format!("column `{name}` can't be: what stands before its dot is no object"))
                    .remedy("correct --type")
            })?;
        }
        let mut columns = Vec::new();
        let root = Object::flatten(self.keys, String::new(), &mut columns);
        let mut names = HashSet::new();
        if let Some((twice, _)) = columns.iter().find(|(name, _)| !names.insert(name)) {
            return Err(Error::data(format!(
                "there are two keys for a column `{twice}`, with a dot and in an object"
            ))
            .remedy("rename one of them"));
        }
        let fields: Vec<Field> =
            columns.iter().map(|(name, kind)| Field::new(name, kind.data_type(), true)).collect();
        let kinds = columns.into_iter().map(|(_, kind)| kind).collect();
        Ok(Columns { schema: Arc::new(Schema::new(fields)), kinds, root, nulls: options.nulls.clone() })
    }
}

/// The error for a line that is none.
pub(super) fn no_object(found: Token) -> Error {
    Error::data(format!("found {}, expected an object in each line", found.described()))
        .remedy("write columns as keys, for example with `jq -c`")
}

/// Says that a column, whose name may lead through objects, is of a kind; whether it can be there.
fn declare(keys: &mut Keys, name: &str, kind: Kind) -> bool {
    if keys.has(name) {
        keys.get(name).declared = Some(kind);
        return true;
    }
    // Keys may have dots themselves: the longest that is known leads on.
    let known = name.rmatch_indices('.').find(|(dot, _)| keys.has(&name[..*dot]));
    match known.or_else(|| name.match_indices('.').next()) {
        Some((dot, _)) => match keys.get(&name[..dot]).keys_mut() {
            Some(keys) => declare(keys, &name[dot + 1..], kind),
            None => false,
        },
        None => {
            keys.get(name).declared = Some(kind);
            true
        }
    }
}
