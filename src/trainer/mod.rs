//! The trainer: epochs, the race of learning rates, hold-out, metrics, and the summary; and, with the
//! same means, evaluating and predicting.

mod account;
mod blocks;
mod census;
mod checkpoint;
mod config;
mod cv;
mod evaluate;
mod exact;
mod feed;
mod folds;
mod holdout;
mod leak;
mod ledger;
mod notes;
mod outputs;
mod pass;
mod plan;
mod predict;
mod race;
mod reading;
mod recent;
mod run;
mod scoring;
mod search;
mod summary;
mod task;
mod team;
mod train;
mod trend;
mod watch;

pub use checkpoint::{CheckpointConfig, Every, Pauses};
pub use config::{
    Ablation, ApplyConfig, CvConfig, DivideBy, PlanConfig, PredictConfig, Score, SearchConfig, ShuffleMode,
    TrainConfig,
};
pub use cv::cross_validate;
pub use evaluate::evaluate;
pub use plan::plan;
pub(crate) use plan::{Look, survey};
pub use predict::predict;
pub use reading::request;
pub use search::{Axis, Importance, Meaning, Method, Parameter, SearchOutcome, Trial, Value, Values, search};
pub(crate) use summary::peak_memory;
pub use summary::{Estimate, ModelSummary, RaceEntry, Summary};
pub use train::train;
pub use watch::{Leader, Progress, Silent, Watch};
