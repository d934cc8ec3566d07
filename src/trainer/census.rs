//! The census: all classes of a target, from all rows and not from a sample alone.

use std::sync::atomic::AtomicBool;

use arrow::array::RecordBatch;

use super::config::PlanConfig;
use super::plan::label_hint;
use super::reading::read_as;
use crate::error::{Error, Result};
use crate::features::{Profile, Tally};
use crate::input::{Dataset, Request};
use crate::pipeline::{Budget, Flow, Needs, Order, Readers, SplitState, Stages, Weigh, stream};

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;
/// Bytes of a value of the target, and of a class with its count, about.
const VALUE_BYTES: usize = 64;

/// What a census found.
pub(super) struct Census {
    pub(super) tally: Tally,
    pub(super) stages: Stages,
    /// The smallest `--memory` that it can do with.
    pub(super) least_memory: usize,
}

impl Weigh for Tally {
    fn bytes(&self) -> usize {
        Tally::bytes(self)
    }
}

/// Counts the target's values in all rows, of which no other column is read.
///
/// # Errors
/// Those of the files.
pub(super) fn census(
    config: &PlanConfig,
    dataset: &Dataset,
    profile: &Profile,
    stop: &AtomicBool,
) -> Result<Census> {
    let field = dataset
        .schema()
        .field_with_name(&config.target)
        .map_err(|_| Error::usage(format!("there is no column `{}`", config.target)))?;
    let columns = vec![(config.target.clone(), read_as(label_hint(field, &config.overrides)))];
    let request =
        Request { columns, batch_rows: BATCH_ROWS, rejects: config.read.skips_bad, ..Request::default() };
    let needs = Needs {
        open: 1,
        open_bytes: dataset.open_bytes(&request),
        item_bytes: BATCH_ROWS * VALUE_BYTES,
        held_bytes: 0,
    };
    // As in the survey: a budget that is too small is refused when all needs of the run are known.
    let budget = config.memory.map_or_else(Budget::from_machine, |total| Budget { total });
    let budget = Budget { total: budget.total.max(needs.least()) };
    let flow = Flow {
        request: &request,
        threads: config.threads,
        needs,
        in_flight: budget.in_flight(&needs)?,
        from: None,
        readers: Readers::default(),
        stop,
    };
    let empty = profile.tally(&config.target);
    let mut tally = empty.clone();
    let (stages, _) = stream(
        dataset,
        &Order::in_place(0..dataset.splits().len()),
        flow,
        |batch: &RecordBatch, _: &mut SplitState<()>| {
            let mut part = empty.clone();
            part.add(batch.column(0)).map_err(|e| e.in_column(&config.target))?;
            Ok(part)
        },
        |item| {
            tally.merge(&item.value);
            Ok(())
        },
    )?;
    Ok(Census { tally, stages, least_memory: needs.least() })
}
