//! The setup: what all configurations of a search have in common.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::super::config::{Score, SearchConfig};
use super::super::folds::Folds;
use super::super::pass::Passes;
use super::super::plan::Planned;
use super::super::scoring::Scoring;
use super::candidate::Candidate;
use super::parameter::Parameter;
use super::space::{Point, Values};
use crate::error::{Error, Result};
use crate::features::{ClassWeights, Plan};
use crate::learn::{Loss, Shape, Task};
use crate::pipeline::GradientWorkers;

/// The rows of data that does not tell them, for want of something better.
pub(super) const SOME_ROWS: u64 = 1 << 20;

/// What all configurations have in common.
pub(super) struct Setup<'a> {
    pub(super) config: &'a SearchConfig,
    pub(super) plan: Arc<Plan>,
    /// The loss where it is not part of the search.
    pub(super) loss: Loss,
    pub(super) crew: Arc<GradientWorkers>,
    pub(super) shape: Shape,
    /// Rows of the data, where they are known.
    pub(super) rows: Option<u64>,
    pub(super) stop: &'a AtomicBool,
    pub(super) folds: Option<Folds>,
    /// The models of each configuration: one for each fold, and last the one of all rows.
    pub(super) contenders: Vec<Option<(u32, u32)>>,
    /// What models are compared by.
    compared_by: (Loss, Vec<f32>),
}

impl<'a> Setup<'a> {
    /// Brings together what the plan and the user say.
    ///
    /// # Errors
    /// If configurations can't be compared.
    pub(super) fn new(config: &'a SearchConfig, planned: &Planned, passes: &Passes<'a>) -> Result<Self> {
        let (plan, loss, folds) = (planned.plan.clone(), planned.loss, passes.folds.clone());
        // What does not go with the loss is found out before anything is compared.
        for (i, axis) in config.axes.iter().enumerate() {
            let Values::List(values) = &axis.values else { continue };
            for value in values {
                let mut point = first_point(config);
                point[i].1 = value.clone();
                Candidate::new(point, &config.train, &plan, loss)?;
            }
        }
        Candidate::new(first_point(config), &config.train, &plan, loss)?;
        let contenders = folds.iter().flat_map(Folds::each).map(Some).chain([None]).collect();
        let compared_by = compared_by(config, &plan, loss)?;
        let crew = passes.crew.clone();
        let (shape, rows, stop) = (passes.shape(), passes.rows, passes.stop);
        Ok(Setup { config, plan, loss, crew, shape, rows, stop, folds, contenders, compared_by })
    }

    pub(super) fn scoring(&self) -> Scoring<'_> {
        let (loss, class_weights) = (self.compared_by.0, self.compared_by.1.as_slice());
        Scoring { loss, target: &self.plan.target, class_weights, losses_alone: true }
    }

    /// The same with all figures, for the rows of folds.
    pub(super) fn full_scoring(&self) -> Scoring<'_> {
        Scoring { losses_alone: false, ..self.scoring() }
    }

    /// What a mean loss is multiplied by to be in the target's own unit.
    pub(super) fn unit(&self) -> f64 {
        self.compared_by.0.unit(self.plan.target.scale())
    }

    /// What the figures are that configurations are compared by.
    pub(super) fn compared_by(&self) -> &'static str {
        match (self.config.score, self.compared_by.0) {
            (Some(Score::Balanced), _) => "balanced loss",
            (_, Loss::EpsilonInsensitive { epsilon: 0.0 }) => "absolute error",
            _ => "loss",
        }
    }

    /// A point of the space.
    pub(super) fn first_point(&self) -> Point {
        first_point(self.config)
    }

    pub(super) fn candidate(&self, point: Point) -> Result<Candidate> {
        Candidate::new(point, &self.config.train, &self.plan, self.loss)
    }

    pub(super) fn row_bytes(&self) -> usize {
        self.shape.row_bytes()
    }
}

fn first_point(config: &SearchConfig) -> Point {
    config.axes.iter().map(|axis| (axis.parameter, axis.values.at(0.0))).collect()
}

fn compared_by(config: &SearchConfig, plan: &Plan, loss: Loss) -> Result<(Loss, Vec<f32>)> {
    let is_number = loss.task() == Task::Number;
    let mut searched = config.axes.iter().map(|axis| axis.parameter);
    let default = match searched.find(|parameter| parameter.is_of_the_loss()) {
        Some(Parameter::ClassWeight) | None => Score::Loss,
        Some(_) => Score::Absolute,
    };
    let fault = |message: &str, remedy: &str| Err(Error::usage(message).remedy(remedy));
    match config.score.unwrap_or(default) {
        Score::Loss if default == Score::Absolute => fault(
            "models that minimise different losses can't be compared by them",
            "give --score absolute or --score squared",
        ),
        Score::Loss if config.axis(Parameter::ClassWeight).is_some() => Ok((loss, Vec::new())),
        Score::Loss => Ok((loss, plan.target.class_weights(&config.train.class_weights)?)),
        Score::Balanced => Ok((loss, plan.target.class_weights(&ClassWeights::Balanced)?)),
        Score::Absolute | Score::Squared if !is_number => {
            fault("this score is for losses of numbers", "give --score loss, or leave it out")
        }
        Score::Absolute => Ok((Loss::EpsilonInsensitive { epsilon: 0.0 }, Vec::new())),
        Score::Squared => Ok((Loss::Squared, Vec::new())),
    }
}
