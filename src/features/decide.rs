//! Deciding: from a survey and the user's wishes to a plan.

use super::choose::{CONSTANT, SAME_AS, choose, cross};
use super::overrides::Overrides;
use super::plan::{Plan, PlannedColumn, Use};
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
        let (mut used, mut why) = choose(column, profile, wishes).map_err(|e| e.in_column(&column.name))?;
        let has_word = wishes.overrides.columns.contains_key(&column.name);
        if let Some(other) = same_as(column, &used, profile, &columns)
            && !has_word
            && !wishes.overrides.keep_duplicates
        {
            (used, why) = (Use::Ignore, format!("{SAME_AS} `{other}`"));
        }
        // Nobody needs to have looked at what is left out.
        let looked_at = !wishes.overrides.ignores(&column.name);
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
    for wish in &wishes.overrides.crosses {
        columns.push(cross(wish, profile, wishes, &columns)?);
    }
    Ok(Plan { target, weight: wishes.weight.clone(), hash_seed: wishes.hash_seed, columns })
}

/// Columns that a line names.
const MOST_TOLD: usize = 8;

/// A line on the columns that are left out because they say nothing, or nothing new; `None` if there are none.
pub fn dropped(plan: &Plan) -> Option<String> {
    let is_dropped =
        |c: &&PlannedColumn| c.used == Use::Ignore && (c.why == CONSTANT || c.why.starts_with(SAME_AS));
    let dropped: Vec<&PlannedColumn> = plan.columns.iter().filter(is_dropped).collect();
    let named = dropped.iter().take(MOST_TOLD).map(|c| format!("`{}` ({})", c.name, c.why));
    let named = named.collect::<Vec<_>>().join(", ");
    match dropped.len() {
        0 => None,
        n if n > MOST_TOLD => Some(format!("left out: {named} and {} more columns", n - MOST_TOLD)),
        _ => Some(format!("left out: {named}")),
    }
}

/// The column before this one that is used in the same way and has the same values.
fn same_as<'a>(
    column: &ColumnProfile,
    used: &Use,
    profile: &Profile,
    before: &'a [PlannedColumn],
) -> Option<&'a str> {
    let digest = column.digest.filter(|_| *used != Use::Ignore)?;
    let same = |other: &&PlannedColumn| {
        other.used == *used && profile.column(&other.name).is_some_and(|o| o.digest == Some(digest))
    };
    before.iter().find(same).map(|other| other.name.as_str())
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
