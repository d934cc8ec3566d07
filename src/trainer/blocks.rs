//! Blocks in time, and what else the user may divide rows by.

use std::sync::atomic::AtomicBool;

use arrow::array::RecordBatch;

use super::config::{DivideBy, TrainConfig};
use super::folds::{FoldBy, times};
use super::plan::spread;
use crate::error::{Error, Result};
use crate::features::no_such_column;
use crate::input::{Dataset, ReadAs, Request};
use crate::pipeline::{Budget, Flow, Needs, Order, Readers, SplitState, Weigh, stream};

/// How rows are divided, the user's column known to be there.
pub(super) fn divide_by(
    by: &DivideBy,
    folds: u32,
    dataset: &Dataset,
    config: &TrainConfig,
    stop: &AtomicBool,
) -> Result<FoldBy> {
    let known = |column: &String| {
        let names = dataset.schema().fields().iter().map(|field| field.name().as_str());
        dataset.schema().index_of(column).map_err(|_| no_such_column(column, names))?;
        Ok(column.clone())
    };
    Ok(match by {
        DivideBy::Row => FoldBy::Row,
        DivideBy::Group(column) => FoldBy::Group(known(column)?),
        DivideBy::Time(column) => {
            let column = known(column)?;
            let starts = block_starts(&column, folds, dataset, config, stop)?;
            FoldBy::Time { column, starts }
        }
    })
}

/// Points in time of some rows.
struct Times(Vec<f64>);

impl Weigh for Times {
    fn bytes(&self) -> usize {
        8 * self.0.capacity()
    }
}

/// Rows of a batch of the sample of times.
const BATCH_ROWS: usize = 4096;

/// Where the blocks after the first begin, such that about equally many rows of a sample are in each.
fn block_starts(
    column: &str,
    folds: u32,
    dataset: &Dataset,
    config: &TrainConfig,
    stop: &AtomicBool,
) -> Result<Vec<f64>> {
    let sample = spread(dataset);
    let request = Request {
        columns: vec![(column.to_string(), ReadAs::Native)],
        batch_rows: BATCH_ROWS,
        rows: sample.rows_of_each,
        ..Request::default()
    };
    let needs = Needs {
        open: 1,
        open_bytes: dataset.open_bytes(&request),
        item_bytes: 8 * BATCH_ROWS,
        held_bytes: 0,
    };
    let budget = config.plan.memory.map_or_else(Budget::from_machine, |total| Budget { total });
    let flow = Flow {
        request: &request,
        threads: config.plan.threads,
        in_flight: budget.in_flight(&needs)?,
        needs,
        from: None,
        readers: Readers::default(),
        stop,
    };
    let mut all = Vec::new();
    stream(
        dataset,
        &Order::in_place(sample.splits.iter().copied()),
        flow,
        |batch: &RecordBatch, _: &mut SplitState<()>| {
            let times = times(batch.column(0)).map_err(|e| e.in_column(column))?;
            Ok(Times(times.iter().flatten().filter(|time| !time.is_nan()).collect()))
        },
        |item| {
            all.extend(item.value.0);
            Ok(())
        },
    )?;
    all.sort_by(f64::total_cmp);
    let blocks = folds as usize + 1;
    let mut starts: Vec<f64> =
        (1..blocks).filter_map(|block| all.get(block * all.len() / blocks).copied()).collect();
    starts.dedup();
    if starts.len() < folds as usize || starts.first() == all.first() {
        let message =
            format!("column `{column}` has too few different values for {folds} blocks with a past");
        return Err(Error::data(message).remedy("give fewer --folds, or another column for --time"));
    }
    Ok(starts)
}
