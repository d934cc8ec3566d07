//! The command line: arguments become configurations, configurations become runs.

mod args;
mod checkpoints;
mod cv;
mod desk;
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
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use args::Command;
use args::InspectArgs;
pub use desk::write_summary;
use desk::{Desk, SummaryTo};
pub use read::ReadArgs;
pub use screen::Screen;
pub use size::parse as parse_size;

use crate::blocking::{blocking, wait_until_blocked};
use crate::error::{Error, Kind, Result, program};
use crate::input::{caught, ignore_file_limit, remove_unfinished};
use crate::model::Model;
use crate::trainer;

/// Runs a command.
///
/// # Errors
/// What went wrong, as a sentence.
pub fn run(command: Command) -> Result<()> {
    without_panic(|| carry_out(command))
}

/// Does the work of a program; a panic in it becomes an error: a defect of our own, whatever has brought it about.
///
/// # Errors
/// The work's, or its panic.
pub fn without_panic(work: impl FnOnce() -> Result<()>) -> Result<()> {
    caught(work).unwrap_or_else(|panic| {
        Err(Error::data(format!("the run ended in a defect of the program ({panic})"))
            .remedy("please report it, with the command and, if that can be, the data"))
    })
}

fn carry_out(command: Command) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    match command {
        Command::Train(args) => {
            let desk = Desk::new(&stop, args.fit.quiet, args.fit.summary.clone())?;
            let config = args.validate()?;
            let summary = desk.watch(|screen| trainer::train(&config, &stop, screen))?;
            desk.tell(&show::outcome(&summary, config.model.as_deref()));
            Ok(())
        }
        Command::Cv(args) => {
            let desk = Desk::new(&stop, args.fit.quiet, args.fit.summary.clone())?;
            let config = args.validate()?;
            let summary = desk.watch(|screen| trainer::cross_validate(&config, &stop, screen))?;
            desk.tell(&show::outcome(&summary, config.train.model.as_deref()));
            desk.show(&show::folds(&summary))
        }
        Command::Search(args) => {
            let desk = Desk::new(&stop, args.fit.quiet, args.fit.summary.clone())?;
            let config = args.validate()?;
            let summary = desk.watch(|screen| trainer::search(&config, &stop, screen))?;
            desk.tell(&show::outcome(&summary, config.train.model.as_deref()));
            desk.show(&show::search(&summary))
        }
        Command::Plan(args) => {
            let json = args.json;
            let config = args.validate()?;
            let plan = trainer::plan(&config, &stop, &mut Screen::notes_only())?;
            let text = if json { to_json(plan.as_ref())? } else { show::plan(&plan, usize::MAX) };
            print(&text)
        }
        Command::Evaluate(args) => {
            let desk = Desk::new(&stop, args.apply.quiet, args.apply.summary.clone())?;
            let config = args.apply.validate()?;
            let summary = desk.watch(|screen| trainer::evaluate(&config, &stop, screen))?;
            desk.show(&show::metrics(&summary))
        }
        Command::Predict(args) => {
            let desk = Desk::new(&stop, args.apply.quiet, args.apply.summary.clone())?;
            if args.writes_to_stdout() && matches!(desk.summary_to, SummaryTo::Stdout) {
                return Err(Error::usage("predictions and summary would both go to standard output")
                    .remedy("name a file for one of them"));
            }
            let (config, wanted) = args.validate()?;
            let summary = desk.watch(|screen| trainer::predict(&config, &wanted, &stop, screen))?;
            desk.tell(&show::outcome(&summary, wanted.output.as_deref()));
            Ok(())
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
    print(&if args.json { show::learned_json(&model)? } else { show::learned(&model, args.top) })
}

/// The first signal asks the run to stop at the next batch, or ends it where it could not see that; the second ends it
/// at once.
pub fn watch_for_interrupts(stop: &Arc<AtomicBool>) {
    ignore_file_limit();
    let stop = stop.clone();
    // Fails only if a handler is there already, as in a program that calls this twice.
    let _ = ctrlc::set_handler(move || {
        if stop.swap(true, Ordering::Relaxed) {
            remove_unfinished();
            std::process::exit(130);
        }
        // This handler must be free for the second signal.
        std::thread::spawn(|| {
            wait_until_blocked();
            remove_unfinished();
            let _ = writeln!(std::io::stderr(), "{}: {}", program(), Error::interrupted());
            std::process::exit(130);
        });
    });
}

/// Prints to standard output.
fn print(text: &str) -> Result<()> {
    blocking(|| std::io::stdout().lock().write_all(text.as_bytes())).map_err(|e| match e.kind() {
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
