//! Search: configurations side by side in one pass, the best of which is a model at its end.

mod candidate;
mod curve;
mod found;
mod halving;
mod importance;
mod outcome;
mod parameter;
mod propose;
mod setup;
mod space;
mod table;
mod tournament;
mod wishes;

use std::sync::atomic::AtomicBool;
use std::time::Instant;

pub use outcome::{Importance, SearchOutcome, Trial};
pub use parameter::{Meaning, Parameter, Value};
pub use propose::Method;
pub use space::{Axis, Values};

use super::config::{SearchConfig, TrainConfig};
use super::cv::divide_by;
use super::folds::Folds;
use super::plan::make_plan;
use super::race::RACE_ROWS;
use super::reading::check_output;
use super::run::Run;
use super::summary::Summary;
use super::task::Task;
use super::train::{Notes, make_passes, open, save, summary};
use super::watch::Watch;
use crate::error::Result;
use crate::output::{AtomicFile, Format};
use crate::pipeline::GradientWorkers;
use setup::Setup;

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
    let planned = make_plan(&config.train.plan, None, &dataset, stop, notes.watch)?;
    planned.notes.iter().for_each(|note| notes.say(note.clone()));
    let one_pass = TrainConfig { epochs: None, ..config.train.clone() };
    let mut passes = make_passes(&one_pass, &dataset, &planned, stop, &mut notes);
    if let Some((folds, by)) = &config.folds {
        let by = divide_by(by, *folds, &dataset, &config.train, stop)?;
        let folds = Folds::new(by, *folds, 1, config.train.plan.seed);
        passes.divide(folds, config.train.shuffle, &mut notes);
    }
    let config = wishes::with_defaults(config, &planned)?;
    let setup = Setup::new(&config, &planned, &passes)?;
    let learning = Instant::now();
    let found = found::run(&setup, &passes, &mut notes)?;
    let learning_seconds = learning.elapsed().as_secs_f64();
    dataset.check_unchanged()?;
    if let Some(table) = table {
        let trials: Vec<_> = found.candidates.iter().zip(&found.standings).collect();
        table::write(table, &config.axes, &trials, &found.order, setup.unit())?;
    }
    let best = &found.candidates[found.best];
    let winner = TrainConfig { epochs: config.train.epochs, ..best.config.clone() };
    let task = Task {
        config: &winner,
        loss: best.loss,
        settings: best.settings.clone(),
        plan: planned.plan.clone(),
        race_rows: RACE_ROWS,
        crew: GradientWorkers::of(winner.plan.threads),
    };
    let mut fit = found.fit;
    fit.stages.add(&planned.stages);
    let mut summary = Summary {
        command: "search",
        progressive: fit.progressive.take(),
        search: Some(found.outcome),
        ..summary(&task, &fit, learning_seconds)
    };
    if config.refit {
        let passes = make_passes(&winner, &dataset, &planned, stop, &mut notes);
        fit = Run::new(&task, &passes, None, &mut notes)?.fit(None, &mut notes)?;
        (summary.progressive, summary.holdout) = (fit.progressive.take(), fit.holdout.take());
        summary.epochs = Some(fit.epochs);
    }
    save(&task, &dataset, fit, &mut summary)?;
    Ok(summary.ended(start, notes.notes))
}
