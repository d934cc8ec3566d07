//! Escapes in strings: `\n`, `\u00e9`, `\ud83d\ude00`.

use crate::error::{Error, Result};

/// Puts a string without its escapes in the place of `plain`.
pub(super) fn unescape(raw: &str, plain: &mut String) -> Result<()> {
    plain.clear();
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let kind = after.chars().next().ok_or_else(|| fault(after))?;
        rest = &after[kind.len_utf8()..];
        plain.push(match kind {
            '"' | '\\' | '/' => kind,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (character, behind) = unicode(rest).ok_or_else(|| fault(after))?;
                rest = behind;
                character
            }
            _ => return Err(fault(after)),
        });
    }
    plain.push_str(rest);
    Ok(())
}

/// The character of `00e9` or `d83d\ude00`, and what comes after it. Half of a pair of surrogates,
/// which is no character, becomes the character that stands for those that can't be shown.
fn unicode(text: &str) -> Option<(char, &str)> {
    let (first, rest) = hex(text)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, rest));
    }
    if first < 0xdc00
        && let Some((second, behind)) = rest.strip_prefix("\\u").and_then(hex)
        && (0xdc00..0xe000).contains(&second)
    {
        let character = char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
        return Some((character?, behind));
    }
    Some((char::REPLACEMENT_CHARACTER, rest))
}

fn hex(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    Some((u32::from_str_radix(digits, 16).ok().filter(|_| all_digits)?, rest))
}

fn fault(after: &str) -> Error {
    let shown: String = after.chars().take(5).collect();
    Error::data(format!("found the escape \\{shown}, which JSON doesn't know")).remedy("double the backslash")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        let mut plain = String::new();
        for (raw, expected) in [
            (r#"a\"b\\c\/\b\f\n\r\t"#, "a\"b\\c/\u{8}\u{c}\n\r\t"),
            (r"\u00e9\u20AC", "é€"),
            (r"\ud83d\ude00!", "😀!"),
            (r"\ud83dx", "\u{fffd}x"),
            (r"\ud83d\u0041", "\u{fffd}A"),
            (r"\ude00", "\u{fffd}"),
        ] {
            unescape(raw, &mut plain).unwrap();
            assert_eq!(plain, expected);
        }
        for raw in [r"\x", r"\u12", r"\u+123", r"\é", "\\"] {
            assert!(unescape(raw, &mut plain).is_err(), "{raw}");
        }
    }
}
