//! Evaluating: a model's metrics on other data.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use arrow::array::RecordBatch;

use super::config::ApplyConfig;
use super::notes::Notes;
use super::pass::UNUSABLE;
use super::reading::{Spares, check_margins, flow_in_order, request};
use super::scoring::Scoring;
use super::summary::{Summary, plan_lines};
use super::watch::{Progress, Watch};
use crate::error::{Error, Result};
use crate::features::{Encoder, Plan, RowFilter, SplitCache};
use crate::input::{Dataset, Request};
use crate::learn::Chunk;
use crate::model::Model;
use crate::pipeline::{Order, SplitState, Weigh, stream};

/// Rows with their margins.
struct Scored {
    chunk: Chunk,
    margins: Vec<f32>,
    skipped: u64,
}

impl Weigh for Scored {
    fn bytes(&self) -> usize {
        self.chunk.bytes() + 4 * self.margins.capacity()
    }
}

/// Scores a model on data that has the target.
///
/// # Errors
/// Those of the model and of the data.
pub fn evaluate(config: &ApplyConfig, stop: &AtomicBool, watch: &mut dyn Watch) -> Result<Summary> {
    let start = Instant::now();
    let model = Model::load(&config.model)?;
    let dataset = Dataset::open(&config.inputs, &config.read)?;
    dataset.notes().iter().for_each(|note| watch.note(note));
    let plan = Arc::new(model.about.plan.clone());
    check_columns(&dataset, &plan.inputs(), watch);
    check_offset(&dataset, &plan)?;
    for needed in [Some(plan.target.column()), plan.weight.as_deref()].into_iter().flatten() {
        if dataset.schema().index_of(needed).is_err() {
            return Err(Error::usage(format!(
                "there is no column `{needed}`, which holds what to compare with"
            ))
            .remedy("use predict for data without the target"));
        }
    }
    let filter = if config.read.skips_bad { RowFilter::Skip } else { RowFilter::Fail };
    let encoder = Encoder::new(plan.clone(), filter);
    let request = Request { rejects: config.read.skips_bad, ..request(&encoder, &[]) };
    let flow = flow_in_order(config, &dataset, &encoder, &request, 0, stop)?;
    let spares = Spares::new(plan.shape());
    let mut metrics =
        Scoring { loss: model.about.loss, target: &plan.target, class_weights: &[], losses_alone: false }
            .metrics();
    let (mut rows, mut skipped) = (0, dataset.skipped().clone());
    let scoring = Instant::now();
    let (stages, last) = stream(
        &dataset,
        &Order::in_place(0..dataset.splits().len()),
        flow,
        |batch: &RecordBatch, split: &mut SplitState<SplitCache>| {
            let mut chunk = spares.take(batch.num_rows());
            let encoded = encoder.encode(batch, &mut split.state, &mut chunk)?;
            let skipped = encoded.skipped.len() as u64;
            let mut good: Vec<(u32, u32)> = Vec::new();
            if skipped > 0 {
                let mut bad = encoded.skipped.into_iter().peekable();
                let rows = (0..chunk.rows() as u32).filter(|row| bad.next_if_eq(row).is_none());
                good.extend(rows.map(|row| (0, row)));
                let mut part = spares.take(good.len());
                part.reset(good.len());
                part.gather(std::slice::from_ref(&chunk), &good);
                spares.give(std::mem::replace(&mut chunk, part));
            }
            let mut margins = Vec::new();
            model.linear.margins(&chunk, &mut margins);
            let row_of = |row: usize| good.get(row).map_or(row, |&(_, row)| row as usize);
            check_margins(&margins, plan.target.outputs(), row_of)?;
            Ok(Scored { chunk, margins, skipped })
        },
        |item| {
            let scored: Scored = item.value;
            if let Some(row) = metrics.add(&scored.margins, &scored.chunk.labels, &scored.chunk.weights) {
                return Err(Error::data(format!("the loss of row {} is not finite", rows + row as u64))
                    .remedy("correct or leave out the row: its numbers or its target are too large"));
            }
            rows += scored.chunk.rows() as u64;
            skipped.add(&item.skipped);
            skipped.add_rows(scored.skipped, UNUSABLE);
            spares.give(scored.chunk);
            watch.progress(progress(&dataset, rows + skipped.rows, scoring));
            Ok(())
        },
    )?;
    dataset.check_unchanged()?;
    if rows == 0 {
        return Err(Error::data("there is no row to evaluate").remedy("expected a table with rows"));
    }
    skipped.add(&last);
    let summary = Summary {
        command: "evaluate",
        rows: rows + skipped.rows,
        rows_per_second: rows as f64 / scoring.elapsed().as_secs_f64().max(1e-9),
        bytes_read: stages.bytes_read,
        threads: config.threads,
        loss: model.about.loss.name(),
        target: serde_json::to_value(&plan.target).unwrap_or_default(),
        metrics: Some(metrics.report()),
        plan: plan_lines(&plan),
        stages,
        skipped,
        ..Summary::default()
    };
    summary.hand_in(start, Notes { watch, notes: dataset.notes().to_vec() })
}

/// Where a run over data that is read once, in order, stands.
pub(crate) fn progress(dataset: &Dataset, rows: u64, start: Instant) -> Progress {
    let share = dataset.rows().map_or(0.0, |all| rows as f64 / all.max(1) as f64).min(1.0);
    let bytes = (share * dataset.bytes() as f64) as u64;
    Progress { epoch: (1, 1), rows, share, behind: (0, 0.0), bytes, elapsed: start.elapsed(), loss: None }
}

/// Says which of the model's columns the data lacks: they count as missing.
pub(crate) fn check_columns(dataset: &Dataset, used: &[&str], watch: &mut dyn Watch) {
    let known: HashSet<&str> = dataset.schema().fields().iter().map(|field| field.name().as_str()).collect();
    let lacking: Vec<&str> = used.iter().copied().filter(|name| !known.contains(name)).take(10).collect();
    if !lacking.is_empty() {
        watch.note(&format!(
            "the data lacks columns that the model uses; they count as missing: {}",
            lacking.join(", ")
        ));
    }
}

/// Refuses data without the column that is added to the margins.
pub(crate) fn check_offset(dataset: &Dataset, plan: &Plan) -> Result<()> {
    match &plan.offset {
        Some(offset) if dataset.schema().index_of(&offset.column).is_err() => Err(Error::usage(format!(
            "there is no column `{}`, the {} that the model was trained with",
            offset.column,
            offset.kind.word()
        ))
        .remedy("add it to the data")),
        _ => Ok(()),
    }
}
