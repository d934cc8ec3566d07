//! The table of a search: all configurations with their losses over the rows they saw.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema};

use super::candidate::Candidate;
use super::halving::Standing;
use super::parameter::Value;
use super::space::Axis;
use crate::error::{Error, Result};
use crate::output::{AtomicFile, TableWriter};

/// Writes a row for each mark of each configuration's learning curve.
///
/// # Errors
/// If the file can't be written.
pub(super) fn write(
    file: AtomicFile,
    axes: &[Axis],
    trials: &[(&Candidate, &Standing)],
    order: &[usize],
    unit: f64,
) -> Result<()> {
    let mut lines: Vec<(usize, u64, f64, f64)> = Vec::new();
    for (number, (_, standing)) in trials.iter().enumerate() {
        let mean = |(loss, weight): (f64, f64)| unit * loss / weight;
        let marks = standing.curve.marks();
        lines.extend(marks.map(|(mark, since)| (number, mark.rows, mean(since), mean(mark.sums))));
        // The rows after the last mark.
        if standing.rows > standing.curve.rows() {
            let before = standing.curve.at(standing.rows);
            let since = (standing.sums.0 - before.0, standing.sums.1 - before.1);
            lines.push((number, standing.rows, mean(since), mean(standing.sums)));
        }
    }
    let mut rank = vec![0; order.len()];
    order.iter().enumerate().for_each(|(place, &number)| rank[number] = place as u64 + 1);
    let mut columns: Vec<(String, ArrayRef)> = vec![
        ("configuration".into(), Arc::new(lines.iter().map(|l| l.0 as u64).collect::<UInt64Array>())),
        ("rank".into(), Arc::new(lines.iter().map(|l| rank[l.0]).collect::<UInt64Array>())),
    ];
    for (i, axis) in axes.iter().enumerate() {
        let value = |line: &(usize, u64, f64, f64)| &trials[line.0].0.point[i].1;
        let is_number = lines.iter().all(|line| matches!(value(line), Value::Number(_)));
        let column: ArrayRef = if is_number {
            let number = |line: &(usize, u64, f64, f64)| match value(line) {
                Value::Number(number) => *number,
                Value::Word(..) => f64::NAN,
            };
            Arc::new(lines.iter().map(number).collect::<Float64Array>())
        } else {
            Arc::new(lines.iter().map(|line| Some(value(line).to_string())).collect::<StringArray>())
        };
        columns.push((axis.parameter.name().to_string(), column));
    }
    columns.extend([
        ("rows".to_string(), Arc::new(lines.iter().map(|l| l.1).collect::<UInt64Array>()) as ArrayRef),
        ("loss".to_string(), Arc::new(lines.iter().map(|l| finite(l.2)).collect::<Float64Array>())),
        (
            "progressive_loss".to_string(),
            Arc::new(lines.iter().map(|l| finite(l.3)).collect::<Float64Array>()),
        ),
        (
            "dropped".to_string(),
            Arc::new(lines.iter().map(|l| Some(trials[l.0].1.dropped)).collect::<BooleanArray>()),
        ),
    ]);
    let nullable = |data_type: &DataType| data_type == &DataType::Float64;
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, column)| Field::new(name, column.data_type().clone(), nullable(column.data_type())))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays = columns.into_iter().map(|(_, column)| column).collect();
    let batch = RecordBatch::try_new(schema.clone(), arrays)
        .map_err(|e| Error::data(format!("can't make the table of configurations: {e}")))?;
    let mut writer = TableWriter::create(file, schema)?;
    writer.write(&batch)?;
    writer.finish()
}

/// A loss; none where a model diverged.
fn finite(loss: f64) -> Option<f64> {
    loss.is_finite().then_some(loss)
}
