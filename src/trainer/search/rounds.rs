//! The rounds of a search: its passes, each with as many configurations as there are places.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::checkpoint::{Checkpoints, Pages, Pen};
use super::super::cv::{estimates, no_rows};
use super::super::holdout::{Division, Holdout};
use super::super::leak::{Keeper, Kept};
use super::super::notes::Notes;
use super::super::pass::{Book, Pass, Passes, Standing};
use super::super::summary::{Estimate, FoldScore};
use super::setup::Setup;
use super::tournament::{Memory, Tournament, Trained};
use crate::error::{Error, Result};
use crate::input::Skipped;
use crate::pipeline::Stages;

/// The passes of a search's tournaments.
pub(super) struct Rounds<'a> {
    setup: &'a Setup<'a>,
    passes: &'a Passes<'a>,
    pub(super) progress: Progress,
    /// Rows to score models on, where there are folds.
    held: Holdout,
    /// The pass that an earlier run was in.
    begun: Option<(Standing, Kept)>,
    pub(super) stages: Stages,
}

/// What passes have left, beside their tournaments.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Progress {
    /// The pass of the tournament that goes on, from 1.
    pass: u64,
    best: Option<Best>,
    /// How finalists did on the folds.
    pub(super) scores: BTreeMap<usize, BTreeMap<String, Estimate>>,
    pub(super) rows: u64,
    pub(super) skipped: Skipped,
}

/// The best configuration so far.
#[derive(Clone, Serialize, Deserialize)]
struct Best {
    number: usize,
    loss: f64,
    /// Its model, until it is wanted.
    model: Option<Arc<Trained>>,
}

impl Progress {
    /// The number of the best configuration.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn best(&self) -> Result<usize> {
        self.best.as_ref().map(|best| best.number).ok_or_else(|| {
            Error::data("all configurations have diverged: their losses are no longer finite")
                .remedy("search smaller learning rates, let numbers be scaled, or ignore columns")
        })
    }

    /// The model of the best configuration, to be had once.
    pub(super) fn take_model(&mut self) -> Option<Trained> {
        self.best.as_mut().and_then(|best| best.model.take()).map(Arc::unwrap_or_clone)
    }
}

impl<'a> Rounds<'a> {
    pub(super) fn new(setup: &'a Setup<'a>, passes: &'a Passes<'a>) -> Self {
        let held = Holdout::new(&passes.division);
        let (progress, begun, stages) = (Progress::default(), None, Stages::default());
        Rounds { setup, passes, progress, held, begun, stages }
    }

    /// Goes on from a checkpoint, as does the tournament. Returns a second one, if that is where the checkpoint was
    /// written.
    ///
    /// # Errors
    /// Those of reading it.
    pub(super) fn go_on(
        &mut self,
        tournament: &mut Tournament<'a>,
        mut pages: Pages,
        notes: &mut Notes<'_>,
    ) -> Result<Option<Tournament<'a>>> {
        let (first, standing): (Option<Memory>, Standing);
        ((self.progress, first), standing, self.held) = Book::read(&mut pages, notes)?;
        let kept = pages.take()?;
        notes.goes_on_after(standing.rows(), "pass", self.progress.pass, u64::MAX);
        self.begun = Some((standing, kept));
        let Some(first) = first else {
            tournament.read(&mut pages)?;
            return Ok(None);
        };
        tournament.go_on(first)?;
        let mut second = Tournament::of_none(self.setup);
        second.read(&mut pages)?;
        Ok(Some(second))
    }

    /// Runs passes until all candidates have been tried, and keeps the best model of those that have all columns.
    /// `first` is the tournament before this one, if there was one.
    ///
    /// # Errors
    /// Those of the data, and of writing checkpoints.
    pub(super) fn run(
        &mut self,
        tournament: &mut Tournament<'_>,
        first: Option<&Tournament<'_>>,
        checkpoints: &mut Checkpoints,
        notes: &mut Notes<'_>,
    ) -> Result<()> {
        if self.begun.is_none() {
            (self.progress.pass, self.held) = (0, Holdout::new(&self.passes.division));
        }
        while self.progress.pass == 0 || self.begun.is_some() || !tournament.is_over() {
            self.pass(tournament, first, checkpoints, notes)?;
            notes.watch.leaders(&tournament.leaders());
            let mut losses = Vec::new();
            for number in tournament.finalists() {
                if !tournament.candidates[number].has_all_columns() {
                    continue;
                }
                let recent = tournament.halving.standings[number].recent_loss();
                let loss = self.score(number, tournament)?.unwrap_or(recent);
                losses.push((loss, number));
            }
            self.keep_best(losses, tournament);
            tournament.clear();
        }
        Ok(())
    }

    /// Runs the next pass, or the rest of it.
    fn pass(
        &mut self,
        tournament: &mut Tournament<'_>,
        first: Option<&Tournament<'_>>,
        checkpoints: &mut Checkpoints,
        notes: &mut Notes<'_>,
    ) -> Result<()> {
        let begun = self.begun.take();
        if begun.is_none() {
            self.progress.pass += 1;
        }
        let progress = &self.progress;
        let collects = progress.pass == 1;
        let fresh = || (None, Kept::new(&self.setup.plan, collects && first.is_none()));
        let (standing, mut kept) = begun.map_or_else(fresh, |(standing, kept)| (Some(standing), kept));
        let mut keeper = Keeper { sink: tournament, kept: &mut kept };
        let write = |pen: &mut Pen| {
            pen.put_later((progress.clone(), first.map(Tournament::memory)));
            Ok(())
        };
        let pass = Pass {
            number: 1,
            of: 1,
            division: if collects { self.passes.division } else { Division::NONE },
            holdout: Some(&mut self.held),
            collects,
            from: standing,
            book: Book::of(checkpoints, &notes.notes, &write),
        };
        let (stages, skipped) = self.passes.run(pass, &mut keeper, notes.watch)?;
        kept.look(&self.setup.plan, notes);
        self.stages.add(&stages);
        (self.progress.rows, self.progress.skipped) = (tournament.halving.rows(), skipped);
        if self.progress.rows == 0 {
            return Err(Error::data("no row was left to learn from").remedy("hold out or skip fewer rows"));
        }
        Ok(())
    }

    /// Keeps the best model of a pass, if it is better than those of the passes before.
    fn keep_best(&mut self, mut losses: Vec<(f64, usize)>, tournament: &mut Tournament<'_>) {
        losses.sort_by(|a, b| a.0.total_cmp(&b.0));
        let least = self.progress.best.as_ref().map_or(f64::INFINITY, |best| best.loss);
        for (loss, number) in losses.into_iter().take_while(|(loss, _)| *loss < least) {
            if let Some(model) = tournament.trained(number).filter(|model| model.linear.is_finite()) {
                self.progress.best = Some(Best { number, loss, model: Some(Arc::new(model)) });
                return;
            }
        }
    }

    /// The mean loss of a configuration on the rows that its models left out; `None` if there are no folds.
    fn score(&mut self, number: usize, tournament: &mut Tournament<'_>) -> Result<Option<f64>> {
        let Some(folds) = &self.setup.folds else { return Ok(None) };
        let mut scores = Vec::new();
        for (contender, fold) in self.setup.contenders.iter().enumerate() {
            let Some((repeat, fold)) = *fold else { continue };
            let Some(linear) = tournament.weights(number, contender) else { continue };
            let (parts, scoring) = (folds.scored((repeat, fold)), self.setup.full_scoring());
            let metrics = self.held.score_parts(&parts, &linear, scoring).ok_or_else(|| no_rows(fold))?;
            let learning_rate = tournament.candidates[number].variant().rate;
            scores.push(FoldScore { repeat: repeat + 1, fold: fold + 1, learning_rate, metrics });
        }
        let figures = estimates(&scores);
        let loss = figures.get("mean_loss").map(|estimate| estimate.mean);
        self.progress.scores.insert(number, figures);
        Ok(loss)
    }
}
