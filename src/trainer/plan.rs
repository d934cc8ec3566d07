//! Planning: a sample spread over the whole input, and the plan made from it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::array::RecordBatch;
use arrow::datatypes::Field;

use super::config::PlanConfig;
use super::reading::read_as;
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::features::{Plan, ReadHint, Survey, Wishes, decide};
use crate::input::{Dataset, Request};
use crate::pipeline::{Budget, Flow, Needs, Order, Stages, Weigh, stream};

/// Rows of the sample, and splits that it is spread over.
const SAMPLE_ROWS: u64 = 1 << 16;
const SAMPLE_SPLITS: usize = 24;
/// Tables of at most so many rows are looked at in full.
const WHOLE_ROWS: u64 = 1 << 18;
const WHOLE_BYTES: u64 = 24 << 20;
/// Rows of a batch of the sample.
const BATCH_ROWS: usize = 1024;

/// What planning found.
pub(crate) struct Planned {
    pub(crate) plan: Arc<Plan>,
    pub(crate) survey: Survey,
    pub(crate) stages: Stages,
    /// The smallest `--memory` that planning can do with.
    pub(crate) least_memory: usize,
}

/// Makes the plan for a dataset and shows it to `watch`.
///
/// # Errors
/// Those of the files, of the target, and of the user's wishes.
pub fn plan(config: &PlanConfig, stop: &AtomicBool, watch: &mut dyn Watch) -> Result<Arc<Plan>> {
    let dataset = Dataset::open(&config.inputs, &config.read)?;
    dataset.notes().iter().for_each(|note| watch.note(note));
    let planned = make_plan(config, &dataset, stop, watch)?;
    config.memory.map_or(Ok(()), |total| Budget { total }.check(planned.least_memory, false))?;
    Ok(planned.plan)
}

struct Sample(RecordBatch);

impl Weigh for Sample {
    fn bytes(&self) -> usize {
        self.0.get_array_memory_size()
    }
}

pub(crate) fn make_plan(
    config: &PlanConfig,
    dataset: &Dataset,
    stop: &AtomicBool,
    watch: &mut dyn Watch,
) -> Result<Planned> {
    let mut survey = Survey::new(dataset.schema(), &config.target, &config.overrides);
    let all = dataset.splits().len();
    let small = dataset.rows().map_or(dataset.bytes() <= WHOLE_BYTES, |rows| rows <= WHOLE_ROWS);
    let chosen: Vec<usize> = if small || all <= SAMPLE_SPLITS {
        (0..all).collect()
    } else {
        // Evenly spread, the first and the last split among them.
        (0..SAMPLE_SPLITS).map(|i| i * (all - 1) / (SAMPLE_SPLITS - 1)).collect()
    };
    let rows_of_each = if small { u64::MAX } else { SAMPLE_ROWS.div_ceil(chosen.len().max(1) as u64) };
    let hint = |field: &Field| {
        let is_label = *field.name() == config.target || Some(field.name()) == config.weight.as_ref();
        // What is no number among them is for the encoder to refuse or skip.
        if is_label && field.data_type().is_numeric() {
            ReadHint::Text
        } else {
            config.overrides.read_hint(field)
        }
    };
    let columns = dataset.schema().fields().iter().map(|f| (f.name().clone(), read_as(hint(f))));
    let request = Request { columns: columns.collect(), batch_rows: BATCH_ROWS, rejects: false };
    let needs = Needs {
        open: 1,
        open_bytes: dataset.open_bytes(&request),
        item_bytes: BATCH_ROWS * 16 * dataset.schema().fields().len(),
        held_bytes: 0,
    };
    // A budget that is too small is refused when the plan shows what all of the run needs.
    let budget = config.memory.map_or_else(Budget::from_machine, |total| Budget { total });
    let budget = Budget { total: budget.total.max(needs.least()) };
    let flow = Flow {
        request: &request,
        threads: config.threads,
        needs,
        in_flight: budget.in_flight(&needs)?,
        rows_of_each,
        stop,
    };
    let mut rows_seen = 0;
    let stages = stream(
        dataset,
        &Order::in_place(chosen.iter().copied()),
        flow,
        |batch: &RecordBatch, _: &mut crate::pipeline::SplitState<()>| Ok(Sample(batch.clone())),
        |item| {
            rows_seen += item.value.0.num_rows() as u64;
            survey.add(&item.value.0)
        },
    )?;
    let whole = small && dataset.rows().is_none_or(|rows| rows_seen == rows);
    if survey.rows() == 0 {
        let files: Vec<String> = dataset.files().map(|f| f.display().to_string()).collect();
        return Err(Error::data(format!("there are no rows in {}", files.join(", ")))
            .remedy("expected a table with a header and rows"));
    }
    let wishes = Wishes {
        target: config.target.clone(),
        loss: config.loss,
        positive: config.positive.clone(),
        weight: config.weight.clone(),
        scale: config.scale,
        overrides: config.overrides.clone(),
        hash_seed: config.seed,
    };
    let plan = Arc::new(decide(&survey, &wishes, whole)?);
    watch.plan(&plan, survey.rows());
    Ok(Planned { plan, survey, stages, least_memory: needs.least() })
}
