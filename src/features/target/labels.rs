//! Labels: what of a row is not a feature - its target, its weight and its offset.

use arrow::array::ArrayRef;

use super::amounts::Amount;
use super::classes::{Classes, missing};
use super::{Offset, Target, parse, quoted};
use crate::error::{Error, Place, Result};
use crate::features::codes::Dictionary;
use crate::features::encode::RowFilter;
use crate::features::plan::Plan;
use crate::features::values::{Sort, for_each_number, for_each_text};
use crate::learn::Chunk;

/// Encodes targets, weights and offsets.
#[derive(Debug)]
pub(in crate::features) struct Labels {
    filter: RowFilter,
    target: Target,
    /// How classes become labels; `None` for numbers.
    classes: Option<Classes>,
    weight: Option<String>,
    offset: Option<Offset>,
}

/// What is kept from batch to batch of a split.
#[derive(Debug, Default)]
pub(in crate::features) struct LabelCache {
    dictionary: Option<Dictionary>,
    scratch: Vec<u32>,
}

impl Labels {
    pub(in crate::features) fn new(plan: &Plan, filter: RowFilter) -> Self {
        Labels {
            filter,
            target: plan.target.clone(),
            classes: Classes::of(&plan.target),
            weight: plan.weight.clone(),
            offset: plan.offset.clone(),
        }
    }

    /// The columns that are needed, in the order in which [`Labels::encode`] wants them.
    pub(in crate::features) fn columns(&self) -> impl Iterator<Item = &str> {
        let labels = [Some(self.target.column()), self.weight.as_deref()];
        let labels = labels.into_iter().filter(|_| self.filter != RowFilter::Unlabelled);
        self.offset.iter().map(|offset| offset.column.as_str()).chain(labels.flatten())
    }

    /// Fills the chunk's labels, weights and offsets of `rows` rows. Returns the rows to leave out,
    /// ascending.
    pub(in crate::features) fn encode(
        &self,
        columns: &[ArrayRef],
        rows: usize,
        cache: &mut LabelCache,
        chunk: &mut Chunk,
    ) -> Result<Vec<u32>> {
        let mut skipped = Vec::new();
        let mut bad = |row: usize, error: Error| match self.filter {
            RowFilter::Skip => {
                skipped.push(row as u32);
                Ok(())
            }
            RowFilter::Fail | RowFilter::Unlabelled => {
                Err(error.at(Place { row: Some(row as u64), ..Place::default() }))
            }
        };
        let mut columns = columns.iter();
        let mut next = || columns.next().ok_or_else(|| Error::data("a column was not read"));
        if let Some(Offset { column, kind }) = &self.offset {
            let amount = Amount::Offset { kind: *kind, scale: self.target.scale() };
            amount.encode(next()?, &mut chunk.offsets, &mut bad).map_err(|e| e.in_column(column))?;
        }
        if self.filter == RowFilter::Unlabelled {
            chunk.labels.resize(rows, 0.0);
            return Ok(skipped);
        }
        let target = next()?;
        match &self.classes {
            Some(classes) => {
                let LabelCache { dictionary, scratch } = cache;
                classes.encode(target, dictionary, scratch, &mut chunk.labels, &mut bad)
            }
            None => self.target.encode_numbers(target, &mut chunk.labels, &mut bad),
        }
        .map_err(|e| e.in_column(self.target.column()))?;
        if let Some(weight) = &self.weight {
            Amount::Weight.encode(next()?, &mut chunk.weights, &mut bad).map_err(|e| e.in_column(weight))?;
        }
        skipped.sort_unstable();
        skipped.dedup();
        Ok(skipped)
    }
}

impl Target {
    /// Appends each row's number as the label; `bad(row, why)` decides what becomes of one that can't be
    /// understood: an error, or `Ok` to go on with a zero in its place.
    fn encode_numbers(
        &self,
        array: &ArrayRef,
        labels: &mut Vec<f32>,
        bad: &mut dyn FnMut(usize, Error) -> Result<()>,
    ) -> Result<()> {
        let Target::Number { offset, scale, is_count, .. } = self else { return Ok(()) };
        let mut result = Ok(());
        let mut push = |row: usize, label: Result<f32>| {
            if result.is_ok() {
                labels.push(label.unwrap_or_else(|error| {
                    result = bad(row, error);
                    0.0
                }));
            }
        };
        let expected = if *is_count {
            "a finite number of at least 0, as --loss poisson wants it,"
        } else {
            "a finite number"
        };
        let fault = |found: &str| {
            Error::data(format!("found {found}, expected {expected} as target"))
                .remedy("leave such rows out with --on-error skip")
        };
        let label = |x: f64| {
            let label = ((x - offset) / scale) as f32;
            if label.is_finite() && !(*is_count && x < 0.0) { Ok(label) } else { Err(fault(&x.to_string())) }
        };
        if Sort::of(array.data_type()) == Sort::Text {
            for_each_text(array, |row, text| {
                let read = |t| parse(t).ok_or_else(|| fault(&quoted(t))).and_then(label);
                push(row, text.ok_or_else(missing).and_then(read));
            })?;
        } else {
            for_each_number(array, |row, x| push(row, x.ok_or_else(missing).and_then(label)))?;
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, StringArray};

    use super::super::OffsetKind;
    use super::*;

    fn number(is_count: bool) -> Target {
        Target::Number { column: "y".into(), offset: 0.0, scale: 1.0, mean: 0.0, is_count }
    }

    fn labels(target: &Target, array: impl arrow::array::Array + 'static) -> Result<Vec<f32>> {
        let mut labels = Vec::new();
        target.encode_numbers(&(Arc::new(array) as ArrayRef), &mut labels, &mut |_, e| Err(e))?;
        Ok(labels)
    }

    #[test]
    fn strange_numbers_are_errors() {
        assert!(labels(&number(false), Float64Array::from(vec![1.0, f64::NAN])).is_err());
        assert!(labels(&number(false), Float64Array::from(vec![Some(1.0), None])).is_err());
        let text = labels(&number(false), StringArray::from(vec!["1.5", "much"])).unwrap_err().to_string();
        assert!(text.starts_with("found \"much\", expected a finite number as target"), "{text}");
        let negative =
            labels(&number(true), Float64Array::from(vec![0.0, 2.0, -1.0])).unwrap_err().to_string();
        assert!(negative.starts_with("found -1, expected a finite number of at least 0"), "{negative}");
    }

    #[test]
    fn a_row_with_several_faults_is_left_out_once_and_offsets_are_read_without_labels() {
        let offset = Offset { column: "o".into(), kind: OffsetKind::Margin };
        let plan = Plan {
            target: Target::Number {
                column: "y".into(),
                offset: 1.0,
                scale: 2.0,
                mean: 0.0,
                is_count: false,
            },
            weight: Some("w".into()),
            offset: Some(offset),
            hash_seed: 1,
            columns: Vec::new(),
        };
        let column = |values: [Option<f64>; 3]| Arc::new(Float64Array::from(values.to_vec())) as ArrayRef;
        let (o, y) = (column([Some(4.0), None, Some(6.0)]), column([Some(3.0), None, Some(f64::INFINITY)]));
        let w = column([Some(0.5), Some(-1.0), Some(1.0)]);
        let skipping = Labels::new(&plan, RowFilter::Skip);
        assert_eq!(skipping.columns().collect::<Vec<_>>(), ["o", "y", "w"]);
        let mut chunk = Chunk::new(plan.shape(), 3);
        let all = [o.clone(), y, w];
        let skipped = skipping.encode(&all, 3, &mut LabelCache::default(), &mut chunk).unwrap();
        assert_eq!(skipped, [1, 2]);
        assert_eq!((chunk.offsets[0], chunk.labels[0], chunk.weights[0]), (2.0, 1.0, 0.5));
        let blind = Labels::new(&plan, RowFilter::Unlabelled);
        assert_eq!(blind.columns().collect::<Vec<_>>(), ["o"]);
        let mut chunk = Chunk::new(plan.shape(), 3);
        let error = blind.encode(&[o], 3, &mut LabelCache::default(), &mut chunk).unwrap_err().to_string();
        assert!(error.starts_with("row 1, column `o`: found nothing"), "{error}");
    }
}
