//! Sizes in bytes, as people write them.

/// Parses `512MB`, `1.5GiB`, `64k` or a number of bytes. Units are powers of 1024, with or without the
/// `i`: memory is meant.
///
/// # Errors
/// If it is none of these; the text says what was expected.
pub fn parse(text: &str) -> Result<usize, String> {
    let fault = || format!("expected a size such as 512MB or 4GB, found {text:?}");
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].parse().map_err(|_| fault())?;
    let unit = text[digits..].trim().to_ascii_lowercase();
    let power = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return Err(fault()),
    };
    let bytes = number * 1024f64.powi(power);
    if bytes >= 1.0 && bytes < 2f64.powi(62) { Ok(bytes as usize) } else { Err(fault()) }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(parse("512MB"), Ok(512 << 20));
        assert_eq!(parse("1.5 GiB"), Ok(3 << 29));
        assert_eq!(parse("64k"), Ok(64 << 10));
        assert_eq!(parse("1000"), Ok(1000));
        for bad in ["", "MB", "-1", "5 parsecs", "0", "1e99"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
