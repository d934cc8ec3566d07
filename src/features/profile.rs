//! The profile: what a survey found, as far as it decides what becomes of each column. It is small
//! enough to be kept beside the data, and plans made from it are those made from the rows, to the bit.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::bins::{levels, quantiles};
use super::decide::Wishes;
use super::scale::{Moments, Scale, is_heavy_tailed, sorted};
use super::target::{Tally, needs_classes, task};
use super::text::Words;
use super::values::Sort;
use crate::learn::Task;

/// What a survey found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Rows that were looked at.
    pub rows: u64,
    /// Whether these were all rows, so that nothing else can come.
    pub whole: bool,
    pub(super) columns: Vec<ColumnProfile>,
}

/// Most classes that a target can have.
pub(super) const MOST_CLASSES: usize = 4096;
/// Most classes that are kept of each column of which nobody has said yet that it is the target.
pub(super) const MOST_KEPT_CLASSES: usize = 256;

/// What was found of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ColumnProfile {
    pub(super) name: String,
    /// The name of its type, whatever form its values are stored in.
    pub(super) data_type: String,
    /// What its values are by themselves.
    pub(super) natural: Sort,
    /// As what they were looked at: the user's word counts.
    pub(super) sort: Sort,
    pub(super) missing: u64,
    /// NaN and infinities among the missing.
    pub(super) not_finite: u64,
    pub(super) distinct: u64,
    /// Whether there were more than were counted.
    pub(super) distinct_is_bound: bool,
    /// All distinct values, with their counts, of what may be the target; none if they are too many.
    pub(super) classes: Vec<(String, u64)>,
    /// Whether neighbouring rows are no more alike than chance has it; only of what may be the target.
    pub(super) is_random: Option<bool>,
    /// A hash of the values in their order; of numbers, texts and points in time.
    pub(super) digest: Option<u64>,
    pub(super) found: Findings,
}

/// What is particular to a sort of values. Texts are those that shall be known by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "lowercase")]
pub(super) enum Findings {
    Nothing,
    Numbers(Numbers),
    Texts {
        /// Bytes of all texts together.
        bytes: u64,
        known: Vec<String>,
        /// What their words say, if these were looked at.
        words: Option<Words>,
    },
    Times {
        /// The days since 1970.
        days: Fitted,
        /// Days from the first to the last.
        span: f64,
        /// Whether some have a time of day.
        has_hours: bool,
    },
    Lists {
        known: Vec<String>,
        /// Elements that a row has on average.
        length: f64,
    },
    Maps {
        known: Vec<String>,
        /// For each of these keys the root mean square of its values in the sample, zeros aside.
        units: Vec<f64>,
        /// The root mean square of the values of all keys.
        unit: f64,
        /// Keys that a row has on average.
        length: f64,
    },
    Floats {
        /// Shortest and longest list.
        lengths: Option<(usize, usize)>,
        /// Each place's numbers, where all lists have one length.
        places: Vec<Fitted>,
    },
}

/// The scales that numbers may have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Fitted {
    pub(super) moments: Moments,
    pub(super) standard: Scale,
}

impl Fitted {
    pub(super) fn of(sample: &[f64]) -> Self {
        let sample = sorted(sample);
        Fitted { moments: Moments::of(sample.iter().copied()), standard: Scale::standard(&sample) }
    }
}

/// What was found of numbers: the scales that may be chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Numbers {
    pub(super) moments: Moments,
    pub(super) standard: Scale,
    /// There where it may be wanted: where tails are heavy, where it is asked for, of labels. `None` if all numbers are equal, too.
    pub(super) signed_log: Option<Scale>,
    pub(super) is_heavy_tailed: bool,
    /// Whether all are 0 or 1.
    pub(super) is_flag: bool,
    /// Evenly spaced quantiles, and the values where they are few, between which bins may end.
    pub(super) quantiles: Vec<f64>,
    pub(super) levels: Vec<f64>,
}

impl Numbers {
    /// What a sample with `distinct` distinct values says; of signed logs, which take as long as all the rest, only where tails
    /// are heavy or with `wants_log`.
    pub(super) fn of(sample: &[f64], distinct: usize, wants_log: bool) -> Self {
        let sorted = sorted(sample);
        let is_heavy_tailed = is_heavy_tailed(&sorted);
        Numbers {
            moments: Moments::of(sorted.iter().copied()),
            standard: Scale::standard(&sorted),
            signed_log: (wants_log || is_heavy_tailed).then(|| Scale::signed_log(&sorted)).flatten(),
            is_heavy_tailed,
            is_flag: distinct <= 2 && sorted.iter().all(|&x| x == 0.0 || x == 1.0),
            quantiles: quantiles(&sorted),
            levels: levels(&sorted),
        }
    }
}

impl Findings {
    /// What a sample of points in time, in seconds since 1970, says.
    pub(super) fn times(seconds: &[f64], has_hours: bool) -> Self {
        let days: Vec<f64> = seconds.iter().map(|t| t / 86_400.0).collect();
        let first = days.iter().copied().fold(f64::INFINITY, f64::min);
        let last = days.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let span = if seconds.is_empty() { 0.0 } else { last - first };
        Findings::Times { days: Fitted::of(&days), span, has_hours }
    }
}

impl ColumnProfile {
    /// Whether words were looked at, up to so many together.
    fn has_words(&self, ngrams: usize) -> bool {
        match &self.found {
            Findings::Texts { words: Some(words), .. } => words.ngrams == ngrams,
            // Nothing but texts has words: the plan will say so.
            found => !matches!(found, Findings::Texts { .. }),
        }
    }
}

impl Profile {
    /// Whether a plan can be made from it: every column was looked at as the user's word has it, and of the
    /// target its order and, where they matter, its classes are known.
    pub fn serves(&self, wishes: &Wishes) -> bool {
        self.columns.iter().all(|column| {
            let name = column.name.as_str();
            let overrides = &wishes.overrides;
            let is_ignored = overrides.ignores(name);
            let as_wanted = overrides.sort(name, column.natural) == column.sort
                && overrides.ngrams_of(name).is_none_or(|ngrams| column.has_words(ngrams));
            let is_looked_at = as_wanted || is_ignored && !wishes.is_label(name);
            let suits_as_target = || {
                column.is_random.is_some() && (!column.classes.is_empty() || !needs_classes(column, wishes))
            };
            is_looked_at && (name != wishes.target || suits_as_target())
        })
    }

    /// Whether the target has classes, by the user's word or by what the sample shows.
    pub(crate) fn has_classes(&self, wishes: &Wishes) -> bool {
        let task = self.column(&wishes.target).map(|column| task(column, wishes));
        matches!(task, Some(Task::Binary | Task::Classes))
    }

    /// An empty tally for all of a target's rows.
    pub(crate) fn tally(&self, target: &str) -> Tally {
        Tally::new(self.column(target).is_some_and(|column| column.sort == Sort::Number), MOST_CLASSES)
    }

    /// The profile with what a tally of all rows says of a target's classes.
    #[must_use]
    pub(crate) fn with_classes(mut self, target: &str, tally: &Tally) -> Profile {
        for column in self.columns.iter_mut().filter(|column| column.name == target) {
            let classes = tally.classes();
            column.distinct_is_bound = classes.is_none();
            column.classes = classes.unwrap_or_default();
            column.distinct =
                if column.distinct_is_bound { MOST_CLASSES } else { column.classes.len() } as u64;
        }
        self
    }

    /// Whether the target looks as if the rows were in random order.
    pub fn is_well_mixed(&self, target: &str) -> bool {
        self.column(target).and_then(|column| column.is_random).unwrap_or(false)
    }

    /// The profile of the same rows with these of its columns only, each with another name.
    pub fn select(&self, columns: &[(&str, &str)]) -> Profile {
        let known: HashMap<&str, &ColumnProfile> =
            self.columns.iter().map(|c| (c.name.as_str(), c)).collect();
        let named = |(from, to): &(&str, &str)| {
            let column = (*known.get(from)?).clone();
            Some(ColumnProfile { name: (*to).to_string(), ..column })
        };
        Profile { columns: columns.iter().filter_map(named).collect(), ..*self }
    }

    /// The profile of the same rows in random order.
    #[must_use]
    pub fn shuffled(mut self) -> Profile {
        for column in &mut self.columns {
            column.is_random = column.is_random.map(|_| true);
        }
        self
    }

    pub(super) fn column(&self, name: &str) -> Option<&ColumnProfile> {
        self.columns.iter().find(|c| c.name == name)
    }
}
