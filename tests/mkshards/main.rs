//! `mkshards` as its users meet it: what becomes of rows, columns and orders, and what is safe from what.

#[path = "../common/mod.rs"]
mod common;
mod order;
mod rows;
mod safety;
mod shards;
mod training;
mod ugly;
