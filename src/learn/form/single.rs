//! One weight for each feature: the margin is the sum of weight times feature. A lane is a model.

use super::{Form, Learn, Learner, Loss, Record, Rule};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Single;

impl<const K: usize> Form<K> for Single {
    const IS_LINEAR: bool = true;

    #[inline(always)]
    fn blocks(&self) -> usize {
        1
    }

    fn models(&self) -> usize {
        K
    }

    #[inline(always)]
    fn model_of(&self, _block: usize) -> usize {
        0
    }

    fn lanes(&self) -> usize {
        1
    }

    fn place(&self, model: usize, _lane: usize) -> (usize, usize) {
        (0, model)
    }

    #[inline(always)]
    fn forward(&self, sums: &mut [[f32; K]], x: f32, record: &[Record<K>]) {
        for k in 0..K {
            sums[0][k] += x * record[0].weight[k];
        }
    }

    #[inline(always)]
    fn gradient(&self, _block: usize, x: f32, derivatives: &[[f32; K]], _record: &Record<K>) -> [f32; K] {
        derivatives[0].map(|d| x * d)
    }

    fn only<R: Rule>(learner: &Learner<R, Self, K>, model: usize) -> Box<dyn Learn> {
        Box::new(learner.map::<_, 1>(Single, model, 1, |record, out| {
            out.push(record[0].only(model));
        }))
    }

    #[inline(always)]
    fn differentiate(&self, loss: Loss, sums: &mut [[f32; K]], labels: &[f32], margins: &mut Vec<f32>) {
        let start = margins.len();
        margins.extend_from_slice(sums.as_flattened());
        if K == 1 {
            loss.gradient(sums.as_flattened_mut(), labels);
            return;
        }
        // The margins' place serves for the labels of each model, until they are needed again.
        let end = margins.len();
        margins.extend(labels.iter().flat_map(|&label| [label; K]));
        loss.gradient(sums.as_flattened_mut(), &margins[end..]);
        margins.truncate(end);
        debug_assert_eq!(end - start, K * labels.len());
    }
}
