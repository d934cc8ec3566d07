//! Parameters: what a search may vary, and what their values do to a configuration.

use serde::{Serialize, Serializer};

use super::super::config::TrainConfig;
use crate::error::{Error, Result};
use crate::features::ClassWeights;
use crate::learn::{Loss, Optimizer, Penalty, Schedule};

/// What a search may vary. Each is called as the option that fixes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Parameter {
    /// The optimiser. First: what the others do may depend on it.
    Optimizer,
    /// The learning rate.
    LearningRate,
    /// Strength of the L1 penalty.
    L1,
    /// Strength of the L2 penalty.
    L2,
    /// Momentum of SGD.
    Momentum,
    /// How fast the rate falls with time.
    PowerT,
    /// Where the huber loss becomes straight.
    HuberDelta,
    /// The quantile of the quantile loss.
    Quantile,
    /// What costs nothing in the epsilon-insensitive loss.
    Epsilon,
    /// How much more the rows of a class count.
    ClassWeight,
}

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number.
    Number(f64),
    /// A word, as the option takes it, and what it stands for.
    Word(String, Meaning),
}

/// What a word stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Meaning {
    /// An optimiser.
    Optimizer(Optimizer),
    /// Weights of classes.
    ClassWeights(ClassWeights),
}

impl Parameter {
    /// All of them.
    pub const ALL: [Parameter; 10] = [
        Parameter::Optimizer,
        Parameter::LearningRate,
        Parameter::L1,
        Parameter::L2,
        Parameter::Momentum,
        Parameter::PowerT,
        Parameter::HuberDelta,
        Parameter::Quantile,
        Parameter::Epsilon,
        Parameter::ClassWeight,
    ];

    /// Its name, that of the option without the dashes.
    pub fn name(self) -> &'static str {
        match self {
            Parameter::Optimizer => "optimizer",
            Parameter::LearningRate => "learning-rate",
            Parameter::L1 => "l1",
            Parameter::L2 => "l2",
            Parameter::Momentum => "momentum",
            Parameter::PowerT => "power-t",
            Parameter::HuberDelta => "huber-delta",
            Parameter::Quantile => "quantile",
            Parameter::Epsilon => "epsilon",
            Parameter::ClassWeight => "class-weight",
        }
    }

    /// The numbers that it may be: from the first to the second, these included where they are finite; `None` for
    /// words.
    pub fn bounds(self) -> Option<(f64, f64)> {
        let least = f64::from(f32::MIN_POSITIVE);
        match self {
            Parameter::Optimizer | Parameter::ClassWeight => None,
            Parameter::LearningRate | Parameter::HuberDelta => Some((least, f64::from(f32::MAX))),
            Parameter::L1 | Parameter::L2 | Parameter::Epsilon => Some((0.0, f64::from(f32::MAX))),
            Parameter::Momentum | Parameter::PowerT => Some((0.0, 1.0)),
            Parameter::Quantile => Some((1e-6, 1.0 - 1e-6)),
        }
    }

    /// Whether losses of models that differ in it are of different kinds.
    pub(super) fn is_of_the_loss(self) -> bool {
        matches!(
            self,
            Parameter::HuberDelta | Parameter::Quantile | Parameter::Epsilon | Parameter::ClassWeight
        )
    }

    /// Changes a configuration and its loss so that they have a value. What has no meaning to the optimiser changes
    /// nothing, and is answered by no.
    ///
    /// # Errors
    /// If the loss has no such parameter.
    pub(super) fn apply(self, value: &Value, config: &mut TrainConfig, loss: &mut Loss) -> Result<bool> {
        let penalty = config.penalty.unwrap_or(Penalty::NONE);
        match (self, value) {
            (Parameter::Optimizer, Value::Word(_, Meaning::Optimizer(optimizer))) => {
                config.optimizer = *optimizer;
            }
            (Parameter::ClassWeight, Value::Word(_, Meaning::ClassWeights(weights))) => {
                config.class_weights = weights.clone();
            }
            (Parameter::LearningRate, Value::Number(rate)) => config.learning_rate = Some(*rate as f32),
            (Parameter::L1, Value::Number(l1)) => {
                config.penalty = Some(Penalty { l1: *l1 as f32, ..penalty });
            }
            (Parameter::L2, Value::Number(l2)) => {
                config.penalty = Some(Penalty { l2: *l2 as f32, ..penalty });
            }
            (Parameter::Momentum, Value::Number(share)) => {
                let Optimizer::Sgd { momentum } = &mut config.optimizer else { return Ok(false) };
                *momentum = *share as f32;
            }
            (Parameter::PowerT, Value::Number(power)) => {
                if matches!(config.optimizer, Optimizer::Ftrl { .. }) {
                    return Ok(false);
                }
                let warm_up = config.schedule.map_or(0, |schedule| schedule.warm_up);
                config.schedule = Some(Schedule { power: *power as f32, warm_up });
            }
            (Parameter::HuberDelta, Value::Number(delta)) if matches!(loss, Loss::Huber { .. }) => {
                *loss = Loss::Huber { delta: *delta };
            }
            (Parameter::Quantile, Value::Number(tau)) if matches!(loss, Loss::Quantile { .. }) => {
                *loss = Loss::Quantile { tau: *tau };
            }
            (Parameter::Epsilon, Value::Number(epsilon))
                if matches!(loss, Loss::EpsilonInsensitive { .. }) =>
            {
                *loss = Loss::EpsilonInsensitive { epsilon: *epsilon };
            }
            _ => {
                let message = format!("{} can't be searched with the {} loss", self.name(), loss.name());
                return Err(Error::usage(message)
                    .remedy("give the loss that it belongs to in --loss, or leave it out of the search"));
            }
        }
        Ok(true)
    }
}

impl Serialize for Parameter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Number(number) => serializer.serialize_f64(*number),
            Value::Word(word, _) => serializer.serialize_str(word),
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Number(number) if *number != 0.0 && number.abs() < 1e-3 => write!(f, "{number:e}"),
            Value::Number(number) => write!(f, "{number}"),
            Value::Word(word, _) => f.write_str(word),
        }
    }
}
