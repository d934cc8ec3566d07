//! A dataset: the files that the user named, with one schema and a list of splits.

use std::fs;
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::csv::CsvSource;
use super::detect::text_format;
use super::disk::{Access, Io, fetch};
use super::fetched::Fetched;
use super::ipc::{IpcSource, IpcStreamSource, Recent};
use super::options::{ReadOptions, TextFormat};
use super::parquet::ParquetSource;
use super::places::places;
use super::skipped::Skipped;
use super::source::{BatchStream, Request, Source, Split};
use super::spool::{Spool, Spooled, is_standard_input};
use super::stamp::Stamp;
use super::unify::{translating_what_stays, unify, widened};
use super::{json, libsvm, vw};
use crate::error::{Error, Kind, Result};
use crate::suggest::no_such_column;

/// Files of one schema, in order.
pub struct Dataset {
    sources: Vec<Box<dyn Source>>,
    schema: SchemaRef,
    splits: Vec<Split>,
    notes: Vec<String>,
    stamps: Vec<Stamp>,
    skipped: Skipped,
    io: Io,
}

impl Dataset {
    /// Opens files, folders (their files, not their subfolders') and globs. A folder's files are
    /// taken in the order of their names; those whose name begins with `_` or `.` and those of no known
    /// format are passed over with a note. `-` is standard input, which is first read to its end, as
    /// pipes are.
    ///
    /// # Errors
    /// If there is no such file, one can't be read, or two disagree in their schemas; or if the options
    /// give a type to a column that no file has.
    pub fn open(inputs: &[String], options: &ReadOptions) -> Result<Dataset> {
        let mut notes = Vec::new();
        let mut paths = Vec::new();
        for input in inputs {
            expand(input, &mut paths, &mut notes)?;
        }
        if paths.iter().filter(|path| is_standard_input(path)).count() > 1 {
            return Err(Error::usage("standard input is named twice, but can be read only once"));
        }
        let recent = Arc::new(Recent::default());
        let stamps = paths.iter().filter(|path| path.is_file()).filter_map(|path| Stamp::of(path)).collect();
        let mut skipped = Skipped::default();
        let mut sources = Vec::with_capacity(paths.len());
        for path in &paths {
            match open_source(path, options, &recent) {
                Err(error) if options.skips_bad && error.kind() == Kind::Data && paths.len() > 1 => {
                    notes.push(format!("left out: {error}"));
                    skipped.add_block(&error, None);
                }
                source => sources.push(source?),
            }
        }
        let schema = unify(&sources)?;
        let known = places(&schema);
        if let Some(name) = options.types.keys().find(|name| !known.contains_key(name.as_str())) {
            return Err(no_such_column(name, schema.fields().iter().map(|field| field.name().as_str())));
        }
        let splits: Vec<Split> = sources.iter().enumerate().flat_map(|(i, s)| s.splits(i)).collect();
        let bytes = paths.iter().filter_map(|path| fs::metadata(path).ok()).map(|file| file.len());
        let io = options.io.unwrap_or_else(|| Io::of(bytes.fold(0, u64::saturating_add)));
        Ok(Dataset { sources, schema, splits, notes, stamps, skipped, io })
    }

    /// All columns of all files.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The splits in the order of the files and rows.
    pub fn splits(&self) -> &[Split] {
        &self.splits
    }

    /// The files.
    pub fn files(&self) -> impl ExactSizeIterator<Item = &Path> {
        self.sources.iter().map(|s| s.path())
    }

    /// Makes sure that what was read of the files is what they were when they were opened: to be called when all has been
    /// read.
    ///
    /// # Errors
    /// If a file was changed, replaced or removed since.
    pub fn check_unchanged(&self) -> Result<()> {
        self.stamps.iter().try_for_each(Stamp::check)
    }

    /// Of each file what it is called, and where its bytes can be read.
    pub(crate) fn contents(&self) -> impl ExactSizeIterator<Item = (&Path, &Path)> {
        self.sources.iter().map(|source| (source.path(), source.file()))
    }

    /// What was passed over, a sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The files that were left out.
    pub fn skipped(&self) -> &Skipped {
        &self.skipped
    }

    /// Bytes of all splits.
    pub fn bytes(&self) -> u64 {
        self.splits.iter().map(|s| s.bytes).fold(0, u64::saturating_add)
    }

    /// Rows of all splits, if all formats know them without reading, and they are a number at all: damaged files may
    /// claim more.
    pub fn rows(&self) -> Option<u64> {
        self.splits.iter().try_fold(0u64, |rows, split| rows.checked_add(split.rows?))
    }

    /// Whether splits can be fetched before they are read.
    pub fn can_fetch(&self) -> bool {
        self.io == Io::Direct
    }

    /// Reads what a split takes past the system's cache, if it is read so, and all at once.
    pub fn fetch(&self, split: &Split, request: &Request) -> Option<Fetched> {
        if !self.can_fetch() {
            return None;
        }
        let source = &self.sources[split.file];
        fetch(source.file(), source.ranges(split, request))
    }

    /// Starts reading a split, which may have been fetched.
    ///
    /// # Errors
    /// Those of the file.
    pub fn read(
        &self,
        split: &Split,
        request: &Request,
        fetched: Option<Fetched>,
    ) -> Result<Box<dyn BatchStream>> {
        let source = &self.sources[split.file];
        let request = &translating_what_stays(source.schema(), &self.schema, request);
        let fetched = fetched.or_else(|| self.fetch(split, request));
        let stream = source.open(split, request, Access { io: self.io, fetched })?;
        Ok(widened(stream, source.schema(), &self.schema, request))
    }

    /// The file of a split.
    pub fn path(&self, split: usize) -> &Path {
        self.sources[self.splits[split].file].path()
    }

    /// The most memory that one opened split holds, an estimate in bytes.
    pub fn open_bytes(&self, request: &Request) -> usize {
        let bytes = |split: &Split| {
            let source = &self.sources[split.file];
            let fetched = if self.can_fetch() { source.ranges(split, request) } else { Vec::new() };
            let fetched = fetched.iter().map(|range| range.end - range.start).fold(0, u64::saturating_add);
            source.open_bytes(split, request).saturating_add(usize::try_from(fetched).unwrap_or(usize::MAX))
        };
        self.splits.iter().map(bytes).max().unwrap_or(0)
    }

    /// Values that a row has in the requested columns on average, in the split where it has the most.
    pub fn values_per_row(&self, request: &Request) -> usize {
        self.splits.iter().map(|s| self.sources[s.file].values_per_row(s, request)).max().unwrap_or(0)
    }
}

/// Extensions of the files that a folder is searched for.
const EXTENSIONS: [&str; 17] = [
    "parquet", "parq", "pq", "arrow", "arrows", "feather", "ipc", "csv", "tsv", "txt", "libsvm", "svm",
    "svmlight", "vw", "jsonl", "ndjson", "json",
];

/// The folder in which a conversion to shards keeps what is unfinished; gone when it is complete.
pub const UNFINISHED: &str = ".mkshards";

/// Refuses a folder of shards, or of parts of them, that is not complete.
fn check_finished(folder: &Path) -> Result<()> {
    let around = folder.canonicalize().ok().and_then(|folder| folder.parent().map(Path::to_path_buf));
    let is_unfinished = |folder: &Path| folder.join(UNFINISHED).join("record.jsonl").exists();
    if is_unfinished(folder) || around.is_some_and(|around| is_unfinished(&around)) {
        return Err(Error::data("the conversion to shards that fills this folder is not complete")
            .remedy("let it end, or go on with `mkshards --resume`")
            .in_file(folder));
    }
    Ok(())
}

fn expand(input: &str, paths: &mut Vec<PathBuf>, notes: &mut Vec<String>) -> Result<()> {
    let path = Path::new(input);
    if path.is_dir() {
        check_finished(path)?;
        let before = paths.len();
        let mut passed_over = Vec::new();
        let fault = |e: std::io::Error| Error::io("can't read", path, &e);
        let mut entries = fs::read_dir(path).map_err(fault)?.collect::<Result<Vec<_>, _>>().map_err(fault)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(['_', '.']) {
                continue;
            }
            if entry.path().is_dir() {
                passed_over.push(format!("{name}/"));
            } else if has_known_extension(&name) {
                paths.push(entry.path());
            } else {
                passed_over.push(name);
            }
        }
        if paths.len() == before {
            return Err(Error::data(format!("the folder {input} holds no file of a known format"))
                .remedy(format!("expected files ending in {}", EXTENSIONS.join(", "))));
        }
        if !passed_over.is_empty() {
            let more = passed_over.len().saturating_sub(5);
            passed_over.truncate(5);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            notes.push(format!("passed over in {input}: {}{more}", passed_over.join(", ")));
        }
        return Ok(());
    }
    if path.exists() || !input.contains(['*', '?', '[']) {
        paths.push(path.to_path_buf());
        return Ok(());
    }
    let bad = |e: &dyn std::fmt::Display| Error::usage(format!("can't search for {input}: {e}"));
    let before = paths.len();
    for found in glob::glob(input).map_err(|e| bad(&e))? {
        let found = found.map_err(|e| bad(&e))?;
        if found.is_file() {
            paths.push(found);
        }
    }
    if paths.len() == before {
        return Err(Error::data(format!("no file matches {input}")).remedy("check the path"));
    }
    Ok(())
}

fn has_known_extension(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    name.rsplit_once('.').is_some_and(|(_, extension)| EXTENSIONS.contains(&extension))
}

/// Opens an input, which is first copied if it can be read only once.
fn open_source(path: &Path, options: &ReadOptions, recent: &Arc<Recent>) -> Result<Box<dyn Source>> {
    if is_standard_input(path) {
        let spool = Spool::standard_input()?;
        return Spooled::open(spool, |copy| open_file(copy, path, options, recent));
    }
    let metadata = fs::metadata(path).map_err(|e| Error::io("can't read", path, &e))?;
    if metadata.is_dir() {
        return Err(Error::data("is a folder, expected a file").in_file(path));
    }
    if metadata.file_type().is_fifo() {
        let spool = Spool::pipe(path)?;
        return Spooled::open(spool, |copy| open_file(copy, path, options, recent));
    }
    if !metadata.is_file() {
        return Err(Error::data("is a device, expected a file or a pipe").in_file(path));
    }
    open_file(path, path, options, recent)
}

/// Opens a file by what it holds, and by what it is called.
fn open_file(
    path: &Path,
    name: &Path,
    options: &ReadOptions,
    recent: &Arc<Recent>,
) -> Result<Box<dyn Source>> {
    let fault = |e: std::io::Error| Error::io("can't read", path, &e);
    let mut file = fs::File::open(path).map_err(fault)?;
    let mut start = [0; 8];
    let mut read = 0;
    while read < start.len() {
        match file.read(&mut start[read..]).map_err(fault)? {
            0 => break,
            n => read += n,
        }
    }
    let start = &start[..read];
    if start.is_empty() {
        return Err(Error::data("the file is empty; expected a table").in_file(path));
    }
    if start.starts_with(b"PAR1") {
        Ok(Box::new(ParquetSource::open(path)?))
    } else if start.starts_with(b"PARE") {
        Err(Error::data("the file is encrypted").remedy("decrypt it first").in_file(path))
    } else if start.starts_with(b"ARROW1") {
        Ok(Box::new(IpcSource::open(path, recent.clone())?))
    } else if start.starts_with(&[0xff, 0xff, 0xff, 0xff]) {
        Ok(Box::new(IpcStreamSource::open(path)?))
    } else if start.starts_with(b"BZh") {
        Err(Error::data("the file is compressed with bzip2, expected gzip, zstd or none")
            .remedy("unpack it, or pipe it in: bzcat FILE | ... -")
            .in_file(path))
    } else if start.starts_with(b"FEA1") {
        Err(Error::data("the file has the old Feather format")
            .remedy("write it as Feather 2 or Parquet")
            .in_file(path))
    } else {
        // UTF-16, too, is left to the reader of text, which says what it is.
        let known = [&[0x1f, 0x8b][..], &[0x28, 0xb5, 0x2f, 0xfd], &[0xff, 0xfe], &[0xfe, 0xff]];
        let text = known.iter().any(|mark| start.starts_with(mark)) || !start.contains(&0);
        let lowercase = name.to_string_lossy().to_ascii_lowercase();
        let binary = [".parquet", ".parq", ".pq", ".arrow", ".feather", ".ipc", ".arrows"];
        if !text || binary.iter().any(|e| lowercase.ends_with(e)) {
            return Err(Error::data("not a Parquet, Arrow or text file, to judge by its first bytes")
                .remedy("it may be damaged: write or copy it again")
                .in_file(path));
        }
        Ok(match text_format(path, name, options)? {
            TextFormat::Csv => Box::new(CsvSource::open(path, options)?),
            TextFormat::Libsvm => Box::new(libsvm::open(path, options)?),
            TextFormat::Vw => Box::new(vw::open(path, options)?),
            TextFormat::JsonLines => Box::new(json::open(path, options)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_text_is_known_by_its_inner_extension() {
        assert!(has_known_extension("a.csv.gz") && has_known_extension("B.PARQUET"));
        assert!(has_known_extension("a.svm.zst") && has_known_extension("a.jsonl"));
        assert!(!has_known_extension("readme.md") && !has_known_extension("a.gz"));
    }
}
