//! Comparison with torch.

use millstream::learn::{
    Alone, Chunk, Iterate, Learn, Linear, Loss, ModelForm, Optimizer, Penalty, Schedule, Settings, Shape,
    Variant, learner,
};
use serde::Deserialize;

use super::data::{ALL, Check, DENSE, ROWS, SPARSE, SplitMix64, epoch, rows, tables, valued};

const GD_ROWS: usize = 3_200;
const GD_EPOCHS: usize = 60;

/// Largest deviation from torch's weights in float64: `|a-b| <= TOLERANCE * max(|b|, floor)`.
///
/// The floor is 0.01, in a model whose weights are of the order of 1. A weight is the sum of a thousand
/// changes, each rounded to a float32 of about 6e-8 of its size, so deviations of some 1e-7 times
/// the larger weights are what float32 gives, whatever is done: a weight near zero can be known to
/// no more than that. Where torch itself in float32 deviates from float64 by more than a third of this, three
/// times its deviation is allowed, up to [`LAZY`].
const TOLERANCE: f64 = 1e-5;

/// The same where steps of absent features are only approximately taken all at once: at rates that change, and
/// AdaGrad's of both penalties where its accumulators are small, as those of factors.
const LAZY: f64 = 3e-4;

/// The same for the means over time of weights that change while they are absent, of which only the beginning,
/// the middle and the end are known: to some thousandths of what weights are.
const MEAN: f64 = 5e-2;
const MEAN_FLOOR: f64 = 0.1;

#[derive(Deserialize)]
struct Expected {
    check: Check,
    floor: f64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    group: String,
    features: String,
    optimizer: Optimizer,
    rate: f32,
    loss: Loss,
    #[serde(default = "linear")]
    form: ModelForm,
    #[serde(default)]
    class_weights: Vec<f32>,
    #[serde(default)]
    l1: f32,
    #[serde(default)]
    l2: f32,
    /// Power and warm-up.
    #[serde(default)]
    schedule: (f32, u64),
    #[serde(default)]
    weighted: bool,
    #[serde(default)]
    offsets: bool,
    /// The deviation of torch in float32.
    float32: f64,
    /// The bias's, then each dense column's or category's.
    weights: Vec<f64>,
    /// Their mean over time, if it is compared.
    #[serde(default)]
    mean: Vec<f64>,
}

fn linear() -> ModelForm {
    ModelForm::Linear
}

impl Case {
    fn shape(&self) -> Shape {
        let shape = match self.features.as_str() {
            "dense" => DENSE,
            "sparse" => SPARSE,
            _ => ALL,
        };
        Shape { weighted: self.weighted, ..shape }
    }

    fn settings(&self) -> Settings {
        Settings {
            loss: self.loss,
            class_weights: self.class_weights.clone(),
            form: self.form,
            optimizer: self.optimizer,
            schedule: Schedule { power: self.schedule.0, warm_up: self.schedule.1 },
            variants: Variant::at_each(&[self.rate], Penalty { l1: self.l1, l2: self.l2 }),
            shape: self.shape(),
            tables: tables(self.shape()),
            ..Settings::default()
        }
    }

    fn tolerance(&self) -> f64 {
        let elastic = self.l1 != 0.0 && self.l2 != 0.0 && self.form != ModelForm::Linear;
        let moves = self.l1 != 0.0 || self.l2 != 0.0 || self.optimizer == Optimizer::Sgd { momentum: 0.9 };
        if elastic || moves && self.schedule != (0.0, 0) { LAZY } else { TOLERANCE }
    }

    fn name(&self) -> String {
        let Case {
            features, optimizer, loss, form, class_weights, l1, l2, schedule, weighted, offsets, ..
        } = self;
        format!(
            "{features} {optimizer:?} {} {form:?} l1={l1} l2={l2} schedule={schedule:?} weighted={weighted} \
             offsets={offsets} class weights={class_weights:?}",
            loss.name()
        )
    }

    /// The learner after all rows. The codes of tables begin with `first`.
    fn learned(&self, chunk: &Chunk, settings: &Settings, first: usize) -> Box<dyn Learn> {
        let mut learner = learner(settings, &Alone);
        if let ModelForm::Factors { factors } = self.form {
            let mut start = learner.weights(0, Iterate::Last);
            draw_factors(&mut start, factors, first);
            learner.start_from(&start, None);
        }
        if self.optimizer == Optimizer::Gd {
            for _ in 0..GD_EPOCHS {
                epoch(&mut *learner, chunk, GD_ROWS);
            }
        } else {
            epoch(&mut *learner, chunk, ROWS);
        }
        learner
    }
}

/// Draws the factors of known features, in tables from code `first` on.
fn draw_factors(model: &mut Linear, factors: usize, first: usize) {
    let mut random = SplitMix64(77);
    let lanes = 1 + factors;
    let tables = model.weights.tables.iter_mut().zip(&model.known);
    let tables = tables.map(|(table, known)| &mut table[first * lanes..known * lanes]);
    for numbers in std::iter::once(&mut model.weights.dense[..]).chain(tables) {
        for v in numbers.chunks_exact_mut(lanes).flat_map(|feature| &mut feature[1..]) {
            *v = (random.below(256) as f32 - 128.0) / 2048.0;
        }
    }
}

/// The weights in the order of the expected ones, without those of the categories that are not known, in tables
/// from code `first` on.
fn in_order(model: &Linear, first: usize) -> Vec<f32> {
    let lanes = model.form.lanes();
    let tables = model.weights.tables.iter().zip(&model.known);
    let tables = tables.flat_map(|(table, &known)| &table[first * lanes..known * lanes]);
    model.weights.bias.iter().chain(&model.weights.dense).chain(tables).copied().collect()
}

/// Compares a group of cases with torch.
fn compare(group: &str, cases: usize) {
    let expected: Expected = serde_json::from_str(include_str!("../expected/optimizers.json")).unwrap();
    let mut compared = 0;
    let mut failures = Vec::new();
    let mut compare = |name: &str, case: &Case, weights: &[f32], torch: &[f64], tolerance: f64| {
        let floor = if tolerance == MEAN { MEAN_FLOOR } else { expected.floor };
        assert_eq!(weights.len(), torch.len());
        assert!(weights.iter().all(|w| w.is_finite()), "{name}");
        let deviation = |(&a, &b): (&f32, &f64)| (f64::from(a) - b).abs() / b.abs().max(floor);
        let deviations = weights.iter().zip(torch).map(deviation);
        let (at, largest) = deviations.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        let zeros = torch.iter().filter(|&&w| w == 0.0).count();
        // Without the absolute values' penalty they are underflows.
        let other_zeros =
            weights.iter().zip(torch).filter(|&(&a, &b)| case.l1 != 0.0 && (a == 0.0) != (b == 0.0)).count();
        let line = format!(
            "{group}: {name} deviates by {largest:.1e} (weight {at}: {} for torch's {}); torch in float32 by \
             {:.1e}; {other_zeros} of {zeros} zeros differ",
            weights[at], torch[at], case.float32
        );
        println!("{line}");
        if largest > tolerance.max((3.0 * case.float32).min(LAZY)) || other_zeros > 0 {
            failures.push(line);
        }
    };
    for case in expected.cases.iter().filter(|case| case.group == group) {
        compared += 1;
        let settings = case.settings();
        let (chunk, check) = rows(settings.shape, case.loss, case.offsets);
        assert_eq!(check, expected.check, "these are not the rows that torch was given");
        let mut learner = case.learned(&chunk, &settings, 0);
        let last = learner.weights(0, Iterate::Last);
        compare(&case.name(), case, &in_order(&last, 0), &case.weights, case.tolerance());
        if !case.mean.is_empty() {
            let name = format!("mean of {}", case.name());
            compare(&name, case, &in_order(&learner.weights(0, Iterate::Mean), 0), &case.mean, MEAN);
        }
        if case.features == "dense" {
            let chunk = valued(&chunk);
            let tables = vec![(1 + DENSE.dense, 0)];
            let settings = Settings { shape: chunk.shape(), tables, ..settings };
            // No row has the code 0.
            let weights = in_order(&case.learned(&chunk, &settings, 1).weights(0, Iterate::Last), 1);
            compare(&format!("valued {}", case.name()), case, &weights, &case.weights, case.tolerance());
        }
    }
    assert_eq!(compared, cases);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn gradient_descent_equals_torch() {
    compare("gd", 16);
}

#[test]
fn sgd_equals_torch() {
    compare("sgd", 16);
}

#[test]
fn momentum_equals_torch() {
    compare("momentum", 8);
}

#[test]
fn adagrad_equals_torch() {
    compare("adagrad", 16);
}

#[test]
fn rmsprop_equals_torch() {
    compare("rmsprop", 16);
}

#[test]
fn ftrl_equals_the_formulas_of_its_paper() {
    compare("ftrl", 10);
}

#[test]
fn absolute_values_draw_to_the_same_zeros() {
    compare("l1", 20);
}

#[test]
fn schedules_equal_torch() {
    compare("schedules", 19);
}

#[test]
fn every_loss_is_learned_as_by_torch() {
    compare("losses", 12);
}

#[test]
fn offsets_equal_torch() {
    compare("offsets", 5);
}

#[test]
fn classes_equal_torch() {
    compare("classes", 12);
}

#[test]
fn factors_equal_torch() {
    compare("factors", 10);
}
