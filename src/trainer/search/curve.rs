//! A learning curve: how a model's progressive loss goes over the rows.

use serde::{Deserialize, Serialize};

/// Marks that a curve has at the most; when there are more, every second one goes.
const MOST_MARKS: usize = 512;

/// Sums of loss and weight so far, at marks along the rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Curve {
    /// The first mark.
    first: u64,
    /// Only rows that this divides have marks, and those of doublings of the first.
    step: u64,
    marks: Vec<Mark>,
}

/// Sums of loss and weight up to a row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Mark {
    number: u64,
    pub(super) rows: u64,
    pub(super) sums: (f64, f64),
}

impl Curve {
    /// A curve of marks at multiples of `step` rows, at first.
    pub(super) fn new(step: u64) -> Self {
        Curve { first: step, step, marks: Vec::new() }
    }

    /// Adds a mark for row `number`, with the sums of loss and weight after so many rows: as many, or more where a
    /// mini-batch went beyond it.
    pub(super) fn mark(&mut self, number: u64, rows: u64, sums: (f64, f64)) {
        if !self.has(number) {
            return;
        }
        self.marks.push(Mark { number, rows, sums });
        if self.marks.len() >= MOST_MARKS {
            self.step *= 2;
            let marks = std::mem::take(&mut self.marks);
            self.marks = marks.into_iter().filter(|mark| self.has(mark.number)).collect();
        }
    }

    fn has(&self, number: u64) -> bool {
        let is_doubling = number.is_multiple_of(self.first) && (number / self.first).is_power_of_two();
        is_doubling || number.is_multiple_of(self.step)
    }

    /// Sums of loss and weight up to the last mark within `rows` rows.
    pub(super) fn at(&self, rows: u64) -> (f64, f64) {
        match self.marks.partition_point(|mark| mark.rows <= rows) {
            0 => (0.0, 0.0),
            after => self.marks[after - 1].sums,
        }
    }

    /// All marks.
    pub(super) fn marks(&self) -> &[Mark] {
        &self.marks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_grow_rarer_and_sums_stay() {
        let mut curve = Curve::new(10);
        let rows = (1..=16).chain((20..1300).step_by(4)).chain(1300..=2000).map(|mark: u64| 10 * mark);
        for rows in rows.clone() {
            curve.mark(rows, rows, (rows as f64 / 10.0, rows as f64));
        }
        assert!(curve.marks.len() < MOST_MARKS && curve.step > 10);
        assert_eq!(curve.at(12_800), (1280.0, 12_800.0));
        assert_eq!([curve.at(10), curve.at(25)], [(1.0, 10.0), (2.0, 20.0)], "doublings stay");
        assert_eq!((curve.at(9), curve.at(99_999)), ((0.0, 0.0), (2000.0, 20_000.0)));
        let last = curve.marks().last().unwrap();
        assert_eq!((last.sums.0, last.rows), (2000.0, 20_000));
    }
}
