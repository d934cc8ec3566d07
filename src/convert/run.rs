//! A conversion from beginning to end.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, UNIX_EPOCH};

use arrow::array::RecordBatch;
use serde_json::{Value, json};

use super::config::{ConvertConfig, RowOrder};
use super::dedup::{Repeats, find_repeats};
use super::division::Divider;
use super::folder::{Folder, Read, Step};
use super::lots::{Account, Finished, Lot, Lots, Reader};
use super::rejects::Rejects;
use super::shape::{Shape, kept};
use super::shard::{Layout, Shard};
use super::size::Size;
use super::summary::Summary;
use super::writers::Writers;
use crate::error::{Error, Result};
use crate::features::{Overrides, Profile};
use crate::input::Dataset;
use crate::pipeline::{Budget, alongside, in_order};
use crate::trainer::{Look, Progress, Watch, survey};

/// Most bytes of a batch.
const BATCH_BYTES: usize = 64 << 20;

/// Converts tables to a folder of shards. What lies there under a final name is a whole shard at any
/// time; the shards are the same for any number of threads and any budget of memory.
///
/// # Errors
/// If the input can't be read (or more of it than may be rejected), if the configuration does not fit
/// it, or if the folder can't be written to. What is finished by then is kept if a run with
/// [`Existing::Resume`](super::Existing::Resume) can go on from it; the error says so.
pub fn convert(config: &ConvertConfig, stop: &AtomicBool, watch: &mut dyn Watch) -> Result<Summary> {
    let start = Instant::now();
    let dataset = Dataset::open(&config.inputs, &config.read)?;
    dataset.notes().iter().for_each(|note| watch.note(note));
    check_places(config, &dataset)?;
    // Every text column is taken for a category until a part of the data has been looked at.
    let shape = Shape::new(config, dataset.schema(), |_| true)?;
    let (size, repeats) = Size::measure(&dataset, &shape)?;
    let repeating = shape.sources().zip(&repeats).filter(|(_, repeats)| **repeats);
    let repeating: HashSet<String> = repeating.map(|(name, _)| name.to_string()).collect();
    let shape = Shape::new(config, dataset.schema(), |name| repeating.contains(name))?;
    let layout = Arc::new(Layout {
        schema: shape.schema.clone(),
        format: config.format,
        shard_bytes: config.shard_bytes,
    });
    let (mut folder, steps) = Folder::open(config, &identity(config, &dataset))?;
    let divider = Divider::new(config.division.as_ref(), config.seed);
    let run = Run { config, dataset: &dataset, shape: &shape, layout, size, divider, stop, start };
    // What a sample of the input shows holds for the output, too, as long as the rows are the same.
    let look = || config.is_verbatim().then(|| look(config, &dataset, stop)).transpose();
    let done = alongside(config.threads, || run.all(&mut folder, &steps, watch), look);
    let result = done.and_then(|(result, profile)| {
        let (read, threads) = result?;
        dataset.check_unchanged()?;
        folder.remove_earlier()?;
        run.write_catalogs(&folder, profile?.map(|profile| run.own_profile(profile)))?;
        Ok(run.summary(&folder, read, threads))
    });
    match result {
        Ok(summary) => folder.finish().map(|()| summary),
        Err(error) => Err(folder.abandon(error)),
    }
}

impl ConvertConfig {
    /// Whether the rows of the output are those of the input, in whatever order.
    fn is_verbatim(&self) -> bool {
        let recipe = &self.recipe;
        let is_sorted = matches!(self.order, RowOrder::By(_));
        recipe.filter.is_none() && recipe.fill.is_empty() && !self.dedup && !is_sorted
    }
}

/// What a sample of the input shows.
pub(super) fn look(config: &ConvertConfig, dataset: &Dataset, stop: &AtomicBool) -> Result<Profile> {
    let look = Look {
        target: None,
        amounts: &[],
        overrides: &Overrides::default(),
        // There is more to do at the same time.
        threads: 1,
        memory: config.memory,
        skips_bad: config.rejects.is_some(),
    };
    Ok(survey(dataset, look, stop)?.profile)
}

/// Refuses an output folder that holds input, and a file of rejects that is input or lies among the shards.
fn check_places(config: &ConvertConfig, dataset: &Dataset) -> Result<()> {
    let same = |a: &Path, b: &Path| a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b));
    if let Some(rejects) = &config.rejects {
        if dataset.files().any(|file| same(file, rejects)) {
            return Err(Error::usage(format!(
                "{} is an input, which would be overwritten",
                rejects.display()
            ))
            .remedy("name another file in --rejects"));
        }
        if rejects.parent().is_some_and(|folder| same(folder, &config.output)) {
            return Err(Error::usage("the file of rejects would lie among the shards")
                .remedy("name a file in another folder in --rejects"));
        }
    }
    let Ok(output) = config.output.canonicalize() else { return Ok(()) };
    let inside = |file: &&Path| file.canonicalize().is_ok_and(|file| file.starts_with(&output));
    match dataset.files().find(inside) {
        Some(file) => Err(Error::usage(format!("the input {} lies in the output folder", file.display()))
            .remedy("name another folder in --output")),
        None => Ok(()),
    }
}

/// What must be the same for a run to go on where another one broke off.
fn identity(config: &ConvertConfig, dataset: &Dataset) -> Value {
    let file = |path: &Path| {
        let metadata = path.metadata().ok();
        let time = metadata.as_ref().and_then(|m| m.modified().ok()?.duration_since(UNIX_EPOCH).ok());
        json!([path, metadata.map(|m| m.len()), time.map(|t| t.as_nanos() as u64)])
    };
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "input": dataset.files().map(file).collect::<Vec<_>>(),
        "way of reading": format!("{:?}", config.read),
        "format": config.format,
        "shard size": config.shard_bytes,
        "choice of rows and columns": config.recipe,
        "treatment of duplicates": config.dedup,
        "order": config.order,
        "division": config.division,
        "file of rejects": config.rejects,
        "seed": config.seed,
    })
}

/// A conversion as it goes on.
pub(super) struct Run<'a> {
    pub(super) config: &'a ConvertConfig,
    pub(super) dataset: &'a Dataset,
    pub(super) shape: &'a Shape,
    pub(super) layout: Arc<Layout>,
    pub(super) size: Size,
    pub(super) divider: Divider,
    pub(super) stop: &'a AtomicBool,
    pub(super) start: Instant,
}

/// What became of a lot or a bucket.
struct Made {
    account: Account,
    duplicates: u64,
    shards: Vec<(usize, Shard)>,
}

impl Run<'_> {
    /// Does everything that is not among the finished `steps`; returns what was read, and how many
    /// threads worked.
    fn all(&self, folder: &mut Folder, steps: &[Step], watch: &mut dyn Watch) -> Result<(Read, usize)> {
        let finished = steps.iter().filter_map(|step| match step {
            Step::Lot { read, .. } | Step::Scattered { read, .. } => Some(read),
            Step::Bucket { .. } => None,
        });
        let read = finished.fold(Read::default(), |sum, read| Read {
            rows: sum.rows + read.rows,
            filtered: sum.filtered + read.filtered,
            duplicates: sum.duplicates + read.duplicates,
            bytes: sum.bytes + read.bytes,
            rejects: read.rejects,
        });
        let rejects = Rejects::open(self.config.rejects.as_deref(), self.config.max_rejects, read.rejects)?;
        match &self.config.order {
            RowOrder::AsIs => self.directly(folder, steps, read, rejects, watch),
            _ => self.by_buckets(folder, steps, read, rejects, watch),
        }
    }

    pub(super) fn lots(&self) -> Lots {
        // Of several parts the largest shall have shards of the right size.
        let shares = self.config.division.iter().flat_map(|d| d.parts.iter().map(|(_, share)| *share));
        let largest = shares.fold(0.0, f64::max);
        let rows = self.size.rows_per_shard(&self.layout) as f64 / if largest > 0.0 { largest } else { 1.0 };
        Lots::new(self.dataset, (rows as u64).max(1), |split| self.size.rows(self.dataset, split))
    }

    pub(super) fn reader(&self) -> Reader<'_> {
        Reader { dataset: self.dataset, shape: self.shape }
    }

    /// How many threads may work at a time if each holds as many bytes as `shards` shards have. (Measured as peaks of
    /// one and two threads on the click log: 2.8 where rows keep their order, 4.7 where they go by buckets.)
    pub(super) fn workers(&self, shards: usize) -> Result<usize> {
        let open = self.dataset.open_bytes(&self.shape.request);
        // Readers hand out no more than so many bytes of text at a time.
        let batch = self.shape.request.batch_rows as f64 * self.size.row_bytes;
        let batch = 3 * (batch as usize).min(BATCH_BYTES);
        let each = shards * self.config.shard_bytes + open + batch;
        let budget = self.config.memory.map_or_else(Budget::from_machine, |total| Budget { total });
        budget.workers(self.config.threads, each).map_err(|e| e.and("or a smaller --shard-size"))
    }

    /// The rows that equal an earlier one.
    pub(super) fn repeats(&self, folder: &Folder) -> Result<Repeats> {
        if !self.config.dedup {
            return Ok(Repeats::default());
        }
        let (reader, rows) = (self.reader(), self.size.total_rows(self.dataset));
        find_repeats(&reader, self.lots(), &folder.work("hashes"), rows, self.workers(1)?, self.stop)
    }

    /// Reads a lot, duplicates left out, and gives its rows part by part.
    pub(super) fn read(
        &self,
        lot: &Lot,
        repeats: &Repeats,
        give_up: &AtomicBool,
        mut each: impl FnMut(usize, RecordBatch) -> Result<()>,
    ) -> Result<(Account, u64)> {
        let mut duplicates = 0;
        let account = self.reader().read(lot, give_up, |prepared, first| {
            let rows = prepared.batch.num_rows();
            let prepared = match repeats.keeps(lot.id, first, rows) {
                Some(keeps) => kept(&prepared, &keeps)?,
                None => prepared,
            };
            duplicates += (rows - prepared.batch.num_rows()) as u64;
            self.divider.divide(prepared)?.into_iter().try_for_each(|(part, batch)| each(part, batch))
        })?;
        Ok((account, duplicates))
    }

    /// Takes into account what was read of a lot.
    pub(super) fn account(
        &self,
        sum: &mut Read,
        account: &Account,
        duplicates: u64,
        rejects: &mut Rejects,
        (share, watch): (f64, &mut dyn Watch),
    ) -> Result<Read> {
        rejects.add(&account.rejects)?;
        let read = Read {
            rows: account.rows,
            filtered: account.filtered,
            duplicates,
            bytes: account.bytes,
            rejects: (rejects.count, rejects.bytes),
        };
        sum.rows += read.rows;
        sum.filtered += read.filtered;
        sum.duplicates += read.duplicates;
        sum.bytes += read.bytes;
        sum.rejects = read.rejects;
        let done = (sum.bytes as f64 / self.dataset.bytes().max(1) as f64).min(1.0);
        watch.progress(self.progress(sum, share * done));
        Ok(read)
    }

    pub(super) fn progress(&self, read: &Read, share: f64) -> Progress {
        let elapsed: Duration = self.start.elapsed();
        let (rows, bytes) = (read.rows, read.bytes);
        Progress { epoch: (1, 1), rows, share, behind: (0, 0.0), bytes, elapsed, loss: None }
    }

    /// Rows stay in their order: each lot becomes a shard for each part.
    fn directly(
        &self,
        folder: &mut Folder,
        steps: &[Step],
        mut read: Read,
        mut rejects: Rejects,
        watch: &mut dyn Watch,
    ) -> Result<(Read, usize)> {
        let threads = self.workers(3)?;
        let repeats = self.repeats(folder)?;
        let mut lots = self.lots();
        let finished = steps.iter().filter_map(|step| match step {
            Step::Lot { read, is_last, .. } => Some(Finished { rows: read.rows, is_last: *is_last }),
            _ => None,
        });
        lots.skip(&finished.collect::<Vec<_>>());
        let work_folder = folder.work("");
        let make = |lot: Lot, give_up: &AtomicBool| {
            let mut writers = Writers::new(self, &work_folder, lot.id);
            let (account, duplicates) =
                self.read(&lot, &repeats, give_up, |part, batch| writers.push(part, &batch))?;
            Ok(Made { account, duplicates, shards: writers.finish()? })
        };
        in_order(
            threads,
            self.stop,
            || lots.next(),
            make,
            |made| {
                if made.account.is_void {
                    return Ok(());
                }
                let read = self.account(
                    &mut read,
                    &made.account,
                    made.duplicates,
                    &mut rejects,
                    (1.0, &mut *watch),
                )?;
                let shards = folder.place(made.shards)?;
                folder.note(&Step::Lot { shards, read, is_last: made.account.is_last })
            },
        )?;
        Ok((read, threads))
    }
}
