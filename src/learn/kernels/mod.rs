//! Kernels: the elementwise mathematics of the losses, and prefetching.
//!
//! Each algorithm is written once, over runs of eight lanes without branches, multiplications and
//! additions kept apart (never fused), so that every build and every processor gives the same bits.
//! It is compiled twice, for the baseline and for AVX2; `dispatch.rs` chooses at run time.

mod dispatch;
mod math;

pub use dispatch::{Level, prefetch};

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

/// Overwrites each value `v` by `(sign(v) * ln(1 + |v|) - mean) * factor`; what is not finite becomes
/// NaN.
pub fn signed_log(values: &mut [f32], mean: f32, factor: f32) {
    Level::best().signed_log(values, mean, factor);
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
