//! Predicting: a model's output for each row, in the rows' order.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};

use super::config::{ApplyConfig, PredictConfig};
use super::evaluate::{check_columns, check_offset, progress};
use super::notes::Notes;
use super::outputs::Outputs;
use super::reading::{Spares, check_margins, check_output, flow_in_order, request};
use super::summary::{Summary, plan_lines};
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::features::{Encoder, RowFilter, SplitCache, no_such_column};
use crate::input::{Dataset, Request};
use crate::model::Model;
use crate::output::{AtomicFile, Format, TableWriter};
use crate::pipeline::{Order, SplitState, Weigh, handed_on, stream};

struct Output(RecordBatch);

impl Weigh for Output {
    fn bytes(&self) -> usize {
        self.0.get_array_memory_size()
    }
}

/// Writes a prediction for each row: the columns of the input to keep, then those of the target
/// (its value or class, with `probabilities` one for each class).
///
/// # Errors
/// Those of the model, of the data and of the output, of which nothing is left then.
pub fn predict(
    config: &ApplyConfig,
    wanted: &PredictConfig,
    stop: &AtomicBool,
    watch: &mut dyn Watch,
) -> Result<Summary> {
    let PredictConfig { keep, probabilities, output } = wanted;
    let output = output.as_deref();
    let start = Instant::now();
    let model = Model::load(&config.model)?;
    let file = match output {
        None => None,
        Some(path) => {
            Format::of(path)?;
            Some(AtomicFile::create(path)?)
        }
    };
    let outputs = Outputs::new(&model.about.plan.target, model.about.loss, *probabilities)?;
    let dataset = Dataset::open(&config.inputs, &config.read)?;
    output.map_or(Ok(()), |output| check_output(output, &dataset))?;
    dataset.notes().iter().for_each(|note| watch.note(note));
    let plan = Arc::new(model.about.plan.clone());
    check_columns(&dataset, &plan.inputs(), watch);
    check_offset(&dataset, &plan)?;
    let encoder = Encoder::new(plan.clone(), RowFilter::Unlabelled);
    let request = Request { rejects: config.read.skips_bad, ..request(&encoder, keep) };
    let schema = output_schema(&dataset, keep, &outputs)?;
    let mut writer = match file {
        Some(file) => TableWriter::create(file, schema.clone(), keep.len())?,
        None => TableWriter::stdout(),
    };
    let flow = flow_in_order(config, &dataset, &encoder, &request, outputs.row_bytes(), stop)?;
    let spares = Spares::new(plan.shape());
    let first_kept = encoder.columns().len();
    let (mut rows, mut skipped) = (0, dataset.skipped().clone());
    let scoring = Instant::now();
    let score = |write: &mut dyn FnMut(RecordBatch) -> Result<()>| {
        stream(
            &dataset,
            &Order::in_place(0..dataset.splits().len()),
            flow,
            |batch: &RecordBatch, split: &mut SplitState<SplitCache>| {
                let mut chunk = spares.take(batch.num_rows());
                encoder.encode(batch, &mut split.state, &mut chunk)?;
                let mut columns = Vec::with_capacity(schema.fields().len());
                for (column, field) in batch.columns()[first_kept..].iter().zip(schema.fields()) {
                    columns.push(cast(column, field.data_type()).map_err(|e| {
                        Error::data(format!("can't keep it as {}: {e}", field.data_type()))
                            .in_column(field.name())
                    })?);
                }
                let mut margins = Vec::new();
                model.linear.margins(&chunk, &mut margins);
                check_margins(&margins, plan.target.outputs(), |row| row)?;
                columns.extend(outputs.columns(margins));
                spares.give(chunk);
                let batch = RecordBatch::try_new(schema.clone(), columns)
                    .map_err(|e| Error::data(format!("can't put the output together: {e}")))?;
                Ok(Output(batch))
            },
            |item| {
                let batch: Output = item.value;
                skipped.add(&item.skipped);
                rows += batch.0.num_rows() as u64;
                write(batch.0)?;
                watch.progress(progress(&dataset, rows, scoring));
                Ok(())
            },
        )
    };
    // To write a row takes about as long as to score it.
    let (stages, last) = handed_on(config.threads, score, |batch| writer.write(&batch))?;
    dataset.check_unchanged()?;
    writer.finish()?;
    skipped.add(&last);
    let summary = Summary {
        command: "predict",
        rows: rows + skipped.rows,
        rows_per_second: rows as f64 / scoring.elapsed().as_secs_f64().max(1e-9),
        bytes_read: stages.bytes_read,
        threads: config.threads,
        loss: model.about.loss.name(),
        target: serde_json::to_value(&plan.target).unwrap_or_default(),
        plan: plan_lines(&plan),
        stages,
        skipped,
        ..Summary::default()
    };
    summary.hand_in(start, Notes { watch, notes: dataset.notes().to_vec() })
}

/// The kept columns, dictionaries as their values, and the predictions.
fn output_schema(dataset: &Dataset, keep: &[String], outputs: &Outputs) -> Result<SchemaRef> {
    let mut fields: Vec<FieldRef> = Vec::new();
    for name in keep {
        let names = dataset.schema().fields().iter().map(|f| f.name().as_str());
        let field = dataset.schema().field_with_name(name).map_err(|_| no_such_column(name, names))?;
        let data_type = match field.data_type() {
            DataType::Dictionary(_, values) => values.as_ref().clone(),
            other => other.clone(),
        };
        fields.push(Arc::new(Field::new(name, data_type, true)));
    }
    fields.extend(outputs.fields());
    for (i, field) in fields.iter().enumerate() {
        if fields[..i].iter().any(|f| f.name() == field.name()) {
            return Err(Error::usage(format!("the output would have two columns `{}`", field.name()))
                .remedy("leave it out of --keep, or name it once"));
        }
    }
    Ok(Arc::new(Schema::new(fields)))
}
