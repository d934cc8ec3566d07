//! Tests of the stream.

use std::fmt::Write as _;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::*;
use crate::input::{Io, ReadAs, ReadOptions};

struct Rows(usize);

impl Weigh for Rows {
    fn bytes(&self) -> usize {
        self.0
    }
}

#[test]
fn readers_far_ahead_of_a_slow_consumer_rest() {
    let (_folder, dataset) = numbers(4, 2000);
    let (request, stop) = (request(), AtomicBool::new(false));
    let threads = 2;
    let flow = flow(&request, threads, None, &stop);
    let readers = flow.readers.clone();
    let made = AtomicUsize::new(0);
    let (mut used, mut most, mut rows, mut rests) = (0, 0, 0, 0);
    let order = Order::in_place(0..dataset.splits().len());
    let map = |batch: &RecordBatch, _: &mut SplitState<()>| {
        made.fetch_add(1, Ordering::Relaxed);
        Ok(Rows(batch.num_rows()))
    };
    stream(&dataset, &order, flow, map, |item| {
        let rest = readers.rest();
        let before = made.load(Ordering::Relaxed);
        thread::sleep(Duration::from_millis(2));
        let after = made.load(Ordering::Relaxed);
        assert!(!rest || before == after, "they read meanwhile");
        used += 1;
        most = most.max(after - used);
        rows += item.value.0;
        rests += usize::from(rest);
        Ok(())
    })
    .unwrap();
    assert_eq!(rows, 8000);
    assert!(rests > 30, "{rests}");
    // One file is read while the one before it is used; jobs that are out when readers begin to rest are finished.
    assert!(most <= MOST_AHEAD * threads + 40 + 2 * threads, "{most}");
}

/// What is asked of files of numbers.
fn request() -> Request {
    Request { columns: vec![("x".to_string(), ReadAs::Number)], batch_rows: 50, ..Request::default() }
}

/// A flow with more memory than it can use.
fn flow<'a>(
    request: &'a Request,
    threads: usize,
    from: Option<&'a Position>,
    stop: &'a AtomicBool,
) -> Flow<'a> {
    let needs = Needs { open: 1, open_bytes: 1, item_bytes: 1, held_bytes: 0 };
    Flow { request, threads, needs, in_flight: 1 << 30, from, readers: Readers::default(), stop }
}

/// A folder of CSV files of numbers, so many rows in each, and the dataset that they are.
fn numbers(files: usize, rows: usize) -> (tempfile::TempDir, Dataset) {
    let folder = folder_of_numbers(files, rows);
    let dataset = open(&folder, Io::Cached);
    (folder, dataset)
}

fn open(folder: &tempfile::TempDir, io: Io) -> Dataset {
    let path = folder.path().display().to_string();
    Dataset::open(&[path], &ReadOptions { io: Some(io), ..ReadOptions::default() }).unwrap()
}

fn folder_of_numbers(files: usize, rows: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "x\n".to_string();
    (0..rows).for_each(|i| writeln!(text, "{i}").unwrap());
    (0..files).for_each(|file| std::fs::write(folder.path().join(format!("{file}.csv")), &text).unwrap());
    folder
}

#[test]
fn a_worker_that_panics_is_an_error_with_a_place_and_leaves_no_thread() {
    let (_folder, dataset) = numbers(4, 500);
    let (request, stop) = (request(), AtomicBool::new(false));
    for threads in [1, 4] {
        let flow = flow(&request, threads, None, &stop);
        let order = Order::in_place(0..dataset.splits().len());
        let (alive, mut rows) = (AtomicUsize::new(0), 0);
        let map = |batch: &RecordBatch, split: &mut SplitState<()>| {
            alive.fetch_add(1, Ordering::SeqCst);
            assert!(!(split.split == 2 && split.first_row == 100), "injected");
            alive.fetch_sub(1, Ordering::SeqCst);
            Ok(Rows(batch.num_rows()))
        };
        let begun = Instant::now();
        let error = stream(&dataset, &order, flow, map, |item| {
            rows += item.value.0;
            Ok(())
        })
        .unwrap_err();
        assert!(error.to_string().contains("injected") && error.to_string().contains("2.csv"), "{error}");
        assert_eq!((rows, alive.load(Ordering::SeqCst)), (1100, 1), "all before it, and only it, at work");
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn a_stream_goes_on_from_any_position() {
    let (_folder, dataset) = numbers(5, 330);
    let (request, stop) = (request(), AtomicBool::new(false));
    let order = Order { tracks: vec![vec![3, 1], vec![0], vec![4, 2]] };
    let read = |from: Option<&Position>, most: usize| {
        let mut position = from.cloned().unwrap_or_else(|| Position::start(&order));
        let flow = flow(&request, 2, from, &stop);
        let map = |batch: &RecordBatch, split: &mut SplitState<()>| {
            Ok(Rows(split.split * 1_000_000 + split.first_row as usize * 100 + batch.num_rows()))
        };
        let mut items = Vec::new();
        // An error ends it where it was to end.
        let _ = stream(&dataset, &order, flow, map, |item| {
            if items.len() == most {
                return Err(Error::interrupted());
            }
            item.ended.iter().for_each(|track| position.end(*track));
            position.add(item.track, item.value.0 as u64 % 100);
            items.push(item.value.0);
            Ok(())
        });
        (items, position)
    };
    let (all, _) = read(None, usize::MAX);
    assert_eq!(all.len(), 5 * 7);
    for cut in 0..all.len() {
        let (mut items, position) = read(None, cut);
        items.extend(read(Some(&position), usize::MAX).0);
        assert_eq!(items, all, "cut after {cut}");
    }
}

#[test]
fn what_is_fetched_before_it_is_read_comes_in_the_same_order() {
    let folder = folder_of_numbers(7, 400);
    let (request, stop) = (request(), AtomicBool::new(false));
    let order = Order { tracks: vec![vec![3, 1, 5], vec![0, 6], vec![4, 2]] };
    let read = |io, threads, in_flight| {
        let dataset = open(&folder, io);
        let needs = Needs { open: 3, open_bytes: 100, item_bytes: 10, held_bytes: 0 };
        let flow = Flow { needs, in_flight, ..flow(&request, threads, None, &stop) };
        let map = |batch: &RecordBatch, split: &mut SplitState<()>| {
            Ok(Rows(split.split * 1_000_000 + split.first_row as usize * 100 + batch.num_rows()))
        };
        let mut items = Vec::new();
        stream(&dataset, &order, flow, map, |item| {
            items.push(item.value.0);
            Ok(())
        })
        .unwrap();
        items
    };
    let cached = read(Io::Cached, 1, 1 << 30);
    assert_eq!(cached.len(), 7 * 8);
    for (threads, in_flight) in [(1, 1 << 30), (3, 1 << 30), (2, 0), (2, 350)] {
        assert_eq!(read(Io::Direct, threads, in_flight), cached, "{threads} threads, {in_flight} bytes");
    }
}
