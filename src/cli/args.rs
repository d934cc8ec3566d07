//! Arguments, as they are typed, and their validation into configurations.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, ValueEnum};

use super::checkpoints::CheckpointArgs;
use super::cv::CvArgs;
use super::features::FeatureArgs;
use super::headings::{DATA, EVALUATION, FEATURES, LEARNING, MACHINE, OUTPUT};
use super::learning::LearningArgs;
use super::search::SearchArgs;
use super::target::TargetArgs;
use super::{ReadArgs, size};
use crate::error::Result;
use crate::input::ReadOptions;
use crate::trainer::{ApplyConfig, Parameter, PlanConfig, PredictConfig, TrainConfig};

/// Trains linear models on tables larger than memory, in one pass.
#[derive(Debug, Parser)]
#[command(name = "millstream", version, max_term_width = 100)]
pub enum Command {
    /// Train a model.
    Train(Box<TrainArgs>),
    /// Cross-validate: all folds' models learn side by side, in one pass.
    Cv(Box<CvArgs>),
    /// Search for the best configuration: many learn side by side, in one pass.
    Search(Box<SearchArgs>),
    /// Show what would become of each column, and why.
    Plan(Box<PlanArgs>),
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
    #[arg(long, help_heading = FEATURES, value_enum, default_value_t = ScaleArg::Auto)]
    scale: ScaleArg,
    /// Seed of orders, hold-outs and hashes.
    #[arg(long, help_heading = LEARNING, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    machine: MachineArgs,
    #[command(flatten)]
    read: ReadArgs,
}

/// What of the machine is used; changes nothing but the time.
#[derive(Debug, Args)]
#[command(next_help_heading = MACHINE)]
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

/// What all commands that learn share.
#[derive(Debug, Args)]
pub(super) struct FitArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    learning: LearningArgs,
    /// What to do with rows that can't be read, or whose target, weight or offset can't be used, and with damaged files
    /// and parts of files: `skip` leaves them out, counts them and says why.
    #[arg(long, help_heading = DATA, value_enum, default_value_t = OnErrorArg::Fail)]
    on_error: OnErrorArg,
    /// Most memory that the tables of categories may take, for each model.
    #[arg(long, help_heading = MACHINE, value_name = "SIZE", default_value = "1GB", value_parser = size::parse)]
    max_model: usize,
    #[command(flatten)]
    checkpoints: CheckpointArgs,
    /// Write a summary as JSON (`-` for standard output).
    #[arg(long, help_heading = OUTPUT, value_name = "FILE.json")]
    pub(super) summary: Option<PathBuf>,
    /// Say nothing but errors.
    #[arg(long, help_heading = OUTPUT)]
    pub(super) quiet: bool,
}

/// `millstream train`
#[derive(Debug, Args)]
pub struct TrainArgs {
    #[command(flatten)]
    pub(super) fit: FitArgs,
    /// A model to go on from, with its plan and weights.
    #[arg(long, help_heading = LEARNING, value_name = "MODEL")]
    init: Option<PathBuf>,
    /// Share of the rows to hold out [default: 0.1 with several epochs and learning rates, else 0].
    #[arg(long, help_heading = EVALUATION, value_name = "FRACTION", value_parser = parse_fraction)]
    holdout: Option<f64>,
    /// Where the model goes.
    #[arg(short = 'o', long = "model", help_heading = OUTPUT, value_name = "FILE")]
    model: PathBuf,
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
    #[arg(long, help_heading = DATA, value_name = "FILE")]
    model: PathBuf,
    /// Files, folders and globs of Parquet, Arrow IPC, CSV, TSV, LIBSVM, Vowpal Wabbit's text or JSON
    /// lines (.gz, .zst); `-` for standard input.
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<String>,
    #[command(flatten)]
    machine: MachineArgs,
    /// What to do with rows that can't be read, or whose target, weight or offset can't be used, and with damaged files
    /// and parts of files: `skip` leaves them out, counts them and says why.
    #[arg(long, help_heading = DATA, value_enum, default_value_t = OnErrorArg::Fail)]
    on_error: OnErrorArg,
    /// Write a summary as JSON (`-` for standard output).
    #[arg(long, help_heading = OUTPUT, value_name = "FILE.json")]
    pub(super) summary: Option<PathBuf>,
    /// Say nothing but errors.
    #[arg(long, help_heading = OUTPUT)]
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
    #[arg(short, long, help_heading = OUTPUT, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Columns of the input to carry over.
    #[arg(long, help_heading = OUTPUT, value_name = "COLUMN,...", value_delimiter = ',')]
    keep: Vec<String>,
    /// Write the probability of each class, as columns p(CLASS).
    #[arg(long, help_heading = OUTPUT)]
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
enum ScaleArg {
    Auto,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum OnErrorArg {
    Fail,
    Skip,
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

impl FitArgs {
    /// Whether an option fixes a parameter.
    pub(super) fn fixes(&self, parameter: Parameter) -> bool {
        self.learning.fixes(parameter) || self.data.target.fixes(parameter)
    }

    /// The configuration of a run that writes a model, if one is wanted, and maybe a table.
    ///
    /// # Errors
    /// If options don't go together.
    pub(super) fn validate(self, model: Option<PathBuf>, table: Option<&Path>) -> Result<TrainConfig> {
        self.learning.check()?;
        let summary = self.summary.as_deref().filter(|path| *path != Path::new("-"));
        let checkpoints = self.checkpoints.validate(&[model.as_deref(), table, summary])?;
        let mut plan = self.data.validate()?;
        plan.read.skips_bad = self.on_error == OnErrorArg::Skip;
        let penalty = self.learning.penalty();
        let LearningArgs { batch_size, epochs, factors, .. } = self.learning.clone();
        Ok(TrainConfig {
            optimizer: self.learning.optimizer(),
            learning_rate: self.learning.rate(),
            refine: self.learning.refine,
            schedule: self.learning.schedule(),
            shuffle: self.learning.shuffle(),
            class_weights: self.learning.class_weight,
            batch_size: batch_size as usize,
            epochs,
            penalty,
            factors: factors.map(usize::from),
            init: None,
            plan,
            holdout: None,
            max_model: self.max_model,
            model,
            checkpoints,
        })
    }
}

impl TrainArgs {
    pub(super) fn validate(self) -> Result<TrainConfig> {
        let TrainArgs { fit, init, holdout, model } = self;
        Ok(TrainConfig { init, holdout, ..fit.validate(Some(model), None)? })
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
        let skips_bad = self.on_error == OnErrorArg::Skip;
        Ok(ApplyConfig {
            model: self.model,
            inputs: self.inputs,
            read: ReadOptions { skips_bad, ..self.read.validate()? },
            threads: self.machine.threads(),
            memory: self.machine.memory,
        })
    }
}
