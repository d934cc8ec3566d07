//! A run of an optimiser that learns from mini-batches: epochs, the race, the choice by the hold-out.

use std::sync::Arc;

use super::config::TrainConfig;
use super::feed::Feed;
use super::holdout::Holdout;
use super::leak::Keeper;
use super::pass::{Passes, Sink};
use super::race::Race;
use super::summary::RaceEntry;
use super::train::Notes;
use crate::error::{Error, Result};
use crate::features::Plan;
use crate::learn::metrics::Report;
use crate::learn::{Chunk, Iterate, Linear, Loss, Settings, State, learner};
use crate::model::Model;
use crate::pipeline::{GradientWorkers, Stages};

/// Training stops when so many epochs in a row have not lowered the hold-out's loss by this share.
const PATIENCE: u64 = 2;
const IMPROVEMENT: f64 = 1e-4;

/// What is to be learned, and how.
pub(crate) struct Task<'a> {
    pub(crate) config: &'a TrainConfig,
    /// The loss in the target's own unit.
    pub(crate) loss: Loss,
    pub(crate) settings: Settings,
    pub(crate) plan: Arc<Plan>,
    /// Rows after which only the race's winner goes on.
    pub(crate) race_rows: u64,
    pub(crate) crew: GradientWorkers,
}

/// What came of it.
pub(crate) struct Fit {
    pub(crate) linear: Linear,
    pub(crate) state: State,
    /// The learning rate; 0 where there is none.
    pub(crate) rate: f32,
    pub(crate) progressive: Option<Report>,
    pub(crate) holdout: Option<Report>,
    pub(crate) race: Option<Vec<RaceEntry>>,
    pub(crate) rows_learned: u64,
    pub(crate) rows_held: u64,
    pub(crate) skipped: u64,
    pub(crate) epochs: u64,
    pub(crate) stages: Stages,
    pub(crate) capped: bool,
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

pub(crate) struct Run<'a> {
    task: &'a Task<'a>,
    passes: &'a Passes<'a>,
    feed: Feed,
    /// The progressive account of the first epoch.
    race: Race,
    holdout: Option<Holdout>,
    best: Option<Best>,
    skipped: u64,
    stages: Stages,
    epochs_done: u64,
}

/// Learns from the rows of a pass, and keeps the account of the race.
struct Lesson<'a> {
    feed: &'a mut Feed,
    race: &'a mut Race,
}

impl Sink for Lesson<'_> {
    fn push(&mut self, chunk: &Chunk) -> Result<()> {
        self.feed.push(chunk, self.race)
    }

    fn sums(&self) -> Option<(f64, f64)> {
        self.race.leader_sums()
    }

    fn model(&self) -> usize {
        self.race.leader().unwrap_or(0)
    }
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        task: &'a Task<'a>,
        passes: &'a Passes<'a>,
        init: Option<&Model>,
        notes: &mut Notes<'_>,
    ) -> Result<Self> {
        let Task { config, settings, plan, .. } = task;
        let mut learner = learner(settings);
        if learner.bytes() > config.max_model {
            return Err(Error::usage(format!(
                "the categories need at least {} MB of tables, more than --max-model allows",
                learner.bytes().div_ceil(1 << 20)
            ))
            .remedy("raise --max-model, or --ignore columns with many values"));
        }
        if let Some(Model { about, linear, state }) = init {
            let goes_on = about.optimizer == config.optimizer;
            learner.start_from(linear, goes_on.then_some(state));
            if !goes_on {
                notes.say(
                    "the model to start from comes from another optimiser: its steps are not known"
                        .to_string(),
                );
            }
        }
        Ok(Run {
            feed: Feed::new(learner, plan.clone(), config.batch_size, task.race_rows, task.crew),
            race: new_race(task, &settings.rates),
            holdout: (!passes.division.is_empty()).then(|| Holdout::new(&passes.division)),
            best: None,
            skipped: 0,
            stages: Stages::default(),
            epochs_done: 0,
            task,
            passes,
        })
    }

    /// Runs all epochs.
    ///
    /// # Errors
    /// Those of the data; and if the loss does not stay finite.
    pub(crate) fn fit(mut self, notes: &mut Notes<'_>) -> Result<Fit> {
        let epochs = self.task.config.epochs();
        for epoch in 1..=epochs {
            self.epoch(epoch, notes)?;
            self.feed.learner.end_epoch();
            self.epochs_done = epoch;
            if self.holdout.is_some() {
                self.look_at_holdout(epoch);
                let best = self.best.as_ref().map_or(epoch, |b| b.epoch);
                if epoch - best >= PATIENCE && epoch < epochs {
                    notes.say(format!(
                        "stopped after epoch {epoch}: the hold-out's loss has not improved since epoch {best}"
                    ));
                    break;
                }
            }
        }
        Ok(self.finish())
    }

    fn epoch(&mut self, epoch: u64, notes: &mut Notes<'_>) -> Result<()> {
        // After the first epoch rows are no longer new: their losses are not progressive ones.
        let mut later = new_race(self.task, self.feed.learner.rates());
        let race = if epoch == 1 { &mut self.race } else { &mut later };
        let mut lesson = Lesson { feed: &mut self.feed, race };
        let holdout = if epoch == 1 { self.holdout.as_mut() } else { None };
        let epochs = self.task.config.epochs();
        let mut keeper = Keeper::new(&mut lesson, &self.task.plan, epoch);
        let (stages, skipped) = self.passes.run((epoch, epochs), holdout, &mut keeper, notes.watch)?;
        keeper.look(&self.task.plan, notes);
        lesson.feed.flush(lesson.race)?;
        self.stages.add(&stages);
        self.skipped = skipped;
        Ok(())
    }

    /// Scores all models on the hold-out and keeps the best seen so far.
    fn look_at_holdout(&mut self, epoch: u64) {
        let Some(holdout) = &mut self.holdout else { return };
        let learner = &mut self.feed.learner;
        for model in 0..learner.rates().len() {
            for &iterate in iterates(self.task.config) {
                let linear = learner.weights(model, iterate);
                if !linear.is_finite() {
                    continue;
                }
                let report = holdout.score(&linear, self.task.loss, &self.task.plan.target);
                let Some(loss) = report.mean_loss else { continue };
                let limit = self.best.as_ref().map_or(f64::INFINITY, |b| b.loss * (1.0 - IMPROVEMENT));
                if loss < limit {
                    let (state, rate) = (learner.state(model), learner.rates()[model]);
                    self.best = Some(Best { loss, report, linear, state, rate, epoch });
                }
            }
        }
    }

    fn finish(mut self) -> Fit {
        let leader = self.race.leader().unwrap_or(0);
        let learner = &mut self.feed.learner;
        let (linear, state, rate, holdout) = match self.best {
            Some(best) => (best.linear, best.state, best.rate, Some(best.report)),
            None => {
                let fixed = self.task.config.learning_rate.is_some();
                let iterate = if fixed { Iterate::Last } else { Iterate::Mixed };
                (learner.weights(leader, iterate), learner.state(leader), learner.rates()[leader], None)
            }
        };
        let rates = &self.task.settings.rates;
        let winner = rates.iter().position(|&r| r == rate);
        let race = (rates.len() > 1).then(|| {
            let entries = self.race.losses().into_iter().enumerate();
            entries
                .map(|(i, (learning_rate, progressive_loss))| RaceEntry {
                    learning_rate,
                    progressive_loss,
                    winner: Some(i) == winner,
                })
                .collect()
        });
        Fit {
            linear,
            state,
            rate,
            progressive: self.race.report_of_rate(rate),
            holdout,
            race,
            rows_learned: self.race.rows(),
            rows_held: self.holdout.as_ref().map_or(0, |h| h.rows().0),
            skipped: self.skipped,
            epochs: self.epochs_done,
            stages: self.stages,
            capped: self.feed.learner.capped(),
        }
    }
}

fn new_race(task: &Task<'_>, rates: &[f32]) -> Race {
    Race::new(task.loss, &task.plan.target, rates)
}

/// Which iterates may become the model: with a rate of the user's choice the textbook's last one.
fn iterates(config: &TrainConfig) -> &'static [Iterate] {
    match config.learning_rate {
        Some(_) => &[Iterate::Last],
        None => &[Iterate::Mixed, Iterate::Mean, Iterate::Last],
    }
}
