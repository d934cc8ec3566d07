//! The plan: what becomes of each column.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::bins;
use super::cross::{self, Parent};
use super::scale::Scale;
use super::target::{Offset, Target};
use super::tokens::STYLE;
use crate::learn::{Column, Shape};

/// What becomes of every column of a table; part of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The column to predict.
    pub target: Target,
    /// The column of importance weights.
    pub weight: Option<String>,
    /// What is added to the margins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<Offset>,
    /// Seed of the hashes of categories.
    pub hash_seed: u64,
    /// All other columns, in the table's order, and then the crosses.
    pub columns: Vec<PlannedColumn>,
}

/// One column, how it is used, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedColumn {
    /// Its name.
    pub name: String,
    /// Its type, as Arrow spells it.
    pub data_type: String,
    /// How it is used.
    pub used: Use,
    /// Why so, in a few words.
    pub why: String,
    /// Share of the sample's rows in which it is missing.
    pub missing: f64,
    /// Distinct values in the sample.
    pub distinct: u64,
    /// Whether counting them stopped there.
    pub distinct_is_bound: bool,
}

#[cfg(test)]
impl PlannedColumn {
    /// A column of texts, about which nothing but its use matters.
    pub(crate) fn used_as(name: &str, used: Use) -> Self {
        let (name, data_type, why) = (name.to_string(), "Utf8".to_string(), String::new());
        PlannedColumn { name, data_type, used, why, missing: 0.0, distinct: 2, distinct_is_bound: false }
    }
}

/// How a column is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "as", rename_all = "lowercase")]
pub enum Use {
    /// Not at all.
    Ignore,
    /// One dense column; a second one says where it was missing, if it was in the sample.
    Number {
        /// From the value to the feature.
        scale: Scale,
        /// Whether there is a second column.
        flag_missing: bool,
    },
    /// One slot for each row: null, one of the known categories, or one shared by hash.
    Category {
        /// Categories with a slot of their own, in order.
        known: Vec<String>,
        /// log2 of the slots that the others share at the start.
        bits: u32,
    },
    /// Any number of slots for each row, one for each distinct element.
    List {
        /// Elements with a slot of their own.
        known: Vec<String>,
        /// log2 of the slots that the others share at the start.
        bits: u32,
        /// Elements that a row has, about.
        #[serde(default = "usual_length")]
        length: usize,
    },
    /// Any number of slots for each row, one for each key, whose weight its value multiplies.
    Map {
        /// Keys with a slot of their own.
        known: Vec<String>,
        /// For each of them what its values are divided by.
        units: Vec<f64>,
        /// What the values of all other keys are divided by.
        unit: f64,
        /// log2 of the slots that the other keys share at the start.
        bits: u32,
        /// Keys that a row has, about.
        length: usize,
    },
    /// A list of always the same number of numbers: a dense column for each place.
    Embedding {
        /// Each place's scale.
        scales: Vec<Scale>,
    },
    /// One slot for each row: null, or one of the ranges between the edges.
    Bins {
        /// Where the ranges meet; each edge belongs to the range above it.
        edges: Vec<f64>,
    },
    /// Any number of slots for each row, one for each n-gram of words, and dense columns for how it is
    /// written.
    Text {
        /// N-grams with a slot of their own.
        known: Vec<String>,
        /// log2 of the slots that the others share at the start.
        bits: u32,
        /// Up to how many words make an n-gram.
        ngrams: usize,
        /// N-grams that a row has, about.
        length: usize,
        /// The scales of length, digits, capitals and marks.
        style: Vec<Scale>,
    },
    /// One slot for each row: a combination of the values of several columns.
    Cross {
        /// The columns.
        parents: Vec<Parent>,
        /// log2 of the slots that combinations without a name share at the start.
        bits: u32,
    },
    /// Parts of a date or timestamp.
    Time {
        /// Which.
        parts: Vec<TimePart>,
    },
}

/// The elements of a list in plans that don't tell.
fn usual_length() -> usize {
    8
}

/// A part of a point in time (in UTC, as stored).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "lowercase")]
pub enum TimePart {
    /// Days since 1970 as one number.
    Trend {
        /// Its scale.
        scale: Scale,
    },
    /// Month, 1 to 12, as a category.
    Month,
    /// Day of the week, Monday = 1, as a category.
    Weekday,
    /// Hour of the day as a category.
    Hour,
}

impl TimePart {
    /// How many categories the part has, `None` for a number.
    pub fn categories(&self) -> Option<usize> {
        match self {
            TimePart::Trend { .. } => None,
            TimePart::Month => Some(12),
            TimePart::Weekday => Some(7),
            TimePart::Hour => Some(24),
        }
    }

    /// The part's name in feature names.
    pub fn name(&self) -> &'static str {
        match self {
            TimePart::Trend { .. } => "trend",
            TimePart::Month => "month",
            TimePart::Weekday => "weekday",
            TimePart::Hour => "hour",
        }
    }

    /// The names of its slots, that of missing ones first; none for a number.
    fn code_names(&self, column: &str) -> Vec<String> {
        let Some(categories) = self.categories() else { return Vec::new() };
        let name = format!("{column}.{}", self.name());
        let first = usize::from(!matches!(self, TimePart::Hour));
        let missing = std::iter::once(format!("{name} is missing"));
        missing.chain((first..first + categories).map(|i| format!("{name}={i}"))).collect()
    }
}

impl Use {
    /// The word for it in tables and summaries.
    pub fn word(&self) -> &'static str {
        match self {
            Use::Ignore => "ignored",
            Use::Number { .. } => "number",
            Use::Category { .. } => "category",
            Use::List { .. } => "list",
            Use::Map { .. } => "map",
            Use::Embedding { .. } => "embedding",
            Use::Bins { .. } => "bins",
            Use::Text { .. } => "text",
            Use::Cross { .. } => "cross",
            Use::Time { .. } => "time",
        }
    }

    /// Dense, slot and list columns that it makes.
    pub(super) fn shape(&self) -> Shape {
        let none = Shape::default();
        match self {
            Use::Ignore => none,
            Use::Number { flag_missing, .. } => Shape { dense: 1 + usize::from(*flag_missing), ..none },
            Use::Category { .. } | Use::Bins { .. } | Use::Cross { .. } => Shape { slots: 1, ..none },
            Use::List { length, .. } => Shape { lists: 1, listed: *length, ..none },
            Use::Map { length, .. } => Shape { lists: 1, valued: *length, ..none },
            Use::Text { length, .. } => Shape { dense: STYLE.len(), lists: 1, valued: *length, ..none },
            Use::Embedding { scales } => Shape { dense: scales.len(), ..none },
            Use::Time { parts } => {
                let slots = parts.iter().filter(|p| p.categories().is_some()).count();
                Shape { dense: parts.len() - slots, slots, ..none }
            }
        }
    }

    /// Slots of known values, null included, of a use that makes one slot for each row; 0 for others.
    pub(crate) fn codes(&self) -> usize {
        match self {
            Use::Category { known, .. } => known.len() + 1,
            Use::Bins { edges } => edges.len() + 2,
            Use::Time { parts } => match &parts[..] {
                [part] => part.categories().map_or(0, |categories| categories + 1),
                _ => 0,
            },
            Use::Cross { parents, .. } => cross::named(parents),
            Use::Ignore
            | Use::Number { .. }
            | Use::List { .. }
            | Use::Map { .. }
            | Use::Embedding { .. }
            | Use::Text { .. } => 0,
        }
    }

    /// The names of these slots of a column.
    pub(super) fn code_names(&self, column: &str) -> Vec<String> {
        let missing = |column: &str| std::iter::once(format!("{column} is missing"));
        match self {
            Use::Category { known, .. } => {
                missing(column).chain(known.iter().map(|value| format!("{column}={value}"))).collect()
            }
            Use::Bins { edges } => missing(column).chain(bins::names(column, edges)).collect(),
            Use::Time { parts } => parts.iter().flat_map(|part| part.code_names(column)).collect(),
            Use::Cross { parents, .. } if cross::named(parents) > 0 => cross::names(parents),
            _ => Vec::new(),
        }
    }
}

/// Which feature a weight belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeatureRef {
    /// A dense column.
    Dense(usize),
    /// A slot of a table.
    Slot(usize, usize),
}

impl Plan {
    /// The shape of the encoded rows.
    pub fn shape(&self) -> Shape {
        let (weighted, offset) = (self.weight.is_some(), self.offset.is_some());
        let mut shape = Shape { weighted, offset, ..Shape::default() };
        for column in &self.columns {
            let s = column.used.shape();
            shape.dense += s.dense;
            shape.slots += s.slots;
            shape.lists += s.lists;
            shape.listed += s.listed;
            shape.valued += s.valued;
        }
        shape
    }

    /// For each table (category columns, then list columns): slots of known values, null included,
    /// and log2 of the shared slots at the start.
    pub fn tables(&self) -> Vec<(usize, u32)> {
        let (mut slots, mut lists) = (Vec::new(), Vec::new());
        for column in &self.columns {
            match &column.used {
                Use::Category { bits, .. } | Use::Cross { bits, .. } => {
                    slots.push((column.used.codes(), *bits));
                }
                Use::Bins { .. } => slots.push((column.used.codes(), 0)),
                Use::List { known, bits, .. }
                | Use::Map { known, bits, .. }
                | Use::Text { known, bits, .. } => {
                    lists.push((known.len() + 1, *bits));
                }
                Use::Time { parts } => {
                    slots.extend(parts.iter().filter_map(|p| Some((p.categories()? + 1, 0))));
                }
                Use::Ignore | Use::Number { .. } | Use::Embedding { .. } => {}
            }
        }
        slots.extend(lists);
        slots
    }

    /// The column that each table belongs to, in the order of [`Plan::tables`].
    pub fn table_columns(&self) -> Vec<&str> {
        let (mut slots, mut lists) = (Vec::new(), Vec::new());
        for column in &self.columns {
            let shape = column.used.shape();
            slots.extend(std::iter::repeat_n(column.name.as_str(), shape.slots));
            lists.extend(std::iter::repeat_n(column.name.as_str(), shape.lists));
        }
        slots.extend(lists);
        slots
    }

    /// The column that each dense column belongs to.
    pub fn dense_columns(&self) -> Vec<&str> {
        let columns = self.columns.iter();
        columns.flat_map(|c| std::iter::repeat_n(c.name.as_str(), c.used.shape().dense)).collect()
    }

    /// The table's column behind a chunk's column.
    pub fn column_name(&self, column: Column) -> &str {
        match column {
            Column::Dense(i) => self.dense_columns()[i],
            Column::Slots(i) => self.table_columns()[i],
            Column::List(i) => self.table_columns()[self.shape().slots + i],
        }
    }

    /// The chunk's columns that would be missing without some of the table's: theirs, and those of crosses with them.
    pub fn columns_from(&self, names: &[String]) -> Vec<Column> {
        let (mut columns, mut at) = (Vec::new(), Shape::default());
        for column in &self.columns {
            let shape = column.used.shape();
            let is_from = match &column.used {
                Use::Cross { parents, .. } => parents.iter().any(|parent| names.contains(&parent.column)),
                _ => names.contains(&column.name),
            };
            if is_from {
                columns.extend((at.dense..at.dense + shape.dense).map(Column::Dense));
                columns.extend((at.slots..at.slots + shape.slots).map(Column::Slots));
                columns.extend((at.lists..at.lists + shape.lists).map(Column::List));
            }
            at.dense += shape.dense;
            at.slots += shape.slots;
            at.lists += shape.lists;
        }
        columns
    }

    /// The table's columns that are used, alone or in crosses, target and weight aside.
    pub fn inputs(&self) -> Vec<&str> {
        let mut inputs: Vec<&str> = Vec::new();
        for column in self.used() {
            match &column.used {
                Use::Cross { parents, .. } => inputs.extend(parents.iter().map(|p| p.column.as_str())),
                _ => inputs.push(&column.name),
            }
        }
        let mut seen = HashSet::new();
        inputs.retain(|name| seen.insert(*name));
        inputs
    }

    /// The columns and crosses that are used, target and weight aside.
    pub fn used(&self) -> impl Iterator<Item = &PlannedColumn> {
        self.columns.iter().filter(|c| c.used != Use::Ignore)
    }

    /// Calls `f` with each dense feature and each named slot, and the feature's name.
    pub fn for_each_feature(&self, mut f: impl FnMut(FeatureRef, &str)) {
        let shape = self.shape();
        let (mut dense, mut slot, mut list) = (0, 0, shape.slots);
        for column in &self.columns {
            let name = &column.name;
            match &column.used {
                Use::Ignore => {}
                Use::Number { flag_missing, .. } => {
                    f(FeatureRef::Dense(dense), name);
                    if *flag_missing {
                        f(FeatureRef::Dense(dense + 1), &format!("{name} is missing"));
                    }
                }
                Use::Embedding { scales } => {
                    for i in 0..scales.len() {
                        f(FeatureRef::Dense(dense + i), &format!("{name}[{i}]"));
                    }
                }
                Use::Category { .. } | Use::Bins { .. } | Use::Cross { .. } => {
                    for (i, name) in column.used.code_names(name).iter().enumerate() {
                        f(FeatureRef::Slot(slot, i), name);
                    }
                }
                Use::Text { known, .. } => {
                    for (i, style) in STYLE.iter().enumerate() {
                        f(FeatureRef::Dense(dense + i), &format!("{name}.{style}"));
                    }
                    name_slots(name, list, known, &mut f);
                }
                Use::List { known, .. } => name_slots(name, list, known, &mut f),
                // A row without a map is a row without keys.
                Use::Map { known, .. } => name_known(name, list, known, &mut f),
                Use::Time { parts } => {
                    let (mut d, mut s) = (dense, slot);
                    for part in parts {
                        if part.categories().is_none() {
                            f(FeatureRef::Dense(d), &format!("{name}.{}", part.name()));
                            d += 1;
                            continue;
                        }
                        for (i, name) in part.code_names(name).iter().enumerate() {
                            f(FeatureRef::Slot(s, i), name);
                        }
                        s += 1;
                    }
                }
            }
            let s = column.used.shape();
            dense += s.dense;
            slot += s.slots;
            list += s.lists;
        }
    }
}

fn name_slots(column: &str, table: usize, known: &[String], f: &mut impl FnMut(FeatureRef, &str)) {
    f(FeatureRef::Slot(table, 0), &format!("{column} is missing"));
    name_known(column, table, known, f);
}

fn name_known(column: &str, table: usize, known: &[String], f: &mut impl FnMut(FeatureRef, &str)) {
    for (i, value) in known.iter().enumerate() {
        f(FeatureRef::Slot(table, i + 1), &format!("{column}={value}"));
    }
}
