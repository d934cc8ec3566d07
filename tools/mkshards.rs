//! The `mkshards` command: converts tables to a folder of shards, from which training runs at the
//! speed of memory.

#[path = "mkshards/args.rs"]
mod args;
#[path = "mkshards/show.rs"]
mod show;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Parser;
use millstream::cli::{Screen, exit_code, watch_for_interrupts, without_panic, write_summary};
use millstream::convert::{ConvertConfig, convert};
use millstream::{Error, Result};

// See `millstream`'s main.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = args::Args::parse();
    match without_panic(|| run(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever read our errors may have gone.
            let _ = writeln!(std::io::stderr(), "mkshards: {error}");
            ExitCode::from(exit_code(&error))
        }
    }
}

fn run(args: args::Args) -> Result<()> {
    let (quiet, summary_to) = (args.quiet, args.summary.clone());
    let config = args.validate()?;
    if let Some(summary) = &summary_to {
        check_summary(summary, &config)?;
    }
    let stop = Arc::new(AtomicBool::new(false));
    watch_for_interrupts(&stop);
    let mut screen = Screen::new(quiet);
    let result = convert(&config, &stop, &mut screen);
    screen.finish();
    let summary = result?;
    if !quiet {
        // Whoever read our words may have gone.
        let _ = writeln!(std::io::stderr(), "{}", show::outcome(&summary, &config).trim_end());
    }
    summary_to.map_or(Ok::<(), Error>(()), |path| write_summary(&path, &summary))
}

/// Refuses a summary that would take the place of an input or of the rejects.
fn check_summary(summary: &Path, config: &ConvertConfig) -> Result<()> {
    let same = |other: &Path| {
        other == summary || other.canonicalize().is_ok_and(|a| summary.canonicalize().is_ok_and(|b| a == b))
    };
    let remedy = "name another file in --summary";
    if config.rejects.as_deref().is_some_and(same) {
        let message = format!("both the summary and the rejects would go to {}", summary.display());
        return Err(Error::usage(message).remedy(remedy));
    }
    if summary != Path::new("-") && config.inputs.iter().any(|input| same(Path::new(input))) {
        let message = format!("{} is an input, which would be overwritten", summary.display());
        return Err(Error::usage(message).remedy(remedy));
    }
    Ok(())
}
