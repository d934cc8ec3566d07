//! The same steps taken in other ways lead to the same weights.

use millstream::learn::{
    Alone, Chunk, Column, HASHED, Iterate, Loss, ModelForm, Optimizer, Parts, Penalty, Schedule, Settings,
    Shape, Variant, Weights, learner, most_models,
};

use super::data::{
    ALL, BATCH, DENSE, OPTIMIZERS, ROWS, SOME, at, bits, combinations, epoch, mixed_rows, rows, steps,
    tables, valued,
};

#[test]
fn models_side_by_side_equal_single_runs() {
    for (settings, name) in combinations() {
        let chunk = mixed_rows(&settings);
        let mut four = learner(&settings, &Alone);
        let margins = epoch(&mut *four, &chunk, SOME);
        let outputs = settings.form.outputs();
        for (k, variant) in settings.variants.iter().enumerate() {
            let mut one = learner(&at(&settings, k), &Alone);
            let single = epoch(&mut *one, &chunk, SOME);
            let of_four = margins.chunks_exact(outputs).skip(k).step_by(4).flatten();
            assert!(of_four.eq(&single), "{name} at {}", variant.rate);
            assert_eq!(bits(&mut *four, k), bits(&mut *one, 0), "{name} at {}", variant.rate);
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
            let mut learner = learner(&settings, &Alone);
            epoch(&mut *learner, &chunk, half);
            let mut margins = Vec::new();
            steps(&mut *learner, &chunk, half..half + BATCH, &mut margins);
            let mut model = 2;
            if split {
                learner = learner.only(&[model], &Alone);
                assert_eq!(learner.variants(), &settings.variants[2..3]);
                model = 0;
            }
            steps(&mut *learner, &chunk, half + BATCH..SOME, &mut margins);
            learner.end_epoch();
            bits(&mut *learner, model)
        };
        assert_eq!(run(true), run(false), "{name}");
    }
}

/// Models that differ in all that models side by side may differ in, around those of the settings.
fn varied(settings: &Settings, count: usize) -> Settings {
    let variant = |k: usize| {
        let Variant { rate, penalty, .. } = settings.variants[k % 4];
        let parts =
            [(0, 0..1), (1, 2..u32::MAX), (0, 2..4)].map(|(division, range)| Parts { division, range });
        let columns = [Column::Dense(1), Column::Slots(0), Column::Dense(5), Column::List(0)];
        Variant {
            rate: rate * (1.0 + k as f32 / 16.0),
            penalty: [penalty, Penalty { l1: 0.0, ..penalty }, Penalty::NONE][k % 3],
            left_out: parts.get(k % 5).cloned(),
            without: columns.into_iter().skip(k % 6).take(2).collect(),
        }
    };
    Settings { variants: (0..count).map(variant).collect(), ..settings.clone() }
}

#[test]
fn any_number_of_models_of_any_sort_equal_single_runs() {
    for (settings, name) in combinations() {
        let chunk = mixed_rows(&settings);
        let outputs = settings.form.outputs();
        for count in [2, 3, 7, 8].into_iter().filter(|&count| count <= most_models(settings.form)) {
            let settings = varied(&settings, count);
            let mut all = learner(&settings, &Alone);
            let margins = epoch(&mut *all, &chunk, SOME);
            for k in [0, 1, 2, 5, count - 1].into_iter().filter(|&k| k < count) {
                let mut one = learner(&at(&settings, k), &Alone);
                let single = epoch(&mut *one, &chunk, SOME);
                let of_all = margins.chunks_exact(outputs).skip(k).step_by(count).flatten();
                assert!(of_all.eq(&single), "{name}, model {k} of {count}");
                assert_eq!(bits(&mut *all, k), bits(&mut *one, 0), "{name}, model {k} of {count}");
            }
        }
    }
}

#[test]
fn models_go_on_among_fewer_as_if_all_had_stayed() {
    for (settings, name) in combinations() {
        let chunk = mixed_rows(&settings);
        let most = most_models(settings.form);
        for kept in [vec![0, 1], vec![3, 1, 2], vec![0, 2, 3, 5, 7]] {
            let Some(kept) = kept.iter().all(|&k| k < most).then_some(kept) else { continue };
            let settings = varied(&settings, most);
            let run = |split: bool| {
                let mut learner = learner(&settings, &Alone);
                let mut models = kept.clone();
                steps(&mut *learner, &chunk, 0..SOME / 2, &mut Vec::new());
                if split {
                    learner = learner.only(&kept, &Alone);
                    models = (0..kept.len()).collect();
                }
                steps(&mut *learner, &chunk, SOME / 2..SOME, &mut Vec::new());
                learner.end_epoch();
                models.into_iter().map(|model| bits(&mut *learner, model)).collect::<Vec<_>>()
            };
            assert_eq!(run(true), run(false), "{name}, {kept:?}");
        }
    }
}

/// What a model leaves out does not reach it: other labels there change nothing, and with rows one by one it is the
/// model of the other rows alone.
#[test]
fn rows_that_are_left_out_leave_no_trace() {
    for (optimizer, rates) in OPTIMIZERS {
        let form = ModelForm::Linear;
        let shape = Shape { divisions: 1, ..ALL };
        let left_out = Some(Parts { division: 0, range: 1..2 });
        let settings = |left_out| Settings {
            optimizer,
            form,
            variants: vec![Variant { left_out, ..Variant::at(rates[1]) }],
            shape,
            tables: tables(ALL),
            // Growing looks at all rows.
            max_bytes: 0,
            ..Settings::default()
        };
        let (mut chunk, _) = rows(shape, Loss::Logistic, false);
        chunk.parts.extend((0..chunk.rows() as u32).map(|row| u32::from(row % 3 == 1)));
        let mut others = Chunk::new(shape, SOME);
        let kept: Vec<_> = (0..SOME as u32).filter(|row| row % 3 != 1).map(|row| (0, row)).collect();
        others.gather(std::slice::from_ref(&chunk), &kept);
        let learned = |chunk: &Chunk, rows: usize, left_out: Option<Parts>, batch: usize| {
            let mut learner = learner(&settings(left_out), &Alone);
            learner.learn(chunk, 0..rows, batch, &Alone, &mut Vec::new());
            learner.end_epoch();
            learner.weights(0, Iterate::Last)
        };
        let all = learned(&chunk, SOME, left_out.clone(), 30);
        for label in (1..SOME).step_by(3) {
            chunk.labels[label] = 1.0 - chunk.labels[label];
        }
        assert!(all == learned(&chunk, SOME, left_out.clone(), 30), "{optimizer:?}");
        // Momentum and RMSprop count every mini-batch as a step, with rows or without.
        if !matches!(optimizer, Optimizer::Sgd { momentum: 0.9.. } | Optimizer::RmsProp { .. }) {
            assert!(
                learned(&chunk, SOME, left_out, 3) == learned(&others, kept.len(), None, 2),
                "{optimizer:?}"
            );
        }
    }
}

/// A model that does without columns is the model of a table that never had them.
#[test]
fn columns_that_are_left_out_leave_no_trace() {
    let (chunk, _) = rows(ALL, Loss::Logistic, false);
    let (bare, _) = rows(DENSE, Loss::Logistic, false);
    for (optimizer, rates) in OPTIMIZERS {
        let learned = |chunk: &Chunk, tables: Vec<(usize, u32)>, without: Vec<Column>| {
            let variants = vec![Variant { without, ..Variant::at(rates[1]) }];
            let settings =
                Settings { optimizer, variants, shape: chunk.shape(), tables, ..Settings::default() };
            let mut learner = learner(&settings, &Alone);
            let margins = epoch(&mut *learner, chunk, SOME);
            (margins, learner.weights(0, Iterate::Last).weights)
        };
        let (margins, weights) = learned(&chunk, tables(ALL), vec![Column::Slots(0), Column::List(0)]);
        let (bare_margins, bare_weights) = learned(&bare, Vec::new(), Vec::new());
        let largest = margins.iter().zip(&bare_margins).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // The order of sums differs by the number of columns.
        assert!(largest < 1e-4, "{optimizer:?}: {largest}");
        assert!(weights.tables.iter().flatten().all(|&w| w == 0.0), "{optimizer:?}");
        assert_eq!(weights.dense.len(), bare_weights.dense.len());
    }
}

#[test]
fn the_cut_into_chunks_does_not_matter() {
    for (settings, name) in combinations() {
        let all = mixed_rows(&settings);
        let run = |sizes: &[usize]| {
            let mut learner = learner(&at(&settings, 1), &Alone);
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
        let mut learner = learner(&at(&settings, 2), &Alone);
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
        variants: vec![Variant { penalty: Penalty { l1: 0.001, l2: 0.01 }, ..Variant::at(0.5) }],
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
        let mut learner = learner(&Settings { shape, ..settings.clone() }, &Alone);
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
                variants: Variant::at_each(&rates, Penalty { l1: 0.1 * l2, l2 }),
                shape: DENSE,
                ..Settings::default()
            };
            let tables = vec![(1 + DENSE.dense, 0)];
            let settings = Settings { shape: valued.shape(), tables, ..dense_settings.clone() };
            let margins = |chunk: &Chunk, settings: &Settings| {
                let mut learner = learner(settings, &Alone);
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
                variants: Variant::at_each(&rates, Penalty::NONE),
                shape,
                ..Settings::default()
            };
            let mut learner = learner(&settings, &Alone);
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
        let settings = Settings { variants: vec![Variant::at(1e-7)], start, max_bytes: 0, ..settings };
        let chunk = mixed_rows(&settings);
        let mut learner = learner(&settings, &Alone);
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
            let mut learner = learner(&Settings { schedule, ..at(&settings, 1) }, &Alone);
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
        let mut learner = learner(&Settings { optimizer, ..at(&settings, 1) }, &Alone);
        epoch(&mut *learner, &chunk, SOME);
        assert!(learner.weights(0, Iterate::Mixed).is_finite(), "{name}");
        assert!(learner.state(0).accumulators.tables.iter().flatten().all(|n| n.is_finite()), "{name}");
    }
}
