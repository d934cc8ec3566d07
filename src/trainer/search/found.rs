//! The run of a search, and what it finds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::checkpoint::{Checkpoints, Pages};
use super::super::notes::Notes;
use super::super::pass::Passes;
use super::super::summary::Estimate;
use super::super::task::Fit;
use super::candidate::Candidate;
use super::halving::Standing;
use super::importance::{ablated, importances};
use super::outcome::{SearchOutcome, Trial};
use super::propose::{Proposer, Told};
use super::rounds::{Progress, Rounds};
use super::rungs::Rungs;
use super::setup::{SOME_ROWS, Setup};
use super::tournament::{Memory, Tournament, Trained};
use crate::error::Result;
use crate::learn::learner;
use crate::pipeline::Stages;

/// Most rows that are kept for configurations that don't find a place at once, and most bytes. What determines the
/// winner does not depend on the memory that there is.
const WINDOW_ROWS: u64 = 1 << 18;
const WINDOW_BYTES: usize = 64 << 20;
/// Fewest rows that are kept, if they don't take more than so many bytes.
const FEWEST_ROWS: u64 = 1 << 10;
const MOST_WINDOW_BYTES: usize = 256 << 20;

/// What a search found.
pub(super) struct Found<'a> {
    pub(super) tournament: Tournament<'a>,
    /// That of the models without some of the columns, where it was one of its own.
    ablation: Option<Tournament<'a>>,
    progress: Progress,
    /// The numbers of all candidates, the best first.
    pub(super) order: Vec<usize>,
    pub(super) best: usize,
    pub(super) outcome: SearchOutcome,
    pub(super) stages: Stages,
}

/// What was found, as checkpoints have it that are written afterwards.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    progress: Progress,
    tournament: Memory,
    ablation: Option<Memory>,
}

/// A search before its first row.
struct Start<'a> {
    tournament: Tournament<'a>,
    /// How many configurations are tried.
    count: usize,
    /// When worse ones are dropped, if they are.
    rungs: Option<Rungs>,
}

/// Runs a search, and writes checkpoints meanwhile, if that is wanted; goes on from one, if there is one.
///
/// # Errors
/// Those of the data and of the configuration; and if all configurations diverge.
pub(super) fn run<'a>(
    setup: &'a Setup<'a>,
    passes: &'a Passes<'a>,
    pages: Option<Pages>,
    checkpoints: &mut Checkpoints,
    notes: &mut Notes<'_>,
) -> Result<Found<'a>> {
    let Start { mut tournament, count, rungs } = start(setup)?;
    tell(setup, count, rungs, notes)?;
    let (mut rounds, mut ablation) = (Rounds::new(setup, passes), None);
    if let Some(pages) = pages {
        ablation = rounds.go_on(&mut tournament, pages, notes)?;
    }
    if ablation.is_none() {
        rounds.run(&mut tournament, None, checkpoints, notes)?;
    }
    if let Some(wanted) = setup.config.ablate.as_ref().filter(|_| !tournament.has_ablated()) {
        let mut others = match ablation {
            Some(begun) => begun,
            None => {
                let base = &tournament.candidates[rounds.progress.best()?];
                let candidates = ablated(base, wanted, &setup.plan)?;
                notes.say(format!(
                    "another pass: {} models, each without some of the columns",
                    candidates.len()
                ));
                let mut others = Tournament::of_none(setup);
                others.add(candidates);
                others
            }
        };
        rounds.run(&mut others, Some(&tournament), checkpoints, notes)?;
        ablation = Some(others);
    }
    let Rounds { progress, stages, .. } = rounds;
    found(setup, rungs, tournament, ablation, progress, stages)
}

/// What an earlier run has found, but for the model.
///
/// # Errors
/// If it can't be made again.
pub(super) fn recall<'a>(setup: &'a Setup<'a>, from: Record) -> Result<Found<'a>> {
    let Record { progress, tournament: memory, ablation } = from;
    let Start { mut tournament, rungs, .. } = start(setup)?;
    tournament.go_on(memory)?;
    let others = |memory: Memory| {
        let mut others = Tournament::of_none(setup);
        others.go_on(memory)?;
        Ok(others)
    };
    let ablation = ablation.map(others).transpose()?;
    found(setup, rungs, tournament, ablation, progress, Stages::default())
}

/// Brings together what a search starts with.
fn start<'a>(setup: &'a Setup<'a>) -> Result<Start<'a>> {
    let config = setup.config;
    let mut proposer = Proposer::new(setup)?;
    let count = proposer.left();
    let halves = !config.full && count > 1;
    let window = if halves { window_rows(setup) } else { 0 };
    let rungs = if halves { Rungs::of(count, setup.rows, window, config.train.batch_size) } else { None };
    let mut first_ones = Vec::new();
    if let Some(ablation) = &config.ablate {
        let base = setup.candidate(setup.first_point())?;
        // In any case, so that a column that is not there is found out before the search.
        let others = ablated(&base, ablation, &setup.plan)?;
        if count == 1 {
            // A configuration by itself learns in the same pass as those that do without columns of it.
            proposer.next(1, &Told::default());
            first_ones = [vec![base], others].concat();
        }
    }
    let count = count.max(first_ones.len());
    let mut tournament = Tournament::new(setup, proposer, rungs, window);
    tournament.add(first_ones);
    Ok(Start { tournament, count, rungs })
}

/// Sums up what all passes have left.
fn found<'a>(
    setup: &Setup<'_>,
    rungs: Option<Rungs>,
    tournament: Tournament<'a>,
    ablation: Option<Tournament<'a>>,
    progress: Progress,
    stages: Stages,
) -> Result<Found<'a>> {
    let best = progress.best()?;
    let (candidates, halving, unit) = (&tournament.candidates, &tournament.halving, setup.unit());
    let standing = &halving.standings[best];
    let of = |tried: &Tournament<'_>| {
        importances(standing, tried.candidates.iter().zip(&tried.halving.standings), unit)
    };
    let importance = of(ablation.as_ref().unwrap_or(&tournament));
    let mut order = halving.order();
    // Where there are folds, the losses on left-out rows decide among those that came to the end.
    let on_folds = |number: &usize| {
        let figures = progress.scores.get(number).and_then(|figures| figures.get("mean_loss"));
        figures.map_or(f64::INFINITY, |loss| loss.mean)
    };
    order.sort_by(|a, b| on_folds(a).total_cmp(&on_folds(b)));
    let trials = order.iter().filter(|&&number| candidates[number].has_all_columns());
    let trials = trials.map(|&number| {
        let figures = progress.scores.get(&number).cloned();
        trial(number, &candidates[number], &halving.standings[number], setup, figures)
    });
    let outcome = SearchOutcome {
        compared_by: setup.compared_by(),
        first_halving: rungs.map(|rungs| rungs.first),
        row_visits: halving.visits(|_| true),
        row_visits_of_dropped: halving.visits(|standing| standing.dropped),
        row_visits_without_halving: progress.rows * (candidates.len() * setup.contenders.len()) as u64,
        trials: trials.collect(),
        importance,
    };
    Ok(Found { tournament, ablation, progress, order, best, outcome, stages })
}

impl Found<'_> {
    /// What is written of it: all but the model, in whose place another is trained.
    pub(super) fn record(mut self) -> Record {
        self.progress.take_model();
        let ablation = self.ablation.as_ref().map(Tournament::memory);
        Record { tournament: self.tournament.memory(), ablation, progress: self.progress }
    }

    pub(super) fn winner(&self) -> &Candidate {
        &self.tournament.candidates[self.best]
    }

    /// The winner's fit.
    ///
    /// # Panics
    /// If its model is not at hand.
    pub(super) fn fit(mut self) -> Fit {
        let model = self.progress.take_model();
        let Trained { linear, state, capped, report } = model.expect("a search leaves a model");
        let variant = self.winner().variant();
        Fit {
            linear,
            state,
            rate: variant.rate,
            l2: variant.penalty.l2,
            progressive: Some(report),
            holdout: None,
            race: None,
            rows_learned: self.progress.rows,
            rows_held: 0,
            skipped: self.progress.skipped.clone(),
            epochs: 1,
            stages: self.stages,
            capped,
        }
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
fn tell(setup: &Setup<'_>, count: usize, rungs: Option<Rungs>, notes: &mut Notes<'_>) -> Result<()> {
    let config = setup.config;
    if setup.rows.is_none() {
        notes.say(format!("the data does not tell how many rows it has: the search is made for {SOME_ROWS}"));
    }
    let places = count.min(config.places);
    let models = places * setup.contenders.len();
    let each = learner(&setup.candidate(setup.first_point())?.settings, setup.crew.as_ref()).bytes_each();
    let mut text = match count {
        1 => "one configuration".to_string(),
        _ => format!("{count} configurations, {places} of them side by side"),
    };
    if setup.contenders.len() > 1 {
        text.push_str(&format!(" with {} models each", setup.contenders.len()));
    }
    if let Some(Rungs { first, .. }) = rungs {
        let until = if setup.rows.is_some() { ", up to half of all" } else { "" };
        text.push_str(&format!(
            "; the worse half is dropped after {first} rows, and after twice as many each{until}"
        ));
    }
    let (start, most) = ((each * models) as f64 / 1e6, config.train.max_model as f64 / 1e6);
    text.push_str(&format!("; their tables start with {start:.1} MB (at most {most:.1} MB for each model)"));
    notes.say(text);
    Ok(())
}

/// Rows that are kept for late configurations: of whole mini-batches at least a few.
fn window_rows(setup: &Setup<'_>) -> u64 {
    let rows_in = |bytes: usize| (bytes / setup.row_bytes().max(1)) as u64;
    let fewest = FEWEST_ROWS.min(rows_in(MOST_WINDOW_BYTES)).max(1);
    let window = 1 << rows_in(WINDOW_BYTES).clamp(fewest, WINDOW_ROWS).ilog2();
    let batches = (4 * setup.config.train.batch_size as u64).next_power_of_two();
    window.max(batches).min(setup.rows.map_or(u64::MAX, u64::next_power_of_two))
}
