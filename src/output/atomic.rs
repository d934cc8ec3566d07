//! An atomic file: written under a temporary name, and renamed when it is whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::blocking::{Blocking, blocking};
use crate::error::{Error, Result};
use crate::input::set_unfinished;

/// A file on its way. Dropped before [`AtomicFile::commit`], it leaves nothing behind, and what stood
/// under its name stays as it was. (A device or a pipe under that name gets the bytes as they come.)
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    writer: BufWriter<Destination>,
}

#[derive(Debug)]
enum Destination {
    Temporary(NamedTempFile),
    /// A device or a pipe, which is written to: a file renamed to its name would take its place.
    Special(Blocking<File>),
}

impl AtomicFile {
    /// Starts the file, in the folder in which it will lie.
    ///
    /// # Errors
    /// If nothing can be written there: so this is done before a long run, not after it.
    pub fn create(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Err(Error::usage(format!("can't write {}: it is a folder", path.display()))
                .remedy("give the name of a file"));
        }
        let buffered = |destination| BufWriter::with_capacity(MOST_AT_ONCE, destination);
        if is_special(path) {
            let file = blocking(|| File::options().write(true).open(path));
            let file = file.map_err(|e| Error::io("can't write", path, &e))?;
            let special = Destination::Special(Blocking(file));
            return Ok(AtomicFile { path: path.to_path_buf(), writer: buffered(special) });
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let prefix = format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy());
        remove_orphans(folder, &prefix);
        let file = tempfile::Builder::new().prefix(&prefix).suffix(SUFFIX).tempfile_in(folder).map_err(
            |e| match e.kind() {
                io::ErrorKind::NotFound => Error::usage(format!(
                    "can't write {}: there is no folder {}",
                    path.display(),
                    folder.display()
                ))
                .remedy("make it first"),
                _ => Error::io("can't write", path, e.get_ref().and_then(|e| e.downcast_ref()).unwrap_or(&e)),
            },
        )?;
        // Where locks are not to be had, nobody takes the file for an orphan either.
        let _ = file.as_file().try_lock();
        set_unfinished(Some(file.path()));
        Ok(AtomicFile { path: path.to_path_buf(), writer: buffered(Destination::Temporary(file)) })
    }

    /// Finds out whether a file can be written there, and leaves nothing.
    ///
    /// # Errors
    /// If it can't.
    pub fn check(path: &Path) -> Result<()> {
        if is_special(path) { Ok(()) } else { AtomicFile::create(path).map(drop) }
    }

    /// The final path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// An error that names the file.
    pub fn fault(&self, error: &io::Error) -> Error {
        Error::io("can't write", &self.path, error)
    }

    /// Writes everything to the disk and gives the file its name.
    ///
    /// # Errors
    /// If the disk fails or is full; then nothing is left.
    pub fn commit(self) -> Result<()> {
        let AtomicFile { path, writer } = self;
        let fault = |e: &io::Error| Error::io("can't write", &path, e);
        let file = match writer.into_inner().map_err(|e| fault(e.error()))? {
            Destination::Temporary(file) => file,
            Destination::Special(_) => return Ok(()),
        };
        file.as_file().sync_all().map_err(|e| fault(&e))?;
        // Temporary files are private; a result has the mode that any new file would have.
        let mode = default_mode();
        file.as_file().set_permissions(mode).map_err(|e| fault(&e))?;
        file.persist(&path).map_err(|e| fault(&e.error))?;
        set_unfinished(None);
        if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
            // The name itself must be on the disk, too.
            File::open(folder).and_then(|f| f.sync_all()).map_err(|e| fault(&e))?;
        }
        Ok(())
    }
}

/// Bytes that are written at a time. A file system that gets more takes larger pages for it, and where free ones have gone
/// back to a virtual machine's host these take several times as long as all the rest.
const MOST_AT_ONCE: usize = 256 << 10;

/// What the names of temporary files end in.
const SUFFIX: &str = ".tmp";

/// Removes what runs have left that were killed while they wrote the same file. Those that live hold a lock on theirs.
fn remove_orphans(folder: &Path, prefix: &str) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_ours = name.to_str().is_some_and(|name| name.starts_with(prefix) && name.ends_with(SUFFIX));
        if is_ours && File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok()) {
            // Someone else may have removed it, and it is no harm if it stays.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether a device, a pipe or the like is there.
pub fn is_special(path: &Path) -> bool {
    path.metadata().is_ok_and(|m| !m.is_file() && !m.is_dir())
}

fn default_mode() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| u32::from_str_radix(line.strip_prefix("Umask:")?.trim(), 8).ok())
        .unwrap_or(0o022);
    std::fs::Permissions::from_mode(0o666 & !mask)
}

impl Write for Destination {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(MOST_AT_ONCE)];
        match self {
            Destination::Temporary(file) => file.write(bytes),
            Destination::Special(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Destination::Temporary(file) => file.flush(),
            Destination::Special(file) => file.flush(),
        }
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_left_goes_and_what_a_living_one_writes_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m");
        let left = folder.path().join(".m.abc123.tmp");
        let foreign = folder.path().join(".n.abc123.tmp");
        fs::write(&left, "left").unwrap();
        fs::write(&foreign, "foreign").unwrap();
        let mut first = AtomicFile::create(&path).unwrap();
        assert!(!left.exists() && foreign.exists());
        let second = AtomicFile::create(&path).unwrap();
        first.write_all(b"first").unwrap();
        first.commit().unwrap();
        drop(second);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
