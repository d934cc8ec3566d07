//! The `millstream` command: parses, runs, prints the error, maps the exit code.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use millstream::cli::{Command, run};

// Threads that allocate and free each other's buffers, as ours do, are what mimalloc is good at; with
// the system's allocator the same run holds up to twice the memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command = Command::parse();
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = millstream::cli::exit_code(&error);
            if code != 0 {
                // Whoever read our errors may have gone.
                let _ = writeln!(std::io::stderr(), "millstream: {error}");
            }
            ExitCode::from(code)
        }
    }
}
