//! Encoding alone: from record batches in memory to chunks. What a format gives differs (dictionaries or
//! flat texts, integers or doubles), so each has its figures. Bytes are those of the encoded rows.

mod data;
#[path = "data/reading.rs"]
mod reading;

use std::hint::black_box;
use std::time::Duration;

use arrow::array::RecordBatch;
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use data::{Data, TABLES};
use millstream::features::{Encoder, SplitCache};
use millstream::learn::Chunk;

const ROWS: u64 = 200_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("encode");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    for table in TABLES {
        for format in ["parquet", "ipc", "csv"] {
            let data = Data::make(table, format, ROWS);
            let (dataset, encoder) = reading::open(&data);
            let mut splits: Vec<Vec<RecordBatch>> = vec![Vec::new(); dataset.splits().len()];
            reading::for_each_batch(&dataset, &encoder, |split, batch| splits[split].push(batch));
            let mut chunk = Chunk::new(encoder.plan().shape(), 0);
            let bytes = encode(&encoder, &splits, &mut chunk);
            group.throughput(Throughput::ElementsAndBytes { elements: ROWS, bytes });
            group.bench_function(BenchmarkId::new(table, format), |b| {
                b.iter(|| encode(&encoder, &splits, &mut chunk))
            });
        }
    }
    group.finish();
    criterion.final_summary();
}

/// Encodes all batches into one chunk after the other, a split's with what is kept for a split; returns the
/// bytes of the encoded rows.
fn encode(encoder: &Encoder, splits: &[Vec<RecordBatch>], chunk: &mut Chunk) -> u64 {
    let shape = encoder.plan().shape();
    let mut bytes = 0;
    for batches in splits {
        let mut cache = SplitCache::default();
        for batch in batches {
            encoder.encode(batch, &mut cache, chunk).unwrap();
            bytes += 4 * (shape.dense + shape.slots + 1) * black_box(&*chunk).rows();
        }
    }
    bytes as u64
}
