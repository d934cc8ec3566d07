//! Tokens: a text's words, lower-cased, and its runs of punctuation.

/// A text cut into tokens. The buffers are used again for the next text.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// The tokens with a space between two, so that n-grams lie in one piece.
    joined: String,
    /// Where each token lies.
    spans: Vec<(usize, usize)>,
    last: Last,
    characters: u32,
    digits: u32,
    capitals: u32,
    marks: u32,
}

/// What the last token can go on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Last {
    #[default]
    Nothing,
    Word,
    /// More of the same character, so many times.
    Mark(char, u32),
}

/// Longer runs of one mark are not told apart: `!!!!!` is `!!!`.
const LONGEST_RUN: u32 = 3;

/// Numbers that say how a text is written: see [`Tokens::style`].
pub(super) const STYLE: [&str; 4] = ["length", "digits", "capitals", "marks"];

impl Tokens {
    /// Takes in another text; what is no UTF-8 counts as U+FFFD.
    pub(super) fn read(&mut self, text: &[u8]) {
        self.joined.clear();
        self.spans.clear();
        (self.characters, self.digits, self.capitals, self.marks) = (0, 0, 0, 0);
        self.last = Last::Nothing;
        for part in text.utf8_chunks() {
            let mut rest = part.valid();
            while let Some(c) = rest.chars().next() {
                let run = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
                if run > 0 {
                    self.take_ascii(&rest[..run]);
                    rest = &rest[run..];
                } else {
                    self.take(c);
                    rest = &rest[c.len_utf8()..];
                }
            }
            if !part.invalid().is_empty() {
                self.take(char::REPLACEMENT_CHARACTER);
            }
        }
    }

    /// Takes in letters and digits as most texts have them, all at once.
    fn take_ascii(&mut self, run: &str) {
        self.characters += run.len() as u32;
        self.digits += run.bytes().filter(u8::is_ascii_digit).count() as u32;
        self.capitals += run.bytes().filter(u8::is_ascii_uppercase).count() as u32;
        if self.last != Last::Word {
            self.start();
            self.last = Last::Word;
        }
        let start = self.joined.len();
        self.joined.push_str(run);
        self.joined[start..].make_ascii_lowercase();
        self.end();
    }

    fn take(&mut self, c: char) {
        self.characters += 1;
        if c.is_alphanumeric() {
            self.digits += u32::from(c.is_numeric());
            self.capitals += u32::from(c.is_uppercase());
            if self.last != Last::Word || is_ideograph(c) {
                self.start();
            }
            // Where words have no spaces between them each character is a word.
            self.last = if is_ideograph(c) { Last::Nothing } else { Last::Word };
            c.to_lowercase().for_each(|c| self.push(c));
        } else if c.is_whitespace() || c.is_control() || c == '\u{fe0f}' {
            self.last = Last::Nothing;
        } else if self.last == Last::Word && joins_words(c) {
            self.push(c);
        } else {
            self.marks += 1;
            match self.last {
                Last::Mark(mark, length) if mark == c => {
                    self.last = Last::Mark(c, length + 1);
                    if length >= LONGEST_RUN {
                        return;
                    }
                }
                _ => {
                    self.start();
                    self.last = Last::Mark(c, 1);
                }
            }
            self.push(c);
        }
    }

    fn start(&mut self) {
        if !self.joined.is_empty() {
            self.joined.push(' ');
        }
        self.spans.push((self.joined.len(), self.joined.len()));
    }

    fn push(&mut self, c: char) {
        self.joined.push(c);
        self.end();
    }

    /// The last token reaches to here.
    fn end(&mut self) {
        if let Some(span) = self.spans.last_mut() {
            span.1 = self.joined.len();
        }
    }

    /// Calls `f` with each run of up to `most` tokens, spaces between them, and their number.
    pub(super) fn for_each_gram(&self, most: usize, mut f: impl FnMut(&[u8], usize)) {
        for (i, (start, _)) in self.spans.iter().enumerate() {
            for (n, (_, end)) in (1..=most).zip(&self.spans[i..]) {
                f(&self.joined.as_bytes()[*start..*end], n);
            }
        }
    }

    /// The number of characters, and the square roots (which spread small ones) of the shares of digits,
    /// capitals and punctuation: how a text is written says much, and no single word says it.
    pub(super) fn style(&self) -> [f64; STYLE.len()] {
        let share = |count: u32| (f64::from(count) / f64::from(self.characters.max(1))).sqrt();
        [f64::from(self.characters), share(self.digits), share(self.capitals), share(self.marks)]
    }
}

/// Characters of scripts that are written without spaces: Chinese and Japanese.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Characters that are no letters but don't end a word: combining accents and joiners.
fn joins_words(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{200c}' | '\u{200d}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grams(text: &[u8], most: usize) -> Vec<String> {
        let mut tokens = Tokens::default();
        tokens.read(b"what was before");
        tokens.read(text);
        let mut grams = Vec::new();
        tokens.for_each_gram(most, |gram, n| {
            let gram = String::from_utf8(gram.to_vec()).unwrap();
            assert_eq!(gram.split(' ').count(), n);
            grams.push(gram);
        });
        grams
    }

    #[test]
    fn words_are_lower_cased_and_marks_are_tokens() {
        assert_eq!(grams(b"Call 0800-123 NOW!!!!! a", 1), ["call", "0800", "-", "123", "now", "!!!", "a"]);
        assert_eq!(
            grams("Don't: ÄPFEL_2 😀😀".as_bytes(), 1),
            ["don", "'", "t", ":", "äpfel", "_", "2", "😀😀"]
        );
        assert_eq!(
            grams("e\u{301}te\u{301} 東京へ x".as_bytes(), 1),
            ["e\u{301}te\u{301}", "東", "京", "へ", "x"]
        );
        assert_eq!(grams("İ".as_bytes(), 1), ["i\u{307}"]);
        assert_eq!(grams(b"a\xffb\xc3", 1), ["a", "\u{fffd}", "b", "\u{fffd}"]);
        assert!(grams(b" \t\r\n\0", 3).is_empty() && grams(b"", 3).is_empty());
    }

    #[test]
    fn n_grams_are_runs_of_tokens() {
        assert_eq!(grams(b"a b! c", 2), ["a", "a b", "b", "b !", "!", "! c", "c"]);
        assert_eq!(grams(b"a b c", 5), ["a", "a b", "a b c", "b", "b c", "c"]);
    }

    #[test]
    fn style_is_counted_in_characters() {
        let mut tokens = Tokens::default();
        tokens.read("Ä1 x!".as_bytes());
        assert_eq!(tokens.style(), [5.0, 0.2f64.sqrt(), 0.2f64.sqrt(), 0.2f64.sqrt()]);
        tokens.read(b"");
        assert_eq!(tokens.style(), [0.0; 4]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_text(bytes in prop::collection::vec(any::<u8>(), 0..200), most in 1usize..4) {
            let all = grams(&bytes, most);
            prop_assert_eq!(grams(String::from_utf8_lossy(&bytes).as_bytes(), most), all);
        }

        #[test]
        fn tokens_of_tokens_are_the_same(text in "\\PC*") {
            let tokens = grams(text.as_bytes(), 1);
            for token in &tokens {
                prop_assert!(!token.is_empty());
            }
            // Joined by spaces, nothing changes but for letters whose lower case has accents of its own.
            prop_assume!(text.chars().all(|c| c.to_lowercase().count() == 1 && !joins_words(c)));
            prop_assert_eq!(grams(tokens.join(" ").as_bytes(), 1), tokens);
        }
    }
}
