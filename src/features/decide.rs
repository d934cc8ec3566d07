//! Deciding: from a survey and the user's wishes to a plan.

use super::distinct::ALL_KNOWN;
use super::overrides::{ColumnUse, Overrides};
use super::plan::{Plan, PlannedColumn, TimePart, Use};
use super::profile::{ColumnProfile, Findings, Numbers, Profile};
use super::target::Target;
use super::values::Sort;
use crate::error::{Error, Result};
use crate::learn::{Loss, Task};
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

/// Texts that are longer than this on average, and mostly distinct, are prose.
const PROSE_BYTES: u64 = 40;

/// Makes a plan.
///
/// # Errors
/// If a named column is not there, or the target can't be understood.
pub fn decide(profile: &Profile, wishes: &Wishes) -> Result<Plan> {
    let names: Vec<&str> = profile.columns.iter().map(|c| c.name.as_str()).collect();
    let named = wishes.overrides.columns.keys().chain([&wishes.target]).chain(&wishes.weight);
    for name in named {
        if !names.contains(&name.as_str()) {
            return Err(no_such_column(name, names));
        }
    }
    if let Some(weight) = wishes.weight.as_ref().and_then(|w| profile.column(w))
        && !matches!(weight.sort, Sort::Number | Sort::Bool)
    {
        return Err(Error::data(format!("found {}, expected numbers as weights", weight.data_type))
            .in_column(&weight.name)
            .remedy("name another column in --weight"));
    }
    let target = understand_target(profile, wishes)?;
    let mut columns = Vec::new();
    for column in &profile.columns {
        if column.name == wishes.target || Some(&column.name) == wishes.weight.as_ref() {
            continue;
        }
        let word = wishes.overrides.columns.get(&column.name).copied();
        let (used, why) =
            choose(column, profile, word, wishes.scale).map_err(|e| e.in_column(&column.name))?;
        // Nobody needs to have looked at what is left out.
        let looked_at = word != Some(ColumnUse::Ignore);
        let missing = if looked_at { column.missing } else { 0 };
        columns.push(PlannedColumn {
            name: column.name.clone(),
            data_type: column.data_type.clone(),
            used,
            why,
            missing: missing as f64 / profile.rows.max(1) as f64,
            distinct: if looked_at { column.distinct } else { 0 },
            distinct_is_bound: looked_at && column.distinct_is_bound,
        });
    }
    Ok(Plan { target, weight: wishes.weight.clone(), hash_seed: wishes.hash_seed, columns })
}

fn understand_target(profile: &Profile, wishes: &Wishes) -> Result<Target> {
    let column = profile.column(&wishes.target).ok_or_else(|| no_such_column(&wishes.target, []))?;
    let fault = |message: String| Error::data(message).in_column(&wishes.target);
    let name = wishes.target.clone();
    let classes = &column.classes;
    if !column.sort.suits_a_target() {
        return Err(fault(format!("a target of type {} can't be learned", column.data_type))
            .remedy("name a column of numbers, or of two classes"));
    }
    if column.missing == profile.rows {
        return Err(fault("the target is missing in the whole sample".to_string()));
    }
    let is_number = column.sort == Sort::Number;
    let is_sign = |x: &str| matches!(x, "0" | "1" | "-1");
    let two_classes = classes.len() == 2 && !column.distinct_is_bound;
    let binary = match wishes.loss {
        Some(loss) => matches!(loss.task(), Task::Binary),
        None => !is_number || two_classes && classes.iter().all(|(x, _)| is_sign(x)),
    };
    if binary {
        if column.distinct == 1 {
            let only = classes.first().map_or("", |(x, _)| x);
            return Err(fault(format!("every row of the sample has the target {only:?}"))
                .remedy("a classifier needs two classes: name another column in --target"));
        }
        if !two_classes {
            let found = if column.distinct_is_bound { "more than ".to_string() } else { String::new() };
            return Err(fault(format!(
                "the target has {found}{} distinct values, expected two classes",
                column.distinct
            ))
            .remedy("name a column with two classes, or a number with --loss squared"));
        }
        let mut classes = classes.clone();
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
    let Findings::Numbers(Numbers { moments, .. }) = &column.found else {
        return Err(fault(format!("found {}, expected numbers for --loss squared", column.data_type)));
    };
    let (mean, deviation) = (moments.mean, moments.deviation);
    if column.distinct == 1 {
        return Err(fault(format!("every row of the sample has the target {mean}"))
            .remedy("there is nothing to learn: name another column in --target"));
    }
    let (offset, scale) = if wishes.scale && deviation > 0.0 { (mean, deviation) } else { (0.0, 1.0) };
    Ok(Target::Number { column: name, offset, scale })
}

/// How a column is used, and why.
fn choose(
    column: &ColumnProfile,
    profile: &Profile,
    word: Option<ColumnUse>,
    scale: bool,
) -> Result<(Use, String)> {
    let rows = profile.rows;
    let because = |used: Use, why: &str| Ok((used, why.to_string()));
    if word == Some(ColumnUse::Ignore) {
        return because(Use::Ignore, "as asked");
    }
    let wants_number =
        matches!(word, Some(ColumnUse::Numeric | ColumnUse::Standard | ColumnUse::Log | ColumnUse::Raw));
    if column.sort == Sort::Map && !matches!(word, None | Some(ColumnUse::Raw)) {
        let message =
            format!("found {}, keys with numbers, which are no number and no category", column.data_type);
        return Err(Error::usage(message)
            .remedy("let each key have its own weight by giving the column no use, or --ignore it"));
    }
    if wants_number && !matches!(column.sort, Sort::Number | Sort::Map)
        || word.is_some() && column.sort == Sort::Other
    {
        return Err(Error::usage(format!("a column of type {} can't be used so", column.data_type))
            .remedy("use --categorical or --ignore for it"));
    }
    if column.sort == Sort::Other {
        return Ok((Use::Ignore, format!("a feature can't be made of {}", column.data_type)));
    }
    if column.missing == rows && rows > 0 {
        return because(Use::Ignore, "missing in the whole sample");
    }
    if column.distinct == 1
        && column.missing == 0
        && word.is_none()
        && !matches!(column.sort, Sort::List | Sort::Map)
    {
        return because(Use::Ignore, "the same value in the whole sample");
    }
    let bits = shared_bits(column, profile.whole);
    match &column.found {
        Findings::Numbers(numbers) => Ok(choose_scale(numbers, column.missing > 0, word, scale)),
        Findings::Texts { bytes, known } => {
            let present = rows - column.missing;
            let distinct = column.distinct;
            if word.is_none() && present > 100 && 10 * distinct >= 9 * present {
                if *bytes > PROSE_BYTES * present {
                    return because(Use::Ignore, "prose: long texts, hardly one twice");
                }
                if profile.whole && distinct == present {
                    return because(Use::Ignore, "an identifier: no value occurs twice");
                }
            }
            let why = match (word, column.sort, known.len() as u64 == distinct) {
                (Some(_), _, _) => "as asked".to_string(),
                (None, Sort::Bool, _) => "true or false".to_string(),
                (None, _, true) => "text with few distinct values, each with its own weight".to_string(),
                (None, _, false) => "text with many distinct values, rare ones hashed".to_string(),
            };
            Ok((Use::Category { known: known.clone(), bits }, why))
        }
        Findings::Lists { known } => {
            because(Use::List { known: known.clone(), bits }, "a list: a weight for each element")
        }
        Findings::Maps { known, units, unit, length } => {
            let (units, unit, how) = match word {
                Some(ColumnUse::Raw) => (vec![1.0; known.len()], 1.0, ", values as they are, as asked"),
                _ if !scale => (vec![1.0; known.len()], 1.0, ", values as they are (--scale none)"),
                _ if *unit == 1.0 && units.iter().all(|&unit| unit == 1.0) => (units.clone(), 1.0, ""),
                _ => (units.clone(), *unit, ", each divided by the root mean square of its values"),
            };
            let why = if known.len() as u64 == column.distinct && !column.distinct_is_bound {
                format!("sparse features: a weight for each of {} keys{how}", known.len())
            } else {
                format!("sparse features: a weight for each of {} keys, the others hashed{how}", known.len())
            };
            let length = length.ceil().max(1.0) as usize;
            Ok((Use::Map { known: known.clone(), units, unit, bits, length }, why))
        }
        Findings::Floats { lengths, places } => match *lengths {
            Some((length, longest)) if length == longest && places.len() == length => {
                let scales = places.iter().map(|place| {
                    let natural = if scale { place.standard() } else { None };
                    natural.unwrap_or(place.raw())
                });
                Ok((Use::Embedding { scales: scales.collect() }, format!("lists of {length} numbers each")))
            }
            _ => because(Use::Ignore, "lists of floats of different lengths"),
        },
        Findings::Times { days, span, has_hours } => {
            let mut parts = Vec::new();
            if let Some(natural) = days.standard() {
                parts.push(TimePart::Trend { scale: if scale { natural } else { days.raw() } });
            }
            // A part that the sample does not run through at least once can't be learned.
            if *span > 300.0 {
                parts.push(TimePart::Month);
            }
            if *span > 6.0 {
                parts.push(TimePart::Weekday);
            }
            if *has_hours && *span > 0.5 {
                parts.push(TimePart::Hour);
            }
            because(Use::Time { parts }, "a point in time: its parts")
        }
        Findings::Nothing => because(Use::Ignore, "unusable"),
    }
}

fn choose_scale(
    numbers: &Numbers,
    flag_missing: bool,
    word: Option<ColumnUse>,
    scale: bool,
) -> (Use, String) {
    let raw = numbers.moments.raw();
    let (scale, why) = match word {
        Some(ColumnUse::Raw) => (Some(raw), "as asked"),
        Some(ColumnUse::Log) => (numbers.signed_log, "as asked"),
        Some(ColumnUse::Standard) => (numbers.moments.standard(), "as asked"),
        _ if !scale => (Some(raw), "--scale none"),
        _ if numbers.is_flag => (Some(raw), "0 or 1"),
        _ if numbers.is_heavy_tailed => (numbers.signed_log, "heavy tails"),
        _ => (numbers.moments.standard(), "a number"),
    };
    let scale = scale.unwrap_or(raw);
    let why = format!("{why}: {}", scale.describe());
    (Use::Number { scale, flag_missing }, why)
}

/// log2 of the slots that the categories not known by name share at the start.
fn shared_bits(column: &ColumnProfile, whole: bool) -> u32 {
    let all = column.distinct <= ALL_KNOWN as u64 && !column.distinct_is_bound;
    match (all, whole) {
        (true, true) => 0,
        (true, false) => 6,
        (false, _) => (2 * column.distinct).next_power_of_two().ilog2().clamp(12, 20),
    }
}
