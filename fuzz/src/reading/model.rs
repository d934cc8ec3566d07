//! Models: loaded, shown and used.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, NullArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use millstream::Result;
use millstream::features::{Encoder, ReadHint, RowFilter, SplitCache};
use millstream::learn::Chunk;
use millstream::model::{Model, interactions, learned};

use super::file;

/// Loads a model, and does with it what comes first of all that is done with models. The length of its
/// header is put right, or few changes would get beyond that.
///
/// # Errors
/// If it is not a model, or can't score.
///
/// # Panics
/// If an error does not name the file.
pub(crate) fn load_model(data: &[u8]) -> Result<()> {
    let mut data = data.to_vec();
    if let Some((length, json)) = data.split_first_chunk_mut::<8>() {
        let mut values = serde_json::Deserializer::from_slice(json).into_iter::<serde::de::IgnoredAny>();
        if let Some(Ok(_)) = values.next() {
            *length = (values.byte_offset() as u64).to_le_bytes();
        }
    }
    let path = file(&data);
    let model = Model::load(&path).inspect_err(|error| {
        assert!(error.to_string().contains(path.to_str().unwrap()), "no file: {error}");
    })?;
    score(&model)
}

/// Shows what the model has learned, and scores a few rows.
fn score(model: &Model) -> Result<()> {
    interactions(model, &learned(model));
    let encoder = Encoder::new(Arc::new(model.about.plan.clone()), RowFilter::Unlabelled);
    let column = |hint| -> ArrayRef {
        match hint {
            ReadHint::Number => Arc::new(Float64Array::from(vec![Some(1.5), Some(-1e300), None])),
            ReadHint::Time => Arc::new(TimestampMicrosecondArray::from(vec![Some(0), Some(i64::MAX), None])),
            ReadHint::Text => {
                Arc::new(StringArray::from(vec![Some("some words, and some"), Some("v1"), None]))
            }
            ReadHint::Native => Arc::new(NullArray::new(3)),
        }
    };
    let columns = encoder.columns().into_iter().map(|(name, hint)| (name, column(hint)));
    // Without columns there would be no rows.
    let columns = columns.chain([("another".to_string(), column(ReadHint::Native))]);
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)));
    let batch = batch.expect("columns of three rows");
    let mut chunk = Chunk::new(encoder.plan().shape(), batch.num_rows());
    encoder.encode(&batch, &mut SplitCache::default(), &mut chunk)?;
    model.linear.margins(&chunk, &mut Vec::new());
    Ok(())
}
