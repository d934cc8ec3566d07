//! Guesses where a record begins, near any offset of a plain file.
//!
//! Whether a byte in the middle of a file lies inside quotes depends on every quote before it, and
//! nobody wants to count those of a terabyte before the first row is read. So the text after the
//! offset is read under each hypothesis, and the one that finds the fewest faults against RFC 4180
//! and the table's number of columns is believed. The guess depends on the file alone, and is
//! checked: who reads the range before must end exactly where this one starts.

use std::cmp::Reverse;
use std::io;

use super::dialect::Dialect;
use super::quiet::Quiet;
use super::records::LONGEST;
use crate::input::disk::DiskFile;

/// Bytes after which the better hypothesis wins.
const ENOUGH_BYTES: u64 = 64 << 10;

/// Whole records without a fault after which a hypothesis wins at once.
const ENOUGH_RECORDS: usize = 64;

/// The text of a plain file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) file: &'a DiskFile,
    pub(super) len: u64,
    pub(super) dialect: Dialect,
    pub(super) columns: usize,
}

/// The start of the first line at or after `nominal` that isn't inside quotes, as it seems; `None` if that isn't clear
/// after `most` bytes. `nominal` is neither 0 nor beyond the file's length; `quiet` is of this file.
pub(super) fn record_start(text: Text, quiet: &Quiet, nominal: u64, most: u64) -> io::Result<Option<u64>> {
    let Text { file, len, dialect, columns } = text;
    let mut block = [0; 8 << 10];
    let mut position = nominal - 1;
    let mut guess = None;
    while position < len {
        if position - (nominal - 1) >= most {
            return Ok(None);
        }
        let block = &mut block[..(len - position).min(8 << 10) as usize];
        file.read_exact_at(block, position)?;
        let mut bytes = &block[..];
        if guess.is_none() {
            guess = Some(Guess::new(dialect, columns, nominal, bytes[0]));
            bytes = &bytes[1..];
            position += 1;
        }
        for byte in bytes {
            position += 1;
            if let Some(start) = guess.as_mut().and_then(|guess| guess.push(*byte, position)) {
                return Ok(Some(start));
            }
        }
        if let Some(guess) = &mut guess
            && let Some(start) = guess.doubtful(position)
            && next_quote_opens(text, quiet, position)?
        {
            return Ok(Some(start));
        }
    }
    Ok(Some(guess.map_or(len, |guess| guess.at_end(len))))
}

/// Whether the first quote at or after `position` can only be one that opens a cell, or there is none.
fn next_quote_opens(text: Text, quiet: &Quiet, position: u64) -> io::Result<bool> {
    let Text { file, len, dialect, .. } = text;
    let end = len.min(position + LONGEST as u64);
    let Some(at) = quiet.next(file, dialect.quote, position, end)? else { return Ok(true) };
    let mut around = [0; 3];
    let read = file.read_at(&mut around, at - 1)?;
    let ends = |byte: u8| byte == b'\n' || byte == dialect.delimiter;
    let may_close = read < 3 || ends(around[2]) || [b'\r', dialect.quote].contains(&around[2]);
    Ok(ends(around[0]) && !may_close)
}

struct Guess {
    /// Whether there was any quote, and whether it was asked for the next.
    quotes: bool,
    asked: bool,
    dialect: Dialect,
    columns: usize,
    nominal: u64,
    hypotheses: Vec<Hypothesis>,
}

impl Guess {
    fn new(dialect: Dialect, columns: usize, nominal: u64, before: u8) -> Self {
        let hypothesis = |state| Hypothesis { state, cells: 1, start: None, records: 0, faults: 0 };
        let mut hypotheses = match before {
            b'\n' => vec![Hypothesis { start: Some(nominal), ..hypothesis(State::LineStart) }],
            byte if byte == dialect.delimiter => vec![hypothesis(State::CellStart)],
            byte if byte == dialect.quote => {
                let stray = Hypothesis { faults: STRAY, ..hypothesis(State::Unquoted) };
                vec![hypothesis(State::QuoteInQuotes), stray]
            }
            _ => vec![hypothesis(State::Unquoted)],
        };
        if dialect.comment.is_some() {
            hypotheses.push(hypothesis(State::Skipped));
        }
        if dialect.quote != b'\n' {
            hypotheses.push(hypothesis(State::Quoted));
        }
        Guess { quotes: false, asked: false, dialect, columns, nominal, hypotheses }
    }

    /// Takes the next byte, which ends at `end`; gives the start once that is settled.
    fn push(&mut self, byte: u8, end: u64) -> Option<u64> {
        for hypothesis in &mut self.hypotheses {
            hypothesis.push(self.dialect, self.columns, byte, end);
        }
        self.quotes |= byte == self.dialect.quote;
        if byte == b'\n' || end.is_multiple_of(1 << 16) { self.settled(end) } else { None }
    }

    fn settled(&self, end: u64) -> Option<u64> {
        let best = self.best(&self.hypotheses)?;
        let start = best.start;
        if self.hypotheses.iter().all(|other| other.start == start) {
            return start;
        }
        // In a table of one column every line is a faultless record, which proves nothing.
        let proven = self.columns > 1 && best.faults == 0 && best.records >= ENOUGH_RECORDS;
        if proven || end - self.nominal >= ENOUGH_BYTES {
            if start.is_none() && end - self.nominal > LONGEST as u64 {
                return self.hypotheses.iter().find_map(|other| other.start);
            }
            return start;
        }
        None
    }

    /// The start outside quotes, if all of the text so far seems to be quoted, only because its lines have a
    /// wrong number of cells. There are such lines outside quotes, too: the next quote must tell. To be
    /// asked once.
    fn doubtful(&mut self, end: u64) -> Option<u64> {
        if self.quotes || self.asked || end - self.nominal < ENOUGH_BYTES {
            return None;
        }
        self.asked = true;
        self.hypotheses.iter().find_map(|hypothesis| hypothesis.start)
    }

    fn at_end(mut self, len: u64) -> u64 {
        if !self.quotes {
            self.hypotheses.retain(|hypothesis| hypothesis.state != State::Quoted);
        }
        for hypothesis in &mut self.hypotheses {
            match hypothesis.state {
                State::Quoted => hypothesis.faults += BROKEN,
                State::LineStart | State::Skipped => {}
                // The last line may lack its line end.
                _ => hypothesis.push(self.dialect, self.columns, b'\n', len),
            }
        }
        self.best(&self.hypotheses).and_then(|best| best.start).unwrap_or(len)
    }

    /// The one with the fewest faults, then with the most records; the first one of equals, which
    /// is outside quotes.
    fn best<'a>(&self, hypotheses: &'a [Hypothesis]) -> Option<&'a Hypothesis> {
        hypotheses.iter().min_by_key(|hypothesis| (hypothesis.faults, Reverse(hypothesis.records)))
    }
}

/// Weight of a quote in an unquoted cell: legal here, but not in RFC 4180.
const STRAY: usize = 1;

/// Weight of what would be an error: text after a closing quote, a wrong number of cells.
const BROKEN: usize = 4;

/// What the text looks like if it began in a certain state.
struct Hypothesis {
    state: State,
    /// Cells of the current record so far.
    cells: usize,
    /// Start of the first record.
    start: Option<u64>,
    /// Whole records seen.
    records: usize,
    faults: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    LineStart,
    CellStart,
    Unquoted,
    Quoted,
    QuoteInQuotes,
    /// In a comment.
    Skipped,
    /// Behind what can't be read of a record: the rest of its line is left out, too.
    Broken,
}

impl Hypothesis {
    fn push(&mut self, dialect: Dialect, columns: usize, byte: u8, end: u64) {
        self.state = match (self.state, byte) {
            (State::Quoted, byte) if byte == dialect.quote => State::QuoteInQuotes,
            (State::Quoted, _) => State::Quoted,
            (State::LineStart, b'\n') => State::LineStart,
            (State::LineStart, byte) if dialect.comment == Some(byte) => State::Skipped,
            (State::Skipped, b'\n') => {
                self.start.get_or_insert(end);
                State::LineStart
            }
            (State::Skipped, _) => State::Skipped,
            (State::Broken, b'\n') => {
                self.cells = columns;
                self.end_record(columns, end);
                State::LineStart
            }
            (State::Broken, _) => State::Broken,
            (_, b'\n') => {
                self.end_record(columns, end);
                State::LineStart
            }
            (_, byte) if byte == dialect.delimiter => {
                self.cells += 1;
                State::CellStart
            }
            // A line of a mere CRLF is blank, too.
            (State::LineStart, b'\r') => State::LineStart,
            (State::LineStart | State::CellStart | State::QuoteInQuotes, byte) if byte == dialect.quote => {
                State::Quoted
            }
            (State::Unquoted, byte) if byte == dialect.quote => {
                self.faults += STRAY;
                State::Unquoted
            }
            (State::QuoteInQuotes, byte) if byte != b'\r' => {
                self.faults += BROKEN;
                State::Broken
            }
            _ => State::Unquoted,
        };
    }

    fn end_record(&mut self, columns: usize, end: u64) {
        let wrong = match self.start {
            // The record that the text began in the middle of.
            None => self.cells > columns,
            Some(_) => self.cells != columns,
        };
        if wrong {
            self.faults += BROKEN;
        }
        self.records += usize::from(self.start.is_some());
        self.start.get_or_insert(end);
        self.cells = 1;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::ops::Range;

    use super::*;

    /// The start found from each of these places on.
    fn found(text: &str, columns: usize, places: Range<u64>) -> Vec<u64> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let (dialect, quiet) = (Dialect::quoted(b','), Quiet::default());
        let text = Text { file: &DiskFile::of(file), len: text.len() as u64, dialect, columns };
        places.map(|place| record_start(text, &quiet, place, u64::MAX).unwrap().unwrap()).collect()
    }

    /// For every offset, the start of the record that begins there or next is found.
    fn check(text: &str, starts: &[usize], columns: usize) {
        let len = text.len() as u64;
        for (nominal, found) in (1..len).zip(found(text, columns, 1..len)) {
            let true_start = starts.iter().map(|start| *start as u64).find(|start| *start >= nominal);
            assert_eq!(found, true_start.unwrap_or(len), "from byte {nominal}");
        }
    }

    #[test]
    fn records_with_too_many_cells() {
        // More of them than are looked at; the last quote opens a cell, or closes one that holds all lines.
        let lines = "1,2,3\n".repeat(20_000);
        for (text, columns, expected) in [
            (format!("{lines}\"a\",b\n"), 2, 6),
            (format!("{lines}5,6\n"), 2, 6),
            (format!("a,\"{lines}\"\nc,d\n"), 2, lines.len() + 5),
        ] {
            assert_eq!(found(&text, columns, 6..7), [expected as u64]);
        }
    }

    fn repeated(records: &[&str]) -> (String, Vec<usize>) {
        let mut text = String::new();
        let mut starts = Vec::new();
        for record in records.iter().cycle().take(60) {
            starts.push(text.len());
            text += record;
        }
        (text, starts)
    }

    #[test]
    fn records_without_quotes() {
        let (text, starts) = repeated(&["1,a,x\n", "2,,y\r\n"]);
        check(&text, &starts, 3);
    }

    #[test]
    fn prose_in_quotes() {
        let (text, starts) = repeated(&[
            "1,\"Dear all,\n\nsee \"\"this\"\", and that.\nYours, me\",x\n",
            "2,plain,\"y\"\r\n",
            "3,\"\"\"Well,\"\" she said, \"\"no\"\"\",5\" wide\n",
            "4,\"\",\"\n\"\n",
        ]);
        check(&text, &starts, 3);
    }
}
