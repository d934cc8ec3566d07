//! The tournament: configurations are tried on the first rows of the pass, which are kept for that, as many at a time as
//! there are places; those that do well go on with the rows that follow.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use super::super::feed::{Feed, Referee};
use super::super::pass::Sink;
use super::super::run::unchosen;
use super::super::team::{Runner, Team, form_teams};
use super::super::watch::Leader;
use super::candidate::Candidate;
use super::halving::Halving;
use super::propose::Proposer;
use super::setup::Setup;
use crate::error::{Error, Result};
use crate::learn::metrics::Report;
use crate::learn::{Chunk, Linear, State, Variant};

/// Configurations, and whatever it takes to try them.
pub(super) struct Tournament<'a> {
    setup: &'a Setup<'a>,
    /// Where candidates come from; those of the queue first.
    proposer: Proposer,
    queue: VecDeque<Candidate>,
    /// All that were tried, in the order of their numbers.
    pub(super) candidates: Vec<Candidate>,
    pub(super) halving: Halving,
    /// The first rows, and how many of them are kept.
    window: Vec<Chunk>,
    kept: u64,
    most: u64,
    /// Those that go on.
    feed: Option<Feed>,
}

/// A model that a pass left.
pub(super) struct Trained {
    pub(super) linear: Linear,
    pub(super) state: State,
    pub(super) capped: bool,
    /// How it did on its way.
    pub(super) report: Report,
}

impl<'a> Tournament<'a> {
    /// A tournament of a proposer's candidates, halved first after `first` rows; the first `most` rows are kept for
    /// those that don't find a place at once.
    pub(super) fn new(setup: &'a Setup<'a>, proposer: Proposer, first: Option<u64>, most: u64) -> Self {
        Tournament {
            setup,
            proposer,
            queue: VecDeque::new(),
            candidates: Vec::new(),
            halving: Halving::new(setup.contenders.len(), first),
            window: Vec::new(),
            kept: 0,
            most,
            feed: None,
        }
    }

    /// Has candidates tried before those of the proposer.
    pub(super) fn add(&mut self, candidates: impl IntoIterator<Item = Candidate>) {
        self.queue.extend(candidates);
    }

    /// Whether all have been tried.
    pub(super) fn is_over(&self) -> bool {
        self.queue.is_empty() && self.proposer.left() == 0
    }

    /// Ends a pass: the rows that are left are learned from.
    ///
    /// # Errors
    /// If a configuration can't be.
    pub(super) fn end_pass(&mut self) -> Result<()> {
        if self.feed.is_none() {
            self.heats()?;
        }
        if let Some(feed) = &mut self.feed {
            feed.flush(&mut self.halving)?;
            self.halving.note(&feed.teams);
        }
        Ok(())
    }

    /// Takes the places from all that have them, for the next pass.
    pub(super) fn clear(&mut self) {
        (self.feed, self.kept) = (None, 0);
    }

    /// The numbers of the candidates that learned until the pass's end.
    pub(super) fn finalists(&self) -> Vec<usize> {
        self.feed.as_ref().map_or_else(Vec::new, |feed| self.halving.running(&feed.teams))
    }

    /// A finalist's model of all rows.
    pub(super) fn trained(&mut self, number: usize) -> Option<Trained> {
        let contender = self.setup.contenders.len() - 1;
        let linear = self.weights(number, contender)?;
        let (team, place) = self.find(number, contender)?;
        let learner = &mut team.learner;
        Some(Trained {
            linear,
            state: learner.state(place),
            capped: learner.capped(),
            report: team.runners[place].metrics.report(),
        })
    }

    /// The weights of one of a finalist's models, that of contender `contender`.
    pub(super) fn weights(&mut self, number: usize, contender: usize) -> Option<Linear> {
        let iterate = unchosen(&self.candidates[number].config);
        let (team, place) = self.find(number, contender)?;
        Some(team.learner.weights(place, iterate))
    }

    fn find(&mut self, number: usize, contender: usize) -> Option<(&mut Team, usize)> {
        let id = number * self.setup.contenders.len() + contender;
        self.feed.as_mut()?.teams.iter_mut().find_map(|team| {
            let place = team.runners.iter().position(|runner| runner.id == id)?;
            Some((team, place))
        })
    }

    /// The best configurations so far.
    pub(super) fn leaders(&self) -> Vec<Leader> {
        let leader = |number: usize| {
            let standing = &self.halving.standings[number];
            Leader {
                configuration: self.candidates[number].to_string(),
                rows: standing.rows,
                loss: standing.recent_loss() * self.setup.unit(),
                learns: !standing.dropped,
            }
        };
        self.halving.order().into_iter().take(SHOWN).map(leader).collect()
    }

    /// Lets all candidates learn from the rows that are kept, as many at a time as there are places; without rows to
    /// keep only as many as there are places.
    fn heats(&mut self) -> Result<()> {
        let window = std::mem::take(&mut self.window);
        let mut going_on: Option<Feed> = None;
        loop {
            let new = self.next()?;
            if new.is_empty() {
                break;
            }
            let first = self.candidates.len();
            self.halving.begin(new.len());
            self.candidates.extend(new);
            let (shape, batch) = (self.setup.shape, self.setup.config.train.batch_size);
            let mut feed = Feed::new(self.teams(first)?, shape, batch, self.setup.crew);
            for chunk in &window {
                if self.setup.stop.load(Ordering::Relaxed) {
                    return Err(Error::interrupted());
                }
                // Readers have nothing to do meanwhile.
                feed.push(chunk, true, &mut self.halving)?;
            }
            match &mut going_on {
                None => going_on = Some(feed),
                Some(others) => others.teams.append(&mut feed.teams),
            }
            if self.most == 0 {
                break;
            }
            if let Some(feed) = &mut going_on {
                self.halving.compare(&mut feed.teams, self.setup.config.places);
            }
        }
        self.feed = going_on;
        Ok(())
    }

    /// The next candidates that have places.
    fn next(&mut self) -> Result<Vec<Candidate>> {
        let places = self.setup.config.places;
        if self.queue.is_empty() {
            let order = self.halving.order();
            for point in self.proposer.next(places, &order) {
                self.queue.push_back(self.setup.candidate(point)?);
            }
        }
        Ok(self.queue.drain(..self.queue.len().min(places)).collect())
    }

    /// The account of the best model that learns.
    fn leader(&self) -> Option<&Runner> {
        let teams = &self.feed.as_ref()?.teams;
        let (team, place) = self.halving.leader(teams)?;
        Some(&teams[team].runners[place])
    }

    /// Teams of the candidates from number `first` on: those that can share learners do.
    fn teams(&self, first: usize) -> Result<Vec<Team>> {
        let contenders = &self.setup.contenders;
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for number in first..self.candidates.len() {
            let goes =
                |group: &&mut Vec<usize>| self.candidates[group[0]].goes_with(&self.candidates[number]);
            match groups.iter_mut().find(goes) {
                Some(group) => group.push(number),
                None => groups.push(vec![number]),
            }
        }
        let mut teams = Vec::new();
        for group in groups {
            let models_of = |number: usize| {
                contenders.iter().enumerate().map(move |(contender, fold)| {
                    let left_out = fold.and_then(|fold| Some(self.setup.folds.as_ref()?.left_out(fold)));
                    let variant = Variant { left_out, ..self.candidates[number].variant().clone() };
                    (number * contenders.len() + contender, variant)
                })
            };
            let models = group.iter().flat_map(|&number| models_of(number)).collect();
            let settings = &self.candidates[group[0]].settings;
            teams.extend(form_teams(settings, models, self.setup.scoring())?);
        }
        Ok(teams)
    }
}

impl Sink for Tournament<'_> {
    fn push(&mut self, chunk: &Chunk, readers_rest: bool) -> Result<()> {
        if let Some(feed) = &mut self.feed {
            return feed.push(chunk, readers_rest, &mut self.halving);
        }
        let taken =
            usize::try_from(self.most - self.kept).map_or(chunk.rows(), |room| room.min(chunk.rows()));
        if taken > 0 {
            let mut part = Chunk::new(self.setup.shape, taken);
            part.append(chunk, 0, taken);
            self.window.push(part);
            self.kept += taken as u64;
        }
        if self.kept < self.most {
            return Ok(());
        }
        self.heats()?;
        let mut rest = Chunk::new(self.setup.shape, chunk.rows() - taken);
        rest.append(chunk, taken, chunk.rows());
        match &mut self.feed {
            Some(feed) => feed.push(&rest, readers_rest, &mut self.halving),
            None => Ok(()),
        }
    }

    fn sums(&self) -> Option<(f64, f64)> {
        self.leader().map(|runner| runner.metrics.sums())
    }

    fn model(&self) -> usize {
        self.leader().map_or(0, |runner| runner.id)
    }

    fn held_bytes(&self) -> usize {
        self.setup.row_bytes() * self.most as usize
    }

    fn news(&mut self) -> Option<Vec<Leader>> {
        self.halving.take_news().then(|| self.leaders())
    }
}

/// Configurations of which a watcher is told.
const SHOWN: usize = 8;
