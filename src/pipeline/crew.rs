//! Gradient workers: threads that share out the columns of a learner.

use std::thread;

use crate::learn::{Crew, Job};

/// Threads that work on the columns of the same rows. They live for a few thousand rows at a time:
/// starting them costs far less than that.
#[derive(Debug, Clone, Copy)]
pub struct GradientWorkers {
    hands: usize,
    threads: usize,
}

impl GradientWorkers {
    /// Of `threads` threads in all, the share that learns; the others read. Reading and encoding take
    /// somewhat longer than learning, and whoever learns helps with reading when there is nothing to
    /// learn from.
    pub fn of(threads: usize) -> Self {
        GradientWorkers { hands: (threads * 2 / 5).max(1), threads }
    }

    /// All threads, while readers rest.
    #[must_use]
    pub fn joined_by_readers(self, readers_rest: bool) -> Self {
        if readers_rest { GradientWorkers { hands: self.threads, ..self } } else { self }
    }

    /// Threads that learn, the caller's included.
    pub fn count(&self) -> usize {
        self.hands
    }
}

impl Crew for GradientWorkers {
    fn hands(&self) -> usize {
        self.hands
    }

    fn run(&self, tasks: Vec<Job<'_>>) {
        let mut tasks = tasks.into_iter();
        let Some(mine) = tasks.next() else { return };
        thread::scope(|scope| {
            tasks.for_each(|task| drop(scope.spawn(task)));
            mine();
        });
    }
}
