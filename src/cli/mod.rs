//! The command line: arguments become configurations, configurations become runs.

mod args;
mod screen;
mod show;
mod size;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use args::Command;
use args::{ApplyArgs, InspectArgs};
use screen::{Screen, say};

use crate::error::{Error, Kind, Result};
use crate::model::Model;
use crate::trainer::{self, Summary};

/// Runs a command.
///
/// # Errors
/// What went wrong, as a sentence.
pub fn run(command: Command) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    match command {
        Command::Train(args) => {
            watch_for_interrupts(&stop);
            let (quiet, summary_file) = (args.quiet, args.summary.clone());
            let config = args.validate()?;
            let mut screen = Screen::new(quiet);
            let result = trainer::train(&config, &stop, &mut screen);
            screen.finish();
            let summary = result?;
            if !quiet {
                say(show::outcome(&summary, Some(&config.model)).trim_end());
            }
            write_summary(&summary, summary_file.as_deref())
        }
        Command::Plan(args) => {
            let json = args.json;
            let config = args.validate()?;
            let plan = trainer::plan(&config, &stop, &mut Screen::notes_only())?;
            let text = if json { to_json(plan.as_ref())? } else { show::plan(&plan, usize::MAX) };
            print(&text)
        }
        Command::Evaluate(args) => {
            watch_for_interrupts(&stop);
            let ApplyArgs { quiet, ref summary, .. } = args.apply;
            let summary_file = summary.clone();
            let config = args.apply.validate()?;
            let mut screen = Screen::new(quiet);
            let result = trainer::evaluate(&config, &stop, &mut screen);
            screen.finish();
            let summary = result?;
            if !quiet {
                print(&show::metrics(&summary))?;
            }
            write_summary(&summary, summary_file.as_deref())
        }
        Command::Predict(args) => {
            watch_for_interrupts(&stop);
            let (quiet, summary_file) = (args.apply.quiet, args.apply.summary.clone());
            let config = args.apply.validate()?;
            let mut screen = Screen::new(quiet);
            let result = trainer::predict(&config, &args.keep, args.output.as_deref(), &stop, &mut screen);
            screen.finish();
            let summary = result?;
            if !quiet {
                say(show::outcome(&summary, args.output.as_deref()).trim_end());
            }
            write_summary(&summary, summary_file.as_deref())
        }
        Command::Inspect(args) => inspect(&args),
    }
}

/// The exit code that an error asks for.
pub fn exit_code(error: &Error) -> u8 {
    match error.kind() {
        Kind::Usage => 2,
        Kind::Data | Kind::Io => 1,
        Kind::Interrupted => 130,
        Kind::BrokenPipe => 0,
    }
}

fn inspect(args: &InspectArgs) -> Result<()> {
    let model = Model::load(&args.model)?;
    print(&if args.json { show::features_json(&model)? } else { show::features(&model, args.top) })
}

/// The first signal asks the run to stop at the next batch, the second ends it at once.
fn watch_for_interrupts(stop: &Arc<AtomicBool>) {
    let stop = stop.clone();
    // Fails only if a handler is there already, as in a program that calls this twice.
    let _ = ctrlc::set_handler(move || {
        if stop.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
}

/// Prints to standard output.
fn print(text: &str) -> Result<()> {
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(|e| match e.kind() {
        std::io::ErrorKind::BrokenPipe => Error::new(Kind::BrokenPipe, "nobody reads the output"),
        _ => Error::new(Kind::Io, format!("can't write to standard output: {e}")),
    })
}

fn to_json(value: &impl serde::Serialize) -> Result<String> {
    let mut text =
        serde_json::to_string_pretty(value).map_err(|e| Error::data(format!("can't write JSON: {e}")))?;
    text.push('\n');
    Ok(text)
}

fn write_summary(summary: &Summary, path: Option<&Path>) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let text = to_json(summary)?;
    if path == Path::new("-") {
        return print(&text);
    }
    fs::write(path, text).map_err(|e| Error::io("can't write", path, &e))
}
