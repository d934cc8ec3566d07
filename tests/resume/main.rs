//! Checkpoints: whatever ends a run, another that goes on from its checkpoint ends in the same bits.

#[path = "../common/mod.rs"]
mod common;

mod bits;
mod interrupted;
mod refused;
mod selection;
