//! The run of a search: its passes, and what they find.

use std::collections::BTreeMap;

use super::super::config::Ablation;
use super::super::cv::{estimates, score};
use super::super::holdout::{Division, Holdout};
use super::super::pass::{Pass, Passes};
use super::super::summary::{Estimate, FoldScore};
use super::super::task::Fit;
use super::super::train::Notes;
use super::candidate::Candidate;
use super::halving::Standing;
use super::importance::{ablated, importances};
use super::outcome::{Importance, SearchOutcome, Trial};
use super::propose::Proposer;
use super::setup::{SOME_ROWS, Setup};
use super::tournament::{Tournament, Trained};
use crate::error::{Error, Result};
use crate::input::Skipped;
use crate::learn::learner;
use crate::pipeline::Stages;

/// Most rows that are kept for configurations that don't find a place at once, and most bytes. What determines the
/// winner does not depend on the memory that there is.
const WINDOW_ROWS: u64 = 1 << 18;
const WINDOW_BYTES: usize = 64 << 20;
const FEWEST_ROWS: u64 = 1 << 10;
/// Rows before the first halving, at the least, where there are eight times as many.
const FEW_ROWS: u64 = 1 << 12;

/// What a search found.
pub(super) struct Found {
    pub(super) candidates: Vec<Candidate>,
    pub(super) standings: Vec<Standing>,
    /// The numbers of all candidates, the best first.
    pub(super) order: Vec<usize>,
    pub(super) best: usize,
    /// The best one's model.
    pub(super) fit: Fit,
    pub(super) outcome: SearchOutcome,
}

/// The best model so far.
struct Best {
    number: usize,
    loss: f64,
    model: Trained,
}

/// Runs a search.
///
/// # Errors
/// Those of the data and of the configuration; and if all configurations diverge.
pub(super) fn run(setup: &Setup<'_>, passes: &Passes<'_>, notes: &mut Notes<'_>) -> Result<Found> {
    let config = setup.config;
    let mut proposer = Proposer::new(setup)?;
    let count = proposer.left();
    let halves = !config.full && count > 1;
    let window = if halves { window_rows(setup) } else { 0 };
    let first = halves.then(|| first_halving(count, setup.rows, window, config.train.batch_size));
    let mut first_ones = Vec::new();
    if let Some(ablation) = &config.ablate {
        let base = setup.candidate(setup.first_point())?;
        // In any case, so that a column that is not there is found out before the search.
        let others = ablated(&base, ablation, &setup.plan)?;
        if count == 1 {
            // A configuration by itself learns in the same pass as those that do without columns of it.
            proposer.next(1, &[]);
            first_ones = [vec![base], others].concat();
        }
    }
    if setup.rows.is_none() {
        notes.say(format!("the data does not tell how many rows it has: the search is made for {SOME_ROWS}"));
    }
    tell(setup, count.max(first_ones.len()), first, notes)?;
    let mut tournament = Tournament::new(setup, proposer, first, window);
    tournament.add(first_ones);
    let mut search = Search::new(setup, passes);
    search.run(&mut tournament, notes)?;
    let best = search.best.take().ok_or_else(|| {
        Error::data("all configurations have diverged: their losses are no longer finite")
            .remedy("search smaller learning rates, let numbers be scaled, or ignore columns")
    })?;
    let Tournament { candidates, halving, .. } = tournament;
    let (winner, standing) = (&candidates[best.number], &halving.standings[best.number]);
    let mut importance = importances(standing, candidates.iter().zip(&halving.standings), setup.unit());
    if let Some(ablation) = config.ablate.as_ref().filter(|_| importance.is_empty()) {
        importance = search.ablate(winner, standing, ablation, notes)?;
    }
    let mut order = halving.order();
    // Where there are folds, the losses on left-out rows decide among those that came to the end.
    let on_folds = |number: &usize| {
        let figures = search.scores.get(number).and_then(|figures| figures.get("mean_loss"));
        figures.map_or(f64::INFINITY, |loss| loss.mean)
    };
    order.sort_by(|a, b| on_folds(a).total_cmp(&on_folds(b)));
    let trials = order.iter().filter(|&&number| candidates[number].has_all_columns());
    let trials = trials.map(|&number| {
        trial(number, &candidates[number], &halving.standings[number], setup, search.scores.remove(&number))
    });
    let trials: Vec<Trial> = trials.collect();
    let outcome = SearchOutcome {
        compared_by: setup.compared_by(),
        first_halving: first,
        row_visits: halving.visits(|_| true),
        row_visits_of_dropped: halving.visits(|standing| standing.dropped),
        row_visits_without_halving: search.rows * (candidates.len() * setup.contenders.len()) as u64,
        trials,
        importance,
    };
    let fit = Fit {
        linear: best.model.linear,
        state: best.model.state,
        rate: winner.variant().rate,
        l2: winner.variant().penalty.l2,
        progressive: Some(best.model.report),
        holdout: None,
        race: None,
        rows_learned: search.rows,
        rows_held: 0,
        skipped: search.skipped,
        epochs: 1,
        stages: search.stages,
        capped: best.model.capped,
    };
    Ok(Found { best: best.number, fit, outcome, order, candidates, standings: halving.standings })
}

/// The passes of a search, and what they leave.
struct Search<'a> {
    setup: &'a Setup<'a>,
    passes: &'a Passes<'a>,
    best: Option<Best>,
    /// How finalists did on the folds.
    scores: BTreeMap<usize, BTreeMap<String, Estimate>>,
    rows: u64,
    skipped: Skipped,
    stages: Stages,
}

impl<'a> Search<'a> {
    fn new(setup: &'a Setup<'a>, passes: &'a Passes<'a>) -> Self {
        let (best, scores, stages) = (None, BTreeMap::new(), Stages::default());
        Search { setup, passes, best, scores, rows: 0, skipped: Skipped::default(), stages }
    }

    /// Runs passes until all candidates have been tried, and keeps the best model of those that have all columns.
    fn run(&mut self, tournament: &mut Tournament<'_>, notes: &mut Notes<'_>) -> Result<()> {
        let mut held = Holdout::new(&self.passes.division);
        let mut pass = 0;
        while pass == 0 || !tournament.is_over() {
            pass += 1;
            let first = pass == 1;
            let pass = Pass {
                number: 1,
                of: 1,
                division: if first { self.passes.division } else { Division::NONE },
                holdout: Some(&mut held),
                collects: first,
                from: None,
                book: None,
            };
            let (stages, skipped) = self.passes.run(pass, tournament, notes.watch)?;
            tournament.end_pass()?;
            notes.watch.leaders(&tournament.leaders());
            self.stages.add(&stages);
            (self.rows, self.skipped) = (tournament.halving.rows(), skipped);
            if self.rows == 0 {
                return Err(
                    Error::data("no row was left to learn from").remedy("hold out or skip fewer rows")
                );
            }
            let mut losses = Vec::new();
            for number in tournament.finalists() {
                if !tournament.candidates[number].has_all_columns() {
                    continue;
                }
                let recent = tournament.halving.standings[number].recent_loss();
                let loss = self.score(number, tournament, &held)?.unwrap_or(recent);
                losses.push((loss, number));
            }
            self.keep_best(losses, tournament);
            tournament.clear();
        }
        Ok(())
    }

    /// Keeps the best model of a pass, if it is better than those of the passes before.
    fn keep_best(&mut self, mut losses: Vec<(f64, usize)>, tournament: &mut Tournament<'_>) {
        losses.sort_by(|a, b| a.0.total_cmp(&b.0));
        let least = self.best.as_ref().map_or(f64::INFINITY, |best| best.loss);
        for (loss, number) in losses.into_iter().take_while(|(loss, _)| *loss < least) {
            if let Some(model) = tournament.trained(number).filter(|model| model.linear.is_finite()) {
                self.best = Some(Best { number, loss, model });
                return;
            }
        }
    }

    /// The mean loss of a configuration on the rows that its models left out; `None` if there are no folds.
    fn score(
        &mut self,
        number: usize,
        tournament: &mut Tournament<'_>,
        held: &Holdout,
    ) -> Result<Option<f64>> {
        let Some(folds) = &self.setup.folds else { return Ok(None) };
        let mut scores = Vec::new();
        for (contender, fold) in self.setup.contenders.iter().enumerate() {
            let Some((repeat, fold)) = *fold else { continue };
            let Some(linear) = tournament.weights(number, contender) else { continue };
            let rows = held.of(&folds.scored((repeat, fold)));
            let metrics = score(&linear, &rows, self.setup.full_scoring(), fold)?;
            let learning_rate = tournament.candidates[number].variant().rate;
            scores.push(FoldScore { repeat: repeat + 1, fold: fold + 1, learning_rate, metrics });
        }
        let figures = estimates(&scores);
        let loss = figures.get("mean_loss").map(|estimate| estimate.mean);
        self.scores.insert(number, figures);
        Ok(loss)
    }

    /// Measures what columns are worth to a configuration.
    fn ablate(
        &mut self,
        base: &Candidate,
        standing: &Standing,
        ablation: &Ablation,
        notes: &mut Notes<'_>,
    ) -> Result<Vec<Importance>> {
        let candidates = ablated(base, ablation, &self.setup.plan)?;
        notes.say(format!("another pass: {} models, each without some of the columns", candidates.len()));
        let none = Proposer::Listed(Vec::new());
        let mut tournament = Tournament::new(self.setup, none, None, 0);
        tournament.add(candidates);
        self.run(&mut tournament, notes)?;
        let tried = tournament.candidates.iter().zip(&tournament.halving.standings);
        Ok(importances(standing, tried, self.setup.unit()))
    }
}

fn trial(
    number: usize,
    candidate: &Candidate,
    standing: &Standing,
    setup: &Setup<'_>,
    folds: Option<BTreeMap<String, Estimate>>,
) -> Trial {
    let finite = |loss: f64| loss.is_finite().then(|| loss * setup.unit());
    Trial {
        number,
        options: candidate.options.clone(),
        rows: standing.rows,
        loss: finite(standing.recent_loss()),
        progressive_loss: finite(standing.progressive_loss()),
        dropped: standing.dropped,
        folds,
    }
}

/// Says what is tried, and what it takes.
fn tell(setup: &Setup<'_>, count: usize, first: Option<u64>, notes: &mut Notes<'_>) -> Result<()> {
    let config = setup.config;
    let places = count.min(config.places);
    let models = places * setup.contenders.len();
    let each = learner(&setup.candidate(setup.first_point())?.settings).bytes_each();
    let mut text = match count {
        1 => "one configuration".to_string(),
        _ => format!("{count} configurations, {places} of them side by side"),
    };
    if setup.contenders.len() > 1 {
        text.push_str(&format!(" with {} models each", setup.contenders.len()));
    }
    if let Some(first) = first {
        text.push_str(&format!(
            "; the worse half is dropped after {first} rows, and after twice as many each"
        ));
    }
    let (start, most) = ((each * models) as f64 / 1e6, config.train.max_model as f64 / 1e6);
    text.push_str(&format!("; their tables start with {start:.1} MB (at most {most:.1} MB for each model)"));
    notes.say(text);
    Ok(())
}

/// Rows that are kept for late configurations: of whole mini-batches at least a few.
fn window_rows(setup: &Setup<'_>) -> u64 {
    let room = (WINDOW_BYTES / setup.row_bytes().max(1)) as u64;
    let window = 1 << room.clamp(FEWEST_ROWS, WINDOW_ROWS).ilog2();
    let batches = (4 * setup.config.train.batch_size as u64).next_power_of_two();
    window.max(batches).min(setup.rows.map_or(u64::MAX, u64::next_power_of_two))
}

/// Rows before the first halving: such that the configurations that are dropped, if half of them are each time, learn
/// together from about as many rows as there are, but not so few that chance decides. Fewer are too few, too, where
/// penalties are searched: what keeps a model of few rows from overfitting is too much for one of many.
fn first_halving(count: usize, rows: Option<u64>, window: u64, batch: usize) -> u64 {
    let (count, rows) = (count as f64, rows.unwrap_or(SOME_ROWS));
    let alike = rows as f64 / (count * (1.0 + count.log2() / 2.0));
    let nearest = 2.0f64.powf(alike.log2().round()) as u64;
    let first = nearest.max(FEW_ROWS.min(rows / 8)).max(FEWEST_ROWS).min(window).max(1);
    // Of whole mini-batches at least a few; the window has as many.
    (1 << first.ilog2()).max((4 * batch as u64).next_power_of_two())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losers_learn_from_as_many_rows_as_there_are() {
        let window = WINDOW_ROWS;
        for (count, rows) in [(64, 1 << 24), (16, 1 << 23), (256, 1 << 27)] {
            let first = first_halving(count, Some(rows), window, 32);
            let halvings = count.ilog2();
            // Each configuration but the last learns until the halving that it does not survive.
            let losers: u64 =
                (0..halvings).map(|halving| (count as u64 >> (halving + 1)) * (first << halving)).sum();
            assert!(losers <= 2 * rows && 2 * losers >= rows, "{count} of {rows}: {first}, {losers}");
        }
        assert_eq!(first_halving(64, Some(45_312), window, 32), 4096);
        assert_eq!(first_halving(64, Some(3000), window, 32), 1024);
        assert_eq!(first_halving(64, None, window, 32), 4096);
        assert_eq!(first_halving(64, Some(1 << 20), window, 1000), 4096);
        assert_eq!(first_halving(2, Some(100), 128, 32), 128);
        assert_eq!(first_halving(4, Some(1 << 40), window, 32), window);
    }
}
