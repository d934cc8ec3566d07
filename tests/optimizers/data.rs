//! The data, bit for bit that of `expected/optimizers.py`, and what the tests have in common.

use std::ops::Range;

use millstream::learn::{
    Alone, Chunk, HASHED, Iterate, Learn, Loss, ModelForm, Optimizer, Penalty, Schedule, Settings, Shape,
    Variant, Weights,
};
use serde::Deserialize;

pub(crate) const ROWS: usize = 32_000;
pub(crate) const BATCH: usize = 32;

pub(crate) struct SplitMix64(pub(crate) u64);

impl SplitMix64 {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 33) % n
    }
}

#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct Check {
    next: u64,
    scores: i64,
}

/// The columns that a model is given.
pub(crate) const DENSE: Shape = Shape { dense: 6, ..NONE };
pub(crate) const SPARSE: Shape = Shape { slots: 1, lists: 1, ..NONE };
pub(crate) const ALL: Shape = Shape { dense: 6, ..SPARSE };
const NONE: Shape = Shape {
    dense: 0,
    slots: 0,
    lists: 0,
    listed: 0,
    valued: 0,
    weighted: false,
    offset: false,
    divisions: 0,
};

/// Known categories, code 0 included, of the category and the list column.
const KNOWN: [usize; 2] = [201, 41];

/// The tables of these columns.
pub(crate) fn tables(shape: Shape) -> Vec<(usize, u32)> {
    KNOWN.into_iter().take(shape.slots + shape.lists).map(|known| (known, 4)).collect()
}

/// Draws the rows into one chunk.
pub(crate) fn rows(shape: Shape, loss: Loss, offsets: bool) -> (Chunk, Check) {
    let mut random = SplitMix64(2024);
    let mut chunk = Chunk::new(shape, ROWS);
    let mut scores = 0;
    for row in 0..ROWS {
        let numbers: [i64; 6] = std::array::from_fn(|_| random.below(512) as i64 - 256);
        let group = u64::from((random.below(512) | 512).trailing_zeros());
        let mut category = 1 + 20 * group + random.below(20).min(random.below(20));
        if random.below(16) == 0 {
            category = 0;
        }
        let codes: Vec<u64> =
            (0..random.below(4)).map(|_| 1 + random.below(40).min(random.below(40))).collect();
        let mut score: i64 = [3, -2, 1, -1, 2, 0].iter().zip(numbers).map(|(c, x)| c * x).sum();
        score += (category as i64 * 37 % 101 - 50) * 8;
        score += codes.iter().map(|&code| (code as i64 * 29 % 61 - 30) * 8).sum::<i64>();
        let weight = 1 + random.below(8);
        scores += score;

        for (column, x) in numbers.into_iter().enumerate().take(shape.dense) {
            chunk.dense_mut(column)[row] = x as f32 / 256.0;
        }
        if shape.slots > 0 {
            chunk.slots_mut(0)[row] = category as u32;
        }
        if let Some(list) = chunk.lists.first_mut() {
            list.codes.extend(codes.iter().map(|&code| code as u32));
            list.end_row();
        }
        chunk.labels.push(match loss {
            Loss::Logistic | Loss::Hinge | Loss::SquaredHinge => f32::from(u8::from(score > 0)),
            Loss::Softmax => {
                [-800, -200, 200, 800].into_iter().filter(|&border| score > border).count() as f32
            }
            Loss::Poisson => score.max(0) as f32 / 1024.0,
            _ => score as f32 / 256.0,
        });
        if offsets {
            chunk.offsets.push((weight as f32 - 4.0) / 8.0);
        }
        if shape.weighted {
            chunk.weights.push(weight as f32 / 4.0);
        }
    }
    chunk.set_rows(ROWS);
    (chunk, Check { next: random.next(), scores })
}

/// The same rows with the numbers as the values of one list column: code 1 is the first dense column.
pub(crate) fn valued(dense: &Chunk) -> Chunk {
    let columns = DENSE.dense;
    let shape = Shape { dense: 0, lists: 1, listed: 0, valued: columns, ..dense.shape() };
    let mut chunk = Chunk::new(shape, dense.rows());
    chunk.labels.clone_from(&dense.labels);
    chunk.weights.clone_from(&dense.weights);
    chunk.offsets.clone_from(&dense.offsets);
    for row in 0..dense.rows() {
        for column in (0..columns).filter(|&column| dense.dense(column)[row] != 0.0) {
            chunk.lists[0].codes.push(column as u32 + 1);
            chunk.lists[0].values.push(dense.dense(column)[row]);
        }
        chunk.lists[0].end_row();
    }
    chunk.set_rows(dense.rows());
    chunk
}

/// Learns from the first `rows` rows in mini-batches and ends the epoch; returns the margins.
pub(crate) fn epoch(learner: &mut dyn Learn, chunk: &Chunk, rows: usize) -> Vec<f32> {
    let mut margins = Vec::new();
    steps(learner, chunk, 0..rows, &mut margins);
    learner.end_epoch();
    margins
}

/// Learns from some rows, mini-batch by mini-batch, and lets tables grow now and then.
pub(crate) fn steps(learner: &mut dyn Learn, chunk: &Chunk, rows: Range<usize>, margins: &mut Vec<f32>) {
    for (number, start) in rows.clone().step_by(BATCH).enumerate() {
        learner.learn(chunk, start..(start + BATCH).min(rows.end), BATCH, &Alone, margins);
        if number % 64 == 63 {
            learner.grow(&Alone);
        }
    }
}

/// The optimisers with four rates each.
pub(crate) const OPTIMIZERS: [(Optimizer, [f32; 4]); 6] = [
    (Optimizer::Gd, [0.1, 0.2, 0.5, 1.0]),
    (Optimizer::SGD, [0.01, 0.02, 0.05, 0.1]),
    (Optimizer::Sgd { momentum: 0.9 }, [0.001, 0.002, 0.005, 0.01]),
    (Optimizer::ADAGRAD, [0.1, 0.2, 0.5, 1.0]),
    (Optimizer::RMSPROP, [0.001, 0.002, 0.005, 0.01]),
    (Optimizer::FTRL, [0.1, 0.2, 0.5, 1.0]),
];

/// What else a learner can be told: form, penalty and schedule.
pub(crate) const SORTS: [(ModelForm, Penalty, Schedule); 5] = [
    (ModelForm::Linear, Penalty::NONE, Schedule::CONSTANT),
    (ModelForm::Linear, Penalty { l1: 0.0, l2: 0.01 }, Schedule::CONSTANT),
    (ModelForm::Linear, Penalty { l1: 0.002, l2: 0.001 }, Schedule { power: 0.25, warm_up: 20 }),
    (ModelForm::Classes { classes: 5 }, Penalty { l1: 0.001, l2: 0.0 }, Schedule::CONSTANT),
    (ModelForm::Factors { factors: 3 }, Penalty { l1: 0.0, l2: 0.001 }, Schedule::CONSTANT),
];

/// All combinations, each with the settings of the mixed rows at four rates, and a name.
pub(crate) fn combinations() -> impl Iterator<Item = (Settings, String)> {
    OPTIMIZERS.into_iter().flat_map(|(optimizer, rates)| {
        SORTS.into_iter().map(move |(form, penalty, schedule)| {
            let loss = if matches!(form, ModelForm::Classes { .. }) { Loss::Softmax } else { Loss::Logistic };
            let name = format!("{optimizer:?} {form:?} {penalty:?} {schedule:?}");
            let shape = Shape { weighted: true, divisions: 2, ..ALL };
            let tables = tables(ALL);
            let of = Settings {
                loss,
                form,
                optimizer,
                variants: Variant::at_each(&rates, penalty),
                schedule,
                shape,
                tables,
                ..Settings::default()
            };
            (of, name)
        })
    })
}

/// All columns, half of the categories unknown to the plan, so that their table grows on the way.
pub(crate) fn mixed_rows(settings: &Settings) -> Chunk {
    let (mut chunk, _) = rows(settings.shape, settings.loss, false);
    chunk.parts.extend((0..ROWS as u32).flat_map(|row| [row.wrapping_mul(0x9E37_79B9) >> 30, row / 1600]));
    for code in chunk.slots_mut(0).iter_mut().filter(|code| **code % 2 == 1) {
        *code = HASHED | code.wrapping_mul(0x9E37_79B9);
    }
    chunk
}

/// Rows that these tests learn from: enough for the table to grow, and for absences of some length.
pub(crate) const SOME: usize = 6_400;

/// The same settings for one of the models.
pub(crate) fn at(settings: &Settings, model: usize) -> Settings {
    Settings { variants: vec![settings.variants[model].clone()], ..settings.clone() }
}

/// Everything that a model learned, to the bit.
pub(crate) fn bits(learner: &mut dyn Learn, model: usize) -> Vec<u32> {
    let last = learner.weights(model, Iterate::Last).weights;
    let mean = learner.weights(model, Iterate::Mean).weights;
    let accumulators = learner.state(model).accumulators;
    let numbers = |w: Weights| {
        w.bias.into_iter().chain(w.dense).chain(w.tables.into_iter().flatten()).map(f32::to_bits)
    };
    numbers(last).chain(numbers(mean)).chain(numbers(accumulators)).collect()
}
