//! Conversions that give the rows another order, by way of buckets on disk.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::Array;

use super::config::RowOrder;
use super::folder::{Folder, Read, Step};
use super::lots::Lot;
use super::rejects::Rejects;
use super::run::Run;
use super::scatter::{Bounds, Bucket, Keyed, Keys, Scatter, plain};
use super::writers::Writers;
use crate::error::{Error, Kind, Result};
use crate::pipeline::in_order;
use crate::trainer::Watch;

/// Rows of the batches in which a sorted bucket goes to its shards.
const GATHERED_ROWS: usize = 1 << 14;
/// Splits, and rows of each, from which the ranges of keys are found.
const KEY_SPLITS: usize = 64;
const KEY_ROWS: u64 = 2048;
/// Most buckets at a time: files that are written to by turns.
const MOST_BUCKETS: u64 = 4096;

impl Run<'_> {
    /// Rows get another order: they are scattered to buckets, and each bucket becomes a shard or a few.
    pub(super) fn by_buckets(
        &self,
        folder: &mut Folder,
        steps: &[Step],
        mut read: Read,
        mut rejects: Rejects,
        watch: &mut dyn Watch,
    ) -> Result<(Read, usize)> {
        let threads = self.workers(5)?;
        let spool = folder.work("scattered");
        let scattered = steps.iter().find_map(|step| match step {
            Step::Scattered { buckets, .. } => Some(buckets.clone()),
            _ => None,
        });
        let buckets = match scattered {
            Some(buckets) => buckets,
            None => {
                remove_folder(&spool)?;
                std::fs::create_dir_all(&spool).map_err(|e| Error::io("can't write", &spool, &e))?;
                let buckets = self.scatter(folder, &spool, &mut read, &mut rejects, threads, watch)?;
                folder.note(&Step::Scattered { buckets: buckets.clone(), read })?;
                buckets
            }
        };
        let done = steps.iter().filter(|step| matches!(step, Step::Bucket { .. })).count();
        let total: u64 = buckets.iter().map(|bucket| bucket.rows).sum();
        let mut gathered: u64 = buckets[..done].iter().map(|bucket| bucket.rows).sum();
        let mut next = done..buckets.len();
        let work_folder = folder.work("");
        let make = |number: usize, give_up: &AtomicBool| {
            let bucket = &buckets[number];
            let mut writers = Writers::new(self, &work_folder, number as u64);
            bucket.gather(&spool, GATHERED_ROWS, |batch| {
                if give_up.load(Ordering::Relaxed) {
                    return Err(Error::interrupted());
                }
                writers.push(bucket.part, &batch)
            })?;
            Ok((number, writers.finish()?))
        };
        in_order(
            threads,
            self.stop,
            || next.next(),
            make,
            |(number, shards)| {
                let bucket = &buckets[number];
                let shards = folder.place(shards)?;
                folder.note(&Step::Bucket { shards })?;
                bucket.remove(&spool)?;
                gathered += bucket.rows;
                watch.progress(self.progress(&read, 0.5 + 0.5 * gathered as f64 / total.max(1) as f64));
                Ok(())
            },
        )?;
        Ok((read, threads))
    }

    /// Reads all lots and scatters their rows to buckets.
    fn scatter(
        &self,
        folder: &Folder,
        spool: &Path,
        read: &mut Read,
        rejects: &mut Rejects,
        threads: usize,
        watch: &mut dyn Watch,
    ) -> Result<Vec<Bucket>> {
        let keys = match &self.config.order {
            RowOrder::By(columns) => Keys::Columns(self.positions(columns)),
            _ => Keys::Random(self.config.seed),
        };
        let repeats = self.repeats(folder)?;
        let bytes = self.size.total_rows(self.dataset) as f64 * self.size.row_bytes;
        let buckets = |share: f64| {
            let most = MOST_BUCKETS / self.divider.parts() as u64;
            ((bytes * share / self.config.shard_bytes as f64).ceil() as u64).clamp(1, most.max(1))
        };
        let shares: Vec<f64> = match &self.config.division {
            Some(division) => division.parts.iter().map(|(_, share)| *share).collect(),
            None => vec![1.0],
        };
        let sample = match &keys {
            Keys::Random(_) => Vec::new(),
            Keys::Columns(_) => self.sample_keys(&keys)?,
        };
        let scatter = |(part, share): (usize, &f64)| {
            let bounds = match &keys {
                Keys::Random(_) => Bounds::even(buckets(*share)),
                Keys::Columns(_) => Bounds::from_sample(sample.clone(), buckets(*share)),
            };
            Scatter::new(spool, part, &format!("{part}-"), bounds)
        };
        let scatters: Vec<Scatter> = shares.iter().enumerate().map(scatter).collect();
        let mut lots = self.lots();
        let make = |lot: Lot, give_up: &AtomicBool| {
            let mut rows: Vec<Vec<Keyed>> = vec![Vec::new(); scatters.len()];
            let mut next = 0;
            let (account, duplicates) = self.read(&lot, &repeats, give_up, |part, batch| {
                let keys = keys.of(&batch, lot.id, next)?;
                next += batch.num_rows() as u64;
                rows[part].push((plain(&batch)?, keys));
                Ok(())
            })?;
            scatters.iter().zip(&rows).try_for_each(|(scatter, rows)| scatter.add(lot.id, rows))?;
            Ok((account, duplicates))
        };
        in_order(
            threads,
            self.stop,
            || lots.next(),
            make,
            |(account, duplicates)| {
                self.account(read, &account, duplicates, rejects, (0.5, &mut *watch)).map(drop)
            },
        )?;
        let mut finished = Vec::new();
        for scatter in scatters {
            for bucket in scatter.finish() {
                self.cut_down(spool, bucket, &mut finished)?;
            }
        }
        Ok(finished)
    }

    /// Cuts a bucket until its parts fit into memory as planned.
    fn cut_down(&self, spool: &Path, bucket: Bucket, finished: &mut Vec<Bucket>) -> Result<()> {
        // With its texts a row takes about twice the room that it takes in a shard.
        let most = 4 * self.config.shard_bytes as u64;
        if bucket.memory <= most || bucket.is_uniform {
            finished.push(bucket);
            return Ok(());
        }
        let rows = bucket.rows;
        for smaller in bucket.split(spool, 1 + bucket.memory / (2 * self.config.shard_bytes as u64))? {
            if smaller.rows == rows {
                finished.push(smaller);
            } else {
                self.cut_down(spool, smaller, finished)?;
            }
        }
        Ok(())
    }

    /// Where the columns to sort by stand among those that are stored.
    fn positions(&self, names: &[String]) -> Vec<usize> {
        let recipe = &self.config.recipe;
        let renamed = |name: &String| {
            recipe.rename.iter().find(|(from, _)| from == name).map_or(name.clone(), |(_, to)| to.clone())
        };
        // The shape has checked that they are there.
        names.iter().filter_map(|name| self.shape.schema.index_of(&renamed(name)).ok()).collect()
    }

    /// Keys of rows spread over the input.
    fn sample_keys(&self, keys: &Keys) -> Result<Vec<Vec<u8>>> {
        let all = self.dataset.splits().len();
        let chosen = KEY_SPLITS.min(all);
        let mut sample = Vec::new();
        for split in (0..chosen).map(|i| i * all / chosen) {
            let read = self.reader().read_some(split, KEY_ROWS, |prepared, _| {
                let keys = keys.of(&prepared.batch, 0, 0)?;
                let stride = (keys.len() as u64 / KEY_ROWS).max(1) as usize;
                sample.extend(keys.iter().step_by(stride).flatten().map(<[u8]>::to_vec));
                Ok(())
            });
            // Faults in the data will be met again, and reported then.
            if let Err(error) = read
                && error.kind() == Kind::Usage
            {
                return Err(error);
            }
        }
        Ok(sample)
    }
}

pub(super) fn remove_folder(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("can't remove", path, &e)),
        _ => Ok(()),
    }
}
