//! Successive halving inside the pass (Jamieson and Talwalkar, AISTATS 2016): after twice as many rows each, the worse
//! half of the configurations is dropped. All are compared over the same rows, each having learned from the same rows
//! before, whenever they are tried: the first rows of a pass are kept for those that come late.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::super::feed::Referee;
use super::super::team::{Runner, Team, keep};
use super::curve::Curve;
use super::propose::Told;
use super::rungs::Rungs;
use crate::error::Result;
use crate::learn::Crew;

/// Rows between two marks of a curve, at first, and after so many rows.
const FINE: u64 = 1 << 8;
const COARSE: u64 = 1 << 12;
const MANY: u64 = 1 << 14;

/// Results that are enough to go by: those over the most rows that so many configurations have learned from, as Falkner,
/// Klein and Hutter (ICML 2018) go by the largest budget that tells enough.
const TELLING: usize = 8;

/// How the configurations of a search do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Halving {
    /// Models of each configuration, which have consecutive numbers in the run.
    models: usize,
    /// When worse ones are dropped; `None` for never.
    at: Option<Rungs>,
    /// Rows of this heat so far.
    rows: u64,
    next: u64,
    pub(super) standings: Vec<Standing>,
    /// For each halving the losses of the configurations that came so far.
    rungs: Vec<Vec<(f64, usize)>>,
    /// Whether the order may have changed since somebody asked.
    news: bool,
}

/// How a configuration does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Standing {
    /// Its models' progressive losses, all together.
    pub(super) curve: Curve,
    /// Halvings that it came to.
    halvings: usize,
    /// Rows that it learned from.
    pub(super) rows: u64,
    /// Sums of loss and weight of all these.
    pub(super) sums: (f64, f64),
    /// The first row of the run whose loss was not finite.
    pub(super) diverged: Option<u64>,
    /// Whether it was dropped.
    pub(super) dropped: bool,
}

impl Standing {
    /// Before the first row, with a curve whose first mark is at row `first`.
    pub(super) fn new(first: u64) -> Self {
        Standing {
            curve: Curve::new(first),
            halvings: 0,
            rows: 0,
            sums: (0.0, 0.0),
            diverged: None,
            dropped: false,
        }
    }

    /// Its mean loss over the later half of its rows: by then it has mostly learned what it can.
    pub(super) fn recent_loss(&self) -> f64 {
        let (loss, weight) = self.curve.at(self.rows / 2);
        let loss = mean((self.sums.0 - loss, self.sums.1 - weight));
        if self.diverged.is_some() { f64::INFINITY } else { loss }
    }

    /// Its mean loss over all its rows.
    pub(super) fn progressive_loss(&self) -> f64 {
        if self.diverged.is_some() { f64::INFINITY } else { mean(self.sums) }
    }

    /// Its rows cut at the marks of its curve, the rest after the last mark included: for each piece the row that it ends
    /// at, and sums of loss and weight in it and up to its end.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Piece> {
        let marked = self.curve.marks().last().map_or((0, (0.0, 0.0)), |mark| (mark.rows, mark.sums));
        let rest = (self.rows > marked.0).then_some((self.rows, self.sums));
        let ends = self.curve.marks().iter().map(|mark| (mark.rows, mark.sums)).chain(rest);
        ends.scan((0.0, 0.0), |before, (rows, sums)| {
            let since = (sums.0 - before.0, sums.1 - before.1);
            *before = sums;
            Some(Piece { rows, since, sums })
        })
    }

    /// Which of two configurations did better: the one that was dropped later, and then the one of less loss.
    fn compare(&self, other: &Standing) -> Ordering {
        let last = |of: &Standing| (!of.dropped, of.halvings);
        last(other).cmp(&last(self)).then(self.recent_loss().total_cmp(&other.recent_loss()))
    }
}

/// Some of the rows that a configuration learned from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    /// The rows up to its end.
    pub(super) rows: u64,
    /// Sums of loss and weight in it, and up to its end.
    pub(super) since: (f64, f64),
    pub(super) sums: (f64, f64),
}

fn mean((loss, weight): (f64, f64)) -> f64 {
    let mean = loss / weight;
    if mean.is_finite() { mean } else { f64::INFINITY }
}

impl Halving {
    /// An account of configurations that have so many models each, halved at some rungs.
    pub(super) fn new(models: usize, at: Option<Rungs>) -> Self {
        let (standings, rungs) = (Vec::new(), Vec::new());
        Halving { models, at, rows: 0, next: FINE, standings, rungs, news: false }
    }

    /// Begins a heat of `count` more configurations: they learn from the first row on.
    pub(super) fn begin(&mut self, count: usize) {
        self.standings.extend(std::iter::repeat_n(Standing::new(FINE), count));
        (self.rows, self.next) = (0, FINE);
    }

    /// Drops those among the models of several heats that did not do as well as the better half of all, and more if
    /// there are more than `most` configurations.
    pub(super) fn compare(&mut self, teams: &mut Vec<Team>, most: usize, crew: &dyn Crew) {
        let better = match self.rungs.len().checked_sub(1) {
            Some(rung) => self.better(rung),
            // All the rows are fewer than would tell which are better.
            None => self.running(teams),
        };
        self.keep(&better[..better.len().min(most)], teams, crew);
    }

    /// The numbers of all configurations, the best first.
    pub(super) fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.standings.len()).collect();
        order.sort_by(|&a, &b| self.standings[a].compare(&self.standings[b]));
        order
    }

    /// What the next proposals may go by, made while the first `window` rows are all that configurations learn from.
    pub(super) fn told(&self, window: u64) -> Told {
        let order = self.order();
        // Among fewer rows nobody comes far enough to tell what is best of all.
        let is_sure = self.at.is_none_or(|rungs| rungs.last <= window);
        Told { order: if is_sure { self.farthest(order) } else { order }, is_sure }
    }

    /// Of an order the configurations that came as far as a few of them did: what one does among many rows those that
    /// were dropped after few say little about.
    fn farthest(&self, mut order: Vec<usize>) -> Vec<usize> {
        let came_to = |number: usize| (!self.standings[number].dropped, self.standings[number].halvings);
        if let Some(&last) = order.get(TELLING - 1) {
            order.retain(|&number| came_to(number) >= came_to(last));
        }
        order
    }

    /// Whether the order may have changed since this was last asked.
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// Rows that the models of some configurations learned from, all together.
    pub(super) fn visits(&self, which: impl Fn(&Standing) -> bool) -> u64 {
        let chosen = self.standings.iter().filter(|standing| which(standing));
        chosen.map(|standing| standing.rows * self.models as u64).sum()
    }

    /// Rows of this heat so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// The configuration that a model belongs to.
    fn number(&self, runner: &Runner) -> usize {
        runner.id / self.models
    }

    /// Notes sums of all models' losses.
    pub(super) fn note(&mut self, teams: &[Team]) {
        for number in self.running(teams) {
            let standing = &mut self.standings[number];
            (standing.rows, standing.sums) = (self.rows, (0.0, 0.0));
        }
        for runner in teams.iter().flat_map(|team| &team.runners) {
            let (number, (loss, weight)) = (self.number(runner), runner.metrics.sums());
            let standing = &mut self.standings[number];
            standing.sums.0 += loss;
            standing.sums.1 += weight;
            standing.diverged = standing.diverged.or(runner.diverged);
        }
    }

    /// Notes how models did since the rung before, and drops the worse half.
    fn halve(&mut self, rung: usize, teams: &mut Vec<Team>, crew: &dyn Crew) {
        self.rungs.resize(self.rungs.len().max(rung + 1), Vec::new());
        let running = self.running(teams);
        for number in running {
            let standing = &mut self.standings[number];
            standing.halvings += 1;
            self.rungs[rung].push((standing.recent_loss(), number));
        }
        self.rungs[rung].sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let better = self.better(rung);
        self.keep(&better, teams, crew);
    }

    /// The numbers of the configurations that learn.
    pub(super) fn running(&self, teams: &[Team]) -> Vec<usize> {
        let all = teams.iter().flat_map(|team| &team.runners).map(|runner| self.number(runner));
        let mut running: Vec<usize> = all.collect();
        running.sort_unstable();
        running.dedup();
        running
    }

    /// The better half of those that came to a halving.
    fn better(&self, rung: usize) -> Vec<usize> {
        let all = &self.rungs[rung];
        all[..all.len().div_ceil(2)].iter().map(|(_, number)| *number).collect()
    }

    /// Drops all but some configurations.
    fn keep(&mut self, kept: &[usize], teams: &mut Vec<Team>, crew: &dyn Crew) {
        for number in self.running(teams) {
            self.standings[number].dropped |= !kept.contains(&number);
        }
        keep(teams, crew, |runner| kept.contains(&self.number(runner)));
        self.news = true;
    }
}

impl Referee for Halving {
    fn rows_to_look(&self) -> u64 {
        self.next.saturating_sub(self.rows).max(1)
    }

    fn look(&mut self, teams: &mut Vec<Team>, rows: u64, crew: &dyn Crew) -> Result<()> {
        self.rows += rows;
        if self.rows < self.next {
            return Ok(());
        }
        self.note(teams);
        // A large mini-batch may pass several at once, of which the last has a mark.
        while self.rows >= self.next {
            let following = self.next + if self.next < MANY { FINE } else { COARSE };
            if self.rows < following {
                for number in self.running(teams) {
                    let standing = &mut self.standings[number];
                    standing.curve.mark(self.next, self.rows, standing.sums);
                }
            }
            if let Some(rung) = self.at.and_then(|rungs| rungs.number(self.next)) {
                self.halve(rung, teams, crew);
            }
            self.news |= self.next.is_power_of_two();
            self.next = following;
        }
        Ok(())
    }

    fn leader(&self, teams: &[Team]) -> Option<(usize, usize)> {
        let losses = |number: usize| self.standings[number].recent_loss();
        let places = teams
            .iter()
            .enumerate()
            .flat_map(|(t, team)| team.runners.iter().enumerate().map(move |(place, r)| (t, place, r)));
        let best = places.min_by(|a, b| losses(self.number(a.2)).total_cmp(&losses(self.number(b.2))));
        best.map(|(team, place, _)| (team, place))
    }
}
