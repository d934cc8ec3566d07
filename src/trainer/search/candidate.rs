//! A candidate: a configuration under trial, and what a search makes of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::config::TrainConfig;
use super::super::train::make_settings;
use super::parameter::{Parameter, Value};
use super::setup::Setup;
use super::space::{Axis, Choice, Point};
use crate::error::Result;
use crate::features::Plan;
use crate::learn::{Column, Loss, Settings, Variant};

/// What a candidate is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Idea {
    /// One of each axis, in their order.
    point: Vec<Choice>,
    /// The columns that it does without.
    without: Vec<String>,
}

/// A configuration under trial.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// What it has of the space.
    pub(super) point: Point,
    /// What of that means something to its optimiser.
    pub(super) options: BTreeMap<Parameter, Value>,
    /// The columns that it does without, as the user calls them; empty if it has all.
    pub(super) without: Vec<String>,
    pub(super) config: TrainConfig,
    pub(super) loss: Loss,
    /// What its learner is made from, with itself as the only model.
    pub(super) settings: Settings,
}

impl Candidate {
    /// The candidate of a point, given what all have in common.
    ///
    /// # Errors
    /// If a value does not go with the rest.
    pub(super) fn new(point: Point, base: &TrainConfig, plan: &Plan, mut loss: Loss) -> Result<Self> {
        let mut config = TrainConfig { refine: true, ..base.clone() };
        let mut ordered: Vec<_> = point.iter().collect();
        ordered.sort_by_key(|(parameter, _)| *parameter);
        let mut options = BTreeMap::new();
        for (parameter, value) in ordered {
            if parameter.apply(value, &mut config, &mut loss)? {
                options.insert(*parameter, value.clone());
            }
        }
        let settings = make_settings(&config, plan, loss)?;
        Ok(Candidate { point, options, without: Vec::new(), config, loss, settings })
    }

    /// The same without some columns.
    pub(super) fn without(&self, names: &[String], columns: &[Column]) -> Self {
        let mut settings = self.settings.clone();
        settings.variants[0].without = columns.to_vec();
        Candidate { without: names.to_vec(), settings, ..self.clone() }
    }

    /// What it is made from, in a space of these axes.
    pub(super) fn idea(&self, axes: &[Axis]) -> Idea {
        let choices = axes.iter().zip(&self.point).map(|(axis, (_, value))| axis.values.choice(value));
        Idea { point: choices.collect(), without: self.without.clone() }
    }

    pub(super) fn variant(&self) -> &Variant {
        &self.settings.variants[0]
    }

    /// Whether it does without none.
    pub(super) fn has_all_columns(&self) -> bool {
        self.without.is_empty()
    }

    /// Whether its models can be in one learner with another's. Penalties make all of a learner's steps dearer, so
    /// those with and those without keep apart.
    pub(super) fn goes_with(&self, other: &Candidate) -> bool {
        let shared = |of: &Candidate| Settings { variants: Vec::new(), ..of.settings.clone() };
        self.variant().penalty.is_none() == other.variant().penalty.is_none() && shared(self) == shared(other)
    }
}

impl Idea {
    /// The candidate that is made from it.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn candidate(&self, setup: &Setup<'_>) -> Result<Candidate> {
        let axes = setup.config.axes.iter().zip(&self.point);
        let point = axes.map(|(axis, choice)| (axis.parameter, axis.values.chosen(*choice))).collect();
        let all = setup.candidate(point)?;
        if self.without.is_empty() {
            return Ok(all);
        }
        Ok(all.without(&self.without, &setup.plan.columns_from(&self.without)))
    }
}

impl std::fmt::Display for Candidate {
    /// As options of `train`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, (parameter, value)) in self.options.iter().enumerate() {
            write!(f, "{}--{} {value}", if i > 0 { " " } else { "" }, parameter.name())?;
        }
        if !self.without.is_empty() {
            write!(f, " without {}", self.without.join("+"))?;
        }
        Ok(())
    }
}
