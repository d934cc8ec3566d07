//! The tournament: configurations are tried on the first rows of the pass, which are kept for that, as many at a time as
//! there are places; those that do well go on with the rows that follow.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use super::super::checkpoint::{Pages, Pen};
use super::super::feed::{Feed, Referee};
use super::super::pass::Sink;
use super::super::run::unchosen;
use super::super::team::{Runner, Team, form_teams};
use super::super::watch::{Leader, Watch};
use super::candidate::{Candidate, Idea};
use super::halving::Halving;
use super::propose::{Proposed, Proposer};
use super::rungs::Rungs;
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
    window: Vec<Arc<Chunk>>,
    kept: u64,
    most: u64,
    /// Rows that came before there was anybody to learn from them.
    waiting: Vec<Arc<Chunk>>,
    /// Those that go on.
    feed: Option<Feed>,
}

/// What a tournament goes on from, beside rows and models.
#[derive(Serialize, Deserialize)]
pub(super) struct Memory {
    proposed: Proposed,
    queue: Vec<Idea>,
    candidates: Vec<Idea>,
    halving: Halving,
    kept: u64,
}

/// A model that a pass left.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Trained {
    pub(super) linear: Linear,
    pub(super) state: State,
    pub(super) capped: bool,
    /// How it did on its way.
    pub(super) report: Report,
}

impl<'a> Tournament<'a> {
    /// A tournament of a proposer's candidates, halved at some rungs; the first `most` rows are kept for
    /// those that don't find a place at once.
    pub(super) fn new(setup: &'a Setup<'a>, proposer: Proposer, rungs: Option<Rungs>, most: u64) -> Self {
        Tournament {
            setup,
            proposer,
            queue: VecDeque::new(),
            candidates: Vec::new(),
            halving: Halving::new(setup.contenders.len(), rungs),
            window: Vec::new(),
            kept: 0,
            most,
            waiting: Vec::new(),
            feed: None,
        }
    }

    /// A tournament of those alone that are added.
    pub(super) fn of_none(setup: &'a Setup<'a>) -> Self {
        Self::new(setup, Proposer::Listed(Vec::new()), None, 0)
    }

    /// Whether any of its candidates did without columns.
    pub(super) fn has_ablated(&self) -> bool {
        !self.candidates.iter().all(Candidate::has_all_columns)
    }

    /// What it goes on from, beside rows and models.
    pub(super) fn memory(&self) -> Memory {
        let idea = |candidate: &Candidate| candidate.idea(&self.setup.config.axes);
        Memory {
            proposed: self.proposer.proposed(),
            queue: self.queue.iter().map(idea).collect(),
            candidates: self.candidates.iter().map(idea).collect(),
            halving: self.halving.clone(),
            kept: self.kept,
        }
    }

    /// Goes on from where one like it has come.
    ///
    /// # Errors
    /// If its candidates can't be made again.
    pub(super) fn go_on(&mut self, from: Memory) -> Result<()> {
        let Memory { proposed, queue, candidates, halving, kept } = from;
        self.proposer.go_on(proposed);
        self.queue = queue.iter().map(|idea| idea.candidate(self.setup)).collect::<Result<_>>()?;
        self.candidates = candidates.iter().map(|idea| idea.candidate(self.setup)).collect::<Result<_>>()?;
        (self.halving, self.kept) = (halving, kept);
        Ok(())
    }

    /// Goes on from what was written, rows and models included.
    ///
    /// # Errors
    /// Those of the pages.
    pub(super) fn read(&mut self, pages: &mut Pages) -> Result<()> {
        self.go_on(pages.take()?)?;
        (self.window, self.waiting) = pages.take()?;
        if pages.take()? {
            let Setup { contenders, plan, config, crew, .. } = self.setup;
            let settings = |id: usize| &self.candidates[id / contenders.len()].settings;
            let (outputs, batch) = (plan.target.outputs(), config.train.batch_size);
            self.feed = Some(Feed::read(&settings, outputs, batch, crew.clone(), pages)?);
        }
        Ok(())
    }

    /// Has candidates tried before those of the proposer.
    pub(super) fn add(&mut self, candidates: impl IntoIterator<Item = Candidate>) {
        self.queue.extend(candidates);
    }

    /// Whether all have been tried.
    pub(super) fn is_over(&self) -> bool {
        self.queue.is_empty() && self.proposer.left() == 0
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
        let (iterate, crew) = (unchosen(&self.candidates[number].config), self.setup.crew.clone());
        let (team, place) = self.find(number, contender)?;
        let learner = &mut team.learner;
        let (linear, state) = learner.whole(place, iterate, crew.as_ref());
        Some(Trained {
            linear,
            state,
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

    /// Tells of the best configurations, if that has changed.
    fn tell(&mut self, watch: &mut dyn Watch) {
        if self.halving.take_news() {
            watch.leaders(&self.leaders());
        }
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
    /// keep only as many as there are places. An interruption leaves all as it was before, without anybody that goes on.
    fn heats(&mut self, watch: &mut dyn Watch) -> Result<()> {
        if !self.window.is_empty() && self.setup.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let before = (self.proposer.clone(), self.queue.clone(), self.candidates.len(), self.halving.clone());
        self.feed = self.hold_heats(watch)?;
        if self.feed.is_some() {
            self.window.clear();
            return Ok(());
        }
        let candidates;
        (self.proposer, self.queue, candidates, self.halving) = before;
        self.candidates.truncate(candidates);
        Ok(())
    }

    /// Those that go on after all heats; `None` after an interruption.
    fn hold_heats(&mut self, watch: &mut dyn Watch) -> Result<Option<Feed>> {
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
            let mut feed = Feed::new(self.teams(first)?, shape, batch, self.setup.crew.clone());
            for chunk in self.window.clone() {
                if self.setup.stop.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                feed.push(&chunk, &mut self.halving)?;
                watch.tries(
                    self.candidates.len(),
                    self.candidates.len() + self.queue.len() + self.proposer.left(),
                );
                self.tell(watch);
            }
            match &mut going_on {
                None => going_on = Some(feed),
                Some(others) => others.teams.append(&mut feed.teams),
            }
            if self.most == 0 {
                break;
            }
            if let Some(feed) = &mut going_on {
                self.halving.compare(&mut feed.teams, self.setup.config.places, feed.crew.as_ref());
            }
        }
        Ok(going_on)
    }

    /// Lets those that go on learn from the rows that wait for them.
    fn let_in(&mut self) -> Result<()> {
        let Some(feed) = &mut self.feed else { return Ok(()) };
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.drain(..).try_for_each(|chunk| feed.push(&chunk, &mut self.halving))
    }

    /// The next candidates that have places.
    fn next(&mut self) -> Result<Vec<Candidate>> {
        let places = self.setup.config.places;
        if self.queue.is_empty() {
            let told = self.halving.told(self.most);
            for point in self.proposer.next(places, &told) {
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
            teams.extend(form_teams(settings, models, self.setup.scoring(), self.setup.crew.as_ref())?);
        }
        Ok(teams)
    }
}

impl Sink for Tournament<'_> {
    fn push(&mut self, chunk: &Chunk, watch: &mut dyn Watch) -> Result<()> {
        if let Some(feed) = &mut self.feed {
            feed.push(chunk, &mut self.halving)?;
            self.tell(watch);
            return Ok(());
        }
        let taken =
            usize::try_from(self.most - self.kept).map_or(chunk.rows(), |room| room.min(chunk.rows()));
        if taken > 0 {
            let mut part = Chunk::new(self.setup.shape, taken);
            part.append(chunk, 0, taken);
            self.window.push(Arc::new(part));
            self.kept += taken as u64;
        }
        if self.kept < self.most {
            return Ok(());
        }
        let mut rest = Chunk::new(self.setup.shape, chunk.rows() - taken);
        rest.append(chunk, taken, chunk.rows());
        self.waiting.push(Arc::new(rest));
        self.heats(watch)?;
        self.let_in()?;
        self.tell(watch);
        Ok(())
    }

    fn end(&mut self, watch: &mut dyn Watch) -> Result<()> {
        if self.feed.is_none() {
            self.heats(watch)?;
            self.let_in()?;
        }
        // Without an interruption there is somebody, as long as there is anything to try.
        let Some(feed) = &mut self.feed else { return Err(Error::interrupted()) };
        feed.flush(&mut self.halving)?;
        self.halving.note(&feed.teams);
        Ok(())
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

    fn write(&mut self, pen: &mut Pen) -> Result<()> {
        pen.put(&self.memory())?;
        pen.put_later((self.window.clone(), self.waiting.clone()));
        pen.put(&self.feed.is_some())?;
        self.feed.as_mut().map_or(Ok(()), |feed| feed.write(pen))
    }
}

/// Configurations of which a watcher is told.
const SHOWN: usize = 8;
