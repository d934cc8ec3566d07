//! Deciding: from a survey and the user's wishes to a plan.

use std::collections::{HashMap, HashSet};

use super::choose::{CONSTANT, SAME_AS, choose, cross};
use super::overrides::Overrides;
use super::plan::{Plan, PlannedColumn, Use};
use super::profile::Profile;
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

/// Finds out whether the columns that are named in `wishes` are all among `names`: that can be told before a sample is read.
///
/// # Errors
/// If one is not.
pub(crate) fn check_names<'a>(names: impl Iterator<Item = &'a str> + Clone, wishes: &Wishes) -> Result<()> {
    let known: HashSet<&str> = names.clone().collect();
    let amounts = wishes.amounts().map(|(name, _, _)| name);
    let mut named = wishes.overrides.columns.keys().chain([&wishes.target]).chain(amounts);
    match named.find(|name| !known.contains(name.as_str())) {
        Some(name) => Err(no_such_column(name, names)),
        None => Ok(()),
    }
}

/// Makes a plan, and says which loss suits it.
///
/// # Errors
/// If a named column is not there, or the target can't be understood.
pub fn decide(profile: &Profile, wishes: &Wishes) -> Result<Decided> {
    check_names(profile.columns.iter().map(|c| c.name.as_str()), wishes)?;
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
    let mut columns: Vec<PlannedColumn> = Vec::new();
    let mut by_digest: HashMap<u64, Vec<usize>> = HashMap::new();
    for column in &profile.columns {
        if wishes.is_label(&column.name) {
            continue;
        }
        let (mut used, mut why) = choose(column, profile, wishes).map_err(|e| e.in_column(&column.name))?;
        let has_word = wishes.overrides.columns.contains_key(&column.name);
        let alike = column.digest.map(|digest| by_digest.entry(digest).or_default());
        // The column before this one that is used in the same way and has the same values.
        let same = alike.as_deref().into_iter().flatten().find(|other| columns[**other].used == used);
        if let Some(&other) = same.filter(|_| used != Use::Ignore)
            && !has_word
            && !wishes.overrides.keep_duplicates
        {
            (used, why) = (Use::Ignore, format!("{SAME_AS} `{}`", columns[other].name));
        }
        if let Some(alike) = alike {
            alike.push(columns.len());
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
    let (weight, offset) = (wishes.weight.clone(), wishes.offset.clone());
    let plan = Plan { target, weight, offset, hash_seed: wishes.hash_seed, columns };
    let mut notes = notes;
    notes.extend(dropped(&plan));
    Ok(Decided { plan, loss, notes })
}

/// Columns that a line names.
const MOST_TOLD: usize = 8;

/// A line on the columns that are left out because they say nothing, or nothing new; `None` if there are none.
fn dropped(plan: &Plan) -> Option<String> {
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
