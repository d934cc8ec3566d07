//! Choices without branches, of which the compiler makes vectors: masks have all bits set, or none.

/// The mask of a condition.
#[inline(always)]
pub(crate) fn mask(condition: bool) -> u32 {
    u32::from(condition).wrapping_neg()
}

/// `a` where the mask is set, else `b`.
#[inline(always)]
pub(crate) fn choose(mask: u32, a: f32, b: f32) -> f32 {
    f32::from_bits((a.to_bits() & mask) | (b.to_bits() & !mask))
}
