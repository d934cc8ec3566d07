//! What a conversion leaves in writing: the catalogs of its folders, and its summary.

use super::config::RowOrder;
use super::folder::{Folder, Placed, Read};
use super::run::{Run, look};
use super::statistics::Statistics;
use super::summary::{PartSummary, Summary};
use crate::catalog::{self, Catalog};
use crate::error::Result;
use crate::features::Profile;
use crate::input::{Dataset, ReadOptions};
use crate::trainer::peak_memory;

impl Run<'_> {
    /// What the sample of the input says of the output.
    pub(super) fn own_profile(&self, profile: Profile) -> Profile {
        let recipe = &self.config.recipe;
        let mut names: Vec<(String, String)> = Vec::new();
        for field in self.shape.schema.fields() {
            let from = recipe
                .rename
                .iter()
                .find(|(_, to)| to == field.name())
                .map_or(field.name(), |(from, _)| from);
            names.push((from.clone(), field.name().clone()));
        }
        let names: Vec<(&str, &str)> = names.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
        let profile = profile.select(&names);
        if self.config.order == RowOrder::Shuffled { profile.shuffled() } else { profile }
    }

    /// Writes the catalog of each part; `profile` is what a sample of the input says, if that holds for
    /// the output.
    pub(super) fn write_catalogs(&self, folder: &Folder, profile: Option<Profile>) -> Result<()> {
        for part in 0..folder.parts() {
            let path = folder.part(part);
            let placed: Vec<_> = folder.placed().iter().filter(|shard| shard.part == part).collect();
            let rows = placed.iter().map(|shard| shard.rows).sum();
            let profile = match &profile {
                Some(profile) => profile.clone(),
                None if placed.is_empty() => continue,
                None => {
                    let file = |shard: &&Placed| path.join(&shard.name).display().to_string();
                    let files: Vec<String> = placed.iter().map(file).collect();
                    look(self.config, &Dataset::open(&files, &ReadOptions::default())?, self.stop)?
                }
            };
            let columns = self.shape.schema.fields().iter().enumerate().map(|(i, field)| {
                let mut sum = Statistics::of(field.data_type());
                placed.iter().for_each(|shard| sum.merge(&shard.statistics[i]));
                let numbers = sum.numbers.as_ref();
                catalog::Column {
                    name: field.name().clone(),
                    data_type: field.data_type().to_string(),
                    present: sum.present,
                    missing: sum.missing,
                    min: numbers.and_then(|n| n.min),
                    max: numbers.and_then(|n| n.max),
                    mean: numbers.filter(|n| n.count > 0).map(|n| n.sum / n.count as f64),
                }
            });
            let shards = placed.iter().map(|shard| catalog::Shard {
                name: shard.name.clone(),
                rows: shard.rows,
                bytes: shard.bytes,
            });
            let order = match &self.config.order {
                RowOrder::AsIs => "as in the input".to_string(),
                RowOrder::Shuffled => format!("shuffled, seed {}", self.config.seed),
                RowOrder::By(columns) => format!("sorted by {}", columns.join(", ")),
            };
            let (columns, shards) = (columns.collect(), shards.collect());
            Catalog { version: catalog::VERSION, rows, columns, order, shards, profile }.write(&path)?;
        }
        Ok(())
    }

    pub(super) fn summary(&self, folder: &Folder, read: Read, threads: usize) -> Summary {
        let part = |part: usize| {
            let placed = || folder.placed().iter().filter(move |shard| shard.part == part);
            PartSummary {
                folder: folder.part_name(part).to_string(),
                rows: placed().map(|shard| shard.rows).sum(),
                shards: placed().count(),
                bytes: placed().map(|shard| shard.bytes).sum(),
            }
        };
        let parts: Vec<PartSummary> = (0..folder.parts()).map(part).collect();
        let seconds = self.start.elapsed().as_secs_f64();
        Summary {
            command: "mkshards",
            rows_read: read.rows + read.rejects.0,
            rows: parts.iter().map(|part| part.rows).sum(),
            filtered: read.filtered,
            duplicates: read.duplicates,
            rejects: read.rejects.0,
            bytes_read: read.bytes,
            bytes_written: parts.iter().map(|part| part.bytes).sum(),
            parts,
            seconds,
            bytes_per_second: read.bytes as f64 / seconds.max(1e-9),
            peak_memory_bytes: peak_memory(),
            threads,
            seed: self.config.seed,
            notes: self.dataset.notes().to_vec(),
        }
    }
}
