//! Configurations: plain structs, made by the command line or by a program.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

use super::checkpoint::CheckpointConfig;
use super::search::{Axis, Method, Parameter};
use crate::features::{ClassWeights, LossChoice, Offset, Overrides};
use crate::input::ReadOptions;
use crate::learn::{Optimizer, Penalty, Schedule};

/// What `plan` needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanConfig {
    /// Files, folders and globs.
    pub inputs: Vec<String>,
    /// How they are read where they don't say so themselves.
    pub read: ReadOptions,
    /// The column to predict.
    pub target: String,
    /// The loss; `None` chooses it from the target.
    pub loss: Option<LossChoice>,
    /// The positive class, which is told from all others; `None` takes the one of two that sorts last.
    pub positive: Option<String>,
    /// Whether the classes are taken from all rows, not from a sample.
    pub scan_classes: bool,
    /// A column of importance weights.
    pub weight: Option<String>,
    /// What is added to the margins.
    pub offset: Option<Offset>,
    /// Whether numbers may be scaled.
    pub scale: bool,
    /// The word on single columns.
    pub overrides: Overrides,
    /// Seed of orders, hold-outs and hashes.
    pub seed: u64,
    /// Threads; they change nothing but the time.
    pub threads: usize,
    /// Bytes of memory, `None` for half of the machine's; they change nothing but the time.
    pub memory: Option<usize>,
}

/// The order of rows in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShuffleMode {
    /// Shuffled, unless the sample shows that rows are well mixed and one epoch is asked for.
    Auto,
    /// As they are.
    None,
}

/// What `train` needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainConfig {
    /// Data and plan.
    pub plan: PlanConfig,
    /// The optimiser.
    pub optimizer: Optimizer,
    /// The learning rate; `None` lets several race.
    pub learning_rate: Option<f32>,
    /// Whether the result is what counts even with a learning rate of the user's: see [`TrainConfig::is_textbook`].
    pub refine: bool,
    /// Rows of a mini-batch.
    pub batch_size: usize,
    /// Epochs, at the most where there is a hold-out to stop early by; `None` for one, or for as many passes
    /// as an exact fit may take.
    pub epochs: Option<u64>,
    /// How much more the rows of a class count.
    pub class_weights: ClassWeights,
    /// What weights cost; `None` for what suits the optimiser: nothing, what the hold-out likes best, or, for an exact
    /// fit, as much as one row weighs.
    pub penalty: Option<Penalty>,
    /// How the learning rate changes with time; `None` for what suits the optimiser.
    pub schedule: Option<Schedule>,
    /// Factors of each feature, for a factorization machine.
    pub factors: Option<usize>,
    /// Share of the rows that are held out; `None` holds out a tenth where several epochs race.
    pub holdout: Option<f64>,
    /// The order of rows.
    pub shuffle: ShuffleMode,
    /// Most bytes that the tables of categories may take.
    pub max_model: usize,
    /// A model to go on from.
    pub init: Option<PathBuf>,
    /// Where the model goes; nowhere if it is not wanted.
    pub model: Option<PathBuf>,
    /// Where checkpoints are written and how often, and whether to go on from one.
    pub checkpoints: CheckpointConfig,
}

/// What `cv` needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct CvConfig {
    /// What is learned, and how. With a model to write, one is learned from all rows in the same pass.
    pub train: TrainConfig,
    /// Folds, or with time blocks that have a past.
    pub folds: u32,
    /// How often the rows are divided anew.
    pub repeats: u32,
    /// How they are divided.
    pub by: DivideBy,
}

/// What `search` needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchConfig {
    /// What all configurations have in common. More epochs than one are for refitting alone.
    pub train: TrainConfig,
    /// What varies.
    pub axes: Vec<Axis>,
    /// How configurations are found.
    pub method: Method,
    /// Whether all configurations learn from all rows, instead of half of them being dropped again and again.
    pub full: bool,
    /// Configurations side by side, at the most.
    pub places: usize,
    /// Folds by which configurations are scored that came to the end, and how rows are divided.
    pub folds: Option<(u32, DivideBy)>,
    /// Whether, and of which columns or groups of columns, it is measured what they are worth.
    pub ablate: Option<Ablation>,
    /// What configurations are compared by.
    pub score: Option<Score>,
    /// Whether the winner is trained anew, with all of `train`'s epochs.
    pub refit: bool,
    /// Where a table of all configurations and their losses goes.
    pub table: Option<PathBuf>,
}

impl SearchConfig {
    /// What is searched of a parameter, if anything.
    pub fn axis(&self, parameter: Parameter) -> Option<&Axis> {
        self.axes.iter().find(|axis| axis.parameter == parameter)
    }
}

/// Which columns are left out, one model for each group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ablation {
    /// Each by itself.
    Each,
    /// Groups of columns.
    Groups(Vec<Vec<String>>),
}

/// What configurations are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Score {
    /// The loss that all of them minimise.
    Loss,
    /// The absolute error.
    Absolute,
    /// Half of the squared error.
    Squared,
    /// The loss, with all classes counting alike.
    Balanced,
}

/// What decides to which fold a row belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DivideBy {
    /// Chance.
    Row,
    /// The value of a column: rows of one value stay together.
    Group(String),
    /// A column of numbers or points in time, by whose blocks models learn from the past and are scored on the next.
    Time(String),
}

impl Display for DivideBy {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            DivideBy::Row => f.write_str("by chance"),
            DivideBy::Group(column) => write!(f, "--group-by {column}"),
            DivideBy::Time(column) => write!(f, "--time {column}"),
        }
    }
}

/// Passes that an exact fit takes at the most.
const MOST_PASSES: u64 = 500;

impl TrainConfig {
    /// Epochs at the most.
    pub fn epochs(&self) -> u64 {
        let few = if self.optimizer == Optimizer::Lbfgs { MOST_PASSES } else { 1 };
        self.epochs.unwrap_or(few)
    }

    /// Whether rows are held out without the user's asking, to choose among rates, iterates and epochs.
    pub fn chooses(&self) -> bool {
        let exact = self.optimizer == Optimizer::Lbfgs;
        self.epochs() > 1 && !self.is_textbook() && self.holdout.is_none() && !exact
    }

    /// Whether the optimiser is the textbook's: it starts from zero, takes its steps and leaves the last weights, as
    /// with a learning rate of the user's. Otherwise it is the result that counts: models start from the target's mean,
    /// take what rare categories say with caution, and leave means of their weights.
    pub fn is_textbook(&self) -> bool {
        self.learning_rate.is_some() && !self.refine
    }
}

/// What `evaluate` and `predict` need to know.
#[derive(Debug, Clone, PartialEq)]
pub struct ApplyConfig {
    /// The model.
    pub model: PathBuf,
    /// Files, folders and globs.
    pub inputs: Vec<String>,
    /// How they are read where they don't say so themselves.
    pub read: ReadOptions,
    /// Threads; they change nothing but the time.
    pub threads: usize,
    /// Bytes of memory, `None` for half of the machine's.
    pub memory: Option<usize>,
}

/// What `predict` needs to know besides.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PredictConfig {
    /// Columns of the input to carry over.
    pub keep: Vec<String>,
    /// Whether each class's probability is written.
    pub probabilities: bool,
    /// The file, its format told by its extension; `None` for CSV on standard output.
    pub output: Option<PathBuf>,
}
