//! Penalties: what weights cost by themselves.

use serde::{Deserialize, Serialize};

use super::kernels::{choose, mask};

/// The penalty `l1 * |w| + l2 / 2 * |w|^2` (the elastic net) that is added to the mean loss; the bias is free
/// of it. The squares add `l2 * w` to the gradient. The absolute values act after the step, by drawing the
/// weight towards zero by `l1` times the weight's own rate, but not across it (the proximal step of Duchi and
/// Singer, JMLR 10, 2009), so that weights become exactly zero.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Penalty {
    /// Strength of the absolute values.
    pub l1: f32,
    /// Strength of the squares.
    pub l2: f32,
}

impl Penalty {
    /// No penalty.
    pub const NONE: Penalty = Penalty { l1: 0.0, l2: 0.0 };

    /// Whether weights cost nothing.
    pub fn is_none(self) -> bool {
        self == Penalty::NONE
    }
}

/// Draws a weight towards zero by `by`, but not across it. NaN stays NaN.
#[inline(always)]
pub(crate) fn shrink(weight: f32, by: f32) -> f32 {
    let size = weight.abs() - by;
    choose(mask(size <= 0.0), 0.0, size.copysign(weight))
}

/// `-ln(1 - x)` for a small `x`, the share of itself that a weight loses in a step.
#[inline(always)]
pub(super) fn exponent(x: f32) -> f32 {
    x * exponent_over(x)
}

/// The same over `x`.
#[inline(always)]
pub(super) fn exponent_over(x: f32) -> f32 {
    1.0 + x * (0.5 + x * (1.0 / 3.0 + x * 0.25))
}

/// What becomes of a weight `w >= 0` by `n` times `w = max(0, (1 - decay) * w - pull)`, `0 <= decay < 1`.
pub(super) fn shrunk(w: f64, decay: f64, pull: f64, n: f64) -> f64 {
    if decay == 0.0 {
        return (w - n * pull).max(0.0);
    }
    // (1 - decay)^n, less 1: exact for the tiny decays that are the rule.
    let lost = (n * (-decay).ln_1p()).exp_m1();
    (w + w * lost + pull * lost / decay).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_steps_at_once_are_the_steps_one_by_one() {
        for (decay, pull) in [(0.0, 1e-3), (1e-3, 0.0), (1e-9, 1e-4), (0.1, 1e-2), (1e-4, 1e-4)] {
            let mut w = 0.7f64;
            for n in 1..=3000 {
                w = ((1.0 - decay) * w - pull).max(0.0);
                let at_once = shrunk(0.7, decay, pull, f64::from(n));
                assert!((w - at_once).abs() < 1e-10, "{n} steps of {decay}, {pull}: {w}, {at_once}");
            }
        }
    }

    #[test]
    fn nothing_is_drawn_across_zero() {
        assert_eq!([shrink(0.3, 0.5), shrink(-0.3, 0.5), shrink(-2.0, 0.5)], [0.0, 0.0, -1.5]);
        assert!(shrink(f32::NAN, 0.1).is_nan());
    }
}
