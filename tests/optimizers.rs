//! The optimisers take the steps of `torch.optim`, whatever way the same steps are taken.
//!
//! `expected/optimizers.py` says which numbers are compared, and makes them. This file draws the same
//! data, bit for bit.

use millstream::learn::{
    Alone, Chunk, HASHED, Iterate, Learn, Linear, Loss, Optimizer, Penalty, Settings, Shape, learner,
};
use serde::Deserialize;

const ROWS: usize = 32_000;
const GD_ROWS: usize = 3_200;
const GD_EPOCHS: usize = 60;
const BATCH: usize = 32;

/// Largest deviation from torch's weights in float64: `|a-b| <= TOLERANCE * max(|b|, floor)`.
///
/// The floor is 0.01, in a model whose weights are of the order of 1. A weight is the sum of a thousand
/// changes, each rounded to a float32 of about 6e-8 of its size, so deviations of some 1e-7 times
/// the larger weights are what float32 gives, whatever is done: a weight near zero can be known to
/// no more than that. Torch itself in float32 deviates from float64 by up to 9.3e-6 in this measure.
const TOLERANCE: f64 = 1e-5;

struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 33) % n
    }
}

#[derive(Debug, PartialEq, Deserialize)]
struct Check {
    next: u64,
    scores: i64,
}

/// The columns that a model is given.
const DENSE: Shape = Shape { dense: 6, slots: 0, lists: 0, valued: 0, weighted: false, offset: false };
const SPARSE: Shape = Shape { dense: 0, slots: 1, lists: 1, valued: 0, weighted: false, offset: false };
const ALL: Shape = Shape { dense: 6, slots: 1, lists: 1, valued: 0, weighted: true, offset: false };

/// Known categories, code 0 included, of the category and the list column.
const KNOWN: [usize; 2] = [201, 41];

/// Draws the rows into one chunk.
fn rows(shape: Shape, loss: Loss) -> (Chunk, Check) {
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
        if let Some(slots) = chunk.slots.first_mut() {
            slots.push(category as u32);
        }
        if let Some(list) = chunk.lists.first_mut() {
            list.codes.extend(codes.iter().map(|&code| code as u32));
            list.end_row();
        }
        chunk.labels.push(match loss {
            Loss::Logistic => f32::from(u8::from(score > 0)),
            _ => score as f32 / 256.0,
        });
        if shape.weighted {
            chunk.weights.push(weight as f32 / 4.0);
        }
    }
    chunk.set_rows(ROWS);
    (chunk, Check { next: random.next(), scores })
}

fn settings(shape: Shape, loss: Loss, optimizer: Optimizer, rates: &[f32], l2: f32) -> Settings {
    let tables = KNOWN.into_iter().take(shape.slots + shape.lists).map(|known| (known, 4)).collect();
    let (rates, penalty) = (rates.to_vec(), Penalty { l1: 0.0, l2 });
    Settings { loss, optimizer, rates, penalty, shape, tables, ..Settings::default() }
}

/// Learns from the first `rows` rows in mini-batches and ends the epoch; returns the margins.
fn epoch(learner: &mut dyn Learn, chunk: &Chunk, rows: usize) -> Vec<f32> {
    let mut margins = Vec::new();
    for start in (0..rows).step_by(BATCH) {
        learner.learn(chunk, start..(start + BATCH).min(rows), BATCH, &Alone, &mut margins);
    }
    learner.end_epoch();
    margins
}

#[derive(Deserialize)]
struct Expected {
    check: Check,
    floor: f64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    features: String,
    optimizer: String,
    #[serde(deserialize_with = "loss")]
    loss: Loss,
    l2: f32,
    weighted: bool,
    /// The deviation of torch in float32.
    float32: f64,
    /// The bias's, then each dense column's or category's.
    weights: Vec<f64>,
}

fn loss<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Loss, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "logistic" => Ok(Loss::Logistic),
        "squared" => Ok(Loss::Squared),
        other => Err(serde::de::Error::custom(format!("an unknown loss {other}"))),
    }
}

/// The weights in the order of the expected ones, without those of the categories that are not known.
fn in_order(model: &Linear) -> Vec<f32> {
    let tables = model.weights.tables.iter().zip(&model.known).flat_map(|(table, &known)| &table[..known]);
    model.weights.bias.iter().chain(&model.weights.dense).chain(tables).copied().collect()
}

/// The same rows with the numbers as the values of one list column: code 1 is the first dense column.
fn valued(dense: &Chunk) -> Chunk {
    let columns = DENSE.dense;
    let shape = Shape { dense: 0, lists: 1, valued: columns, ..dense.shape() };
    let mut chunk = Chunk::new(shape, dense.rows());
    chunk.labels.clone_from(&dense.labels);
    chunk.weights.clone_from(&dense.weights);
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

/// Compares the cases of one optimiser with torch.
fn compare(name: &str, optimizer: Optimizer, rate: f32) {
    let expected: Expected = serde_json::from_str(include_str!("expected/optimizers.json")).unwrap();
    let mut compared = 0;
    let mut failures = Vec::new();
    for case in expected.cases.iter().filter(|case| case.optimizer == name) {
        let shape =
            Shape { weighted: case.weighted, ..if case.features == "dense" { DENSE } else { SPARSE } };
        let (chunk, check) = rows(shape, case.loss);
        assert_eq!(check, expected.check, "these are not the rows that torch was given");
        let learned = |chunk: &Chunk, settings: Settings| {
            let mut learner = learner(&settings);
            if optimizer == Optimizer::Gd {
                for _ in 0..GD_EPOCHS {
                    epoch(&mut *learner, chunk, GD_ROWS);
                }
            } else {
                epoch(&mut *learner, chunk, ROWS);
            }
            in_order(&learner.weights(0, Iterate::Last))
        };
        let mut compare = |features: &str, weights: Vec<f32>| {
            assert_eq!(weights.len(), case.weights.len());
            assert!(weights.iter().all(|w| w.is_finite()));
            let deviation = |(&a, &b): (&f32, &f64)| (f64::from(a) - b).abs() / b.abs().max(expected.floor);
            let deviations = weights.iter().zip(&case.weights).map(deviation);
            let (at, largest) = deviations.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
            let line = format!(
                "{name} {features} {:?} l2={} weighted={}: deviates by {largest:.1e} (weight {at}: {} for \
                 torch's {}); torch in float32 by {:.1e}",
                case.loss, case.l2, case.weighted, weights[at], case.weights[at], case.float32
            );
            println!("{line}");
            if largest > TOLERANCE {
                failures.push(line);
            }
            compared += 1;
        };
        let settings = settings(shape, case.loss, optimizer, &[rate], case.l2);
        compare(&case.features, learned(&chunk, settings.clone()));
        if case.features == "dense" {
            let chunk = valued(&chunk);
            let tables = vec![(1 + DENSE.dense, 0)];
            let mut weights = learned(&chunk, Settings { shape: chunk.shape(), tables, ..settings });
            // No row has the code 0.
            assert_eq!(weights.remove(1), 0.0);
            compare("valued", weights);
        }
    }
    assert_eq!(compared, 24);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn gradient_descent_equals_torch() {
    compare("gd", Optimizer::Gd, 0.5);
}

#[test]
fn sgd_equals_torch() {
    compare("sgd", Optimizer::SGD, 0.0625);
}

#[test]
fn adagrad_equals_torch() {
    compare("adagrad", Optimizer::ADAGRAD, 0.25);
}

#[test]
fn rmsprop_equals_torch() {
    compare("rmsprop", Optimizer::RMSPROP, 0.003_906_25);
}

/// The optimisers with four rates each.
const OPTIMIZERS: [(Optimizer, [f32; 4]); 4] = [
    (Optimizer::Gd, [0.1, 0.2, 0.5, 1.0]),
    (Optimizer::SGD, [0.01, 0.02, 0.05, 0.1]),
    (Optimizer::ADAGRAD, [0.1, 0.2, 0.5, 1.0]),
    (Optimizer::RMSPROP, [0.001, 0.002, 0.005, 0.01]),
];

/// All columns, half of the categories unknown to the plan, so that their table grows on the way.
fn mixed_rows() -> Chunk {
    let (mut chunk, _) = rows(ALL, Loss::Logistic);
    for code in chunk.slots[0].iter_mut().filter(|code| **code % 2 == 1) {
        *code = HASHED | code.wrapping_mul(0x9E37_79B9);
    }
    chunk
}

/// Rows that these tests learn from: enough for the table to grow, and for absences of some length.
const SOME: usize = 6_400;

fn mixed(optimizer: Optimizer, rates: &[f32], l2: f32) -> Box<dyn Learn> {
    learner(&settings(ALL, Loss::Logistic, optimizer, rates, l2))
}

/// Everything that a model learned, to the bit.
fn bits(learner: &mut dyn Learn, model: usize) -> Vec<u32> {
    let last = learner.weights(model, Iterate::Last).weights;
    let mean = learner.weights(model, Iterate::Mean).weights;
    let accumulators = learner.state(model).accumulators;
    let numbers = |w: millstream::learn::Weights| {
        w.bias.into_iter().chain(w.dense).chain(w.tables.into_iter().flatten()).map(f32::to_bits)
    };
    numbers(last).chain(numbers(mean)).chain(numbers(accumulators)).collect()
}

#[test]
fn models_side_by_side_equal_single_runs() {
    let chunk = mixed_rows();
    for (optimizer, rates) in OPTIMIZERS {
        for l2 in [0.0, 0.01] {
            let mut four = mixed(optimizer, &rates, l2);
            let margins = epoch(&mut *four, &chunk, SOME);
            for (k, &rate) in rates.iter().enumerate() {
                let mut one = mixed(optimizer, &[rate], l2);
                let single = epoch(&mut *one, &chunk, SOME);
                assert!(margins.iter().skip(k).step_by(4).eq(&single), "{optimizer:?} {rate} l2={l2}");
                assert_eq!(bits(&mut *four, k), bits(&mut *one, 0), "{optimizer:?} {rate} l2={l2}");
            }
        }
    }
}

#[test]
fn a_model_taken_out_half_way_goes_on_as_if_it_had_stayed() {
    let chunk = mixed_rows();
    // Not a multiple of the mini-batch, and for gradient descent in the middle of an epoch.
    let half = SOME / 2 + 5;
    for (optimizer, rates) in OPTIMIZERS {
        for l2 in [0.0, 0.01] {
            let run = |split: bool| {
                let mut learner = mixed(optimizer, &rates, l2);
                epoch(&mut *learner, &chunk, half);
                let mut margins = Vec::new();
                learner.learn(&chunk, half..half + BATCH, BATCH, &Alone, &mut margins);
                let mut model = 2;
                if split {
                    learner = learner.only(model);
                    assert_eq!(learner.rates(), &rates[2..3]);
                    model = 0;
                }
                for start in (half + BATCH..SOME).step_by(BATCH) {
                    learner.learn(&chunk, start..(start + BATCH).min(SOME), BATCH, &Alone, &mut margins);
                }
                learner.end_epoch();
                bits(&mut *learner, model)
            };
            assert_eq!(run(true), run(false), "{optimizer:?} l2={l2}");
        }
    }
}

#[test]
fn the_cut_into_chunks_does_not_matter() {
    let all = mixed_rows();
    for (optimizer, rates) in OPTIMIZERS {
        for l2 in [0.0, 0.01] {
            let run = |sizes: &[usize]| {
                let mut learner = mixed(optimizer, &rates[1..2], l2);
                let (mut margins, mut start) = (Vec::new(), 0);
                for size in sizes.iter().cycle().map(|batches| batches * BATCH) {
                    let end = (start + size).min(SOME);
                    let mut chunk = Chunk::new(ALL, size);
                    chunk.append(&all, start, end);
                    for at in (0..end - start).step_by(BATCH) {
                        learner.learn(&chunk, at..at + BATCH, BATCH, &Alone, &mut margins);
                    }
                    start = end;
                    if start == SOME {
                        break;
                    }
                }
                learner.end_epoch();
                (margins.iter().map(|m| m.to_bits()).collect::<Vec<_>>(), bits(&mut *learner, 0))
            };
            let whole = run(&[SOME / BATCH]);
            for sizes in [&[1][..], &[7, 1, 30], &[64, 3]] {
                assert!(run(sizes) == whole, "{optimizer:?} l2={l2} in chunks of {sizes:?} mini-batches");
            }
        }
    }
}

#[test]
fn gradient_descent_waits_for_the_end_of_the_epoch() {
    let chunk = mixed_rows();
    for l2 in [0.0, 0.01] {
        let mut learner = mixed(Optimizer::Gd, &[0.5], l2);
        let still = bits(&mut *learner, 0);
        let mut margins = Vec::new();
        for start in (0..SOME).step_by(BATCH) {
            learner.learn(&chunk, start..start + BATCH, BATCH, &Alone, &mut margins);
        }
        assert!(margins.iter().all(|&m| m == 0.0), "every row is predicted by the model as it was");
        assert_eq!(bits(&mut *learner, 0), still);
        learner.end_epoch();
        let stepped = bits(&mut *learner, 0);
        assert_ne!(stepped, still);
        learner.end_epoch();
        assert_eq!(bits(&mut *learner, 0), stepped, "an epoch without rows has no gradient");
    }
}

#[test]
fn numbers_in_a_list_have_the_margins_of_dense_columns() {
    let (dense, _) = rows(DENSE, Loss::Logistic);
    let valued = valued(&dense);
    for (optimizer, rates) in OPTIMIZERS {
        for l2 in [0.0, 1e-3] {
            let dense_settings = settings(DENSE, Loss::Logistic, optimizer, &rates, l2);
            let tables = vec![(1 + DENSE.dense, 0)];
            let settings = Settings { shape: valued.shape(), tables, ..dense_settings.clone() };
            let margins = |chunk: &Chunk, settings: &Settings| {
                let mut learner = learner(settings);
                let (learning, mut predicting) = (epoch(&mut *learner, chunk, ROWS), Vec::new());
                learner.weights(2, Iterate::Last).margins(chunk, &mut predicting);
                [learning, predicting]
            };
            for (a, b) in margins(&dense, &dense_settings).iter().zip(&margins(&valued, &settings)) {
                let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs() / a.abs().max(1.0));
                let largest = differences.fold(0.0, f32::max);
                assert!(largest < 1e-5, "{optimizer:?} with l2 {l2}: margins differ by {largest:e}");
            }
        }
    }
}

#[test]
fn of_a_code_that_occurs_twice_the_values_add_up() {
    let shape = Shape { lists: 1, valued: 2, ..Shape::default() };
    let chunk = |rows: &[&[(u32, f32)]]| {
        let mut chunk = Chunk::new(shape, rows.len());
        for row in rows {
            chunk.lists[0].codes.extend(row.iter().map(|(code, _)| code));
            chunk.lists[0].values.extend(row.iter().map(|(_, value)| value));
            chunk.lists[0].end_row();
            chunk.labels.push(1.0);
        }
        chunk.set_rows(rows.len());
        chunk
    };
    let twice = chunk(&[&[(1, 0.5), (1, 0.25), (2, 1.0)], &[], &[(HASHED | 5, 2.0), (HASHED | 5, -1.0)]]);
    let once = chunk(&[&[(1, 0.75), (2, 1.0)], &[], &[(HASHED | 5, 1.0)]]);
    for (optimizer, rates) in OPTIMIZERS {
        let learned = |chunk: &Chunk| {
            let settings = Settings {
                tables: vec![(3, 2)],
                max_bytes: 0,
                ..settings(shape, Loss::Logistic, optimizer, &rates, 0.0)
            };
            let mut learner = learner(&settings);
            let mut margins = Vec::new();
            for _ in 0..3 {
                learner.learn(chunk, 0..3, 2, &Alone, &mut margins);
                learner.end_epoch();
            }
            (margins, learner.weights(1, Iterate::Last))
        };
        assert_eq!(learned(&twice), learned(&once), "{optimizer:?}");
    }
}
