//! The exact fit: L-BFGS on the mean loss over all rows, one pass for each look at it.

use serde::{Deserialize, Serialize};

use super::checkpoint::{Checkpoints, Pen};
use super::holdout::Holdout;
use super::leak::{Keeper, Kept};
use super::notes::Notes;
use super::pass::{Book, Pass, Passes, Sink, Standing};
use super::task::{Fit, Task};
use super::train::no_weight;
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::learn::{
    Alone, Chunk, Iterate, Lbfgs, ModelForm, Next, Objective, Optimizer, Settings, State, Variant, Weights,
    learner,
};
use crate::model::Model;
use crate::pipeline::Stages;

/// The search ends when the steepest slope is this share of what it is at zero.
const TOLERANCE: f64 = 1e-5;

/// Rows summed up at fixed weights.
struct Look<'a> {
    objective: &'a mut Objective,
    at: &'a [f64],
    rows: &'a mut u64,
}

impl Sink for Look<'_> {
    fn push(&mut self, chunk: &Chunk, _: &mut dyn Watch) -> Result<()> {
        *self.rows += chunk.rows() as u64;
        self.objective.add(chunk, self.at);
        Ok(())
    }

    fn sums(&self) -> Option<(f64, f64)> {
        Some(self.objective.sums())
    }

    fn write(&mut self, pen: &mut Pen) -> Result<()> {
        pen.put(&(&self.objective, &self.rows))
    }
}

/// A search that goes on from pass to pass.
#[derive(Serialize, Deserialize)]
struct Descent {
    search: Lbfgs,
    /// The weights that are looked at.
    at: Vec<f64>,
    /// Those of another model, looked at after the zero weights, at which the slope is what it is measured by.
    warm: Option<Vec<f64>>,
    l2: f64,
    /// The pass that goes on.
    pass: u64,
    capped: bool,
}

/// A pass that was begun.
struct Begun {
    standing: Option<Standing>,
    kept: Kept,
    rows: u64,
}

/// Finds the weights of least loss, penalties included, from zero or from another model's weights; or goes on with that
/// from a checkpoint.
///
/// # Errors
/// Those of the data; if the loss is not finite; and for factorization machines, whose loss has many minima.
pub(crate) fn fit(
    task: &Task<'_>,
    passes: &Passes<'_>,
    init: Option<&Model>,
    checkpoints: &mut Checkpoints,
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
    let pages = checkpoints.pages();
    let (mut objective, mut descent, mut holdout, mut begun) = match pages {
        None => {
            let (objective, descent) = start(task, init);
            let holdout = (!passes.division.is_empty()).then(|| Holdout::new(&passes.division));
            (objective, descent, holdout, None)
        }
        Some(mut pages) => {
            let (descent, standing, holdout): (Descent, Standing, _) = Book::read(&mut pages, notes)?;
            let (kept, (objective, rows)) = (pages.take()?, pages.take()?);
            notes.goes_on_after(standing.rows(), "pass", descent.pass, config.epochs());
            (objective, descent, holdout, Some(Begun { standing: Some(standing), kept, rows }))
        }
    };
    let mut stages = Stages::default();
    let most = config.epochs();
    let (rows, skipped) = loop {
        let first = descent.pass == 1;
        let fresh = || Begun { standing: None, kept: Kept::new(plan, first), rows: 0 };
        let Begun { standing, mut kept, mut rows } = begun.take().unwrap_or_else(fresh);
        let mut look = Look { objective: &mut objective, at: &descent.at, rows: &mut rows };
        let mut keeper = Keeper { sink: &mut look, kept: &mut kept };
        let ledger = |pen: &mut Pen| pen.put(&descent);
        let pass = Pass {
            number: descent.pass,
            of: most,
            division: passes.division,
            holdout: holdout.as_mut(),
            collects: first,
            from: standing,
            book: Book::of(checkpoints, &notes.notes, &ledger),
        };
        let (spent, left_out) = passes.run(pass, &mut keeper, notes.watch)?;
        kept.look(plan, notes);
        let counted = (rows, left_out);
        stages.add(&spent);
        let value = objective.take(&descent.at);
        let Descent { search, at, warm, l2, pass, .. } = &mut descent;
        if search.loss().is_none() && !value.loss.is_finite() {
            return Err(Error::data("the loss is not finite at the start")
                .remedy("let numbers be scaled, or ignore the column whose numbers are too large"));
        }
        if value.weight == 0.0 {
            return Err(no_weight());
        }
        if first && config.penalty.is_none() {
            // All weights but the bias are zero here, so that no penalty was added yet.
            *l2 = 1.0 / value.weight.max(1.0);
            objective.set_l2(*l2);
            notes.say(format!(
                "L2 penalty: {l2:.1e}, the prior that is as strong as one row; --l2 0 fits without"
            ));
        }
        let next = search.tell(at, value, TOLERANCE);
        match warm.take().map_or(next, |weights| search.restart(weights)) {
            Next::Try(weights) if *pass < most => *at = weights,
            next => {
                let slope = match search.slope() {
                    Some(slope) => format!("the slope is {slope:.1e} of what it was"),
                    None => "the start was not yet looked at".to_string(),
                };
                notes.say(match next {
                    Next::Done => format!("converged in {pass} passes: {slope}"),
                    Next::Try(_) => format!("not converged in {pass} passes: {slope}; give more --epochs"),
                });
                break counted;
            }
        }
        *pass += 1;
    };
    let weights = descent.search.weights();
    let linear = objective.model(weights);
    let report = holdout.as_mut().map(|h| h.score(&linear, task.scoring()));
    let accumulators = objective.model(&vec![0.0; weights.len()]).weights;
    Ok(Fit {
        linear,
        state: State { accumulators, z: Weights::default(), steps: 0 },
        rate: 0.0,
        l2: descent.l2 as f32,
        progressive: None,
        holdout: report,
        race: None,
        rows_learned: rows,
        rows_held: holdout.as_ref().map_or(0, |h| h.rows().0),
        skipped,
        epochs: descent.pass,
        stages,
        capped: descent.capped,
    })
}

/// Where a search begins.
fn start(task: &Task<'_>, init: Option<&Model>) -> (Objective, Descent) {
    let Task { config, settings, .. } = task;
    let penalty = settings.variants[0].penalty;
    // Gradient descent's records are the right ones to start from: all zero but the bias.
    let mut zero = learner(
        &Settings { optimizer: Optimizer::Gd, variants: vec![Variant::at(0.0)], ..settings.clone() },
        &Alone,
    );
    let start = zero.weights(0, Iterate::Last);
    let objective = Objective::new(settings.loss, settings.class_weights.clone(), penalty, &start);
    let at = objective.vector(&start);
    let descent = Descent {
        search: Lbfgs::new(at.clone(), objective.biases(), f64::from(penalty.l1)),
        warm: init.map(|model| objective.vector(&model.linear)),
        at,
        l2: f64::from(penalty.l2),
        pass: 1,
        capped: zero.bytes_each() > config.max_model,
    };
    (objective, descent)
}
