//! What the user wishes of a search: whether it makes sense, and what it is where nothing is said.

use super::super::config::{SearchConfig, TrainConfig};
use super::super::plan::Planned;
use super::super::train::make_settings;
use super::parameter::{Meaning, Parameter, Value};
use super::propose::Method;
use super::setup::SOME_ROWS;
use super::space::{Axis, Values, rounded};
use crate::error::{Error, Result};
use crate::learn::Optimizer;

/// How much wider than that of the racing rates the range of learning rates is.
const WIDER: f64 = 2.0;
/// Strengths of the L2 penalty that are tried where the user names nothing, and their range: as many times that of the
/// prior that weighs as much as one row.
const STRENGTHS: [f64; 4] = [0.0, 0.1, 1.0, 10.0];
const RANGE: [f64; 2] = [0.01, 100.0];

/// Refuses what does not go together.
///
/// # Errors
/// If anything does not.
pub(super) fn check(config: &SearchConfig) -> Result<()> {
    let fault = |message: &str, remedy: &str| Err(Error::usage(message).remedy(remedy));
    let searches = |parameter| config.axis(parameter).is_some();
    let optimizers = optimizers(config);
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
    if optimizers.contains(&Optimizer::Gd) {
        return fault(
            "gd takes its only step at the end of a pass: its losses on the way say nothing",
            "search among other optimisers",
        );
    }
    if config.refit && config.train.model.is_none() {
        return fault("--refit trains the winner's model anew", "say where it goes with -o MODEL");
    }
    let is_sgd = |optimizer: &Optimizer| matches!(optimizer, Optimizer::Sgd { .. });
    if searches(Parameter::Momentum) && !optimizers.iter().any(is_sgd) {
        return fault("momentum is a parameter of sgd alone", "give --optimizer sgd, too, or search it");
    }
    let has_schedule = |optimizer: &Optimizer| !matches!(optimizer, Optimizer::Ftrl { .. });
    if config.train.schedule.is_some() && !optimizers.iter().all(has_schedule) {
        return fault(
            "--schedule and --warm-up do not go with ftrl",
            "leave them out, or search among other optimisers",
        );
    }
    if searches(Parameter::PowerT) && !optimizers.iter().any(has_schedule) {
        return fault("this optimiser has no schedule", "leave power-t out, or choose another optimiser");
    }
    if optimizers.len() > 1 && !searches(Parameter::LearningRate) && config.train.learning_rate.is_none() {
        return fault(
            "optimisers differ in the learning rates that suit them",
            "name some, as in --grid learning-rate=0.01,0.1,1 or --range learning-rate=0.01..1",
        );
    }
    Ok(())
}

/// The optimisers that are tried.
fn optimizers(config: &SearchConfig) -> Vec<Optimizer> {
    let Some(Axis { values: Values::List(values), .. }) = config.axis(Parameter::Optimizer) else {
        return vec![config.train.optimizer];
    };
    let optimizer = |value: &Value| match value {
        Value::Word(_, Meaning::Optimizer(optimizer)) => Some(*optimizer),
        _ => None,
    };
    values.iter().filter_map(optimizer).collect()
}

/// The same search with learning rates that suit the optimiser, where the user names none, and, where nothing is named
/// at all, with strengths of the L2 penalty.
///
/// # Errors
/// If the configuration suits no model.
pub(super) fn with_defaults(config: &SearchConfig, planned: &Planned) -> Result<SearchConfig> {
    let mut config = config.clone();
    let names_none = config.axes.is_empty();
    let is_grid = config.method == Method::Grid;
    let list = |values: &[f64]| Values::List(values.iter().map(|&value| Value::Number(value)).collect());
    if config.train.learning_rate.is_none() && config.axis(Parameter::LearningRate).is_none() {
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
