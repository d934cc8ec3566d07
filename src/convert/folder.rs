//! The output folder: locked while it is written to, with a work folder for what is unfinished and a
//! record of what is finished, so that a run that broke off can go on.
//!
//! Shards are written in the work folder and get their final names when they are whole, strictly in the
//! order of the rows; each step is noted in the record. Whatever happens, what lies under a final name
//! is a whole shard, and the shards are the first part of what the conversion makes. A run that was
//! killed leaves the work folder; one that failed, too, unless it has finished nothing.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::config::{ConvertConfig, Existing};
use super::scatter::Bucket;
use super::shard::Shard;
use super::statistics::Statistics;
use crate::catalog;
use crate::error::{Error, Kind, Result};
use crate::input::UNFINISHED as WORK;

/// A line of the record: a step that is finished.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    /// A lot, whose rows went to shards or to rejects.
    Lot { shards: Vec<Placed>, read: Read, is_last: bool },
    /// All lots, whose rows were scattered to buckets.
    Scattered { buckets: Vec<Bucket>, read: Read },
    /// A bucket, whose rows went to shards.
    Bucket { shards: Vec<Placed> },
}

/// What was read.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Read {
    /// Rows, rejected ones not counted.
    pub(super) rows: u64,
    /// Of these, rows that a filter left out, and rows that equal an earlier one.
    pub(super) filtered: u64,
    pub(super) duplicates: u64,
    /// Bytes of input.
    pub(super) bytes: u64,
    /// Rows and bytes of the file of rejects, at the end of the step.
    pub(super) rejects: (u64, u64),
}

/// A shard under its final name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Placed {
    pub(super) part: usize,
    pub(super) name: String,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) statistics: Vec<Statistics>,
}

/// The folder, locked.
pub(super) struct Folder {
    root: PathBuf,
    /// Names of the parts' folders; one empty name if rows are not divided.
    parts: Vec<String>,
    extension: &'static str,
    record: File,
    /// Every shard placed so far, and how many of them each part has.
    placed: Vec<Placed>,
    counts: Vec<usize>,
    /// Whether the folder was made by this run.
    is_new: bool,
    /// Whether another run could make use of what is finished.
    is_worth_keeping: bool,
    /// Whether shards of an earlier conversion may be there. They stay until there are new ones.
    may_hold_earlier: bool,
    _lock: File,
}

/// So many names of shards sort as their rows do.
const MOST_SHARDS: usize = 100_000;

const LOCK: &str = "lock";
const RECORD: &str = "record.jsonl";

impl Folder {
    /// Takes possession of the folder; returns also the steps that an earlier run has finished.
    /// `identity` is what must be the same for a run to go on where another one broke off.
    pub(super) fn open(config: &ConvertConfig, identity: &Value) -> Result<(Folder, Vec<Step>)> {
        let root = config.output.clone();
        let fault = |e: std::io::Error| Error::io("can't write", &root, &e);
        if root.exists() && !root.is_dir() {
            return Err(Error::usage(format!("{} is a file, expected a folder", root.display()))
                .remedy("name another folder in --output"));
        }
        let is_new = !root.exists();
        let work = root.join(WORK);
        let is_unfinished = work.join(RECORD).exists();
        let holds_other = holds_other_files(&root)?;
        match config.existing {
            Existing::Resume if !is_unfinished => {
                return Err(Error::usage(format!("{} holds no conversion that broke off", root.display()))
                    .remedy("leave --resume out"));
            }
            Existing::Refuse if is_unfinished => {
                return match try_lock(&work) {
                    Ok(_) => {
                        Err(Error::usage(format!("{} holds a conversion that broke off", root.display()))
                            .remedy("go on with --resume, or start anew with --overwrite"))
                    }
                    Err(error) => Err(error),
                };
            }
            Existing::Refuse if holds_other => {
                return Err(Error::usage(format!("{} is not empty", root.display()))
                    .remedy("name another folder, or remove earlier shards with --overwrite"));
            }
            _ => {}
        }
        fs::create_dir_all(&work).map_err(fault)?;
        let lock = try_lock(&work)?;
        let parts = match &config.division {
            Some(division) => division.parts.iter().map(|(name, _)| name.clone()).collect(),
            None => vec![String::new()],
        };
        let mut steps = Vec::new();
        if config.existing == Existing::Resume {
            steps = read_record(&work.join(RECORD), identity)?;
        } else {
            clear_work(&work)?;
        }
        // Where a line is incomplete its step is not finished.
        let lines: Vec<String> =
            std::iter::once(to_line(identity)).chain(steps.iter().map(to_line)).collect();
        let path = work.join(RECORD);
        fs::write(work.join("record.new"), lines.concat()).map_err(fault)?;
        fs::rename(work.join("record.new"), &path).map_err(fault)?;
        let record = OpenOptions::new().append(true).open(&path).map_err(fault)?;
        let placed: Vec<Placed> = steps.iter().flat_map(|step| step.shards().iter().cloned()).collect();
        let extension = config.format.extension();
        let mut counts = vec![0; parts.len()];
        placed.iter().for_each(|shard| counts[shard.part] += 1);
        let (is_worth_keeping, may_hold_earlier) = (!steps.is_empty(), steps.is_empty());
        let folder = Folder {
            root,
            parts,
            extension,
            record,
            placed,
            counts,
            is_new,
            is_worth_keeping,
            may_hold_earlier,
            _lock: lock,
        };
        folder.make_parts()?;
        folder.check_placed()?;
        folder.sweep()?;
        Ok((folder, steps))
    }

    /// A path in the work folder.
    pub(super) fn work(&self, name: &str) -> PathBuf {
        self.root.join(WORK).join(name)
    }

    /// Where a part's shards lie.
    pub(super) fn part(&self, part: usize) -> PathBuf {
        self.root.join(&self.parts[part])
    }

    pub(super) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// How a part is called; empty if it is the only one.
    pub(super) fn part_name(&self, part: usize) -> &str {
        &self.parts[part]
    }

    /// Every shard placed so far.
    pub(super) fn placed(&self) -> &[Placed] {
        &self.placed
    }

    /// Gives finished shards their names, and returns what the record should say of them.
    pub(super) fn place(&mut self, shards: Vec<(usize, Shard)>) -> Result<Vec<Placed>> {
        self.remove_earlier()?;
        let mut placed = Vec::new();
        for (part, shard) in shards {
            let number = self.counts[part];
            if number >= MOST_SHARDS {
                return Err(Error::usage(format!(
                    "there would be more than {MOST_SHARDS} shards in a folder"
                ))
                .remedy("give a larger --shard-size"));
            }
            self.counts[part] += 1;
            let name = format!("part-{number:05}.{}", self.extension);
            let path = self.part(part).join(&name);
            fs::rename(&shard.path, &path).map_err(|e| Error::io("can't write", &path, &e))?;
            let Shard { rows, bytes, statistics, .. } = shard;
            placed.push(Placed { part, name, rows, bytes, statistics });
        }
        self.placed.extend(placed.iter().cloned());
        Ok(placed)
    }

    /// Notes that a step is finished.
    pub(super) fn note(&mut self, step: &Step) -> Result<()> {
        let path = self.work(RECORD);
        self.is_worth_keeping = true;
        self.record.write_all(to_line(step).as_bytes()).map_err(|e| Error::io("can't write", &path, &e))
    }

    /// Ends a conversion that is complete: nothing is left but the shards and their catalogs.
    pub(super) fn finish(self) -> Result<()> {
        let work = self.root.join(WORK);
        fs::remove_dir_all(&work).map_err(|e| Error::io("can't remove", &work, &e))
    }

    /// Ends a conversion that failed: removes what is of no use, and says how to go on.
    pub(super) fn abandon(self, error: Error) -> Error {
        let shards = self.placed.len();
        if !self.is_worth_keeping {
            // What can't be removed is in nobody's way: names that begin with a dot are passed over.
            let _ = fs::remove_dir_all(self.root.join(WORK));
            for part in self.parts.iter().filter(|part| !part.is_empty()) {
                let _ = fs::remove_dir(self.root.join(part));
            }
            if self.is_new {
                let _ = fs::remove_dir(&self.root);
            }
            return match error.kind() {
                Kind::Interrupted => Error::new(Kind::Interrupted, "interrupted; nothing was written"),
                _ => error,
            };
        }
        let _ = self.sweep();
        let how = format!(
            "what is finished ({shards} whole shards) stays in {}: go on with --resume",
            self.root.display()
        );
        match error.kind() {
            Kind::Interrupted => Error::new(Kind::Interrupted, format!("interrupted; {how}")),
            _ => error.and(&how),
        }
    }

    /// Removes the shards of an earlier conversion, now that there are others to take their place.
    pub(super) fn remove_earlier(&mut self) -> Result<()> {
        if std::mem::take(&mut self.may_hold_earlier) {
            remove_shards(&self.root)?;
            self.make_parts()?;
        }
        Ok(())
    }

    fn make_parts(&self) -> Result<()> {
        let fault = |e: std::io::Error| Error::io("can't write", &self.root, &e);
        self.parts.iter().try_for_each(|part| fs::create_dir_all(self.root.join(part)).map_err(fault))
    }

    /// Removes what a run that broke off has left unfinished.
    fn sweep(&self) -> Result<()> {
        let work = self.root.join(WORK);
        let fault = |e: std::io::Error| Error::io("can't remove what is unfinished in", &work, &e);
        for entry in fs::read_dir(&work).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            let name = entry.file_name();
            let is_shard = name.to_string_lossy().starts_with("lot-");
            if is_shard {
                fs::remove_file(entry.path()).map_err(fault)?;
            }
        }
        if self.may_hold_earlier {
            return Ok(());
        }
        // A shard may have got its name just before the run ended, unnoted: it will be made again.
        for part in 0..self.parts.len() {
            for number in self.counts[part].. {
                let path = self.part(part).join(format!("part-{number:05}.{}", self.extension));
                if !path.exists() {
                    break;
                }
                fs::remove_file(&path).map_err(fault)?;
            }
        }
        Ok(())
    }

    /// Checks that the shards of the record are there and whole: a machine that lost its power may have
    /// kept the record and lost what it tells of.
    fn check_placed(&self) -> Result<()> {
        for placed in &self.placed {
            let path = self.part(placed.part).join(&placed.name);
            let len = fs::metadata(&path).map_or(0, |metadata| metadata.len());
            if len != placed.bytes {
                return Err(Error::data(format!("found {len} bytes, expected {} as recorded", placed.bytes))
                    .remedy("the conversion can't go on: start anew with --overwrite")
                    .in_file(&path));
            }
        }
        Ok(())
    }
}

impl Step {
    pub(super) fn shards(&self) -> &[Placed] {
        match self {
            Step::Lot { shards, .. } | Step::Bucket { shards } => shards,
            Step::Scattered { .. } => &[],
        }
    }
}

fn to_line(value: &impl Serialize) -> String {
    // Names, numbers and texts can always be written.
    format!("{}\n", serde_json::to_string(value).unwrap_or_default())
}

fn try_lock(work: &Path) -> Result<File> {
    let path = work.join(LOCK);
    let file = File::create(&path).map_err(|e| Error::io("can't write", &path, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let folder = work.parent().unwrap_or(work).display();
            Err(Error::usage(format!("another conversion writes to {folder}"))
                .remedy("wait for its end, or name another folder"))
        }
        Err(TryLockError::Error(e)) => Err(Error::io("can't lock", &path, &e)),
    }
}

/// The steps of a record, whose first line must be `identity`.
fn read_record(path: &Path, identity: &Value) -> Result<Vec<Step>> {
    let fault = |e: std::io::Error| Error::io("can't read", path, &e);
    let mut lines = BufReader::new(File::open(path).map_err(fault)?).lines();
    let first = lines.next().transpose().map_err(fault)?.unwrap_or_default();
    let before: Value = serde_json::from_str(&first).unwrap_or_default();
    if let (Some(before), Some(now)) = (before.as_object(), identity.as_object()) {
        for (key, value) in now {
            let other = before.get(key).unwrap_or(&Value::Null);
            if other != value {
                return Err(Error::usage(format!(
                    "the conversion that broke off had another {key}: {other}, now {value}"
                ))
                .remedy("give the same options and files as then, or start anew with --overwrite"));
            }
        }
    } else {
        return Err(Error::data("the record of the conversion is damaged")
            .remedy("start anew with --overwrite")
            .in_file(path));
    }
    let mut steps = Vec::new();
    for line in lines {
        // The last line may be incomplete.
        let Ok(step) = serde_json::from_str(&line.map_err(fault)?) else { break };
        steps.push(step);
    }
    Ok(steps)
}

/// Whether the folder holds anything but a work folder.
fn holds_other_files(root: &Path) -> Result<bool> {
    if !root.exists() {
        return Ok(false);
    }
    let fault = |e: std::io::Error| Error::io("can't read", root, &e);
    for entry in fs::read_dir(root).map_err(fault)? {
        if entry.map_err(fault)?.file_name() != WORK {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes all that an earlier conversion left unfinished.
fn clear_work(work: &Path) -> Result<()> {
    let fault = |e: std::io::Error| Error::io("can't remove what is in", work, &e);
    for entry in fs::read_dir(work).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        if path.is_dir() {
            fs::remove_dir_all(&path).map_err(fault)?;
        } else if path.file_name().is_some_and(|name| name != LOCK) {
            fs::remove_file(&path).map_err(fault)?;
        }
    }
    Ok(())
}

/// Removes the shards and catalogs of earlier conversions, and nothing else.
fn remove_shards(root: &Path) -> Result<()> {
    let fault = |e: std::io::Error| Error::io("can't remove earlier shards in", root, &e);
    let mut folders = vec![root.to_path_buf()];
    for entry in fs::read_dir(root).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        if entry.path().is_dir() && entry.path().join(catalog::NAME).exists() {
            folders.push(entry.path());
        }
    }
    for folder in folders {
        for entry in fs::read_dir(&folder).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let number = name.strip_prefix("part-").and_then(|name| name.split_once('.'));
            let is_shard = number.is_some_and(|(number, extension)| {
                number.bytes().all(|b| b.is_ascii_digit()) && matches!(extension, "arrow" | "parquet")
            });
            if is_shard || name == catalog::NAME {
                fs::remove_file(entry.path()).map_err(fault)?;
            }
        }
        if folder != *root {
            // Other files of the user's keep it there.
            let _ = fs::remove_dir(&folder);
        }
    }
    Ok(())
}
