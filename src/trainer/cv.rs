//! Cross-validation: the models of all folds learn side by side in the same passes, each from all rows but its
//! fold's, and are scored on those.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::blocks::divide_by;
use super::checkpoint::{Checkpoints, Identity, Pages, Pen, Typed};
use super::config::{CvConfig, ShuffleMode};
use super::feed::Feed;
use super::folds::Folds;
use super::holdout::{Division, Holdout};
use super::leak::{Keeper, Kept};
use super::notes::Notes;
use super::pass::{Book, Pass, Passes};
use super::plan::make_plan;
use super::race::{Entrant, Race};
use super::run::{Begun, IMPROVEMENT, Lesson, PATIENCE, unchosen};
use super::scoring::Scoring;
use super::summary::{CrossValidation, Estimate, FoldScore, Summary};
use super::task::{Fit, Task};
use super::team::{Team, form_teams};
use super::train::{make_passes, make_task, open, save, summary};
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::input::{Dataset, ReadAs, Skipped};
use crate::learn::metrics::Report;
use crate::learn::{Linear, Optimizer, State, Variant};
use crate::pipeline::Stages;

/// Cross-validates a model, and writes one of all rows if that is wanted.
///
/// # Errors
/// Those of the data and of the configuration.
pub fn cross_validate(config: &CvConfig, stop: &AtomicBool, watch: &mut dyn Watch) -> Result<Summary> {
    let start = Instant::now();
    let CvConfig { train, folds, repeats, by } = config;
    if train.optimizer == Optimizer::Lbfgs {
        return Err(Error::usage("cross-validation is for optimisers that learn from mini-batches")
            .remedy("leave out --optimizer lbfgs"));
    }
    let mut notes = Notes::new(watch);
    let dataset = open(train, &mut notes)?;
    let with_model = train.model.is_some();
    let identity = || {
        let own: [(&str, &dyn Debug); 4] = [
            ("--folds", folds),
            ("--repeat", repeats),
            ("how rows are divided", &Typed(by.to_string())),
            ("a model of all rows", &with_model),
        ];
        Identity::of("cv", &own, train, dataset.contents())
    };
    let mut checkpoints = Checkpoints::open(&train.checkpoints, identity, &mut notes)?;
    let result = plan_and_validate(config, &dataset, stop, &mut checkpoints, &mut notes);
    checkpoints.conclude(result.and_then(|summary| summary.hand_in(start, notes)))
}

/// Plans, runs all epochs, and saves what they are for.
fn plan_and_validate(
    config: &CvConfig,
    dataset: &Dataset,
    stop: &AtomicBool,
    checkpoints: &mut Checkpoints,
    notes: &mut Notes<'_>,
) -> Result<Summary> {
    let CvConfig { train, folds, repeats, by } = config;
    let by = divide_by(by, *folds, dataset, train, stop)?;
    let folds = Folds::new(by, *folds, *repeats, train.plan.seed);
    let planned = make_plan(&train.plan, None, dataset, stop, notes.watch)?;
    planned.notes.iter().for_each(|note| notes.say(note.clone()));
    checkpoints.learn_by(&planned.plan)?;
    let task = make_task(train, &planned, None, notes)?;
    let mut passes = make_passes(train, dataset, &planned, stop, notes);
    passes.divide(folds.clone(), train.shuffle, notes);
    let epochs = Epochs::new(&task, &passes, &folds, notes)?;
    validate_and_save(epochs, &planned.stages, checkpoints, notes)
}

/// Runs all epochs, and saves what they are for; `before` is where the time went until then.
fn validate_and_save(
    mut epochs: Epochs<'_>,
    before: &Stages,
    checkpoints: &mut Checkpoints,
    notes: &mut Notes<'_>,
) -> Result<Summary> {
    let (learning, task, dataset) = (Instant::now(), epochs.task, epochs.passes.dataset);
    if let Some(pages) = checkpoints.pages() {
        epochs.go_on(pages, notes)?;
    }
    let mut done = epochs.run(checkpoints, notes)?;
    let learning_seconds = learning.elapsed().as_secs_f64();
    dataset.check_unchanged()?;
    done.fit.stages.add(before);
    let scored = done.scores.iter().filter(|score| score.repeat == 1).map(|score| score.metrics.rows).sum();
    if !done.all_are_kept {
        notes
            .say(format!("models were scored on {scored} rows, drawn by chance: so many are kept in memory"));
    }
    let mut summary = Summary {
        command: "cv",
        progressive: done.fit.progressive.take(),
        cv: Some(CrossValidation {
            rows_scored: scored,
            epoch: done.best_epoch,
            metrics: estimates(&done.scores),
            folds: done.scores,
        }),
        checkpoints: checkpoints.cost()?,
        ..summary(task, &done.fit, learning_seconds)
    };
    let fit = Fit { epochs: done.best_epoch, ..done.fit };
    save(task, dataset, fit, &mut summary)?;
    Ok(summary)
}

/// What came of it: the model of all rows, if there was one, and the folds' scores.
struct Done {
    fit: Fit,
    scores: Vec<FoldScore>,
    /// The epoch after which the models were scored.
    best_epoch: u64,
    /// Whether all rows were kept for scoring.
    all_are_kept: bool,
}

/// The state of all models after an epoch.
#[derive(Clone, Serialize, Deserialize)]
struct Look {
    epoch: u64,
    loss: f64,
    scores: Vec<FoldScore>,
    all: Option<(Linear, State, Variant)>,
}

/// What a run knows beside the models that learn, and goes on from.
#[derive(Clone, Serialize, Deserialize)]
struct Account {
    /// The epoch that comes next, or goes on.
    next: u64,
    best: Option<Arc<Look>>,
    /// How the model of all rows did in the first epoch.
    progressive: Option<Report>,
    rows: u64,
    skipped: Skipped,
}

/// Epochs of the models of all folds, and of one of all rows if that is wanted: each races with others at other rates.
struct Epochs<'a> {
    task: &'a Task<'a>,
    passes: &'a Passes<'a>,
    folds: &'a Folds,
    /// The fold of each race; `None` for all rows.
    contenders: Vec<Option<(u32, u32)>>,
    entrants: BTreeMap<usize, Entrant>,
    feed: Feed,
    /// Rows to score models on.
    held: Holdout,
    account: Account,
    begun: Option<Begun>,
    stages: Stages,
}

impl<'a> Epochs<'a> {
    fn new(
        task: &'a Task<'a>,
        passes: &'a Passes<'a>,
        folds: &'a Folds,
        notes: &mut Notes<'_>,
    ) -> Result<Self> {
        let wanted = task.config.model.is_some().then_some(None);
        let contenders: Vec<_> = folds.each().map(Some).chain(wanted).collect();
        // Models of one rate stand together: when the races have ended most teams are gone.
        let (mut teams, mut entrants) = (Vec::new(), BTreeMap::new());
        for variant in &task.settings.variants {
            let of = |fold: &Option<(u32, u32)>| Variant {
                left_out: fold.map(|fold| folds.left_out(fold)),
                ..variant.clone()
            };
            let models: Vec<_> = (entrants.len()..).zip(contenders.iter().map(of)).collect();
            let races = models.iter().enumerate();
            entrants.extend(races.map(|(race, (id, variant))| (*id, Entrant::new(race, variant.rate))));
            teams.extend(form_teams(&task.settings, models, while_learning(task), passes.crew.as_ref())?);
        }
        notes.say(format!(
            "{} models learn side by side; their tables start with {} MB",
            entrants.len(),
            teams.iter().map(|team| team.learner.bytes()).sum::<usize>() >> 20
        ));
        let feed = Feed::new(teams, passes.shape(), task.config.batch_size, passes.crew.clone());
        let held = Holdout::new(&passes.division);
        let (best, progressive, skipped) = (None, None, Skipped::default());
        let account = Account { next: 1, best, progressive, rows: 0, skipped };
        let (begun, stages) = (None, Stages::default());
        Ok(Epochs { task, passes, folds, contenders, entrants, feed, held, account, begun, stages })
    }

    /// Goes on from a checkpoint.
    ///
    /// # Errors
    /// Those of reading it.
    fn go_on(&mut self, mut pages: Pages, notes: &mut Notes<'_>) -> Result<()> {
        let standing;
        (self.account, standing, self.held) = Book::read(&mut pages, notes)?;
        let (begun, feed) = Begun::read(standing, self.task, self.passes, &mut pages)?;
        notes.goes_on_after(begun.standing.rows(), "epoch", self.account.next, self.task.config.epochs());
        (self.begun, self.feed) = (Some(begun), feed);
        Ok(())
    }

    /// Runs all epochs, or until they no longer help, and writes checkpoints meanwhile, if that is wanted.
    fn run(mut self, checkpoints: &mut Checkpoints, notes: &mut Notes<'_>) -> Result<Done> {
        let epochs = self.task.config.epochs();
        while self.account.next <= epochs {
            let look = self.epoch(checkpoints, notes)?;
            let Account { next, best, .. } = &mut self.account;
            let epoch = look.epoch;
            *next += 1;
            // With a rate of the user's own nothing is chosen, as in training.
            let textbook = self.task.config.is_textbook();
            let better =
                textbook || best.as_ref().is_none_or(|best| look.loss < best.loss * (1.0 - IMPROVEMENT));
            if better {
                *best = Some(Arc::new(look));
            } else if best.as_ref().is_some_and(|best| epoch - best.epoch >= PATIENCE) {
                notes.say(format!(
                    "stopped after epoch {epoch}: the folds' loss has not improved for {PATIENCE} epochs"
                ));
                break;
            }
        }
        self.finish()
    }

    /// Runs the epoch that is next, or the rest of it, and scores all models after it.
    fn epoch(&mut self, checkpoints: &mut Checkpoints, notes: &mut Notes<'_>) -> Result<Look> {
        let Task { plan, config, race_rows, .. } = self.task;
        let epoch = self.account.next;
        let first = epoch == 1;
        let (standing, mut kept, mut race) = match self.begun.take() {
            Some(Begun { standing, kept, race }) => (Some(standing), kept, race),
            None => {
                let race = Race::new(plan.clone(), self.entrants.clone(), *race_rows);
                (None, Kept::new(plan, first), race)
            }
        };
        let mut lesson = Lesson { feed: &mut self.feed, race: &mut race };
        let mut keeper = Keeper { sink: &mut lesson, kept: &mut kept };
        let account = &self.account;
        let write = |pen: &mut Pen| {
            pen.put_later(account.clone());
            Ok(())
        };
        let pass = Pass {
            number: epoch,
            of: config.epochs(),
            division: if first { self.passes.division } else { Division::NONE },
            holdout: Some(&mut self.held),
            collects: first,
            from: standing,
            book: Book::of(checkpoints, &notes.notes, &write),
        };
        let (spent, skipped) = self.passes.run(pass, &mut keeper, notes.watch)?;
        kept.look(plan, notes);
        let Feed { teams, crew, .. } = &mut self.feed;
        race.end(teams, crew.as_ref())?;
        self.stages.add(&spent);
        (self.account.rows, self.account.skipped) = (race.rows(), skipped);
        let runners = race.finish(teams, while_learning(self.task));
        teams.iter_mut().for_each(|team| team.learner.end_epoch());
        if first {
            let all = self.contenders.iter().position(Option::is_none);
            let runs = |id: usize| teams.iter().flat_map(|team| &team.runners).any(|r| r.id == id);
            let wins = |id: usize| Some(self.entrants[&id].race) == all && runs(id);
            self.account.progressive = runners.iter().find(|r| wins(r.id)).map(|r| r.metrics.report());
        }
        self.look(epoch)
    }

    /// Scores the models of all folds on the rows that they did not learn from.
    fn look(&mut self, epoch: u64) -> Result<Look> {
        let (iterate, scoring) = (unchosen(self.task.config), self.task.scoring());
        let mut look = Look { epoch, loss: 0.0, scores: Vec::new(), all: None };
        for (race, fold) in self.contenders.iter().enumerate() {
            let Feed { teams, crew, .. } = &mut self.feed;
            let mut places = teams.iter_mut().flat_map(|team| {
                let Team { learner, runners, .. } = team;
                let place = runners.iter().position(|runner| self.entrants[&runner.id].race == race);
                place.map(|place| (learner, place))
            });
            let Some((learner, place)) = places.next() else { continue };
            let Some((repeat, fold)) = *fold else {
                let (linear, state) = learner.whole(place, iterate, crew.as_ref());
                look.all = Some((linear, state, learner.variants()[place].clone()));
                continue;
            };
            let linear = learner.weights(place, iterate);
            let parts = self.folds.scored((repeat, fold));
            let metrics = self.held.score_parts(&parts, &linear, scoring).ok_or_else(|| no_rows(fold))?;
            look.loss += metrics.mean_loss.unwrap_or(f64::NAN);
            let score = FoldScore {
                repeat: repeat + 1,
                fold: fold + 1,
                learning_rate: learner.variants()[place].rate,
                metrics,
            };
            look.scores.push(score);
        }
        Ok(look)
    }

    fn finish(self) -> Result<Done> {
        let Account { next, best, progressive, rows, skipped } = self.account;
        let Some(best) = best.map(Arc::unwrap_or_clone) else {
            return Err(Error::data("there were no epochs"));
        };
        let (linear, state, variant) = best.all.unwrap_or_default();
        Ok(Done {
            fit: Fit {
                linear,
                state,
                rate: variant.rate,
                l2: variant.penalty.l2,
                progressive,
                holdout: None,
                race: None,
                rows_learned: rows,
                rows_held: 0,
                skipped,
                epochs: next - 1,
                stages: self.stages,
                capped: self.feed.teams.iter().any(|team| team.learner.capped()),
            },
            scores: best.scores,
            best_epoch: best.epoch,
            all_are_kept: self.held.rows().1 == rows,
        })
    }
}

/// What models are scored by while they learn: all figures are wanted of one of all rows alone.
fn while_learning<'a>(task: &'a Task<'_>) -> Scoring<'a> {
    Scoring { losses_alone: task.config.model.is_none(), ..task.scoring() }
}

/// The error of a fold, from 0, that has no rows.
pub(super) fn no_rows(fold: u32) -> Error {
    let message = format!("fold {} has no rows to be scored on", fold + 1);
    Error::data(message).remedy("give fewer --folds, or divide rows by another column")
}

/// What a report holds beside figures: rows, and bounds of what streaming costs.
const NO_FIGURES: [&str; 3] = ["rows", "auc_error", "average_precision_error"];

/// The mean of each figure over all folds.
pub(super) fn estimates(scores: &[FoldScore]) -> BTreeMap<String, Estimate> {
    let mut figures: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for score in scores {
        if let Ok(Value::Object(report)) = serde_json::to_value(&score.metrics) {
            let numbers = report.into_iter().filter_map(|(name, value)| Some((name, value.as_f64()?)));
            numbers.for_each(|(name, number)| figures.entry(name).or_default().push(number));
        }
    }
    let folds = scores.iter().map(|score| score.fold).max().unwrap_or(1);
    // A figure that some folds lack has no mean over them.
    figures.retain(|name, numbers| numbers.len() == scores.len() && !NO_FIGURES.contains(&name.as_str()));
    let estimate = |numbers: Vec<f64>| {
        let count = numbers.len() as f64;
        let mean = numbers.iter().sum::<f64>() / count;
        let squares: f64 = numbers.iter().map(|x| (x - mean) * (x - mean)).sum();
        let variance = squares / (count - 1.0).max(1.0);
        Estimate { mean, standard_error: (variance / f64::from(folds)).sqrt() }
    };
    figures.into_iter().map(|(name, numbers)| (name, estimate(numbers))).collect()
}

impl Passes<'_> {
    /// Has rows divided into folds, and as many of them kept as there is room for, to score models on.
    /// Where folds are blocks in time, rows are shuffled: in the order of time a model whose past is over would go without
    /// rows to the end, and be shrunk and averaged meanwhile as if it learned.
    pub(super) fn divide(&mut self, folds: Folds, shuffle: ShuffleMode, notes: &mut Notes<'_>) {
        if let Some(column) = folds.column() {
            self.request.columns.push((column.to_string(), ReadAs::Native));
            if folds.are_blocks() && shuffle == ShuffleMode::Auto && !self.shuffled {
                self.shuffled = true;
                notes
                    .say(format!("rows are shuffled all the same: they may come in the order of `{column}`"));
            }
        }
        self.division = Division::sample(self.seed);
        self.folds = Some(folds);
    }
}
