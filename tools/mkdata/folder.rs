//! The output folder: checked before anything is made, and filled so that a file is either whole or
//! not there.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Makes `folder`, or checks that it is empty unless `force` says that it need not be.
pub(crate) fn prepare(folder: &Path, force: bool) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut entries =
        fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    if !force && entries.next().is_some() {
        bail!("{} is not empty: name another folder, or add --force to write there", folder.display());
    }
    Ok(())
}

/// A file under a temporary name; it disappears unless it is [kept](Draft::keep).
pub(crate) struct Draft {
    draft: PathBuf,
    target: PathBuf,
}

impl Draft {
    /// Creates the file that will be `name`. The temporary name begins with a dot, which readers of
    /// folders pass over.
    pub(crate) fn create(folder: &Path, name: &str) -> Result<(Draft, File)> {
        let draft = Draft { draft: folder.join(format!(".{name}.tmp")), target: folder.join(name) };
        let file =
            File::create(&draft.draft).with_context(|| format!("cannot create {}", draft.draft.display()))?;
        Ok((draft, file))
    }

    /// Gives the file its name, and returns its size.
    pub(crate) fn keep(self) -> Result<u64> {
        fs::rename(&self.draft, &self.target)
            .with_context(|| format!("cannot rename {}", self.draft.display()))?;
        Ok(fs::metadata(&self.target).map_or(0, |metadata| metadata.len()))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After `keep` there is nothing left of that name, and an error has been reported already.
        let _ = fs::remove_file(&self.draft);
    }
}
