//! The error of every part of millstream: one sentence that says where, what was found, what was
//! expected and what to do.
//!
//! An [`Error`] is small (one box) and is built where the fault is seen; outer layers, which know
//! more of the place, add to it with [`Error::at`] on the way out. What aborts a run and what is
//! counted and skipped is said by the public type that reads (see [`crate::input`]).

use std::fmt;
use std::path::{Path, PathBuf};

/// `std::result::Result` with millstream's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of fault it is; decides the exit code and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The options contradict each other or name something that does not exist (exit code 2).
    Usage,
    /// The data is not what it should be (exit code 1).
    Data,
    /// A file or device failed (exit code 1).
    Io,
    /// The user asked to stop (exit code 130).
    Interrupted,
    /// The reader of our output went away; not worth a word (exit code 0).
    BrokenPipe,
}

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A Parquet row group, counted from 0.
    RowGroup(usize),
    /// A record batch of an Arrow file or stream, counted from 0.
    RecordBatch(usize),
    /// A line of a text file, counted from 1.
    Line(u64),
}

/// Where in the data a fault was found; every field is optional and is filled in by whoever knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Option<PathBuf>,
    /// The row group, record batch or line.
    pub part: Option<Part>,
    /// The row in that file (or in that part, where a part is given), counted from 0.
    pub row: Option<u64>,
    /// The column's name.
    pub column: Option<String>,
}

impl Place {
    /// Fills the fields that are still unknown from `outer`.
    pub fn or(mut self, outer: Place) -> Place {
        self.file = self.file.or(outer.file);
        self.part = self.part.or(outer.part);
        self.row = self.row.or(outer.row);
        self.column = self.column.or(outer.column);
        self
    }

    fn is_empty(&self) -> bool {
        *self == Place::default()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(file) = &self.file {
            write!(f, "{}", file.display())?;
            separator = ", ";
        }
        if let Some(part) = &self.part {
            match part {
                Part::RowGroup(n) => write!(f, "{separator}row group {n}")?,
                Part::RecordBatch(n) => write!(f, "{separator}record batch {n}")?,
                Part::Line(n) => write!(f, "{separator}line {n}")?,
            }
            separator = ", ";
        }
        if let Some(row) = self.row {
            write!(f, "{separator}row {row}")?;
            separator = ", ";
        }
        if let Some(column) = &self.column {
            write!(f, "{separator}column `{column}`")?;
        }
        Ok(())
    }
}

/// An error that reads as a sentence: `place: what happened; remedy`.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    place: Place,
    message: String,
    remedy: Option<String>,
}

impl Error {
    /// An error of the given kind with its message (no final full stop).
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error(Box::new(Inner { kind, place: Place::default(), message: message.into(), remedy: None }))
    }

    /// A fault in the data: say what was found and what was expected.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(Kind::Data, message)
    }

    /// A wrong or contradictory option.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// A failed operation of the operating system on a file. `doing` reads like "can't read" or
    /// "can't write".
    pub fn io(doing: &str, path: &Path, error: &std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::BrokenPipe => Kind::BrokenPipe,
            _ => Kind::Io,
        };
        let what = match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file or folder".to_string(),
            std::io::ErrorKind::PermissionDenied => "permission denied".to_string(),
            std::io::ErrorKind::StorageFull => "the disk is full".to_string(),
            _ => error.to_string(),
        };
        let fault = Self::new(kind, format!("{doing} {}: {what}", path.display()));
        match error.kind() {
            std::io::ErrorKind::NotFound => fault.remedy("check the path"),
            _ if error.raw_os_error() == Some(libc::EMFILE) => {
                fault.remedy("allow more open files (`ulimit -n`), give fewer --threads, or join small files")
            }
            _ => fault,
        }
    }

    /// The user's wish to stop.
    pub fn interrupted() -> Self {
        Self::new(Kind::Interrupted, "interrupted; nothing was written")
    }

    /// Adds what to do about it (an imperative, no final full stop).
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.0.remedy.get_or_insert(remedy.into());
        self
    }

    /// Says what to do about it, whatever was said before.
    #[must_use]
    pub fn remedied(mut self, remedy: impl Into<String>) -> Self {
        self.0.remedy = Some(remedy.into());
        self
    }

    /// Adds what is known of the place; what an inner layer already said stays.
    #[must_use]
    pub fn at(mut self, outer: Place) -> Self {
        self.0.place = std::mem::take(&mut self.0.place).or(outer);
        self
    }

    /// Adds another thing to do.
    #[must_use]
    pub(crate) fn and(mut self, remedy: &str) -> Self {
        self.0.remedy = Some(match self.0.remedy.take() {
            Some(before) => format!("{before}; {remedy}"),
            None => remedy.to_string(),
        });
        self
    }

    /// What was found and what was expected, without the place and without the remedy.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Puts the error at another place, which a batch's row has turned out to be; the column stays.
    #[must_use]
    pub fn moved_to(mut self, place: Place) -> Self {
        self.0.place.row = None;
        self.at(place)
    }

    /// Adds the file, unless an inner layer named one.
    #[must_use]
    pub fn in_file(self, path: &Path) -> Self {
        self.at(Place { file: Some(path.to_path_buf()), ..Place::default() })
    }

    /// Calls a file by another name, in the place and in the message.
    #[must_use]
    pub fn renamed(mut self, path: &Path, name: &Path) -> Self {
        if self.0.place.file.as_deref() == Some(path) {
            self.0.place.file = Some(name.to_path_buf());
        }
        let (path, name) = (path.display().to_string(), name.display().to_string());
        self.0.message = self.0.message.replace(&path, &name);
        self
    }

    /// Adds the column, unless an inner layer named one.
    #[must_use]
    pub fn in_column(self, name: &str) -> Self {
        self.at(Place { column: Some(name.to_string()), ..Place::default() })
    }

    /// The kind, for the exit code.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The place, as far as it is known.
    pub fn place(&self) -> &Place {
        &self.0.place
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What failed on a file as a whole has named it.
        let Place { file, part, row, column } = &self.0.place;
        let is_named = file.as_ref().is_some_and(|file| self.0.message.contains(&*file.to_string_lossy()));
        if !(self.0.place.is_empty() || is_named && part.is_none() && row.is_none() && column.is_none()) {
            write!(f, "{}: ", self.0.place)?;
        }
        write!(f, "{}", self.0.message)?;
        if let Some(remedy) = &self.0.remedy {
            write!(f, "; {remedy}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// The name of this program, which its messages begin with.
pub fn program() -> String {
    let name = std::env::args_os().next().unwrap_or_default();
    Path::new(&name).file_name().unwrap_or(std::ffi::OsStr::new("millstream")).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_a_sentence_with_place_and_remedy() {
        let error = Error::data("found \"abc\", expected a number")
            .in_column("age")
            .at(Place { part: Some(Part::Line(7)), column: Some("ignored".into()), ..Place::default() })
            .in_file(Path::new("a.csv"))
            .remedy("name the column in --categorical");
        assert_eq!(
            error.to_string(),
            "a.csv, line 7, column `age`: found \"abc\", expected a number; name the column in --categorical"
        );
    }
}
