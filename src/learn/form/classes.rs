//! One weight for each feature and class: the margins of a row are a sum for each class.

use super::{Crew, Form, Learn, Learner, Loss, Record, Rule, WIDE};
use crate::learn::loss::softmax_gradient;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Classes {
    classes: usize,
    models: usize,
}

impl Classes {
    pub(crate) fn new(classes: usize, models: usize) -> Self {
        Classes { classes, models }
    }

    /// Blocks of each model.
    fn each(self) -> usize {
        self.classes.div_ceil(WIDE)
    }
}

impl Form<WIDE> for Classes {
    const IS_LINEAR: bool = true;

    #[inline(always)]
    fn blocks(&self) -> usize {
        self.models * self.each()
    }

    fn models(&self) -> usize {
        self.models
    }

    #[inline(always)]
    fn model_of(&self, block: usize) -> usize {
        block / self.each()
    }

    fn lanes(&self) -> usize {
        self.classes
    }

    fn width(&self) -> usize {
        self.each() * WIDE
    }

    fn outputs(&self) -> usize {
        self.classes
    }

    fn place(&self, model: usize, lane: usize) -> (usize, usize) {
        (model * self.each() + lane / WIDE, lane % WIDE)
    }

    #[inline(always)]
    fn forward(&self, sums: &mut [[f32; WIDE]], x: f32, record: &[Record<WIDE>]) {
        for (sum, block) in sums.iter_mut().zip(record) {
            for k in 0..WIDE {
                sum[k] += x * block.weight[k];
            }
        }
    }

    #[inline(always)]
    fn gradient(
        &self,
        block: usize,
        x: f32,
        derivatives: &[[f32; WIDE]],
        _record: &Record<WIDE>,
    ) -> [f32; WIDE] {
        derivatives[block].map(|d| x * d)
    }

    fn only<R: Rule>(learner: &Learner<R, Self, WIDE>, models: &[usize], crew: &dyn Crew) -> Box<dyn Learn> {
        let (each, form) = (learner.form.each(), Classes { models: models.len(), ..learner.form });
        Box::new(learner.map(form, models, crew, |record, out| {
            models.iter().for_each(|model| out.extend_from_slice(&record[model * each..][..each]));
        }))
    }

    fn differentiate(&self, _loss: Loss, sums: &mut [[f32; WIDE]], labels: &[f32], margins: &mut Vec<f32>) {
        let models = sums.chunks_exact_mut(self.each());
        // A row's models have one label.
        let labels = labels.iter().flat_map(|&label| std::iter::repeat_n(label as usize, self.models));
        for (model, label) in models.zip(labels) {
            let (scores, padding) = model.as_flattened_mut().split_at_mut(self.classes);
            margins.extend_from_slice(scores);
            softmax_gradient(scores, label);
            padding.fill(0.0);
        }
    }
}
