//! Deciding: from a survey and the user's wishes to a plan.

use super::distinct::ALL_KNOWN;
use super::overrides::{ColumnUse, Overrides};
use super::plan::{Plan, PlannedColumn, TimePart, Use};
use super::profile::{ColumnProfile, Findings, Numbers, Profile};
use super::target::{LossChoice, Offset, OffsetKind, Understood, understand_target};
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
    pub loss: Option<LossChoice>,
    /// The positive class, if one was named.
    pub positive: Option<String>,
    /// The column of importance weights.
    pub weight: Option<String>,
    /// What is added to the margins.
    pub offset: Option<Offset>,
    /// Whether numbers (and a numeric target) may be scaled.
    pub scale: bool,
    /// The word on single columns.
    pub overrides: Overrides,
    /// Seed of the hashes.
    pub hash_seed: u64,
}

impl Wishes {
    /// The columns of weights and offsets, which are no features; of each the word and the option for it.
    fn amounts(&self) -> impl Iterator<Item = (&String, &'static str, &'static str)> {
        let weight = self.weight.iter().map(|weight| (weight, "weights", "--weight"));
        let offset = self.offset.iter().map(|offset| match offset.kind {
            OffsetKind::Margin => (&offset.column, "offsets", "--offset"),
            OffsetKind::Exposure => (&offset.column, "exposures", "--exposure"),
        });
        weight.chain(offset)
    }

    /// Whether a column is no feature, because it is the target or stands beside it.
    pub(super) fn is_label(&self, column: &str) -> bool {
        column == self.target || self.amounts().any(|(name, _, _)| name == column)
    }
}

/// What was decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// What becomes of each column.
    pub plan: Plan,
    /// The loss to minimise, in the target's own unit.
    pub loss: Loss,
    /// What the user should know of the target.
    pub notes: Vec<String>,
}

/// Texts that are longer than this on average, and mostly distinct, are prose.
const PROSE_BYTES: u64 = 40;

/// Makes a plan, and says which loss suits it.
///
/// # Errors
/// If a named column is not there, or the target can't be understood.
pub fn decide(profile: &Profile, wishes: &Wishes) -> Result<Decided> {
    let names: Vec<&str> = profile.columns.iter().map(|c| c.name.as_str()).collect();
    let amounts = wishes.amounts().map(|(name, _, _)| name);
    let named = wishes.overrides.columns.keys().chain([&wishes.target]).chain(amounts);
    for name in named {
        if !names.contains(&name.as_str()) {
            return Err(no_such_column(name, names));
        }
    }
    for (name, what, option) in wishes.amounts() {
        if let Some(column) = profile.column(name)
            && !matches!(column.sort, Sort::Number | Sort::Bool)
        {
            return Err(Error::data(format!("found {}, expected numbers as {what}", column.data_type))
                .in_column(name)
                .remedy(format!("name another column in {option}")));
        }
    }
    let Understood { target, loss, notes } = understand_target(profile, wishes)?;
    let mut columns = Vec::new();
    for column in &profile.columns {
        if wishes.is_label(&column.name) {
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
    let (weight, offset) = (wishes.weight.clone(), wishes.offset.clone());
    let plan = Plan { target, weight, offset, hash_seed: wishes.hash_seed, columns };
    Ok(Decided { plan, loss, notes })
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
