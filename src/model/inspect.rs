//! What a model has learned, by feature name.

use serde::Serialize;

use super::Model;
use crate::features::FeatureRef;
use crate::learn::ModelForm;

/// What a model has learned: a margin is its bias plus the sum of weight times feature.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Learned {
    /// The classes that have a margin each; none where there is one margin.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// The bias, for a regression with the target's offset.
    pub bias: Bias,
    /// All features, those first that make the most difference.
    pub features: Vec<Feature>,
}

/// The margins of a row without features.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Bias {
    /// The one.
    Single(f64),
    /// Each class's.
    Classes(Vec<f64>),
}

/// A feature and what it adds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Feature {
    /// The column's name, `column=value`, `column is missing` or `column[place]`.
    pub name: String,
    /// What it adds to the margins.
    #[serde(flatten)]
    pub numbers: Numbers,
    /// Where it stands in the model.
    #[serde(skip)]
    place: FeatureRef,
}

/// The numbers of a feature, for a regression in the target's own unit.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Numbers {
    /// One weight.
    Single {
        /// It.
        weight: f64,
    },
    /// A weight for each class.
    Classes {
        /// In the classes' order.
        weights: Vec<f64>,
    },
    /// A weight, and factors, of which the inner product with those of another feature is what the two add
    /// together.
    Factors {
        /// What the feature adds by itself.
        weight: f64,
        /// In units of the square root of the target's, so that the products have its unit.
        factors: Vec<f64>,
    },
}

impl Numbers {
    fn of(form: ModelForm, lanes: &[f32], scale: f64) -> Numbers {
        let number = |x: &f32| f64::from(*x) * scale;
        match form {
            ModelForm::Linear => Numbers::Single { weight: number(&lanes[0]) },
            ModelForm::Classes { .. } => Numbers::Classes { weights: lanes.iter().map(number).collect() },
            ModelForm::Factors { .. } => Numbers::Factors {
                weight: number(&lanes[0]),
                factors: lanes[1..].iter().map(|x| f64::from(*x) * scale.sqrt()).collect(),
            },
        }
    }

    /// How much difference the feature makes by itself: its weight's size, or how far the classes' weights
    /// lie apart.
    pub fn size(&self) -> f64 {
        match self {
            Numbers::Single { weight } | Numbers::Factors { weight, .. } => weight.abs(),
            Numbers::Classes { weights } => {
                let (least, most) = weights
                    .iter()
                    .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &w| (a.min(w), b.max(w)));
                most - least
            }
        }
    }

    fn factors(&self) -> &[f64] {
        match self {
            Numbers::Factors { factors, .. } => factors,
            Numbers::Single { .. } | Numbers::Classes { .. } => &[],
        }
    }
}

/// What a model has learned. Categories that share their slots by hash have no names; of them those in
/// use stand under `column (others, slot N)`.
pub fn learned(model: &Model) -> Learned {
    let plan = &model.about.plan;
    let scale = plan.target.scale();
    let form = model.linear.form;
    let lanes = form.lanes();
    let (weights, accumulators) = (&model.linear.weights, &model.state.accumulators);
    // Factors start at random: only the weight tells whether a feature ever occurred.
    let telling = if matches!(form, ModelForm::Factors { .. }) { 1 } else { lanes };
    let at = |numbers: &[f32], slot: usize, start: f32| {
        numbers[slot * lanes..][..telling].iter().any(|x| x.abs() > start)
    };
    let mut features = Vec::new();
    let mut push = |name: String, place: FeatureRef| {
        let numbers = match place {
            FeatureRef::Dense(i) => &weights.dense[i * lanes..][..lanes],
            FeatureRef::Slot(table, slot) => &weights.tables[table][slot * lanes..][..lanes],
        };
        features.push(Feature { name, numbers: Numbers::of(form, numbers, scale), place });
    };
    plan.for_each_feature(|place, name| {
        // A slot for missing values, or for a combination of values, that never occurred is no feature.
        let unused = matches!(place, FeatureRef::Slot(table, slot)
            if !at(&weights.tables[table], slot, 0.0)
                && !at(&accumulators.tables[table], slot, model.about.caution));
        if !unused {
            push(name.to_string(), place);
        }
    });
    for (table, column) in plan.table_columns().into_iter().enumerate() {
        let known = model.linear.known[table];
        for slot in known..weights.tables[table].len() / lanes {
            if at(&weights.tables[table], slot, 0.0) {
                let name = format!("{column} (others, slot {})", slot - known);
                push(name, FeatureRef::Slot(table, slot));
            }
        }
    }
    let mut features: Vec<(f64, Feature)> = features.into_iter().map(|f| (f.numbers.size(), f)).collect();
    features.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.name.cmp(&b.1.name)));
    let features = features.into_iter().map(|(_, feature)| feature).collect();
    match form {
        ModelForm::Classes { .. } => Learned {
            classes: plan.target.classes(),
            bias: Bias::Classes(weights.bias.iter().map(|&b| f64::from(b)).collect()),
            features,
        },
        ModelForm::Linear | ModelForm::Factors { .. } => Learned {
            classes: Vec::new(),
            bias: Bias::Single(plan.target.unscale(weights.bias[0])),
            features,
        },
    }
}

/// Features among which interactions are looked for: so many with the largest weights, and as many with the
/// largest factors.
pub const INTERACTING: usize = 50;

/// Two features and what they add together, beside what each adds alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Interaction<'a> {
    /// The features.
    pub names: [&'a str; 2],
    /// What they add.
    pub weight: f64,
}

/// The interactions of a factorization machine's heaviest features (see [`INTERACTING`]), the strongest first,
/// but for values of one column, of which a row has one only. None of other models.
pub fn interactions<'a>(model: &Model, learned: &'a Learned) -> Vec<Interaction<'a>> {
    let norm = |f: &Feature| f.numbers.factors().iter().map(|v| v * v).sum::<f64>();
    let mut heaviest: Vec<&Feature> = learned.features.iter().take(INTERACTING).collect();
    let mut others: Vec<&Feature> = learned.features.iter().skip(INTERACTING).collect();
    // Of the heaviest some have the largest factors, too; only those that are left are of use.
    others.sort_by(|a, b| norm(b).total_cmp(&norm(a)).then_with(|| a.name.cmp(&b.name)));
    heaviest.extend(others.into_iter().take(INTERACTING));
    let slots = model.about.plan.shape().slots;
    let column = |f: &Feature| match f.place {
        FeatureRef::Slot(table, _) if table < slots => Some(table),
        FeatureRef::Slot(..) | FeatureRef::Dense(_) => None,
    };
    let mut pairs = Vec::new();
    for (i, a) in heaviest.iter().enumerate() {
        for b in &heaviest[..i] {
            let (own, other) = (a.numbers.factors(), b.numbers.factors());
            if own.is_empty() || (column(a).is_some() && column(a) == column(b)) {
                continue;
            }
            let weight = own.iter().zip(other).map(|(v, w)| v * w).sum();
            pairs.push(Interaction { names: [&b.name, &a.name], weight });
        }
    }
    pairs.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()).then_with(|| a.names.cmp(&b.names)));
    pairs
}
