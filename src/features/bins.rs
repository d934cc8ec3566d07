//! Bins: a number's range as a category.

/// Quantiles of a sample that are kept, from the least to the greatest value.
const QUANTILES: usize = 120;
/// Most different values that are kept as well, where there are no more.
const MOST_LEVELS: usize = 64;
/// Bins where the user names no number.
pub(crate) const DEFAULT_BINS: usize = 20;
/// Most bins.
pub(crate) const MOST_BINS: usize = 60;

/// The code of a missing number; the bins follow.
use super::vocabulary::MISSING;

/// Evenly spaced quantiles of a sorted sample.
pub(super) fn quantiles(sorted: &[f64]) -> Vec<f64> {
    let Some(last) = sorted.len().checked_sub(1) else { return Vec::new() };
    // Minus zero is zero.
    (0..=QUANTILES).map(|k| sorted[k * last / QUANTILES] + 0.0).collect()
}

/// The different values of a sorted sample, if there are few.
pub(super) fn levels(sorted: &[f64]) -> Vec<f64> {
    let mut levels = Vec::new();
    for &x in sorted {
        if levels.last() != Some(&x) {
            levels.push(x + 0.0);
        }
        if levels.len() > MOST_LEVELS {
            return Vec::new();
        }
    }
    levels
}

/// Where `bins` bins of about equally many rows meet; each edge belongs to the bin above it. Equal edges
/// are merged, and each is the shortest number that divides the sample about so.
pub(super) fn edges(quantiles: &[f64], levels: &[f64], bins: usize) -> Vec<f64> {
    if (1..=bins).contains(&levels.len()) {
        return levels[1..].to_vec();
    }
    if quantiles.is_empty() {
        return Vec::new();
    }
    let place = |k: usize| k * QUANTILES / bins;
    let mut edges: Vec<f64> = Vec::new();
    for k in 1..=bins {
        let (before, x) = (quantiles[place(k - 1)], quantiles[place(k)]);
        if let Some(&lower) = quantiles.iter().rev().find(|&&lower| lower < x).filter(|_| k < bins) {
            // Few rows change their bin by the rounding.
            edges.push(shortest_between(x - 0.25 * (x - lower), x));
        }
        // A value that fills a bin has it for itself.
        if let Some(&upper) = quantiles.iter().find(|&&upper| upper > x).filter(|_| before == x) {
            edges.push(shortest_between(x, upper));
        }
    }
    edges.sort_by(f64::total_cmp);
    edges.dedup();
    edges
}

/// The number with the fewest digits that is greater than `lower` and at most `upper`.
fn shortest_between(lower: f64, upper: f64) -> f64 {
    // What has as many decimals as tell the two apart; f64 has 17 digits.
    let first = -(upper - lower).log10().ceil() as i32;
    (first..first + 18)
        .map(|decimals| {
            let unit = 10f64.powi(-decimals);
            // Reading the digits gives the number that they stand for, which a product might miss.
            let rounded = (upper / unit).floor();
            if decimals >= 0 {
                format!("{rounded}e-{decimals}").parse().unwrap_or(upper)
            } else {
                rounded * unit.round()
            }
        })
        .find(|&x: &f64| lower < x && x <= upper)
        .unwrap_or(upper)
}

/// The code of a number.
#[inline]
pub(super) fn code(edges: &[f64], x: Option<f64>) -> u32 {
    match x {
        // As elsewhere, what is no feature is missing.
        Some(x) if (x as f32).is_finite() => 1 + edges.partition_point(|&edge| edge <= x) as u32,
        _ => MISSING,
    }
}

/// The names of the bins of a column.
pub(super) fn names(column: &str, edges: &[f64]) -> Vec<String> {
    let (Some(first), Some(last)) = (edges.first(), edges.last()) else {
        return vec![format!("{column} is there")];
    };
    let between = edges.windows(2).map(|pair| format!("{column} in {}..{}", pair[0], pair[1]));
    std::iter::once(format!("{column} below {first}"))
        .chain(between)
        .chain([format!("{column} from {last}")])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges_of(mut sample: Vec<f64>, bins: usize) -> Vec<f64> {
        sample.sort_by(f64::total_cmp);
        edges(&quantiles(&sample), &levels(&sample), bins)
    }

    #[test]
    fn bins_hold_about_equally_many_and_their_edges_are_short() {
        let sample: Vec<f64> = (0..10_000).map(|i| f64::from(i) * 0.007_310_1 + 17.3).collect();
        let edges = edges_of(sample.clone(), 10);
        assert_eq!(edges, [24.6, 31.9, 39.2, 46.5, 53.8, 61.1, 68.4, 75.7, 83.0]);
        let mut counts = [0; 11];
        sample.iter().for_each(|&x| counts[code(&edges, Some(x)) as usize] += 1);
        assert!(counts[1..].iter().all(|&n| (850..1150).contains(&n)), "{counts:?}");
        assert_eq!(names("age", &edges)[..2], ["age below 24.6", "age in 24.6..31.9"]);
        assert_eq!(names("age", &edges)[9], "age from 83");
    }

    #[test]
    fn equal_edges_are_merged_and_few_values_have_a_bin_each() {
        let zeros = (0..1000).map(|i| if i < 700 { 0.0 } else { f64::from(i) }).collect();
        let edges = edges_of(zeros, 10);
        assert_eq!(edges.len(), 3, "{edges:?}");
        assert_eq!(edges_of(vec![3.0, 1.0, 2.0, 1.0, -0.0], 10), [1.0, 2.0, 3.0]);
        assert!(edges_of(vec![5.0; 9], 10).is_empty() && edges_of(vec![], 10).is_empty());
        assert_eq!(names("x", &[]), ["x is there"]);
        // A rare value above a common one.
        let rare = (0..1000).map(|i| f64::from(u8::from(i == 7))).collect();
        assert_eq!(edges_of(rare, 10), [1.0]);
    }

    #[test]
    fn what_is_no_number_is_missing() {
        let codes = [None, Some(f64::NAN), Some(f64::INFINITY), Some(1e300)].map(|x| code(&[1.0], x));
        assert_eq!(codes, [MISSING; 4]);
        assert_eq!([0.9, 1.0, -1e30].map(|x| code(&[1.0], Some(x))), [1, 2, 1]);
    }

    #[test]
    fn edges_lie_between_the_quantiles_at_any_size() {
        for (lower, upper) in
            [(0.0, 1e-9), (1e4, 1e4 + 3e-6), (-5.2, -5.1), (1e20, 3e20), (-1.0, 0.0), (7.0, 8.0)]
        {
            let edge = shortest_between(lower, upper);
            assert!(lower < edge && edge <= upper, "{lower} {edge} {upper}");
        }
        assert_eq!(shortest_between(23.41, 23.517_2), 23.5);
        assert_eq!(shortest_between(1e20, 3e20), 3e20);
        assert_eq!(shortest_between(18_700.0, 19_400.0), 19_000.0);
    }
}
