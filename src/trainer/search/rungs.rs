//! Rungs: the numbers of rows after which configurations are compared, and the worse half of them dropped.

use serde::{Deserialize, Serialize};

use super::setup::SOME_ROWS;

/// Rows at the first rung, at the least, where there are four times as many.
const FEW_ROWS: u64 = 1 << 13;
/// Rows at the first rung, at the least.
const FEWEST_ROWS: u64 = 1 << 10;

/// When configurations are compared: after `first` rows and twice as many each, up to `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rungs {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Rungs {
    /// Those of a search of `count` configurations, as many as there are `rows` (if that is known), of which at least
    /// the first `window` are kept; `None` where there are too few rows.
    ///
    /// The first one comes when the configurations that are dropped, if half of them are each time, will have learned
    /// together from about as many rows as there are, but not so soon that chance decides. Few rows also flatter high
    /// learning rates, and penalties that are too much for a model of many. The last one comes when half of the rows are
    /// still to come: later ones would save less than they cost, for the same reasons.
    pub(super) fn of(count: usize, rows: Option<u64>, window: u64, batch: usize) -> Option<Rungs> {
        let last = rows.map_or(u64::MAX, |rows| rows / 2);
        let (count, rows) = (count as f64, rows.unwrap_or(SOME_ROWS));
        let alike = rows as f64 / (count * (1.0 + count.log2() / 2.0));
        let nearest = 2.0f64.powf(alike.log2().round()) as u64;
        let first = nearest.max(FEW_ROWS.min(rows / 4)).max(FEWEST_ROWS).min(window).max(1);
        // Of whole mini-batches at least a few; the window has as many.
        let first = (1 << first.ilog2()).max((4 * batch as u64).next_power_of_two());
        (first <= last).then_some(Rungs { first, last })
    }

    /// The number of the rung at so many rows, if there is one.
    pub(super) fn number(self, rows: u64) -> Option<usize> {
        let times = rows / self.first;
        let is_one = times.is_power_of_two() && times * self.first == rows && rows <= self.last;
        is_one.then(|| times.ilog2() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losers_learn_from_as_many_rows_as_there_are() {
        let window = 1 << 18;
        let first =
            |count, rows, window, batch| Rungs::of(count, rows, window, batch).map(|rungs| rungs.first);
        for (count, rows) in [(64, 1 << 24), (16, 1 << 23), (256, 1 << 27)] {
            let first = first(count, Some(rows), window, 32).unwrap();
            let halvings = count.ilog2();
            // Each configuration but the last learns until the halving that it does not survive.
            let losers: u64 =
                (0..halvings).map(|halving| (count as u64 >> (halving + 1)) * (first << halving)).sum();
            assert!(losers <= 2 * rows && 2 * losers >= rows, "{count} of {rows}: {first}, {losers}");
        }
        assert_eq!(first(64, Some(45_312), window, 32), Some(8192));
        assert_eq!(first(64, Some(3000), window, 32), Some(1024));
        assert_eq!(first(64, None, window, 32), Some(8192));
        assert_eq!(first(64, Some(1 << 20), window, 4000), Some(16_384));
        assert_eq!(first(2, Some(100), 128, 32), None);
        assert_eq!(first(4, Some(1 << 40), window, 32), Some(window));
    }

    #[test]
    fn rungs_are_doublings_up_to_half_of_the_rows() {
        let rungs = Rungs::of(64, Some(45_312), 1 << 16, 32).unwrap();
        let all: Vec<_> = (1..=200).filter_map(|n| Some((256 * n, rungs.number(256 * n)?))).collect();
        assert_eq!(all, [(8192, 0), (16_384, 1)]);
    }
}
