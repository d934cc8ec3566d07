//! Folds: which rows each of several models leaves out, and is scored on.

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Float64Type, TimeUnit};

use crate::error::{Error, Result};
use crate::input::hash_values;
use crate::learn::Parts;
use crate::random::keyed;

/// A division of the rows into folds, or several such divisions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Folds {
    by: FoldBy,
    folds: u32,
    repeats: u32,
    seed: u64,
}

/// What decides to which fold a row belongs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FoldBy {
    /// Its place in the data, by a hash.
    Row,
    /// Its value of a column, by a hash: rows of one value stay together.
    Group(String),
    /// Its place in time, by a column: where the blocks after the first begin. Models learn from the past of the
    /// block that they are scored on; the first block has no past and is scored by none.
    Time {
        /// The column.
        column: String,
        /// As many as there are folds.
        starts: Vec<f64>,
    },
}

/// A purpose of the seed.
const PURPOSE: u64 = 0x0066_6f6c_6473;

impl Folds {
    pub(crate) fn new(by: FoldBy, folds: u32, repeats: u32, seed: u64) -> Self {
        Folds { by, folds, repeats, seed: keyed(seed, PURPOSE) }
    }

    /// How many divisions there are.
    pub(crate) fn divisions(&self) -> usize {
        self.repeats as usize
    }

    /// All folds, each as its repetition and its number there, both from 0.
    pub(crate) fn each(&self) -> impl Iterator<Item = (u32, u32)> + use<> {
        let folds = self.folds;
        (0..self.repeats).flat_map(move |repeat| (0..folds).map(move |fold| (repeat, fold)))
    }

    /// The rows that the model of a fold does not learn from.
    pub(crate) fn left_out(&self, (repeat, fold): (u32, u32)) -> Parts {
        let range = match self.by {
            FoldBy::Row | FoldBy::Group(_) => fold..fold + 1,
            FoldBy::Time { .. } => fold + 1..u32::MAX,
        };
        Parts { division: repeat as usize, range }
    }

    /// The rows that the model of a fold is scored on.
    pub(crate) fn scored(&self, (repeat, fold): (u32, u32)) -> Parts {
        let part = match self.by {
            FoldBy::Row | FoldBy::Group(_) => fold,
            FoldBy::Time { .. } => fold + 1,
        };
        Parts { division: repeat as usize, range: part..part + 1 }
    }

    /// Whether folds are blocks in time.
    pub(crate) fn are_blocks(&self) -> bool {
        matches!(self.by, FoldBy::Time { .. })
    }

    /// The column that it needs.
    pub(crate) fn column(&self) -> Option<&str> {
        match &self.by {
            FoldBy::Row => None,
            FoldBy::Group(column) | FoldBy::Time { column, .. } => Some(column),
        }
    }

    /// Appends the parts of a batch's rows, of each division one, the first being row `first` of the data; the
    /// column, if it needs one, is column `column` of the batch.
    ///
    /// # Errors
    /// If the column's type does not do.
    pub(crate) fn assign(
        &self,
        first: u64,
        batch: &RecordBatch,
        column: usize,
        parts: &mut Vec<u32>,
    ) -> Result<()> {
        let rows = batch.num_rows() as u64;
        match &self.by {
            FoldBy::Row => (first..first + rows).for_each(|row| self.deal(row, parts)),
            FoldBy::Group(name) => {
                let hashes = hash_values(batch.column(column)).map_err(|e| e.in_column(name))?;
                hashes.into_iter().for_each(|hash| self.deal((hash >> 64) as u64 ^ hash as u64, parts));
            }
            FoldBy::Time { column: name, starts } => {
                let times = times(batch.column(column)).map_err(|e| e.in_column(name))?;
                // What has no time counts as the past of all.
                let part = |time: Option<f64>| time.map_or(0, |time| starts.partition_point(|s| *s <= time));
                parts.extend(times.iter().map(|time| part(time) as u32));
            }
        }
        Ok(())
    }

    fn deal(&self, key: u64, parts: &mut Vec<u32>) {
        parts.extend((0..self.repeats).map(|repeat| {
            let draw = keyed(keyed(self.seed, u64::from(repeat)), key);
            ((u128::from(draw) * u128::from(self.folds)) >> 64) as u32
        }));
    }
}

/// Points in time, or numbers, as numbers that rise with time.
///
/// # Errors
/// If they are neither.
pub(crate) fn times(column: &ArrayRef) -> Result<Float64Array> {
    let fault = |to: &DataType| {
        let message = format!("can't read {} as points in time ({to})", column.data_type());
        Error::data(message).remedy("name a column of numbers, dates or timestamps")
    };
    let strictly = |array: &ArrayRef, to: DataType| {
        let options = CastOptions { safe: false, ..CastOptions::default() };
        cast_with_options(array, &to, &options).map_err(|_| fault(&to))
    };
    let values = match column.data_type() {
        DataType::Dictionary(_, values) => cast(column, values).map_err(|_| fault(values))?,
        _ => column.clone(),
    };
    let numbers = match values.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            strictly(&values, DataType::Timestamp(TimeUnit::Microsecond, None))?
        }
        _ => values,
    };
    let numbers = match numbers.data_type() {
        DataType::Date32 | DataType::Time32(_) => strictly(&numbers, DataType::Int32)?,
        t if t.is_temporal() => strictly(&numbers, DataType::Int64)?,
        t if t.is_numeric() => numbers,
        other => return Err(fault(other)),
    };
    let numbers = strictly(&numbers, DataType::Float64)?;
    Ok(numbers.as_primitive::<Float64Type>().clone())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Date32Array, DictionaryArray, Int64Array, StringArray, TimestampMicrosecondArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter(columns).unwrap()
    }

    fn assigned(folds: &Folds, first: u64, batch: &RecordBatch) -> Vec<u32> {
        let mut parts = Vec::new();
        folds.assign(first, batch, 0, &mut parts).unwrap();
        parts
    }

    #[test]
    fn rows_are_dealt_evenly_and_by_their_place_alone() {
        let rows = 60_000;
        let table = batch(vec![("x", Arc::new(Int64Array::from(vec![0; rows])))]);
        let folds = Folds::new(FoldBy::Row, 3, 2, 1);
        let all = assigned(&folds, 100, &table);
        assert_eq!(all.len(), 2 * rows);
        let later = assigned(&folds, 100 + 1000, &table.slice(1000, 500));
        assert_eq!(later, all[2 * 1000..2 * 1500]);
        let mut counts = [[0usize; 3]; 3];
        all.chunks_exact(2).for_each(|parts| counts[parts[0] as usize][parts[1] as usize] += 1);
        let even = |&count: &usize| count.abs_diff(rows / 9) < 400;
        assert!(counts.iter().flatten().all(even), "repetitions are independent: {counts:?}");
        assert_ne!(assigned(&Folds::new(FoldBy::Row, 3, 2, 2), 100, &table), all, "seeds differ");
        let scored: Vec<_> = folds.each().map(|fold| folds.scored(fold)).collect();
        for parts in all.chunks_exact(2) {
            assert_eq!(scored.iter().filter(|scored| scored.contain(parts)).count(), 2);
        }
    }

    #[test]
    fn groups_stay_together_in_any_encoding() {
        let users: Vec<String> = (0..500).map(|i| format!("user {}", i % 50)).collect();
        let plain: ArrayRef = Arc::new(StringArray::from(users.clone()));
        let coded: ArrayRef =
            Arc::new(users.iter().map(|u| Some(u.as_str())).collect::<DictionaryArray<Int32Type>>());
        let folds = Folds::new(FoldBy::Group("user".into()), 5, 1, 1);
        let parts = assigned(&folds, 0, &batch(vec![("user", plain)]));
        assert_eq!(parts, assigned(&folds, 7, &batch(vec![("user", coded)])));
        assert!((50..500).all(|row| parts[row] == parts[row - 50]));
        assert!((0..5).all(|part| parts.contains(&part)));
    }

    #[test]
    fn models_of_blocks_in_time_learn_from_the_past_alone() {
        let days: ArrayRef =
            Arc::new(Date32Array::from(vec![Some(5), Some(10), Some(19), Some(25), None, Some(99)]));
        let by = FoldBy::Time { column: "day".into(), starts: vec![10.0, 20.0] };
        let folds = Folds::new(by, 2, 1, 1);
        let parts = assigned(&folds, 0, &batch(vec![("day", days)]));
        assert_eq!(parts, [0, 1, 1, 2, 0, 2]);
        let which = |parts_of: Parts| parts.iter().map(|&p| parts_of.contain(&[p])).collect::<Vec<_>>();
        assert_eq!(which(folds.scored((0, 0))), [false, true, true, false, false, false]);
        assert_eq!(which(folds.left_out((0, 0))), [false, true, true, true, false, true]);
        assert_eq!(which(folds.scored((0, 1))), [false, false, false, true, false, true]);
        assert_eq!(which(folds.left_out((0, 1))), [false, false, false, true, false, true]);
    }

    #[test]
    fn times_rise_whatever_their_type() {
        let texts: ArrayRef =
            Arc::new(StringArray::from(vec![Some("2024-02-01"), None, Some("2024-02-01T00:00:01")]));
        let stamps: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![1, 2]));
        let texts = times(&texts).unwrap();
        assert_eq!((texts.value(2) - texts.value(0), texts.is_null(1)), (1e6, true));
        assert_eq!(times(&stamps).unwrap().values().to_vec(), [1.0, 2.0]);
        let words: ArrayRef = Arc::new(StringArray::from(vec!["soon"]));
        assert!(times(&words).unwrap_err().to_string().contains("dates or timestamps"));
    }
}
