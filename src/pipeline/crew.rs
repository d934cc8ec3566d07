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
            let pool = ThreadPoolBuilder::new().num_threads(self.threads - 1);
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
        // For a task alone no threads are started.
        match if tasks.len() > 0 { self.others() } else { None } {
            Some(others) => others.in_place_scope(|scope| {
                tasks.for_each(|task| scope.spawn(|_| task()));
                mine();
            }),
            None => {
                mine();
                tasks.for_each(|task| task());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn all_tasks_run_at_the_same_time_however_many_there_are() {
        let workers = GradientWorkers::of(8);
        assert_eq!(workers.hands(), 8, "nothing is to be read");
        let done = AtomicUsize::new(0);
        let rounds = 200;
        for round in 0..rounds {
            // Tasks wait for one another: each must have a thread of its own.
            let tasks = 1 + round % 8;
            let barrier = Barrier::new(tasks);
            let task = || -> Job<'_> {
                Box::new(|| {
                    barrier.wait();
                    done.fetch_add(1, Ordering::Relaxed);
                })
            };
            workers.run((0..tasks).map(|_| task()).collect());
        }
        assert_eq!(done.into_inner(), rounds / 8 * 36);
    }

    #[test]
    fn hands_are_as_many_as_readers_leave() {
        let workers = GradientWorkers::of(8);
        workers.readers().begin(2);
        assert_eq!((workers.hands(), workers.reading()), (3, 6));
        workers.readers().end(2);
        assert_eq!(workers.hands(), 8);
        assert_eq!(GradientWorkers::of(1).hands(), 1);
    }
}
