//! Decoding alone: from files in the page cache to record batches. Bytes are those on disk.

mod data;
#[path = "data/reading.rs"]
mod reading;

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use data::{Data, TABLES};

const ROWS: u64 = 200_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("decode");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    for table in TABLES {
        for format in ["parquet", "ipc", "csv"] {
            let data = Data::make(table, format, ROWS);
            let (dataset, encoder) = reading::open(&data);
            let bytes = dataset.bytes();
            group.throughput(Throughput::ElementsAndBytes { elements: ROWS, bytes });
            group.bench_function(BenchmarkId::new(table, format), |b| {
                b.iter(|| {
                    reading::for_each_batch(&dataset, &encoder, |_, batch| {
                        black_box(batch);
                    })
                })
            });
        }
    }
    group.finish();
    criterion.final_summary();
}
