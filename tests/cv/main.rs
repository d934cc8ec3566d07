//! `millstream cv`: what it finds is what training each fold's model alone would, and what scikit-learn finds.
//!
//! `expected/cv.py` says which figures are compared with scikit-learn's, and makes them.

#[path = "../common/mod.rs"]
mod common;

mod alone;
mod command;
mod data;
mod divisions;
mod found;
mod models;
