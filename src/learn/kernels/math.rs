//! Exponential, logarithm, logistic function and its loss on eight lanes at a time, without branches.

use super::choice::{choose, mask};

pub(super) const LANES: usize = 8;
pub(super) type Lanes = [f32; LANES];

/// `exp(x)` to about one unit in the last place, x taken to be at least -87 and at most 88, so that the
/// value is finite and a normal number; NaN stays NaN. The method of Cephes' `expf`: x = n ln2 + r, a
/// polynomial in r, n put into the exponent.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * 0.693_359_4 - n * -2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let value = p * r * r + r + 1.0;
    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    value * scale
}

/// `ln(1 + e)` for `0 <= e <= 1`, as 2 artanh(e / (2 + e)).
#[inline(always)]
pub(super) fn ln_1p(e: f32) -> f32 {
    let s = e / (2.0 + e);
    let q = s * s;
    let p = 1.0 / 13.0;
    let p = p * q + 1.0 / 11.0;
    let p = p * q + 1.0 / 9.0;
    let p = p * q + 1.0 / 7.0;
    let p = p * q + 1.0 / 5.0;
    let p = p * q + 1.0 / 3.0;
    2.0 * (s + s * q * p)
}

/// The natural logarithm of a normal positive number, to about one unit in the last place; of others a
/// finite number without meaning. The method of Cephes' `logf`.
#[inline(always)]
pub(super) fn ln_normal(x: f32) -> f32 {
    const ROOT_HALF: u32 = 0x3f35_04f3; // the bits of sqrt(1/2)
    let shifted = x.to_bits().wrapping_sub(ROOT_HALF);
    let exponent = ((shifted as i32) >> 23) as f32;
    let f = f32::from_bits((shifted & 0x007f_ffff) + ROOT_HALF) - 1.0;
    let p = 7.037_684e-2;
    let p = p * f - 1.151_461e-1;
    let p = p * f + 1.167_7e-1;
    let p = p * f - 1.242_014_1e-1;
    let p = p * f + 1.424_932_3e-1;
    let p = p * f - 1.666_805_7e-1;
    let p = p * f + 2.000_071_4e-1;
    let p = p * f - 2.499_999_4e-1;
    let p = p * f + 3.333_333e-1;
    let q = f * f;
    let tail = p * f * q + exponent * -2.121_944_4e-4 - 0.5 * q;
    f + tail + exponent * 0.693_359_4
}

/// `ln(1 + x)` for `x >= 0`, to about 1e-7 absolute or relative, whichever is larger; NaN for what is
/// not finite.
#[inline(always)]
pub(super) fn ln_1p_wide(x: f32) -> f32 {
    let value = ln_normal(1.0 + x);
    if x <= f32::MAX { value } else { f32::NAN }
}

/// Overwrites each value by `f` of it.
#[inline(always)]
pub(super) fn map(values: &mut [f32], f: impl Fn(f32) -> f32) {
    let (chunks, rest) = values.as_chunks_mut::<LANES>();
    for run in chunks {
        for v in run.iter_mut() {
            *v = f(*v);
        }
    }
    for v in rest {
        *v = f(*v);
    }
}

#[inline(always)]
pub(super) fn ln(values: &mut [f32]) {
    map(values, |x| {
        let value = ln_normal(x);
        // Of one comparison each, so that NaN fails them.
        let value = if x >= f32::MIN_POSITIVE { value } else { f32::NAN };
        if x <= f32::MAX { value } else { f32::NAN }
    });
}

#[inline(always)]
pub(super) fn signed_log(values: &mut [f32], mean: f32, factor: f32) {
    map(values, |v| (ln_1p_wide(v.abs()).copysign(v) - mean) * factor);
}

/// `x`, or the limit next to it; `gap` for what is not finite.
#[inline(always)]
pub(crate) fn within(x: f32, low: f32, high: f32, gap: f32) -> f32 {
    // Of one comparison each: the infinities and NaN fail the last.
    let inside = if x < low { low } else { x };
    let inside = if inside > high { high } else { inside };
    if x.abs() <= f32::MAX { inside } else { gap }
}

#[inline(always)]
pub(super) fn clamp(values: &mut [f32], low: f32, high: f32, gap: f32) {
    map(values, |x| within(x, low, high, gap));
}

#[inline(always)]
pub(super) fn flag_nan(values: &mut [f32], by: f32, flags: &mut [f32]) {
    for (value, flag) in values.iter_mut().zip(flags) {
        // Masks, since of a condition LLVM makes stores that are masked, and slow.
        let is_nan = mask(value.is_nan());
        *flag = choose(is_nan, 1.0, 0.0);
        *value = choose(is_nan, by, *value);
    }
}

#[inline(always)]
fn sigmoid(m: f32) -> f32 {
    let e = exp(-m.abs());
    let numerator = if m < 0.0 { e } else { 1.0 };
    numerator / (1.0 + e)
}

#[inline(always)]
fn loss(m: f32, y: f32) -> f32 {
    let z = (1.0 - 2.0 * y) * m; // the margin's sign turned so that large is bad
    let positive = if z < 0.0 { 0.0 } else { z };
    positive + ln_1p(exp(-z.abs()))
}

/// Calls `f` on runs of eight lanes of `target` and `y`; a last, shorter run is padded with zeros.
#[inline(always)]
pub(super) fn lanes(target: &mut [f32], y: &[f32], f: impl Fn(f32, f32) -> f32) {
    assert_eq!(target.len(), y.len());
    let run = |t: &mut Lanes, y: &Lanes| {
        for i in 0..LANES {
            t[i] = f(t[i], y[i]);
        }
    };
    let (chunks, rest) = target.as_chunks_mut::<LANES>();
    let (y_chunks, y_rest) = y.as_chunks::<LANES>();
    for (t, y) in chunks.iter_mut().zip(y_chunks) {
        run(t, y);
    }
    if !rest.is_empty() {
        let (mut t, mut y) = ([0.0; LANES], [0.0; LANES]);
        t[..rest.len()].copy_from_slice(rest);
        y[..rest.len()].copy_from_slice(y_rest);
        run(&mut t, &y);
        rest.copy_from_slice(&t[..rest.len()]);
    }
}

#[inline(always)]
pub(super) fn logistic_gradient(margins: &mut [f32], labels: &[f32]) {
    lanes(margins, labels, |m, y| sigmoid(m) - y);
}

#[inline(always)]
pub(super) fn logistic_loss(margins: &[f32], labels: &[f32], out: &mut [f32]) {
    out.copy_from_slice(margins);
    lanes(out, labels, loss);
}

#[inline(always)]
pub(super) fn probability(margins: &mut [f32]) {
    map(margins, sigmoid);
}
