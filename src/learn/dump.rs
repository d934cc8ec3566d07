//! A dump: everything that a learner goes on from, as it is, bit for bit. (Its model and its optimiser's state, which
//! [`super::Learn::weights`] and [`super::Learn::state`] tell, are less: they lack what was left for later.)

use std::io::{self, Read, Write};

use super::form::Form;
use super::learner::Learner;
use super::optimizer::Rule;
use super::record::Record;
use crate::raw::{self, Raw};

/// Bytes that are written or read at once.
const PIECE: usize = 1 << 16;

impl<R: Rule, F: Form<K>, const K: usize> Learner<R, F, K> {
    /// Writes the learner.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        write(out, &[self.step.number, self.step.origin, u64::from(self.capped)])?;
        write(out, &self.deferred)?;
        write_records(out, &self.bias)?;
        for shard in &self.shards {
            for (_, record) in &shard.dense {
                write_records(out, record)?;
            }
            for (_, table) in &shard.tables {
                let (records, current) = (table.blocks(), table.current());
                write(out, &[table.growth() as u64, table.until_check() as u64, current.len() as u64])?;
                write(out, current)?;
                write_records(out, records)?;
            }
        }
        Ok(())
    }

    /// Reads what another learner of the same settings and models has written.
    pub(super) fn read(&mut self, from: &mut dyn Read) -> io::Result<()> {
        let [number, origin, capped] = read_array(from)?;
        self.capped = capped != 0;
        self.step = self.step.at(number, origin);
        self.deferred = read(from, self.deferred.len())?;
        self.bias = read_records(from, self.bias.len())?;
        for shard in &mut self.shards {
            for (_, record) in &mut shard.dense {
                *record = read_records(from, record.len())?;
            }
            for (_, table) in &mut shard.tables {
                let [hashed, until_check, current] = read_array(from)?.map(|number| number as usize);
                let records = table.known() + hashed;
                let is_lazy = !table.current().is_empty();
                if !hashed.is_power_of_two() || current != if is_lazy { records } else { 0 } {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "a table of another learner"));
                }
                let current = read(from, current)?;
                let blocks = read_records(from, records * self.form.blocks())?;
                table.replace(hashed, until_check, current, blocks);
            }
        }
        Ok(())
    }
}

fn write<T: Raw>(out: &mut dyn Write, numbers: &[T]) -> io::Result<()> {
    let mut bytes = Vec::new();
    for numbers in numbers.chunks(PIECE / size_of::<T>()) {
        bytes.clear();
        raw::put(&mut bytes, numbers);
        out.write_all(&bytes)?;
    }
    Ok(())
}

fn write_records<const K: usize>(out: &mut dyn Write, records: &[Record<K>]) -> io::Result<()> {
    let mut bytes = vec![0; PIECE];
    for records in records.chunks(PIECE / size_of::<Record<K>>()) {
        let bytes = &mut bytes[..size_of_val(records)];
        for (bytes, record) in bytes.chunks_exact_mut(size_of::<Record<K>>()).zip(records) {
            let Record { weight, accumulator, gradient, drift } = record;
            let lanes = [weight, accumulator, gradient, drift];
            for (bytes, lanes) in bytes.chunks_exact_mut(size_of::<[f32; K]>()).zip(lanes) {
                for (bytes, number) in bytes.as_chunks_mut().0.iter_mut().zip(lanes) {
                    *bytes = number.to_le_bytes();
                }
            }
        }
        out.write_all(bytes)?;
    }
    Ok(())
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
    use super::super::{
        Alone, Chunk, HASHED, Iterate, Learn, Loss, ModelForm, Optimizer, Penalty, Settings, Shape, Variant,
        learner,
    };
    use crate::random::Random;

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
        let l2 = Penalty { l1: 1e-4, l2: 1e-3 };
        for (optimizer, penalty, form) in [
            (Optimizer::ADAGRAD, Penalty::NONE, ModelForm::Linear),
            (Optimizer::RMSPROP, Penalty::NONE, ModelForm::Linear),
            (Optimizer::FTRL, l2, ModelForm::Linear),
            (Optimizer::Sgd { momentum: 0.9 }, l2, ModelForm::Linear),
            (Optimizer::Gd, Penalty::NONE, ModelForm::Linear),
            (Optimizer::ADAGRAD, l2, ModelForm::Classes { classes: 2 }),
            (Optimizer::ADAGRAD, l2, ModelForm::Factors { factors: 3 }),
        ] {
            let loss = if form == ModelForm::Linear { Loss::Logistic } else { Loss::Squared };
            let loss = if matches!(form, ModelForm::Classes { .. }) { Loss::Softmax } else { loss };
            let settings = Settings {
                loss,
                form,
                optimizer,
                variants: Variant::at_each(&[0.1, 0.2, 0.5], penalty),
                shape: before.shape(),
                tables: vec![(0, 6), (3, 0)],
                ..Settings::default()
            };
            let learn = |learner: &mut dyn Learn, chunk: &Chunk| {
                for start in (0..chunk.rows()).step_by(1000) {
                    learner.learn(chunk, start..start + 1000, 8, &Alone, &mut Vec::new());
                    learner.grow();
                }
            };
            let mut whole = learner(&settings);
            learn(whole.as_mut(), &before);
            for models in [vec![0, 1, 2], vec![1]] {
                let mut one = whole.only(&models);
                let mut bytes = Vec::new();
                one.dump(&mut bytes).unwrap();
                let variants = one.variants().to_vec();
                let mut other = learner(&Settings { variants, ..settings.clone() });
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
                let mut cut = learner(&Settings { variants: one.variants().to_vec(), ..settings.clone() });
                assert!(cut.take_up(&mut &bytes[..bytes.len() - 1]).is_err());
            }
        }
    }
}
