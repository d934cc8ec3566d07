//! Search: configurations side by side in one pass, the best of which is a model at its end.

mod candidate;
mod curve;
mod found;
mod halving;
mod importance;
mod outcome;
mod parameter;
mod propose;
mod rounds;
mod rungs;
mod setup;
mod space;
mod table;
mod tournament;
mod wishes;

use std::fmt::Debug;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

pub use outcome::{Importance, SearchOutcome, Trial};
pub use parameter::{Meaning, Parameter, Value};
pub use propose::Method;
pub use space::{Axis, Values};

use super::blocks::divide_by;
use super::checkpoint::{Checkpoints, Identity, Pages, Typed};
use super::config::{SearchConfig, TrainConfig};
use super::folds::Folds;
use super::notes::Notes;
use super::pass::Passes;
use super::plan::{Planned, make_plan};
use super::race::RACE_ROWS;
use super::reading::check_output;
use super::run::Run;
use super::summary::Summary;
use super::task::Task;
use super::train::{make_passes, open, save, summary};
use super::watch::Watch;
use crate::error::Result;
use crate::input::Dataset;
use crate::output::{AtomicFile, Format};
use found::Record;
use setup::Setup;
use tournament::Tournament;

/// Searches among configurations, and writes the best one's model if that is wanted.
///
/// # Errors
/// Those of the data and of the configuration.
pub fn search(config: &SearchConfig, stop: &AtomicBool, watch: &mut dyn Watch) -> Result<Summary> {
    let start = Instant::now();
    let mut notes = Notes::new(watch);
    wishes::check(config)?;
    let dataset = open(&config.train, &mut notes)?;
    let table = config.table.as_deref().map(|path| Format::of(path).and_then(|_| AtomicFile::create(path)));
    let table = table.transpose()?;
    config.table.as_deref().map_or(Ok(()), |path| check_output(path, &dataset))?;
    let mut checkpoints =
        Checkpoints::open(&config.train.checkpoints, || identity(config, &dataset), &mut notes)?;
    let result = plan_and_search(config, &dataset, table, stop, &mut checkpoints, &mut notes);
    checkpoints.conclude(result.and_then(|summary| summary.hand_in(start, notes)))
}

/// Plans, searches, and saves what came of it.
fn plan_and_search(
    config: &SearchConfig,
    dataset: &Dataset,
    table: Option<AtomicFile>,
    stop: &AtomicBool,
    checkpoints: &mut Checkpoints,
    notes: &mut Notes<'_>,
) -> Result<Summary> {
    let planned = make_plan(&config.train.plan, None, dataset, stop, notes.watch)?;
    planned.notes.iter().for_each(|note| notes.say(note.clone()));
    checkpoints.learn_by(&planned.plan)?;
    let one_pass = TrainConfig { epochs: None, ..config.train.clone() };
    let mut passes = make_passes(&one_pass, dataset, &planned, stop, notes);
    if let Some((folds, by)) = &config.folds {
        let by = divide_by(by, *folds, dataset, &config.train, stop)?;
        let folds = Folds::new(by, *folds, 1, config.train.plan.seed);
        passes.divide(folds, config.train.shuffle, notes);
    }
    let config = wishes::with_defaults(config, &planned)?;
    let setup = Setup::new(&config, &planned, &passes)?;
    search_and_save(&setup, &planned, &passes, table, checkpoints, notes)
}

/// Searches, trains the winner anew if that is wanted, and saves what came of it.
fn search_and_save(
    setup: &Setup<'_>,
    planned: &Planned,
    passes: &Passes<'_>,
    table: Option<AtomicFile>,
    checkpoints: &mut Checkpoints,
    notes: &mut Notes<'_>,
) -> Result<Summary> {
    let (config, dataset, learning) = (setup.config, passes.dataset, Instant::now());
    let mut pages = checkpoints.pages();
    let record: Option<Record> = pages.as_mut().map_or(Ok(None), Pages::take)?;
    let found = match record {
        Some(record) => found::recall(setup, record)?,
        None => {
            checkpoints.begin_with(&None::<Record>)?;
            found::run(setup, passes, pages.take(), checkpoints, notes)?
        }
    };
    dataset.check_unchanged()?;
    if let Some(table) = table {
        let Tournament { candidates, halving, .. } = &found.tournament;
        let trials: Vec<_> = candidates.iter().zip(&halving.standings).collect();
        table::write(table, &config.axes, &trials, &found.order, setup.unit())?;
    }
    let best = found.winner();
    let winner = TrainConfig { epochs: config.train.epochs, ..best.config.clone() };
    let task = Task {
        config: &winner,
        loss: best.loss,
        settings: best.settings.clone(),
        plan: planned.plan.clone(),
        race_rows: RACE_ROWS,
    };
    let outcome = found.outcome.clone();
    let mut fit = if config.refit {
        let stages = found.stages;
        checkpoints.begin_with(&Some(found.record()))?;
        let passes = make_passes(&winner, dataset, planned, passes.stop, notes);
        let run = match pages {
            None => Run::new(&task, &passes, None, notes)?,
            Some(pages) => Run::resume(&task, &passes, None, pages, notes)?,
        };
        let mut fit = run.fit(checkpoints, notes)?;
        fit.stages.add(&stages);
        fit
    } else {
        found.fit()
    };
    let learning_seconds = learning.elapsed().as_secs_f64();
    dataset.check_unchanged()?;
    fit.stages.add(&planned.stages);
    let mut summary = Summary {
        command: "search",
        progressive: fit.progressive.take(),
        holdout: fit.holdout.take(),
        search: Some(outcome),
        checkpoints: checkpoints.cost()?,
        ..summary(&task, &fit, learning_seconds)
    };
    save(&task, dataset, fit, &mut summary)?;
    Ok(summary)
}

/// What determines a search's result.
fn identity(config: &SearchConfig, dataset: &Dataset) -> Result<Identity> {
    let SearchConfig { train, axes, method, full, places, folds, ablate, score, refit, table: _ } = config;
    let axes: Vec<String> = axes.iter().map(ToString::to_string).collect();
    let by = folds.as_ref().map_or("not".to_string(), |(_, by)| by.to_string());
    let own: [(&str, &dyn Debug); 9] = [
        ("the space", &Typed(axes.join(" "))),
        ("the method", &Typed(method.to_string())),
        ("--full", full),
        ("--places", places),
        ("--folds", &folds.as_ref().map(|(folds, _)| folds)),
        ("how rows are divided", &Typed(by)),
        ("--ablate", ablate),
        ("--score", score),
        ("--refit", refit),
    ];
    Identity::of("search", &own, train, dataset.contents())
}
