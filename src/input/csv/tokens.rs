//! Cuts a buffer of text into records and cells.
//!
//! The scan looks at eight bytes at a time and stops only at those that may mean something: line
//! ends, delimiters and quotes. A quote opens a quoted cell only as the cell's first byte (elsewhere
//! it is text), and after the closing quote the cell must end.

use std::ops::Range;

use super::dialect::Dialect;

/// The records found by the last scan, as offsets into the scanned bytes.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    records: Vec<Record>,
    /// Where each cell ends, all records in one row. A cell begins after the end of the one before.
    ends: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Record {
    start: u32,
    /// Index of its first cell's end.
    first: u32,
    line: u64,
}

/// What is to be scanned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan {
    /// Records that begin here or later are left alone.
    pub(super) stop: usize,
    /// Most records to find.
    pub(super) most: usize,
    /// Whether the file ends with these bytes, so that the last line needs no line end.
    pub(super) last: bool,
    /// Line breaks before the first byte.
    pub(super) line: u64,
}

/// How far a scan came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scanned {
    /// Bytes that belong to whole records and blank lines.
    pub(super) bytes: usize,
    /// Line breaks before the byte after those.
    pub(super) line: u64,
}

/// Text that is no CSV.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The quote opened on this line (counted from 0) is closed nowhere.
    Unclosed(u64),
    /// The quoted cell that was opened on this line goes on after its closing quote.
    AfterQuote(u64),
}

enum State {
    Open,
    Quoted,
    /// The byte before this one was a quote inside a quoted cell: its end, or half of `""`.
    QuoteAt(usize),
}

impl Tokens {
    /// Replaces the records by those of `bytes`, which begin at the start of a line. Blank lines are
    /// skipped. A record that the bytes hold only a part of is left for the next scan. After a flaw,
    /// the records before it are there.
    pub(super) fn scan(&mut self, dialect: Dialect, bytes: &[u8], scan: Scan) -> Result<Scanned, Flaw> {
        self.records.clear();
        self.ends.clear();
        let needles = Needles::new(dialect);
        let mut state = State::Open;
        let mut line = scan.line;
        let mut opened = line; // where the current quoted cell begins
        let mut record = Record { start: 0, first: 0, line };
        let mut cell = 0;

        let (words, tail) = bytes.as_chunks::<8>();
        let mut padded = [0; 8];
        padded[..tail.len()].copy_from_slice(tail);
        for (index, word) in words.iter().chain([&padded]).enumerate() {
            let mut hits = needles.find(*word);
            while hits != 0 {
                let at = index * 8 + (hits.trailing_zeros() / 8) as usize;
                hits &= hits - 1;
                let byte = bytes[at];
                match state {
                    State::Open if byte == b'\n' => {}
                    State::Open if byte == dialect.delimiter => {}
                    State::Open => {
                        if at == cell {
                            state = State::Quoted;
                            opened = line;
                        }
                        continue;
                    }
                    State::Quoted => {
                        if byte == b'\n' {
                            line += 1;
                        } else if byte == dialect.quote {
                            state = State::QuoteAt(at);
                        }
                        continue;
                    }
                    State::QuoteAt(quote) => {
                        let between = &bytes[quote + 1..at];
                        if byte == dialect.quote && between.is_empty() {
                            state = State::Quoted;
                            continue;
                        }
                        let ends = between.is_empty() || (between == b"\r" && byte == b'\n');
                        if !ends || byte == dialect.quote {
                            self.ends.truncate(record.first as usize);
                            return Err(Flaw::AfterQuote(opened));
                        }
                        state = State::Open;
                    }
                }
                if byte != b'\n' {
                    self.ends.push(at as u32);
                    cell = at + 1;
                    continue;
                }
                self.finish(record, cell, at, bytes);
                line += 1;
                cell = at + 1;
                record = Record { start: cell as u32, first: self.ends.len() as u32, line };
                if cell >= scan.stop || self.records.len() == scan.most {
                    return Ok(Scanned { bytes: cell, line });
                }
            }
        }

        let flaw = match state {
            State::Quoted => Some(Flaw::Unclosed(opened)),
            State::QuoteAt(quote) if !matches!(bytes[quote + 1..], [] | [b'\r']) => {
                Some(Flaw::AfterQuote(opened))
            }
            _ => None,
        };
        if scan.last && flaw.is_none() {
            self.finish(record, cell, bytes.len(), bytes);
            return Ok(Scanned { bytes: bytes.len(), line });
        }
        self.ends.truncate(record.first as usize);
        match flaw {
            Some(flaw) if scan.last => Err(flaw),
            _ => Ok(Scanned { bytes: record.start as usize, line: record.line }),
        }
    }

    /// Ends the record and its last cell at `at`, or drops it where it is a blank line.
    #[inline]
    fn finish(&mut self, record: Record, cell: usize, at: usize, bytes: &[u8]) {
        let end = if at > cell && bytes[at - 1] == b'\r' { at - 1 } else { at };
        if end > record.start as usize {
            self.ends.push(end as u32);
            self.records.push(record);
        }
    }

    /// The number of records.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// How many cells a record has.
    #[inline]
    pub(super) fn cells(&self, record: usize) -> usize {
        let next = self.records.get(record + 1).map_or(self.ends.len(), |next| next.first as usize);
        next - self.records[record].first as usize
    }

    /// Line breaks before a record.
    pub(super) fn line(&self, record: usize) -> u64 {
        self.records[record].line
    }

    /// Where a record begins.
    pub(super) fn start(&self, record: usize) -> usize {
        self.records[record].start as usize
    }

    /// Where a cell of a record lies, the quotes around it included.
    #[inline]
    pub(super) fn cell(&self, record: usize, column: usize) -> Range<usize> {
        let record = self.records[record];
        let index = record.first as usize + column;
        let start = if column == 0 { record.start } else { self.ends[index - 1] + 1 };
        start as usize..self.ends[index] as usize
    }
}

/// The bytes looked for, each repeated over a word.
struct Needles([u64; 3]);

impl Needles {
    fn new(dialect: Dialect) -> Self {
        Needles([b'\n', dialect.delimiter, dialect.quote].map(|byte| u64::from(byte) * 0x0101_0101_0101_0101))
    }

    /// The highest bit of every byte that equals a needle; the word's first byte is the lowest.
    #[inline]
    fn find(&self, word: [u8; 8]) -> u64 {
        const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
        let word = u64::from_le_bytes(word);
        // The highest bit of a byte of `misses` stays clear only where all of its bits were: adding
        // 0x7f carries into it from any lower bit, and never beyond.
        let misses = self.0.map(|needle| {
            let difference = word ^ needle;
            ((difference & LOW) + LOW) | difference
        });
        !(misses[0] & misses[1] & misses[2]) & !LOW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(dialect: Dialect, text: &str, last: bool) -> Result<(Vec<Vec<String>>, Scanned), Flaw> {
        let mut tokens = Tokens::default();
        let all = Scan { stop: usize::MAX, most: usize::MAX, last, line: 0 };
        let scanned = tokens.scan(dialect, text.as_bytes(), all)?;
        let cell = |record, column| dialect.text(&text.as_bytes()[tokens.cell(record, column)]).into_owned();
        let record = |record| (0..tokens.cells(record)).map(|column| cell(record, column)).collect();
        Ok(((0..tokens.len()).map(record).collect(), scanned))
    }

    const COMMA: Dialect = Dialect { delimiter: b',', quote: b'"' };

    #[test]
    fn quotes_line_ends_and_blank_lines() {
        let text = "a,b\r\n\n\r\n\"x,\"\"1\"\"\n\",5\" pipe\n,\r\n\"\",\"\"";
        let (rows, scanned) = scan(COMMA, text, true).unwrap();
        let expected = [["a", "b"], ["x,\"1\"\n", "5\" pipe"], ["", ""], ["", ""]];
        assert_eq!(rows, expected);
        assert_eq!(scanned, Scanned { bytes: text.len(), line: 6 });
    }

    #[test]
    fn a_partial_record_is_left() {
        let (rows, scanned) = scan(COMMA, "a,b\n1,\"2\n", false).unwrap();
        assert_eq!(rows, [["a", "b"]]);
        assert_eq!(scanned, Scanned { bytes: 4, line: 1 });
    }

    #[test]
    fn flaws_name_the_line_of_the_quote() {
        assert_eq!(scan(COMMA, "a\n\n1,\"2\n\n", true).unwrap_err(), Flaw::Unclosed(2));
        assert_eq!(scan(COMMA, "a\n\"2\n\"x,1", true).unwrap_err(), Flaw::AfterQuote(1));
        assert_eq!(scan(COMMA, "\"2\"x", true).unwrap_err(), Flaw::AfterQuote(0));
        assert_eq!(scan(COMMA, "\"2\"x\"", true).unwrap_err(), Flaw::AfterQuote(0));
    }

    #[test]
    fn meanings_can_be_turned_off() {
        let (rows, _) = scan(Dialect::plain(b'\t'), "a\t\"b\nc\t\"d\"\n", true).unwrap();
        assert_eq!(rows, [["a", "\"b"], ["c", "\"d\""]]);
        let (rows, _) = scan(Dialect::quoted(b'\n'), "a,b\n\"c\nd\"\n", true).unwrap();
        assert_eq!(rows, [["a,b"], ["c\nd"]]);
    }

    #[test]
    fn every_byte_is_told_from_the_needles() {
        for byte in 0..=255u8 {
            for position in 0..8 {
                let mut word = [b'x'; 8];
                word[position] = byte;
                let hit = matches!(byte, b'\n' | b',' | b'"');
                let expected = if hit { 0x80 << (8 * position) } else { 0 };
                assert_eq!(Needles::new(COMMA).find(word), expected, "{byte} at {position}");
            }
        }
    }
}
