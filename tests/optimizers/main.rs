//! The learner takes the steps of `torch.optim`, whatever way the same steps are taken.
//!
//! `expected/optimizers.py` says which numbers are compared, and makes them. [`data`] draws the same data, bit
//! for bit.

mod data;
mod restart;
mod torch;
mod ways;
