//! The exact fit: L-BFGS on the mean loss over all rows, one pass for each look at it.

use super::holdout::Holdout;
use super::leak::Keeper;
use super::pass::{Passes, Sink};
use super::run::{Fit, Task};
use super::train::Notes;
use crate::error::{Error, Result};
use crate::learn::{
    Chunk, Iterate, Lbfgs, ModelForm, Next, Objective, Optimizer, Settings, State, Variant, Weights, learner,
};
use crate::model::Model;
use crate::pipeline::Stages;

/// The search ends when the steepest slope is this share of what it is at zero.
const TOLERANCE: f64 = 1e-5;

/// Rows summed up at fixed weights.
struct Look<'a> {
    objective: &'a mut Objective,
    at: &'a [f64],
    rows: u64,
}

impl Sink for Look<'_> {
    fn push(&mut self, chunk: &Chunk, _: bool) -> Result<()> {
        self.rows += chunk.rows() as u64;
        self.objective.add(chunk, self.at);
        Ok(())
    }

    fn sums(&self) -> Option<(f64, f64)> {
        Some(self.objective.sums())
    }
}

/// Finds the weights of least loss, penalties included, from zero or from another model's weights.
///
/// # Errors
/// Those of the data; if the loss is not finite; and for factorization machines, whose loss has many minima.
pub(crate) fn fit(
    task: &Task<'_>,
    passes: &Passes<'_>,
    init: Option<&Model>,
    notes: &mut Notes<'_>,
) -> Result<Fit> {
    let Task { config, settings, plan, .. } = task;
    if matches!(settings.form, ModelForm::Factors { .. }) {
        return Err(Error::usage("--optimizer lbfgs does not fit factors")
            .remedy("leave out --factors, or choose another optimiser"));
    }
    if config.learning_rate.is_some() {
        return Err(Error::usage("--optimizer lbfgs finds its steps by itself")
            .remedy("leave out --learning-rate, or choose another optimiser"));
    }
    // Gradient descent's records are the right ones to start from: all zero but the bias.
    let mut zero =
        learner(&Settings { optimizer: Optimizer::Gd, variants: vec![Variant::at(0.0)], ..settings.clone() });
    let capped = zero.bytes_each() > config.max_model;
    let start = zero.weights(0, Iterate::Last);
    let mut objective =
        Objective::new(settings.loss, settings.class_weights.clone(), settings.variants[0].penalty, &start);
    let mut at = objective.vector(&start);
    // Looked at after the zero weights, at which the slope is what it is measured by.
    let mut warm = init.map(|model| objective.vector(&model.linear));
    let mut search = Lbfgs::new(at.clone(), objective.biases(), f64::from(settings.variants[0].penalty.l1));
    let mut holdout = (!passes.division.is_empty()).then(|| Holdout::new(&passes.division));
    let mut l2 = f64::from(settings.variants[0].penalty.l2);
    let (mut stages, mut epochs) = (Stages::default(), 0);
    let most = config.epochs();
    let (rows, skipped) = loop {
        epochs += 1;
        let mut look = Look { objective: &mut objective, at: &at, rows: 0 };
        let held = if epochs == 1 { holdout.as_mut() } else { None };
        let mut keeper = Keeper::new(&mut look, plan, epochs);
        let (spent, left_out) =
            passes.run((epochs, most), passes.division, held, &mut keeper, notes.watch)?;
        keeper.look(plan, notes);
        let counted = (look.rows, left_out);
        stages.add(&spent);
        let value = objective.take(&at);
        if search.loss().is_none() && !value.loss.is_finite() {
            return Err(Error::data("the loss is not finite at the start")
                .remedy("let numbers be scaled, or ignore the column whose numbers are too large"));
        }
        if epochs == 1 && config.penalty.is_none() {
            // All weights but the bias are zero here, so that no penalty was added yet.
            l2 = 1.0 / value.weight.max(1.0);
            objective.set_l2(l2);
            notes.say(format!(
                "L2 penalty: {l2:.1e}, the prior that is as strong as one row; --l2 0 fits without"
            ));
        }
        let next = search.tell(&at, value, TOLERANCE);
        match warm.take().map_or(next, |weights| search.restart(weights)) {
            Next::Try(weights) if epochs < most => at = weights,
            next => {
                let slope = match search.slope() {
                    Some(slope) => format!("the slope is {slope:.1e} of what it was"),
                    None => "the start was not yet looked at".to_string(),
                };
                notes.say(match next {
                    Next::Done => format!("converged in {epochs} passes: {slope}"),
                    Next::Try(_) => format!("not converged in {epochs} passes: {slope}; give more --epochs"),
                });
                break counted;
            }
        }
    };
    let linear = objective.model(search.weights());
    let report = holdout.as_mut().map(|h| h.score(&linear, task.scoring()));
    let accumulators = objective.model(&vec![0.0; search.weights().len()]).weights;
    Ok(Fit {
        linear,
        state: State { accumulators, z: Weights::default(), steps: 0 },
        rate: 0.0,
        l2: l2 as f32,
        progressive: None,
        holdout: report,
        race: None,
        rows_learned: rows,
        rows_held: holdout.as_ref().map_or(0, |h| h.rows().0),
        skipped,
        epochs,
        stages,
        capped,
    })
}
