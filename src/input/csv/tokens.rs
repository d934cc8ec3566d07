//! Cuts a buffer of text into records and cells.
//!
//! A quote opens a quoted cell only as the cell's first byte (elsewhere it is text), and after the
//! closing quote the cell must end. The text is looked at in blocks, as bits ([`mask`](super::mask)).
//! A block without quotes is a matter of bits alone, and so is one whose quotes are all in order;
//! any other is gone through byte by byte, which is always right.

use std::ops::Range;

use super::dialect::Dialect;
use super::flaw::{Flaw, FlawKind};
use super::mask::{BLOCK, Masks, Needles};
use super::records::LONGEST;

/// The records found by the last scan, as offsets into the scanned bytes.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    records: Vec<Record>,
    /// For each record: the byte before its start (wrapping around at the first byte), then the end of
    /// each cell. So each cell lies between two neighbours, without the first byte.
    marks: Vec<u32>,
    /// Marks in use; the others are room for a block's.
    used: usize,
    ragged: Vec<Ragged>,
}

#[derive(Debug, Clone, Copy)]
struct Record {
    /// Index of its first mark.
    first: u32,
    line: u64,
}

/// A record with a wrong number of cells.
#[derive(Debug, Clone)]
pub(super) struct Ragged {
    /// Where it lies.
    pub(super) range: Range<usize>,
    pub(super) line: u64,
    pub(super) cells: usize,
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
    /// The number of cells of a record; those with another are kept apart. Any number, if `None`.
    pub(super) columns: Option<usize>,
}

/// How far a scan came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scanned {
    /// Bytes that belong to whole records and blank lines.
    pub(super) bytes: usize,
    /// Line breaks before the byte after those.
    pub(super) line: u64,
    /// What is wrong with the record that begins there.
    pub(super) flaw: Option<Flaw>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Quoted,
    /// The byte before this one was a quote inside a quoted cell: its end, or half of `""`.
    QuoteAt(usize),
    /// In a comment.
    Comment,
}

/// A scan on its way.
struct Scanner<'a> {
    tokens: &'a mut Tokens,
    dialect: Dialect,
    bytes: &'a [u8],
    scan: Scan,
    state: State,
    /// Line breaks before the current byte.
    line: u64,
    /// Where the current record begins: in the text, in the marks, and line breaks before it.
    start: usize,
    first: usize,
    start_line: u64,
}

impl Tokens {
    /// Replaces the records by those of `bytes`, which begin at the start of a line. Blank lines and
    /// comments are skipped. A record that the bytes hold only a part of is left for the next scan.
    /// With a flaw, the records before it are there.
    pub(super) fn scan(&mut self, dialect: Dialect, bytes: &[u8], scan: Scan) -> Scanned {
        self.records.clear();
        self.ragged.clear();
        self.used = 0;
        let line = scan.line;
        let mut scanner = Scanner {
            tokens: self,
            dialect,
            bytes,
            scan,
            state: State::Open,
            line,
            start: 0,
            first: 0,
            start_line: line,
        };
        scanner.tokens.make_room();
        scanner.begin(0);
        let scanned = scanner.run();
        let first = scanner.first;
        self.used = first;
        scanned
    }

    /// Makes room for the marks of a block, of which each byte may end a cell and a record, and for what
    /// is written too much.
    #[inline]
    fn make_room(&mut self) {
        if self.marks.len() < self.used + 3 * BLOCK + 2 {
            self.marks.resize((2 * self.used).max(8 << 10), 0);
        }
    }

    /// The number of records.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// The records with a wrong number of cells.
    pub(super) fn ragged(&self) -> &[Ragged] {
        &self.ragged
    }

    /// How many cells a record has.
    #[inline]
    pub(super) fn cells(&self, record: usize) -> usize {
        let next = self.records.get(record + 1).map_or(self.used, |next| next.first as usize);
        next - self.records[record].first as usize - 1
    }

    /// Line breaks before a record.
    pub(super) fn line(&self, record: usize) -> u64 {
        self.records[record].line
    }

    /// Where a record begins.
    pub(super) fn start(&self, record: usize) -> usize {
        self.marks[self.records[record].first as usize].wrapping_add(1) as usize
    }

    /// Where a record lies, without its line end.
    pub(super) fn range(&self, record: usize) -> Range<usize> {
        let next = self.records.get(record + 1).map_or(self.used, |next| next.first as usize);
        self.start(record)..self.marks[next - 1] as usize
    }

    /// Where a cell of a record lies, the quotes around it included.
    #[inline]
    pub(super) fn cell(&self, record: usize, column: usize) -> Range<usize> {
        let index = self.records[record].first as usize + column;
        self.marks[index].wrapping_add(1) as usize..self.marks[index + 1] as usize
    }

    /// Where the cells of a column lie, if all records have the given number of columns.
    #[inline]
    pub(super) fn column(&self, column: usize, columns: usize) -> impl Iterator<Item = Range<usize>> {
        let records = self.marks[..self.used].chunks_exact(columns + 1);
        records.map(move |marks| marks[column].wrapping_add(1) as usize..marks[column + 1] as usize)
    }
}

impl Scanner<'_> {
    fn run(&mut self) -> Scanned {
        let needles = Needles::new(self.dialect);
        let (blocks, tail) = self.bytes.as_chunks::<BLOCK>();
        for (index, block) in blocks.iter().enumerate() {
            if let Some(scanned) = self.block(index * BLOCK, needles.find(block)) {
                return scanned;
            }
        }
        let mut padded = [0; BLOCK];
        padded[..tail.len()].copy_from_slice(tail);
        let Masks { line_ends, delimiters, quotes } = needles.find(&padded);
        let part = (1 << tail.len()) - 1;
        let masks =
            Masks { line_ends: line_ends & part, delimiters: delimiters & part, quotes: quotes & part };
        self.block(blocks.len() * BLOCK, masks).unwrap_or_else(|| self.end())
    }

    /// Takes the next block; gives the result if the scan ends in it.
    #[inline(always)]
    fn block(&mut self, base: usize, masks: Masks) -> Option<Scanned> {
        self.tokens.make_room();
        if masks.quotes == 0 && self.state == State::Open {
            return self.clean(base, masks.line_ends | masks.delimiters, masks.line_ends, 0);
        }
        self.with_quotes(base, masks)
    }

    #[inline(never)]
    fn with_quotes(&mut self, base: usize, masks: Masks) -> Option<Scanned> {
        let Some(inside) = self.inside(base, masks) else { return self.careful(base, masks) };
        let state = if inside >> 63 == 1 {
            State::Quoted
        } else if masks.quotes >> 63 == 1 {
            State::QuoteAt(base + BLOCK - 1)
        } else {
            State::Open
        };
        self.state = State::Open;
        let line_ends = masks.line_ends & !inside;
        let ends = line_ends | (masks.delimiters & !inside);
        let scanned = self.clean(base, ends, line_ends, masks.line_ends & inside);
        self.state = state;
        scanned
    }

    /// Which bytes of a block lie in quotes, if all quotes are in order: each opens a cell, or closes
    /// one that ends there, or is one of two.
    fn inside(&self, base: usize, masks: Masks) -> Option<u64> {
        if self.dialect.comment.is_some() || !matches!(self.state, State::Open | State::Quoted) {
            return None;
        }
        let mut inside = masks.quotes;
        for shift in [1, 2, 4, 8, 16, 32] {
            inside ^= inside << shift;
        }
        if self.state == State::Quoted {
            inside = !inside;
        }
        let opening = masks.quotes & inside;
        let closing = masks.quotes & !inside;
        let ends = (masks.line_ends | masks.delimiters) & !inside;
        let may_open = (ends | closing) << 1 | u64::from(self.cell_start() == base);
        let stray = opening & !may_open;
        let mut unsure = (closing << 1) & !(ends | opening);
        if stray != 0 || unsure >> 63 == 1 {
            return None;
        }
        // The quoted cell may end a line that ends with CRLF.
        if (unsure << 1) & !masks.line_ends != 0 {
            return None;
        }
        while unsure != 0 {
            let at = base + unsure.trailing_zeros() as usize;
            if self.bytes.get(at) != Some(&b'\r') {
                return None;
            }
            unsure &= unsure - 1;
        }
        Some(inside)
    }

    /// Takes the ends of cells and lines in a block, and the line breaks in quotes.
    #[inline(always)]
    fn clean(&mut self, base: usize, mut ends: u64, mut line_ends: u64, quoted: u64) -> Option<Scanned> {
        let mut counted = 0; // of the line breaks in quotes
        while line_ends != 0 {
            let bit = line_ends & line_ends.wrapping_neg();
            self.push_ends(base, ends & (bit - 1));
            self.line += u64::from((quoted & (bit - 1) & !counted).count_ones());
            counted = bit - 1;
            let at = base + bit.trailing_zeros() as usize;
            if let Some(scanned) = self.line_end(at) {
                return Some(scanned);
            }
            let mut passed = bit | (bit - 1);
            if self.state == State::Comment {
                let rest = line_ends & !passed;
                if rest == 0 {
                    return None;
                }
                // The next line end ends a comment, of which nothing is kept.
                passed = (rest & rest.wrapping_neg()) - 1;
            }
            ends &= !passed;
            line_ends &= !passed;
        }
        self.push_ends(base, ends);
        self.line += u64::from((quoted & !counted).count_ones());
        None
    }

    /// Notes the ends of cells.
    #[inline(always)]
    fn push_ends(&mut self, base: usize, mut ends: u64) {
        let count = ends.count_ones() as usize;
        let used = self.tokens.used;
        let Some(marks) = self.tokens.marks.get_mut(used..used + BLOCK) else { return };
        // Four at once, even if there are fewer: what is too much is written over.
        for four in marks.chunks_exact_mut(4).take(count.div_ceil(4)) {
            for mark in four {
                *mark = base as u32 + ends.trailing_zeros();
                ends &= ends.wrapping_sub(1);
            }
        }
        self.tokens.used = used + count;
    }

    /// Goes through a block's bytes one by one.
    fn careful(&mut self, base: usize, masks: Masks) -> Option<Scanned> {
        let mut hits = masks.line_ends | masks.delimiters | masks.quotes;
        while hits != 0 {
            let at = base + hits.trailing_zeros() as usize;
            hits &= hits - 1;
            let byte = self.bytes[at];
            match self.state {
                State::Open if byte == b'\n' || byte == self.dialect.delimiter => {}
                State::Open => {
                    if at == self.cell_start() {
                        self.state = State::Quoted;
                    }
                    continue;
                }
                State::Quoted => {
                    if byte == b'\n' {
                        self.line += 1;
                    } else if byte == self.dialect.quote {
                        self.state = State::QuoteAt(at);
                    }
                    continue;
                }
                State::QuoteAt(quote) => {
                    let between = &self.bytes[quote + 1..at];
                    if byte == self.dialect.quote && between.is_empty() {
                        self.state = State::Quoted;
                        continue;
                    }
                    let ends = between.is_empty() || (between == b"\r" && byte == b'\n');
                    if !ends || byte == self.dialect.quote {
                        return Some(self.flawed(FlawKind::AfterQuote, self.cell_start(), quote + 1));
                    }
                    self.state = State::Open;
                }
                State::Comment if byte == b'\n' => {}
                State::Comment => continue,
            }
            if byte == b'\n' {
                if let Some(scanned) = self.line_end(at) {
                    return Some(scanned);
                }
            } else {
                self.push(at);
            }
        }
        None
    }

    /// Where the current cell begins.
    #[inline]
    fn cell_start(&self) -> usize {
        self.tokens.marks[self.tokens.used - 1].wrapping_add(1) as usize
    }

    #[inline]
    fn push(&mut self, mark: usize) {
        self.tokens.marks[self.tokens.used] = mark as u32;
        self.tokens.used += 1;
    }

    /// Begins a record.
    #[inline]
    fn begin(&mut self, start: usize) {
        self.start = start;
        self.start_line = self.line;
        self.first = self.tokens.used;
        self.push(start.wrapping_sub(1));
        if self.dialect.comment.is_some() && self.bytes.get(start) == self.dialect.comment.as_ref() {
            self.state = State::Comment;
        }
    }

    /// Takes the line end at `at`, outside quotes; gives the result if the scan ends there.
    #[inline(always)]
    fn line_end(&mut self, at: usize) -> Option<Scanned> {
        if at - self.start > LONGEST {
            return Some(self.too_long());
        }
        self.line += 1;
        self.finish(at);
        self.begin(at + 1);
        let ends = self.start >= self.scan.stop || self.tokens.records.len() == self.scan.most;
        ends.then_some(Scanned { bytes: self.start, line: self.line, flaw: None })
    }

    /// Ends the record and its last cell at `at`, or drops it where it is a blank line or a comment.
    #[inline(always)]
    fn finish(&mut self, at: usize) {
        let end = if at > self.cell_start() && self.bytes[at - 1] == b'\r' { at - 1 } else { at };
        if end == self.start || self.state == State::Comment {
            self.state = State::Open;
            self.tokens.used = self.first;
            return;
        }
        self.push(end);
        let cells = self.tokens.used - self.first - 1;
        if self.scan.columns.is_some_and(|columns| columns != cells) {
            let range = self.start..end;
            self.tokens.ragged.push(Ragged { range, line: self.start_line, cells });
            self.tokens.used = self.first;
        } else {
            self.tokens.records.push(Record { first: self.first as u32, line: self.start_line });
        }
    }

    /// Comes to the end of the bytes.
    fn end(&mut self) -> Scanned {
        let bytes = self.bytes;
        if bytes.len() - self.start > LONGEST {
            return self.too_long();
        }
        let rest = Scanned { bytes: self.start, line: self.start_line, flaw: None };
        if !self.scan.last {
            return rest;
        }
        match self.state {
            State::Quoted => {
                let opened = self.cell_start();
                self.flawed(FlawKind::Unclosed, opened, opened)
            }
            State::QuoteAt(quote) if !matches!(bytes[quote + 1..], [] | [b'\r']) => {
                self.flawed(FlawKind::AfterQuote, self.cell_start(), quote + 1)
            }
            _ => {
                self.finish(bytes.len());
                self.first = self.tokens.used;
                Scanned { bytes: bytes.len(), line: self.line, flaw: None }
            }
        }
    }

    /// The record is longer than any may be. Whether one of its quotes is to blame must not depend on
    /// how much of it there is, so that is asked of its first [`LONGEST`] bytes.
    #[cold]
    fn too_long(&self) -> Scanned {
        let bytes = &self.bytes[self.start..][..LONGEST];
        let scan = Scan { stop: usize::MAX, most: 1, last: true, line: 0, columns: None };
        let from = match Tokens::default().scan(self.dialect, bytes, scan).flaw {
            Some(flaw) => flaw.from,
            None => LONGEST,
        };
        self.flawed(FlawKind::TooLong, self.start, self.start + from)
    }

    /// The current record has a flaw that is seen at `place`; the line's end after `from` ends it.
    #[cold]
    fn flawed(&self, kind: FlawKind, place: usize, from: usize) -> Scanned {
        let before = self.bytes[self.start..place].iter().filter(|byte| **byte == b'\n').count() as u64;
        let flaw = Flaw { kind, line: self.start_line + before, from: from - self.start };
        Scanned { bytes: self.start, line: self.start_line, flaw: Some(flaw) }
    }
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
