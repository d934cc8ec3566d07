//! Arguments, as they are typed, and their validation into configurations.

use std::path::PathBuf;

use clap::{Args, Parser, ValueEnum};

use super::features::FeatureArgs;
use super::target::{TargetArgs, parse_at_least_zero, parse_class_weights};
use super::{ReadArgs, size};
use crate::error::Result;
use crate::features::ClassWeights;
use crate::learn::{MOST_FACTORS, Optimizer, Penalty, Schedule};
use crate::trainer::{ApplyConfig, PlanConfig, PredictConfig, ShuffleMode, TrainConfig};

/// Trains linear models on tables larger than memory, in the time that a database takes to scan them.
#[derive(Debug, Parser)]
#[command(name = "millstream", version, max_term_width = 100)]
pub enum Command {
    /// Train a model.
    Train(TrainArgs),
    /// Show what would become of each column, and why.
    Plan(PlanArgs),
    /// Score a model on data that has the target.
    Evaluate(EvaluateArgs),
    /// Write a prediction for each row.
    Predict(PredictArgs),
    /// Show what a model has learned, by feature name.
    Inspect(InspectArgs),
}

/// What is read, and how columns are used.
#[derive(Debug, Args)]
pub(super) struct DataArgs {
    /// Files, folders and globs of Parquet, Arrow IPC, CSV, TSV, LIBSVM, Vowpal Wabbit's text or JSON
    /// lines (.gz, .zst); `-` for standard input.
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<String>,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    features: FeatureArgs,
    /// Whether numbers (and a numeric target) are brought to mean 0 and deviation 1.
    #[arg(long, value_enum, default_value_t = ScaleArg::Auto)]
    scale: ScaleArg,
    /// Seed of orders, hold-outs and hashes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    machine: MachineArgs,
    #[command(flatten)]
    read: ReadArgs,
}

/// What of the machine is used; changes nothing but the time.
#[derive(Debug, Args)]
pub(super) struct MachineArgs {
    /// Threads [default: the processor's]. They do not change the result.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Memory for everything but the model, such as 512MB [default: half of the machine's]. It does
    /// not change the result.
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    memory: Option<usize>,
}

impl MachineArgs {
    fn threads(&self) -> usize {
        match self.threads {
            Some(threads) => usize::from(threads),
            None => std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// `millstream train`
#[derive(Debug, Args)]
pub struct TrainArgs {
    #[command(flatten)]
    data: DataArgs,
    /// A model to go on from, with its plan and weights.
    #[arg(long, value_name = "MODEL")]
    init: Option<PathBuf>,
    /// Where the model goes.
    #[arg(short = 'o', long = "model", value_name = "FILE")]
    model: PathBuf,
    /// The optimiser.
    #[arg(long, value_enum, default_value_t = OptimizerArg::Adagrad)]
    optimizer: OptimizerArg,
    /// A number, or `auto`: several race, and the best becomes the model.
    #[arg(long, value_name = "RATE", default_value = "auto", value_parser = parse_rate)]
    learning_rate: Rate,
    /// Rows of a mini-batch.
    #[arg(long, value_name = "ROWS", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    batch_size: u32,
    /// Passes over the data, at the most: with a hold-out, training ends when its loss no longer falls
    /// [default: 1; 500 with lbfgs, which ends when it has converged].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    epochs: Option<u64>,
    /// How the learning rate changes with time: `auto` is what suits the optimiser.
    #[arg(long, value_enum, default_value_t = ScheduleArg::Auto)]
    schedule: ScheduleArg,
    /// With `--schedule inverse`: the rate is divided by the number of the mini-batch to this power.
    #[arg(long, value_name = "POWER", default_value_t = 0.5, value_parser = parse_share)]
    power_t: f32,
    /// Rows over which the learning rate rises to its full size.
    #[arg(long, value_name = "ROWS", default_value_t = 0)]
    warm_up: u64,
    /// Momentum of SGD.
    #[arg(long, default_value_t = 0.0, value_parser = parse_share)]
    momentum: f32,
    /// How much more the rows of a class count: `balanced` for all classes alike, or the weights of
    /// some.
    #[arg(long, value_name = "balanced|none|CLASS=WEIGHT,...", default_value = "none",
        value_parser = parse_class_weights, allow_hyphen_values = true)]
    class_weight: ClassWeights,
    /// Strength of the L1 penalty on the mean loss: makes weights exactly zero.
    #[arg(long, default_value_t = 0.0, value_parser = parse_at_least_zero)]
    l1: f64,
    /// Strength of the L2 penalty on the mean loss.
    #[arg(long, default_value_t = 0.0, value_parser = parse_at_least_zero)]
    l2: f64,
    /// A factorization machine with so many factors: it learns interactions of all pairs of features.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u8).range(1..=MOST_FACTORS as i64))]
    factors: Option<u8>,
    /// Share of the rows to hold out [default: 0.1 with several epochs and learning rates, else 0].
    #[arg(long, value_name = "FRACTION", value_parser = parse_fraction)]
    holdout: Option<f64>,
    /// The order of rows: `auto` shuffles unless the rows are well mixed already.
    #[arg(long, value_enum, default_value_t = ShuffleArg::Auto)]
    shuffle: ShuffleArg,
    /// What to do with rows whose target, weight or offset can't be used.
    #[arg(long, value_enum, default_value_t = OnErrorArg::Fail)]
    on_error: OnErrorArg,
    /// Most memory that the tables of categories may take.
    #[arg(long, value_name = "SIZE", default_value = "1GB", value_parser = size::parse)]
    max_model: usize,
    /// Write a summary as JSON (`-` for standard output).
    #[arg(long, value_name = "FILE.json")]
    pub(super) summary: Option<PathBuf>,
    /// Say nothing but errors.
    #[arg(long)]
    pub(super) quiet: bool,
}

/// `millstream plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Print the plan as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// What `evaluate` and `predict` share.
#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    /// The model.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Files, folders and globs of Parquet, Arrow IPC, CSV, TSV, LIBSVM, Vowpal Wabbit's text or JSON
    /// lines (.gz, .zst); `-` for standard input.
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<String>,
    #[command(flatten)]
    machine: MachineArgs,
    /// What to do with rows whose target, weight or offset can't be used.
    #[arg(long, value_enum, default_value_t = OnErrorArg::Fail)]
    on_error: OnErrorArg,
    /// Write a summary as JSON (`-` for standard output).
    #[arg(long, value_name = "FILE.json")]
    pub(super) summary: Option<PathBuf>,
    /// Say nothing but errors.
    #[arg(long)]
    pub(super) quiet: bool,
    #[command(flatten)]
    read: ReadArgs,
}

/// `millstream evaluate`
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    #[command(flatten)]
    pub(super) apply: ApplyArgs,
}

/// `millstream predict`
#[derive(Debug, Args)]
pub struct PredictArgs {
    #[command(flatten)]
    pub(super) apply: ApplyArgs,
    /// Where the predictions go: .parquet, .csv, .tsv or .arrow [default: CSV on standard output].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Columns of the input to carry over.
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    keep: Vec<String>,
    /// Write the probability of each class, as columns p(CLASS).
    #[arg(long)]
    probabilities: bool,
}

/// `millstream inspect`
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The model.
    pub(super) model: PathBuf,
    /// Features to show, the heaviest first.
    #[arg(long, default_value_t = 30)]
    pub(super) top: usize,
    /// Print all features as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OptimizerArg {
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
enum ScaleArg {
    Auto,
    None,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ShuffleArg {
    Auto,
    None,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OnErrorArg {
    Fail,
    Skip,
}

#[derive(Debug, Clone, Copy)]
enum Rate {
    Auto,
    Fixed(f32),
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

fn parse_fraction(text: &str) -> Result<f64, String> {
    let fraction = text.parse::<f64>().ok().filter(|f| (0.0..1.0).contains(f));
    fraction.ok_or_else(|| "expected a fraction of at least 0 and below 1".to_string())
}

impl DataArgs {
    fn validate(self) -> Result<PlanConfig> {
        let (overrides, said) = self.features.validate()?;
        let mut config = PlanConfig {
            inputs: self.inputs,
            read: self.read.validate()?,
            target: String::new(),
            loss: None,
            positive: None,
            scan_classes: false,
            weight: None,
            offset: None,
            scale: matches!(self.scale, ScaleArg::Auto),
            overrides,
            seed: self.seed,
            threads: self.machine.threads(),
            memory: self.machine.memory,
        };
        self.target.validate(&said, &mut config)?;
        Ok(config)
    }
}

impl PlanArgs {
    pub(super) fn validate(self) -> Result<PlanConfig> {
        self.data.validate()
    }
}

impl TrainArgs {
    fn schedule(&self) -> Option<Schedule> {
        let warm_up = self.warm_up.div_ceil(u64::from(self.batch_size));
        let power = match self.schedule {
            ScheduleArg::Auto if warm_up == 0 => return None,
            ScheduleArg::Auto | ScheduleArg::Constant => 0.0,
            ScheduleArg::Inverse => self.power_t,
        };
        Some(Schedule { power, warm_up })
    }

    pub(super) fn validate(self) -> Result<TrainConfig> {
        let schedule = self.schedule();
        Ok(TrainConfig {
            plan: self.data.validate()?,
            optimizer: match self.optimizer {
                OptimizerArg::Gd => Optimizer::Gd,
                OptimizerArg::Sgd => Optimizer::Sgd { momentum: self.momentum },
                OptimizerArg::Ftrl => Optimizer::FTRL,
                OptimizerArg::Lbfgs => Optimizer::Lbfgs,
                OptimizerArg::Adagrad => Optimizer::ADAGRAD,
                OptimizerArg::Rmsprop => Optimizer::RMSPROP,
            },
            learning_rate: match self.learning_rate {
                Rate::Auto => None,
                Rate::Fixed(rate) => Some(rate),
            },
            batch_size: self.batch_size as usize,
            epochs: self.epochs,
            penalty: Penalty { l1: self.l1 as f32, l2: self.l2 as f32 },
            schedule,
            factors: self.factors.map(usize::from),
            class_weights: self.class_weight,
            holdout: self.holdout,
            shuffle: match self.shuffle {
                ShuffleArg::Auto => ShuffleMode::Auto,
                ShuffleArg::None => ShuffleMode::None,
            },
            skip_bad_rows: matches!(self.on_error, OnErrorArg::Skip),
            max_model: self.max_model,
            init: self.init,
            model: self.model,
        })
    }
}

impl PredictArgs {
    pub(super) fn writes_to_stdout(&self) -> bool {
        self.output.is_none()
    }

    pub(super) fn validate(self) -> Result<(ApplyConfig, PredictConfig)> {
        let (keep, probabilities, output) = (self.keep, self.probabilities, self.output);
        Ok((self.apply.validate()?, PredictConfig { keep, probabilities, output }))
    }
}

impl ApplyArgs {
    pub(super) fn validate(self) -> Result<ApplyConfig> {
        Ok(ApplyConfig {
            model: self.model,
            inputs: self.inputs,
            read: self.read.validate()?,
            threads: self.machine.threads(),
            memory: self.machine.memory,
            skip_bad_rows: matches!(self.on_error, OnErrorArg::Skip),
        })
    }
}
