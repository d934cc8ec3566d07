//! `mkdata` makes tables with a known answer: rows drawn from a planted logistic model, in Parquet,
//! Arrow IPC or CSV, as many as asked for, so that a trainer's speed and its loss can be judged.

#[path = "mkdata/args.rs"]
mod args;
#[path = "mkdata/clicks.rs"]
mod clicks;
#[path = "mkdata/csv.rs"]
mod csv;
#[path = "mkdata/dense.rs"]
mod dense;
#[path = "mkdata/folder.rs"]
mod folder;
#[path = "mkdata/hex.rs"]
mod hex;
#[path = "mkdata/ipc.rs"]
mod ipc;
#[path = "mkdata/job.rs"]
mod job;
#[path = "mkdata/model.rs"]
mod model;
#[path = "mkdata/parquet.rs"]
mod parquet;
#[path = "mkdata/random.rs"]
mod random;
#[path = "mkdata/run.rs"]
mod run;
#[path = "mkdata/sink.rs"]
mod sink;

use std::process::ExitCode;

fn main() -> ExitCode {
    match run::run(&args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // What was being done, then why it failed; the layers in between repeat the reason.
            match error.chain().len() {
                1 => eprintln!("mkdata: {error}"),
                _ => eprintln!("mkdata: {error}: {}", error.root_cause()),
            }
            ExitCode::FAILURE
        }
    }
}
