//! A run of an optimiser that learns from mini-batches: epochs, the race, the choice by the hold-out.

use std::sync::Arc;

use super::checkpoint::{Checkpoints, Pages, Pen};
use super::config::TrainConfig;
use super::feed::{Feed, Referee};
use super::holdout::{Division, Holdout};
use super::leak::{Keeper, Kept};
use super::ledger::{Aim, Best, Ledger, Leg};
use super::notes::Notes;
use super::pass::{Book, Pass, Passes, Sink, Standing};
use super::race::{Entrant, Race};
use super::summary::RaceEntry;
use super::task::{Fit, Task};
use super::team::{Runner, Team, check_size};
use super::trend::Trend;
use super::watch::Watch;
use crate::error::Result;
use crate::learn::{Chunk, Crew, Iterate, Learn, Optimizer, Penalty, Settings, Variant, learner};
use crate::model::Model;
use crate::pipeline::Stages;

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

pub(crate) struct Run<'a> {
    task: &'a Task<'a>,
    passes: &'a Passes<'a>,
    /// The model that learning goes on from.
    init: Option<&'a Model>,
    feed: Feed,
    holdout: Option<Holdout>,
    ledger: Ledger,
    /// The pass that an earlier run was in.
    begun: Option<Begun>,
    stages: Stages,
}

/// A pass that was begun.
pub(super) struct Begun {
    pub(super) standing: Standing,
    pub(super) kept: Kept,
    pub(super) race: Race,
}

impl Begun {
    /// What its keeper and its lesson wrote.
    ///
    /// # Errors
    /// Those of the pages.
    pub(super) fn read(
        standing: Standing,
        task: &Task<'_>,
        passes: &Passes<'_>,
        pages: &mut Pages,
    ) -> Result<(Self, Feed)> {
        let (Task { plan, config, settings, .. }, crew) = (task, passes.crew.clone());
        let (kept, race) = (pages.take()?, Race::read(plan.clone(), pages)?);
        let feed = Feed::read(&|_| settings, plan.target.outputs(), config.batch_size, crew, pages)?;
        Ok((Begun { standing, kept, race }, feed))
    }
}

/// Learns from the rows of a pass.
pub(crate) struct Lesson<'a> {
    pub(crate) feed: &'a mut Feed,
    pub(crate) race: &'a mut Race,
}

impl Lesson<'_> {
    fn leader(&self) -> Option<&Runner> {
        let (team, place) = self.race.leader(&self.feed.teams)?;
        Some(&self.feed.teams[team].runners[place])
    }
}

impl Sink for Lesson<'_> {
    fn push(&mut self, chunk: &Chunk, _: &mut dyn Watch) -> Result<()> {
        self.feed.push(chunk, self.race)
    }

    fn end(&mut self, _: &mut dyn Watch) -> Result<()> {
        self.feed.flush(self.race)
    }

    fn sums(&self) -> Option<(f64, f64)> {
        self.leader().map(|runner| runner.metrics.sums())
    }

    fn model(&self) -> usize {
        self.leader().map_or(0, |runner| runner.id)
    }

    fn write(&mut self, pen: &mut Pen) -> Result<()> {
        self.race.write(pen)?;
        self.feed.write(pen)
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
        let learner = make_learner(settings, init, passes.crew.as_ref());
        check_size(learner.as_ref(), config.max_model)?;
        if init.is_some_and(|model| !goes_on(settings, model)) {
            let note = "the model to start from comes from another optimiser: its steps are not known";
            notes.say(note.to_string());
        }
        Ok(Run {
            feed: new_feed(task, passes, learner),
            holdout: (!passes.division.is_empty()).then(|| Holdout::new(&passes.division)),
            ledger: Ledger::new(settings.variants.len(), config.epochs()),
            begun: None,
            stages: Stages::default(),
            task,
            passes,
            init,
        })
    }

    /// A run that goes on from a checkpoint.
    ///
    /// # Errors
    /// Those of reading it.
    pub(crate) fn resume(
        task: &'a Task<'a>,
        passes: &'a Passes<'a>,
        init: Option<&'a Model>,
        mut pages: Pages,
        notes: &mut Notes<'_>,
    ) -> Result<Self> {
        let (ledger, standing, holdout): (Ledger, _, _) = Book::read(&mut pages, notes)?;
        let (begun, feed) = Begun::read(standing, task, passes, &mut pages)?;
        notes.goes_on_after(begun.standing.rows(), "epoch", ledger.leg.next, task.config.epochs());
        Ok(Run { feed, holdout, ledger, begun: Some(begun), stages: Stages::default(), task, passes, init })
    }

    /// Runs all epochs, and writes checkpoints meanwhile, if that is wanted.
    ///
    /// # Errors
    /// Those of the data; and if the loss does not stay finite.
    pub(crate) fn fit(mut self, checkpoints: &mut Checkpoints, notes: &mut Notes<'_>) -> Result<Fit> {
        loop {
            match self.ledger.leg.aim {
                Aim::Choose { penalised, .. } => {
                    self.run_until_worse(checkpoints, notes)?;
                    if !self.task.config.chooses() {
                        break;
                    }
                    let overfits = penalised || self.overfits();
                    if overfits && !penalised && self.may_race_strengths() {
                        self.race_strengths(notes);
                    } else if !self.learn_from_all(overfits) {
                        break;
                    }
                }
                Aim::Finish { iterate } => {
                    self.run_to_the_end(checkpoints, notes)?;
                    self.finish_best(iterate, notes);
                    break;
                }
            }
        }
        Ok(self.finish())
    }

    fn learner(&mut self) -> &mut dyn Learn {
        self.feed.teams[0].learner.as_mut()
    }

    /// Goes on until the last epoch, or until the hold-out's loss has not improved for some.
    fn run_until_worse(&mut self, checkpoints: &mut Checkpoints, notes: &mut Notes<'_>) -> Result<()> {
        while self.ledger.leg.next <= self.ledger.leg.last {
            let Leg { next: epoch, last, .. } = self.ledger.leg;
            self.epoch(self.passes.division, checkpoints, notes)?;
            self.ledger.epochs_done = epoch;
            self.ledger.leg.next += 1;
            if self.holdout.is_none() {
                continue;
            }
            let loss = self.look_at_holdout(epoch);
            let Aim::Choose { least, best, .. } = &mut self.ledger.leg.aim else { continue };
            if loss < *least * (1.0 - IMPROVEMENT) {
                (*least, *best) = (loss, epoch);
            }
            if epoch - *best >= PATIENCE && epoch < last {
                notes.say(format!(
                    "stopped after epoch {epoch}: the hold-out's loss has not improved since epoch {best}"
                ));
                break;
            }
        }
        Ok(())
    }

    /// Lets the chosen model learn from all rows.
    fn run_to_the_end(&mut self, checkpoints: &mut Checkpoints, notes: &mut Notes<'_>) -> Result<()> {
        while self.ledger.leg.next <= self.ledger.leg.last {
            self.epoch(Division::NONE, checkpoints, notes)?;
            self.ledger.leg.next += 1;
        }
        Ok(())
    }

    /// Whether later epochs made models worse: those with large rates show it first.
    fn overfits(&self) -> bool {
        self.ledger.trends.iter().any(Trend::rises)
    }

    fn may_race_strengths(&self) -> bool {
        let Task { config, .. } = self.task;
        let averages = !matches!(config.optimizer, Optimizer::Ftrl { .. } | Optimizer::Gd);
        averages
            && config.penalty.is_none()
            && self.ledger.rows <= MOST_ROWS
            && self.ledger.epochs_done < config.epochs()
    }

    /// Lets the best model go on with several strengths of the L2 penalty.
    fn race_strengths(&mut self, notes: &mut Notes<'_>) {
        let Ledger { leg, rows, best, trends, descended_from, epochs_done, .. } = &mut self.ledger;
        *leg = Leg::choose(*epochs_done + 1, self.task.config.epochs(), true);
        let Some(best) = best else { return };
        let l2s = STRENGTHS.map(|strength| strength / *rows as f32);
        let variant = |l2| Variant { penalty: Penalty { l1: 0.0, l2 }, ..Variant::at(FASTER * best.rate) };
        let settings = Settings { variants: l2s.map(variant).to_vec(), ..self.task.settings.clone() };
        let mut learner = learner(&settings.sized_for(&best.linear), self.passes.crew.as_ref());
        learner.start_from(&best.linear, None);
        *trends = vec![Trend::NEW; STRENGTHS.len()];
        *descended_from = Some(best.raced);
        notes.say(format!(
            "more epochs overfit: from epoch {} on, L2 penalties of {:.1e} to {:.1e} race",
            best.epoch,
            l2s[0],
            l2s[STRENGTHS.len() - 1]
        ));
        self.replace_feed(learner);
    }

    /// Prepares for epochs in which the best model learns from the rows that were held out to choose it, too. False if
    /// there is none.
    fn learn_from_all(&mut self, overfits: bool) -> bool {
        let Ledger { leg, best, epochs_done, .. } = &mut self.ledger;
        let Some(best) = best else { return false };
        let penalty = Penalty { l2: best.l2, ..self.task.settings.variants[0].penalty };
        let variants = vec![Variant { penalty, ..Variant::at(best.rate) }];
        let settings = Settings { variants, ..self.task.settings.clone() };
        let learner = if best.epoch <= FEW_EPOCHS && overfits {
            *leg = Leg { next: 1, last: best.epoch, aim: Aim::Finish { iterate: best.iterate } };
            make_learner(&settings, self.init, self.passes.crew.as_ref())
        } else {
            let more = best.epoch.div_ceil(EPOCHS_FOR_ONE_MORE).min(MOST_MORE);
            // By then the last weights only swing about what the mean tells.
            let aim = Aim::Finish { iterate: Iterate::Mean };
            *leg = Leg { next: *epochs_done + 1, last: *epochs_done + more, aim };
            let mut learner = learner(&settings.sized_for(&best.linear), self.passes.crew.as_ref());
            learner.start_from(&best.linear, Some(&best.state));
            learner
        };
        self.replace_feed(learner);
        true
    }

    /// Takes what the best model has become by learning from all rows.
    fn finish_best(&mut self, iterate: Iterate, notes: &mut Notes<'_>) {
        let Feed { teams, crew, .. } = &mut self.feed;
        let Some(best) = &mut self.ledger.best else { return };
        let (linear, state) = teams[0].learner.whole(0, iterate, crew.as_ref());
        if linear.is_finite() {
            let best = Arc::make_mut(best);
            (best.linear, best.state) = (linear, state);
            notes.say(
                "at last the model learned from the held-out rows, too: its hold-out figures are from before that"
                    .to_string(),
            );
        }
    }

    /// Goes on with another learner.
    fn replace_feed(&mut self, learner: Box<dyn Learn>) {
        self.ledger.capped |= self.learner().capped();
        self.feed = new_feed(self.task, self.passes, learner);
    }

    /// Runs the epoch that is next, or the rest of it.
    fn epoch(
        &mut self,
        division: Division,
        checkpoints: &mut Checkpoints,
        notes: &mut Notes<'_>,
    ) -> Result<()> {
        let Task { plan, race_rows, .. } = self.task;
        let Leg { next: epoch, last, aim } = self.ledger.leg;
        let chooses = matches!(aim, Aim::Choose { .. });
        let (standing, mut kept, mut race) = match self.begun.take() {
            Some(Begun { standing, kept, race }) => (Some(standing), kept, race),
            None => {
                let race_rows = if chooses { *race_rows } else { u64::MAX };
                let race = new_race(self.task, &self.feed, race_rows);
                (None, Kept::new(plan, chooses && epoch == 1), race)
            }
        };
        let mut lesson = Lesson { feed: &mut self.feed, race: &mut race };
        let mut keeper = Keeper { sink: &mut lesson, kept: &mut kept };
        let ledger = &self.ledger;
        let write = |pen: &mut Pen| {
            pen.put_later(ledger.clone());
            Ok(())
        };
        let pass = Pass {
            number: epoch,
            of: last,
            division,
            holdout: self.holdout.as_mut(),
            collects: chooses && epoch == 1,
            from: standing,
            book: Book::of(checkpoints, &notes.notes, &write),
        };
        let (stages, skipped) = self.passes.run(pass, &mut keeper, notes.watch)?;
        kept.look(plan, notes);
        self.stages.add(&stages);
        // After the first epoch rows are no longer new: their losses are not progressive ones.
        let teams = &mut self.feed.teams;
        let leader = race.leader(teams).map_or(0, |(team, place)| teams[team].runners[place].id);
        let rows = race.rows();
        let runners = race.finish(teams, self.task.scoring());
        self.learner().end_epoch();
        let ledger = &mut self.ledger;
        if chooses {
            ledger.skipped = skipped;
        }
        if chooses && epoch == 1 {
            (ledger.first, ledger.leader, ledger.rows) = (Arc::new(runners), leader, rows);
        }
        Ok(())
    }

    /// Scores all models on the hold-out and keeps the best seen so far. Returns the least loss of this epoch.
    fn look_at_holdout(&mut self, epoch: u64) -> f64 {
        let Some(holdout) = &mut self.holdout else { return f64::INFINITY };
        let learner = &mut self.feed.teams[0].learner;
        let Ledger { best, descended_from, trends, .. } = &mut self.ledger;
        let models = learner.variants().len();
        if trends.len() != models {
            // The race has been won since.
            *trends = vec![Trend::NEW; models];
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
                let limit = best.as_ref().map_or(f64::INFINITY, |b| b.loss * (1.0 - IMPROVEMENT));
                if loss < limit {
                    let state = learner.state(model);
                    let Variant { rate, penalty, .. } = learner.variants()[model];
                    let (raced, l2) = (descended_from.unwrap_or(rate), penalty.l2);
                    let found = Best { loss, report, linear, state, rate, raced, l2, iterate, epoch };
                    *best = Some(Arc::new(found));
                }
            }
            trends[model].push(least);
            least_of_all = least_of_all.min(least);
        }
        least_of_all
    }

    fn finish(mut self) -> Fit {
        let ledger = self.ledger;
        let Feed { teams, crew, .. } = &mut self.feed;
        let team = &mut teams[0];
        let leader = team.runners.iter().position(|runner| runner.id == ledger.leader).unwrap_or(0);
        let learner = &mut team.learner;
        let (linear, state, rate, raced, l2, holdout) = match ledger.best.map(Arc::unwrap_or_clone) {
            Some(best) => (best.linear, best.state, best.rate, best.raced, best.l2, Some(best.report)),
            None => {
                let iterate = unchosen(self.task.config);
                let (linear, state) = learner.whole(leader, iterate, crew.as_ref());
                let Variant { rate, penalty, .. } = learner.variants()[leader];
                (linear, state, rate, rate, penalty.l2, None)
            }
        };
        let variants = &self.task.settings.variants;
        let winner = variants.iter().position(|variant| variant.rate == raced);
        let race = (variants.len() > 1).then(|| {
            let entries = ledger.first.iter().zip(variants).enumerate();
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
            progressive: winner.and_then(|winner| ledger.first.get(winner)).map(|r| r.metrics.report()),
            holdout,
            race,
            rows_learned: ledger.rows,
            rows_held: self.holdout.as_ref().map_or(0, |h| h.rows().0),
            skipped: ledger.skipped,
            epochs: ledger.epochs_done,
            stages: self.stages,
            capped: ledger.capped || self.feed.teams[0].learner.capped(),
        }
    }
}

/// Whether a model's optimiser can go on where it was.
fn goes_on(settings: &Settings, model: &Model) -> bool {
    model.about.optimizer == settings.optimizer
}

/// A learner that starts anew, or from a model.
fn make_learner(settings: &Settings, init: Option<&Model>, crew: &dyn Crew) -> Box<dyn Learn> {
    let mut learner = learner(settings, crew);
    if let Some(model) = init {
        learner.start_from(&model.linear, goes_on(settings, model).then_some(&model.state));
    }
    learner
}

fn new_feed(task: &Task<'_>, passes: &Passes<'_>, learner: Box<dyn Learn>) -> Feed {
    let models = 0..learner.variants().len();
    let teams = vec![Team::new(learner, models, task.scoring())];
    Feed::new(teams, task.plan.shape(), task.config.batch_size, passes.crew.clone())
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
