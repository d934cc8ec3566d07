//! The table of a search: all configurations with their losses over the rows they saw.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema};

use super::candidate::Candidate;
use super::halving::{Piece, Standing};
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
    let lines: Vec<Line> = trials
        .iter()
        .enumerate()
        .flat_map(|(number, (_, standing))| lines_of(number, standing, unit))
        .collect();
    let mut rank = vec![0; order.len()];
    order.iter().zip(1u64..).for_each(|(&number, place)| rank[number] = place);
    let whole =
        |of: &dyn Fn(&Line) -> u64| -> ArrayRef { Arc::new(lines.iter().map(of).collect::<UInt64Array>()) };
    // A loss is missing where a model diverged.
    let number = |of: &dyn Fn(&Line) -> f64| -> ArrayRef {
        Arc::new(lines.iter().map(|line| Some(of(line)).filter(|x| x.is_finite())).collect::<Float64Array>())
    };
    let text = |of: &dyn Fn(&Line) -> String| -> ArrayRef {
        Arc::new(lines.iter().map(|line| Some(of(line))).collect::<StringArray>())
    };
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("configuration", whole(&|line| line.number as u64)),
        ("rank", whole(&|line| rank[line.number])),
    ];
    for (i, axis) in axes.iter().enumerate() {
        let value = |line: &Line| &trials[line.number].0.point[i].1;
        let as_number = |line: &Line| match value(line) {
            Value::Number(number) => *number,
            Value::Word(..) => f64::NAN,
        };
        let is_number = axis.parameter.bounds().is_some();
        let column = if is_number { number(&as_number) } else { text(&|line| value(line).to_string()) };
        columns.push((axis.parameter.name(), column));
    }
    if trials.iter().any(|(candidate, _)| !candidate.has_all_columns()) {
        columns.push(("without", text(&|line| trials[line.number].0.without.join("+"))));
    }
    let dropped: BooleanArray = lines.iter().map(|line| Some(trials[line.number].1.dropped)).collect();
    columns.extend([
        ("rows", whole(&|line| line.rows)),
        ("loss", number(&|line| line.loss)),
        ("progressive_loss", number(&|line| line.progressive_loss)),
        ("dropped", Arc::new(dropped) as ArrayRef),
    ]);
    let nullable = |data_type: &DataType| data_type == &DataType::Float64;
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, column)| Field::new(*name, column.data_type().clone(), nullable(column.data_type())))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays = columns.into_iter().map(|(_, column)| column).collect();
    let batch = RecordBatch::try_new(schema.clone(), arrays)
        .map_err(|e| Error::data(format!("can't make the table of configurations: {e}")))?;
    let mut writer = TableWriter::create(file, schema, usize::MAX)?;
    writer.write(&batch)?;
    writer.finish()
}

/// A mark of a configuration's learning curve.
struct Line {
    number: usize,
    rows: u64,
    /// The mean loss since the mark before, and since the first row.
    loss: f64,
    progressive_loss: f64,
}

fn lines_of(number: usize, standing: &Standing, unit: f64) -> impl Iterator<Item = Line> {
    let mean = move |(loss, weight): (f64, f64)| unit * loss / weight;
    let line = move |piece: Piece| Line {
        number,
        rows: piece.rows,
        loss: mean(piece.since),
        progressive_loss: mean(piece.sums),
    };
    standing.pieces().map(line)
}
