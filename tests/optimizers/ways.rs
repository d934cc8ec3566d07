//! The same steps taken in other ways lead to the same weights.

use millstream::learn::{
    Alone, Chunk, HASHED, Iterate, Loss, Optimizer, Penalty, Schedule, Settings, Shape, Weights, learner,
};

use super::data::{
    BATCH, DENSE, OPTIMIZERS, ROWS, SOME, at, bits, combinations, epoch, mixed_rows, rows, steps, valued,
};

#[test]
fn models_side_by_side_equal_single_runs() {
    for (settings, name) in combinations() {
        let chunk = mixed_rows(&settings);
        let mut four = learner(&settings);
        let margins = epoch(&mut *four, &chunk, SOME);
        let outputs = settings.form.outputs();
        for (k, rate) in settings.rates.iter().enumerate() {
            let mut one = learner(&at(&settings, k));
            let single = epoch(&mut *one, &chunk, SOME);
            let of_four = margins.chunks_exact(outputs).skip(k).step_by(4).flatten();
            assert!(of_four.eq(&single), "{name} at {rate}");
            assert_eq!(bits(&mut *four, k), bits(&mut *one, 0), "{name} at {rate}");
        }
    }
}

#[test]
fn a_model_taken_out_half_way_goes_on_as_if_it_had_stayed() {
    // Not a multiple of the mini-batch, and for gradient descent in the middle of an epoch.
    let half = SOME / 2 + 5;
    for (settings, name) in combinations() {
        let chunk = mixed_rows(&settings);
        let run = |split: bool| {
            let mut learner = learner(&settings);
            epoch(&mut *learner, &chunk, half);
            let mut margins = Vec::new();
            steps(&mut *learner, &chunk, half..half + BATCH, &mut margins);
            let mut model = 2;
            if split {
                learner = learner.only(model);
                assert_eq!(learner.rates(), &settings.rates[2..3]);
                model = 0;
            }
            steps(&mut *learner, &chunk, half + BATCH..SOME, &mut margins);
            learner.end_epoch();
            bits(&mut *learner, model)
        };
        assert_eq!(run(true), run(false), "{name}");
    }
}

#[test]
fn the_cut_into_chunks_does_not_matter() {
    for (settings, name) in combinations() {
        let all = mixed_rows(&settings);
        let run = |sizes: &[usize]| {
            let mut learner = learner(&at(&settings, 1));
            let (mut margins, mut start) = (Vec::new(), 0);
            for size in sizes.iter().cycle().map(|batches| batches * BATCH) {
                let end = (start + size).min(SOME);
                let mut chunk = Chunk::new(settings.shape, size);
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
            assert!(run(sizes) == whole, "{name} in chunks of {sizes:?} mini-batches");
        }
    }
}

#[test]
fn gradient_descent_waits_for_the_end_of_the_epoch() {
    for (settings, name) in combinations().filter(|(s, _)| s.optimizer == Optimizer::Gd) {
        let chunk = mixed_rows(&settings);
        let mut learner = learner(&at(&settings, 2));
        let still = bits(&mut *learner, 0);
        let (mut margins, mut before) = (Vec::new(), Vec::new());
        learner.weights(0, Iterate::Last).margins(&chunk, &mut before);
        steps(&mut *learner, &chunk, 0..SOME, &mut margins);
        let moved = margins.iter().zip(&before).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(moved < 1e-6, "every row is predicted by the model as it was");
        assert_eq!(bits(&mut *learner, 0), still, "{name}");
        learner.end_epoch();
        let stepped = bits(&mut *learner, 0);
        assert_ne!(stepped, still, "{name}");
        learner.end_epoch();
        assert_eq!(bits(&mut *learner, 0), stepped, "an epoch without rows has no gradient");
    }
}

/// Gradient descent divides by the sum of the weights.
#[test]
fn a_weight_of_three_equals_three_rows() {
    let settings = Settings {
        optimizer: Optimizer::Gd,
        rates: vec![0.5],
        penalty: Penalty { l1: 0.001, l2: 0.01 },
        shape: Shape { weighted: true, ..DENSE },
        ..Settings::default()
    };
    let (mut weighted, _) = rows(settings.shape, Loss::Logistic, false);
    // The weights are quarters: here they are counts.
    weighted.weights.iter_mut().for_each(|weight| *weight *= 4.0);
    let mut repeated = Chunk::new(DENSE, 8 * SOME);
    for row in 0..SOME {
        for _ in 0..weighted.weights[row] as usize {
            repeated.append(&weighted, row, row + 1);
        }
    }
    let learned = |chunk: &Chunk, rows: usize, shape: Shape| {
        let mut learner = learner(&Settings { shape, ..settings.clone() });
        for _ in 0..30 {
            epoch(&mut *learner, chunk, rows);
        }
        learner.weights(0, Iterate::Last).weights
    };
    let a = learned(&weighted, SOME, settings.shape);
    let b = learned(&repeated, repeated.rows(), DENSE);
    assert!((a.bias[0] - b.bias[0]).abs() < 1e-6, "{a:?} {b:?}");
    assert!(a.dense.iter().zip(&b.dense).all(|(a, b)| (a - b).abs() < 1e-6), "{a:?} {b:?}");
}

#[test]
fn numbers_in_a_list_have_the_margins_of_dense_columns() {
    let (dense, _) = rows(DENSE, Loss::Logistic, false);
    let valued = valued(&dense);
    for (optimizer, rates) in OPTIMIZERS {
        for l2 in [0.0, 1e-3] {
            let dense_settings = Settings {
                optimizer,
                rates: rates.to_vec(),
                penalty: Penalty { l1: 0.1 * l2, l2 },
                shape: DENSE,
                ..Settings::default()
            };
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
                optimizer,
                rates: rates.to_vec(),
                shape,
                ..Settings::default()
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

/// Where weights start from is where all optimisers go on from.
#[test]
fn tiny_rates_hardly_move_what_weights_start_from() {
    for (settings, name) in combinations() {
        let mut start = vec![0.5; settings.form.outputs()];
        start.iter_mut().step_by(2).for_each(|bias| *bias = -0.25);
        let settings = Settings { rates: vec![1e-7], start, max_bytes: 0, ..settings };
        let chunk = mixed_rows(&settings);
        let mut learner = learner(&settings);
        let before = learner.weights(0, Iterate::Last).weights;
        epoch(&mut *learner, &chunk, SOME);
        let after = learner.weights(0, Iterate::Last).weights;
        let numbers = |w: &Weights| [&w.bias[..], &w.dense[..], &w.tables.concat()[..]].concat();
        let moves = numbers(&before).into_iter().zip(numbers(&after)).map(|(a, b)| (a - b).abs());
        let largest = moves.fold(0.0, f32::max);
        assert!(largest < 1e-3, "{name}: {largest:e}");
    }
}

#[test]
fn a_schedule_does_not_apply_to_ftrl() {
    for (settings, name) in combinations().filter(|(s, _)| s.optimizer == Optimizer::FTRL) {
        let chunk = mixed_rows(&settings);
        let learned = |schedule: Schedule| {
            let mut learner = learner(&Settings { schedule, ..at(&settings, 1) });
            epoch(&mut *learner, &chunk, SOME);
            learner.weights(0, Iterate::Last)
        };
        assert_eq!(learned(Schedule { power: 0.5, warm_up: 10 }), learned(Schedule::CONSTANT), "{name}");
    }
}

/// A feature that no row has stays where it is, whatever is divided by nothing.
#[test]
fn nothing_is_divided_by_nothing() {
    for (settings, name) in combinations() {
        let optimizer = match settings.optimizer {
            Optimizer::Ftrl { .. } => Optimizer::Ftrl { beta: 0.0 },
            other => other,
        };
        let mut chunk = mixed_rows(&settings);
        chunk.dense_mut(0).fill(0.0);
        let mut learner = learner(&Settings { optimizer, ..at(&settings, 1) });
        epoch(&mut *learner, &chunk, SOME);
        assert!(learner.weights(0, Iterate::Mixed).is_finite(), "{name}");
        assert!(learner.state(0).accumulators.tables.iter().flatten().all(|n| n.is_finite()), "{name}");
    }
}
