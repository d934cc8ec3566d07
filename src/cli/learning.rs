//! Arguments that say how a model is learned.

use clap::{Args, ValueEnum};

use super::headings::LEARNING;
use super::target::{parse_at_least_zero, parse_class_weights};
use crate::error::{Error, Result};
use crate::features::ClassWeights;
use crate::learn::{MOST_FACTORS, Optimizer, Penalty, Schedule};
use crate::trainer::{Parameter, ShuffleMode};

/// How a model is learned. What has no default here is an error where it would change nothing.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = LEARNING)]
pub(super) struct LearningArgs {
    /// The optimiser.
    #[arg(long, value_enum, default_value_t = OptimizerArg::Adagrad)]
    optimizer: OptimizerArg,
    /// A number, or `auto`: several race, and the best becomes the model [default: auto].
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    learning_rate: Option<Rate>,
    /// With a learning rate of your own: start from the target's mean, be cautious with rare categories
    /// and average the weights, as is done without one. Else the optimiser is the textbook's.
    #[arg(long)]
    pub(super) refine: bool,
    /// Rows of a mini-batch.
    #[arg(long, value_name = "ROWS", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub(super) batch_size: u32,
    /// Passes over the data, at the most: with a hold-out, training ends when its loss no longer falls
    /// [default: 1; 500 with lbfgs, which ends when it has converged].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) epochs: Option<u64>,
    /// How the learning rate changes with time: `auto` is what suits the optimiser.
    #[arg(long, value_enum, default_value_t = ScheduleArg::Auto)]
    schedule: ScheduleArg,
    /// With `--schedule inverse`: the rate is divided by the number of the mini-batch to this power
    /// [default: 0.5].
    #[arg(long, value_name = "POWER", value_parser = parse_share)]
    power_t: Option<f32>,
    /// Rows over which the learning rate rises to its full size [default: 0].
    #[arg(long, value_name = "ROWS")]
    warm_up: Option<u64>,
    /// Momentum of SGD [default: 0].
    #[arg(long, value_parser = parse_share)]
    momentum: Option<f32>,
    /// How much more the rows of a class count: `balanced` for all classes alike, or the weights of
    /// some.
    #[arg(long, value_name = "balanced|none|CLASS=WEIGHT,...", default_value = "none",
        value_parser = parse_class_weights, allow_hyphen_values = true)]
    pub(super) class_weight: ClassWeights,
    /// Strength of the L1 penalty on the mean loss: makes weights exactly zero [default: 0].
    #[arg(long, value_parser = parse_at_least_zero)]
    l1: Option<f64>,
    /// Strength of the L2 penalty on the mean loss [default: 0; with lbfgs that of one row; with several epochs what
    /// the hold-out likes best].
    #[arg(long, value_parser = parse_at_least_zero)]
    l2: Option<f64>,
    /// A factorization machine with so many factors: it learns interactions of all pairs of features.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u8).range(1..=MOST_FACTORS as i64))]
    pub(super) factors: Option<u8>,
    /// The order of rows: `auto` shuffles unless the rows are well mixed already.
    #[arg(long, value_enum, default_value_t = ShuffleArg::Auto)]
    shuffle: ShuffleArg,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
pub(super) enum OptimizerArg {
    Gd,
    Sgd,
    Adagrad,
    Rmsprop,
    Ftrl,
    Lbfgs,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum ScheduleArg {
    Auto,
    Constant,
    Inverse,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ShuffleArg {
    Auto,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Rate {
    Auto,
    Fixed(f32),
}

impl OptimizerArg {
    /// The optimiser, with a momentum if it is SGD.
    pub(super) fn with(self, momentum: f32) -> Optimizer {
        match self {
            OptimizerArg::Gd => Optimizer::Gd,
            OptimizerArg::Sgd => Optimizer::Sgd { momentum },
            OptimizerArg::Adagrad => Optimizer::ADAGRAD,
            OptimizerArg::Rmsprop => Optimizer::RMSPROP,
            OptimizerArg::Ftrl => Optimizer::FTRL,
            OptimizerArg::Lbfgs => Optimizer::Lbfgs,
        }
    }
}

fn parse_rate(text: &str) -> Result<Rate, String> {
    if text == "auto" {
        return Ok(Rate::Auto);
    }
    match text.parse::<f32>() {
        Ok(rate) if rate > 0.0 && rate.is_finite() => Ok(Rate::Fixed(rate)),
        _ => Err("expected a positive number or `auto`".to_string()),
    }
}

fn parse_share(text: &str) -> Result<f32, String> {
    let share = text.parse::<f32>().ok().filter(|s| (0.0..=1.0).contains(s));
    share.ok_or_else(|| "expected a number between 0 and 1".to_string())
}

impl LearningArgs {
    pub(super) fn penalty(&self) -> Option<Penalty> {
        let strength = |given: Option<f64>| given.unwrap_or_default() as f32;
        (self.l1.is_some() || self.l2.is_some())
            .then(|| Penalty { l1: strength(self.l1), l2: strength(self.l2) })
    }

    /// Refuses options that would change nothing beside the others.
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |message: String, remedy: &str| Err(Error::usage(message).remedy(remedy));
        if self.momentum.is_some() && self.optimizer != OptimizerArg::Sgd {
            let message = "--momentum is a parameter of --optimizer sgd alone".to_string();
            return refuse(message, "give --optimizer sgd, too, or leave --momentum out");
        }
        if let Some(why) = self.why_no_schedule() {
            let changes = [
                (self.schedule == ScheduleArg::Inverse, "--schedule inverse"),
                (self.warm_up.is_some(), "--warm-up"),
            ];
            if let Some((_, option)) = changes.into_iter().find(|(given, _)| *given) {
                let remedy = format!("leave {option} out, or choose another optimiser");
                return refuse(format!("{option} does not go with this optimiser: {why}"), &remedy);
            }
        }
        if self.power_t.is_some() && self.schedule != ScheduleArg::Inverse {
            let message = "--power-t is a parameter of --schedule inverse alone".to_string();
            return refuse(message, "give --schedule inverse, too, or leave --power-t out");
        }
        if self.optimizer == OptimizerArg::Lbfgs && self.rate().is_some() {
            let message = "--optimizer lbfgs finds its steps by itself".to_string();
            return refuse(message, "leave out --learning-rate, or choose another optimiser");
        }
        if self.refine && self.rate().is_none() {
            let message =
                "--refine is for a --learning-rate of your own: without one it is done anyway".to_string();
            return refuse(message, "leave --refine out");
        }
        if self.optimizer == OptimizerArg::Lbfgs && self.factors.is_some() {
            let message = "--optimizer lbfgs does not fit factors".to_string();
            return refuse(message, "leave out --factors, or choose another optimiser");
        }
        Ok(())
    }

    /// Why the optimiser's learning rate does not change with time, if so.
    fn why_no_schedule(&self) -> Option<&'static str> {
        match self.optimizer {
            OptimizerArg::Gd => Some("gd takes one step in each epoch"),
            OptimizerArg::Ftrl => Some("ftrl lets each weight's rate fall by itself"),
            OptimizerArg::Lbfgs => Some("lbfgs finds its steps by itself"),
            OptimizerArg::Sgd | OptimizerArg::Adagrad | OptimizerArg::Rmsprop => None,
        }
    }

    pub(super) fn optimizer(&self) -> Optimizer {
        self.optimizer.with(self.momentum.unwrap_or(0.0))
    }

    /// Whether an option fixes a parameter.
    pub(super) fn fixes(&self, parameter: Parameter) -> bool {
        match parameter {
            Parameter::LearningRate => self.rate().is_some(),
            Parameter::L1 => self.l1.is_some(),
            Parameter::L2 => self.l2.is_some(),
            Parameter::Momentum => self.momentum.is_some(),
            Parameter::PowerT => self.power_t.is_some() || self.schedule == ScheduleArg::Constant,
            Parameter::Optimizer => self.optimizer != OptimizerArg::Adagrad,
            Parameter::ClassWeight => self.class_weight != ClassWeights::None,
            _ => false,
        }
    }

    /// The learning rate; `None` lets several race.
    pub(super) fn rate(&self) -> Option<f32> {
        match self.learning_rate {
            None | Some(Rate::Auto) => None,
            Some(Rate::Fixed(rate)) => Some(rate),
        }
    }

    pub(super) fn schedule(&self) -> Option<Schedule> {
        let warm_up = self.warm_up.unwrap_or(0).div_ceil(u64::from(self.batch_size));
        let power = match self.schedule {
            ScheduleArg::Auto if warm_up == 0 => return None,
            ScheduleArg::Auto | ScheduleArg::Constant => 0.0,
            ScheduleArg::Inverse => self.power_t.unwrap_or(0.5),
        };
        Some(Schedule { power, warm_up })
    }

    pub(super) fn shuffle(&self) -> ShuffleMode {
        match self.shuffle {
            ShuffleArg::Auto => ShuffleMode::Auto,
            ShuffleArg::None => ShuffleMode::None,
        }
    }
}
