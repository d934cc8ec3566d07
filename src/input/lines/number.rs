//! Decimal numbers: the nearest float of a text, quickly for the short ones that most are.

static POWERS: [f64; 20] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19,
];

/// What numbers of up to eight digits are multiplied by when as many more follow.
static SCALES: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// The decimal number without an exponent that begins at `at`, and where it ends; `None` if there is
/// none, or if both its digits and the power of ten are not exact as floats (where they are, their
/// quotient is the nearest float).
#[inline]
pub(in crate::input) fn decimal(text: &[u8], at: usize) -> Option<(f64, usize)> {
    let negative = text.get(at) == Some(&b'-');
    let first = at + usize::from(negative);
    // Most numbers have one digit before the point, if any other at all.
    let digit = text.get(first)?.wrapping_sub(b'0');
    let (mut digits, mut end) = if digit < 10 { (u64::from(digit), first + 1) } else { (0, first) };
    if matches!(text.get(end), Some(b'0'..=b'9')) {
        scan(text, &mut end, &mut digits);
    }
    let mut count = end - first;
    let mut decimals = 0;
    if text.get(end) == Some(&b'.') {
        let point = end;
        end += 1;
        scan(text, &mut end, &mut digits);
        decimals = end - point - 1;
        count += decimals;
    }
    // Of more digits the sum may have overflown.
    if count == 0 || count > 19 || digits > 1 << 53 {
        return None;
    }
    let number = if decimals == 0 { digits as f64 } else { digits as f64 / POWERS[decimals] };
    Some((if negative { -number } else { number }, end))
}

/// Appends the digits that begin at `at`, which moves behind them; eight at once where so much text is left.
#[inline]
fn scan(text: &[u8], at: &mut usize, digits: &mut u64) {
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    while let Some(chunk) = text.get(*at..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*chunk) ^ ZEROS;
        // The top bit of each byte that is above 9; what carries over reaches only bytes behind one.
        let others = (word.wrapping_add(0x7676_7676_7676_7676) | word) & 0x8080_8080_8080_8080;
        let count = others.trailing_zeros() / 8;
        if count == 0 {
            return;
        }
        *digits =
            digits.wrapping_mul(SCALES[count as usize]).wrapping_add(eight_digits(word << (64 - 8 * count)));
        *at += count as usize;
        if count < 8 {
            return;
        }
    }
    while let Some(digit) = text.get(*at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        *digits = digits.wrapping_mul(10).wrapping_add(u64::from(digit));
        *at += 1;
    }
}

/// The number whose decimal digits are the bytes, the lowest byte first: adds up neighbours to numbers of
/// two digits, these to numbers of four, and those.
#[inline]
fn eight_digits(word: u64) -> u64 {
    const PAIRS: u64 = 0x0000_00ff_0000_00ff;
    let pairs = word.wrapping_mul(10).wrapping_add(word >> 8);
    let high = (pairs & PAIRS).wrapping_mul(100 + (1_000_000 << 32));
    let low = ((pairs >> 16) & PAIRS).wrapping_mul(1 + (10_000 << 32));
    high.wrapping_add(low) >> 32
}

/// The whole number that begins at `at`, of ten digits at the most, and where it ends.
#[inline]
pub(in crate::input) fn digits(text: &[u8], at: usize) -> Option<(u64, usize)> {
    let (mut number, mut end) = (0, at);
    scan(text, &mut end, &mut number);
    (end > at && end - at <= 10).then_some((number, end))
}

/// All of a text as a number, infinity and NaN included.
#[inline]
pub(in crate::input) fn float(text: &[u8]) -> Option<f64> {
    match decimal(text, 0) {
        Some((number, end)) if end == text.len() => Some(number),
        _ => std::str::from_utf8(text).ok()?.parse().ok(),
    }
}

/// All of a text as a finite number of 32 bits.
#[inline]
pub(in crate::input) fn float32(text: &[u8]) -> Option<f32> {
    match decimal(text, 0) {
        Some((number, end)) if end == text.len() && narrow(number).is_some() => narrow(number),
        _ => std::str::from_utf8(text).ok()?.parse().ok().filter(|number: &f32| number.is_finite()),
    }
}

/// The nearest float of 32 bits to a number whose nearest float of 64 bits is given, unless that lies
/// in the middle between two: the number itself decides then.
#[inline]
pub(in crate::input) fn narrow(number: f64) -> Option<f32> {
    const DROPPED: u64 = (1 << 29) - 1;
    (number.to_bits() & DROPPED != 1 << 28).then_some(number as f32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_end_where_other_text_begins() {
        assert_eq!(decimal(b"3:-0.5 4:1", 2), Some((-0.5, 6)));
        assert_eq!(decimal(b"7", 0), Some((7.0, 1)));
        for text in ["", "-", ".", "x", "123456789012345678901"] {
            assert_eq!(decimal(text.as_bytes(), 0), None, "{text}");
        }
        assert_eq!(float(b"-1e3"), Some(-1000.0));
        assert_eq!(float(b"+7"), Some(7.0));
        assert_eq!(float(b"1 2"), None);
        assert_eq!(float32(b"1e39"), None);
        assert_eq!(float32(b"nan"), None);
    }

    #[test]
    fn a_number_just_above_the_middle_of_two_floats_goes_up() {
        // 2^24 + 1 lies in the middle, and goes down to the even one.
        assert_eq!(float32(b"16777217"), Some(16_777_216.0));
        assert_eq!(float32(b"16777217.00000000001"), Some(16_777_218.0));
    }

    proptest! {
        #[test]
        fn decimals_are_the_nearest_float(text in "-?[0-9]{0,12}\\.?[0-9]{0,9}") {
            if let Some((number, end)) = decimal(text.as_bytes(), 0) {
                prop_assert_eq!(end, text.len());
                prop_assert_eq!(number.to_bits(), text.parse::<f64>().unwrap().to_bits());
                prop_assert_eq!(float32(text.as_bytes()).unwrap().to_bits(), text.parse::<f32>().unwrap().to_bits());
            }
        }

        #[test]
        fn digits_end_where_others_begin(number in 0u64..10_000_000_000, rest in "[^0-9].{0,9}") {
            let text = format!("{number}{rest}");
            prop_assert_eq!(digits(text.as_bytes(), 0), Some((number, number.to_string().len())));
            prop_assert_eq!(digits(number.to_string().as_bytes(), 0), Some((number, number.to_string().len())));
            prop_assert_eq!(digits(rest.as_bytes(), 0), None);
        }

        #[test]
        fn floats_are_read_as_they_were_written(bits in any::<u32>()) {
            let number = f32::from_bits(bits);
            prop_assume!(number.is_finite());
            prop_assert_eq!(float32(format!("{number}").as_bytes()).unwrap().to_bits(), bits);
            prop_assert_eq!(float32(format!("{number:e}").as_bytes()).unwrap().to_bits(), bits);
        }
    }
}
