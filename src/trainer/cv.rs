//! Cross-validation: the models of all folds learn side by side in the same passes, each from all rows but its
//! fold's, and are scored on those.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use arrow::array::RecordBatch;
use serde_json::Value;

use super::config::{CvConfig, DivideBy, ShuffleMode, TrainConfig};
use super::feed::Feed;
use super::folds::{FoldBy, Folds, times};
use super::holdout::{Division, Holdout};
use super::pass::{Pass, Passes};
use super::plan::{make_plan, spread};
use super::race::{Entrant, RACE_ROWS, Race};
use super::run::{IMPROVEMENT, Lesson, PATIENCE, unchosen};
use super::scoring::Scoring;
use super::summary::{CrossValidation, Estimate, FoldScore, Summary};
use super::task::{Fit, Task};
use super::team::{Team, form_teams};
use super::train::{Notes, make_passes, make_task, open, save, summary};
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::features::no_such_column;
use crate::input::{Dataset, ReadAs, Request, Skipped};
use crate::learn::metrics::Report;
use crate::learn::{Chunk, Linear, Optimizer, State, Variant};
use crate::pipeline::{Budget, Flow, Needs, Order, SplitState, Stages, Weigh, stream};

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
    let by = divide_by(by, *folds, &dataset, train, stop)?;
    let folds = Folds::new(by, *folds, *repeats, train.plan.seed);
    let planned = make_plan(&train.plan, None, &dataset, stop, notes.watch)?;
    planned.notes.iter().for_each(|note| notes.say(note.clone()));
    let task = make_task(train, &planned, None, &mut notes)?;
    let mut passes = make_passes(train, &dataset, &planned, stop, &mut notes);
    passes.divide(folds.clone(), train.shuffle, &mut notes);
    let learning = Instant::now();
    let contenders: Vec<_> = folds.each().map(Some).chain(train.model.is_some().then_some(None)).collect();
    let mut done = learn(&task, &passes, &folds, &contenders, &mut notes)?;
    let learning_seconds = learning.elapsed().as_secs_f64();
    dataset.check_unchanged()?;
    done.fit.stages.add(&planned.stages);
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
        ..summary(&task, &done.fit, learning_seconds)
    };
    let fit = Fit { epochs: done.best_epoch, ..done.fit };
    save(&task, &dataset, fit, &mut summary)?;
    Ok(summary.ended(start, notes.notes))
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
struct Look {
    epoch: u64,
    loss: f64,
    scores: Vec<FoldScore>,
    all: Option<(Linear, State, Variant)>,
}

/// Lets the models of some folds learn, and one of all rows for `None`: each races with others at other rates.
fn learn(
    task: &Task<'_>,
    passes: &Passes<'_>,
    folds: &Folds,
    contenders: &[Option<(u32, u32)>],
    notes: &mut Notes<'_>,
) -> Result<Done> {
    let (config, scoring) = (task.config, task.scoring());
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
        teams.extend(form_teams(&task.settings, models, scoring)?);
    }
    notes.say(format!(
        "{} models learn side by side; their tables start with {} MB",
        entrants.len(),
        teams.iter().map(|team| team.learner.bytes()).sum::<usize>() >> 20
    ));
    let mut feed = Feed::new(teams, passes.shape(), config.batch_size, task.crew);
    let mut held = Holdout::new(&passes.division);
    let (mut best, mut rows, mut stages, mut left_out): (Option<Look>, _, _, _) =
        (None, 0, Stages::default(), Skipped::default());
    let (mut progressive, mut epochs) = (None, 0);
    for epoch in 1..=config.epochs() {
        let mut race = Race::new(task.plan.clone(), entrants.clone(), task.race_rows.min(RACE_ROWS));
        let mut lesson = Lesson { feed: &mut feed, referee: &mut race };
        let first = epoch == 1;
        let pass = Pass {
            number: epoch,
            of: config.epochs(),
            division: if first { passes.division } else { Division::NONE },
            holdout: Some(&mut held),
            collects: first,
            from: None,
            book: None,
        };
        let (spent, skipped) = passes.run(pass, &mut lesson, notes.watch)?;
        feed.flush(&mut race)?;
        race.end(&mut feed.teams)?;
        stages.add(&spent);
        (rows, left_out) = (race.rows(), skipped);
        let all = contenders.iter().position(Option::is_none);
        let runners = race.finish(&mut feed.teams, scoring);
        feed.teams.iter_mut().for_each(|team| team.learner.end_epoch());
        if epoch == 1 {
            let runs = |id: usize| feed.teams.iter().flat_map(|team| &team.runners).any(|r| r.id == id);
            let wins = |id: usize| Some(entrants[&id].race) == all && runs(id);
            progressive = runners.iter().find(|r| wins(r.id)).map(|r| r.metrics.report());
        }
        let look = look(task, folds, contenders, &entrants, &mut feed.teams, &held, epoch)?;
        // With a rate of the user's own nothing is chosen, as in training.
        let textbook = task.config.is_textbook();
        let better = textbook || best.as_ref().is_none_or(|best| look.loss < best.loss * (1.0 - IMPROVEMENT));
        epochs = epoch;
        if better {
            best = Some(look);
        } else if best.as_ref().is_some_and(|best| epoch - best.epoch >= PATIENCE) {
            notes.say(format!(
                "stopped after epoch {epoch}: the folds' loss has not improved for {PATIENCE} epochs"
            ));
            break;
        }
    }
    let Some(best) = best else { return Err(Error::data("there were no epochs")) };
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
            skipped: left_out,
            epochs,
            stages,
            capped: feed.teams.iter().any(|team| team.learner.capped()),
        },
        scores: best.scores,
        best_epoch: best.epoch,
        all_are_kept: held.rows().1 == rows,
    })
}

/// Scores the models of all folds on the rows that they did not learn from.
fn look(
    task: &Task<'_>,
    folds: &Folds,
    contenders: &[Option<(u32, u32)>],
    entrants: &BTreeMap<usize, Entrant>,
    teams: &mut [Team],
    held: &Holdout,
    epoch: u64,
) -> Result<Look> {
    let iterate = unchosen(task.config);
    let mut look = Look { epoch, loss: 0.0, scores: Vec::new(), all: None };
    for (race, fold) in contenders.iter().enumerate() {
        let mut places = teams.iter_mut().flat_map(|team| {
            let Team { learner, runners, .. } = team;
            let place = runners.iter().position(|runner| entrants[&runner.id].race == race);
            place.map(|place| (learner, place))
        });
        let Some((learner, place)) = places.next() else { continue };
        let (linear, variant) = (learner.weights(place, iterate), learner.variants()[place].clone());
        let Some((repeat, fold)) = *fold else {
            look.all = Some((linear, learner.state(place), variant));
            continue;
        };
        let rows = held.of(&folds.scored((repeat, fold)));
        let metrics = score(&linear, &rows, task.scoring(), fold)?;
        look.loss += metrics.mean_loss.unwrap_or(f64::NAN);
        let score = FoldScore { repeat: repeat + 1, fold: fold + 1, learning_rate: variant.rate, metrics };
        look.scores.push(score);
    }
    Ok(look)
}

/// Scores a model on the rows of fold `fold`, from 0.
///
/// # Errors
/// If there are none.
pub(super) fn score(linear: &Linear, rows: &Chunk, scoring: Scoring<'_>, fold: u32) -> Result<Report> {
    if rows.rows() == 0 {
        let message = format!("fold {} has no rows to be scored on", fold + 1);
        return Err(Error::data(message).remedy("give fewer --folds, or divide rows by another column"));
    }
    let (mut metrics, mut margins) = (scoring.metrics(), Vec::new());
    linear.margins(rows, &mut margins);
    metrics.add(&margins, &rows.labels, &rows.weights);
    Ok(metrics.report())
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

/// How rows are divided, the user's column known to be there.
pub(super) fn divide_by(
    by: &DivideBy,
    folds: u32,
    dataset: &Dataset,
    config: &TrainConfig,
    stop: &AtomicBool,
) -> Result<FoldBy> {
    let (DivideBy::Group(column) | DivideBy::Time(column)) = by else { return Ok(FoldBy::Row) };
    let names = dataset.schema().fields().iter().map(|field| field.name().as_str());
    if dataset.schema().index_of(column).is_err() {
        return Err(no_such_column(column, names));
    }
    match by {
        DivideBy::Row => Ok(FoldBy::Row),
        DivideBy::Group(column) => Ok(FoldBy::Group(column.clone())),
        DivideBy::Time(column) => {
            let starts = block_starts(column, folds, dataset, config, stop)?;
            Ok(FoldBy::Time { column: column.clone(), starts })
        }
    }
}

/// Points in time of some rows.
struct Times(Vec<f64>);

impl Weigh for Times {
    fn bytes(&self) -> usize {
        8 * self.0.capacity()
    }
}

/// Rows of a batch of the sample of times.
const BATCH_ROWS: usize = 4096;

/// Where the blocks after the first begin, such that about equally many rows of a sample are in each.
fn block_starts(
    column: &str,
    folds: u32,
    dataset: &Dataset,
    config: &TrainConfig,
    stop: &AtomicBool,
) -> Result<Vec<f64>> {
    let sample = spread(dataset);
    let request = Request {
        columns: vec![(column.to_string(), ReadAs::Native)],
        batch_rows: BATCH_ROWS,
        ..Request::default()
    };
    let needs = Needs {
        open: 1,
        open_bytes: dataset.open_bytes(&request),
        item_bytes: 8 * BATCH_ROWS,
        held_bytes: 0,
    };
    let budget = config.plan.memory.map_or_else(Budget::from_machine, |total| Budget { total });
    let flow = Flow {
        request: &request,
        threads: config.plan.threads,
        in_flight: budget.in_flight(&needs)?,
        needs,
        rows_of_each: sample.rows_of_each,
        from: None,
        stop,
    };
    let mut all = Vec::new();
    stream(
        dataset,
        &Order::in_place(sample.splits.iter().copied()),
        flow,
        |batch: &RecordBatch, _: &mut SplitState<()>| {
            let times = times(batch.column(0)).map_err(|e| e.in_column(column))?;
            Ok(Times(times.iter().flatten().filter(|time| !time.is_nan()).collect()))
        },
        |item| {
            all.extend(item.value.0);
            Ok(())
        },
    )?;
    all.sort_by(f64::total_cmp);
    let blocks = folds as usize + 1;
    let mut starts: Vec<f64> =
        (1..blocks).filter_map(|block| all.get(block * all.len() / blocks).copied()).collect();
    starts.dedup();
    if starts.len() < folds as usize || starts.first() == all.first() {
        let message =
            format!("column `{column}` has too few different values for {folds} blocks with a past");
        return Err(Error::data(message).remedy("give fewer --folds, or another column for --time"));
    }
    Ok(starts)
}
