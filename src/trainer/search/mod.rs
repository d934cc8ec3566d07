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

use std::sync::atomic::AtomicBool;
use std::time::Instant;

pub use outcome::{Importance, SearchOutcome, Trial};
pub use parameter::{Meaning, Parameter, Value};
pub use propose::Method;
use space::rounded;
pub use space::{Axis, Values};

use super::config::{SearchConfig, TrainConfig};
use super::cv::divide_by;
use super::folds::Folds;
use super::plan::{Planned, make_plan};
use super::race::RACE_ROWS;
use super::reading::check_output;
use super::run::{Fit, Run, Task};
use super::summary::{Summary, peak_memory};
use super::train::{Notes, make_passes, make_settings, open, save, summary};
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::input::Dataset;
use crate::learn::Optimizer;
use crate::output::{AtomicFile, Format};
use crate::pipeline::GradientWorkers;
use setup::{SOME_ROWS, Setup};

/// Searches among configurations, and writes the best one's model if that is wanted.
///
/// # Errors
/// Those of the data and of the configuration.
pub fn search(config: &SearchConfig, stop: &AtomicBool, watch: &mut dyn Watch) -> Result<Summary> {
    let start = Instant::now();
    let mut notes = Notes::new(watch);
    check(config)?;
    let (file, dataset) = open(&config.train, &mut notes)?;
    let table = config.table.as_deref().map(|path| Format::of(path).and_then(|_| AtomicFile::create(path)));
    let table = table.transpose()?;
    config.table.as_deref().map_or(Ok(()), |path| check_output(path, &dataset))?;
    let planned = make_plan(&config.train.plan, None, &dataset, stop, notes.watch)?;
    planned.notes.iter().for_each(|note| notes.say(note.clone()));
    let one_pass = TrainConfig { epochs: None, ..config.train.clone() };
    let mut passes = make_passes(&one_pass, &dataset, &planned, stop, &mut notes);
    let folds = match &config.folds {
        Some((folds, by)) => {
            let by = divide_by(by, *folds, &dataset, &config.train, stop)?;
            let folds = Folds::new(by, *folds, 1, config.train.plan.seed);
            passes.divide(folds.clone(), config.train.shuffle, &mut notes);
            Some(folds)
        }
        None => None,
    };
    let config = with_rates(config, &planned)?;
    let setup = Setup::new(&config, planned.plan.clone(), planned.loss, passes.shape(), folds)?;
    let learning = Instant::now();
    let found = found::run(&setup, &passes, &mut notes)?;
    let learning_seconds = learning.elapsed().as_secs_f64();
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
    if let Some(file) = file {
        if config.refit {
            fit = refit(&task, &dataset, &planned, stop, &mut notes)?;
            (summary.progressive, summary.holdout) = (fit.progressive.take(), fit.holdout.take());
            summary.epochs = Some(fit.epochs);
        }
        let (model, sha256) = save(&task, &dataset, fit, file)?;
        (summary.model, summary.model_sha256) = (Some(model), Some(sha256));
    }
    Ok(Summary {
        seconds: start.elapsed().as_secs_f64(),
        peak_memory_bytes: peak_memory(),
        notes: notes.notes,
        ..summary
    })
}

/// Refuses what does not go together.
fn check(config: &SearchConfig) -> Result<()> {
    let fault = |message: &str, remedy: &str| Err(Error::usage(message).remedy(remedy));
    let searches = |parameter| config.axes.iter().find(|axis| axis.parameter == parameter);
    if config.train.optimizer == Optimizer::Lbfgs {
        return fault(
            "a search is for optimisers that learn from mini-batches",
            "leave out --optimizer lbfgs",
        );
    }
    if config.train.epochs.is_some_and(|epochs| epochs > 1) && !config.refit {
        return fault(
            "a search is one pass",
            "leave out --epochs, or let the winner be trained anew with --refit",
        );
    }
    if optimizers(config).contains(&Optimizer::Gd) {
        return fault(
            "gd takes its only step at the end of a pass: its losses on the way say nothing",
            "search among other optimisers",
        );
    }
    if config.refit && config.train.model.is_none() {
        return fault("--refit trains the winner's model anew", "say where it goes with -o MODEL");
    }
    let optimizers = optimizers(config);
    let is_sgd = |optimizer: &Optimizer| matches!(optimizer, Optimizer::Sgd { .. });
    if searches(Parameter::Momentum).is_some() && !optimizers.iter().any(is_sgd) {
        return fault("momentum is a parameter of sgd alone", "give --optimizer sgd, too, or search it");
    }
    let has_schedule = |optimizer: &Optimizer| !matches!(optimizer, Optimizer::Ftrl { .. });
    if config.train.schedule.is_some() && !optimizers.iter().all(has_schedule) {
        return fault(
            "--schedule and --warm-up do not go with ftrl",
            "leave them out, or search among other optimisers",
        );
    }
    if searches(Parameter::PowerT).is_some() && !optimizers.iter().any(has_schedule) {
        return fault("this optimiser has no schedule", "leave power-t out, or choose another optimiser");
    }
    if optimizers.len() > 1
        && searches(Parameter::LearningRate).is_none()
        && config.train.learning_rate.is_none()
    {
        return fault(
            "optimisers differ in the learning rates that suit them",
            "name some, as in --grid learning-rate=0.01,0.1,1 or --range learning-rate=0.01..1",
        );
    }
    Ok(())
}

/// The optimisers that are tried.
fn optimizers(config: &SearchConfig) -> Vec<Optimizer> {
    let axis = config.axes.iter().find(|axis| axis.parameter == Parameter::Optimizer);
    let Some(Axis { values: Values::List(values), .. }) = axis else { return vec![config.train.optimizer] };
    let optimizer = |value: &Value| match value {
        Value::Word(_, Meaning::Optimizer(optimizer)) => Some(*optimizer),
        _ => None,
    };
    values.iter().filter_map(optimizer).collect()
}

/// The same search with learning rates that suit the optimiser, where the user names none, and, where nothing is named
/// at all, with strengths of the L2 penalty.
fn with_rates(config: &SearchConfig, planned: &Planned) -> Result<SearchConfig> {
    let mut config = config.clone();
    let names_none = config.axes.is_empty();
    let has = |config: &SearchConfig, parameter| config.axes.iter().any(|axis| axis.parameter == parameter);
    let is_grid = config.method == Method::Grid;
    let list = |values: &[f64]| Values::List(values.iter().map(|&value| Value::Number(value)).collect());
    if config.train.learning_rate.is_none() && !has(&config, Parameter::LearningRate) {
        let optimizer = optimizers(&config)[0];
        let train = TrainConfig { optimizer, ..config.train.clone() };
        let settings = make_settings(&train, &planned.plan, planned.loss)?;
        // As they print: f32 has digits that nobody means.
        let rates: Vec<f64> =
            settings.variants.iter().filter_map(|variant| variant.rate.to_string().parse().ok()).collect();
        let values = if is_grid {
            list(&rates)
        } else {
            Values::Range { low: rates[0] / WIDER, high: rates[rates.len() - 1] * WIDER, log: true }
        };
        config.axes.insert(0, Axis { parameter: Parameter::LearningRate, values });
    }
    if names_none && config.train.penalty.is_none() && config.ablate.is_none() {
        let rows = planned.rows.unwrap_or(SOME_ROWS) as f64;
        let strengths = STRENGTHS.map(|priors| rounded(priors / rows));
        let [low, high] = RANGE.map(|priors| rounded(priors / rows));
        let values = if is_grid { list(&strengths) } else { Values::Range { low, high, log: true } };
        config.axes.push(Axis { parameter: Parameter::L2, values });
    }
    Ok(config)
}

/// How much wider than that of the racing rates the range of learning rates is.
const WIDER: f64 = 2.0;
/// Strengths of the L2 penalty that are tried where the user names nothing, and their range: as many times that of the
/// prior that weighs as much as one row.
const STRENGTHS: [f64; 4] = [0.0, 0.1, 1.0, 10.0];
const RANGE: [f64; 2] = [0.01, 100.0];
/// Trains the winner anew.
fn refit(
    task: &Task<'_>,
    dataset: &Dataset,
    planned: &Planned,
    stop: &AtomicBool,
    notes: &mut Notes<'_>,
) -> Result<Fit> {
    let passes = make_passes(task.config, dataset, planned, stop, notes);
    Run::new(task, &passes, None, notes)?.fit(notes)
}
