//! The command line, and how it becomes a [`Job`]. Wrong usage ends the program with exit code 2.

use std::path::PathBuf;
use std::thread::available_parallelism;

use clap::error::ErrorKind;
use clap::{ArgGroup, CommandFactory, Parser, ValueEnum, value_parser};

use crate::job::{Compression, Format, Job, TableKind};

/// Makes tables with a known answer, to train on and to measure with
///
/// Rows are drawn from a planted logistic model. The same seed makes the same bytes, whatever the
/// number of threads. FOLDER/_truth.json says what was planted, and the log loss of the true
/// probabilities: no model can be expected to do better.
#[derive(Parser)]
#[command(name = "mkdata", version, group(ArgGroup::new("amount").required(true)))]
struct Args {
    /// Which table
    table: TableKind,

    /// How many rows
    #[arg(long, group = "amount", value_parser = value_parser!(u64).range(1..))]
    rows: Option<u64>,

    /// How many bytes instead, roughly: 500MB, 20GB, 1TiB
    #[arg(long, group = "amount", value_parser = parse_size)]
    size: Option<u64>,

    /// Format of the files; ipc is Arrow's, whose files are held in memory while they are made
    #[arg(long)]
    format: FormatName,

    /// Where to put the files; made if it does not exist
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,

    /// Rows in a file
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    rows_per_file: u64,

    /// Rows in a Parquet row group [default: 100000]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    row_group_rows: Option<u64>,

    /// Compression of Parquet [default: zstd]
    #[arg(long)]
    compression: Option<Compression>,

    /// Start at this row of the endless table: the same model, other rows
    #[arg(long, default_value_t = 0, value_name = "ROWS")]
    skip: u64,

    /// Negatives first: each range of --rows-per-file rows becomes two files, one of its negatives
    /// among the first half of the files, one of its positives among the second
    #[arg(long)]
    sorted: bool,

    /// Determines the model and the rows
    #[arg(long, default_value_t = 1, value_name = "S")]
    seed: u64,

    /// Threads; each makes one file at a time [default: one per processor]
    #[arg(long, value_name = "T", value_parser = value_parser!(u64).range(1..=1024))]
    threads: Option<u64>,

    /// Write even if FOLDER holds something; files of the same name are replaced, others stay
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatName {
    Parquet,
    Ipc,
    Csv,
}

/// The job that the command line asks for.
pub(crate) fn parse() -> Job {
    let args = Args::parse();
    job(args).unwrap_or_else(|fault| Args::command().error(ErrorKind::ArgumentConflict, fault).exit())
}

fn job(args: Args) -> Result<Job, String> {
    let format = match args.format {
        FormatName::Parquet => Format::Parquet {
            compression: args.compression.unwrap_or(Compression::Zstd),
            row_group_rows: args.row_group_rows.unwrap_or(100_000) as usize,
        },
        _ if args.compression.is_some() => return Err("--compression is for --format parquet only".into()),
        _ if args.row_group_rows.is_some() => {
            return Err("--row-group-rows is for --format parquet only".into());
        }
        FormatName::Ipc => Format::Ipc,
        FormatName::Csv => Format::Csv,
    };
    let rows = match (args.rows, args.size) {
        (Some(rows), _) => rows,
        (None, size) => (size.unwrap_or(0) as f64 / format.bytes_per_row(args.table)).ceil() as u64,
    };
    let end = args.skip.checked_add(rows).filter(|&end| end <= MAX_ROW);
    let end = end.ok_or(format!("--skip and the rows together must not be more than {MAX_ROW}"))?;
    Ok(Job {
        table: args.table,
        format,
        folder: args.output,
        rows: args.skip..end,
        rows_per_file: args.rows_per_file,
        sorted: args.sorted,
        seed: args.seed,
        threads: args.threads.map_or_else(|| available_parallelism().map_or(1, |n| n.get()), |n| n as usize),
        force: args.force,
        command: command(),
    })
}

/// Far beyond any disk, and far below the block numbers that calibration uses.
const MAX_ROW: u64 = 1 << 50;

fn command() -> String {
    let arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once("mkdata".to_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}

fn parse_size(text: &str) -> Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err("expected a size such as 500MB, 20GB or 1TiB".into()),
    };
    let number: f64 = number.parse().map_err(|_| "expected a size such as 500MB, 20GB or 1TiB")?;
    if number > 0.0 { Ok((number * unit as f64) as u64) } else { Err("a size must be above 0".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(parse_size("20GB"), Ok(20_000_000_000));
        assert_eq!(parse_size("1.5 MiB"), Ok(1_572_864));
        assert!(parse_size("0").is_err() && parse_size("GB").is_err() && parse_size("3 bytes").is_err());
    }

    #[test]
    fn arguments_are_consistent() {
        Args::command().debug_assert();
    }
}
