//! Learning by several hands: the columns are divided among them, and once in each mini-batch they
//! meet to exchange their parts of the margins. Threads come from outside: see [`Crew`].

use std::cmp::Reverse;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

/// A task of one hand.
pub type Job<'a> = Box<dyn FnOnce() + Send + 'a>;

/// Whoever runs tasks at the same time, each in a thread of its own.
pub trait Crew {
    /// Tasks that can run at the same time.
    fn hands(&self) -> usize;

    /// Runs the tasks, at most as many as there are hands, and returns when all are done.
    fn run(&self, tasks: Vec<Job<'_>>);
}

/// Does something with each item by all hands of `crew`, each of which takes the next one when it is done with one.
pub fn share_out<T: Send>(crew: &dyn Crew, items: Vec<T>, work: impl Fn(T) + Sync) {
    let hands = crew.hands().min(items.len());
    if hands <= 1 {
        return items.into_iter().for_each(work);
    }
    let items = Mutex::new(items.into_iter());
    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    let job = || -> Job<'_> {
        Box::new(|| {
            while let Some(item) = next() {
                work(item);
            }
        })
    };
    crew.run((0..hands).map(|_| job()).collect());
}

/// The same, the largest items first, or a hand might be left alone with one in the end.
pub(super) fn share_out_largest_first<T: Send>(
    crew: &dyn Crew,
    mut items: Vec<T>,
    size: impl Fn(&T) -> usize,
    work: impl Fn(T) + Sync,
) {
    items.sort_by_key(|item| Reverse(size(item)));
    share_out(crew, items, work);
}

/// What `make` makes of each item, in the items' order; shared out in the same way.
pub(super) fn make_largest_first<T: Send, U: Send>(
    crew: &dyn Crew,
    items: Vec<T>,
    size: impl Fn(&T) -> usize,
    make: impl Fn(T) -> U + Sync,
) -> Vec<U> {
    let mut made: Vec<Option<U>> = items.iter().map(|_| None).collect();
    let due = items.into_iter().zip(&mut made).collect();
    share_out_largest_first(crew, due, |(item, _)| size(item), |(item, made)| *made = Some(make(item)));
    made.into_iter().flatten().collect()
}

/// One hand: the caller's own thread.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Crew for Alone {
    fn hands(&self) -> usize {
        1
    }

    fn run(&self, tasks: Vec<Job<'_>>) {
        tasks.into_iter().for_each(|task| task());
    }
}

/// Where the hands lay down their parts of the margins for the others to see.
///
/// There are two boards, used in turn: whoever is at mini-batch n + 1 writes on one while the slower
/// ones still read the other, and nobody gets further than that, because all must meet.
#[derive(Debug)]
pub(crate) struct Board {
    hands: usize,
    /// Pairs of each part.
    pairs: usize,
    shards: usize,
    /// Bits of two f32 each, `[2][shards][pairs]`.
    numbers: Vec<AtomicU64>,
    arrived: AtomicUsize,
    /// Set when a hand panics, so that the others do not wait for it for ever.
    broken: AtomicBool,
    /// Turns of waiting that are worth it at present.
    spins: AtomicUsize,
    /// Hands that sleep, and what wakes them.
    asleep: AtomicUsize,
    bed: Mutex<()>,
    bell: Condvar,
}

/// Turns of waiting, at the most, before a hand goes to sleep: the one that is waited for may need its processor. (To yield
/// it instead costs more than it gives: whatever else there is to run, of however little weight, gets a slice of
/// milliseconds.) To be woken takes as long as some hundred turns: hands that meet in time wait longer for one another, and
/// those that don't, because there are more of them than processors, sleep sooner.
const MOST_SPINS: usize = 10_000;
const LEAST_SPINS: usize = 50;

impl Board {
    /// A board for `hands` hands, and parts of `len` numbers from each of `shards` shards.
    pub(crate) fn new(hands: usize, shards: usize, len: usize) -> Self {
        let pairs = len.div_ceil(2);
        let numbers = if hands > 1 { 2 * shards * pairs } else { 0 };
        Board {
            hands,
            pairs,
            shards,
            numbers: (0..numbers).map(|_| AtomicU64::new(0)).collect(),
            arrived: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
            spins: AtomicUsize::new(MOST_SPINS),
            asleep: AtomicUsize::new(0),
            bed: Mutex::new(()),
            bell: Condvar::new(),
        }
    }

    fn part(&self, turn: usize, shard: usize) -> &[AtomicU64] {
        &self.numbers[((turn % 2) * self.shards + shard) * self.pairs..][..self.pairs]
    }

    /// Lays down a shard's part for mini-batch `turn`.
    #[inline(always)]
    pub(crate) fn put(&self, turn: usize, shard: usize, part: &[f32]) {
        let (pairs, last) = part.as_chunks::<2>();
        let slots = self.part(turn, shard);
        for (slot, pair) in slots.iter().zip(pairs) {
            slot.store(bytemuck::cast(*pair), Ordering::Relaxed);
        }
        if let (&[x], Some(slot)) = (last, slots.get(pairs.len())) {
            slot.store(bytemuck::cast([x, 0.0]), Ordering::Relaxed);
        }
    }

    /// Adds a shard's part for mini-batch `turn` to `sum`.
    #[inline(always)]
    pub(crate) fn add_to(&self, turn: usize, shard: usize, sum: &mut [f32]) {
        let (pairs, last) = sum.as_chunks_mut::<2>();
        let slots = self.part(turn, shard);
        for (slot, pair) in slots.iter().zip(&mut *pairs) {
            let part: [f32; 2] = bytemuck::cast(slot.load(Ordering::Relaxed));
            *pair = [pair[0] + part[0], pair[1] + part[1]];
        }
        if let ([x], Some(slot)) = (last, slots.get(pairs.len())) {
            *x += bytemuck::cast::<u64, [f32; 2]>(slot.load(Ordering::Relaxed))[0];
        }
    }

    /// Waits until all hands have put their parts for mini-batch `turn`.
    ///
    /// # Panics
    /// If another hand has panicked.
    pub(crate) fn meet(&self, turn: usize) {
        let all = (turn + 1) * self.hands;
        // Whoever comes last sees who sleeps, or they see that it has come: both orders are those of one clock.
        if self.arrived.fetch_add(1, Ordering::SeqCst) + 1 == all && self.asleep.load(Ordering::SeqCst) > 0 {
            self.ring();
        }
        let is_over = || {
            assert!(!self.broken.load(Ordering::SeqCst), "another thread of the crew has panicked");
            self.arrived.load(Ordering::SeqCst) >= all
        };
        let spins = self.spins.load(Ordering::Relaxed);
        for _ in 0..spins {
            if is_over() {
                // Written only when it changes: it lies beside what all wait for.
                if spins < MOST_SPINS {
                    self.spins.store((spins + spins / 8 + 1).min(MOST_SPINS), Ordering::Relaxed);
                }
                return;
            }
            spin_loop();
        }
        self.spins.store((spins / 2).max(LEAST_SPINS), Ordering::Relaxed);
        let mut bed = self.bed.lock().unwrap_or_else(PoisonError::into_inner);
        self.asleep.fetch_add(1, Ordering::SeqCst);
        while !is_over() {
            bed = self.bell.wait(bed).unwrap_or_else(PoisonError::into_inner);
        }
        self.asleep.fetch_sub(1, Ordering::SeqCst);
    }

    /// Wakes the hands that sleep. None is between its last look and its sleep: that is in bed already.
    fn ring(&self) {
        drop(self.bed.lock());
        self.bell.notify_all();
    }

    /// A guard that frees the others if its holder panics.
    pub(crate) fn watch(&self) -> Watch<'_> {
        Watch(self)
    }
}

pub(crate) struct Watch<'a>(&'a Board);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.broken.store(true, Ordering::SeqCst);
            self.0.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        Chunk, HASHED, Iterate, Loss, ModelForm, Optimizer, Penalty, Schedule, Settings, Shape, Variant,
        learner,
    };
    use super::*;

    struct Threads(usize);

    impl Crew for Threads {
        fn hands(&self) -> usize {
            self.0
        }

        fn run(&self, tasks: Vec<Job<'_>>) {
            thread::scope(|scope| tasks.into_iter().for_each(|task| drop(scope.spawn(task))));
        }
    }

    #[test]
    fn any_number_of_hands_learns_the_same_bits() {
        let shape = Shape {
            dense: 5,
            slots: 7,
            lists: 2,
            listed: 4,
            valued: 2,
            weighted: false,
            offset: false,
            divisions: 0,
        };
        let rows = 3000;
        let mut chunk = Chunk::new(shape, rows);
        let mut random = crate::random::Random::new(1, 2);
        for column in 0..shape.dense {
            chunk.dense_mut(column).fill_with(|| random.below(1000) as f32 / 500.0 - 1.0);
        }
        for column in 0..shape.slots {
            chunk.slots_mut(column).fill_with(|| HASHED | random.below(999) as u32);
        }
        for _ in 0..rows {
            chunk.lists[0].codes.extend((0..random.below(4)).map(|code| code as u32));
            chunk.lists[0].end_row();
            for _ in 0..random.below(5) {
                chunk.lists[1].codes.push(HASHED | random.below(99) as u32);
                chunk.lists[1].values.push(random.below(1000) as f32 / 500.0 - 1.0);
            }
            chunk.lists[1].end_row();
            chunk.labels.push(random.below(2) as f32);
            chunk.offsets.push(random.below(2) as f32);
        }
        chunk.set_rows(rows);
        let forms = [
            ModelForm::Linear,
            ModelForm::Classes { classes: 2 },
            ModelForm::Classes { classes: 5 },
            ModelForm::Factors { factors: 3 },
        ];
        let optimizers =
            [Optimizer::ADAGRAD, Optimizer::Sgd { momentum: 0.9 }, Optimizer::FTRL, Optimizer::Gd];
        let rates = [vec![0.3], vec![0.1, 0.2, 0.5, 1.0]];
        let all = forms.iter().flat_map(|f| optimizers.iter().map(move |o| (*f, *o)));
        for (form, optimizer, rates) in all.flat_map(|(f, o)| rates.iter().map(move |r| (f, o, r))) {
            let classes = matches!(form, ModelForm::Classes { .. });
            let run = |hands: usize| {
                let settings = Settings {
                    loss: if classes { Loss::Softmax } else { Loss::Logistic },
                    class_weights: vec![1.0, 0.5],
                    form,
                    optimizer,
                    schedule: Schedule { power: 0.25, warm_up: 10 },
                    variants: Variant::at_each(rates, Penalty { l1: 1e-5, l2: 1e-4 }),
                    shape,
                    tables: [vec![(1, 4); 7], vec![(4, 0), (1, 4)]].concat(),
                    ..Settings::default()
                };
                let mut learner = learner(&settings, &Threads(hands));
                let mut margins = Vec::new();
                for start in (0..rows).step_by(1000) {
                    learner.learn(&chunk, start..start + 1000, 64, &Threads(hands), &mut margins);
                    learner.grow(&Threads(hands));
                }
                learner.end_epoch();
                let mut last = learner.only(&[rates.len() - 1], &Threads(hands));
                last.learn(&chunk, 0..1000, 64, &Threads(hands), &mut margins);
                (margins, learner.weights(0, Iterate::Mixed), last.weights(0, Iterate::Mixed))
            };
            let alone = run(1);
            // Many threads on few processors take their time.
            let hands = if optimizer == Optimizer::ADAGRAD { &[2, 3, 8, 50][..] } else { &[3] };
            for &hands in hands {
                assert!(run(hands) == alone, "{hands} hands, {form:?}, {optimizer:?}, rates {rates:?}");
            }
        }
    }

    #[test]
    fn few_numbers_are_left_to_one_hand() {
        struct Counting(AtomicUsize);

        impl Crew for Counting {
            fn hands(&self) -> usize {
                8
            }

            fn run(&self, tasks: Vec<Job<'_>>) {
                self.0.fetch_max(tasks.len(), Ordering::Relaxed);
                Threads(8).run(tasks);
            }
        }

        let hands_of = |dense: usize, rates: Vec<f32>| {
            let shape = Shape { dense, ..Shape::default() };
            let mut chunk = Chunk::new(shape, 64);
            chunk.labels.resize(64, 1.0);
            chunk.set_rows(64);
            let variants = Variant::at_each(&rates, Penalty::default());
            let mut learner = learner(&Settings { shape, variants, ..Settings::default() }, &Alone);
            let crew = Counting(AtomicUsize::new(0));
            learner.learn(&chunk, 0..64, 32, &crew, &mut Vec::new());
            crew.0.into_inner()
        };
        assert_eq!(hands_of(28, vec![0.1]), 1);
        assert_eq!(hands_of(64, vec![0.1]), 2);
        assert_eq!(hands_of(28, vec![0.1; 8]), 7);
    }
}
