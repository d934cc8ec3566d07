//! Arguments, as they are typed, and their validation into a configuration.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use millstream::cli::{ReadArgs, parse_size};
use millstream::convert::{ConvertConfig, Division, Existing, IpcCompression, Recipe, RowOrder, ShardFormat};
use millstream::{Error, Result};

/// Converts tables to a folder of shards, from which training runs at the speed of memory.
///
/// Shards are plain Arrow IPC files (or Parquet), which pandas, Polars and DuckDB open, too. The same
/// input and options make the same bytes, whatever --threads and --memory are. A conversion that broke
/// off, for whatever reason, goes on with --resume.
#[derive(Debug, Parser)]
#[command(name = "mkshards", version, max_term_width = 100)]
pub(crate) struct Args {
    /// Files, folders and globs of CSV, TSV, LIBSVM, Vowpal Wabbit's text, JSON lines (.gz, .zst),
    /// Parquet or Arrow IPC; `-` for standard input.
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<String>,
    /// The folder of the shards; made if it isn't there.
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// Format of the shards.
    #[arg(long, value_enum, default_value_t = FormatArg::Arrow)]
    format: FormatArg,
    /// Compression of Arrow shards. Without it they are used in place when they are read.
    #[arg(long, value_enum, value_name = "CODEC")]
    compress: Option<CompressArg>,
    /// Size of a shard.
    #[arg(long, value_name = "SIZE", default_value = "64MB", value_parser = parse_size)]
    shard_size: usize,

    /// Columns to convert, in this order [default: all].
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',', help_heading = "Rows and columns")]
    select: Vec<String>,
    /// Columns to leave out.
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',', help_heading = "Rows and columns")]
    drop: Vec<String>,
    /// New names of columns. (All other options take the old ones.)
    #[arg(long, value_name = "OLD=NEW,...", value_delimiter = ',', help_heading = "Rows and columns")]
    rename: Vec<String>,
    /// Rows to keep: "age >= 18 and (country in ('AT', 'DE') or vip) and name is not null".
    #[arg(
        long = "where",
        value_name = "CONDITION",
        allow_hyphen_values = true,
        help_heading = "Rows and columns"
    )]
    condition: Option<String>,
    /// What to write where a column holds nothing.
    #[arg(long, value_name = "COLUMN=VALUE,...", value_delimiter = ',', help_heading = "Rows and columns")]
    fill: Vec<String>,
    /// Of rows that are equal in all columns, keep only the first.
    #[arg(long, help_heading = "Rows and columns")]
    dedup: bool,

    /// Put the rows into random order, every order equally likely.
    #[arg(long, conflicts_with = "sort_by", help_heading = "Order and division")]
    shuffle: bool,
    /// Sort the rows by these columns, missing values first.
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',', help_heading = "Order and division")]
    sort_by: Vec<String>,
    /// Divide the rows among folders: 0.8,0.1,0.1 makes train, valid and test; two shares make train
    /// and test; or name them: fit=0.7,check=0.3. Equal rows go to the same folder.
    #[arg(long, value_name = "SHARE,...", value_delimiter = ',', help_heading = "Order and division")]
    split: Vec<String>,
    /// Rows with the same value in this column go to the same folder.
    #[arg(long, value_name = "COLUMN", requires = "split", help_heading = "Order and division")]
    split_by: Option<String>,
    /// Seed of the shuffle and the division.
    #[arg(long, default_value_t = 1, help_heading = "Order and division")]
    seed: u64,

    /// Write rows that can't be read to this file, with their lines and reasons, and go on. Without it
    /// the first such row is an error.
    #[arg(long, value_name = "FILE.csv", help_heading = "Safety")]
    rejects: Option<PathBuf>,
    /// More such rows than this end the conversion.
    #[arg(long, value_name = "N", default_value_t = 1000, requires = "rejects", help_heading = "Safety")]
    max_rejects: u64,
    /// Go on with a conversion that broke off.
    #[arg(long, conflicts_with = "overwrite", help_heading = "Safety")]
    resume: bool,
    /// Remove the shards of an earlier conversion from the folder first.
    #[arg(long, help_heading = "Safety")]
    overwrite: bool,

    /// Threads [default: the processor's]. They do not change the result.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Memory, such as 512MB [default: half of the machine's]. It does not change the result.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    memory: Option<usize>,
    /// Write a summary as JSON (`-` for standard output).
    #[arg(long, value_name = "FILE.json")]
    pub(crate) summary: Option<PathBuf>,
    /// Say nothing but errors.
    #[arg(long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    read: ReadArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum FormatArg {
    Arrow,
    Parquet,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum CompressArg {
    Lz4,
    Zstd,
}

impl Args {
    /// The configuration that the arguments ask for.
    pub(crate) fn validate(self) -> Result<ConvertConfig> {
        let format = match (self.format, self.compress) {
            (FormatArg::Parquet, Some(_)) => {
                return Err(Error::usage("--compress is for Arrow shards; Parquet is compressed with zstd"));
            }
            (FormatArg::Parquet, None) => ShardFormat::Parquet,
            (FormatArg::Arrow, codec) => ShardFormat::Ipc(codec.map(|codec| match codec {
                CompressArg::Lz4 => IpcCompression::Lz4,
                CompressArg::Zstd => IpcCompression::Zstd,
            })),
        };
        if !(1 << 10..=1 << 30).contains(&self.shard_size) {
            return Err(Error::usage("--shard-size must be between 1KB and 1GB"));
        }
        Ok(ConvertConfig {
            inputs: self.inputs,
            read: self.read.validate()?,
            output: self.output,
            format,
            shard_bytes: self.shard_size,
            recipe: Recipe {
                select: self.select,
                drop: self.drop,
                rename: pairs("--rename", "OLD=NEW", &self.rename)?,
                filter: self.condition,
                fill: pairs("--fill", "COLUMN=VALUE", &self.fill)?,
            },
            dedup: self.dedup,
            order: match (self.shuffle, self.sort_by.is_empty()) {
                (true, _) => RowOrder::Shuffled,
                (false, true) => RowOrder::AsIs,
                (false, false) => RowOrder::By(self.sort_by),
            },
            division: division(&self.split, self.split_by)?,
            rejects: self.rejects,
            max_rejects: self.max_rejects,
            seed: self.seed,
            threads: match self.threads {
                Some(threads) => usize::from(threads),
                None => std::thread::available_parallelism().map_or(1, usize::from),
            },
            memory: self.memory,
            existing: match (self.resume, self.overwrite) {
                (true, _) => Existing::Resume,
                (false, true) => Existing::Overwrite,
                (false, false) => Existing::Refuse,
            },
        })
    }
}

fn pairs(option: &str, form: &str, words: &[String]) -> Result<Vec<(String, String)>> {
    let pair = |word: &String| {
        let (left, right) = word.split_once('=').ok_or_else(|| {
            Error::usage(format!("can't understand {option} {word}")).remedy(format!("write {form}"))
        })?;
        Ok((left.to_string(), right.to_string()))
    };
    words.iter().map(pair).collect()
}

fn division(words: &[String], by: Option<String>) -> Result<Option<Division>> {
    if words.is_empty() {
        return Ok(None);
    }
    let usual: &[&str] = match words.len() {
        2 => &["train", "test"],
        3 => &["train", "valid", "test"],
        _ => &[],
    };
    let fault = |why: String| {
        Error::usage(format!("--split {}: {why}", words.join(",")))
            .remedy("write shares that add up to 1, such as 0.8,0.1,0.1 or fit=0.7,check=0.3")
    };
    let mut parts: Vec<(String, f64)> = Vec::new();
    for (number, word) in words.iter().enumerate() {
        let (name, share) = match word.rsplit_once('=') {
            Some((name, share)) => (name.to_string(), share),
            None => {
                (usual.get(number).map_or(format!("part-{}", number + 1), ToString::to_string), word.as_str())
            }
        };
        let share = share.parse::<f64>().ok().filter(|share| *share > 0.0 && *share <= 1.0);
        let share = share.ok_or_else(|| fault(format!("{word:?} is no share above 0 and up to 1")))?;
        let is_plain = !name.is_empty() && !name.starts_with(['.', '_']) && !name.contains(['/', '\0']);
        if !is_plain {
            return Err(fault(format!("{name:?} can't be the name of a folder")));
        }
        if parts.iter().any(|(other, _)| *other == name) {
            return Err(fault(format!("two folders have the name {name}")));
        }
        parts.push((name, share));
    }
    let sum: f64 = parts.iter().map(|(_, share)| share).sum();
    if (sum - 1.0).abs() > 1e-6 {
        return Err(fault(format!("the shares add up to {sum}")));
    }
    Ok(Some(Division { parts, by }))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn shares_add_up_and_have_names() {
        let names = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            division(&words, None)
                .map(|d| d.map(|d| d.parts.into_iter().map(|(name, _)| name).collect::<Vec<_>>()))
        };
        assert_eq!(names(&["0.8", "0.1", "0.1"]).unwrap().unwrap(), ["train", "valid", "test"]);
        assert_eq!(names(&["a=0.5", "b=0.5"]).unwrap().unwrap(), ["a", "b"]);
        assert_eq!(names(&[]).unwrap(), None);
        for wrong in
            [vec!["0.8", "0.1"], vec!["1.5", "-0.5"], vec!["a=0.5", "a=0.5"], vec!["../x=1"], vec!["x"]]
        {
            assert!(names(&wrong).is_err(), "{wrong:?}");
        }
    }
}
