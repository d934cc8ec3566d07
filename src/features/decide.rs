//! Deciding: from a survey and the user's wishes to a plan.

use super::overrides::{ColumnUse, Overrides};
use super::plan::{Plan, PlannedColumn, TimePart, Use};
use super::scale::{Scale, is_heavy_tailed, moments};
use super::survey::{ColumnSurvey, Survey};
use super::target::Target;
use super::values::Sort;
use crate::error::{Error, Result};
use crate::learn::Loss;
use crate::suggest::no_such_column;

/// What the user wishes of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Wishes {
    /// The target column.
    pub target: String,
    /// The loss, if one was named.
    pub loss: Option<Loss>,
    /// The positive class, if one was named.
    pub positive: Option<String>,
    /// The column of importance weights.
    pub weight: Option<String>,
    /// Whether numbers (and a numeric target) may be scaled.
    pub scale: bool,
    /// The word on single columns.
    pub overrides: Overrides,
    /// Seed of the hashes.
    pub hash_seed: u64,
}

/// Columns with at most so many distinct values know them all by name.
const ALL_KNOWN: usize = 4096;
/// Of the others so many of the most frequent are known by name.
const SOME_KNOWN: usize = 1024;
/// Texts that are longer than this on average, and mostly distinct, are prose.
const PROSE_BYTES: u64 = 40;

/// Makes a plan. `whole` says that the survey saw every row, so that nothing else can come.
///
/// # Errors
/// If a named column is not there, or the target can't be understood.
pub fn decide(survey: &Survey, wishes: &Wishes, whole: bool) -> Result<Plan> {
    let names: Vec<&str> = survey.columns.iter().map(|c| c.name.as_str()).collect();
    let named = wishes.overrides.columns.keys().chain([&wishes.target]).chain(&wishes.weight);
    for name in named {
        if !names.contains(&name.as_str()) {
            return Err(no_such_column(name, names));
        }
    }
    if let Some(weight) = wishes.weight.as_ref().and_then(|w| survey.column(w))
        && !matches!(weight.sort, Sort::Number | Sort::Bool)
    {
        return Err(Error::data(format!("found {}, expected numbers as weights", weight.data_type))
            .in_column(&weight.name)
            .remedy("name another column in --weight"));
    }
    let target = understand_target(survey, wishes)?;
    let mut columns = Vec::new();
    for column in &survey.columns {
        if column.name == wishes.target || Some(&column.name) == wishes.weight.as_ref() {
            continue;
        }
        let word = wishes.overrides.columns.get(&column.name).copied();
        let (used, why) =
            choose(column, survey.rows, word, wishes.scale, whole).map_err(|e| e.in_column(&column.name))?;
        columns.push(PlannedColumn {
            name: column.name.clone(),
            data_type: column.data_type.to_string(),
            used,
            why,
            missing: column.missing as f64 / survey.rows.max(1) as f64,
            distinct: column.distinct.len() as u64,
            distinct_is_bound: column.distinct.is_bound,
        });
    }
    Ok(Plan { target, weight: wishes.weight.clone(), hash_seed: wishes.hash_seed, columns })
}

fn understand_target(survey: &Survey, wishes: &Wishes) -> Result<Target> {
    let column = survey.column(&wishes.target).ok_or_else(|| no_such_column(&wishes.target, []))?;
    let fault = |message: String| Error::data(message).in_column(&wishes.target);
    let name = wishes.target.clone();
    // The classes as texts, with their counts.
    let classes: Vec<(String, u64)> = match column.sort {
        Sort::Text | Sort::Bool => {
            column.distinct.texts().into_iter().map(|(t, n)| (t.to_string(), n)).collect()
        }
        Sort::Number if column.distinct.len() <= 2 => {
            let mut values: Vec<(f64, u64)> = Vec::new();
            for &x in column.numbers.values() {
                match values.iter_mut().find(|(v, _)| *v == x) {
                    Some((_, n)) => *n += 1,
                    None => values.push((x, 1)),
                }
            }
            values.into_iter().map(|(x, n)| (x.to_string(), n)).collect()
        }
        Sort::Number => Vec::new(),
        Sort::Time | Sort::List | Sort::Floats | Sort::Other => {
            return Err(fault(format!("a target of type {} can't be learned", column.data_type))
                .remedy("name a column of numbers, or of two classes"));
        }
    };
    if column.missing == survey.rows {
        return Err(fault("the target is missing in the whole sample".to_string()));
    }
    let is_number = column.sort == Sort::Number;
    let is_sign = |x: &str| matches!(x, "0" | "1" | "-1");
    let two_classes = classes.len() == 2 && !column.distinct.is_bound;
    let binary = match wishes.loss {
        Some(Loss::Logistic) => true,
        Some(Loss::Squared) => false,
        None => !is_number || two_classes && classes.iter().all(|(x, _)| is_sign(x)),
    };
    if binary {
        if column.distinct.len() == 1 {
            let only = classes.first().map_or("", |(x, _)| x);
            return Err(fault(format!("every row of the sample has the target {only:?}"))
                .remedy("a classifier needs two classes: name another column in --target"));
        }
        if !two_classes {
            let found = if column.distinct.is_bound { "more than ".to_string() } else { String::new() };
            return Err(fault(format!(
                "the target has {found}{} distinct values, expected two classes",
                column.distinct.len()
            ))
            .remedy("name a column with two classes, or a number with --loss squared"));
        }
        let mut classes = classes;
        classes.sort_by(|a, b| match (a.0.parse::<f64>(), b.0.parse::<f64>()) {
            (Ok(x), Ok(y)) => x.total_cmp(&y),
            _ => a.0.cmp(&b.0),
        });
        // As elsewhere in this field, the class that sorts last is the positive one.
        if let Some(positive) = &wishes.positive {
            match classes.iter().position(|(c, _)| c == positive) {
                Some(0) => classes.swap(0, 1),
                Some(_) => {}
                None => {
                    let known = format!("the classes are {:?} and {:?}", classes[0].0, classes[1].0);
                    return Err(Error::usage(format!("no row has the class {positive:?}")).remedy(known));
                }
            }
        }
        let share = classes[1].1 as f64 / (classes[0].1 + classes[1].1) as f64;
        let [(negative, _), (positive, _)] =
            <[(String, u64); 2]>::try_from(classes).map_err(|_| fault("expected two classes".to_string()))?;
        return Ok(Target::Binary { column: name, positive, negative, share });
    }
    if wishes.positive.is_some() {
        return Err(Error::usage("--positive suits a target of two classes, not a number"));
    }
    if !is_number {
        return Err(fault(format!("found {}, expected numbers for --loss squared", column.data_type)));
    }
    let (mean, deviation) = moments(column.numbers.values().iter().copied());
    if column.distinct.len() == 1 {
        return Err(fault(format!("every row of the sample has the target {mean}"))
            .remedy("there is nothing to learn: name another column in --target"));
    }
    let (offset, scale) = if wishes.scale && deviation > 0.0 { (mean, deviation) } else { (0.0, 1.0) };
    Ok(Target::Number { column: name, offset, scale })
}

/// How a column is used, and why.
fn choose(
    column: &ColumnSurvey,
    rows: u64,
    word: Option<ColumnUse>,
    scale: bool,
    whole: bool,
) -> Result<(Use, String)> {
    let because = |used: Use, why: &str| Ok((used, why.to_string()));
    if word == Some(ColumnUse::Ignore) {
        return because(Use::Ignore, "as asked");
    }
    let wants_number =
        matches!(word, Some(ColumnUse::Numeric | ColumnUse::Standard | ColumnUse::Log | ColumnUse::Raw));
    if wants_number && column.sort != Sort::Number || word.is_some() && column.sort == Sort::Other {
        return Err(Error::usage(format!("a column of type {} can't be used so", column.data_type))
            .remedy("use --categorical or --ignore for it"));
    }
    if column.sort == Sort::Other {
        return Ok((Use::Ignore, format!("a feature can't be made of {}", column.data_type)));
    }
    if column.missing == rows && rows > 0 {
        return because(Use::Ignore, "missing in the whole sample");
    }
    if column.distinct.len() == 1 && column.missing == 0 && word.is_none() && column.sort != Sort::List {
        return because(Use::Ignore, "the same value in the whole sample");
    }
    match column.sort {
        Sort::Number => Ok(choose_scale(column, word, scale)),
        Sort::Text | Sort::Bool => {
            let present = rows - column.missing;
            let distinct = column.distinct.len() as u64;
            if word.is_none() && present > 100 && 10 * distinct >= 9 * present {
                if column.text_bytes > PROSE_BYTES * present {
                    return because(Use::Ignore, "prose: long texts, hardly one twice");
                }
                if whole && distinct == present {
                    return because(Use::Ignore, "an identifier: no value occurs twice");
                }
            }
            let (known, bits) = vocabulary(column, whole);
            let why = match (word, column.sort, known.len() == column.distinct.len()) {
                (Some(_), _, _) => "as asked".to_string(),
                (None, Sort::Bool, _) => "true or false".to_string(),
                (None, _, true) => "text with few distinct values, each with its own weight".to_string(),
                (None, _, false) => "text with many distinct values, rare ones hashed".to_string(),
            };
            Ok((Use::Category { known, bits }, why))
        }
        Sort::List => {
            let (known, bits) = vocabulary(column, whole);
            because(Use::List { known, bits }, "a list: a weight for each element")
        }
        Sort::Floats => match column.lengths {
            Some((length, longest)) if length == longest && column.places.len() == length => {
                let scales = column.places.iter().map(|place| {
                    let natural = if scale { Scale::standard(place.values()) } else { None };
                    natural.unwrap_or(Scale::None { fill: moments(place.values().iter().copied()).0 })
                });
                Ok((Use::Embedding { scales: scales.collect() }, format!("lists of {length} numbers each")))
            }
            _ => because(Use::Ignore, "lists of floats of different lengths"),
        },
        Sort::Time => {
            let seconds = column.numbers.values();
            let days: Vec<f64> = seconds.iter().map(|t| t / 86_400.0).collect();
            let span = days.iter().copied().fold(f64::NEG_INFINITY, f64::max)
                - days.iter().copied().fold(f64::INFINITY, f64::min);
            let mut parts = Vec::new();
            if let Some(natural) = Scale::standard(&days) {
                let fill = moments(days.iter().copied()).0;
                parts.push(TimePart::Trend { scale: if scale { natural } else { Scale::None { fill } } });
            }
            // A part that the sample does not run through at least once can't be learned.
            if span > 300.0 {
                parts.push(TimePart::Month);
            }
            if span > 6.0 {
                parts.push(TimePart::Weekday);
            }
            if column.has_hours && span > 0.5 {
                parts.push(TimePart::Hour);
            }
            because(Use::Time { parts }, "a point in time: its parts")
        }
        Sort::Other => because(Use::Ignore, "unusable"),
    }
}

fn choose_scale(column: &ColumnSurvey, word: Option<ColumnUse>, scale: bool) -> (Use, String) {
    let mut sorted = column.numbers.values().to_vec();
    sorted.sort_by(f64::total_cmp);
    let raw = || Scale::None { fill: moments(sorted.iter().copied()).0 };
    let binary = column.distinct.len() <= 2 && sorted.iter().all(|&x| x == 0.0 || x == 1.0);
    let (scale, why) = match word {
        Some(ColumnUse::Raw) => (Some(raw()), "as asked"),
        Some(ColumnUse::Log) => (Scale::signed_log(&sorted), "as asked"),
        Some(ColumnUse::Standard) => (Scale::standard(&sorted), "as asked"),
        _ if !scale => (Some(raw()), "--scale none"),
        _ if binary => (Some(raw()), "0 or 1"),
        _ if is_heavy_tailed(&sorted) => (Scale::signed_log(&sorted), "heavy tails"),
        _ => (Scale::standard(&sorted), "a number"),
    };
    let scale = scale.unwrap_or_else(raw);
    let why = format!("{why}: {}", scale.describe());
    (Use::Number { scale, flag_missing: column.missing > 0 }, why)
}

/// The categories known by name, and log2 of the slots that the others share at the start.
fn vocabulary(column: &ColumnSurvey, whole: bool) -> (Vec<String>, u32) {
    let texts = column.distinct.texts();
    let all = column.distinct.len() <= ALL_KNOWN && !column.distinct.is_bound;
    let most = if all { ALL_KNOWN } else { SOME_KNOWN };
    // Beyond what is known in full, a value seen once in the sample is not a frequent one.
    let known: Vec<String> =
        texts.iter().filter(|(_, n)| all || *n > 1).take(most).map(|(t, _)| (*t).to_string()).collect();
    let bits = match (all, whole) {
        (true, true) => 0,
        (true, false) => 6,
        (false, _) => (2 * column.distinct.len()).next_power_of_two().ilog2().clamp(12, 20),
    };
    (known, bits)
}
