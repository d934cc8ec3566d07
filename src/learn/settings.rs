//! Settings: what a learner is made from.

use super::chunk::Shape;
use super::crew::Crew;
use super::form::{Classes, Factors, Form, MOST_MODELS, ModelForm, Single};
use super::learner::{Learn, Learner};
use super::linear::Linear;
use super::loss::Loss;
use super::optimizer::{AdaGradRule, FtrlRule, MomentumRule, Optimizer, RmsPropRule, Rule, SgdRule};
use super::schedule::Schedule;
use super::step::MODELS;
use super::variant::Variant;

/// What a learner is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The loss, of labels and margins as they are in the chunks.
    pub loss: Loss,
    /// For each class what its rows weigh in learning; empty if all weigh the same.
    pub class_weights: Vec<f32>,
    /// What models make of features.
    pub form: ModelForm,
    /// The optimiser.
    pub optimizer: Optimizer,
    /// The models side by side: at least one, at most [`most_models`].
    pub variants: Vec<Variant>,
    /// How the rates change with time (but for FTRL).
    pub schedule: Schedule,
    /// AdaGrad: what the accumulators of categories start from (torch's `initial_accumulator_value`), so that
    /// what a category's first rows say is taken with caution.
    pub caution: f32,
    /// Where the bias starts, one number for each margin; empty for zero.
    pub start: Vec<f32>,
    /// Seed of the factors' first values.
    pub seed: u64,
    /// The chunks' columns.
    pub shape: Shape,
    /// For each category column, then each list column: known categories, and log2 of the records
    /// that the others share at the start.
    pub tables: Vec<(usize, u32)>,
    /// Most bytes that all tables together may grow to, for each model.
    pub max_bytes: usize,
}

impl Settings {
    /// The same settings with tables as large as a model's, which may have grown.
    #[must_use]
    pub fn sized_for(mut self, linear: &Linear) -> Self {
        let lanes = linear.form.lanes();
        for ((known, bits), table) in self.tables.iter_mut().zip(&linear.weights.tables) {
            *bits = (table.len() / lanes - *known).ilog2();
        }
        self
    }
}

impl Default for Settings {
    /// Logistic regression by AdaGrad at one rate, of no columns yet.
    fn default() -> Self {
        Settings {
            loss: Loss::Logistic,
            class_weights: Vec::new(),
            form: ModelForm::Linear,
            optimizer: Optimizer::ADAGRAD,
            variants: vec![Variant::at(0.2)],
            schedule: Schedule::CONSTANT,
            caution: 0.0,
            start: Vec::new(),
            seed: 1,
            shape: Shape::default(),
            tables: Vec::new(),
            max_bytes: 1 << 30,
        }
    }
}

/// How far from zero factors start, and from what their accumulators do.
const SPREAD: f32 = 0.05;
const START: f32 = 1e-4;

/// Most models of a form that a learner has side by side.
pub fn most_models(form: ModelForm) -> usize {
    match form {
        ModelForm::Linear => MOST_MODELS,
        ModelForm::Classes { .. } | ModelForm::Factors { .. } => MODELS,
    }
}

/// Makes a learner, its tables by the hands of `crew`.
///
/// # Panics
/// If there are no models or too many, and for L-BFGS, which does not learn from mini-batches.
pub fn learner(settings: &Settings, crew: &dyn Crew) -> Box<dyn Learn> {
    match settings.optimizer {
        Optimizer::Gd => formed(settings, SgdRule, true, crew),
        Optimizer::Sgd { momentum: 0.0 } => formed(settings, SgdRule, false, crew),
        Optimizer::Sgd { momentum } => formed(settings, MomentumRule { momentum }, false, crew),
        Optimizer::AdaGrad { epsilon } => formed(settings, AdaGradRule { epsilon }, false, crew),
        Optimizer::RmsProp { decay, epsilon } => {
            formed(settings, RmsPropRule::new(decay, epsilon), false, crew)
        }
        Optimizer::Lbfgs => panic!("L-BFGS does not learn from mini-batches"),
        Optimizer::Ftrl { beta } => formed(settings, FtrlRule { beta }, false, crew),
    }
}

fn formed<R: Rule>(settings: &Settings, rule: R, defer: bool, crew: &dyn Crew) -> Box<dyn Learn> {
    let with = (settings, rule, defer, crew);
    fn make<R: Rule, F: Form<K>, const K: usize>(
        (settings, rule, defer, crew): (&Settings, R, bool, &dyn Crew),
        form: F,
    ) -> Box<dyn Learn> {
        Box::new(Learner::<R, F, K>::new(settings, rule, form, defer, crew))
    }
    let models = settings.variants.len();
    let most = most_models(settings.form);
    assert!((1..=most).contains(&models), "a learner has 1 to {most} models, not {models}");
    let single = Single::new(models);
    match settings.form {
        ModelForm::Linear if models == 1 => make::<R, _, 1>(with, single),
        ModelForm::Linear if models <= 4 => make::<R, _, 4>(with, single),
        ModelForm::Linear => make::<R, _, MOST_MODELS>(with, single),
        ModelForm::Classes { classes } => make(with, Classes::new(classes, models)),
        ModelForm::Factors { factors } => {
            make(with, Factors::new(factors, models, SPREAD, if R::SQUARES { START } else { 0.0 }))
        }
    }
}
