//! A stamp: what the system says of a file, by which it is seen whether others have changed it meanwhile.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{Error, Result};

/// What is known of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    path: PathBuf,
    bytes: u64,
    number: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    /// The stamp of a file; `None` if there is no such file, as behind the name of a copy.
    pub(super) fn of(path: &Path) -> Option<Stamp> {
        let metadata = path.metadata().ok()?;
        let (number, modified) = (metadata.ino(), metadata.modified().ok());
        Some(Stamp { path: path.to_path_buf(), bytes: metadata.len(), number, modified })
    }

    /// Refuses a file that is not what it was. (What was merely written to the end of a file was not read.)
    pub(super) fn check(&self) -> Result<()> {
        let change = match Stamp::of(&self.path) {
            None => "was removed".to_string(),
            Some(now) if now == *self => return Ok(()),
            Some(now) if now.number != self.number => "was replaced".to_string(),
            Some(now) if now.bytes > self.bytes => return Ok(()),
            Some(now) if now.bytes < self.bytes => {
                format!("was cut from {} bytes to {}", self.bytes, now.bytes)
            }
            Some(_) => "was changed".to_string(),
        };
        Err(Error::data(format!("the file {change} while it was read"))
            .remedy("leave files alone during a run, and run it again")
            .in_file(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn changes_are_told_and_more_lines_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&path, "1234").unwrap();
        let stamp = Stamp::of(&path).unwrap();
        let told = || stamp.check().map_err(|e| e.message().to_string());
        assert_eq!(told(), Ok(()));
        fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .and_then(|mut f| std::io::Write::write_all(&mut f, b"5"))
            .unwrap();
        assert_eq!(told(), Ok(()));
        fs::write(&path, "12").unwrap();
        assert!(told().unwrap_err().contains("was cut from 4 bytes to 2"));
        fs::write(&other, "1234").unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(told().unwrap_err().contains("was replaced"));
        fs::remove_file(&path).unwrap();
        assert!(told().unwrap_err().contains("was removed"));
        assert!(Stamp::of(&path).is_none());
    }
}
