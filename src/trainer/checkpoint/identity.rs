//! The identity of a run: all that determines its result. Whoever goes on from a checkpoint must have the same.

use std::fmt::{self, Debug, Formatter};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::error::{Error, Result};
use crate::input::ReadOptions;
use crate::trainer::config::{PlanConfig, TrainConfig};

/// A value as it was typed.
pub(crate) struct Typed(pub(crate) String);

impl Debug for Typed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Options with their values.
type Options<'a> = [(&'a str, &'a dyn Debug)];

/// What determines a run's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Of millstream.
    version: String,
    /// Options with their values.
    settings: Vec<(String, String)>,
    /// The data's files, and the model's that training started from.
    files: Vec<Content>,
}

/// What is known of a file's content without reading all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    name: String,
    bytes: u64,
    /// Nanoseconds since 1970.
    modified: Option<u128>,
    /// A hash of some blocks spread over the file.
    samples: u128,
}

/// Bytes of a block that is hashed; blocks of all files together, and of each at the least and the most.
const BLOCK: u64 = 4096;
const BLOCKS: usize = 512;
const FEWEST_BLOCKS: usize = 2;
const MOST_BLOCKS: usize = 64;

impl Identity {
    /// The identity of a command's run, with the options that no other command has, that learns from files: of each what
    /// it is called and where it lies.
    ///
    /// # Errors
    /// If a file can't be read.
    pub(crate) fn of<'a>(
        command: &str,
        own: &Options<'_>,
        config: &'a TrainConfig,
        files: impl ExactSizeIterator<Item = (&'a Path, &'a Path)>,
    ) -> Result<Self> {
        let blocks = (BLOCKS / files.len().max(1)).clamp(FEWEST_BLOCKS, MOST_BLOCKS) as u64;
        let content = |(name, path): (&Path, &Path)| {
            Content::of(name, path, blocks).map_err(|e| Error::io("can't read", name, &e))
        };
        let init = config.init.as_deref().map(|path| (path, path));
        Ok(Identity {
            version: env!("CARGO_PKG_VERSION").to_string(),
            settings: settings(command, own, config),
            files: files.chain(init).map(content).collect::<Result<_>>()?,
        })
    }

    /// Refuses to go on in `now`'s place from the checkpoint at `path` that this is the identity of, and says what
    /// differs. Returns what the user should know all the same.
    pub(super) fn check(&self, now: &Identity, path: &Path) -> Result<Option<String>> {
        let path = path.display();
        if self.version != now.version {
            let (before, now) = (&self.version, &now.version);
            return Err(Error::usage(format!("{path} was written by millstream {before}, this is {now}"))
                .remedy("go on with that one, or remove the checkpoint to begin anew"));
        }
        for ((option, before), (also, value)) in self.settings.iter().zip(&now.settings) {
            // Commands have options of their own, but theirs is what differs first.
            if (option, before) != (also, value) {
                return Err(Error::usage(format!(
                    "{path} belongs to a run with other options: {option} was {before}, now it is {value}"
                ))
                .remedy("give the same options as before, or remove the checkpoint to begin anew"));
            }
        }
        if let Some(difference) = self.difference(now) {
            return Err(Error::data(format!("the data has changed since {path} was written: {difference}"))
                .remedy("give the same data as before, or remove the checkpoint to begin anew"));
        }
        let touched = self.files.iter().zip(&now.files).find(|(before, now)| before.modified != now.modified);
        Ok(touched.map(|(file, _)| {
            format!(
                "{} was written anew since the checkpoint was: its size and samples of its content are the same",
                file.name
            )
        }))
    }

    /// How the data differs, if it does.
    fn difference(&self, now: &Identity) -> Option<String> {
        if self.files.len() != now.files.len() {
            return Some(format!("it had {} files, now it has {}", self.files.len(), now.files.len()));
        }
        self.files.iter().zip(&now.files).find_map(|(before, now)| before.difference(now))
    }
}

impl Content {
    fn of(name: &Path, path: &Path, blocks: u64) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let bytes = metadata.len();
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let (mut hash, mut buffer) = (Xxh3::new(), [0; BLOCK as usize]);
        let all = bytes.div_ceil(BLOCK);
        let blocks = blocks.min(all);
        for block in 0..blocks {
            // The first and the last, and others evenly between them.
            let at = if blocks == 1 { 0 } else { block * (all - 1) / (blocks - 1) } * BLOCK;
            let piece = &mut buffer[..(bytes - at).min(BLOCK) as usize];
            file.read_exact_at(piece, at)?;
            hash.update(piece);
        }
        Ok(Content {
            name: name.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            bytes,
            modified: modified.map(|time| time.as_nanos()),
            samples: hash.digest128(),
        })
    }

    /// How a file differs from what it was, as far as can be told: one that was copied elsewhere has another time and the
    /// same content.
    fn difference(&self, now: &Content) -> Option<String> {
        let Content { name, bytes, modified: _, samples } = self;
        if *name != now.name {
            Some(format!("where {name} was there is {}", now.name))
        } else if *bytes != now.bytes {
            Some(format!("{name} had {bytes} bytes, now it has {}", now.bytes))
        } else {
            (*samples != now.samples).then(|| format!("{name} has another content"))
        }
    }
}

/// Options with their values, as one would name them; those that change nothing but the time are not among them.
fn settings(command: &str, own: &Options<'_>, config: &TrainConfig) -> Vec<(String, String)> {
    let TrainConfig {
        plan,
        optimizer,
        learning_rate,
        refine,
        batch_size,
        epochs,
        class_weights,
        penalty,
        schedule,
        factors,
        holdout,
        shuffle,
        max_model,
        init: _,
        model: _,
        checkpoints: _,
    } = config;
    let PlanConfig {
        inputs: _,
        read:
            ReadOptions {
                format,
                delimiter,
                header,
                quotes,
                comment,
                nulls,
                decimal_comma,
                skips_bad,
                types,
                io: _,
            },
        target,
        loss,
        positive,
        scan_classes,
        weight,
        offset,
        scale,
        overrides,
        seed,
        threads: _,
        memory: _,
    } = plan;
    let shared: [(&str, &dyn Debug); 30] = [
        ("--target", target),
        ("--loss", loss),
        ("--positive", positive),
        ("--scan-classes", scan_classes),
        ("--weight", weight),
        ("--offset", offset),
        ("--scale", scale),
        ("the use of columns", overrides),
        ("--seed", seed),
        ("--format", format),
        ("--delimiter", delimiter),
        ("--header", header),
        ("--quotes", quotes),
        ("--comment", comment),
        ("--null", nulls),
        ("--decimal-comma", decimal_comma),
        ("--type", types),
        ("--optimizer", optimizer),
        ("--learning-rate", learning_rate),
        ("--refine", refine),
        ("--batch-size", batch_size),
        ("--epochs", epochs),
        ("--class-weight", class_weights),
        ("the penalty", penalty),
        ("--schedule", schedule),
        ("--factors", factors),
        ("--holdout", holdout),
        ("--shuffle", shuffle),
        ("--on-error skip", skips_bad),
        ("--max-model", max_model),
    ];
    let command = ("the command".to_string(), command.to_string());
    let all = shared.iter().chain(own).map(|(name, value)| (name.to_string(), told(*value)));
    std::iter::once(command).chain(all).collect()
}

/// A value, as far as possible as a user would write it.
fn told(value: &dyn Debug) -> String {
    let text = format!("{value:?}");
    let inner = text.strip_prefix("Some(").and_then(|rest| rest.strip_suffix(')'));
    match inner.unwrap_or(&text) {
        "None" => "not given".to_string(),
        text => text.to_string(),
    }
}
