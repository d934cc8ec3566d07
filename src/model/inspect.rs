//! What a model has learned, by feature name.

use serde::Serialize;

use super::Model;
use crate::features::FeatureRef;

/// A feature and its weight: a prediction's margin is the bias plus the sum of weight times feature.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Feature {
    /// The column's name, `column=value`, `column is missing` or `column[place]`.
    pub name: String,
    /// The weight, for a regression in the target's own unit.
    pub weight: f64,
}

/// The bias and all features, the heaviest first. Categories that share their slots by hash have no
/// names; of them those in use stand under `column (others, slot N)`.
pub fn features(model: &Model) -> (f64, Vec<Feature>) {
    let plan = &model.about.plan;
    let scale = plan.target.scale();
    let weights = &model.linear.weights;
    let mut features = Vec::new();
    plan.for_each_feature(|feature, name| {
        let weight = match feature {
            FeatureRef::Dense(i) => weights.dense[i],
            FeatureRef::Slot(table, slot) => weights.tables[table][slot],
        };
        // A slot for missing values, or for a combination of values, that never occurred is no feature.
        let unused = matches!(feature, FeatureRef::Slot(table, slot)
            if weight == 0.0 && model.state.accumulators.tables[table][slot] <= model.about.caution);
        if !unused {
            features.push(Feature { name: name.to_string(), weight: f64::from(weight) * scale });
        }
    });
    for (table, column) in plan.table_columns().into_iter().enumerate() {
        let known = model.linear.known[table];
        for (slot, &weight) in weights.tables[table][known..].iter().enumerate() {
            if weight != 0.0 {
                let name = format!("{column} (others, slot {slot})");
                features.push(Feature { name, weight: f64::from(weight) * scale });
            }
        }
    }
    features.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()).then_with(|| a.name.cmp(&b.name)));
    (plan.target.unscale(weights.bias[0]), features)
}
