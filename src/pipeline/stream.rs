//! The stream: batches of many splits, decoded and mapped by threads, consumed in a fixed order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use arrow::array::RecordBatch;
use crossbeam_channel::{Receiver, Sender, bounded};

use super::budget::Needs;
use super::fetcher::{Coming, Fetcher, fetch};
use super::order::Order;
use super::position::{Mark, Position};
use super::readers::Readers;
use super::stages::Stages;
use super::tasks::no_thread;
use super::worker::{Done, Job, Worker, work};
use crate::error::{Error, Result};
use crate::input::{BatchStream, Dataset, Request, Skipped, spare_bytes};

/// Something that takes memory while it is in flight.
pub trait Weigh {
    /// Bytes of memory.
    fn bytes(&self) -> usize;
}

/// What is asked of a stream.
#[derive(Debug, Clone)]
pub struct Flow<'a> {
    /// Columns and size of batches.
    pub request: &'a Request,
    /// Threads that work, the caller's included.
    pub threads: usize,
    /// Memory of what is open and in flight.
    pub needs: Needs,
    /// Bytes that may be open or in flight.
    pub in_flight: usize,
    /// Where to begin; `None` for the beginning.
    pub from: Option<&'a Position>,
    /// What tells others whether readers rest.
    pub readers: Readers,
    /// Set when the user wants the run to stop.
    pub stop: &'a AtomicBool,
}

/// A split while it is read.
pub struct SplitState<S> {
    /// The split's index in the dataset.
    pub split: usize,
    /// Rows of the split that came before the current batch.
    pub first_row: u64,
    /// What the mapping function keeps for the split.
    pub state: S,
    pub(super) fetched: Option<Coming>,
    pub(super) stream: Option<Box<dyn BatchStream>>,
    /// Batches to pass over before the first one, and the rows that they have.
    pub(super) behind: (u64, u64),
}

/// A mapped batch.
#[derive(Debug)]
pub struct Item<T> {
    /// The split it came from.
    pub split: usize,
    /// The track of the order that the split lies on.
    pub track: usize,
    /// What the mapping function made of it.
    pub value: T,
    /// What was left out before it, since the item before, because it could not be read.
    pub skipped: Skipped,
    /// The tracks of whose splits one has come to its end since the item before.
    pub ended: Vec<usize>,
}

/// Reads the splits in `order`, maps each batch by `map` (on any thread) and gives the results to
/// `consume` (on this one) in the order that `order` fixes, whatever the number of threads. Where the request asks for
/// rejects, rows that can't be read are left out, as is the rest of a split that can't be read any further. Returns where the
/// time went, and what was left out after the last item.
///
/// # Errors
/// The first error in that order, or `consume`'s.
pub fn stream<S, T, F>(
    dataset: &Dataset,
    order: &Order,
    flow: Flow<'_>,
    map: F,
    mut consume: impl FnMut(Item<T>) -> Result<()>,
) -> Result<(Stages, Skipped)>
where
    S: Default + Send,
    T: Weigh + Send,
    F: Fn(&RecordBatch, &mut SplitState<S>) -> Result<T> + Sync,
{
    let (request, readers) = (flow.request, flow.readers.clone());
    let worker = Worker { dataset, request, map: &map, readers };
    let workers = flow.threads.max(1) - 1;
    // Enough jobs that no worker waits for the coordinator; results can never overflow.
    let most_jobs = 2 * flow.threads.max(1);
    let most_ahead = MOST_AHEAD * flow.threads.max(order.width());
    let (jobs_in, jobs_out) = bounded::<Job<S>>(most_jobs);
    let (done_in, done_out) = bounded::<Done<S, T>>(MOST_LATER * most_jobs + most_ahead + 1);
    thread::scope(|scope| {
        let mut handles = Vec::new();
        for i in 0..workers {
            let (jobs, done, worker) = (jobs_out.clone(), done_in.clone(), &worker);
            let thread = thread::Builder::new().name(format!("millstream-{}", i + 1));
            let handle = thread.spawn_scoped(scope, move || work(worker, &jobs, &done)).map_err(no_thread)?;
            handles.push(handle);
        }
        drop(done_in);
        let fetcher = if dataset.can_fetch() {
            let (fetcher, wanted) = Fetcher::new(FETCHED_AHEAD.max(order.width()));
            let thread = thread::Builder::new().name("millstream-disk".to_string());
            // It ends when the coordinator does.
            thread.spawn_scoped(scope, move || fetch(dataset, request, &wanted)).map_err(no_thread)?;
            Some(fetcher)
        } else {
            None
        };
        // The coordinator owns the channels' other ends: when it returns, for whatever reason, the
        // workers' channel hangs up and they end.
        let mut coordinator = Coordinator {
            tracks: tracks(order, flow.from, dataset),
            flow,
            worker: &worker,
            turn: 0,
            slots: BTreeMap::new(),
            fetcher,
            jobs: jobs_in,
            unclaimed: jobs_out,
            done: done_out,
            jobs_out: 0,
            outstanding: 0,
            most_jobs,
            most_ahead,
            resting: false,
            item_bytes: 0,
            skipped: Skipped::default(),
            ended: Vec::new(),
            stages: Stages::default(),
        };
        while let Some(item) = coordinator.next()? {
            let start = Instant::now();
            consume(item)?;
            coordinator.stages.learn.busy += start.elapsed().as_secs_f64();
        }
        let mut stages = coordinator.stages;
        let skipped = std::mem::take(&mut coordinator.skipped);
        drop(coordinator);
        for handle in handles {
            // Workers guard their jobs: a panic elsewhere in them is a bug that must not pass unseen.
            let idle = handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            stages.decode.waiting += idle.as_secs_f64();
        }
        Ok((stages, skipped))
    })
}

/// Splits that follow one another.
struct Track {
    /// Its number in the order.
    number: usize,
    next: VecDeque<usize>,
    open: VecDeque<usize>,
    /// Batches and rows of the next split that lie behind.
    behind: (u64, u64),
    /// Rows of all its splits, 1 if that is not known.
    rows: f64,
    /// Rows that it has given.
    given: f64,
}

/// The tracks of an order, as far as they lie ahead.
fn tracks(order: &Order, from: Option<&Position>, dataset: &Dataset) -> Vec<Track> {
    let mark = |track: usize| from.map_or_else(Mark::default, |from| from.tracks[track]);
    let tracks = order.tracks.iter().enumerate();
    tracks.map(|(number, splits)| Track::new(number, splits, mark(number), dataset)).collect()
}

impl Track {
    fn new(number: usize, splits: &[usize], mark: Mark, dataset: &Dataset) -> Self {
        let rows: Option<u64> = splits.iter().map(|&split| dataset.splits()[split].rows).sum();
        let known = dataset.rows().and(rows);
        Track {
            number,
            next: splits[mark.done..].iter().copied().collect(),
            open: VecDeque::new(),
            behind: (mark.batches, mark.rows),
            rows: known.map_or(1.0, |rows| rows.max(1) as f64),
            given: mark.given as f64,
        }
    }

    /// The share of its rows that it has given (rows, where shares are not known). The track with the
    /// least has the next turn, so that all end together: were turns merely taken in a circle, short
    /// tracks would end early, and of sorted data one class would be left for the end.
    fn share(&self) -> f64 {
        self.given / self.rows
    }
}

/// An opened split, as the coordinator sees it.
struct Slot<S, T> {
    /// Here unless a worker has it.
    state: Option<Box<SplitState<S>>>,
    /// Results, each with its rows and what was left out before it.
    ready: VecDeque<(u64, Result<T>, Skipped)>,
    ended: bool,
    /// What was left out after the last of them.
    skipped: Skipped,
}

struct Coordinator<'a, S, T, F> {
    flow: Flow<'a>,
    worker: &'a Worker<'a, F>,
    tracks: Vec<Track>,
    /// The track whose turn it is.
    turn: usize,
    slots: BTreeMap<usize, Slot<S, T>>,
    /// Who fetches splits before they are opened, if they can be fetched.
    fetcher: Option<Fetcher>,
    jobs: Sender<Job<S>>,
    unclaimed: Receiver<Job<S>>,
    done: Receiver<Done<S, T>>,
    /// Jobs that workers have or can have, and the batches that are still to come of them.
    jobs_out: usize,
    outstanding: usize,
    most_jobs: usize,
    /// Items that can be consumed without waiting when readers begin to rest.
    most_ahead: usize,
    /// Whether readers are far enough ahead to rest for a while.
    resting: bool,
    /// Bytes of the items that are ready.
    item_bytes: usize,
    /// What was left out since the last item was given, and the tracks of splits that have ended since.
    skipped: Skipped,
    ended: Vec<usize>,
    stages: Stages,
}

/// Items of one split that may wait while others have their turn.
const AHEAD_IN_TURNS: usize = 2;
/// Batches of a split that is needed later which are read in one go: a reader would else wait, after each, for a coordinator
/// that reads as well. (Dense tables: 6% faster.)
const MOST_LATER: usize = 3;
/// Splits for each thread that are read at a time where only the first rows of each are.
const SHORT_SPLITS: usize = 2;
/// Splits that are fetched before they are opened, one of each track at the least.
const FETCHED_AHEAD: usize = 2;
/// Items for each thread or track that can be consumed without waiting when readers begin to rest, and those for each
/// thread when they go on. A slow consumer would else have half of the memory filled, and can use their processors.
const MOST_AHEAD: usize = 4;
const LEAST_AHEAD: usize = 1;

impl<S, T, F> Coordinator<'_, S, T, F>
where
    S: Default,
    T: Weigh,
    F: Fn(&RecordBatch, &mut SplitState<S>) -> Result<T>,
{
    /// The next item in order.
    fn next(&mut self) -> Result<Option<Item<T>>> {
        loop {
            if self.flow.stop.load(Ordering::Relaxed) {
                return Err(Error::interrupted());
            }
            if self.tracks.is_empty() {
                return Ok(None);
            }
            let shares = self.tracks.iter().map(Track::share).enumerate();
            self.turn = shares.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(track, _)| track);
            let Some(split) = self.front() else {
                self.tracks.remove(self.turn);
                continue;
            };
            let slot = self.slots.get_mut(&split).ok_or_else(|| Error::data("a split was lost"))?;
            if let Some((rows, result, skipped)) = slot.ready.pop_front() {
                let value = result?;
                self.item_bytes -= value.bytes();
                self.tracks[self.turn].given += rows as f64;
                while let Ok(done) = self.done.try_recv() {
                    self.accept(done);
                }
                self.issue();
                self.expect();
                let track = self.tracks[self.turn].number;
                self.skipped.add(&skipped);
                let (skipped, ended) = (std::mem::take(&mut self.skipped), std::mem::take(&mut self.ended));
                return Ok(Some(Item { split, track, value, skipped, ended }));
            }
            if slot.ended {
                if let Some(slot) = self.slots.remove(&split) {
                    self.skipped.add(&slot.skipped);
                }
                self.tracks[self.turn].open.pop_front();
                self.ended.push(self.tracks[self.turn].number);
                continue;
            }
            self.issue();
            self.expect();
            self.wait()?;
        }
    }

    /// The split that the current track gives next, opened if need be.
    fn front(&mut self) -> Option<usize> {
        let track = &mut self.tracks[self.turn];
        if track.open.is_empty() {
            self.open(self.turn);
        }
        self.tracks[self.turn].open.front().copied()
    }

    fn open(&mut self, track: usize) {
        let track = &mut self.tracks[track];
        if let Some(split) = track.next.pop_front() {
            track.open.push_back(split);
            let behind = std::mem::take(&mut track.behind);
            let fetched = self.fetcher.as_mut().and_then(|fetcher| fetcher.take(split));
            let state = Box::new(SplitState {
                split,
                first_row: 0,
                state: S::default(),
                fetched,
                stream: None,
                behind,
            });
            self.slots.insert(
                split,
                Slot {
                    state: Some(state),
                    ready: VecDeque::new(),
                    ended: false,
                    skipped: Skipped::default(),
                },
            );
        }
    }

    /// Hands out jobs, the soonest needed first, as far as memory and the channel go. The job that the
    /// consumer waits for is always handed out, so the run can't get stuck.
    fn issue(&mut self) {
        let tracks = self.tracks.len();
        let ahead = self.ahead();
        self.resting =
            if self.resting { ahead > LEAST_AHEAD * self.flow.threads } else { ahead >= self.most_ahead };
        let mut order: Vec<usize> = (0..tracks).collect();
        order.sort_by(|&a, &b| self.tracks[a].share().total_cmp(&self.tracks[b].share()));
        // Of splits with few rows several are read at a time, or readers would wait for a coordinator that reads as well.
        let each = if self.flow.request.rows.is_some() { SHORT_SPLITS } else { 1 };
        let most_open = (each * self.flow.threads).max(tracks);
        // Those that have been read and wait for their turn keep no reader busy.
        let read = self.slots.values().filter(|slot| slot.ended).count();
        // What is needed soonest is read in one go, until readers may rest when the next item has been taken: whoever
        // learns for long would else leave them without anything to do. What comes later can wait.
        let mut is_soonest = tracks == 1;
        for depth in 0..most_open.div_ceil(tracks.max(1)) + read {
            for &track in &order {
                if self.jobs_out == self.most_jobs {
                    return;
                }
                let is_needed = depth == 0 && track == order[0];
                if self.tracks[track].open.len() == depth && (is_needed || self.may_open(most_open)) {
                    self.open(track);
                }
                let Some(&split) = self.tracks[track].open.get(depth) else { continue };
                let Some(slot) = self.slots.get(&split) else { continue };
                let waiting = slot.ready.len();
                let may_read = !self.resting && self.has_room(1) && (tracks == 1 || waiting < AHEAD_IN_TURNS);
                if slot.ended {
                    continue;
                }
                let most = match std::mem::take(&mut is_soonest) {
                    _ if !may_read => 1,
                    true => (self.most_ahead + 1).saturating_sub(ahead + self.outstanding),
                    false if tracks == 1 => MOST_LATER,
                    false => AHEAD_IN_TURNS - waiting,
                };
                if slot.state.is_none() || !(may_read || is_needed && waiting == 0) {
                    continue;
                }
                let batches = (2..=most).take_while(|&batches| self.has_room(batches)).last().unwrap_or(1);
                let Some(state) = self.slots.get_mut(&split).and_then(|s| s.state.take()) else { continue };
                self.flow.readers.begin(batches);
                // There is room: the channel takes as many jobs as may be out.
                if self.jobs.send(Job { state, batches }).is_ok() {
                    self.jobs_out += 1;
                    self.outstanding += batches;
                }
            }
        }
    }

    /// Has splits fetched that will be opened soon, as far as memory goes.
    fn expect(&mut self) {
        let Some(fetcher) = &self.fetcher else { return };
        let each = FETCHED_AHEAD.div_ceil(self.tracks.len().max(1));
        let soon = self.tracks.iter().flat_map(|track| track.next.iter().take(each)).copied();
        let soon: Vec<usize> = soon.filter(|split| !fetcher.expects(*split)).collect();
        for split in soon {
            if !self.has_room(2) {
                return;
            }
            self.fetcher.iter_mut().for_each(|fetcher| fetcher.expect(split));
        }
    }

    /// Items that can be consumed without waiting (of tracks that take turns, all that are ready).
    fn ahead(&self) -> usize {
        let mut ahead = 0;
        for track in &self.tracks {
            for slot in track.open.iter().filter_map(|split| self.slots.get(split)) {
                ahead += slot.ready.len();
                if !slot.ended {
                    break;
                }
            }
        }
        ahead
    }

    fn may_open(&self, most: usize) -> bool {
        let reading = self.slots.values().filter(|s| !s.ended).count();
        reading < most && self.has_room(2)
    }

    /// Whether memory allows `more` items in flight, or as many and one more open split.
    fn has_room(&self, more: usize) -> bool {
        let needs = &self.flow.needs;
        let coming = self.fetcher.as_ref().map_or(0, Fetcher::coming);
        let open = self.slots.values().filter(|s| !s.ended).count() + coming + more - 1;
        let items = self.item_bytes + (self.outstanding + more) * needs.item_bytes;
        open * needs.open_bytes + items + spare_bytes() <= self.flow.in_flight
    }

    /// Takes a result, or does a job that no worker has claimed yet, or waits for a result.
    fn wait(&mut self) -> Result<()> {
        if let Ok(done) = self.done.try_recv() {
            self.accept(done);
            return Ok(());
        }
        if let Ok(job) = self.unclaimed.try_recv() {
            // The others wait for its first batch alone: the rest is handed out again.
            let (done, rest) = self.worker.advance(job);
            self.accept(done);
            if let Some(Job { state, batches }) = rest {
                self.flow.readers.end(batches);
                self.take_back(state, batches);
            }
            return Ok(());
        }
        let start = Instant::now();
        let done = self.done.recv().map_err(|_| Error::data("all worker threads ended early"))?;
        self.stages.learn.waiting += start.elapsed().as_secs_f64();
        self.accept(done);
        Ok(())
    }

    fn accept(&mut self, done: Done<S, T>) {
        let rows = done.rows;
        self.stages.add(&done.stages);
        match done.state {
            Some(state) => self.take_back(state, done.batches),
            None => self.outstanding -= done.batches,
        }
        let Some(slot) = self.slots.get_mut(&done.split) else { return };
        match done.result {
            Ok(Some(value)) => {
                self.item_bytes += value.bytes();
                slot.ready.push_back((rows, Ok(value), done.skipped));
            }
            Ok(None) => (slot.ended, slot.skipped) = (true, done.skipped),
            Err(error) => {
                slot.ready.push_back((rows, Err(error), done.skipped));
                slot.ended = true;
            }
        }
    }

    /// Takes back the split of a job that has ended, `batches` of which are done or will not be.
    fn take_back(&mut self, state: Box<SplitState<S>>, batches: usize) {
        self.jobs_out -= 1;
        self.outstanding -= batches;
        if let Some(slot) = self.slots.get_mut(&state.split) {
            slot.state = Some(state);
        }
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
