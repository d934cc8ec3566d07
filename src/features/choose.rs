//! Choosing: how each column is used, and why.

use super::bins::edges;
use super::cross::{self, Cross, Parent};
use super::decide::Wishes;
use super::distinct::ALL_KNOWN;
use super::overrides::{Clip, ColumnUse};
use super::plan::{PlannedColumn, TimePart, Use};
use super::profile::{ColumnProfile, Findings, Numbers, Profile};
use super::scale::{Form, Scale};
use super::text::Words;
use super::values::Sort;
use crate::error::{Error, Result};
use crate::suggest::no_such_column;

/// Why a column is left out that says nothing, or nothing new.
pub(super) const CONSTANT: &str = "the same value in the whole sample";
pub(super) const SAME_AS: &str = "the same as column";

/// Texts that are longer than this on average, and mostly distinct, are prose.
const PROSE_BYTES: u64 = 40;

/// How a column is used, and why.
pub(super) fn choose(column: &ColumnProfile, profile: &Profile, wishes: &Wishes) -> Result<(Use, String)> {
    let (used, why) = choose_freely(column, profile, wishes)?;
    Ok((if wishes.overrides.clip == Clip::None { unlimited(used) } else { used }, why))
}

/// The same use with numbers that may be of any size.
fn unlimited(used: Use) -> Use {
    let free = |scale: Scale| Scale { limits: None, ..scale };
    match used {
        Use::Number { scale, flag_missing } => Use::Number { scale: free(scale), flag_missing },
        Use::Embedding { scales } => Use::Embedding { scales: scales.into_iter().map(free).collect() },
        Use::Time { parts } => {
            let part = |part| match part {
                TimePart::Trend { scale } => TimePart::Trend { scale: free(scale) },
                other => other,
            };
            Use::Time { parts: parts.into_iter().map(part).collect() }
        }
        other => other,
    }
}

fn choose_freely(column: &ColumnProfile, profile: &Profile, wishes: &Wishes) -> Result<(Use, String)> {
    let word = wishes.overrides.columns.get(&column.name).copied();
    let scale = wishes.scale;
    let rows = profile.rows;
    let because = |used: Use, why: &str| Ok((used, why.to_string()));
    if word == Some(ColumnUse::Ignore) {
        return because(Use::Ignore, "as asked");
    }
    let wants_number = matches!(
        word,
        Some(ColumnUse::Numeric | ColumnUse::Standard | ColumnUse::Log | ColumnUse::Raw | ColumnUse::Bins)
    );
    if word == Some(ColumnUse::Text) && column.sort != Sort::Text {
        return Err(Error::usage(format!("found {}, expected text, for its words", column.data_type))
            .remedy("name other columns in --text"));
    }
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
        return because(Use::Ignore, CONSTANT);
    }
    let bits = shared_bits(column, profile.whole);
    match &column.found {
        Findings::Numbers(numbers) if word == Some(ColumnUse::Bins) => {
            let edges = edges(&numbers.quantiles, &numbers.levels, wishes.overrides.bins());
            let why = format!("as asked: {} ranges, each with its own weight", edges.len() + 1);
            Ok((Use::Bins { edges }, why))
        }
        Findings::Numbers(numbers) => Ok(choose_scale(numbers, column.missing > 0, word, scale)),
        Findings::Texts { words: Some(words), .. } if word == Some(ColumnUse::Text) => {
            Ok(choose_words(words))
        }
        Findings::Texts { bytes, known, .. } => {
            let present = rows - column.missing;
            let distinct = column.distinct;
            if word.is_none() && present > 100 && 10 * distinct >= 9 * present {
                if *bytes > PROSE_BYTES * present {
                    return because(
                        Use::Ignore,
                        "prose: long texts, hardly one twice; --text uses its words",
                    );
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
        Findings::Lists { known, length } => {
            let length = length.ceil().max(1.0) as usize;
            because(Use::List { known: known.clone(), bits, length }, "a list: a weight for each element")
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
                let scales =
                    places.iter().map(|place| if scale { place.standard } else { place.moments.raw() });
                Ok((Use::Embedding { scales: scales.collect() }, format!("lists of {length} numbers each")))
            }
            _ => because(Use::Ignore, "lists of floats of different lengths"),
        },
        Findings::Times { days, span, has_hours } => {
            let mut parts = Vec::new();
            // At one point in time there is no trend.
            if !matches!(days.standard.form, Form::None { .. }) {
                let raw = days.moments.raw();
                parts.push(TimePart::Trend { scale: if scale { days.standard } else { raw } });
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
        Some(ColumnUse::Raw) => (raw, "as asked"),
        Some(ColumnUse::Log) => (numbers.signed_log.unwrap_or(raw), "as asked"),
        Some(ColumnUse::Standard) => (numbers.standard, "as asked"),
        _ if !scale => (raw, "--scale none"),
        _ if numbers.is_flag => (Scale::flag(numbers.moments.mean), "0 or 1"),
        _ if numbers.is_heavy_tailed => (numbers.signed_log.unwrap_or(raw), "heavy tails"),
        _ => (numbers.standard, "a number"),
    };
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

fn choose_words(words: &Words) -> (Use, String) {
    let bits = (2 * words.distinct).next_power_of_two().ilog2().clamp(12, 20);
    let grams = match words.ngrams {
        1 => "its words".to_string(),
        n => format!("its words and runs of up to {n}"),
    };
    let why = format!("as asked: {grams}, {} known by name, the others hashed", words.known.len());
    let Words { ngrams, length, ref known, ref style, .. } = *words;
    (Use::Text { known: known.clone(), bits, ngrams, length, style: style.clone() }, why)
}

/// The column that a cross makes; `columns` are those planned before.
pub(super) fn cross(
    wish: &Cross,
    profile: &Profile,
    wishes: &Wishes,
    columns: &[PlannedColumn],
) -> Result<PlannedColumn> {
    let name = wish.name();
    if columns.iter().any(|column| column.name == name) {
        return Err(Error::usage(format!("`{name}` is there already")).remedy("ask for it once"));
    }
    let parent = |name: &String| parent(name, profile, wishes, columns);
    let parents: Vec<Parent> = wish.parents.iter().map(parent).collect::<Result<_>>()?;
    let bits = cross::shared_bits(&parents);
    let why = match cross::named(&parents) {
        0 => "as asked: combinations, hashed".to_string(),
        named => format!("as asked: {named} combinations, each with its own weight"),
    };
    Ok(PlannedColumn {
        name,
        data_type: String::new(),
        used: Use::Cross { parents, bits },
        why,
        missing: 0.0,
        distinct: 0,
        distinct_is_bound: false,
    })
}

/// How the column that a cross names takes part in it.
fn parent(name: &str, profile: &Profile, wishes: &Wishes, columns: &[PlannedColumn]) -> Result<Parent> {
    let of = |column: &str, used: Use| Parent { column: column.to_string(), used };
    let whole_name = profile.column(name);
    let with_part = name.rsplit_once('.').and_then(|(column, part)| Some((profile.column(column)?, part)));
    let (column, part) = match (whole_name, with_part) {
        (Some(column), _) => (column, None),
        (None, Some((column, part))) => (column, Some(part)),
        (None, None) => return Err(no_such_column(name, profile.columns.iter().map(|c| c.name.as_str()))),
    };
    if wishes.is_label(&column.name) {
        return Err(Error::usage(format!(
            "column `{}` is the target or stands beside it and can't be crossed",
            column.name
        )));
    }
    let fault =
        |message: String, remedy: &str| Err(Error::usage(message).in_column(&column.name).remedy(remedy));
    if let Some(part) = part {
        let parts = [TimePart::Month, TimePart::Weekday, TimePart::Hour];
        let named = parts.iter().find(|known| known.name() == part && column.sort == Sort::Time);
        return match named {
            Some(part) => Ok(of(&column.name, Use::Time { parts: vec![part.clone()] })),
            None => fault(
                format!("there is no `{part}` in it"),
                "cross month, weekday or hour of a point in time",
            ),
        };
    }
    // A column that is a category or has bins takes part as such.
    let planned = columns.iter().find(|planned| planned.name == column.name);
    if let Some(PlannedColumn { used: used @ (Use::Category { .. } | Use::Bins { .. }), .. }) = planned {
        return Ok(of(&column.name, used.clone()));
    }
    let is_text = wishes.overrides.columns.get(&column.name) == Some(&ColumnUse::Text);
    match &column.found {
        Findings::Numbers(numbers) => {
            let edges = edges(&numbers.quantiles, &numbers.levels, wishes.overrides.bins());
            Ok(of(&column.name, Use::Bins { edges }))
        }
        Findings::Texts { known, .. } if !is_text => {
            let bits = shared_bits(column, profile.whole);
            Ok(of(&column.name, Use::Category { known: known.clone(), bits }))
        }
        Findings::Times { .. } => {
            let hint = format!("name one of its parts, such as {}.hour", column.name);
            fault("a point in time can't be crossed as a whole".to_string(), &hint)
        }
        _ => fault(
            format!("found {}, which can't be crossed", column.data_type),
            "cross categories, numbers and parts of points in time",
        ),
    }
}
