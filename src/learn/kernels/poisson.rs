//! The Poisson loss with a log link, and the deviance, on eight lanes at a time.

use super::math::{exp, lanes, ln_normal, map};

/// Margins beyond this count as this: `exp(40)` is 2e17, whose square does not become infinite either, however many are
/// added, and hardly any count or amount is as large.
pub(super) const LARGEST: f32 = 40.0;

/// `exp(m)`, m taken to be at most [`LARGEST`]; NaN stays NaN.
#[inline(always)]
fn mean(m: f32) -> f32 {
    exp(if m > LARGEST { LARGEST } else { m })
}

#[inline(always)]
pub(super) fn poisson_mean(margins: &mut [f32]) {
    map(margins, mean);
}

#[inline(always)]
pub(super) fn poisson_gradient(margins: &mut [f32], labels: &[f32]) {
    lanes(margins, labels, |m, y| mean(m) - y);
}

#[inline(always)]
pub(super) fn poisson_loss(margins: &[f32], labels: &[f32], out: &mut [f32]) {
    out.copy_from_slice(margins);
    lanes(out, labels, |m, y| mean(m) - y * m);
}

#[inline(always)]
pub(super) fn poisson_deviance(margins: &[f32], labels: &[f32], out: &mut [f32]) {
    out.copy_from_slice(margins);
    lanes(out, labels, deviance);
}

/// `2 (y ln(y / exp(m)) - y + exp(m))`, written as `2 y g(d)` with `g(d) = exp(d) - 1 - d` and
/// `d = m - ln y`. Near the label g is a series: the differences of large numbers that the definition
/// takes would leave nothing of a deviance of about 1 where y is a million.
#[inline(always)]
fn deviance(m: f32, y: f32) -> f32 {
    let m = if m > LARGEST { LARGEST } else { m };
    let mean = exp(m);
    let d = m - ln_normal(y);
    let far = mean - y - y * d;
    let p = 1.0 / 40_320.0;
    let p = p * d + 1.0 / 5_040.0;
    let p = p * d + 1.0 / 720.0;
    let p = p * d + 1.0 / 120.0;
    let p = p * d + 1.0 / 24.0;
    let p = p * d + 1.0 / 6.0;
    let p = p * d + 0.5;
    let near = y * d * d * p;
    let positive = if d.abs() < 0.5 { near } else { far };
    2.0 * if y > 0.0 { positive } else { mean }
}
