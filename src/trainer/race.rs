//! The race: models that differ in their learning rates, compared by their progressive losses. Where several such
//! races are held side by side, as for the folds of a cross-validation, each has its own winner.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::checkpoint::{Pages, Pen};
use super::feed::Referee;
use super::scoring::Scoring;
use super::team::{Runner, Team, keep};
use crate::error::{Error, Result};
use crate::features::Plan;
use crate::learn::Crew;

/// Keeps the marks, ends the race when it has had its rows, and the run when all models have diverged.
pub(crate) struct Race {
    plan: Arc<Plan>,
    /// The models that take part, by their numbers in the run.
    entrants: BTreeMap<usize, Entrant>,
    rows: u64,
    next_mark: u64,
    /// Rows after which only winners go on.
    end: u64,
    /// Accounts of models that did not go on.
    dropped: Vec<Arc<Runner>>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Entrant {
    /// The race it takes part in.
    pub(crate) race: usize,
    pub(crate) rate: f32,
    /// Sums of loss and weight at the last mark and at the one before.
    marks: [(f64, f64); 2],
}

impl Entrant {
    pub(crate) fn new(race: usize, rate: f32) -> Self {
        Entrant { race, rate, marks: [(0.0, 0.0); 2] }
    }
}

/// The first mark; the others follow at twice the rows each.
const FIRST_MARK: u64 = 1024;

/// Rows after which the winner goes on alone, if the data has so many. By then the losses of the
/// rates differ by more than chance, or so little that it does not matter.
pub(crate) const RACE_ROWS: u64 = 1 << 18;

impl Race {
    /// A race among some models of the run, each with its number, which ends after `end` rows.
    pub(crate) fn new(plan: Arc<Plan>, entrants: BTreeMap<usize, Entrant>, end: u64) -> Self {
        Race { plan, entrants, rows: 0, next_mark: FIRST_MARK, end, dropped: Vec::new() }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes what it goes on from.
    ///
    /// # Errors
    /// Those of the pen.
    pub(crate) fn write(&self, pen: &mut Pen) -> Result<()> {
        pen.put(&(&self.entrants, self.rows, self.next_mark, self.end))?;
        pen.put_later(self.dropped.clone());
        Ok(())
    }

    /// A race that goes on from where it was written.
    ///
    /// # Errors
    /// Those of the pages.
    pub(crate) fn read(plan: Arc<Plan>, pages: &mut Pages) -> Result<Self> {
        let ((entrants, rows, next_mark, end), dropped) = (pages.take()?, pages.take()?);
        Ok(Race { plan, entrants, rows, next_mark, end, dropped })
    }

    /// The sound model of race `race` whose loss over the later rows, between a half and three quarters of all, is
    /// the least: the team and its place there. `None` if all have diverged.
    pub(crate) fn winner(&self, race: usize, teams: &[Team]) -> Option<(usize, usize)> {
        let recent = |runner: &Runner| {
            let (loss, weight) = runner.metrics.sums();
            let (before, weight_before) = self.entrants[&runner.id].marks[0];
            (loss - before) / (weight - weight_before).max(f64::MIN_POSITIVE)
        };
        let places =
            teams.iter().enumerate().flat_map(|(t, team)| (0..).zip(&team.runners).map(move |r| (t, r)));
        let sound = places.filter(|(_, (_, r))| self.entrants[&r.id].race == race && r.diverged.is_none());
        let least = sound.min_by(|a, b| recent(a.1.1).total_cmp(&recent(b.1.1)));
        least.map(|(team, (place, _))| (team, place))
    }

    /// The accounts of all models, in the order of their numbers; those of the teams begin anew.
    pub(crate) fn finish(self, teams: &mut [Team], scoring: Scoring<'_>) -> Vec<Runner> {
        let mut runners: Vec<_> = self.dropped.into_iter().map(Arc::unwrap_or_clone).collect();
        runners.extend(teams.iter_mut().flat_map(|team| team.restart(scoring)));
        runners.sort_by_key(|runner| runner.id);
        runners
    }

    /// Lets only winners go on.
    ///
    /// # Errors
    /// If all models of a race have diverged.
    pub(crate) fn end(&mut self, teams: &mut Vec<Team>, crew: &dyn Crew) -> Result<()> {
        let winners = self.winners(teams)?;
        self.keep(&winners, teams, crew);
        Ok(())
    }

    /// The numbers of the winners of all races.
    fn winners(&self, teams: &[Team]) -> Result<Vec<usize>> {
        let winners = (0..self.races()).map(|race| {
            let (team, place) = self.winner(race, teams).ok_or_else(|| self.diverged(race, teams))?;
            Ok(teams[team].runners[place].id)
        });
        winners.collect()
    }

    fn keep(&mut self, winners: &[usize], teams: &mut Vec<Team>, crew: &dyn Crew) {
        let dropped = keep(teams, crew, |runner| winners.contains(&runner.id));
        self.dropped.extend(dropped.into_iter().map(Arc::new));
    }

    fn races(&self) -> usize {
        self.entrants.values().map(|entrant| entrant.race + 1).max().unwrap_or(0)
    }

    /// What to say when no model of race `race` is sound any more.
    fn diverged(&self, race: usize, teams: &[Team]) -> Error {
        let running = teams.iter().flat_map(|team| team.runners.iter().map(move |r| (team, r)));
        let running = running.filter(|(_, r)| self.entrants[&r.id].race == race);
        let (mut row, mut rate, mut column) = (0, f32::INFINITY, None);
        for (team, runner) in running {
            row = row.max(runner.diverged.unwrap_or(0));
            rate = rate.min(self.entrants[&runner.id].rate);
            column = column.or_else(|| Some(team.learner.heaviest(0)));
        }
        let column = column.flatten().map_or("the bias".to_string(), |column| {
            format!("the weight of column `{}`", self.plan.column_name(column))
        });
        let message = format!(
            "the loss was no longer finite at row {row} of the run: {column} has grown beyond all bounds with the \
             learning rate {}",
            told(rate)
        );
        Error::data(message)
            .remedy("give a smaller --learning-rate, let numbers be scaled, or ignore the column")
    }
}

/// A learning rate, without a row of zeros.
pub(super) fn told(rate: f32) -> String {
    if (1e-4..1e5).contains(&rate) { rate.to_string() } else { format!("{rate:e}") }
}

impl Referee for Race {
    fn rows_to_look(&self) -> u64 {
        self.next_mark - self.rows
    }

    fn look(&mut self, teams: &mut Vec<Team>, rows: u64, crew: &dyn Crew) -> Result<()> {
        self.rows += rows;
        if self.rows >= self.next_mark {
            self.next_mark *= 2;
            for runner in teams.iter().flat_map(|team| &team.runners) {
                if let Some(Entrant { marks, .. }) = self.entrants.get_mut(&runner.id) {
                    *marks = [marks[1], runner.metrics.sums()];
                }
            }
        }
        let winners = self.winners(teams)?;
        let running: usize = teams.iter().map(|team| team.runners.len()).sum();
        if running > winners.len() && self.rows >= self.end {
            self.keep(&winners, teams, crew);
        }
        Ok(())
    }

    fn leader(&self, teams: &[Team]) -> Option<(usize, usize)> {
        self.winner(0, teams)
    }
}
