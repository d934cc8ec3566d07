//! Scales: from a number to a feature of about size one.

use serde::{Deserialize, Serialize};

use super::limits::{Limits, limits};
use crate::learn::kernels;

/// How a number becomes a feature.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// The formula.
    #[serde(flatten)]
    pub form: Form,
    /// Where features end, so that a number far outside the sample weighs no more than one at its edge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
}

/// The formula of a scale.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "scale", rename_all = "snake_case")]
pub enum Form {
    /// As it is; a missing one counts as `fill`.
    None {
        /// The sample's mean.
        fill: f64,
    },
    /// `(x - mean) / deviation`; a missing one counts as the mean.
    Standard {
        /// The sample's mean.
        mean: f64,
        /// The sample's standard deviation.
        deviation: f64,
    },
    /// `(s(x) - mean) / deviation` with `s(x) = sign(x - center) * ln(1 + |x - center| / spread)`,
    /// which tames heavy tails and does not depend on the number's unit or origin.
    SignedLog {
        /// The sample's median.
        center: f64,
        /// Half the distance between its quartiles, or what stands in for it.
        spread: f64,
        /// Mean of `s(x)` over the sample.
        mean: f64,
        /// Standard deviation of `s(x)` over the sample.
        deviation: f64,
    },
}

impl Scale {
    /// A scale that standardises the numbers of a sorted sample, with limits; as they are if all are equal.
    pub(super) fn standard(sorted: &[f64]) -> Scale {
        let form = |Moments { mean, deviation }| Form::Standard { mean, deviation };
        fit(sorted.to_vec(), form).unwrap_or(Moments::of(sorted.iter().copied()).raw())
    }

    /// A scale for counts, `ln(1 + x)` standardised, for those of a sorted sample; as they are if all are
    /// equal.
    pub(super) fn log_of_counts(sorted: &[f64]) -> Scale {
        let form =
            |Moments { mean, deviation }| Form::SignedLog { center: 0.0, spread: 1.0, mean, deviation };
        let logs = sorted.iter().map(|&x| signed_log(x, 0.0, 1.0)).collect();
        fit(logs, form).unwrap_or(Moments::of(sorted.iter().copied()).raw())
    }

    /// A signed log for the numbers of a sorted sample; `None` if they are all equal.
    pub(super) fn signed_log(sorted: &[f64]) -> Option<Scale> {
        if sorted.is_empty() {
            return None;
        }
        let center = quantile(sorted, 0.5);
        let quartiles = 0.5 * (quantile(sorted, 0.75) - quantile(sorted, 0.25));
        let spread = if quartiles > 0.0 {
            quartiles
        } else {
            // Most values are equal: take the typical distance of the others.
            let mut distances: Vec<f64> =
                sorted.iter().map(|x| (x - center).abs()).filter(|&d| d > 0.0).collect();
            distances.sort_by(f64::total_cmp);
            if distances.is_empty() {
                return None;
            }
            quantile(&distances, 0.5)
        };
        let form = |Moments { mean, deviation }| Form::SignedLog { center, spread, mean, deviation };
        fit(sorted.iter().map(|&x| signed_log(x, center, spread)).collect(), form)
    }

    /// The numbers 0 and 1 as they are, with limits.
    pub(super) fn flag(fill: f64) -> Scale {
        Scale {
            form: Form::None { fill },
            limits: limits(&[0.0, 1.0]).map(|(low, high)| Limits::new(low, high)),
        }
    }

    /// Origin and factor of the linear step that comes first: `(x - origin) * factor`.
    pub(crate) fn linear_step(&self) -> (f64, f64) {
        match self.form {
            Form::None { .. } => (0.0, 1.0),
            Form::Standard { mean, deviation } => (mean, 1.0 / deviation),
            Form::SignedLog { center, spread, .. } => (center, 1.0 / spread),
        }
    }

    /// Whether the linear step makes features but for the limits.
    pub(super) fn is_linear(&self) -> bool {
        !matches!(self.form, Form::SignedLog { .. })
    }

    /// Where features end.
    pub(super) fn limits(&self) -> Limits {
        self.limits.unwrap_or(Limits::NONE)
    }

    /// Makes features of what the linear step gave, `gap` for missing numbers. NaN, infinities and what is too large
    /// for a feature count as missing, too.
    pub(super) fn features(&self, values: &mut [f32], gap: f32) {
        if let Form::SignedLog { mean, deviation, .. } = self.form {
            kernels::signed_log(values, mean as f32, (1.0 / deviation) as f32);
        }
        let Limits { low, high } = self.limits();
        kernels::clamp(values, low, high, gap);
    }

    /// Makes features of what the linear step gave, missing numbers included.
    pub(crate) fn finish(&self, values: &mut [f32]) {
        self.features(values, self.missing());
    }

    /// The feature of a missing number.
    pub fn missing(&self) -> f32 {
        match self.form {
            Form::None { fill } => fill as f32,
            Form::Standard { .. } | Form::SignedLog { .. } => 0.0,
        }
    }

    /// The words for it.
    pub fn describe(&self) -> &'static str {
        match self.form {
            Form::None { .. } => "as it is",
            Form::Standard { .. } => "standardised",
            Form::SignedLog { .. } => "signed log, standardised",
        }
    }
}

/// A scale with limits for sorted numbers, whose moments those beyond the limits do not carry away; `None` if
/// the numbers are all equal.
fn fit(mut sorted: Vec<f64>, form: impl FnOnce(Moments) -> Form) -> Option<Scale> {
    let ends = limits(&sorted);
    if let Some((low, high)) = ends {
        sorted.iter_mut().for_each(|x| *x = x.clamp(low, high));
    }
    let moments = Moments::of(sorted.iter().copied());
    let Moments { mean, deviation } = moments;
    (deviation > 0.0 && deviation.is_finite()).then(|| Scale {
        form: form(moments),
        limits: ends.map(|(low, high)| Limits::new((low - mean) / deviation, (high - mean) / deviation)),
    })
}

fn signed_log(x: f64, center: f64, spread: f64) -> f64 {
    let d = x - center;
    (d.abs() / spread).ln_1p().copysign(d)
}

/// Mean and standard deviation of a sample; both zero if it is empty.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Moments {
    pub(super) mean: f64,
    pub(super) deviation: f64,
}

impl Moments {
    pub(super) fn of(values: impl Iterator<Item = f64> + Clone) -> Moments {
        let (n, sum) = values.clone().fold((0u64, 0.0), |(n, sum), x| (n + 1, sum + x));
        let mean = sum / n.max(1) as f64;
        let squares: f64 = values.map(|x| (x - mean) * (x - mean)).sum();
        Moments { mean, deviation: (squares / n.max(1) as f64).sqrt() }
    }

    /// The scale that leaves numbers as they are.
    pub(super) fn raw(self) -> Scale {
        Scale { form: Form::None { fill: self.mean }, limits: None }
    }
}

/// The numbers of a sample, sorted by [`f64::total_cmp`]: as whole numbers of the same order, which takes half the time.
pub(super) fn sorted(sample: &[f64]) -> Vec<f64> {
    // Of a negative number all bits but the sign are turned over, and so back again.
    let turn = |bits: i64| bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed();
    let mut keys: Vec<i64> = sample.iter().map(|x| turn(x.to_bits().cast_signed())).collect();
    keys.sort_unstable();
    keys.into_iter().map(|key| f64::from_bits(turn(key).cast_unsigned())).collect()
}

/// The value below which a share `q` of the sorted, non-empty sample lies.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * q).round() as usize]
}

/// Whether the sorted sample's tails are much longer than its middle: the outer 0.5% lie more than
/// ten times as far from the median as the quartile on their side (a normal sample: 3.8 times; an
/// exponential one: 7).
pub(super) fn is_heavy_tailed(sorted: &[f64]) -> bool {
    if sorted.len() < 100 {
        return false;
    }
    let at = |q| quantile(sorted, q);
    let middle = at(0.5);
    let heavy = |outer: f64, quartile: f64| (outer - middle).abs() > 10.0 * (quartile - middle).abs();
    let quartiles = at(0.75) - at(0.25);
    quartiles > 0.0
        && (heavy(at(0.995), middle + (at(0.75) - middle).max(0.25 * quartiles))
            || heavy(at(0.005), middle - (middle - at(0.25)).max(0.25 * quartiles)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scales_do_not_depend_on_unit_and_origin() {
        let sample: Vec<f64> = (0..1000).map(|i| (f64::from(i) / 80.0).exp()).collect();
        let moved: Vec<f64> = sample.iter().map(|x| x * 1e-6 + 1e4).collect();
        assert!(is_heavy_tailed(&sample) && is_heavy_tailed(&moved));
        let (a, b) = (Scale::signed_log(&sample).unwrap(), Scale::signed_log(&moved).unwrap());
        let features = |scale: &Scale, numbers: &[f64]| {
            let (origin, factor) = scale.linear_step();
            let mut features: Vec<f32> = numbers.iter().map(|x| ((x - origin) * factor) as f32).collect();
            scale.features(&mut features, f32::NAN);
            assert!(features.iter().all(|feature| !feature.is_nan()));
            features
        };
        for (x, y) in features(&a, &sample).iter().zip(features(&b, &moved)) {
            assert!((x - y).abs() < 1e-3);
        }
    }

    proptest! {
        #[test]
        fn samples_are_sorted_as_numbers_are(sample in prop::collection::vec(prop::num::f64::ANY, 0..50)) {
            let mut expected = sample.clone();
            expected.sort_by(f64::total_cmp);
            let bits = |numbers: &[f64]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&sorted(&sample)), bits(&expected));
        }
    }

    #[test]
    fn a_straight_or_bell_shaped_sample_is_not_heavy_tailed() {
        let uniform: Vec<f64> = (0..1000).map(f64::from).collect();
        assert!(!is_heavy_tailed(&uniform));
        assert_eq!(Scale::standard(&[3.0; 10]), Moments { mean: 3.0, deviation: 0.0 }.raw());
        assert_eq!(Scale::signed_log(&[3.0; 10]), None);
    }
}
