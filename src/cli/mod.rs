//! The command line: arguments become configurations, configurations become runs.

mod args;
mod cv;
mod features;
mod headings;
mod learning;
mod read;
mod screen;
mod search;
mod show;
mod size;
mod space;
mod target;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use args::Command;
use args::InspectArgs;
pub use read::ReadArgs;
pub use screen::Screen;
use screen::say;
pub use size::parse as parse_size;

use crate::error::{Error, Kind, Result};
use crate::input::remove_unfinished;
use crate::model::Model;
use crate::output::AtomicFile;
use crate::trainer;

/// Runs a command.
///
/// # Errors
/// What went wrong, as a sentence.
pub fn run(command: Command) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    match command {
        Command::Train(args) => {
            watch_for_interrupts(&stop);
            let (quiet, summary_to) = (args.fit.quiet, SummaryTo::new(args.fit.summary.clone())?);
            let config = args.validate()?;
            let mut screen = Screen::new(quiet);
            let result = trainer::train(&config, &stop, &mut screen);
            screen.finish();
            let summary = result?;
            if !quiet {
                say(show::outcome(&summary, config.model.as_deref()).trim_end());
            }
            summary_to.write(&summary)
        }
        Command::Cv(args) => {
            watch_for_interrupts(&stop);
            let (quiet, summary_to) = (args.fit.quiet, SummaryTo::new(args.fit.summary.clone())?);
            let config = args.validate()?;
            let mut screen = Screen::new(quiet);
            let result = trainer::cross_validate(&config, &stop, &mut screen);
            screen.finish();
            let summary = result?;
            if !quiet {
                say(show::outcome(&summary, config.train.model.as_deref()).trim_end());
            }
            show_result(quiet, &summary_to, &show::folds(&summary))?;
            summary_to.write(&summary)
        }
        Command::Search(args) => {
            watch_for_interrupts(&stop);
            let (quiet, summary_to) = (args.fit.quiet, SummaryTo::new(args.fit.summary.clone())?);
            let config = args.validate()?;
            let mut screen = Screen::new(quiet);
            let result = trainer::search(&config, &stop, &mut screen);
            screen.finish();
            let summary = result?;
            if !quiet {
                say(show::outcome(&summary, config.train.model.as_deref()).trim_end());
            }
            show_result(quiet, &summary_to, &show::search(&summary))?;
            summary_to.write(&summary)
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
            let (quiet, summary_to) = (args.apply.quiet, SummaryTo::new(args.apply.summary.clone())?);
            let config = args.apply.validate()?;
            let mut screen = Screen::new(quiet);
            let result = trainer::evaluate(&config, &stop, &mut screen);
            screen.finish();
            let summary = result?;
            show_result(quiet, &summary_to, &show::metrics(&summary))?;
            summary_to.write(&summary)
        }
        Command::Predict(args) => {
            watch_for_interrupts(&stop);
            let (quiet, summary_to) = (args.apply.quiet, SummaryTo::new(args.apply.summary.clone())?);
            if args.writes_to_stdout() && matches!(summary_to, SummaryTo::Stdout) {
                return Err(Error::usage("predictions and summary would both go to standard output")
                    .remedy("name a file for one of them"));
            }
            let (config, wanted) = args.validate()?;
            let mut screen = Screen::new(quiet);
            let result = trainer::predict(&config, &wanted, &stop, &mut screen);
            screen.finish();
            let summary = result?;
            if !quiet {
                say(show::outcome(&summary, wanted.output.as_deref()).trim_end());
            }
            summary_to.write(&summary)
        }
        Command::Inspect(args) => inspect(&args),
    }
}

/// Shows what a command is for on standard output, unless that holds the summary alone, for programs to read.
fn show_result(quiet: bool, summary_to: &SummaryTo, text: &str) -> Result<()> {
    match (quiet, summary_to) {
        (true, _) => Ok(()),
        (false, SummaryTo::Stdout) => {
            say(text.trim_end());
            Ok(())
        }
        (false, _) => print(text),
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
    print(&if args.json { show::learned_json(&model)? } else { show::learned(&model, args.top) })
}

/// The first signal asks the run to stop at the next batch, the second ends it at once.
pub fn watch_for_interrupts(stop: &Arc<AtomicBool>) {
    let stop = stop.clone();
    // Fails only if a handler is there already, as in a program that calls this twice.
    let _ = ctrlc::set_handler(move || {
        if stop.swap(true, Ordering::Relaxed) {
            remove_unfinished();
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

/// Writes a summary as JSON to a file, or to standard output if the path is `-`.
///
/// # Errors
/// If it can't be written.
pub fn write_summary(path: &Path, summary: &impl serde::Serialize) -> Result<()> {
    SummaryTo::new(Some(path.to_path_buf()))?.write(summary)
}

/// Where the summary goes.
enum SummaryTo {
    Nowhere,
    Stdout,
    File(PathBuf),
}

impl SummaryTo {
    /// Before a run: a summary that can't be written must not be found out after hours.
    fn new(path: Option<PathBuf>) -> Result<Self> {
        match path {
            None => Ok(SummaryTo::Nowhere),
            Some(path) if path == Path::new("-") => Ok(SummaryTo::Stdout),
            Some(path) => AtomicFile::check(&path).map(|()| SummaryTo::File(path)),
        }
    }

    fn write(self, summary: &impl serde::Serialize) -> Result<()> {
        match self {
            SummaryTo::Nowhere => Ok(()),
            SummaryTo::Stdout => print(&to_json(summary)?),
            SummaryTo::File(path) => {
                let mut file = AtomicFile::create(&path)?;
                file.write_all(to_json(summary)?.as_bytes()).map_err(|e| file.fault(&e))?;
                file.commit()
            }
        }
    }
}
