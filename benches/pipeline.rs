//! The whole pipeline: what `millstream train` does, planning and writing the model included. Then planning
//! alone, whose time does not grow with the table, and a run without a race, which is what large tables come
//! down to. Bytes are those on disk.

mod data;

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use data::{Data, TABLES};
use millstream::features::ClassWeights;
use millstream::input::Dataset;
use millstream::learn::Optimizer;
use millstream::trainer::{self, CheckpointConfig, ShuffleMode, Silent, TrainConfig};

/// More than the race of learning rates takes, and than planning looks at in full where a format knows its
/// rows.
const ROWS: u64 = 300_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let models = tempfile::tempdir().unwrap();
    let mut group = criterion.benchmark_group("pipeline");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_secs(5));
    for table in TABLES {
        for format in ["parquet", "ipc", "csv"] {
            let data = Data::make(table, format, ROWS);
            let bytes = Dataset::open(&data.config(1).inputs, &data.config(1).read).unwrap().bytes();
            group.throughput(Throughput::ElementsAndBytes { elements: ROWS, bytes });
            for threads in [1, 2] {
                let id = BenchmarkId::new(format!("{table}/{format}"), threads);
                let config = config(&data, threads, models.path());
                group.bench_function(id, |b| b.iter(|| train(&config)));
            }
            let no_race = TrainConfig { learning_rate: Some(0.2), ..config(&data, 1, models.path()) };
            let id = BenchmarkId::new(format!("{table}/{format}/no race"), 1);
            group.bench_function(id, |b| b.iter(|| train(&no_race)));
            let id = BenchmarkId::new(format!("{table}/{format}/plan"), 1);
            group.bench_function(id, |b| {
                b.iter(|| trainer::plan(&no_race.plan, &AtomicBool::new(false), &mut Silent).unwrap())
            });
        }
    }
    group.finish();
    criterion.final_summary();
}

/// The command line's defaults.
fn config(data: &Data, threads: usize, models: &Path) -> TrainConfig {
    TrainConfig {
        plan: data.config(threads),
        optimizer: Optimizer::ADAGRAD,
        learning_rate: None,
        refine: false,
        batch_size: 32,
        epochs: Some(1),
        penalty: None,
        schedule: None,
        init: None,
        factors: None,
        class_weights: ClassWeights::None,
        holdout: None,
        shuffle: ShuffleMode::Auto,
        max_model: 1 << 30,
        model: Some(models.join("model")),
        checkpoints: CheckpointConfig::NONE,
    }
}

fn train(config: &TrainConfig) -> u64 {
    trainer::train(config, &AtomicBool::new(false), &mut Silent).unwrap().rows
}
