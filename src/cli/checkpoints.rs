//! Arguments that say how often checkpoints are written, and whether a run goes on from one.

use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::headings::MACHINE;
use crate::error::{Error, Result};
use crate::trainer::{CheckpointConfig, Every};

/// How often they are written, unless the user says so.
const EVERY: Every = Every::Time(Duration::from_secs(600));

/// Checkpoints; they change nothing but the time.
#[derive(Debug, Args)]
#[command(next_help_heading = MACHINE)]
pub(super) struct CheckpointArgs {
    /// How often all that the run goes on from is written beside its output, to FILE.checkpoint: a time such as 60s or
    /// 2h, a number of rows, or `never` (else Ctrl-C does so, too) [default: 10min]. It is gone when the output is there.
    #[arg(long, value_name = "TIME|ROWS|never", value_parser = parse_every)]
    checkpoint_every: Option<Every>,
    /// Go on from that checkpoint, if it is there: the result will have the bits of a run that was never
    /// interrupted.
    #[arg(long)]
    resume: bool,
}

impl CheckpointArgs {
    /// Checkpoints beside the first of a run's outputs that is a file.
    ///
    /// # Errors
    /// If they are asked for, and there is none.
    pub(super) fn validate(&self, outputs: &[Option<&Path>]) -> Result<CheckpointConfig> {
        let CheckpointArgs { checkpoint_every: every, resume } = *self;
        let file = outputs.iter().flatten().find_map(|output| CheckpointConfig::beside(output));
        let asked = resume || every.is_some_and(|every| every != Every::Never);
        if asked && outputs.iter().all(Option::is_none) {
            let message = "checkpoints are kept beside what a run writes, and this one writes no file";
            return Err(Error::usage(message).remedy("name one, by -o or --summary"));
        }
        Ok(CheckpointConfig { file, every: every.unwrap_or(EVERY), resume })
    }
}

fn parse_every(text: &str) -> std::result::Result<Every, String> {
    if text == "never" {
        return Ok(Every::Never);
    }
    if let Ok(rows) = text.replace('_', "").parse::<u64>() {
        return if rows > 0 { Ok(Every::Rows(rows)) } else { Err("0 rows never pass".to_string()) };
    }
    match humantime::parse_duration(text) {
        Ok(time) if time > Duration::ZERO => Ok(Every::Time(time)),
        _ => Err("expected a time such as 60s, 10min or 2h, a number of rows, or `never`".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rows_are_told_apart() {
        assert_eq!(parse_every("60s"), Ok(Every::Time(Duration::from_secs(60))));
        assert_eq!(parse_every("1h 30m"), Ok(Every::Time(Duration::from_secs(5400))));
        assert_eq!(parse_every("1_000_000"), Ok(Every::Rows(1_000_000)));
        assert_eq!(parse_every("never"), Ok(Every::Never));
        for wrong in ["", "0", "0s", "-5", "1.5", "ten"] {
            assert!(parse_every(wrong).is_err(), "{wrong}");
        }
    }
}
