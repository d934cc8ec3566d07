//! The softmax function and its loss, rows of one margin for each class one after the other. Exponentials
//! are taken over all rows together, in runs of eight lanes, whatever the number of classes.

use super::math::{LANES, Lanes, exp, ln_1p, ln_1p_wide, map};

#[inline(always)]
pub(super) fn softmax(margins: &mut [f32], classes: usize) {
    for row in margins.chunks_exact_mut(classes) {
        let most = largest(row);
        row.iter_mut().for_each(|m| *m -= most);
    }
    map(margins, exp);
    for row in margins.chunks_exact_mut(classes) {
        normalize(row);
    }
}

#[inline(always)]
pub(super) fn softmax_loss(margins: &mut [f32], labels: &[f32], losses: &mut [f32]) {
    assert_eq!(labels.len(), losses.len());
    if labels.is_empty() {
        return;
    }
    let classes = margins.len() / labels.len();
    for ((row, &label), loss) in margins.chunks_exact_mut(classes).zip(labels).zip(&mut *losses) {
        let most = largest(row);
        row.iter_mut().for_each(|m| *m -= most);
        *loss = -row[label as usize];
    }
    map(margins, exp);
    for (row, loss) in margins.chunks_exact_mut(classes).zip(losses) {
        let others = normalize(row);
        // Each of the two is accurate in its own range.
        *loss += if others <= 1.0 { ln_1p(others) } else { ln_1p_wide(others) };
    }
}

#[inline(always)]
fn largest(row: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    row.iter().copied().fold(f32::NEG_INFINITY, larger)
}

/// Divides the exponentials of a row, of which the largest is 1, by their sum. Returns the sum of all but
/// the largest: where a row's class is clear the sum itself would be 1, and its logarithm 0.
#[inline(always)]
fn normalize(row: &mut [f32]) -> f32 {
    let one = row.iter().position(|&e| e == 1.0);
    if let Some(one) = one {
        row[one] = 0.0;
    }
    let mut sums: Lanes = [0.0; LANES];
    let (runs, rest) = row.as_chunks::<LANES>();
    for run in runs {
        for i in 0..LANES {
            sums[i] += run[i];
        }
    }
    for (sum, e) in sums.iter_mut().zip(rest) {
        *sum += e;
    }
    let [a, b, c, d, e, f, g, h] = sums;
    let others = ((a + e) + (c + g)) + ((b + f) + (d + h));
    if let Some(one) = one {
        row[one] = 1.0;
    }
    let sum = 1.0 + others;
    row.iter_mut().for_each(|e| *e /= sum);
    others
}
