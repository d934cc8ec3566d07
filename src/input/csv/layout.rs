//! How a file is laid out: compression, dialect, header and columns, found from samples of it.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::boundary::Text;
use super::breaks::Breaks;
use super::dialect::Dialect;
use super::kind::Kind;
use super::records::{BLOCK, LONGEST};
use super::spelling::Spelling;
use super::starts::Starts;
use super::tokens::{Scan, Tokens};
use super::trial::{Sample, Trial};
use crate::error::{Error, Part, Place, Result};
use crate::input::bytes::{Bytes, Compression};
use crate::input::disk::{Access, DiskFile};
use crate::input::{ColumnType, ReadOptions};

/// Lines that the first sample shall hold, even if they are long.
const HEAD_LINES: usize = 8;

/// Bytes of the first sample, if there can be no others.
const ONLY_HEAD: usize = 4 << 20;

/// Samples from the middle of a file, and their size.
const BLOCKS: u64 = 8;
const BLOCK_BYTES: u64 = 64 << 10;

/// Everything about a file that its reader needs to know.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) compression: Compression,
    /// Bytes on disk.
    pub(super) len: u64,
    pub(super) dialect: Dialect,
    pub(super) spelling: Spelling,
    /// Where the rows begin, in the decompressed text.
    pub(super) start: u64,
    /// Line breaks before that.
    pub(super) start_line: u64,
    pub(super) schema: SchemaRef,
    /// Bytes of a record, on average over the sample.
    pub(super) record_bytes: usize,
    /// Lines, as far as they have been counted.
    pub(super) breaks: Breaks,
    /// Columns whose types the user named.
    pub(super) declared: HashSet<String>,
}

impl Layout {
    /// Finds out from samples of the file what the options don't say.
    pub(super) fn sniff(path: &Path, options: &ReadOptions) -> Result<Self> {
        check_options(options)?;
        let failed = |error: io::Error| Error::io("can't read", path, &error);
        let file = Arc::new(DiskFile::open(path, Access::default()).map_err(failed)?);
        let len = file.len();
        let mut magic = [0; 16];
        let magic_len = file.read_at(&mut magic, 0).map_err(failed)?;
        let compression = Compression::of(&magic[..magic_len]);
        let head = head(&file, compression, len).map_err(|error| unreadable(compression, &error));
        let (mark, head) = split_mark(head.map_err(|error| error.in_file(path))?);
        check_lines(&head).map_err(|error| error.in_file(path))?;

        let (dialect, trial) = best(&head, options);
        let blocks = |dialect| match compression {
            Compression::None => blocks(&file, len, mark + head.bytes.len() as u64, dialect, trial.columns),
            _ => Ok(Vec::new()),
        };
        let (dialect, blocks) = match options.quotes {
            None => settle_quotes(dialect, &head, blocks),
            Some(_) => blocks(dialect).map(|blocks| (dialect, blocks)),
        }
        .map_err(failed)?;
        let spelling = Spelling::new(options);
        let found = Table::new(dialect, &spelling, options, &head, &blocks);
        let found = found.map_err(|error| error.in_file(path))?;
        let header = &head.bytes[..found.start];
        Ok(Layout {
            compression,
            len,
            dialect,
            spelling,
            start: mark + found.start as u64,
            start_line: header.iter().filter(|byte| **byte == b'\n').count() as u64,
            schema: Arc::new(Schema::new(found.fields)),
            record_bytes: found.record_bytes,
            breaks: Breaks::default(),
            declared: options.types.keys().cloned().collect(),
        })
    }

    /// The number of columns.
    pub(super) fn columns(&self) -> usize {
        self.schema.fields().len()
    }
}

/// Options that no file could be read with.
fn check_options(options: &ReadOptions) -> Result<()> {
    let special = |byte| matches!(byte, b'\n' | b'\r' | b'"');
    let ReadOptions { delimiter, comment, .. } = *options;
    if let Some(byte) = delimiter.filter(|byte| special(*byte)) {
        return Err(Error::usage(format!("{:?} can't be a delimiter", char::from(byte)))
            .remedy("name the byte that stands between cells"));
    }
    if let Some(byte) = comment.filter(|byte| special(*byte) || delimiter == Some(*byte)) {
        return Err(Error::usage(format!("{:?} can't begin a comment", char::from(byte)))
            .remedy("name the byte that comment lines begin with, such as #"));
    }
    Ok(())
}

/// The error for a file whose bytes can't be had.
pub(in crate::input) fn unreadable(compression: Compression, error: &io::Error) -> Error {
    match (compression, error.kind()) {
        (Compression::None, io::ErrorKind::UnexpectedEof) => {
            Error::data("the file became shorter while it was read").remedy("leave it alone meanwhile")
        }
        (Compression::None, _) => Error::new(crate::error::Kind::Io, format!("can't read it: {error}")),
        (_, io::ErrorKind::UnexpectedEof) => {
            Error::data(format!("the {} breaks off before its end", compression.name()))
                .remedy("fetch or write the file again")
        }
        _ => Error::data(format!("the {} is damaged ({error})", compression.name()))
            .remedy("fetch or write the file again"),
    }
}

/// The beginning of the text.
fn head(file: &Arc<DiskFile>, compression: Compression, len: u64) -> io::Result<Sample> {
    let mut text = Bytes::open(file.clone(), compression, len, 0)?;
    let mut bytes = Vec::new();
    // Of text that can't be read from its middle, the beginning must show all.
    let enough = if compression == Compression::None { BLOCK } else { ONLY_HEAD };
    loop {
        let filled = bytes.len();
        let wanted = enough.max(filled);
        bytes.resize(filled + wanted, 0);
        let read = text.read(&mut bytes[filled..])?;
        bytes.truncate(filled + read);
        let last = read < wanted;
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        if last || lines >= HEAD_LINES || bytes.len() >= LONGEST {
            return Ok(Sample { bytes, last });
        }
    }
}

/// Takes away the byte order mark that some programs write, and says how long it is.
fn split_mark(mut head: Sample) -> (u64, Sample) {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    if !head.bytes.starts_with(MARK) {
        return (0, head);
    }
    head.bytes.drain(..MARK.len());
    (MARK.len() as u64, head)
}

fn check_lines(head: &Sample) -> Result<()> {
    let text = &head.bytes;
    if text.starts_with(&[0xff, 0xfe]) || text.starts_with(&[0xfe, 0xff]) {
        return Err(Error::data("the file is UTF-16, to judge by its first bytes; expected UTF-8")
            .remedy("convert it, for example with `iconv -f UTF-16 -t UTF-8`"));
    }
    if head.last && text.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
        return Err(no_rows());
    }
    let crs = text.iter().filter(|byte| **byte == b'\r').count();
    if crs > 1 && !text.contains(&b'\n') {
        return Err(Error::data("the lines end with a carriage return only")
            .remedy("convert them, for example with `tr '\\r' '\\n'`"));
    }
    Ok(())
}

fn no_rows() -> Error {
    Error::data("the file is empty; expected a header and rows")
}

/// The dialect that explains the beginning of the file best, among those that the options allow.
fn best(head: &Sample, options: &ReadOptions) -> (Dialect, Trial) {
    if let Some(delimiter) = options.delimiter {
        return with_delimiter(delimiter, head, options);
    }
    let mut best = None;
    for delimiter in *b",\t;|" {
        // A comma before decimals can stand between cells as well only if quotes tell them apart.
        if delimiter == b',' && options.decimal_comma {
            continue;
        }
        let (dialect, trial) = with_delimiter(delimiter, head, options);
        if trial.splits() && best.as_ref().is_none_or(|(_, other)| trial.beats(other)) {
            best = Some((dialect, trial));
        }
    }
    if best.is_none() && options.decimal_comma && head.bytes.contains(&b'"') {
        let (dialect, trial) = with_delimiter(b',', head, options);
        best = trial.splits().then_some((dialect, trial));
    }
    best.unwrap_or_else(|| with_delimiter(b'\n', head, options))
}

fn with_delimiter(delimiter: u8, head: &Sample, options: &ReadOptions) -> (Dialect, Trial) {
    let dialect = Dialect::quoted(delimiter).with_comment(options.comment);
    let quoted = || Trial::new(dialect, head);
    let plain = || Trial::new(dialect.unquoted(), head);
    match options.quotes {
        Some(true) => (dialect, quoted()),
        Some(false) => (dialect.unquoted(), plain()),
        None => {
            let (quoted, plain) = (quoted(), plain());
            if quoted.is_quoted(&plain) { (dialect, quoted) } else { (dialect.unquoted(), plain) }
        }
    }
}

/// Samples from the middle of a plain file, after its first `head` bytes.
fn blocks(file: &DiskFile, len: u64, head: u64, dialect: Dialect, columns: usize) -> io::Result<Vec<Sample>> {
    let mut samples = Vec::new();
    let step = len.saturating_sub(BLOCK_BYTES) / BLOCKS;
    let (starts, text) = (Starts::new(0, step), Text { file, len, dialect, columns });
    for block in 1..=BLOCKS {
        let nominal = step * block;
        if nominal < head {
            continue;
        }
        let start = starts.at(text, nominal)?;
        let mut bytes = vec![0; BLOCK_BYTES.min(len - start) as usize];
        file.read_exact_at(&mut bytes, start)?;
        samples.push(Sample { last: start + bytes.len() as u64 == len, bytes });
    }
    Ok(samples)
}

/// The quotes of the file's beginning may be few or none: looks at those of its middle, too. Gives
/// the samples as cut by the dialect.
fn settle_quotes(
    dialect: Dialect,
    head: &Sample,
    blocks: impl Fn(Dialect) -> io::Result<Vec<Sample>>,
) -> io::Result<(Dialect, Vec<Sample>)> {
    let samples = blocks(dialect)?;
    let plain = dialect.unquoted();
    let suspect = |sample: &Sample| {
        sample.bytes.contains(&b'"') && !Trial::new(dialect, sample).is_quoted(&Trial::new(plain, sample))
    };
    if dialect != plain && samples.iter().any(suspect) {
        let samples = blocks(plain)?;
        let whole = |sample: &Sample| Trial::new(plain, sample).is_even();
        if whole(head) && samples.iter().all(whole) {
            return Ok((plain, samples));
        }
    }
    Ok((dialect, samples))
}

/// The table that the samples show.
struct Table {
    /// Where the rows begin.
    start: usize,
    fields: Vec<Field>,
    record_bytes: usize,
}

impl Table {
    fn new(
        dialect: Dialect,
        spelling: &Spelling,
        options: &ReadOptions,
        head: &Sample,
        blocks: &[Sample],
    ) -> Result<Self> {
        let trial = Trial::new(dialect, head);
        if trial.tokens.len() == 0 {
            if let Some(flaw) = trial.flaw {
                let place = Place { part: Some(Part::Line(flaw.line + 1)), ..Place::default() };
                return Err(flaw.error().at(place));
            }
            if head.last {
                return Err(no_rows());
            }
            return Err(Error::data("the file's first record has no end within the first 64 MiB of text")
                .remedy("check that every quote is closed, and that this is a table"));
        }
        let mut kinds = vec![Kind::new(); trial.columns];
        let after_first = if trial.tokens.len() > 1 { trial.tokens.start(1) } else { trial.rest };
        let mut records = 1 + see(&mut kinds, dialect, spelling, &head.bytes[after_first..], head.last);
        for block in blocks {
            records += see(&mut kinds, dialect, spelling, &block.bytes, block.last);
        }
        let bytes = head.bytes.len() + blocks.iter().map(|block| block.bytes.len()).sum::<usize>();

        let raw = |column| &head.bytes[trial.tokens.cell(0, column)];
        let first: Vec<&[u8]> = (0..trial.columns).map(|column| dialect.strip(raw(column))).collect();
        let has_header = options.header.unwrap_or_else(|| is_header(&first, &kinds, spelling));
        let mut names = Vec::new();
        for column in 0..trial.columns {
            let named = has_header && !first[column].is_empty();
            names.push(if named { name(dialect, raw(column))? } else { format!("column_{column}") });
            if !has_header {
                kinds[column].see(first[column], spelling);
            }
        }
        check_distinct(&names)?;
        let fields = names.into_iter().zip(&kinds).map(|(name, kind)| {
            let data_type = match options.types.get(&name) {
                Some(ColumnType::Map) => return Err(no_map(&name)),
                Some(given) => given.data_type(),
                None => kind.data_type(),
            };
            Ok(Field::new(name, data_type, true))
        });
        let fields = fields.collect::<Result<_>>()?;
        Ok(Table {
            start: if has_header { after_first } else { trial.tokens.start(0) },
            fields,
            record_bytes: bytes.div_ceil(records),
        })
    }
}

/// Shows the records of a sample to the columns' kinds, and counts them.
fn see(kinds: &mut [Kind], dialect: Dialect, spelling: &Spelling, mut text: &[u8], last: bool) -> usize {
    let mut tokens = Tokens::default();
    let mut records = 0;
    loop {
        let columns = Some(kinds.len());
        let scan = Scan { stop: usize::MAX, most: usize::MAX, last, line: 0, columns };
        let scanned = tokens.scan(dialect, text, scan);
        records += tokens.len() + tokens.ragged().len();
        for record in 0..tokens.len() {
            for (column, kind) in kinds.iter_mut().enumerate() {
                kind.see(dialect.strip(&text[tokens.cell(record, column)]), spelling);
            }
        }
        // What can't be read may be left out later on, so that what stands behind it counts.
        let Some(flaw) = scanned.flaw else { return records };
        let from = scanned.bytes + flaw.from;
        let Some(end) = text[from..].iter().position(|byte| *byte == b'\n') else { return records };
        text = &text[from + end + 1..];
    }
}

/// Whether the first record names the columns. None of its cells reads as a value; besides, all say
/// something and no two the same, or one stands above values of another type, or there is nothing
/// but text, which tells us nothing: most files have a header.
fn is_header(first: &[&[u8]], kinds: &[Kind], spelling: &Spelling) -> bool {
    let is_name = |cell: &[u8]| !spelling.is_missing(cell);
    if first.iter().any(|cell| spelling.is_value(cell)) {
        return false;
    }
    let distinct: HashSet<_> = first.iter().collect();
    let all_names = first.iter().all(|cell| is_name(cell)) && distinct.len() == first.len();
    let is_text = |kind: &Kind| kind.data_type() == DataType::Utf8;
    let contrast = first.iter().zip(kinds).any(|(cell, kind)| is_name(cell) && !is_text(kind));
    all_names || contrast || kinds.iter().all(is_text)
}

fn no_map(name: &str) -> Error {
    Error::usage(format!("column `{name}` shall be a map, but a cell of a CSV file holds a single value"))
        .remedy("give it another type")
}

fn name(dialect: Dialect, cell: &[u8]) -> Result<String> {
    if std::str::from_utf8(cell).is_err() {
        let error = Error::data(format!("the header's {:?} is not valid UTF-8", dialect.text(cell)));
        return Err(error.remedy("convert the file to UTF-8, for example with iconv"));
    }
    Ok(dialect.text(cell).into_owned())
}

fn check_distinct(names: &[String]) -> Result<()> {
    let mut seen = HashSet::new();
    let mut twice: Vec<String> =
        names.iter().filter(|name| !seen.insert(*name)).map(|name| format!("`{name}`")).collect();
    if twice.is_empty() {
        return Ok(());
    }
    twice.dedup();
    let error = Error::data(format!("the header names {} more than once", twice.join(", ")));
    Err(error.remedy("give every column a name of its own"))
}
