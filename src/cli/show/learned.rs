//! What a model has learned, for people and as JSON.

use std::fmt::Write;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use indicatif::HumanCount;

use crate::error::{Error, Result};
use crate::features::Target;
use crate::learn::{Loss, ModelForm, Optimizer};
use crate::model::{self, About, Bias, INTERACTING, Learned, Model, Numbers};

/// The features that make the most difference, `most` of them, and as many interactions.
pub(in crate::cli) fn learned(model: &Model, most: usize) -> String {
    let learned = model::learned(model);
    let mut text = head(&model.about);
    match &learned.bias {
        Bias::Single(bias) => {
            if let Target::Binary { positive, .. } = &model.about.plan.target {
                let column = model.about.plan.target.column();
                let _ = writeln!(text, "a positive weight speaks for {column}={positive}");
            }
            let _ = writeln!(text, "{bias:>14.6}  (bias)");
            for feature in learned.features.iter().take(most) {
                if let Numbers::Single { weight } | Numbers::Factors { weight, .. } = feature.numbers {
                    let _ = writeln!(text, "{weight:>14.6}  {}", feature.name);
                }
            }
        }
        Bias::Classes(bias) => {
            let _ = writeln!(
                text,
                "features by how far the weights of the {} classes lie apart, and the classes that they speak \
                 for and against the most\n",
                learned.classes.len()
            );
            let _ = writeln!(text, "{}", classes(&learned, bias, most).trim_fmt());
        }
    }
    if learned.features.len() > most {
        let _ =
            writeln!(text, "... and {} lighter ones: see --top and --json", learned.features.len() - most);
    }
    if matches!(model.about.form, ModelForm::Factors { .. }) && most > 0 {
        let pairs = model::interactions(model, &learned);
        let _ = writeln!(
            text,
            "\nthe strongest interactions of the {INTERACTING} features with the largest weights and of \
             {INTERACTING} others with the largest factors, each what a pair of features adds together"
        );
        for pair in pairs.iter().take(most) {
            let _ = writeln!(text, "{:>14.6}  {}  with  {}", pair.weight, pair.names[0], pair.names[1]);
        }
    }
    text
}

/// All features as JSON.
pub(in crate::cli) fn learned_json(model: &Model) -> Result<String> {
    let mut text = serde_json::to_string(&model::learned(model))
        .map_err(|e| Error::data(format!("can't write JSON: {e}")))?;
    text.push('\n');
    Ok(text)
}

/// For each feature the class with the largest weight and that with the least.
fn classes(learned: &Learned, bias: &[f64], most: usize) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["feature", "apart", "for", "", "against", ""]);
    let row = |name: &str, weights: &[f64]| {
        let places = || weights.iter().copied().enumerate();
        let (high, most) = places().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default();
        let (low, least) = places().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default();
        let class = |place: usize| learned.classes.get(place).cloned().unwrap_or_default();
        let number = |x: f64| format!("{x:.6}");
        [name.to_string(), number(most - least), class(high), number(most), class(low), number(least)]
    };
    table.add_row(row("(bias)", bias));
    for feature in learned.features.iter().take(most) {
        if let Numbers::Classes { weights } = &feature.numbers {
            table.add_row(row(&feature.name, weights));
        }
    }
    for i in [1, 3, 5] {
        if let Some(column) = table.column_mut(i) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// How the model was learned, in a line.
fn head(about: &About) -> String {
    let mut parts = vec![form(about.form), format!("{} loss", loss(about.loss)), optimizer(about.optimizer)];
    if about.optimizer != Optimizer::Lbfgs {
        parts.push(format!("learning rate {}", about.learning_rate));
    }
    if about.schedule.power != 0.0 {
        parts.push(format!("falling with power {} of the mini-batches", about.schedule.power));
    }
    if about.schedule.warm_up > 0 {
        parts.push(format!("{} mini-batches to warm up", HumanCount(about.schedule.warm_up)));
    }
    for (name, strength) in [("l1", about.penalty.l1), ("l2", about.penalty.l2)] {
        if strength > 0.0 {
            parts.push(format!("{name} {strength}"));
        }
    }
    let epochs = if about.epochs == 1 { "epoch" } else { "epochs" };
    parts.push(format!("{} {epochs} of {} rows ({})", about.epochs, HumanCount(about.rows), about.data));
    parts.join(", ") + "\n"
}

fn form(form: ModelForm) -> String {
    match form {
        ModelForm::Linear => "linear model".to_string(),
        ModelForm::Classes { classes } => format!("linear model of {classes} classes"),
        ModelForm::Factors { factors } => format!("factorization machine with {factors} factors"),
    }
}

fn loss(loss: Loss) -> String {
    let name = loss.name();
    match loss {
        Loss::Huber { delta } => format!("{name} (delta {delta})"),
        Loss::Quantile { tau } => format!("{name} (tau {tau})"),
        Loss::EpsilonInsensitive { epsilon } => format!("{name} (epsilon {epsilon})"),
        Loss::Logistic | Loss::Hinge | Loss::SquaredHinge | Loss::Softmax | Loss::Squared | Loss::Poisson => {
            name.to_string()
        }
    }
}

fn optimizer(optimizer: Optimizer) -> String {
    match optimizer {
        Optimizer::Gd => "gd".to_string(),
        Optimizer::Sgd { momentum: 0.0 } => "sgd".to_string(),
        Optimizer::Sgd { momentum } => format!("sgd with momentum {momentum}"),
        Optimizer::AdaGrad { .. } => "adagrad".to_string(),
        Optimizer::RmsProp { .. } => "rmsprop".to_string(),
        Optimizer::Ftrl { .. } => "ftrl".to_string(),
        Optimizer::Lbfgs => "lbfgs".to_string(),
    }
}
