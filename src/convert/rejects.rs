//! The file of rejects: a CSV table of the rows that could not be read, and why.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Part, Result};
use crate::input::Reject;

/// The file, if there is to be one, and how many rows it may hold.
pub(super) struct Rejects {
    file: Option<(PathBuf, BufWriter<File>)>,
    most: u64,
    /// Rows in it.
    pub(super) count: u64,
    /// Its length in bytes.
    pub(super) bytes: u64,
}

impl Rejects {
    /// Starts the file, or goes on after `count` rows and `bytes` bytes of it.
    pub(super) fn open(path: Option<&Path>, most: u64, (count, bytes): (u64, u64)) -> Result<Self> {
        let Some(path) = path else { return Ok(Rejects { file: None, most, count: 0, bytes: 0 }) };
        let fault = |e: std::io::Error| Error::io("can't write", path, &e);
        let mut file =
            OpenOptions::new().create(true).write(true).truncate(false).open(path).map_err(fault)?;
        let there = file.metadata().map_err(fault)?.len();
        if there < bytes {
            return Err(Error::data(format!("found {there} bytes, expected {bytes} as recorded"))
                .remedy("the file of rejects was changed since: start anew with --overwrite")
                .in_file(path));
        }
        file.set_len(bytes).and_then(|()| file.seek(std::io::SeekFrom::End(0))).map_err(fault)?;
        let mut rejects =
            Rejects { file: Some((path.to_path_buf(), BufWriter::new(file))), most, count, bytes };
        if bytes == 0 {
            rejects.write("file,line,row,column,reason,text\n")?;
        }
        rejects.flush()?;
        Ok(rejects)
    }

    /// Adds rows.
    ///
    /// # Errors
    /// If there are now too many, or the disk fails.
    pub(super) fn add(&mut self, rejects: &[Reject]) -> Result<()> {
        for reject in rejects {
            if self.count == self.most {
                self.flush()?;
                let path = self.file.as_ref().map_or(String::new(), |(path, _)| path.display().to_string());
                return Err(Error::data(format!("more than {} rows can't be read", self.most))
                    .remedy(format!(
                        "see {path} for the others; correct them, name types with --type, or give a higher \
                         --max-rejects"
                    ))
                    .at(reject.error.place().clone()));
            }
            self.write(&line(reject))?;
            self.count += 1;
        }
        self.flush()
    }

    fn write(&mut self, text: &str) -> Result<()> {
        if let Some((path, file)) = &mut self.file {
            file.write_all(text.as_bytes()).map_err(|e| Error::io("can't write", path, &e))?;
            self.bytes += text.len() as u64;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        match &mut self.file {
            Some((path, file)) => file.flush().map_err(|e| Error::io("can't write", path, &e)),
            None => Ok(()),
        }
    }
}

fn line(reject: &Reject) -> String {
    let place = reject.error.place();
    let cell = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let file = place.file.as_ref().map_or(String::new(), |file| cell(&file.display().to_string()));
    let line = match place.part {
        Some(Part::Line(line)) => line.to_string(),
        _ => String::new(),
    };
    let row = place.row.map_or(String::new(), |row| row.to_string());
    let column = place.column.as_ref().map_or(String::new(), |column| cell(column));
    format!("{file},{line},{row},{column},{},{}\n", cell(reject.error.message()), cell(&reject.text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Place;

    #[test]
    fn lines_say_where_and_why_and_too_many_stop() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rejects.csv");
        let reject = |line| {
            let place = Place { part: Some(Part::Line(line)), column: Some("a".into()), ..Place::default() };
            Reject::new(Error::data("found \"x\", expected a number").at(place), b"x,\"y")
        };
        let mut rejects = Rejects::open(Some(&path), 2, (0, 0)).unwrap();
        rejects.add(&[reject(3)]).unwrap();
        let so_far = (rejects.count, rejects.bytes);
        rejects.add(&[reject(5)]).unwrap();
        drop(rejects);
        let mut again = Rejects::open(Some(&path), 2, so_far).unwrap();
        let error = again.add(&[reject(5), reject(9)]).unwrap_err().to_string();
        assert!(error.starts_with("line 9, column `a`: more than 2 rows"), "{error}");
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = "file,line,row,column,reason,text\n\
                        ,3,,\"a\",\"found \"\"x\"\", expected a number\",\"x,\"\"y\"\n\
                        ,5,,\"a\",\"found \"\"x\"\", expected a number\",\"x,\"\"y\"\n";
        assert_eq!(text, expected);
    }
}
