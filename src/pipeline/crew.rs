//! Gradient workers: threads that share out the columns of a learner, or learners.

use std::sync::OnceLock;

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::readers::Readers;
use crate::learn::{Crew, Job};

/// Threads that learn from the same rows: of all threads those that do not read, and the others as well while
/// readers rest.
#[derive(Debug)]
pub struct GradientWorkers {
    threads: usize,
    readers: Readers,
    /// All but the caller's own thread, from the first time on that there is work for them. They sleep in between, which is
    /// some thousand rows long: to start threads each time took longer than to wake them.
    others: OnceLock<Option<ThreadPool>>,
}

impl GradientWorkers {
    /// Those of `threads` threads in all.
    pub fn of(threads: usize) -> Self {
        GradientWorkers { threads, readers: Readers::default(), others: OnceLock::new() }
    }

    /// Threads that learn all the time, the caller's included. Reading and encoding take somewhat longer than learning,
    /// and whoever learns helps with reading when there is nothing to learn from.
    fn count(&self) -> usize {
        (self.threads * 2 / 5).max(1)
    }

    /// Threads that read, the caller's included.
    pub fn reading(&self) -> usize {
        self.threads + 1 - self.count()
    }

    /// The readers, whose threads learn while they rest.
    pub fn readers(&self) -> &Readers {
        &self.readers
    }

    fn others(&self) -> Option<&ThreadPool> {
        let pool = || {
            let pool = ThreadPoolBuilder::new().num_threads(self.threads.saturating_sub(1).max(1));
            pool.thread_name(|i| format!("millstream-learn-{}", i + 1)).build().ok()
        };
        self.others.get_or_init(pool).as_ref()
    }
}

impl Crew for GradientWorkers {
    fn hands(&self) -> usize {
        let hands = if self.readers.rest() { self.threads } else { self.count() };
        // A system that has no more threads to give leaves all work to the caller.
        if hands > 1 && self.others().is_none() { 1 } else { hands }
    }

    fn run(&self, tasks: Vec<Job<'_>>) {
        let mut tasks = tasks.into_iter();
        let Some(mine) = tasks.next() else { return };
        match self.others() {
            Some(pool) if tasks.len() > 0 => pool.in_place_scope(|scope| {
                tasks.for_each(|task| scope.spawn(|_| task()));
                mine();
            }),
            _ => {
                mine();
                tasks.for_each(|task| task());
            }
        }
    }
}
