//! Training: from a configuration to a model file and a summary.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use xxhash_rust::xxh3::Xxh3;

use super::account::Account;
use super::config::{ShuffleMode, TrainConfig};
use super::feed::Feed;
use super::holdout::{Division, HOLDOUT_BYTES, Held, Holdout};
use super::plan::{Planned, make_plan};
use super::race::{RACE_ROWS, Race};
use super::reading::{LIST_LENGTH, Spares, check_output, item_bytes, request};
use super::summary::{ModelSummary, RaceEntry, Skipped, Summary, peak_memory, plan_lines};
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::features::{Encoder, Plan, RowFilter, SplitCache};
use crate::input::{Dataset, Request};
use crate::learn::metrics::Report;
use crate::learn::{Chunk, Iterate, Linear, Loss, Settings, State, learner};
use crate::model::{About, Model};
use crate::output::AtomicFile;
use crate::pipeline::{
    Budget, Flow, GradientWorkers, Needs, Order, Shuffle, SplitState, Stages, Weigh, stream,
};

/// Bytes and rows of the buffer in which rows are shuffled; part of what determines the model, so no
/// memory budget changes them.
const SHUFFLE_BYTES: usize = 64 << 20;
const SHUFFLE_ROWS: usize = 1 << 17;
/// Share of the rows held out when several epochs race and the user names none.
const AUTO_HOLDOUT: f64 = 0.1;
/// Training stops when so many epochs in a row have not lowered the hold-out's loss by this share.
const PATIENCE: u64 = 2;
const IMPROVEMENT: f64 = 1e-4;

/// Trains a model and writes it.
///
/// # Errors
/// Those of the data and of the configuration; nothing is written then.
pub fn train(config: &TrainConfig, stop: &AtomicBool, watch: &mut dyn Watch) -> Result<Summary> {
    let start = Instant::now();
    // Before anything is read: a model that can't be written is not worth training.
    let file = AtomicFile::create(&config.model)?;
    let dataset = Dataset::open(&config.plan.inputs, &config.plan.read)?;
    check_output(&config.model, &dataset)?;
    let mut notes = Notes { watch, notes: Vec::new() };
    dataset.notes().iter().for_each(|note| notes.say(note.clone()));
    let planned = make_plan(&config.plan, &dataset, stop, notes.watch)?;
    let mut run = Run::new(config, &dataset, &planned, stop, &mut notes)?;
    let learning = Instant::now();
    run.epochs(&mut notes)?;
    let learning_seconds = learning.elapsed().as_secs_f64();
    let done = run.finish();
    let rows = done.rows_learned + done.rows_held + done.skipped;
    if done.rows_learned == 0 {
        return Err(Error::data("no row was left to learn from").remedy("hold out or skip fewer rows"));
    }
    let plan = &planned.plan;
    let (bytes, sha256) = done.model.save(file)?;
    let mut skipped = Skipped { rows: done.skipped, ..Skipped::default() };
    if done.skipped > 0 {
        skipped.reasons.insert("target or weight not usable".to_string(), done.skipped);
    }
    Ok(Summary {
        command: "train",
        rows,
        epochs: Some(done.epochs),
        seconds: start.elapsed().as_secs_f64(),
        rows_per_second: rows as f64 * done.epochs as f64 / learning_seconds.max(1e-9),
        bytes_read: done.stages.bytes_read,
        peak_memory_bytes: peak_memory(),
        threads: config.plan.threads,
        seed: Some(config.plan.seed),
        loss: done.model.about.loss.name(),
        target: serde_json::to_value(&plan.target).unwrap_or_default(),
        progressive: done.progressive,
        holdout: done.holdout,
        metrics: None,
        race: done.race,
        plan: plan_lines(plan),
        stages: done.stages,
        model: Some(ModelSummary {
            bytes,
            weights: done.model.linear.len(),
            learning_rate: done.model.about.learning_rate,
            capped: done.capped,
        }),
        skipped,
        model_sha256: Some(sha256),
        notes: notes.notes,
    })
}

/// Tells the watcher and remembers for the summary.
struct Notes<'a> {
    watch: &'a mut dyn Watch,
    notes: Vec<String>,
}

impl Notes<'_> {
    fn say(&mut self, text: String) {
        self.watch.note(&text);
        self.notes.push(text);
    }
}

/// An encoded batch: rows to learn from, rows held out, rows skipped.
struct Piece {
    chunk: Chunk,
    held: Option<Held>,
    skipped: u64,
}

impl Piece {
    /// Rows that it was made from.
    fn rows(&self) -> u64 {
        self.chunk.rows() as u64 + self.skipped + self.held.as_ref().map_or(0, |h| h.keys.len() as u64)
    }
}

impl Weigh for Piece {
    fn bytes(&self) -> usize {
        self.chunk.bytes() + self.held.as_ref().map_or(0, |h| h.chunk.bytes())
    }
}

/// The best model so far, by the hold-out.
struct Best {
    loss: f64,
    report: Report,
    linear: Linear,
    state: State,
    rate: f32,
    epoch: u64,
}

struct Run<'a> {
    config: &'a TrainConfig,
    dataset: &'a Dataset,
    stop: &'a AtomicBool,
    plan: Arc<Plan>,
    loss: Loss,
    encoder: Encoder,
    request: Request,
    shuffled: bool,
    shuffle_rows: usize,
    division: Division,
    /// The number of each split's first row.
    starts: Vec<u64>,
    /// Whether all rows fit into the shuffle's buffer.
    fits_buffer: bool,
    budget: Budget,
    /// What planning needed.
    least_memory: usize,
    feed: Feed,
    /// The progressive account of the first epoch.
    race: Race,
    holdout: Option<Holdout>,
    best: Option<Best>,
    skipped: u64,
    stages: Stages,
    epochs_done: u64,
    rates: Vec<f32>,
    crew: GradientWorkers,
}

struct Finished {
    model: Model,
    progressive: Option<Report>,
    holdout: Option<Report>,
    race: Option<Vec<RaceEntry>>,
    rows_learned: u64,
    rows_held: u64,
    skipped: u64,
    epochs: u64,
    stages: Stages,
    capped: bool,
}

impl<'a> Run<'a> {
    fn new(
        config: &'a TrainConfig,
        dataset: &'a Dataset,
        planned: &Planned,
        stop: &'a AtomicBool,
        notes: &mut Notes<'_>,
    ) -> Result<Self> {
        let plan = planned.plan.clone();
        let loss = config.plan.loss.unwrap_or(plan.target.default_loss());
        let filter = if config.skip_bad_rows { RowFilter::Skip } else { RowFilter::Fail };
        let encoder = Encoder::new(plan.clone(), filter);
        let request = request(&encoder, &[]);
        let shuffled = match config.shuffle {
            ShuffleMode::None => false,
            ShuffleMode::Auto => config.epochs > 1 || !planned.is_well_mixed,
        };
        if shuffled {
            notes.say("rows are shuffled".to_string());
        } else if config.shuffle == ShuffleMode::Auto {
            notes.say("rows are taken as they come: the sample shows them well mixed".to_string());
        } else if !planned.is_well_mixed {
            notes.say("the target follows the order of the rows; without --shuffle auto the model may lean to the last ones".to_string());
        }
        if plan.shape() == (crate::learn::Shape { weighted: plan.weight.is_some(), ..Default::default() }) {
            notes.say("no column is used: the model will know only the target's mean".to_string());
        }
        let rates = match config.learning_rate {
            Some(rate) => vec![rate],
            None => config.optimizer.default_rates().to_vec(),
        };
        let fraction =
            config.holdout.unwrap_or(if config.epochs > 1 && rates.len() > 1 { AUTO_HOLDOUT } else { 0.0 });
        let division = Division::new(fraction, config.plan.seed);
        let settings = Settings {
            loss,
            optimizer: config.optimizer,
            rates: rates.clone(),
            l2: config.l2,
            shape: plan.shape(),
            tables: plan.tables(),
            max_bytes: config.max_model,
        };
        let learner = learner(&settings);
        let crew = GradientWorkers::of(config.plan.threads);
        if learner.bytes() > config.max_model {
            return Err(Error::usage(format!(
                "the categories need at least {} MB of tables, more than --max-model allows",
                learner.bytes().div_ceil(1 << 20)
            ))
            .remedy("raise --max-model, or --ignore columns with many values"));
        }
        let row_bytes = plan.shape().row_bytes(LIST_LENGTH);
        let shuffle_rows = (SHUFFLE_BYTES / row_bytes).clamp(FEWEST_SHUFFLED, SHUFFLE_ROWS);
        Ok(Run {
            config,
            dataset,
            stop,
            loss,
            request,
            shuffled,
            shuffle_rows,
            starts: planned.starts.clone(),
            fits_buffer: planned.rows.is_some_and(|rows| rows <= shuffle_rows as u64),
            holdout: (!division.is_empty()).then(|| Holdout::new(&division)),
            division,
            budget: config.plan.memory.map_or_else(Budget::from_machine, |total| Budget { total }),
            feed: Feed::new(learner, plan.clone(), config.batch_size, RACE_ROWS, crew),
            crew,
            least_memory: planned.least_memory,
            race: Race::new(loss, &plan.target, &rates),
            best: None,
            skipped: 0,
            stages: planned.stages,
            epochs_done: 0,
            rates,
            encoder,
            plan,
        })
    }

    fn epochs(&mut self, notes: &mut Notes<'_>) -> Result<()> {
        for epoch in 1..=self.config.epochs {
            self.epoch(epoch, notes)?;
            self.feed.learner.end_epoch();
            self.epochs_done = epoch;
            if self.holdout.is_some() {
                self.look_at_holdout(epoch);
                let best = self.best.as_ref().map_or(epoch, |b| b.epoch);
                if epoch - best >= PATIENCE && epoch < self.config.epochs {
                    notes.say(format!(
                        "stopped after epoch {epoch}: the hold-out's loss has not improved since epoch {best}"
                    ));
                    break;
                }
            }
        }
        Ok(())
    }

    fn epoch(&mut self, epoch: u64, notes: &mut Notes<'_>) -> Result<()> {
        let seed = self.config.plan.seed;
        let splits = self.dataset.splits().len();
        // Rows that are permuted all together need no other order before that; and so it does not matter
        // how the dataset is cut into splits.
        let by_splits = self.shuffled && !self.fits_buffer;
        let order = if by_splits { Order::shuffled(splits, seed, epoch) } else { Order::in_place(0..splits) };
        let needs = Needs {
            open: order.width(),
            open_bytes: self.dataset.open_bytes(&self.request),
            item_bytes: item_bytes(&self.encoder, self.request.batch_rows),
            held_bytes: if self.shuffled {
                self.shuffle_rows * self.plan.shape().row_bytes(LIST_LENGTH)
            } else {
                0
            } + if self.holdout.is_some() { HOLDOUT_BYTES } else { 0 },
        };
        self.budget.check(needs.least().max(self.least_memory), self.shuffled)?;
        let flow = Flow {
            request: &self.request,
            // Those that learn beside the coordinator do not read.
            threads: self.config.plan.threads + 1 - self.crew.count(),
            in_flight: self.budget.in_flight(&needs)?,
            needs,
            rows_of_each: u64::MAX,
            stop: self.stop,
        };
        let spares = Spares::new(&self.encoder, 64);
        let mut shuffle = self.shuffled.then(|| Shuffle::new(self.shuffle_rows, seed, epoch));
        let mut out = Chunk::new(self.plan.shape(), self.request.batch_rows);
        // After the first epoch rows are no longer new: their losses are not progressive ones.
        let mut later = Race::new(self.loss, &self.plan.target, self.feed.learner.rates());
        let race = if epoch == 1 { &mut self.race } else { &mut later };
        let (feed, encoder, division) = (&mut self.feed, &self.encoder, (self.division, &self.starts[..]));
        let (holdout, skipped) = (&mut self.holdout, &mut self.skipped);
        let mut account = Account::new(self.dataset, epoch, self.config.epochs);
        let stages = stream(
            self.dataset,
            &order,
            flow,
            |batch: &RecordBatch, split: &mut SplitState<SplitCache>| {
                encode(encoder, division, &spares, batch, split)
            },
            |item| {
                let piece = item.value;
                account.add(item.split, piece.rows());
                if epoch == 1 {
                    *skipped += piece.skipped;
                    if let (Some(holdout), Some(held)) = (holdout.as_mut(), piece.held) {
                        holdout.push(held);
                    }
                }
                match &mut shuffle {
                    None => {
                        feed.push(&piece.chunk, race)?;
                        spares.give(piece.chunk);
                    }
                    Some(shuffle) => {
                        if shuffle.push(piece.chunk) {
                            shuffle.drain(
                                self.request.batch_rows,
                                &mut out,
                                |c| feed.push(c, race),
                                |c| spares.give(c),
                            )?;
                        }
                    }
                }
                notes.watch.progress(account.progress(race));
                Ok(())
            },
        )?;
        if let Some(shuffle) = &mut shuffle {
            shuffle.drain(self.request.batch_rows, &mut out, |c| feed.push(c, race), |_| ())?;
        }
        feed.flush(race)?;
        notes.watch.progress(account.progress(race));
        self.stages.add(&stages);
        Ok(())
    }

    /// Scores all models on the hold-out and keeps the best seen so far.
    fn look_at_holdout(&mut self, epoch: u64) {
        let Some(holdout) = &mut self.holdout else { return };
        let learner = &mut self.feed.learner;
        for model in 0..learner.rates().len() {
            for &iterate in iterates(self.config) {
                let linear = learner.weights(model, iterate);
                if !linear.is_finite() {
                    continue;
                }
                let report = holdout.score(&linear, self.loss, &self.plan.target);
                let Some(loss) = report.mean_loss else { continue };
                let limit = self.best.as_ref().map_or(f64::INFINITY, |b| b.loss * (1.0 - IMPROVEMENT));
                if loss < limit {
                    let (state, rate) = (learner.state(model), learner.rates()[model]);
                    self.best = Some(Best { loss, report, linear, state, rate, epoch });
                }
            }
        }
    }

    fn finish(mut self) -> Finished {
        let leader = self.race.leader().unwrap_or(0);
        let learner = &mut self.feed.learner;
        let (linear, state, rate, holdout) = match self.best {
            Some(best) => (best.linear, best.state, best.rate, Some(best.report)),
            None => {
                let iterate =
                    if self.config.learning_rate.is_some() { Iterate::Last } else { Iterate::Mixed };
                (learner.weights(leader, iterate), learner.state(leader), learner.rates()[leader], None)
            }
        };
        let winner = self.rates.iter().position(|&r| r == rate);
        let race = (self.rates.len() > 1).then(|| {
            let entries = self.race.losses().into_iter().enumerate();
            entries
                .map(|(i, (learning_rate, progressive_loss))| RaceEntry {
                    learning_rate,
                    progressive_loss,
                    winner: Some(i) == winner,
                })
                .collect()
        });
        let rows_held = self.holdout.as_ref().map_or(0, |h| h.rows().0);
        let about = About {
            plan: Plan::clone(&self.plan),
            loss: self.loss,
            optimizer: self.config.optimizer,
            learning_rate: rate,
            l2: self.config.l2,
            batch_size: self.config.batch_size,
            epochs: self.epochs_done,
            seed: self.config.plan.seed,
            data: fingerprint(self.dataset.schema(), self.race.rows() + rows_held + self.skipped),
            rows: self.race.rows(),
        };
        Finished {
            model: Model { about, linear, state },
            progressive: self.race.report_of_rate(rate),
            holdout,
            race,
            rows_learned: self.race.rows(),
            rows_held,
            skipped: self.skipped,
            epochs: self.epochs_done,
            stages: self.stages,
            capped: learner.capped(),
        }
    }
}

/// What tells data from other data, whatever files and format it is kept in.
fn fingerprint(schema: &Schema, rows: u64) -> String {
    let mut names = Xxh3::new();
    for field in schema.fields() {
        // A byte that no name has ends each.
        names.update(field.name().as_bytes());
        names.update(&[0xff]);
    }
    format!("{rows} rows read, {} columns, names {:016x}", schema.fields().len(), names.digest())
}

/// Rows that are shuffled at the least.
const FEWEST_SHUFFLED: usize = 1 << 12;

/// Which iterates may become the model: with a rate of the user's choice the textbook's last one.
fn iterates(config: &TrainConfig) -> &'static [Iterate] {
    match config.learning_rate {
        Some(_) => &[Iterate::Last],
        None => &[Iterate::Mixed, Iterate::Mean, Iterate::Last],
    }
}

/// Encodes a batch and parts its rows.
fn encode(
    encoder: &Encoder,
    (division, starts): (Division, &[u64]),
    spares: &Spares,
    batch: &RecordBatch,
    split: &mut SplitState<SplitCache>,
) -> Result<Piece> {
    let mut chunk = spares.take(batch.num_rows());
    let encoded = encoder.encode(batch, &mut split.state, &mut chunk)?;
    let skipped = encoded.skipped.len() as u64;
    if division.is_empty() && skipped == 0 {
        return Ok(Piece { chunk, held: None, skipped });
    }
    let (mut learn, mut hold, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    let mut bad = encoded.skipped.into_iter().peekable();
    for row in 0..chunk.rows() as u32 {
        if bad.next_if_eq(&row).is_some() {
            continue;
        }
        match division.key(starts[split.split] + split.first_row + u64::from(row)) {
            None => learn.push((0, row)),
            Some(key) => {
                hold.push((0, row));
                keys.push(key);
            }
        }
    }
    let take = |rows: &[(u32, u32)], mut part: Chunk| {
        part.reset(rows.len());
        part.gather(std::slice::from_ref(&chunk), rows);
        part
    };
    let part = take(&learn, spares.take(learn.len()));
    let held =
        (!hold.is_empty()).then(|| Held { chunk: take(&hold, Chunk::new(chunk.shape(), hold.len())), keys });
    spares.give(chunk);
    Ok(Piece { chunk: part, held, skipped })
}
