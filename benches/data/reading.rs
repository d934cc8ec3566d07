//! Reading a table as training does: the columns that its plan asks for, in batches of the same size.

use std::sync::atomic::AtomicBool;

use arrow::array::RecordBatch;
use millstream::features::{Encoder, RowFilter};
use millstream::input::Dataset;
use millstream::trainer::{self, Silent};

use crate::data::Data;

/// Opens a table and plans what becomes of its columns.
pub(crate) fn open(data: &Data) -> (Dataset, Encoder) {
    let config = data.config(1);
    let plan = trainer::plan(&config, &AtomicBool::new(false), &mut Silent).unwrap();
    (Dataset::open(&config.inputs, &config.read).unwrap(), Encoder::new(plan, RowFilter::Fail))
}

/// Calls `f` with each batch and the index of its split.
pub(crate) fn for_each_batch(dataset: &Dataset, encoder: &Encoder, mut f: impl FnMut(usize, RecordBatch)) {
    let request = trainer::request(encoder, &[]);
    for (index, split) in dataset.splits().iter().enumerate() {
        let mut stream = dataset.read(split, &request, None).unwrap();
        while let Some(batch) = stream.next_batch().unwrap() {
            f(index, batch);
        }
    }
}
