//! Tasks: independent pieces of work, done by threads, whose results are taken in order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::error::{Error, Result};
use crate::input::guarded;

/// How often a waiting coordinator looks whether the user wants to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Does the tasks that `next` gives on `threads` threads and gives their results to `consume`, on this
/// thread, in the order of the tasks: results and the first error are the same for any number of
/// threads. At most two tasks for each thread are begun or wait for their turn. `work` is handed a flag
/// that tells it to give up, set by an error elsewhere or by the user (`stop`).
///
/// # Errors
/// The first error in the order of the tasks, or `consume`'s.
pub fn in_order<T, R>(
    threads: usize,
    stop: &AtomicBool,
    mut next: impl FnMut() -> Option<T>,
    work: impl Fn(T, &AtomicBool) -> Result<R> + Sync,
    mut consume: impl FnMut(R) -> Result<()>,
) -> Result<()>
where
    T: Send,
    R: Send,
{
    if threads <= 1 {
        while let Some(task) = next() {
            check(stop)?;
            consume(guarded(|| work(task, stop))?)?;
        }
        return check(stop);
    }
    let most = 2 * threads;
    let (tasks_in, tasks_out) = bounded::<(u64, T)>(most);
    let (done_in, done_out) = bounded::<(u64, Result<R>)>(most);
    let give_up = AtomicBool::new(false);
    thread::scope(|scope| {
        for number in 0..threads {
            let (tasks, done, work, give_up) = (tasks_out.clone(), done_in.clone(), &work, &give_up);
            let thread = thread::Builder::new().name(format!("millstream-{}", number + 1));
            let run = move || worker(&tasks, &done, work, give_up);
            thread.spawn_scoped(scope, run).map_err(no_thread)?;
        }
        drop((tasks_out, done_in));
        // This thread owns the channels' other ends: when it returns, the workers' hang up.
        let result = coordinate(most as u64, tasks_in, &done_out, stop, &mut next, &mut consume);
        give_up.store(true, Ordering::Relaxed);
        result
    })
}

/// Values that wait to be taken, at the most.
const MOST_BEHIND: usize = 2;

/// The error of a thread that can't be started.
pub fn no_thread(error: std::io::Error) -> Error {
    Error::data(format!("can't start a thread: {error}")).remedy("give fewer --threads")
}

/// Does two things at the same time, the second on a thread of its own if there is more than one.
///
/// # Errors
/// If a thread can't be started; then neither is done.
pub fn alongside<A, B: Send>(
    threads: usize,
    first: impl FnOnce() -> A,
    second: impl FnOnce() -> B + Send,
) -> Result<(A, B)> {
    if threads <= 1 {
        return Ok((first(), second()));
    }
    thread::scope(|scope| {
        let second = thread::Builder::new().spawn_scoped(scope, second).map_err(no_thread)?;
        let first = first();
        Ok((first, second.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))))
    })
}

/// Has `take` called with each of the values that `give` hands on, in their order: on a thread of its own, if there is more
/// than one, a few values behind.
///
/// # Errors
/// The first of `take`'s, which `give` is told of as one of its own, or else `give`'s; and if a thread can't be started.
pub fn handed_on<T: Send, A>(
    threads: usize,
    give: impl FnOnce(&mut dyn FnMut(T) -> Result<()>) -> Result<A>,
    mut take: impl FnMut(T) -> Result<()> + Send,
) -> Result<A> {
    if threads <= 1 {
        return give(&mut take);
    }
    let (values, taken) = bounded(MOST_BEHIND);
    thread::scope(|scope| {
        let taker = thread::Builder::new().spawn_scoped(scope, move || taken.into_iter().try_for_each(take));
        let taker = taker.map_err(no_thread)?;
        let ended = |_| Error::data("who takes them ended early");
        let given = give(&mut |value| values.send(value).map_err(ended));
        drop(values);
        taker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        given
    })
}

fn check(stop: &AtomicBool) -> Result<()> {
    if stop.load(Ordering::Relaxed) { Err(Error::interrupted()) } else { Ok(()) }
}

fn worker<T, R>(
    tasks: &Receiver<(u64, T)>,
    done: &Sender<(u64, Result<R>)>,
    work: impl Fn(T, &AtomicBool) -> Result<R>,
    give_up: &AtomicBool,
) {
    while let Ok((number, task)) = tasks.recv() {
        if give_up.load(Ordering::Relaxed) || done.send((number, guarded(|| work(task, give_up)))).is_err() {
            return;
        }
    }
}

fn coordinate<T, R>(
    most: u64,
    tasks: Sender<(u64, T)>,
    done: &Receiver<(u64, Result<R>)>,
    stop: &AtomicBool,
    next: &mut impl FnMut() -> Option<T>,
    consume: &mut impl FnMut(R) -> Result<()>,
) -> Result<()> {
    let (mut given, mut taken) = (0, 0);
    let mut waiting: BTreeMap<u64, Result<R>> = BTreeMap::new();
    loop {
        // Never more than the channels hold, so that nobody waits to send.
        while given - taken < most {
            let Some(task) = next() else { break };
            let lost = |_| Error::data("all worker threads ended early");
            tasks.send((given, task)).map_err(lost)?;
            given += 1;
        }
        if given == taken {
            return Ok(());
        }
        while !waiting.contains_key(&taken) {
            check(stop)?;
            match done.recv_timeout(LOOK) {
                Ok((number, result)) => drop(waiting.insert(number, result)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::data("all worker threads ended early"));
                }
            }
        }
        while let Some(result) = waiting.remove(&taken) {
            consume(result?)?;
            taken += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squares(threads: usize, fail_at: u64) -> (Vec<u64>, Option<String>) {
        let mut numbers = 0..100u64;
        let mut seen = Vec::new();
        let work = |n: u64, _: &AtomicBool| {
            thread::sleep(Duration::from_micros((n * 7919) % 500));
            if n >= fail_at { Err(Error::data(format!("task {n}"))) } else { Ok(n * n) }
        };
        let result = in_order(
            threads,
            &AtomicBool::new(false),
            || numbers.next(),
            work,
            |square| {
                seen.push(square);
                Ok(())
            },
        );
        (seen, result.err().map(|e| e.to_string()))
    }

    #[test]
    fn results_and_the_first_error_come_in_order() {
        for threads in [1, 2, 5] {
            assert_eq!(squares(threads, 1000), ((0..100).map(|n| n * n).collect(), None));
            assert_eq!(squares(threads, 40), ((0..40).map(|n| n * n).collect(), Some("task 40".into())));
        }
    }

    #[test]
    fn a_panic_is_an_error_and_a_stop_is_heeded() {
        let stop = AtomicBool::new(false);
        let work = |(), _: &AtomicBool| -> Result<()> { panic!("oh") };
        let error = in_order(2, &stop, || Some(()), work, |()| Ok(())).unwrap_err();
        assert!(error.to_string().contains("oh"));
        stop.store(true, Ordering::Relaxed);
        let error = in_order(2, &stop, || Some(()), |(), _| Ok(()), |()| Ok(())).unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Interrupted);
    }
}
