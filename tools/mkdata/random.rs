//! Random numbers: one stream per block of rows, hashes that stand in for tables, and a power law
//! that is drawn in constant time.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The generator of all rows: its output is fixed by its definition, not by a library's version.
pub(crate) type Stream = ChaCha8Rng;

/// The stream of random numbers number `number` under `seed`.
pub(crate) fn stream(seed: u64, number: u64) -> Stream {
    let mut stream = Stream::seed_from_u64(seed);
    stream.set_stream(number);
    stream
}

/// Scatters 64 bits (the finaliser of SplitMix64).
pub(crate) fn mix64(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Scatters 32 bits, one to one (the finaliser of MurmurHash3): different ranks never collide.
pub(crate) fn mix32(x: u32) -> u32 {
    let x = (x ^ (x >> 16)).wrapping_mul(0x85eb_ca6b);
    let x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}

/// A key of its own for column `number` under `seed`.
pub(crate) fn column_key(seed: u64, number: usize) -> u64 {
    mix64(mix64(seed).wrapping_add((number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// A nearly normal deviate (mean 0, variance 1, never beyond 3.47) that is a function of `bits`:
/// the sum of four uniform numbers. Exact, quick, and close enough for an effect.
pub(crate) fn deviate(bits: u64) -> f64 {
    let sum: u64 = (0..4).map(|i| (bits >> (16 * i)) & 0xffff).sum();
    (sum as f64 - 131_070.0) / 65_536.0 * 3f64.sqrt()
}

/// Ranks 0, 1, .. with frequencies near `(rank + 1)^-exponent`: the continuous power law, rounded
/// down. Unlike Zipf's law proper it needs no rejection: one uniform number, at most one power.
pub(crate) struct PowerLaw {
    span: f64,
    power: f64,
    last: u32,
    /// For each of so many equal shares of the draws: the rank, if it is the same all over the share.
    /// The most frequent ranks, half of the draws or more, are found here without taking a power.
    shares: [Option<u32>; SHARES],
}

const SHARES: usize = 1024;

impl PowerLaw {
    /// The law over `count` ranks; `exponent` must not be 1.
    pub(crate) fn new(count: u32, exponent: f64) -> PowerLaw {
        let span = (f64::from(count) + 1.0).powf(1.0 - exponent) - 1.0;
        let mut law =
            PowerLaw { span, power: 1.0 / (1.0 - exponent), last: count - 1, shares: [None; SHARES] };
        law.shares = std::array::from_fn(|share| {
            let [first, last] = [share, share + 1].map(|edge| law.inverse(edge as f64 / SHARES as f64));
            (first == last).then_some(first)
        });
        law
    }

    /// The rank at `u`, from 0 up to 1, of all draws.
    pub(crate) fn rank(&self, u: f64) -> u32 {
        self.shares[(u * SHARES as f64) as usize].unwrap_or_else(|| self.inverse(u))
    }

    fn inverse(&self, u: f64) -> u32 {
        ((1.0 + u * self.span).powf(self.power) as u32 - 1).min(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_stay_in_range_and_thin_out() {
        let law = PowerLaw::new(1000, 1.1);
        assert_eq!(law.rank(0.0), 0);
        assert_eq!(law.rank(1.0 - 1e-12), 999);
        let mut seen = [0; 1000];
        (0..100_000).for_each(|i| seen[law.rank(f64::from(i) / 1e5) as usize] += 1);
        assert!(seen[0] > seen[1] && seen[1] > seen[10] && seen[10] > seen[900]);
        assert!(seen.iter().all(|&n| n > 0));
    }

    #[test]
    fn deviates_are_standard() {
        let n = 100_000;
        let draws: Vec<f64> = (0..n).map(|i| deviate(mix64(i))).collect();
        let mean = draws.iter().sum::<f64>() / n as f64;
        let variance = draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / n as f64;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }
}
