//! One weight for each feature: the margin is the sum of weight times feature. A lane is a model.

use super::{Crew, Form, Learn, Learner, Loss, Record, Rule};

/// Most models side by side: what AVX2 holds. Sixteen take more than twice as long as eight.
pub(crate) const MOST_MODELS: usize = 8;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Single {
    models: usize,
}

impl Single {
    /// For up to as many models as there are lanes; lanes left over repeat the last.
    pub(crate) fn new(models: usize) -> Self {
        Single { models }
    }

    /// The lanes of some of the models.
    fn only<R: Rule, const K: usize, const L: usize>(
        learner: &Learner<R, Single, K>,
        models: &[usize],
        crew: &dyn Crew,
    ) -> Box<dyn Learn> {
        let form = Single { models: models.len() };
        let lanes: [usize; L] = std::array::from_fn(|k| models[Form::<L>::model_at(&form, 0, k)]);
        Box::new(learner.map(form, models, crew, |record, out: &mut Vec<Record<L>>| {
            out.push(record[0].only(lanes));
        }))
    }
}

impl<const K: usize> Form<K> for Single {
    const IS_LINEAR: bool = true;

    #[inline(always)]
    fn blocks(&self) -> usize {
        1
    }

    fn models(&self) -> usize {
        self.models
    }

    #[inline(always)]
    fn model_of(&self, _block: usize) -> usize {
        0
    }

    #[inline(always)]
    fn model_at(&self, _block: usize, lane: usize) -> usize {
        lane.min(self.models - 1)
    }

    fn lanes(&self) -> usize {
        1
    }

    fn width(&self) -> usize {
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

    fn only<R: Rule>(learner: &Learner<R, Self, K>, models: &[usize], crew: &dyn Crew) -> Box<dyn Learn> {
        match models.len() {
            1 => Single::only::<R, K, 1>(learner, models, crew),
            2..=4 => Single::only::<R, K, 4>(learner, models, crew),
            _ => Single::only::<R, K, MOST_MODELS>(learner, models, crew),
        }
    }

    #[inline(always)]
    fn differentiate(&self, loss: Loss, sums: &mut [[f32; K]], labels: &[f32], margins: &mut Vec<f32>) {
        if self.models == K {
            margins.extend_from_slice(sums.as_flattened());
        } else {
            sums.iter().for_each(|sums| margins.extend_from_slice(&sums[..self.models]));
        }
        if K == 1 {
            loss.gradient(sums.as_flattened_mut(), labels);
            return;
        }
        // The margins' place serves for the labels of each lane, until it is needed again.
        let end = margins.len();
        margins.extend(labels.iter().flat_map(|&label| [label; K]));
        loss.gradient(sums.as_flattened_mut(), &margins[end..]);
        margins.truncate(end);
    }
}
