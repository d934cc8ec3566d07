//! Reading: what training, evaluating and predicting share when they stream a dataset.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::config::ApplyConfig;
use crate::error::{Error, Place, Result};
use crate::features::{Encoder, Plan, ReadHint};
use crate::input::{Dataset, ReadAs, Request, keep_spare};
use crate::learn::{Chunk, Shape};
use crate::pipeline::{Budget, Flow, Needs, Readers, Weigh};

/// Most bytes that a chunk of encoded rows should have, and most rows. It depends on the plan alone.
const CHUNK_BYTES: usize = 4 << 20;
const MOST_ROWS: usize = 16384;

/// What an encoder asks of the files: its columns, and then `more` as the files have them, in batches of
/// a size that depends on the plan alone.
pub fn request(encoder: &Encoder, more: &[String]) -> Request {
    let mut columns: Vec<(String, ReadAs)> =
        encoder.columns().into_iter().map(|(name, hint)| (name, read_as(hint))).collect();
    columns.extend(more.iter().map(|name| (name.clone(), ReadAs::Native)));
    let plan = encoder.plan();
    let row_bytes = plan.shape().row_bytes() + margin_bytes(plan);
    Request {
        columns,
        translations: encoder.translations(),
        batch_rows: (CHUNK_BYTES / row_bytes).clamp(1, MOST_ROWS),
        rows: None,
        rejects: false,
    }
}

/// Bytes of a row's margins; a single one is not worth counting.
fn margin_bytes(plan: &Plan) -> usize {
    match plan.target.outputs() {
        1 => 0,
        outputs => 4 * outputs,
    }
}

/// Refuses an output that would take the place of one of the files it is made from.
pub(crate) fn check_output(output: &Path, dataset: &Dataset) -> Result<()> {
    let Ok(there) = output.canonicalize() else { return Ok(()) };
    if dataset.files().any(|file| file.canonicalize().is_ok_and(|file| file == there)) {
        return Err(Error::usage(format!("{} is an input, which would be overwritten", output.display()))
            .remedy("name another file for the output"));
    }
    Ok(())
}

pub(crate) fn read_as(hint: ReadHint) -> ReadAs {
    match hint {
        ReadHint::Number => ReadAs::Number,
        ReadHint::Time => ReadAs::Time,
        ReadHint::Text => ReadAs::Text,
        ReadHint::Native => ReadAs::Native,
    }
}

/// Refuses rows whose margins are not finite, `outputs` of them for each: with a model's weights that are, numbers far
/// beyond those that it was made for do that. `row_of` tells a row's number in its batch.
pub(crate) fn check_margins(margins: &[f32], outputs: usize, row_of: impl Fn(usize) -> usize) -> Result<()> {
    let Some(bad) = margins.iter().position(|margin| !margin.is_finite()) else { return Ok(()) };
    let place = Place { row: Some(row_of(bad / outputs) as u64), ..Place::default() };
    Err(Error::data(
        "the numbers of this row are too large for the model: what it makes of them is not finite",
    )
    .remedy("correct or leave out the row, or train with numbers scaled and clipped")
    .at(place))
}

/// Bytes of a chunk and of the batch that it is made from, for planning memory.
pub(crate) fn item_bytes(encoder: &Encoder, batch_rows: usize) -> usize {
    // Arrow's numbers may have twice the bytes of ours, and texts are worth some more.
    3 * batch_rows * encoder.plan().shape().row_bytes()
}

/// Lets readers keep buffers that they don't need at present: an eighth of what may be in flight.
pub(super) fn keep_buffers(in_flight: usize) {
    keep_spare(in_flight / 8);
}

/// How data is streamed that is read once, one split after the other; `output_bytes` is what a row of the
/// output takes.
pub(crate) fn flow_in_order<'a>(
    config: &ApplyConfig,
    dataset: &Dataset,
    encoder: &Encoder,
    request: &'a Request,
    output_bytes: usize,
    stop: &'a AtomicBool,
) -> Result<Flow<'a>> {
    let budget = config.memory.map_or_else(Budget::from_machine, |total| Budget { total });
    let needs = Needs {
        open: 1,
        open_bytes: dataset.open_bytes(request),
        item_bytes: item_bytes(encoder, request.batch_rows)
            + request.batch_rows * (margin_bytes(encoder.plan()) + output_bytes),
        held_bytes: 0,
    };
    let in_flight = budget.in_flight(&needs)?;
    keep_buffers(in_flight);
    let (threads, readers) = (config.threads, Readers::default());
    Ok(Flow { request, threads, in_flight, needs, from: None, readers, stop })
}

/// Chunks that were used and can be used again, the last one first: it is still in the caches.
#[derive(Debug)]
pub(crate) struct Spares {
    chunks: Mutex<Vec<Chunk>>,
    shape: Shape,
}

/// Most chunks that are kept.
const MOST_SPARE: usize = 64;

impl Spares {
    /// None yet, of one shape.
    pub(crate) fn new(shape: Shape) -> Self {
        Spares { chunks: Mutex::default(), shape }
    }

    fn chunks(&self) -> MutexGuard<'_, Vec<Chunk>> {
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn take(&self, rows: usize) -> Chunk {
        let spare = self.chunks().pop();
        spare.unwrap_or_else(|| Chunk::new(self.shape, rows))
    }

    /// Keeps the chunk for later, or frees it if there are enough.
    pub(crate) fn give(&self, chunk: Chunk) {
        let mut chunks = self.chunks();
        if chunks.len() < MOST_SPARE {
            chunks.push(chunk);
        }
    }
}

impl Weigh for Chunk {
    fn bytes(&self) -> usize {
        Chunk::bytes(self)
    }
}
