//! Numbers of few digits, all digits at once.

/// The number that the first `len` bytes of a word say, eight at the most; 0 for no bytes. `None` if
/// they aren't digits with or without a minus sign.
#[inline(always)]
pub(super) fn short_integer(word: [u8; 8], len: usize) -> Option<i64> {
    /// For each length the bits that the digits are shifted by, so that the last is the highest byte, and
    /// zeros for those that are there.
    const SHIFTS: [(u32, u64); 9] = {
        let mut shifts = [(63, 0); 9];
        let mut len = 1;
        while len <= 8 {
            let shift = 64 - 8 * len as u32;
            shifts[len] = (shift, 0x3030_3030_3030_3030 << shift);
            len += 1;
        }
        shifts
    };
    let minus = usize::from(word[0] == b'-' && len > 1);
    let (shift, zeros) = SHIFTS[len - minus];
    let word = (u64::from_le_bytes(word) >> (8 * minus)) << shift;
    // Of no bytes, one bit would be left.
    let digits = if len == 0 { 0 } else { word ^ zeros };
    // Anything but a digit has its upper half set now, or reaches it when 6 is added.
    if (digits | digits.wrapping_add(0x0606_0606_0606_0606)) & 0xf0f0_f0f0_f0f0_f0f0 != 0 {
        return None;
    }
    // Digits to pairs to fours to the number, the first digit being in the lowest byte.
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    let number = ((fours * 10_000 + (fours >> 32)) & 0xffff_ffff).cast_signed();
    Some(if minus == 1 { -number } else { number })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, behind: [u8; 8]) {
        let mut word = behind;
        word[..text.len()].copy_from_slice(text.as_bytes());
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let expected = if text.is_empty() { Some(0) } else { text.parse().ok().filter(|_| is_number) };
        assert_eq!(short_integer(word, text.len()), expected, "{text:?} before {behind:?}");
    }

    #[test]
    fn every_byte_that_is_no_digit() {
        for byte in 0..=127u8 {
            for at in 0..8 {
                let mut text = *b"12345678";
                text[at] = byte;
                check(std::str::from_utf8(&text).unwrap(), [0; 8]);
            }
        }
        for high in 128..=255u8 {
            assert_eq!(short_integer([b'1', high, b'2', b'3', 0, 0, 0, 0], 4), None);
        }
        for text in ["", "-", "0", "-0", "--1", "99999999", "-9999999"] {
            check(text, *b"99999999");
        }
    }

    proptest! {
        #[test]
        fn like_the_library(text in "-?[0-9]{0,7}|[0-9:/.+-]{0,8}", behind: [u8; 8]) {
            check(&text, behind);
        }
    }
}
