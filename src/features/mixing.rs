//! Mixing: whether the labels of a sample look as if its rows were in random order.

use arrow::array::ArrayRef;

use super::values::{Sort, for_each_number, for_each_text};
use crate::error::Result;

/// Evidence on whether rows come in random order: labels of neighbours must not be alike, and
/// stretches of rows must not differ in their mean by more than chance allows.
#[derive(Debug, Default)]
pub(super) struct Mixing {
    /// The first class met, against which all others are told apart.
    class: Option<Box<[u8]>>,
    /// For each stretch: rows, sum of labels.
    stretches: Vec<(f64, f64)>,
    sum: f64,
    squares: f64,
    rows: f64,
    /// Sum of products of neighbours, with how many there were.
    products: (f64, f64),
    first_sum: f64,
    second_sum: f64,
}

/// Rows of a stretch.
const STRETCH: usize = 512;

impl Mixing {
    pub(super) fn add(&mut self, array: &ArrayRef) -> Result<()> {
        let mut labels = Vec::with_capacity(array.len());
        if Sort::of(array.data_type()) == Sort::Number {
            for_each_number(array, |_, x| labels.extend(x.filter(|x| x.is_finite())))?;
        } else {
            for_each_text(array, |_, text| {
                let text = text.unwrap_or_default();
                let class = self.class.get_or_insert_with(|| text.into());
                labels.push(f64::from(u8::from(**class != *text)));
            })?;
        }
        for stretch in labels.chunks(STRETCH) {
            self.stretches.push((stretch.len() as f64, stretch.iter().sum()));
        }
        for pair in labels.windows(2) {
            self.products.0 += pair[0] * pair[1];
            self.products.1 += 1.0;
            self.first_sum += pair[0];
            self.second_sum += pair[1];
        }
        self.rows += labels.len() as f64;
        self.sum += labels.iter().sum::<f64>();
        self.squares += labels.iter().map(|y| y * y).sum::<f64>();
        Ok(())
    }

    pub(super) fn is_random(&self) -> bool {
        let mean = self.sum / self.rows;
        let variance = self.squares / self.rows - mean * mean;
        if self.rows < 1000.0 || variance.is_nan() || variance <= 0.0 {
            return false;
        }
        // Both tests allow what chance alone exceeds about once in 30,000 samples (four sigma).
        let (products, pairs) = self.products;
        let neighbours = (products / pairs - (self.first_sum / pairs) * (self.second_sum / pairs)) / variance
            * pairs.sqrt();
        let spread: f64 = self.stretches.iter().map(|(n, sum)| n * (sum / n - mean).powi(2) / variance).sum();
        let freedom = (self.stretches.len() - 1) as f64;
        neighbours.abs() < 4.0 && spread < freedom + 4.0 * (2.0 * freedom).sqrt() + 8.0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Int32Array;

    use super::super::vocabulary::hash;
    use super::*;

    fn random(labels: Vec<i32>) -> bool {
        let mut mixing = Mixing::default();
        for part in labels.chunks(2048) {
            mixing.add(&(Arc::new(Int32Array::from(part.to_vec())) as ArrayRef)).unwrap();
        }
        mixing.is_random()
    }

    #[test]
    fn sorted_alternating_and_drifting_labels_are_not_random() {
        let coin = |i: i32| i32::from(hash(7, &i.to_le_bytes()).is_multiple_of(3));
        assert!(random((0..20_000i32).map(coin).collect()));
        assert!(!random((0..20_000i32).map(|i| i32::from(i < 6000)).collect()));
        assert!(!random((0..20_000i32).map(|i| i % 2).collect()));
        assert!(!random(
            (0..20_000i32).map(|i| i32::from(hash(7, &i.to_le_bytes()) % 20_000 < i as u64)).collect()
        ));
    }
}
