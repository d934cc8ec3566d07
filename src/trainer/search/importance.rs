//! Ablation: what columns are worth, by models that do without them.

use super::super::config::Ablation;
use super::candidate::Candidate;
use super::halving::Standing;
use super::outcome::Importance;
use crate::error::{Error, Result};
use crate::features::{Plan, no_such_column};

/// The candidates that do without a group of columns each, and are like `base` else.
///
/// # Errors
/// If a column is not used.
pub(super) fn ablated(base: &Candidate, ablation: &Ablation, plan: &Plan) -> Result<Vec<Candidate>> {
    let inputs = plan.inputs();
    let groups: Vec<Vec<String>> = match ablation {
        Ablation::Each => inputs.iter().map(|name| vec![name.to_string()]).collect(),
        Ablation::Groups(groups) => groups.clone(),
    };
    if groups.is_empty() {
        return Err(Error::data("there is no column to leave out").remedy("let some columns be used"));
    }
    let without = |names: &Vec<String>| {
        if let Some(name) = names.iter().find(|name| !inputs.contains(&name.as_str())) {
            return Err(no_such_column(name, inputs.iter().copied()));
        }
        Ok(base.without(names, &plan.columns_from(names)))
    };
    groups.iter().map(without).collect()
}

/// What the columns are worth that some of the candidates did without, the most first, given how each did, and how the
/// one with all columns did.
pub(super) fn importances<'a>(
    all: &Standing,
    others: impl Iterator<Item = (&'a Candidate, &'a Standing)>,
    unit: f64,
) -> Vec<Importance> {
    let ablated = others.filter(|(candidate, _)| !candidate.has_all_columns());
    let mut importances: Vec<_> =
        ablated.map(|(candidate, without)| importance(candidate, all, without, unit)).collect();
    importances.sort_by(|a, b| b.loss_increase.total_cmp(&a.loss_increase));
    importances
}

fn importance(candidate: &Candidate, all: &Standing, without: &Standing, unit: f64) -> Importance {
    let (increase, standard_error) = difference(all, without);
    Importance {
        columns: candidate.without.clone(),
        loss_increase: increase * unit,
        standard_error: standard_error.map(|error| error * unit),
        loss: all.recent_loss() * unit,
    }
}

/// The mean difference of two models' losses over the later half of their rows, and its standard error from the
/// differences between marks: a ratio estimate, since marks may differ in weight.
fn difference(all: &Standing, without: &Standing) -> (f64, Option<f64>) {
    let of_later_half = |standing: &Standing| -> Vec<(f64, f64)> {
        standing.pieces().filter(|piece| piece.rows > standing.rows / 2).map(|piece| piece.since).collect()
    };
    let pairs = of_later_half(without).into_iter().zip(of_later_half(all));
    let blocks: Vec<(f64, f64)> =
        pairs.map(|((loss, weight), (of_all, _))| (loss - of_all, weight)).collect();
    let (sum, weight) = blocks.iter().fold((0.0, 0.0), |(d, w), block| (d + block.0, w + block.1));
    let mean = sum / weight;
    let count = blocks.len() as f64;
    let squares: f64 = blocks.iter().map(|(d, w)| (d - mean * w).powi(2)).sum();
    let error = (squares * count / (count - 1.0)).sqrt() / weight;
    (mean, error.is_finite().then_some(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_paired() {
        let (mut all, mut without) = (Standing::new(10), Standing::new(10));
        let (mut a, mut b, mut differences) = (0.0, 0.0, Vec::new());
        for mark in 1..=40u64 {
            // Losses that vary much, and differences that do not.
            let noise = ((mark * 7919) % 13) as f64;
            let difference = 1.0 + (mark % 3) as f64 * 0.1;
            (a, b) = (a + noise, b + noise + difference);
            for (standing, loss) in [(&mut all, a), (&mut without, b)] {
                (standing.rows, standing.sums) = (10 * mark, (loss, 10.0 * mark as f64));
                standing.curve.mark(10 * mark, 10 * mark, standing.sums);
            }
            if mark > 20 {
                differences.push(difference / 10.0);
            }
        }
        let (mean, error) = difference(&all, &without);
        let expected = differences.iter().sum::<f64>() / 20.0;
        let variance = differences.iter().map(|d| (d - expected).powi(2)).sum::<f64>() / 19.0;
        assert!((mean - expected).abs() < 1e-12);
        assert!((error.unwrap() - (variance / 20.0).sqrt()).abs() < 1e-12);
        // Rows beyond the last mark count, too; and a single block has no error.
        let few = |sum: f64| {
            let mut standing = Standing::new(10);
            (standing.rows, standing.sums) = (5, (sum, 5.0));
            standing
        };
        assert_eq!(difference(&few(1.0), &few(2.0)), (0.2, None));
    }
}
