//! A dump: everything that a learner goes on from, as it is, bit for bit. (Its model and its optimiser's state, which
//! [`super::Learn::weights`] and [`super::Learn::state`] tell, are less: they lack what was left for later.)
//!
//! A learner goes on learning while it is dumped. What is small is written when the dump begins; tables follow piece by
//! piece, a piece after some mini-batches, each record as it was at the beginning (see [`super::before`]).

use std::io::{self, Read};
use std::time::{Duration, Instant};

use super::before::part_of;
use super::form::Form;
use super::kernels::Store;
use super::learner::Learner;
use super::optimizer::Rule;
use super::record::Record;
use crate::raw::{self, Raw};

/// Bytes of tables that leave at once, about: they take less time than a mini-batch does.
pub(super) const PIECE: usize = 1 << 18;
/// Pieces that leave when a dump begins. Small learners have no more.
const FIRST_PIECES: usize = 2;

/// Where a dump goes.
pub trait Outlet: Send {
    /// Whether it takes a piece without waiting.
    fn is_ready(&self) -> bool;

    /// Takes the next piece, for whose sake learning stood still for some time. False if nobody wants the dump any more.
    fn put(&mut self, piece: Vec<u8>, pause: Duration) -> bool;

    /// Takes note that the dump is complete.
    fn end(&mut self);
}

/// When a dump is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Before anything else is learned.
    AtOnce,
    /// While learning goes on, as the outlet is ready.
    WhileLearning,
}

/// A dump that is on its way.
pub(super) struct Dumping {
    outlet: Box<dyn Outlet>,
    /// The table that is next: its shard, and its number there.
    shard: usize,
    table: usize,
}

impl<R: Rule, F: Form<K>, const K: usize> Learner<R, F, K> {
    /// Begins a dump, and gives up another one that is not complete.
    pub(super) fn begin_dump(&mut self, mut outlet: Box<dyn Outlet>, pace: Pace) {
        let start = Instant::now();
        self.give_up_dump();
        let head = self.head();
        self.shards.iter_mut().flat_map(|s| &mut s.sparse).for_each(|column| column.table.begin_dump());
        let wanted = outlet.put(head, start.elapsed());
        self.dumping = Some(Dumping { outlet, shard: 0, table: 0 });
        if !wanted {
            return self.give_up_dump();
        }
        match pace {
            Pace::AtOnce => while self.dump_piece() {},
            Pace::WhileLearning => (0..FIRST_PIECES).for_each(|_| self.go_on_dumping()),
        }
    }

    /// Lets a piece of a dump leave, if there is one on its way, and its outlet is ready.
    pub(super) fn go_on_dumping(&mut self) {
        if self.dumping.as_ref().is_some_and(|dumping| dumping.outlet.is_ready()) {
            self.dump_piece();
        }
    }

    /// Lets a piece of a dump leave. Returns whether there are more.
    fn dump_piece(&mut self) -> bool {
        let Some(Dumping { outlet, shard, table }) = &mut self.dumping else { return false };
        let (start, mut piece) = (Instant::now(), Vec::with_capacity(2 * PIECE));
        while *shard < self.shards.len() && piece.len() < PIECE {
            match self.shards[*shard].sparse.get_mut(*table) {
                Some(next) => *table += usize::from(next.table.dump_part(&mut piece)),
                None => (*shard, *table) = (*shard + 1, 0),
            }
        }
        let (is_last, wanted) = (*shard == self.shards.len(), outlet.put(piece, start.elapsed()));
        if is_last {
            outlet.end();
            self.dumping = None;
        } else if !wanted {
            self.give_up_dump();
        }
        self.dumping.is_some()
    }

    fn give_up_dump(&mut self) {
        if self.dumping.take().is_some() {
            self.shards.iter_mut().flat_map(|s| &mut s.sparse).for_each(|column| column.table.give_up_dump());
        }
    }

    /// Everything but the tables' records.
    fn head(&self) -> Vec<u8> {
        let mut head = Vec::new();
        raw::put(&mut head, &[self.step.number, self.step.origin, u64::from(self.capped)]);
        raw::put(&mut head, &self.deferred);
        let dense = self.shards.iter().flat_map(|s| s.dense.records()).map(|(_, record)| record);
        for records in std::iter::once(self.bias.as_slice()).chain(dense) {
            let start = head.len();
            head.resize(start + size_of_val(records), 0);
            put_records(&mut head[start..], records);
        }
        for table in self.shards.iter().flat_map(|s| &s.sparse).map(|column| &column.table) {
            raw::put(&mut head, &[table.growth() as u64, table.until_check() as u64]);
        }
        head
    }

    /// Reads what another learner of the same settings and models has written.
    pub(super) fn read(&mut self, from: &mut dyn Read) -> io::Result<()> {
        let [number, origin, capped] = read_array(from)?;
        self.capped = capped != 0;
        self.step = self.step.at(number, origin);
        self.deferred = read(from, self.deferred.len())?;
        self.bias = read_records(from, self.bias.len())?;
        for (_, record) in self.shards.iter_mut().flat_map(|s| s.dense.records_mut()) {
            record.copy_from_slice(&read_records(from, record.len())?);
        }
        let tables = self.shards.iter().map(|s| s.sparse.len()).sum();
        let heads = (0..tables).map(|_| read_array(from)).collect::<io::Result<Vec<[u64; 2]>>>()?;
        let (most, blocks) = (self.max_bytes / self.record_each(), self.form.blocks());
        let tables = self.shards.iter_mut().flat_map(|s| &mut s.sparse).map(|column| &mut column.table);
        for (table, [hashed, until_check]) in tables.zip(heads) {
            let hashed = usize::try_from(hashed).ok().filter(|n| n.is_power_of_two() && *n <= 1 << 31);
            let other = || io::Error::new(io::ErrorKind::InvalidData, "a table of another learner");
            let hashed = hashed.ok_or_else(other)?;
            let all = table.known() + hashed;
            if all > most {
                return Err(other());
            }
            let (mut current, mut records) = (Store::new(), Store::new());
            records.make_room(all * blocks);
            let mut left = all;
            while left > 0 {
                let part = part_of::<K>(blocks).min(left);
                if !table.current().is_empty() {
                    current.extend_from_slice(&read::<u64>(from, part)?);
                }
                records.extend_from_slice(&read_records::<K>(from, part * blocks)?);
                left -= part;
            }
            table.replace(hashed, until_check as usize, current, records);
        }
        Ok(())
    }
}

/// Puts the bytes of records in the place of those of `bytes`.
pub(super) fn put_records<const K: usize>(bytes: &mut [u8], records: &[Record<K>]) {
    for (bytes, record) in bytes.chunks_exact_mut(size_of::<Record<K>>()).zip(records) {
        let Record { weight, accumulator, gradient, drift } = record;
        let lanes = [weight, accumulator, gradient, drift];
        for (bytes, lanes) in bytes.chunks_exact_mut(size_of::<[f32; K]>()).zip(lanes) {
            for (bytes, number) in bytes.as_chunks_mut().0.iter_mut().zip(lanes) {
                *bytes = number.to_le_bytes();
            }
        }
    }
}

/// Reads `count` things of `size` bytes each, a piece at a time: `take` appends those of some bytes.
fn read_pieces(
    from: &mut dyn Read,
    count: usize,
    size: usize,
    mut take: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut bytes = vec![0; PIECE];
    let mut left = count;
    while left > 0 {
        let some = left.min(PIECE / size);
        from.read_exact(&mut bytes[..some * size])?;
        take(&bytes[..some * size]);
        left -= some;
    }
    Ok(())
}

fn read<T: Raw>(from: &mut dyn Read, count: usize) -> io::Result<Vec<T>> {
    let mut all = Vec::new();
    read_pieces(from, count, size_of::<T>(), |bytes| all.extend(raw::numbers::<T>(bytes)))?;
    Ok(all)
}

fn read_array<const N: usize>(from: &mut dyn Read) -> io::Result<[u64; N]> {
    let all = read(from, N)?;
    Ok(std::array::from_fn(|i| all[i]))
}

fn read_records<const K: usize>(from: &mut dyn Read, count: usize) -> io::Result<Vec<Record<K>>> {
    let mut all = Vec::new();
    read_pieces(from, count, size_of::<Record<K>>(), |bytes| {
        for bytes in bytes.chunks_exact(size_of::<Record<K>>()) {
            let mut record = Record::ZERO;
            let Record { weight, accumulator, gradient, drift } = &mut record;
            let places = weight.iter_mut().chain(accumulator).chain(gradient).chain(drift);
            places.zip(raw::numbers(bytes)).for_each(|(place, number)| *place = number);
            all.push(record);
        }
    })?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use super::super::{
        Alone, Chunk, HASHED, Iterate, Learn, Loss, ModelForm, Optimizer, Penalty, Settings, Shape, Variant,
        learner,
    };
    use super::*;
    use crate::random::Random;

    /// What a dump has come to: pieces so far, their bytes, and whether it is complete.
    #[derive(Default)]
    struct Paper {
        pieces: usize,
        bytes: Vec<u8>,
        is_complete: bool,
    }

    /// Takes pieces now and then.
    struct Slowly {
        paper: Arc<Mutex<Paper>>,
        asked: AtomicUsize,
        every: usize,
    }

    impl Outlet for Slowly {
        fn is_ready(&self) -> bool {
            (self.asked.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(self.every)
        }

        fn put(&mut self, piece: Vec<u8>, _: Duration) -> bool {
            let mut paper = self.paper.lock().unwrap();
            paper.bytes.extend(piece);
            paper.pieces += 1;
            true
        }

        fn end(&mut self) {
            self.paper.lock().unwrap().is_complete = true;
        }
    }

    /// Begins a dump that is ready for a piece whenever it was asked `every` times.
    fn dump(learner: &mut dyn Learn, pace: Pace, every: usize) -> Arc<Mutex<Paper>> {
        let paper = Arc::new(Mutex::new(Paper::default()));
        learner.dump(Box::new(Slowly { paper: paper.clone(), asked: AtomicUsize::new(0), every }), pace);
        paper
    }

    fn learn(learner: &mut dyn Learn, chunk: &Chunk) {
        for start in (0..chunk.rows()).step_by(1000) {
            learner.learn(chunk, start..start + 1000, 8, &Alone, &mut Vec::new());
            learner.grow(&Alone);
        }
    }

    /// Learners of many kinds, all of three models.
    fn kinds() -> Vec<Settings> {
        let l2 = Penalty { l1: 1e-4, l2: 1e-3 };
        let kinds = [
            (Optimizer::ADAGRAD, Penalty::NONE, ModelForm::Linear),
            (Optimizer::RMSPROP, Penalty::NONE, ModelForm::Linear),
            (Optimizer::FTRL, l2, ModelForm::Linear),
            (Optimizer::Sgd { momentum: 0.9 }, l2, ModelForm::Linear),
            (Optimizer::Gd, Penalty::NONE, ModelForm::Linear),
            (Optimizer::ADAGRAD, l2, ModelForm::Classes { classes: 2 }),
            (Optimizer::ADAGRAD, l2, ModelForm::Factors { factors: 3 }),
        ];
        let settings = |(optimizer, penalty, form)| Settings {
            loss: match form {
                ModelForm::Linear => Loss::Logistic,
                ModelForm::Classes { .. } => Loss::Softmax,
                ModelForm::Factors { .. } => Loss::Squared,
            },
            form,
            optimizer,
            variants: Variant::at_each(&[0.1, 0.2, 0.5], penalty),
            shape: chunk(0, 0).shape(),
            tables: vec![(0, 6), (3, 0)],
            ..Settings::default()
        };
        kinds.map(settings).to_vec()
    }

    fn chunk(rows: usize, seed: u64) -> Chunk {
        let shape = Shape {
            dense: 2,
            slots: 1,
            lists: 1,
            listed: 4,
            valued: 0,
            weighted: false,
            offset: false,
            divisions: 0,
        };
        let mut random = Random::new(seed, 1);
        let mut chunk = Chunk::new(shape, rows);
        for row in 0..rows {
            for column in 0..2 {
                chunk.dense_mut(column)[row] = random.below(1000) as f32 / 250.0 - 2.0;
            }
            chunk.slots_mut(0)[row] = HASHED | random.below(1 << 31) as u32;
            chunk.lists[0].codes.extend((0..random.below(3)).map(|code| code as u32));
            chunk.lists[0].end_row();
            chunk.labels.push(random.below(2) as f32);
        }
        chunk.set_rows(rows);
        chunk
    }

    #[test]
    fn a_learner_that_takes_up_a_dump_goes_on_as_the_one_that_wrote_it() {
        let (before, after) = (chunk(5000, 1), chunk(3000, 2));
        for settings in kinds() {
            let (optimizer, form) = (settings.optimizer, settings.form);
            let mut whole = learner(&settings, &Alone);
            learn(whole.as_mut(), &before);
            for models in [vec![0, 1, 2], vec![1]] {
                let mut one = whole.only(&models, &Alone);
                let bytes = std::mem::take(&mut dump(one.as_mut(), Pace::AtOnce, 1).lock().unwrap().bytes);
                let variants = one.variants().to_vec();
                let mut other = learner(&Settings { variants, ..settings.clone() }, &Alone);
                other.take_up(&mut bytes.as_slice()).unwrap();
                for learner in [&mut one, &mut other] {
                    learn(learner.as_mut(), &after);
                    learner.end_epoch();
                }
                assert!(one.bytes() > settings.tables.len() * 64 * 16, "a table has grown");
                for model in 0..models.len() {
                    for iterate in [Iterate::Last, Iterate::Mean] {
                        let weights = one.weights(model, iterate);
                        assert!(weights == other.weights(model, iterate), "{optimizer:?} {form:?}");
                        assert!(weights.non_zero() > 100);
                    }
                    assert!(one.state(model) == other.state(model), "{optimizer:?} {form:?}");
                }
                let mut cut =
                    learner(&Settings { variants: one.variants().to_vec(), ..settings.clone() }, &Alone);
                assert!(cut.take_up(&mut &bytes[..bytes.len() - 1]).is_err());
            }
        }
    }

    #[test]
    fn a_dump_that_takes_its_time_is_of_the_moment_at_which_it_began() {
        let (before, after) = (chunk(2000, 1), chunk(20_000, 2));
        for (settings, bits) in kinds().into_iter().zip([13, 14].into_iter().cycle()) {
            // Tables of several pieces, and one that doubles while it is dumped.
            let settings = Settings { tables: vec![(5, bits), (3, 0)], ..settings };
            let at = format!("{:?} {:?}", settings.optimizer, settings.form);
            let mut all = [(); 3].map(|()| learner(&settings, &Alone));
            all.iter_mut().for_each(|one| learn(one.as_mut(), &before));
            let size = all[0].bytes();
            let at_once = dump(all[0].as_mut(), Pace::AtOnce, 1);
            let slowly = dump(all[1].as_mut(), Pace::WhileLearning, 2);
            let never = dump(all[2].as_mut(), Pace::WhileLearning, usize::MAX);
            for one in &mut all {
                learn(one.as_mut(), &after);
                one.end_epoch();
                learn(one.as_mut(), &after);
            }
            let (at_once, mut slowly) = (at_once.lock().unwrap(), slowly.lock().unwrap());
            assert!(at_once.is_complete, "{at}");
            assert!(slowly.is_complete && slowly.pieces > 2, "{at}: {} pieces", slowly.pieces);
            assert!(slowly.bytes == at_once.bytes, "{at}");
            assert!(all[1].bytes() > size, "{at}: no table has doubled");
            // One that comes later takes the place of one that is not complete.
            let last = dump(all[2].as_mut(), Pace::AtOnce, 1);
            assert!(!never.lock().unwrap().is_complete);
            slowly.bytes = std::mem::take(&mut dump(all[1].as_mut(), Pace::AtOnce, 1).lock().unwrap().bytes);
            assert!(last.lock().unwrap().bytes == slowly.bytes, "{at}");
        }
    }
}
