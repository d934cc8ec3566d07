//! The tournament: configurations are tried on the first rows of the pass, which are kept for that, as many at a time as
//! there are places; those that do well go on with the rows that follow.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::feed::{Feed, Referee};
use super::super::pass::Sink;
use super::super::team::{Team, form_teams};
use super::super::watch::Leader;
use super::candidate::Candidate;
use super::halving::Halving;
use super::propose::Proposer;
use super::setup::Setup;
use crate::error::{Error, Result};
use crate::learn::metrics::Report;
use crate::learn::{Chunk, Iterate, Linear, State, Variant};

/// Configurations, and whatever it takes to try them.
pub(super) struct Tournament<'a> {
    setup: &'a Setup<'a>,
    stop: &'a AtomicBool,
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
    news: bool,
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
    pub(super) fn new(
        setup: &'a Setup<'a>,
        stop: &'a AtomicBool,
        proposer: Proposer,
        first: Option<u64>,
        most: u64,
    ) -> Self {
        Tournament {
            setup,
            stop,
            proposer,
            queue: VecDeque::new(),
            candidates: Vec::new(),
            halving: Halving::new(setup.contenders.len(), first),
            window: Vec::new(),
            kept: 0,
            most,
            feed: None,
            news: false,
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
        self.news = true;
        Ok(())
    }

    /// Takes the places from all that have them, for the next pass.
    pub(super) fn clear(&mut self) {
        (self.feed, self.kept) = (None, 0);
    }

    /// The numbers of the candidates that learned until the pass's end.
    pub(super) fn finalists(&self) -> Vec<usize> {
        let Some(feed) = &self.feed else { return Vec::new() };
        let models = self.setup.contenders.len();
        let all = feed.teams.iter().flat_map(|team| &team.runners);
        let mut numbers: Vec<usize> = all.map(|runner| runner.id / models).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// A finalist's model of all rows.
    pub(super) fn trained(&mut self, number: usize) -> Option<Trained> {
        let (team, place) = self.find(number, self.setup.contenders.len() - 1)?;
        let learner = &mut team.learner;
        Some(Trained {
            linear: learner.weights(place, Iterate::Mixed),
            state: learner.state(place),
            capped: learner.capped(),
            report: team.runners[place].metrics.report(),
        })
    }

    /// The weights of one of a finalist's models, that of contender `contender`.
    pub(super) fn weights(&mut self, number: usize, contender: usize) -> Option<Linear> {
        let (team, place) = self.find(number, contender)?;
        Some(team.learner.weights(place, Iterate::Mixed))
    }

    fn find(&mut self, number: usize, contender: usize) -> Option<(&mut Team, usize)> {
        let id = number * self.setup.contenders.len() + contender;
        self.feed.as_mut()?.teams.iter_mut().find_map(|team| {
            let place = team.runners.iter().position(|runner| runner.id == id)?;
            Some((team, place))
        })
    }

    /// How many candidates wait that are not the proposer's.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
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
                if self.stop.load(Ordering::Relaxed) {
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
        (self.feed, self.news) = (going_on, true);
        Ok(())
    }

    /// The next candidates that have places.
    fn next(&mut self) -> Result<Vec<Candidate>> {
        let places = self.setup.config.places;
        while self.queue.is_empty() && self.proposer.left() > 0 {
            let order = self.halving.order();
            for point in self.proposer.next(places, &order) {
                let candidate = self.setup.candidate(point)?;
                // Points may differ in what means nothing to the optimiser. A guide is told of its proposals by number.
                let is_known =
                    self.candidates.iter().chain(&self.queue).any(|other| other.equals(&candidate));
                if !is_known || matches!(self.proposer, Proposer::Guided(_)) {
                    self.queue.push_back(candidate);
                }
            }
        }
        Ok(self.queue.drain(..self.queue.len().min(places)).collect())
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
        let feed = self.feed.as_ref()?;
        let (team, place) = self.halving.leader(&feed.teams)?;
        Some(feed.teams[team].runners[place].metrics.sums())
    }

    fn model(&self) -> usize {
        let leader = self.feed.as_ref().and_then(|feed| {
            let (team, place) = self.halving.leader(&feed.teams)?;
            Some(feed.teams[team].runners[place].id)
        });
        leader.unwrap_or(0)
    }

    fn held_bytes(&self) -> usize {
        self.setup.row_bytes() * self.most as usize
    }

    fn leaders(&mut self) -> Option<Vec<Leader>> {
        if !std::mem::take(&mut self.news) && !self.halving.take_news() {
            return None;
        }
        Some(Tournament::leaders(self))
    }
}

/// Configurations of which a watcher is told.
const SHOWN: usize = 8;
