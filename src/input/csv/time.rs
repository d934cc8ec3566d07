//! Dates and times as ISO 8601 writes them: `2011-01-31`, `2011-01-31 13:00:05.25`, with a `T` in
//! between, with `Z` or an offset at the end.

use super::value::{Value, parsed};

const SECOND: i64 = 1_000_000;

/// Microseconds since 1970, in UTC where the cell names an offset and as written otherwise.
pub(super) fn time(cell: &[u8]) -> Value<i64> {
    parsed(cell, |text| iso(text.as_bytes()))
}

/// A text of nothing but a date or time.
pub(in crate::input) fn iso(text: &[u8]) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    if date[4] != b'-' || date[7] != b'-' {
        return None;
    }
    let midnight = days(digits(&date[..4])?, digits(&date[5..7])?, digits(&date[8..])?)? * 86_400 * SECOND;
    let [b'T' | b't' | b' ', clock @ ..] = rest else {
        return rest.is_empty().then_some(midnight);
    };
    let (hours_minutes, mut rest) = clock.split_at_checked(5)?;
    let [hours, minutes] = pair(hours_minutes)?;
    let mut time = midnight + (within(hours, 23)? * 60 + within(minutes, 59)?) * 60 * SECOND;
    if let [b':', tens, ones, after @ ..] = rest {
        time += within(digits(&[*tens, *ones])?, 59)? * SECOND;
        rest = after;
        if let [b'.' | b',', after @ ..] = rest {
            let length = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (decimals, after) = after.split_at(length);
            time += micros(decimals)?;
            rest = after;
        }
    }
    Some(time - offset(rest.strip_prefix(b" ").unwrap_or(rest))? * 60 * SECOND)
}

/// Minutes east of Greenwich.
fn offset(text: &[u8]) -> Option<i64> {
    let (sign, text) = match text {
        [] | [b'Z' | b'z'] => return Some(0),
        [b'+', text @ ..] => (1, text),
        [b'-', text @ ..] => (-1, text),
        _ => return None,
    };
    let [hours, minutes] = match text {
        [_, _] => [digits(text)?, 0],
        [h, hh, m, mm] => [digits(&[*h, *hh])?, digits(&[*m, *mm])?],
        _ => pair(text)?,
    };
    Some(sign * (within(hours, 23)? * 60 + within(minutes, 59)?))
}

/// `12:34`.
fn pair(text: &[u8]) -> Option<[i64; 2]> {
    match text {
        [h, hh, b':', m, mm] => Some([digits(&[*h, *hh])?, digits(&[*m, *mm])?]),
        _ => None,
    }
}

/// The decimals of a second; what is finer than a microsecond is cut off.
fn micros(decimals: &[u8]) -> Option<i64> {
    let kept = &decimals[..decimals.len().min(6)];
    let scale = 10i64.pow(6 - kept.len() as u32);
    (!kept.is_empty()).then_some(digits(kept)? * scale)
}

fn digits(text: &[u8]) -> Option<i64> {
    let digit = |number: i64, byte: &u8| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0'));
    text.iter().try_fold(0, digit)
}

fn within(number: i64, most: i64) -> Option<i64> {
    (number <= most).then_some(number)
}

/// Days since 1970 in the Gregorian calendar, which begins the year in March so that the leap day
/// comes last (see Howard Hinnant, "chrono-compatible low-level date algorithms").
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times() {
        // Seconds as `date -u -d ... +%s` gives them.
        for (cell, seconds, micros) in [
            ("1970-01-01", 0, 0),
            (" 2011-01-01 ", 1_293_840_000, 0),
            ("2011-01-01 13:00:05.25", 1_293_886_805, 250_000),
            ("2011-01-01T13:00", 1_293_886_800, 0),
            ("2000-02-29T23:59:59.1234567Z", 951_868_799, 123_456),
            ("1900-03-01", -2_203_891_200, 0),
            ("0001-01-01", -62_135_596_800, 0),
            ("9999-12-31", 253_402_214_400, 0),
            ("2011-01-01T13:00:00+02:00", 1_293_879_600, 0),
            ("2011-01-01 13:00:00 -0530", 1_293_906_600, 0),
            ("2011-01-01T13:00:00+02", 1_293_879_600, 0),
        ] {
            assert_eq!(time(cell.as_bytes()), Value::Is(seconds * SECOND + micros), "{cell}");
        }
    }

    #[test]
    fn what_is_no_time() {
        for cell in [
            "2011",
            "2011-1-1",
            "2011-13-01",
            "2011-02-29",
            "1900-02-29",
            "2011-04-31",
            "2011-01-00",
            "20110101",
            "2011-01-01x",
            "2011-01-01 24:00",
            "2011-01-01 12",
            "2011-01-01 12:00:60",
            "2011-01-01 12:00:00.",
            "2011-01-01 12:00:00+2",
            "2011-01-01 12:00 UTC",
            "01/02/2011",
            "2011-01-01 é",
        ] {
            assert_eq!(time(cell.as_bytes()), Value::Not, "{cell}");
        }
        assert_eq!(time(b"NULL"), Value::Missing);
    }
}
