//! Arguments that say how files are read; shared by all commands that read any.

use clap::{Args, ValueEnum};

use crate::error::{Error, Result};
use crate::input::{ColumnType, ReadOptions, TextFormat};

/// How text files are read. All of it is found from the files unless it is said here.
#[derive(Debug, Args)]
#[command(next_help_heading = "Reading text files (found out unless given)")]
pub struct ReadArgs {
    /// The format of text files.
    #[arg(long, value_enum, value_name = "FORMAT")]
    input_format: Option<FormatArg>,
    /// What stands between cells: a character, or `tab`.
    #[arg(long, value_name = "CHAR", value_parser = parse_delimiter)]
    delimiter: Option<u8>,
    /// Whether the first line names the columns.
    #[arg(long, value_enum, value_name = "YES|NO")]
    header: Option<YesNo>,
    /// Whether cells may stand in double quotes.
    #[arg(long, value_enum, value_name = "YES|NO")]
    quotes: Option<YesNo>,
    /// Lines that begin with this character are passed over.
    #[arg(long, value_name = "CHAR", value_parser = parse_byte)]
    comment: Option<u8>,
    /// Further spellings of a missing value, such as -999 or unknown.
    #[arg(long, value_name = "TEXT,...", value_delimiter = ',', allow_hyphen_values = true)]
    null: Vec<String>,
    /// Numbers have a comma before their decimals: 3,14.
    #[arg(long)]
    decimal_comma: bool,
    /// Types of columns: text, category, int, float, float32, bool, time or map.
    #[arg(long = "type", value_name = "COLUMN=TYPE,...", value_delimiter = ',')]
    types: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatArg {
    Csv,
    Libsvm,
    Vw,
    Jsonl,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum YesNo {
    Yes,
    No,
}

fn parse_byte(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | b'"') => Ok(*byte),
        _ => Err("expected one ASCII character".to_string()),
    }
}

fn parse_delimiter(text: &str) -> Result<u8, String> {
    match text {
        "tab" | "\\t" => Ok(b'\t'),
        "comma" => Ok(b','),
        "semicolon" => Ok(b';'),
        "space" => Ok(b' '),
        other => parse_byte(other),
    }
}

impl ReadArgs {
    /// The options that the arguments ask for.
    ///
    /// # Errors
    /// If they contradict each other or name no type.
    pub fn validate(self) -> Result<ReadOptions> {
        let mut options = ReadOptions {
            format: self.input_format.map(|format| match format {
                FormatArg::Csv => TextFormat::Csv,
                FormatArg::Libsvm => TextFormat::Libsvm,
                FormatArg::Vw => TextFormat::Vw,
                FormatArg::Jsonl => TextFormat::JsonLines,
            }),
            delimiter: self.delimiter,
            header: self.header.map(|word| word == YesNo::Yes),
            quotes: self.quotes.map(|word| word == YesNo::Yes),
            comment: self.comment,
            nulls: self.null,
            decimal_comma: self.decimal_comma,
            ..ReadOptions::default()
        };
        if options.decimal_comma && options.delimiter == Some(b',') {
            return Err(Error::usage("a comma can't stand both between cells and before decimals")
                .remedy("name another --delimiter, such as a semicolon"));
        }
        if options.comment.is_some() && options.comment == options.delimiter {
            return Err(Error::usage("--comment and --delimiter are the same character"));
        }
        for word in &self.types {
            let (column, name) = word.rsplit_once('=').ok_or_else(|| {
                Error::usage(format!("--type {word} names no type")).remedy("write COLUMN=TYPE")
            })?;
            let before = options.types.insert(column.to_string(), name.parse::<ColumnType>()?);
            if before.is_some_and(|before| Some(&before) != options.types.get(column)) {
                return Err(Error::usage(format!("--type gives column `{column}` two types")));
            }
        }
        Ok(options)
    }
}
