//! Scores: a histogram of margins by class, from which everything follows that needs rows in the order of
//! their margins.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::report::CalibrationGroup;

/// Margins of rows of two classes, sorted into bins of 0.4% to 0.8% relative width: memory is bounded,
/// whatever the rows. Rows of one bin count as rows of equal margins.
#[derive(Debug, Clone)]
pub(super) struct Scores {
    bins: Vec<Bin>,
    /// For each sign and exponent whether there are rows in its bins: to write these down need not take a look at all.
    used: Vec<bool>,
}

/// Weight of the negative rows, weight of the positive rows, sum of the weighted probabilities, number of
/// rows: two vectors of two, so that a row costs two additions.
type Bin = [f64; 4];

/// A bin is the upper bits of a score's order-preserving bit pattern: sign, exponent, 7 of mantissa.
const BIN_BITS: u32 = 16;
/// Those of a sign and an exponent.
const EXPONENT_BITS: u32 = 9;
/// Bins of each.
const BINS_OF_EXPONENT: usize = 1 << (BIN_BITS - EXPONENT_BITS);

/// The bin of 0, and of positive numbers below the smallest normal one.
const ZERO: usize = 1 << (BIN_BITS - 1);

/// Groups of rows that calibration looks at.
const GROUPS: f64 = 10.0;

impl Scores {
    pub(super) fn new() -> Self {
        Scores { bins: vec![[0.0; 4]; 1 << BIN_BITS], used: vec![false; 1 << EXPONENT_BITS] }
    }

    /// Adds a row.
    #[inline(always)]
    pub(super) fn add(&mut self, score: f32, probability: f64, label: f64, weight: f64) {
        // Adding 0 makes one of the two zeros.
        let bits = (score + 0.0).to_bits();
        let ordered = bits ^ (((bits as i32 >> 31) as u32) | 1 << 31);
        self.used[(ordered >> (32 - EXPONENT_BITS)) as usize] = true;
        let bin = &mut self.bins[(ordered >> (32 - BIN_BITS)) as usize];
        let row = [weight * (1.0 - label), weight * label, weight * probability, 1.0];
        for i in 0..4 {
            bin[i] += row[i];
        }
    }

    /// Weights of the rows by class and by decision, which is for the positive class where the score is
    /// above 0.
    pub(super) fn confusion(&self) -> [[f64; 2]; 2] {
        let sum = |bins: &[Bin]| {
            bins.iter().fold([0.0; 2], |sum, [negative, positive, ..]| [sum[0] + negative, sum[1] + positive])
        };
        let (below, above) = (sum(&self.bins[..=ZERO]), sum(&self.bins[ZERO + 1..]));
        [[below[0], above[0]], [below[1], above[1]]]
    }

    /// The area under the ROC curve, ties counted half, and the most by which binning can have moved it.
    pub(super) fn auc(&self) -> Option<(f64, f64)> {
        let (mut below, mut pairs, mut ties) = ([0.0, 0.0], 0.0, 0.0);
        for [negative, positive, ..] in &self.bins {
            pairs += positive * (below[0] + 0.5 * negative);
            ties += positive * negative;
            below = [below[0] + negative, below[1] + positive];
        }
        let all = below[0] * below[1];
        (all > 0.0).then(|| (pairs / all, 0.5 * ties / all))
    }

    /// The average precision, and the most by which binning can have moved it.
    ///
    /// In a bin precision goes from one value to another as its rows are passed. It is highest throughout
    /// if the positive rows come first, and lowest if the negative ones do: then it rises while positive rows
    /// are passed, ever more slowly, so its mean is at least that of its ends.
    pub(super) fn average_precision(&self) -> Option<(f64, f64)> {
        let precision = |hits: f64, misses: f64| if misses > 0.0 { hits / (hits + misses) } else { 1.0 };
        let (mut hits, mut misses) = (0.0, 0.0);
        let (mut least, mut sum, mut most) = (0.0, 0.0, 0.0);
        for [negative, positive, ..] in self.bins.iter().rev() {
            let (before, missed) = (hits, misses);
            hits += positive;
            misses += negative;
            if *positive > 0.0 {
                let after = precision(hits, misses);
                sum += positive * after;
                most += positive * precision(hits, missed);
                least += positive * 0.5 * (precision(before, misses) + after);
            }
        }
        (hits > 0.0).then(|| (sum / hits, (most - sum).max(sum - least) / hits))
    }

    /// Groups of rows by rising probability. A group ends with the bin in which the next tenth of the weight
    /// is complete; one bin of more than a tenth makes them fewer.
    pub(super) fn calibration(&self) -> Vec<CalibrationGroup> {
        let weight = |bin: &Bin| bin[0] + bin[1];
        let total: f64 = self.bins.iter().map(weight).sum();
        let (mut groups, mut group, mut seen, mut tenths) = (Vec::new(), [0.0; 4], 0.0, 1.0);
        for bin in self.bins.iter().filter(|bin| bin[3] > 0.0) {
            for i in 0..4 {
                group[i] += bin[i];
            }
            seen += weight(bin);
            if GROUPS * seen >= tenths * total && weight(&group) > 0.0 {
                groups.push(CalibrationGroup {
                    rows: group[3] as u64,
                    weight: weight(&group),
                    predicted: group[2] / weight(&group),
                    observed: group[1] / weight(&group),
                });
                group = [0.0; 4];
                tenths = (GROUPS * seen / total).floor() + 1.0;
            }
        }
        groups
    }
}

/// Most bins are empty: the others are written with their numbers.
impl Serialize for Scores {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let numbered = (0u32..).step_by(BINS_OF_EXPONENT).zip(self.bins.chunks_exact(BINS_OF_EXPONENT));
        let used = numbered.zip(&self.used).filter(|(_, used)| **used);
        let bins = used.flat_map(|((first, bins), _)| (first..).zip(bins));
        serializer.collect_seq(bins.filter(|(_, bin)| **bin != [0.0; 4]))
    }
}

impl<'de> Deserialize<'de> for Scores {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut scores = Scores::new();
        for (number, bin) in Vec::<(u32, Bin)>::deserialize(deserializer)? {
            let place = scores.bins.get_mut(number as usize);
            *place.ok_or_else(|| serde::de::Error::custom("a score beyond all bins"))? = bin;
            scores.used[number as usize / BINS_OF_EXPONENT] = true;
        }
        Ok(scores)
    }
}
