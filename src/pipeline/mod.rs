//! The pipeline: the only place with threads and channels.
//!
//! One coordinator hands out jobs ("read and encode the next batch of this split") through a bounded
//! channel to worker threads, and takes their results in an order that the schedule fixes. Jobs are
//! plain functions; with one thread the coordinator does them itself, and that loop is the oracle for
//! every other number of threads. What is in flight is counted in bytes.

mod budget;
mod crew;
mod fetcher;
mod order;
mod position;
mod readers;
mod shuffle;
mod stages;
mod stream;
mod tasks;
mod worker;

pub use budget::{Budget, Needs};
pub use crew::GradientWorkers;
pub use order::Order;
pub use position::Position;
pub use readers::Readers;
pub use shuffle::Shuffle;
pub use stages::{Bound, StageTime, Stages};
pub use stream::{Flow, Item, SplitState, Weigh, stream};
pub use tasks::{alongside, handed_on, in_order, no_thread};
