//! Leaks: columns that tell the target by themselves, because they were filled in when it was known.
//!
//! The first rows that are learned from are kept, and after the pass each column is looked at alone, as it
//! was encoded. Their order and number are fixed by data, configuration and seed, and so is what is said.

use std::collections::{HashMap, HashSet};
use std::hash::Hasher;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3Default;

use super::checkpoint::Pen;
use super::notes::Notes;
use super::pass::Sink;
use super::watch::Watch;
use crate::error::Result;
use crate::features::{Plan, Target, Use};
use crate::learn::{Chunk, ListColumn};

/// Rows that are kept, if so many fit into the bytes.
const ROWS: usize = 8192;
const BYTES: usize = 8 << 20;
/// With fewer rows, or rows of the rarer class, chance may do it.
const FEWEST_ROWS: usize = 50;
const FEWEST_OF_CLASS: usize = 5;
/// Notes at the most.
const MOST_NOTES: usize = 3;
/// Rows that a value must have for each of them to be told from the others.
const FEWEST_ALIKE: usize = 3;
/// Rows by which most columns are seen to tell too little.
const FIRST_LOOK: usize = 512;
/// From here on a prediction is almost perfect: area under the curve or accuracy, and share of the variance.
const AREA: f64 = 0.999;
const VARIANCE: f64 = 0.9999;

/// The first rows of a run.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Kept {
    rows: Arc<Chunk>,
    most: usize,
}

impl Kept {
    /// Room for rows of the first epoch, where the models learn for the first time.
    pub(crate) fn new(plan: &Plan, is_first: bool) -> Self {
        let shape = plan.shape();
        let most = if is_first { ROWS.min(BYTES / shape.row_bytes()) } else { 0 };
        Kept { rows: Arc::new(Chunk::new(shape, most)), most }
    }

    /// Says which columns of a plan tell the target by themselves.
    pub(crate) fn look(self, plan: &Plan, notes: &mut Notes<'_>) {
        leaks(plan, &self.rows).into_iter().take(MOST_NOTES).for_each(|note| notes.say(note));
    }
}

/// Keeps the first rows that pass through it.
pub(crate) struct Keeper<'a> {
    pub(crate) sink: &'a mut dyn Sink,
    pub(crate) kept: &'a mut Kept,
}

impl Sink for Keeper<'_> {
    fn push(&mut self, chunk: &Chunk, watch: &mut dyn Watch) -> Result<()> {
        // By few rows at a time, since lists may be longer than they were taken to be.
        const STRIDE: usize = 256;
        let mut start = 0;
        let Kept { rows, most } = self.kept;
        while start < chunk.rows() && rows.rows() < *most {
            let end = (start + STRIDE).min(chunk.rows()).min(start + *most - rows.rows());
            Arc::make_mut(rows).append(chunk, start, end);
            start = end;
            if rows.bytes() > 2 * BYTES {
                *most = 0;
            }
        }
        self.sink.push(chunk, watch)
    }

    fn end(&mut self, watch: &mut dyn Watch) -> Result<()> {
        self.sink.end(watch)
    }

    fn sums(&self) -> Option<(f64, f64)> {
        self.sink.sums()
    }

    fn model(&self) -> usize {
        self.sink.model()
    }

    fn held_bytes(&self) -> usize {
        self.kept.rows.bytes() + self.sink.held_bytes()
    }

    fn write(&mut self, pen: &mut Pen) -> Result<()> {
        pen.put_later(self.kept.clone());
        self.sink.write(pen)
    }
}

/// A note for each column that tells the target, those of numbers first.
fn leaks(plan: &Plan, rows: &Chunk) -> Vec<String> {
    let Some(judge) = Judge::new(&plan.target, &rows.labels) else { return Vec::new() };
    let columns: HashMap<&str, &Use> = plan.columns.iter().map(|c| (c.name.as_str(), &c.used)).collect();
    let (mut notes, mut known, mut crosses) = (Vec::new(), HashSet::new(), Vec::new());
    for (i, name) in plan.dense_columns().into_iter().enumerate() {
        if !known.contains(name)
            && let Some(figure) = judge.number(rows.dense(i))
        {
            known.insert(name);
            notes.push(note(name, &figure));
        }
    }
    for (t, name) in plan.table_columns().into_iter().enumerate() {
        let values = || match t.checked_sub(rows.shape().slots) {
            None => rows.slots(t).iter().map(|&code| u64::from(code)).collect(),
            Some(l) => list_values(&rows.lists[l], rows.rows()),
        };
        match columns.get(name) {
            // The keys of a map may be all columns of the table.
            _ if known.contains(name) => {}
            None | Some(Use::Map { .. }) => {}
            Some(Use::Cross { parents, .. }) => crosses.push((name, parents, values())),
            Some(_) => {
                if let Some(figure) = judge.category(&values()) {
                    known.insert(name);
                    notes.push(note(name, &figure));
                }
            }
        }
    }
    // Crosses come last: what one of their columns tells they tell, too.
    for (name, parents, values) in crosses {
        if !parents.iter().any(|parent| known.contains(parent.column.as_str()))
            && let Some(figure) = judge.category(&values)
        {
            notes.push(format!(
                "the cross `{name}` alone predicts the target almost perfectly ({figure}): are its columns \
                 known when a prediction is made? Without --cross {name} it is left out"
            ));
        }
    }
    notes
}

fn note(column: &str, figure: &str) -> String {
    let quote = if column.contains(char::is_whitespace) { "\"" } else { "" };
    format!(
        "column `{column}` alone predicts the target almost perfectly ({figure}): is it known when a \
         prediction is made? --ignore {quote}{column}{quote} leaves it out"
    )
}

/// A number for each row's whole list.
fn list_values(list: &ListColumn, rows: usize) -> Vec<u64> {
    let value = |row: usize| {
        let mut hash = Xxh3Default::new();
        list.row(row).iter().for_each(|&code| hash.write_u32(code));
        hash.finish()
    };
    (0..rows).map(value).collect()
}

/// Knows the targets of the rows, and judges columns by them.
struct Judge<'a> {
    labels: &'a [f32],
    task: Task,
}

enum Task {
    Binary,
    Classes,
    /// A number; with the labels' ranks.
    Number(Vec<f64>),
}

impl<'a> Judge<'a> {
    /// `None` if the rows are too few or too much of one kind.
    fn new(target: &Target, labels: &'a [f32]) -> Option<Self> {
        let task = match target {
            Target::Binary { .. } => Task::Binary,
            Target::Classes { .. } => Task::Classes,
            Target::Number { .. } => Task::Number(ranks(labels)),
        };
        let rows = labels.len();
        let of_one_kind = match &task {
            Task::Binary => {
                let positive = labels.iter().filter(|&&label| label == 1.0).count();
                let rarer = positive.min(rows - positive);
                rarer < FEWEST_OF_CLASS || rarer * 1000 <= rows
            }
            Task::Classes | Task::Number(_) => false,
        };
        (rows >= FEWEST_ROWS && !of_one_kind).then_some(Judge { labels, task })
    }

    /// How well numbers tell the target, if that is almost perfectly.
    fn number(&self, x: &[f32]) -> Option<String> {
        match &self.task {
            Task::Binary => {
                let first = FIRST_LOOK.min(x.len());
                let tells = |x: &[f32], labels: &[f32], least: f64| {
                    let area = area(x, labels)?;
                    Some(area.max(1.0 - area)).filter(|&area| area >= least)
                };
                let positive = self.labels[..first].iter().filter(|&&label| label == 1.0).count();
                // Sorting few rows is enough for nearly all columns.
                if positive.min(first - positive) >= 16 {
                    tells(&x[..first], &self.labels[..first], 0.97)?;
                }
                tells(x, self.labels, AREA).map(|area| format!("AUC {area:.3}"))
            }
            // The numbers of classes have no order.
            Task::Classes => self.category(&x.iter().map(|x| u64::from(x.to_bits())).collect::<Vec<_>>()),
            Task::Number(ranked) => {
                let labels = self.labels.iter().map(|&y| f64::from(y));
                let straight = squared_correlation(x.iter().map(|&x| f64::from(x)).zip(labels));
                if straight >= VARIANCE {
                    return Some(format!("R2 {straight:.4}"));
                }
                // Numbers with heavy tails are encoded by their logarithms.
                let by_rank = if straight > 0.1 {
                    squared_correlation(ranks(x).into_iter().zip(ranked.iter().copied()))
                } else {
                    0.0
                };
                (by_rank >= VARIANCE).then(|| format!("rank correlation {:.4}", by_rank.sqrt()))
            }
        }
    }

    /// How well the other rows of the same value tell a row's target, if that is almost perfectly and at least
    /// half of the rows have a value that is not rare.
    fn category(&self, values: &[u64]) -> Option<String> {
        let mut rows: Vec<(u64, f32)> = values.iter().copied().zip(self.labels.iter().copied()).collect();
        rows.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let groups = || rows.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() >= FEWEST_ALIKE);
        let judged: usize = groups().map(<[_]>::len).sum();
        if judged < FEWEST_ROWS.max(values.len() / 2) {
            return None;
        }
        let labels = || groups().flatten().map(|&(_, label)| label);
        if let Task::Number(_) = self.task {
            let mean = labels().map(f64::from).sum::<f64>() / judged as f64;
            let all: f64 = labels().map(|y| (f64::from(y) - mean).powi(2)).sum();
            let missed: f64 = groups().map(missed_by_others).sum();
            let share = 1.0 - missed / all;
            return (all > 0.0 && share >= VARIANCE).then(|| format!("R2 {share:.4}"));
        }
        let right: usize = groups().map(told_by_others).sum();
        let mut sorted: Vec<f32> = labels().collect();
        sorted.sort_unstable_by(f32::total_cmp);
        let majority = sorted.chunk_by(|a, b| a == b).map(<[_]>::len).max().unwrap_or(0);
        let accuracy = right as f64 / judged as f64;
        let is_clear = judged - majority >= FEWEST_OF_CLASS && (judged - right) * 10 <= judged - majority;
        (accuracy >= AREA && is_clear).then(|| format!("accuracy {accuracy:.3}"))
    }
}

/// The sum of squares that remains of a value's rows if each is predicted by the mean of the others.
fn missed_by_others(group: &[(u64, f32)]) -> f64 {
    let sum: f64 = group.iter().map(|&(_, y)| f64::from(y)).sum();
    let others = (group.len() - 1) as f64;
    group.iter().map(|&(_, y)| (f64::from(y) - (sum - f64::from(y)) / others).powi(2)).sum()
}

/// Rows of a value, sorted by class, whose class is that of most of the others.
fn told_by_others(group: &[(u64, f32)]) -> usize {
    let (mut most, mut second) = (0, 0);
    for class in group.chunk_by(|a, b| a.1 == b.1).map(<[_]>::len) {
        second = second.max(class.min(most));
        most = most.max(class);
    }
    // A row of the commonest class leaves one less of it; those of other classes are never told.
    if most > second + 1 { most } else { 0 }
}

/// Ranks from 1, equal numbers sharing the mean of theirs.
fn ranks(x: &[f32]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_unstable_by(|&a, &b| x[a].total_cmp(&x[b]));
    let mut ranks = vec![0.0; x.len()];
    let mut before = 0;
    for equal in order.chunk_by(|&a, &b| x[a] == x[b]) {
        let rank = before as f64 + (equal.len() + 1) as f64 / 2.0;
        equal.iter().for_each(|&row| ranks[row] = rank);
        before += equal.len();
    }
    ranks
}

/// The area under the ROC curve, by the rank sum; `None` if there is one class only.
fn area(x: &[f32], labels: &[f32]) -> Option<f64> {
    let positive = labels.iter().filter(|&&label| label == 1.0).count() as f64;
    let negative = labels.len() as f64 - positive;
    let sum: f64 =
        ranks(x).iter().zip(labels).filter(|(_, label)| **label == 1.0).map(|(rank, _)| rank).sum();
    let pairs = positive * negative;
    (pairs > 0.0).then(|| (sum - positive * (positive + 1.0) / 2.0) / pairs)
}

/// The share of the variance that a straight line explains.
fn squared_correlation(pairs: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let n = pairs.clone().count() as f64;
    let (sum_x, sum_y) = pairs.clone().fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
    let (mean_x, mean_y) = (sum_x / n, sum_y / n);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        let (x, y) = (x - mean_x, y - mean_y);
        xx += x * x;
        yy += y * y;
        xy += x * y;
    }
    if xx > 0.0 && yy > 0.0 { xy * xy / (xx * yy) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_sum_is_the_area_under_the_curve() {
        // By scikit-learn: roc_auc_score([0, 0, 1, 1, 1], [1, 2, 2, 3, 0.5]) = 0.58333...
        let area = area(&[1.0, 2.0, 2.0, 3.0, 0.5], &[0.0, 0.0, 1.0, 1.0, 1.0]).unwrap();
        assert!((area - 7.0 / 12.0).abs() < 1e-12, "{area}");
        assert_eq!(ranks(&[3.0, 1.0, 3.0, -2.0]), [3.5, 2.0, 3.5, 1.0]);
    }

    #[test]
    fn a_row_is_told_by_the_others_alone() {
        let group = |labels: &[f32]| labels.iter().map(|&y| (0, y)).collect::<Vec<_>>();
        assert_eq!(told_by_others(&group(&[0.0, 0.0, 1.0])), 0, "the others of either 0 are one of each");
        assert_eq!(told_by_others(&group(&[0.0, 0.0, 0.0, 1.0])), 3);
        assert_eq!(told_by_others(&group(&[1.0, 1.0, 1.0])), 3);
        // Of 1, 2, 6: the others' means are 4, 3.5, 1.5.
        assert_eq!(missed_by_others(&group(&[1.0, 2.0, 6.0])), 9.0 + 2.25 + 20.25);
    }

    #[test]
    fn values_of_their_own_tell_nothing() {
        let labels: Vec<f32> = (0..400u16).map(|i| f32::from(i % 2)).collect();
        let target = Target::Classes { column: "y".into(), classes: Vec::new(), shares: Vec::new() };
        let judge = Judge::new(&target, &labels).unwrap();
        assert_eq!(judge.category(&(0..400).collect::<Vec<_>>()), None, "an identifier");
        assert_eq!(judge.category(&[7; 400]), None, "a constant");
        let copy: Vec<u64> = (0..400).map(|i| i % 2).collect();
        assert_eq!(judge.category(&copy).as_deref(), Some("accuracy 1.000"));
        assert!(Judge::new(&target, &labels[..49]).is_none());
    }
}
