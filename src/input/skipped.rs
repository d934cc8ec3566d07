//! Skipped: what a run has left out because it could not be read or used, with the reasons.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// What was left out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Skipped {
    /// Rows, as far as they can be counted.
    pub rows: u64,
    /// Row groups, record batches, files, or what was left of them.
    pub blocks: u64,
    /// How often each reason was given: for rows one by one, for a block once.
    pub reasons: BTreeMap<String, u64>,
}

/// Different reasons that are told.
const MOST_REASONS: usize = 50;

impl Skipped {
    /// Whether nothing was left out.
    pub fn is_empty(&self) -> bool {
        *self == Skipped::default()
    }

    /// Counts rows that were left out for the same reason.
    pub fn add_rows(&mut self, rows: u64, reason: &str) {
        if rows > 0 {
            self.rows += rows;
            self.count(reason, rows);
        }
    }

    /// Counts a row that could not be read.
    pub fn add_row(&mut self, error: &Error) {
        self.rows += 1;
        self.count(&reason_of(error), 1);
    }

    /// Counts what is left of a block that could not be read any further: so many rows, if that is known.
    pub fn add_block(&mut self, error: &Error, rows: Option<u64>) {
        self.rows += rows.unwrap_or(0);
        self.blocks += 1;
        self.count(&reason_of(error), 1);
    }

    /// Adds what others have left out.
    pub fn add(&mut self, others: &Skipped) {
        self.rows += others.rows;
        self.blocks += others.blocks;
        others.reasons.iter().for_each(|(reason, count)| self.count(reason, *count));
    }

    fn count(&mut self, reason: &str, times: u64) {
        let is_known = self.reasons.contains_key(reason);
        let reason = if is_known || self.reasons.len() < MOST_REASONS { reason } else { "other reasons" };
        *self.reasons.entry(reason.to_string()).or_default() += times;
    }
}

/// The reason that an error gives, without what was found in just this row: of a row its column, of a block the file.
fn reason_of(error: &Error) -> String {
    let (place, message) = (error.place(), quotes_emptied(error.message()));
    match (&place.column, &place.file, place.row) {
        (Some(column), ..) => format!("column `{column}`: {message}"),
        (None, Some(file), None) if place.part.is_none() => format!("{}: {message}", file.display()),
        _ => message,
    }
}

/// A text with nothing but dots between its quotes.
fn quotes_emptied(text: &str) -> String {
    let parts = text.split('"').enumerate();
    let parts: Vec<&str> = parts.map(|(i, part)| if i % 2 == 1 { "..." } else { part }).collect();
    parts.join("\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_by_reasons_that_do_not_depend_on_what_they_hold() {
        let mut skipped = Skipped::default();
        assert!(skipped.is_empty());
        for found in ["abc", "x", "abc"] {
            skipped.add_row(&Error::data(format!("found \"{found}\", expected a number")).in_column("age"));
        }
        skipped.add_block(&Error::data("damaged"), Some(7));
        skipped.add_rows(0, "nothing");
        let mut sum = Skipped::default();
        sum.add_rows(2, "damaged");
        sum.add(&skipped);
        assert_eq!((sum.rows, sum.blocks), (12, 1));
        let reasons = [("column `age`: found \"...\", expected a number", 3), ("damaged", 3)];
        assert_eq!(sum.reasons, reasons.map(|(reason, count)| (reason.to_string(), count)).into());
        (0..1000).for_each(|number| sum.add_rows(1, &number.to_string()));
        assert_eq!((sum.reasons.len(), sum.reasons["other reasons"]), (MOST_REASONS + 1, 952));
    }
}
