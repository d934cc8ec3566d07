//! Notes: what a user should know of a target before learning begins.

use super::{LossChoice, Target};
use crate::features::decide::Wishes;
use crate::features::profile::ColumnProfile;
use crate::learn::Loss;

/// A positive class below this share of the sample is worth a word.
const RARE: f64 = 0.01;
/// Numbers with at most so many distinct values may be meant as classes.
const FEW_VALUES: usize = 20;
/// Counts are told by their values, where there are at most so many.
const MOST_VALUES: usize = 256;

/// What should be said of a target.
pub(super) fn notes(column: &ColumnProfile, wishes: &Wishes, target: &Target, loss: Loss) -> Vec<String> {
    let note = match (wishes.loss, loss, target) {
        (Some(LossChoice::Huber { delta: None }), Loss::Huber { delta }, _) => Some(format!(
            "--huber-delta is {delta:.6}, the distance between the sample's quartiles: beyond it residuals \
             count by their size, not by its square"
        )),
        (Some(LossChoice::EpsilonInsensitive { epsilon: None }), Loss::EpsilonInsensitive { epsilon }, _) => {
            Some(format!(
                "--epsilon is {epsilon:.6}, a tenth of the deviation that the sample's quartiles tell"
            ))
        }
        (_, _, Target::Binary { positive, share, .. }) if *share < RARE => Some(format!(
            "only {:.2}% of the sample is of the class {positive:?}: judge the model by auc or log_loss, since \
             never predicting it makes accuracy high as well",
            100.0 * share
        )),
        (None, _, Target::Number { .. }) => of_number(&column.classes),
        _ => None,
    };
    note.into_iter().collect()
}

/// What may be meant by a number that is learned as one only because nobody said anything else.
fn of_number(values: &[(String, u64)]) -> Option<String> {
    if values.is_empty() || values.len() > MOST_VALUES {
        return None;
    }
    let values: Vec<(f64, f64)> =
        values.iter().map(|(x, n)| Some((x.parse().ok()?, *n as f64))).collect::<Option<_>>()?;
    if values.iter().any(|(x, _)| x.fract() != 0.0) {
        return None;
    }
    let is_few = values.len() <= FEW_VALUES;
    let n = values.len();
    match (is_few, looks_like_counts(&values)) {
        (true, true) => Some(format!(
            "the target has {n} distinct whole numbers and is learned as a number; --loss poisson would treat \
             it as a count, --loss softmax as {n} classes"
        )),
        (true, false) if n == 2 => Some(
            "the target has two distinct values and is learned as a number; --loss logistic would treat them \
             as classes"
                .to_string(),
        ),
        (true, false) => Some(format!(
            "the target has {n} distinct whole numbers and is learned as a number; --loss softmax would treat \
             them as classes"
        )),
        (false, true) => {
            Some("the target looks like counts; --loss poisson would treat it as such".to_string())
        }
        (false, false) => None,
    }
}

/// Whether whole numbers, each with how often it occurs, are small, begin at 0, scatter at least about as much
/// as Poisson's and have their longer tail above.
fn looks_like_counts(values: &[(f64, f64)]) -> bool {
    let rows: f64 = values.iter().map(|(_, n)| n).sum();
    let mean = values.iter().map(|(x, n)| x * n).sum::<f64>() / rows;
    let moment = |power| values.iter().map(|(x, n)| (x - mean).powi(power) * n).sum::<f64>() / rows;
    let least = values.iter().map(|(x, _)| *x).fold(f64::INFINITY, f64::min);
    let variance = moment(2);
    least == 0.0
        && values.len() > 2
        && mean <= 50.0
        && variance >= 0.5 * mean
        && moment(3) > 0.25 * variance * variance.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(counts: &[(i32, u64)]) -> Option<String> {
        of_number(&counts.iter().map(|(x, n)| (x.to_string(), *n)).collect::<Vec<_>>())
    }

    #[test]
    fn counts_and_grades_are_told_by_their_values() {
        let claims = of(&[(0, 700), (1, 220), (2, 60), (3, 18), (4, 2)]).unwrap();
        assert!(claims.contains("--loss poisson") && claims.contains("--loss softmax"), "{claims}");
        let grades = of(&[(1, 40), (2, 90), (3, 120), (4, 80), (5, 20)]).unwrap();
        assert!(!grades.contains("poisson") && grades.contains("--loss softmax"), "{grades}");
        assert!(of(&[(1, 50), (2, 40)]).unwrap().contains("--loss logistic"));
        // Geometric with mean 10.
        let visits: Vec<(i32, u64)> = (0..60).map(|x| (x, (1e5 * (10f64 / 11.0).powi(x)) as u64)).collect();
        assert!(of(&visits).unwrap().contains("looks like counts"));
        let years: Vec<(i32, u64)> = (1950..2010).map(|x| (x, 10)).collect();
        assert_eq!(of(&years), None);
        assert_eq!(of_number(&[("0.5".to_string(), 3), ("1".to_string(), 3)]), None);
    }
}
