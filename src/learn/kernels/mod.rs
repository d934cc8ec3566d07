//! Kernels: the elementwise mathematics of the losses, expansion, looking up, and prefetching.
//!
//! Each algorithm is written once, over runs of eight lanes without branches, multiplications and
//! additions kept apart (never fused), so that every build and every processor gives the same bits.
//! It is compiled twice, for the baseline and for AVX2; `dispatch.rs` chooses at run time.

mod choice;
mod dispatch;
mod expand;
mod lookup;
mod math;
mod poisson;
mod softmax;
mod store;

pub(crate) use choice::{choose, mask};
pub(crate) use dispatch::{Kernel, run};
pub use dispatch::{Level, prefetch, prefetch_all};
pub use expand::BEHIND;
pub(crate) use lookup::{are_below, look_up};
pub(crate) use math::{exp, within};
pub(crate) use store::Store;

/// The largest margin that counts as what it is in exponentials: see [`Loss::Poisson`](super::Loss::Poisson).
pub const LARGEST_LOGARITHM: f32 = poisson::LARGEST;

/// Overwrites each margin by the logistic loss's derivative with respect to it: `sigmoid(m) - y`,
/// with labels `y` of 0 and 1. The slices have the same length.
pub fn logistic_gradient(margins: &mut [f32], labels: &[f32]) {
    Level::best().logistic_gradient(margins, labels);
}

/// Writes the logistic loss `ln(1 + exp(-m))` (y = 1) or `ln(1 + exp(m))` (y = 0) of each margin
/// into `out`. The slices have the same length.
pub fn logistic_loss(margins: &[f32], labels: &[f32], out: &mut [f32]) {
    Level::best().logistic_loss(margins, labels, out);
}

/// Overwrites each margin by its probability `1 / (1 + exp(-m))`.
pub fn probability(margins: &mut [f32]) {
    Level::best().probability(margins);
}

/// Overwrites each value by its natural logarithm; what is not a finite, normal and positive number becomes
/// NaN.
pub fn ln(values: &mut [f32]) {
    Level::best().ln(values);
}

/// Overwrites each margin by `exp(m)`, the mean that Poisson regression predicts. Margins above 40 count as
/// 40, those below -87 as -87.
pub fn poisson_mean(margins: &mut [f32]) {
    Level::best().poisson_mean(margins);
}

/// Overwrites each margin by the Poisson loss's derivative `exp(m) - y`, with margins above 40 counted as 40
/// in the exponential. The slices have the same length.
pub fn poisson_gradient(margins: &mut [f32], labels: &[f32]) {
    Level::best().poisson_gradient(margins, labels);
}

/// Writes the Poisson loss `exp(m) - y m` of each margin into `out`, with margins above 40 counted as 40 in
/// the exponential. The slices have the same length.
pub fn poisson_loss(margins: &[f32], labels: &[f32], out: &mut [f32]) {
    Level::best().poisson_loss(margins, labels, out);
}

/// Writes the Poisson deviance `2 (y ln(y / exp(m)) - y + exp(m))` of each margin into `out`, for labels of
/// at least 0. Margins above 40 count as 40. The slices have the same length.
pub fn poisson_deviance(margins: &[f32], labels: &[f32], out: &mut [f32]) {
    Level::best().poisson_deviance(margins, labels, out);
}

/// Overwrites the margins of rows, one for each of `classes` classes, by the classes' probabilities.
pub fn softmax(margins: &mut [f32], classes: usize) {
    Level::best().softmax(margins, classes);
}

/// Overwrites the margins of rows by the classes' probabilities, and writes each row's softmax loss
/// `ln(sum_j exp(m_j)) - m_y` into `losses`. Each row has as many margins as there are classes; `labels` and
/// `losses` have one number for each row.
///
/// # Panics
/// If a label is not the number of a class.
pub fn softmax_loss(margins: &mut [f32], labels: &[f32], losses: &mut [f32]) {
    Level::best().softmax_loss(margins, labels, losses);
}

/// Overwrites each value `v` by `(sign(v) * ln(1 + |v|) - mean) * factor`; what is not finite becomes
/// NaN.
pub fn signed_log(values: &mut [f32], mean: f32, factor: f32) {
    Level::best().signed_log(values, mean, factor);
}

/// Overwrites each value below `low` by `low`, above `high` by `high`, and what is not finite by `gap`.
pub fn clamp(values: &mut [f32], low: f32, high: f32, gap: f32) {
    Level::best().clamp(values, low, high, gap);
}

/// Fills `out`: a row whose bit is set gets the next of `values`, another one `gap`. The first row's bit is the lowest of the
/// first of `bits`; [`BEHIND`] more values must follow those that have a row.
///
/// # Panics
/// If they are fewer.
pub fn expand(values: &[u32], bits: &[u64], gap: u32, out: &mut [u32]) {
    Level::best().expand(values, bits, gap, out);
}

/// Overwrites each NaN by `by`, and each of as many `flags` by 1 where there was one, by 0 elsewhere.
pub fn flag_nan(values: &mut [f32], by: f32, flags: &mut [f32]) {
    Level::best().flag_nan(values, by, flags);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn margin() -> impl Strategy<Value = f32> {
        prop_oneof![-20.0f32..20.0, -200.0f32..200.0, -1e30f32..1e30, Just(0.0), Just(-0.0)]
    }

    proptest! {
        #[test]
        fn every_level_gives_the_same_bits_close_to_the_exact_value(
            rows in prop::collection::vec((margin(), prop::bool::ANY), 0..70)
        ) {
            let margins: Vec<f32> = rows.iter().map(|r| r.0).collect();
            let labels: Vec<f32> = rows.iter().map(|r| f32::from(u8::from(r.1))).collect();
            let mut results = Vec::new();
            for level in Level::available() {
                let (mut gradient, mut p) = (margins.clone(), margins.clone());
                let mut loss = vec![0.0; margins.len()];
                level.logistic_gradient(&mut gradient, &labels);
                level.logistic_loss(&margins, &labels, &mut loss);
                level.probability(&mut p);
                let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                results.push((bits(&gradient), bits(&loss), bits(&p)));
                for i in 0..margins.len() {
                    let (m, y) = (f64::from(margins[i]), f64::from(labels[i]));
                    let exact_p = 1.0 / (1.0 + (-m).exp());
                    let z = if y == 1.0 { m } else { -m };
                    let exact_loss = (-z).max(0.0) + (-z.abs()).exp().ln_1p();
                    prop_assert!((f64::from(p[i]) - exact_p).abs() < 1e-6 * exact_p + 1e-37, "p({m}) = {}", p[i]);
                    prop_assert!((f64::from(gradient[i]) - (exact_p - y)).abs() < 2e-7);
                    prop_assert!((f64::from(loss[i]) - exact_loss).abs() < 1e-6 * exact_loss + 1e-37, "loss({m},{y}) = {}", loss[i]);
                }
            }
            prop_assert!(results.windows(2).all(|w| w[0] == w[1]));
        }
    }

    proptest! {
        #[test]
        fn signed_logs_are_the_same_at_every_level(values in prop::collection::vec(margin(), 0..40)) {
            let mut results = Vec::new();
            for level in Level::available() {
                let mut logs = values.clone();
                level.signed_log(&mut logs, 0.5, 2.0);
                for (v, log) in values.iter().zip(&logs) {
                    let v = f64::from(*v);
                    let exact = (v.abs().ln_1p().copysign(v) - 0.5) * 2.0;
                    prop_assert!((f64::from(*log) - exact).abs() < 1e-6 * exact.abs().max(1.0), "{v}: {log} {exact}");
                }
                results.push(logs.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
            }
            prop_assert!(results.windows(2).all(|w| w[0] == w[1]));
        }
    }

    proptest! {
        #[test]
        fn every_level_expands_alike(
            rows in prop::collection::vec(prop_oneof![3 => Just(true), 1 => Just(false)], 0..300)
        ) {
            let bits: Vec<u64> = rows
                .chunks(64)
                .map(|rows| rows.iter().rev().fold(0, |word, &is_there| word << 1 | u64::from(is_there)))
                .collect();
            let count = rows.iter().filter(|&&is_there| is_there).count() as u32;
            let values: Vec<u32> = (1..=count).chain([77; BEHIND]).collect();
            let mut next = 0;
            let expected: Vec<u32> = rows
                .iter()
                .map(|&is_there| {
                    next += u32::from(is_there);
                    if is_there { next } else { 99 }
                })
                .collect();
            for level in Level::available() {
                let mut out = vec![0; rows.len()];
                level.expand(&values, &bits, 99, &mut out);
                prop_assert_eq!(&out, &expected);
            }
        }
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|x| x.to_bits()).collect()
    }

    fn close(a: f32, exact: f64, tolerance: f64) -> bool {
        (f64::from(a) - exact).abs() <= tolerance * exact.abs().max(1.0)
    }

    proptest! {
        #[test]
        fn logarithms_are_the_same_at_every_level(
            values in prop::collection::vec(prop_oneof![1e-37f32..1e38, 0.5f32..2.0], 0..40)
        ) {
            let mut results = Vec::new();
            for level in Level::available() {
                let mut logs = values.clone();
                level.ln(&mut logs);
                for (v, log) in values.iter().zip(&logs) {
                    let exact = f64::from(*v).ln();
                    prop_assert!((f64::from(*log) - exact).abs() < 3e-7 * exact.abs() + 1e-9, "{v}: {log} {exact}");
                }
                results.push(bits(&logs));
            }
            prop_assert!(results.windows(2).all(|w| w[0] == w[1]));
        }

        #[test]
        fn poisson_is_the_same_at_every_level_close_to_the_exact_value(
            rows in prop::collection::vec(
                (-20.0f32..15.0, prop_oneof![Just(0.0f32), 0.0f32..3.0, 0.0f32..1e6], -0.1f32..0.1, prop::bool::ANY),
                0..40
            )
        ) {
            // Half of the margins are anywhere, half near the label's.
            let near = |y: f32, d: f32| if y > 0.0 { (f64::from(y).ln() as f32) + d } else { d };
            let margins: Vec<f32> = rows.iter().map(|&(m, y, d, is_near)| if is_near { near(y, d) } else { m }).collect();
            let labels: Vec<f32> = rows.iter().map(|r| r.1).collect();
            let mut results = Vec::new();
            for level in Level::available() {
                let (mut mean, mut gradient) = (margins.clone(), margins.clone());
                let (mut loss, mut deviance) = (margins.clone(), margins.clone());
                level.poisson_mean(&mut mean);
                level.poisson_gradient(&mut gradient, &labels);
                level.poisson_loss(&margins, &labels, &mut loss);
                level.poisson_deviance(&margins, &labels, &mut deviance);
                for i in 0..margins.len() {
                    let (m, y) = (f64::from(margins[i]), f64::from(labels[i]));
                    let exact = m.exp();
                    prop_assert!((f64::from(mean[i]) - exact).abs() < 1e-6 * exact);
                    prop_assert!((f64::from(gradient[i]) - (exact - y)).abs() < 1e-6 * (exact + y));
                    prop_assert!((f64::from(loss[i]) - (exact - y * m)).abs() < 1e-6 * (exact + y * m.abs()));
                    let exact = if y > 0.0 { 2.0 * (y * (y.ln() - m) - y + exact) } else { 2.0 * exact };
                    // What a float32 margin can't tell: its last place, 2e-6 at most, times the derivative.
                    let slack = 4e-6 * (2.0 * y * exact).sqrt() + 2.0 * y * 1e-11;
                    prop_assert!(
                        (f64::from(deviance[i]) - exact).abs() <= 1e-5 * exact + slack,
                        "deviance({m}, {y}) = {} instead of {exact}", deviance[i]
                    );
                }
                results.push([bits(&mean), bits(&gradient), bits(&loss), bits(&deviance)]);
            }
            prop_assert!(results.windows(2).all(|w| w[0] == w[1]));
        }

        #[test]
        fn softmax_is_the_same_at_every_level_close_to_the_exact_value(
            classes in 1usize..30,
            numbers in prop::collection::vec((prop_oneof![-30.0f32..30.0, -1.0f32..1.0], 0.0f32..1.0), 1..200)
        ) {
            let rows = numbers.len() / classes;
            let margins: Vec<f32> = numbers[..rows * classes].iter().map(|n| n.0).collect();
            let labels: Vec<f32> = numbers[..rows].iter().map(|n| (n.1 * classes as f32).floor()).collect();
            let mut results = Vec::new();
            for level in Level::available() {
                let (mut p, mut also, mut losses) = (margins.clone(), margins.clone(), vec![0.0; rows]);
                level.softmax(&mut p, classes);
                level.softmax_loss(&mut also, &labels, &mut losses);
                prop_assert_eq!(bits(&p), bits(&also));
                for row in 0..rows {
                    let m: Vec<f64> = margins[row * classes..][..classes].iter().map(|&m| f64::from(m)).collect();
                    let y = m[labels[row] as usize];
                    let sum: f64 = m.iter().map(|m| (m - y).exp()).sum();
                    let exact = (m.iter().map(|m| (m - y).exp()).sum::<f64>() - 1.0).ln_1p();
                    prop_assert!(close(losses[row], exact, 2e-6), "loss of {m:?}: {} instead of {exact}", losses[row]);
                    for class in 0..classes {
                        prop_assert!(close(p[row * classes + class], (m[class] - y).exp() / sum, 1e-6));
                    }
                }
                results.push((bits(&p), bits(&losses)));
            }
            prop_assert!(results.windows(2).all(|w| w[0] == w[1]));
        }
    }

    #[test]
    fn the_loss_of_a_clear_class_is_small_but_not_nothing() {
        let mut losses = [0.0];
        softmax_loss(&mut [20.0, 0.0, 0.0], &[0.0], &mut losses);
        assert!(close(losses[0] * 1e9, 2.0 * (-20.0f64).exp() * 1e9, 1e-6), "{losses:?}");
    }

    #[test]
    fn poisson_stays_finite_but_for_nan() {
        let margins = [1e30, f32::INFINITY, -1e30, f32::NEG_INFINITY, f32::NAN];
        let labels = [2.0; 5];
        let (mut mean, mut gradient) = (margins, margins);
        poisson_mean(&mut mean);
        poisson_gradient(&mut gradient, &labels);
        assert!(mean[..4].iter().chain(&gradient[..4]).all(|x| x.is_finite()), "{mean:?} {gradient:?}");
        let (mut loss, mut deviance) = (margins, margins);
        poisson_loss(&margins, &labels, &mut loss);
        poisson_deviance(&margins, &labels, &mut deviance);
        assert!([mean[4], gradient[4], loss[4], deviance[4]].iter().all(|x| x.is_nan()));
    }

    #[test]
    fn one_margin_that_is_nan_spoils_its_row() {
        let (mut margins, mut losses) = ([0.0, f32::NAN, 1.0, 2.0], [0.0; 2]);
        softmax_loss(&mut margins, &[0.0, 1.0], &mut losses);
        assert!(margins[..2].iter().all(|p| p.is_nan()) && losses[0].is_nan());
        assert!(margins[2..].iter().all(|p| p.is_finite()) && losses[1].is_finite());
    }

    proptest! {
        #[test]
        fn every_level_clamps_alike(
            values in prop::collection::vec(prop_oneof![margin(), Just(f32::NAN), Just(f32::INFINITY)], 0..40),
            low in -5.0f32..0.0,
            high in 0.0f32..5.0,
        ) {
            for level in Level::available() {
                let mut clamped = values.clone();
                level.clamp(&mut clamped, low, high, f32::NAN);
                for (x, clamped) in values.iter().zip(&clamped) {
                    let is_right = if x.is_finite() { *clamped == x.clamp(low, high) } else { clamped.is_nan() };
                    prop_assert!(is_right, "{x} in {low}..{high}: {clamped}");
                }
                let mut filled = values.clone();
                level.clamp(&mut filled, low, high, 9.0);
                let mut flags = vec![7.0; values.len()];
                level.flag_nan(&mut clamped, 9.0, &mut flags);
                prop_assert_eq!(bits(&clamped), bits(&filled));
                for ((x, filled), flag) in values.iter().zip(&filled).zip(&flags) {
                    prop_assert!(x.is_finite() != (*filled == 9.0) && *flag == f32::from(u8::from(!x.is_finite())));
                }
            }
        }
    }

    #[test]
    fn what_is_not_finite_has_no_log() {
        let mut values = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0];
        signed_log(&mut values, 0.0, 1.0);
        assert!(values[..3].iter().all(|v| v.is_nan()) && values[3] == 0.0);
    }

    #[test]
    fn nan_margins_stay_visible() {
        let mut loss = [0.0];
        logistic_loss(&[f32::NAN], &[1.0], &mut loss);
        assert!(loss[0].is_nan());
    }
}
