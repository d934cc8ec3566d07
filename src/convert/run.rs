//! A conversion from beginning to end.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, UNIX_EPOCH};

use arrow::array::{Array, RecordBatch};
use serde_json::{Value, json};

use super::config::{ConvertConfig, RowOrder};
use super::dedup::{Repeats, find_repeats};
use super::division::Divider;
use super::folder::{Folder, Placed, Read, Step};
use super::lots::{Account, Finished, Lot, LotRows, Lots, Reader};
use super::rejects::Rejects;
use super::scatter::{Bounds, Bucket, Keyed, Keys, Scatter, plain};
use super::shape::{Shape, kept};
use super::shard::{Layout, Shard, ShardWriter};
use super::size::Size;
use super::statistics::Statistics;
use super::summary::{PartSummary, Summary};
use crate::catalog::{self, Catalog};
use crate::error::{Error, Kind, Result};
use crate::features::{Overrides, Profile};
use crate::input::{Dataset, ReadOptions};
use crate::pipeline::{Budget, alongside, in_order};
use crate::trainer::{Look, Progress, Watch, peak_memory, survey};

/// Rows of the batches in which a sorted bucket goes to its shards.
const GATHERED_ROWS: usize = 1 << 14;
/// Splits, and rows of each, from which the ranges of keys are found.
const KEY_SPLITS: usize = 64;
const KEY_ROWS: u64 = 2048;
/// Most buckets at a time: files that are written to by turns.
const MOST_BUCKETS: u64 = 4096;

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
    let (result, profile) = alongside(config.threads, || run.all(&mut folder, &steps, watch), look);
    let result = result.and_then(|(read, threads)| {
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
fn look(config: &ConvertConfig, dataset: &Dataset, stop: &AtomicBool) -> Result<Profile> {
    let look = Look {
        target: None,
        weight: None,
        overrides: &Overrides::default(),
        // There is more to do at the same time.
        threads: 1,
        memory: config.memory,
        skips_bad_rows: config.rejects.is_some(),
    };
    Ok(survey(dataset, look, stop)?.profile)
}

/// Refuses an output folder that holds input.
fn check_places(config: &ConvertConfig, dataset: &Dataset) -> Result<()> {
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

struct Run<'a> {
    config: &'a ConvertConfig,
    dataset: &'a Dataset,
    shape: &'a Shape,
    layout: Arc<Layout>,
    size: Size,
    divider: Divider,
    stop: &'a AtomicBool,
    start: Instant,
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

    fn lots(&self) -> Lots {
        // Of several parts the largest shall have shards of the right size.
        let shares = self.config.division.iter().flat_map(|d| d.parts.iter().map(|(_, share)| *share));
        let largest = shares.fold(0.0, f64::max);
        let rows = self.size.rows_per_shard(&self.layout) as f64 / if largest > 0.0 { largest } else { 1.0 };
        Lots::new(self.dataset, (rows as u64).max(1), |split| self.size.rows(self.dataset, split))
    }

    fn reader(&self) -> Reader<'_> {
        Reader { dataset: self.dataset, shape: self.shape }
    }

    /// How many threads may work at a time if each holds `shards` shards or as many bytes.
    fn workers(&self, shards: usize) -> Result<usize> {
        let open = self.dataset.open_bytes(&self.shape.request);
        let batch = (self.shape.request.batch_rows as f64 * self.size.row_bytes * 3.0) as usize;
        let each = shards * self.config.shard_bytes + open + batch;
        let budget = self.config.memory.map_or_else(Budget::from_machine, |total| Budget { total });
        budget.workers(self.config.threads, each, 0).map_err(|e| e.and("or a smaller --shard-size"))
    }

    /// The rows that equal an earlier one.
    fn repeats(&self, folder: &Folder) -> Result<Repeats> {
        if !self.config.dedup {
            return Ok(Repeats::default());
        }
        let (reader, rows) = (self.reader(), self.size.total_rows(self.dataset));
        find_repeats(&reader, self.lots(), &folder.work("hashes"), rows, self.workers(1)?, self.stop)
    }

    /// Reads a lot, duplicates left out, and gives its rows part by part.
    fn read(
        &self,
        lot: &Lot,
        repeats: &Repeats,
        give_up: &AtomicBool,
        mut each: impl FnMut(usize, RecordBatch, u64) -> Result<()>,
    ) -> Result<(Account, u64)> {
        let mut duplicates = 0;
        let account = self.reader().read(lot, give_up, |prepared, first| {
            let rows = prepared.batch.num_rows();
            let prepared = match repeats.keeps(lot.id, first, rows) {
                Some(keeps) => kept(&prepared, &keeps)?,
                None => prepared,
            };
            duplicates += (rows - prepared.batch.num_rows()) as u64;
            self.divider.divide(prepared)?.into_iter().try_for_each(|(part, batch)| each(part, batch, first))
        })?;
        Ok((account, duplicates))
    }

    /// Takes into account what was read of a lot.
    fn account(
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
        let done = sum.bytes as f64 / self.dataset.bytes().max(1) as f64;
        watch.progress(self.progress(sum, share * done));
        Ok(read)
    }

    fn progress(&self, read: &Read, share: f64) -> Progress {
        let elapsed: Duration = self.start.elapsed();
        Progress { epoch: (1, 1), rows: read.rows, share, bytes: read.bytes, elapsed, loss: None }
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
        let threads = self.workers(2)?;
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
                self.read(&lot, &repeats, give_up, |part, batch, _| writers.push(part, &batch))?;
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

    /// Rows get another order: they are scattered to buckets, and each bucket becomes a shard or a few.
    fn by_buckets(
        &self,
        folder: &mut Folder,
        steps: &[Step],
        mut read: Read,
        mut rejects: Rejects,
        watch: &mut dyn Watch,
    ) -> Result<(Read, usize)> {
        let threads = self.workers(4)?;
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
            let (account, duplicates) = self.read(&lot, &repeats, give_up, |part, batch, _| {
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
        let most = 2 * self.config.shard_bytes as u64;
        if bucket.bytes <= most || bucket.is_uniform {
            finished.push(bucket);
            return Ok(());
        }
        let rows = bucket.rows;
        for smaller in bucket.split(spool, 1 + bucket.bytes / self.config.shard_bytes as u64)? {
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
            let lot = Lot { id: 0, rows: LotRows::Splits(split..split + 1) };
            let enough = AtomicBool::new(false);
            let read = self.reader().read(&lot, &enough, |prepared, _| {
                let keys = keys.of(&prepared.batch, 0, 0)?;
                let stride = (keys.len() as u64 / KEY_ROWS).max(1) as usize;
                sample.extend(keys.iter().step_by(stride).flatten().map(<[u8]>::to_vec));
                enough.store(true, Ordering::Relaxed);
                Ok(())
            });
            match read {
                // Having enough ends the reading as an interruption does.
                Err(e) if e.kind() == Kind::Usage => return Err(e),
                _ => {}
            }
        }
        Ok(sample)
    }

    /// What the sample of the input says of the output.
    fn own_profile(&self, profile: Profile) -> Profile {
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
    fn write_catalogs(&self, folder: &Folder, profile: Option<Profile>) -> Result<()> {
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

    fn summary(&self, folder: &Folder, read: Read, threads: usize) -> Summary {
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

fn remove_folder(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("can't remove", path, &e)),
        _ => Ok(()),
    }
}

/// The shards under construction of a lot or a bucket, one for each part.
struct Writers<'a> {
    run: &'a Run<'a>,
    folder: &'a Path,
    id: u64,
    open: Vec<Option<ShardWriter>>,
    finished: Vec<(usize, Shard)>,
    count: usize,
}

impl<'a> Writers<'a> {
    fn new(run: &'a Run<'a>, folder: &'a Path, id: u64) -> Self {
        let open = (0..run.divider.parts()).map(|_| None).collect();
        Writers { run, folder, id, open, finished: Vec::new(), count: 0 }
    }

    fn path(&mut self) -> PathBuf {
        self.count += 1;
        self.folder.join(format!("lot-{:016x}-{:04}", self.id, self.count))
    }

    fn push(&mut self, part: usize, batch: &RecordBatch) -> Result<()> {
        let mut writer = match self.open[part].take() {
            Some(writer) => writer,
            None => ShardWriter::create(self.run.layout.clone(), self.path())?,
        };
        writer.push(batch)?;
        if writer.is_full() {
            self.finished.extend(writer.finish()?.map(|shard| (part, shard)));
        } else {
            self.open[part] = Some(writer);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<(usize, Shard)>> {
        for (part, writer) in self.open.into_iter().enumerate() {
            if let Some(writer) = writer {
                self.finished.extend(writer.finish()?.map(|shard| (part, shard)));
            }
        }
        Ok(self.finished)
    }
}
