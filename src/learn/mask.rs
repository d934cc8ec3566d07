//! Masks: which models have a column.

use super::form::Form;
use super::learner::Column;
use super::variant::Variant;

/// For each lane of each block 1, or 0 where its model does without the column; nothing where all have it.
pub(crate) type Mask<const K: usize> = Option<Vec<[f32; K]>>;

/// The mask of a column.
pub(crate) fn mask<const K: usize>(form: &impl Form<K>, variants: &[Variant], column: Column) -> Mask<K> {
    let has = |model: usize| !variants[model].without.contains(&column);
    let lane = |block, lane| if has(form.model_at(block, lane)) { 1.0 } else { 0.0 };
    let blocks = (0..form.blocks()).map(|block| std::array::from_fn(|k| lane(block, k)));
    (0..variants.len()).any(|model| !has(model)).then(|| blocks.collect())
}

/// The derivatives of the models that have a column, and zero for the others; `buffer` has room for them.
#[inline(always)]
pub(super) fn masked<'a, const K: usize>(
    derivatives: &'a [[f32; K]],
    mask: &'a Mask<K>,
    buffer: &'a mut Vec<[f32; K]>,
) -> &'a [[f32; K]] {
    let Some(mask) = mask else { return derivatives };
    buffer.clear();
    for blocks in derivatives.chunks_exact(mask.len()) {
        for (d, has) in blocks.iter().zip(mask) {
            buffer.push(std::array::from_fn(|k| d[k] * has[k]));
        }
    }
    buffer
}
