//! Learning alone: chunks in memory through learners of one model, of four and of eight, with each optimiser; margins,
//! as predicting computes them; metrics of margins; and the kernels. Bytes are those of the encoded rows, or of the slices.

mod data;
#[path = "data/reading.rs"]
mod reading;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput};
use data::{Data, TABLES};
use millstream::features::{Plan, SplitCache};
use millstream::learn::kernels::Level;
use millstream::learn::metrics::Metrics;
use millstream::learn::{Alone, Chunk, Iterate, Learn, Loss, Optimizer, Penalty, Settings, Variant, learner};

const ROWS: u64 = 200_000;
/// Rows of a mini-batch: the command's default.
const BATCH: usize = 32;
const OPTIMIZERS: [(&str, Optimizer); 4] = [
    ("gd", Optimizer::Gd),
    ("sgd", Optimizer::SGD),
    ("adagrad", Optimizer::ADAGRAD),
    ("rmsprop", Optimizer::RMSPROP),
];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let tables = TABLES.map(|table| (table, encoded(table)));
    let mut learn = group(&mut criterion, "learn");
    for (table, (chunks, plan)) in &tables {
        learn.throughput(size(chunks));
        for (name, optimizer) in OPTIMIZERS {
            let [_, one, ..] = optimizer.default_rates(1.0);
            let four = optimizer.default_rates(1.0);
            for rates in [vec![one], four.to_vec(), four.repeat(2)] {
                let id = BenchmarkId::new(format!("{table}/{name}"), rates.len());
                // It goes on from pass to pass: tables have grown by the time that counts.
                let mut learner = learner(&settings(plan, optimizer, rates), &Alone);
                let mut margins = Vec::new();
                learn.bench_function(id, |b| b.iter(|| pass(learner.as_mut(), chunks, &mut margins)));
            }
        }
    }
    learn.finish();

    let mut predict = group(&mut criterion, "margins");
    for (table, (chunks, plan)) in &tables {
        let mut learner = learner(&settings(plan, Optimizer::ADAGRAD, vec![0.2]), &Alone);
        let mut margins = Vec::new();
        pass(learner.as_mut(), chunks, &mut margins);
        let linear = learner.weights(0, Iterate::Last);
        predict.throughput(size(chunks));
        predict.bench_function(*table, |b| {
            b.iter(|| {
                for chunk in chunks {
                    linear.margins(chunk, &mut margins);
                    black_box(&margins);
                }
            })
        });
    }
    predict.finish();

    metrics(group(&mut criterion, "metrics"));
    kernels(group(&mut criterion, "kernels"));
    criterion.final_summary();
}

fn group<'c>(criterion: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    group
}

/// A table as training has it in memory.
fn encoded(table: &str) -> (Vec<Chunk>, Arc<Plan>) {
    let data = Data::make(table, "parquet", ROWS);
    let (dataset, encoder) = reading::open(&data);
    let mut chunks = Vec::new();
    // What it keeps for one split does no harm in the next.
    let mut cache = SplitCache::default();
    reading::for_each_batch(&dataset, &encoder, |_, batch| {
        let mut chunk = Chunk::new(encoder.plan().shape(), batch.num_rows());
        encoder.encode(&batch, &mut cache, &mut chunk).unwrap();
        chunks.push(chunk);
    });
    (chunks, encoder.plan().clone())
}

fn settings(plan: &Plan, optimizer: Optimizer, rates: Vec<f32>) -> Settings {
    Settings {
        loss: plan.target.default_loss(),
        optimizer,
        variants: Variant::at_each(&rates, Penalty::NONE),
        shape: plan.shape(),
        tables: plan.tables(),
        ..Settings::default()
    }
}

/// One epoch, each chunk's margins as race and metrics want them.
fn pass(learner: &mut dyn Learn, chunks: &[Chunk], margins: &mut Vec<f32>) {
    for chunk in chunks {
        margins.clear();
        learner.learn(chunk, 0..chunk.rows(), BATCH, &Alone, margins);
        learner.grow(&Alone);
        black_box(&*margins);
    }
    learner.end_epoch();
}

fn size(chunks: &[Chunk]) -> Throughput {
    Throughput::ElementsAndBytes {
        elements: chunks.iter().map(|c| c.rows() as u64).sum(),
        bytes: chunks.iter().map(|c| c.bytes() as u64).sum(),
    }
}

/// Metrics of each kind, as a race adds rows to them.
fn metrics(mut group: BenchmarkGroup<'_, WallTime>) {
    const LEN: usize = 4096;
    const CLASSES: usize = 4;
    let margins: Vec<f32> = (0..CLASSES * LEN).map(|i| (i * 7919 % 9973) as f32 / 1000.0 - 6.0).collect();
    let labels: Vec<f32> = (0..LEN).map(|i| f32::from(u8::from(i % 4 == 0))).collect();
    let weights: Vec<f32> = (0..LEN).map(|i| (1 + i % 7) as f32).collect();
    group.throughput(Throughput::Elements(LEN as u64));
    for (loss, outputs) in [
        (Loss::Logistic, 1),
        (Loss::Hinge, 1),
        (Loss::Softmax, CLASSES),
        (Loss::Squared, 1),
        (Loss::Quantile { tau: 0.9 }, 1),
        (Loss::Poisson, 1),
    ] {
        for (name, weights) in [("unweighted", &[][..]), ("weighted", &weights)] {
            let mut metrics = Metrics::new(loss, 1.0, outputs);
            let margins = &margins[..outputs * LEN];
            group.bench_function(BenchmarkId::new(loss.name(), name), |b| {
                b.iter(|| metrics.add(black_box(margins), &labels, weights))
            });
        }
    }
    group.finish();
}

/// Each kernel on each instruction set, on slices of a chunk's length.
fn kernels(mut group: BenchmarkGroup<'_, WallTime>) {
    const LEN: usize = 8192;
    let margins: Vec<f32> = (0..LEN).map(|i| (i % 97) as f32 / 8.0 - 6.0).collect();
    let labels: Vec<f32> = (0..LEN).map(|i| f32::from(u8::from(i % 4 == 0))).collect();
    let mut out = margins.clone();
    for level in Level::available() {
        // The gradient overwrites the margins, and its time does not depend on them.
        group.throughput(Throughput::ElementsAndBytes { elements: LEN as u64, bytes: 8 * LEN as u64 });
        group.bench_function(BenchmarkId::new("logistic_gradient", format!("{level:?}")), |b| {
            b.iter(|| level.logistic_gradient(black_box(&mut out), &labels))
        });
        group.throughput(Throughput::ElementsAndBytes { elements: LEN as u64, bytes: 12 * LEN as u64 });
        group.bench_function(BenchmarkId::new("logistic_loss", format!("{level:?}")), |b| {
            b.iter(|| level.logistic_loss(&margins, &labels, black_box(&mut out)))
        });
    }
    group.finish();
}
