//! A run of an optimiser that learns from mini-batches: epochs, the race, the choice by the hold-out.

use std::sync::Arc;

use super::config::TrainConfig;
use super::feed::{Feed, Referee};
use super::holdout::{Division, Holdout};
use super::leak::Keeper;
use super::pass::{Passes, Sink};
use super::race::{Entrant, Race};
use super::scoring::Scoring;
use super::summary::RaceEntry;
use super::team::{Runner, Team, check_size};
use super::train::Notes;
use super::trend::Trend;
use crate::error::Result;
use crate::features::Plan;
use crate::learn::metrics::Report;
use crate::learn::{
    Chunk, Iterate, Learn, Linear, Loss, Optimizer, Penalty, Settings, State, Variant, learner,
};
use crate::model::Model;
use crate::pipeline::{GradientWorkers, Stages};

/// Training stops when so many epochs in a row have not lowered the hold-out's loss by this share.
pub(super) const PATIENCE: u64 = 3;
pub(super) const IMPROVEMENT: f64 = 1e-4;
/// Where more epochs overfit, a model that was best after so few is trained anew on all rows; others learn from
/// the held-out rows in a few more epochs over all rows, one for every four and at most three.
const FEW_EPOCHS: u64 = 2;
/// Where more epochs overfit, these strengths of the L2 penalty race, over the number of rows: that of the prior
/// that is as strong as one row, and more. Not with more rows than these: each epoch takes twice as long, and the
/// penalty matters less. The rate is that of the best model without a penalty times `FASTER`: what made larger ones
/// overfit is gone.
const STRENGTHS: [f32; 4] = [1.0, 3.0, 10.0, 30.0];
const FASTER: f32 = 2.0;
const MOST_ROWS: u64 = 1 << 21;
const EPOCHS_FOR_ONE_MORE: u64 = 4;
const MOST_MORE: u64 = 3;

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

impl Task<'_> {
    pub(crate) fn scoring(&self) -> Scoring<'_> {
        Scoring {
            loss: self.loss,
            target: &self.plan.target,
            class_weights: &self.settings.class_weights,
            losses_alone: false,
        }
    }
}

/// What came of it.
pub(crate) struct Fit {
    pub(crate) linear: Linear,
    pub(crate) state: State,
    /// The learning rate; 0 where there is none.
    pub(crate) rate: f32,
    /// Strength of the L2 penalty.
    pub(crate) l2: f32,
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

impl Fit {
    /// Rows of the data.
    pub(crate) fn rows(&self) -> u64 {
        self.rows_learned + self.rows_held + self.skipped
    }
}

/// The best model so far, by the hold-out.
struct Best {
    loss: f64,
    report: Report,
    linear: Linear,
    state: State,
    rate: f32,
    /// The learning rate that it had in the race.
    raced: f32,
    l2: f32,
    iterate: Iterate,
    epoch: u64,
}

pub(crate) struct Run<'a> {
    task: &'a Task<'a>,
    passes: &'a Passes<'a>,
    /// The model that learning goes on from.
    init: Option<&'a Model>,
    feed: Feed,
    /// The progressive accounts of all models in the first epoch, the one of them that led at its end, and the rows
    /// learned from.
    first: Vec<Runner>,
    leader: usize,
    rows: u64,
    holdout: Option<Holdout>,
    best: Option<Best>,
    /// The learning rate in the race of the model that all models side by side started from.
    descended_from: Option<f32>,
    /// How the loss on the hold-out goes, for each of the models side by side.
    trends: Vec<Trend>,
    skipped: u64,
    stages: Stages,
    epochs_done: u64,
}

/// Learns from the rows of a pass.
pub(crate) struct Lesson<'a, R> {
    pub(crate) feed: &'a mut Feed,
    pub(crate) referee: &'a mut R,
}

impl<R: Referee> Lesson<'_, R> {
    fn leader(&self) -> Option<&Runner> {
        let (team, place) = self.referee.leader(&self.feed.teams)?;
        Some(&self.feed.teams[team].runners[place])
    }
}

impl<R: Referee> Sink for Lesson<'_, R> {
    fn push(&mut self, chunk: &Chunk, readers_rest: bool) -> Result<()> {
        self.feed.push(chunk, readers_rest, self.referee)
    }

    fn sums(&self) -> Option<(f64, f64)> {
        self.leader().map(|runner| runner.metrics.sums())
    }

    fn model(&self) -> usize {
        self.leader().map_or(0, |runner| runner.id)
    }
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        task: &'a Task<'a>,
        passes: &'a Passes<'a>,
        init: Option<&'a Model>,
        notes: &mut Notes<'_>,
    ) -> Result<Self> {
        let Task { config, settings, .. } = task;
        let learner = make_learner(settings, init);
        check_size(learner.as_ref(), config.max_model)?;
        if init.is_some_and(|model| !goes_on(settings, model)) {
            let note = "the model to start from comes from another optimiser: its steps are not known";
            notes.say(note.to_string());
        }
        Ok(Run {
            feed: new_feed(task, learner),
            first: Vec::new(),
            leader: 0,
            rows: 0,
            holdout: (!passes.division.is_empty()).then(|| Holdout::new(&passes.division)),
            best: None,
            descended_from: None,
            trends: vec![Trend::NEW; settings.variants.len()],
            skipped: 0,
            stages: Stages::default(),
            epochs_done: 0,
            task,
            passes,
            init,
        })
    }

    /// Runs all epochs.
    ///
    /// # Errors
    /// Those of the data; and if the loss does not stay finite.
    pub(crate) fn fit(mut self, notes: &mut Notes<'_>) -> Result<Fit> {
        self.epochs_until_worse(notes)?;
        if self.task.config.chooses() {
            let overfits = self.overfits();
            if overfits && self.may_race_strengths() {
                self.race_strengths(notes);
                self.epochs_until_worse(notes)?;
            }
            self.learn_from_all(overfits, notes)?;
        }
        Ok(self.finish())
    }

    fn learner(&mut self) -> &mut dyn Learn {
        self.feed.teams[0].learner.as_mut()
    }

    /// Goes on until the last epoch, or until the hold-out's loss has not improved for some.
    fn epochs_until_worse(&mut self, notes: &mut Notes<'_>) -> Result<()> {
        let (first, last) = (self.epochs_done + 1, self.task.config.epochs());
        let (mut least, mut best) = (f64::INFINITY, first);
        for epoch in first..=last {
            self.epoch(epoch, notes)?;
            self.learner().end_epoch();
            self.epochs_done = epoch;
            if self.holdout.is_some() {
                let loss = self.look_at_holdout(epoch);
                if loss < least * (1.0 - IMPROVEMENT) {
                    (least, best) = (loss, epoch);
                }
                if epoch - best >= PATIENCE && epoch < last {
                    notes.say(format!(
                        "stopped after epoch {epoch}: the hold-out's loss has not improved since epoch {best}"
                    ));
                    break;
                }
            }
        }
        Ok(())
    }

    /// Whether later epochs made models worse: those with large rates show it first.
    fn overfits(&self) -> bool {
        self.trends.iter().any(Trend::rises)
    }

    fn may_race_strengths(&self) -> bool {
        let Task { config, .. } = self.task;
        let averages = !matches!(config.optimizer, Optimizer::Ftrl { .. } | Optimizer::Gd);
        averages && config.penalty.is_none() && self.rows <= MOST_ROWS && self.epochs_done < config.epochs()
    }

    /// Lets the best model go on with several strengths of the L2 penalty.
    fn race_strengths(&mut self, notes: &mut Notes<'_>) {
        let Some(best) = &self.best else { return };
        let rows = self.rows as f32;
        let l2s = STRENGTHS.map(|strength| strength / rows);
        let variant = |l2| Variant { penalty: Penalty { l1: 0.0, l2 }, ..Variant::at(FASTER * best.rate) };
        let settings = Settings { variants: l2s.map(variant).to_vec(), ..self.task.settings.clone() };
        let mut learner = learner(&settings.sized_for(&best.linear));
        learner.start_from(&best.linear, None);
        self.feed = new_feed(self.task, learner);
        self.trends = vec![Trend::NEW; STRENGTHS.len()];
        self.descended_from = Some(best.raced);
        notes.say(format!(
            "more epochs overfit: from epoch {} on, L2 penalties of {:.1e} to {:.1e} race",
            best.epoch,
            l2s[0],
            l2s[STRENGTHS.len() - 1]
        ));
    }

    /// Lets the best model learn from the rows that were held out to choose it, too.
    fn learn_from_all(&mut self, overfits: bool, notes: &mut Notes<'_>) -> Result<()> {
        let Some(best) = &mut self.best else { return Ok(()) };
        let penalty = Penalty { l2: best.l2, ..self.task.settings.variants[0].penalty };
        let variants = vec![Variant { penalty, ..Variant::at(best.rate) }];
        let settings = Settings { variants, ..self.task.settings.clone() };
        let (learner, epochs, iterate) = if best.epoch <= FEW_EPOCHS && overfits {
            (make_learner(&settings, self.init), 1..=best.epoch, best.iterate)
        } else {
            let more = best.epoch.div_ceil(EPOCHS_FOR_ONE_MORE).min(MOST_MORE);
            let mut learner = learner(&settings.sized_for(&best.linear));
            learner.start_from(&best.linear, Some(&best.state));
            // By now the last weights only swing about what the mean tells.
            (learner, self.epochs_done + 1..=self.epochs_done + more, Iterate::Mean)
        };
        let mut feed = new_feed(self.task, learner);
        let last = *epochs.end();
        for epoch in epochs {
            let mut race = new_race(self.task, &feed, u64::MAX);
            let mut lesson = Lesson { feed: &mut feed, referee: &mut race };
            let (stages, _) =
                self.passes.run((epoch, last), Division::NONE, None, &mut lesson, notes.watch)?;
            feed.flush(&mut race)?;
            feed.teams[0].learner.end_epoch();
            self.stages.add(&stages);
        }
        let learner = &mut feed.teams[0].learner;
        let linear = learner.weights(0, iterate);
        if linear.is_finite() {
            (best.linear, best.state) = (linear, learner.state(0));
            notes.say(
                "at last the model learned from the held-out rows, too: its hold-out figures are from before that"
                    .to_string(),
            );
        }
        Ok(())
    }

    fn epoch(&mut self, epoch: u64, notes: &mut Notes<'_>) -> Result<()> {
        let mut race = new_race(self.task, &self.feed, self.task.race_rows);
        let mut lesson = Lesson { feed: &mut self.feed, referee: &mut race };
        let holdout = if epoch == 1 { self.holdout.as_mut() } else { None };
        let epochs = self.task.config.epochs();
        let mut keeper = Keeper::new(&mut lesson, &self.task.plan, epoch);
        let (stages, skipped) =
            self.passes.run((epoch, epochs), self.passes.division, holdout, &mut keeper, notes.watch)?;
        keeper.look(&self.task.plan, notes);
        self.feed.flush(&mut race)?;
        // After the first epoch rows are no longer new: their losses are not progressive ones.
        let teams = &mut self.feed.teams;
        let (leader, rows) =
            (race.leader(teams).map_or(0, |(team, place)| teams[team].runners[place].id), race.rows());
        let runners = race.finish(teams, self.task.scoring());
        if epoch == 1 {
            (self.first, self.leader, self.rows) = (runners, leader, rows);
        }
        self.stages.add(&stages);
        self.skipped = skipped;
        Ok(())
    }

    /// Scores all models on the hold-out and keeps the best seen so far. Returns the least loss of this epoch.
    fn look_at_holdout(&mut self, epoch: u64) -> f64 {
        let Some(holdout) = &mut self.holdout else { return f64::INFINITY };
        let learner = &mut self.feed.teams[0].learner;
        let models = learner.variants().len();
        if self.trends.len() != models {
            // The race has been won since.
            self.trends = vec![Trend::NEW; models];
        }
        let mut least_of_all = f64::INFINITY;
        for model in 0..models {
            let mut least = f64::INFINITY;
            for &iterate in iterates(self.task.config) {
                let linear = learner.weights(model, iterate);
                if !linear.is_finite() {
                    continue;
                }
                let report = holdout.score(&linear, self.task.scoring());
                let Some(loss) = report.mean_loss else { continue };
                least = least.min(loss);
                let limit = self.best.as_ref().map_or(f64::INFINITY, |b| b.loss * (1.0 - IMPROVEMENT));
                if loss < limit {
                    let state = learner.state(model);
                    let Variant { rate, penalty, .. } = learner.variants()[model];
                    let (raced, l2) = (self.descended_from.unwrap_or(rate), penalty.l2);
                    self.best = Some(Best { loss, report, linear, state, rate, raced, l2, iterate, epoch });
                }
            }
            self.trends[model].push(least);
            least_of_all = least_of_all.min(least);
        }
        least_of_all
    }

    fn finish(mut self) -> Fit {
        let team = &mut self.feed.teams[0];
        let leader = team.runners.iter().position(|runner| runner.id == self.leader).unwrap_or(0);
        let learner = &mut team.learner;
        let (linear, state, rate, raced, l2, holdout) = match self.best {
            Some(best) => (best.linear, best.state, best.rate, best.raced, best.l2, Some(best.report)),
            None => {
                let iterate = unchosen(self.task.config);
                let (linear, state) = (learner.weights(leader, iterate), learner.state(leader));
                let Variant { rate, penalty, .. } = learner.variants()[leader];
                (linear, state, rate, rate, penalty.l2, None)
            }
        };
        let variants = &self.task.settings.variants;
        let winner = variants.iter().position(|variant| variant.rate == raced);
        let race = (variants.len() > 1).then(|| {
            let entries = self.first.iter().zip(variants).enumerate();
            entries
                .map(|(i, (runner, variant))| RaceEntry {
                    learning_rate: variant.rate,
                    progressive_loss: runner.metrics.mean_loss().filter(|_| runner.diverged.is_none()),
                    winner: Some(i) == winner,
                })
                .collect()
        });
        Fit {
            linear,
            state,
            rate,
            l2,
            progressive: winner.and_then(|winner| self.first.get(winner)).map(|r| r.metrics.report()),
            holdout,
            race,
            rows_learned: self.rows,
            rows_held: self.holdout.as_ref().map_or(0, |h| h.rows().0),
            skipped: self.skipped,
            epochs: self.epochs_done,
            stages: self.stages,
            capped: self.feed.teams[0].learner.capped(),
        }
    }
}

/// Whether a model's optimiser can go on where it was.
fn goes_on(settings: &Settings, model: &Model) -> bool {
    model.about.optimizer == settings.optimizer
}

/// A learner that starts anew, or from a model.
fn make_learner(settings: &Settings, init: Option<&Model>) -> Box<dyn Learn> {
    let mut learner = learner(settings);
    if let Some(model) = init {
        learner.start_from(&model.linear, goes_on(settings, model).then_some(&model.state));
    }
    learner
}

fn new_feed(task: &Task<'_>, learner: Box<dyn Learn>) -> Feed {
    let models = 0..learner.variants().len();
    let teams = vec![Team::new(learner, models, task.scoring())];
    Feed::new(teams, task.plan.shape(), task.config.batch_size, task.crew)
}

/// A race among all models that are fed, which ends after `end` rows.
fn new_race(task: &Task<'_>, feed: &Feed, end: u64) -> Race {
    let runners = feed.teams.iter().flat_map(|team| team.runners.iter().zip(team.learner.variants()));
    let entrants = runners.map(|(runner, variant)| (runner.id, Entrant::new(0, variant.rate))).collect();
    Race::new(task.plan.clone(), entrants, end)
}

/// The iterate that becomes the model where no hold-out chooses.
pub(super) fn unchosen(config: &TrainConfig) -> Iterate {
    if config.is_textbook() { Iterate::Last } else { Iterate::Mixed }
}

/// Which iterates may become the model.
fn iterates(config: &TrainConfig) -> &'static [Iterate] {
    if config.is_textbook() { &[Iterate::Last] } else { &[Iterate::Mixed, Iterate::Mean, Iterate::Last] }
}
