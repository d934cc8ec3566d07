//! The recent loss: that of about the last rows, for progress.

use std::collections::VecDeque;

/// Rows of which the recent loss is the mean, about.
const WINDOW: u64 = 1 << 16;
/// Rows between two marks.
const STEP: u64 = 1 << 13;

/// Remembers the sums of loss and weight at marks along the way.
#[derive(Debug)]
pub(super) struct Recent {
    /// The model whose sums these are.
    model: usize,
    marks: VecDeque<Mark>,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    rows: u64,
    loss: f64,
    weight: f64,
}

impl Recent {
    pub(super) fn new() -> Self {
        Recent { model: 0, marks: VecDeque::from([Mark { rows: 0, loss: 0.0, weight: 0.0 }]) }
    }

    /// The recent mean loss, given the sums of loss and weight of `model` after `rows` rows; `None` if no
    /// weight was added lately. With another model than before it begins anew: there is no difference between
    /// the sums of two.
    pub(super) fn mean(&mut self, rows: u64, model: usize, (loss, weight): (f64, f64)) -> Option<f64> {
        let now = Mark { rows, loss, weight };
        if model != self.model {
            self.model = model;
            // All models have sums of zero at the start.
            self.marks.retain(|mark| mark.rows == 0);
            if self.marks.is_empty() {
                self.marks.push_back(now);
            }
        }
        let last = self.marks.back()?;
        // Rows that wait in a shuffle's buffer have not been learned from: the sums stand still.
        if weight > last.weight && rows >= last.rows + STEP {
            self.marks.push_back(now);
        }
        while self.marks.get(1).is_some_and(|next| next.weight < weight && rows >= next.rows + WINDOW) {
            self.marks.pop_front();
        }
        let from = self.marks.front()?;
        (weight > from.weight).then(|| (loss - from.loss) / (weight - from.weight))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_mean_of_about_the_last_rows() {
        let mut recent = Recent::new();
        let (mut loss, mut found) = (0.0, None);
        for chunk in 1..=400u64 {
            // The first half of the rows costs 1 each, the others cost a quarter.
            loss += if chunk <= 200 { 1000.0 } else { 250.0 };
            found = recent.mean(1000 * chunk, 0, (loss, 1000.0 * chunk as f64));
            if chunk == 200 {
                assert_eq!(found, Some(1.0));
            }
            if chunk == 230 {
                let mean = found.unwrap();
                assert!((0.5..0.75).contains(&mean), "30,000 rows of about 70,000 are cheap: {mean}");
            }
        }
        assert_eq!(found, Some(0.25), "the overall mean would be 0.625");
        assert!(recent.marks.len() <= (WINDOW / STEP) as usize + 2);
    }

    #[test]
    fn rows_that_come_in_bursts_count_when_they_come() {
        let mut recent = Recent::new();
        assert_eq!(recent.mean(100_000, 0, (0.0, 0.0)), None);
        assert_eq!(recent.mean(140_000, 0, (70.0, 140.0)), Some(0.5));
        // The buffer fills again: the last that was heard of is still the last burst.
        assert_eq!(recent.mean(250_000, 0, (70.0, 140.0)), Some(0.5));
        assert_eq!(recent.mean(280_000, 0, (84.0, 280.0)), Some(0.1));
    }

    #[test]
    fn another_model_begins_anew() {
        let mut recent = Recent::new();
        for chunk in 1..=20 {
            recent.mean(10_000 * chunk, 0, (5000.0 * chunk as f64, 10_000.0 * chunk as f64));
        }
        assert_eq!(
            recent.mean(210_000, 1, (42_000.0, 210_000.0)),
            None,
            "sums of two models have no difference"
        );
        assert_eq!(recent.mean(220_000, 1, (45_000.0, 220_000.0)), Some(0.3));
        let mut early = Recent::new();
        early.mean(1000, 0, (900.0, 1000.0));
        assert_eq!(early.mean(2000, 1, (1000.0, 2000.0)), Some(0.5), "both started from zero");
    }
}
