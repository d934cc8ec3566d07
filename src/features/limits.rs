//! Limits: how far a number may lie outside of what a sample shows before it is an outlier.

use serde::{Deserialize, Serialize};

/// The least and the greatest feature.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// The least.
    pub low: f32,
    /// The greatest.
    pub high: f32,
}

/// Numbers of a sample from which limits are found.
const LEAST: usize = 2;
/// From so many numbers on the outermost ones may be outliers themselves.
const MANY: usize = 100;
/// Share of the numbers beyond the inner range, at either end.
const OUTER: f64 = 0.001;
/// The inner range is widened by this share of it, at either end.
const WIDENED: f64 = 0.5;

impl Limits {
    pub(super) const NONE: Limits = Limits { low: f32::NEG_INFINITY, high: f32::INFINITY };

    pub(super) fn new(low: f64, high: f64) -> Self {
        Limits { low: low as f32, high: high as f32 }
    }
}

/// The limits that a sorted sample suggests: its range from the first to the last thousandth, half as
/// wide again at either end. `None` if it says nothing of a range.
pub(super) fn limits(sorted: &[f64]) -> Option<(f64, f64)> {
    if sorted.len() < LEAST {
        return None;
    }
    let center = sorted[sorted.len() / 2];
    let below = sorted.partition_point(|&x| x < center);
    let above = sorted.partition_point(|&x| x <= center);
    // Where most numbers are equal, the others tell how far numbers may lie: they are rare, no outliers.
    let is_common = 2 * (above - below) > sorted.len();
    let rank = |i: usize| if is_common && i >= below { sorted[i + above - below] } else { sorted[i] };
    let count = if is_common { sorted.len() - (above - below) } else { sorted.len() };
    if count == 0 {
        return None;
    }
    let outside = if count < MANY { 0 } else { ((count - 1) as f64 * OUTER).ceil() as usize };
    let low = rank(outside).min(center);
    let high = rank(count - 1 - outside).max(center);
    let wider = WIDENED * (high - low);
    (wider > 0.0 && wider.is_finite()).then_some((low - wider, high + wider))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_outlier_does_not_move_the_limits() {
        let mut sample: Vec<f64> = (0..=1000).map(f64::from).collect();
        let (low, high) = limits(&sample).unwrap();
        assert_eq!((low, high), (1.0 - 499.0, 999.0 + 499.0));
        sample.push(1e12);
        assert!(limits(&sample).unwrap().1 < 1510.0);
    }

    #[test]
    fn rare_values_beside_a_common_one_are_no_outliers() {
        let mut sample = vec![0.0; 100_000];
        sample.extend((1..=50).map(f64::from));
        assert_eq!(limits(&sample), Some((-25.0, 75.0)));
        sample.sort_by(|a, b| b.total_cmp(a));
        sample.iter_mut().for_each(|x| *x = -*x);
        assert_eq!(limits(&sample), Some((-75.0, 25.0)));
        sample.reverse();
    }

    #[test]
    fn a_sample_without_a_range_has_no_limits() {
        for sample in [&[][..], &[1.0], &[1.0, 1.0, 1.0]] {
            assert_eq!(limits(sample), None);
        }
        assert_eq!(limits(&[0.0, 1.0]), Some((-0.5, 1.5)));
    }
}
