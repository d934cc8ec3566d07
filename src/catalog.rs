//! The catalog of a folder of shards: what it holds, and what a sample of its rows showed, so that
//! planning needs no second look. It is the file `_schema.json`, written when all shards are there.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::features::Profile;
use crate::input::Dataset;
use crate::output::AtomicFile;

/// The name of the file.
pub const NAME: &str = "_schema.json";

/// What a folder of shards holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Catalog {
    /// Grows with every change that older programs can't read.
    pub version: u32,
    /// Rows of all shards.
    pub rows: u64,
    /// The columns, with exact statistics over all rows.
    pub columns: Vec<Column>,
    /// How the rows came into their order.
    pub order: String,
    /// The shards, in the order of the rows.
    pub shards: Vec<Shard>,
    /// What a sample showed.
    pub profile: Profile,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as Arrow spells it.
    #[serde(rename = "type")]
    pub data_type: String,
    /// Rows in which it holds something.
    pub present: u64,
    /// Rows in which it does not.
    pub missing: u64,
    /// The least finite number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The greatest finite number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The mean of the finite numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
}

/// A shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shard {
    /// The file's name.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// Its bytes.
    pub bytes: u64,
}

/// The version that this program writes.
pub const VERSION: u32 = 1;

impl Catalog {
    /// The catalog of a folder, if it has one that this program can read.
    pub fn read(folder: &Path) -> Option<Catalog> {
        let catalog: Catalog = serde_json::from_slice(&fs::read(folder.join(NAME)).ok()?).ok()?;
        (catalog.version == VERSION).then_some(catalog)
    }

    /// Writes it into a folder.
    ///
    /// # Errors
    /// If the disk fails or is full.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let text =
            serde_json::to_vec_pretty(self).map_err(|e| Error::data(format!("can't write {NAME}: {e}")))?;
        let mut file = AtomicFile::create(&folder.join(NAME))?;
        file.write_all(&text).and_then(|()| file.write_all(b"\n")).map_err(|e| file.fault(&e))?;
        file.commit()
    }

    /// The catalog of a dataset that consists of the shards of one folder, all of them and as they were.
    pub fn of(dataset: &Dataset) -> Option<Catalog> {
        let folder = dataset.files().next()?.parent()?;
        let catalog = Catalog::read(folder)?;
        let is_whole = dataset.files().all(|file| file.parent() == Some(folder))
            && catalog.describes(dataset.files())
            && dataset.rows() == Some(catalog.rows);
        is_whole.then_some(catalog)
    }

    /// Whether these files are its shards.
    fn describes<'a>(&self, mut files: impl ExactSizeIterator<Item = &'a Path>) -> bool {
        let mut shards = self.shards.iter();
        files.len() == shards.len()
            && files.all(|file| {
                let Some(shard) = shards.next() else { return false };
                let same_name = file.file_name().is_some_and(|name| *name == *shard.name);
                same_name && fs::metadata(file).is_ok_and(|metadata| metadata.len() == shard.bytes)
            })
    }
}
