//! Learning: margins, losses, optimisers, tables of weights, metrics.
//!
//! Knows nothing of Arrow, files or threads. A [`Chunk`] of encoded rows goes in; a learner with
//! K models side by side computes margins, the gradient of the loss and the optimiser's step, one
//! mini-batch after the other; out come margins (for the progressive [`metrics`]) and, at the end,
//! the [`Weights`] of a [`Linear`] model.

mod before;
mod block;
mod chunk;
mod columns;
mod crew;
mod dense;
mod dump;
mod extract;
mod fade;
mod form;
pub mod kernels;
mod lbfgs;
mod learner;
mod linear;
mod loss;
mod mask;
pub mod metrics;
mod objective;
mod octets;
mod optimizer;
mod penalty;
mod record;
mod schedule;
mod settings;
mod shard;
mod span;
mod sparse;
mod step;
mod table;
mod variant;

pub use chunk::{Chunk, HASHED, ListColumn, Shape};
pub use crew::{Alone, Crew, Job, share_out};
pub use dump::{Outlet, Pace};
pub use form::{MOST_FACTORS, ModelForm};
pub use lbfgs::{Lbfgs, Next};
pub use learner::{Column, Learn};
pub use linear::{Iterate, Linear, Part, State, Weights};
pub use loss::{Loss, Task, softmax, softmax_gradient, softmax_loss};
pub use objective::{Objective, Value};
pub use optimizer::Optimizer;
pub use penalty::Penalty;
pub use schedule::Schedule;
pub use settings::{Settings, learner, most_models};
pub use variant::{Parts, Variant};
