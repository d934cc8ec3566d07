//! Chunks of whole records from the text of a file, through one buffer that is used again and again.

use std::io;

use super::dialect::Dialect;
use super::flaw::Flaw;
use super::tokens::{Scan, Scanned, Tokens};
use crate::input::Reject;
use crate::input::bytes::Bytes;

/// Bytes read at once.
pub(super) const BLOCK: usize = 256 << 10;

/// The longest record that is read; longer ones are nearly always a quote gone astray.
pub(super) const LONGEST: usize = 64 << 20;

/// Bytes read beyond the end of a range, where its last record is likely to end.
const SLACK: u64 = 4 << 10;

/// Bytes of a chunk, about: its text and tokens shall stay in the cache while column after column
/// goes through them.
pub(super) const CHUNK: usize = 64 << 10;

/// Bytes that the buffer has behind the text at the least, so that short cells can be loaded as words.
pub(super) const PADDING: usize = 16;

/// Why no record could be read.
#[derive(Debug)]
pub(super) enum Fault {
    /// The text is no CSV.
    Flaw(Flaw),
    /// The file can't be read.
    Io(io::Error),
}

/// The records that begin in a range of a file.
pub(super) struct Records {
    dialect: Dialect,
    columns: Option<usize>,
    bytes: Bytes,
    buffer: Vec<u8>,
    /// How much of the buffer holds text.
    filled: usize,
    /// Where in the buffer the current chunk begins and ends.
    chunk: (usize, usize),
    /// Where in the file the buffer begins.
    offset: u64,
    stop: u64,
    /// Line breaks before the end of the current chunk.
    line: u64,
    ended: bool,
    tokens: Tokens,
}

impl Records {
    /// The records from `start`, where `bytes` begins, to the first that begins at or after `stop`.
    /// Those that have not the given number of columns are kept apart.
    pub(super) fn new(dialect: Dialect, columns: Option<usize>, bytes: Bytes, start: u64, stop: u64) -> Self {
        Records {
            dialect,
            columns,
            bytes,
            buffer: vec![0; PADDING],
            filled: 0,
            chunk: (0, 0),
            offset: start,
            stop,
            line: 0,
            ended: false,
            tokens: Tokens::default(),
        }
    }

    /// Goes on to the next records, ragged ones included; of the others at most `most`. False at the
    /// end. After a flaw, [`Self::skip`] or give up.
    pub(super) fn next(&mut self, most: usize) -> Result<bool, Fault> {
        loop {
            let start = self.chunk.1;
            let left = self.stop.saturating_sub(self.position());
            if left == 0 || (self.ended && start == self.filled) {
                return Ok(false);
            }
            let stop = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK);
            let scan = Scan { stop, most, last: self.ended, line: self.line, columns: self.columns };
            let scanned = self.tokens.scan(self.dialect, &self.buffer[start..self.filled], scan);
            let Scanned { bytes, line, flaw } = scanned;
            self.chunk = (start, start + bytes);
            self.line = line;
            if self.tokens.len() > 0 || !self.tokens.ragged().is_empty() {
                return Ok(true); // a flaw behind them will be found again
            }
            if let Some(flaw) = flaw {
                return Err(Fault::Flaw(flaw));
            }
            if bytes == 0 {
                self.fill()?;
            }
        }
    }

    /// Goes on behind a record with a flaw, to the end of the line that goes on at its byte `from`.
    /// Gives the beginning of what is left out, without the line end.
    pub(super) fn skip(&mut self, from: usize) -> Result<Vec<u8>, Fault> {
        let mut text = Vec::new();
        let mut search = self.chunk.1 + from;
        loop {
            let line_end = self.buffer[search..self.filled].iter().position(|byte| *byte == b'\n');
            let end = line_end.map_or(self.filled, |at| search + at + 1);
            let passed = &self.buffer[self.chunk.1..end];
            self.line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
            text.extend_from_slice(&passed[..passed.len().min(Reject::LONGEST - text.len())]);
            self.chunk = (end, end);
            if line_end.is_some() || self.ended {
                text.truncate(text.strip_suffix(b"\n").unwrap_or(&text).len());
                text.truncate(text.strip_suffix(b"\r").unwrap_or(&text).len());
                return Ok(text);
            }
            self.fill()?;
            search = self.chunk.1;
        }
    }

    /// Reads more text behind what is left of the buffer.
    fn fill(&mut self) -> Result<(), Fault> {
        let start = self.chunk.1;
        self.buffer.copy_within(start..self.filled, 0);
        self.offset += start as u64;
        self.filled -= start;
        self.chunk = (0, 0);
        // Reading to the end of the range and a little more saves reading most of the next range
        // too; a record that is longer still doubles what is read.
        let read_to = self.offset + self.filled as u64;
        let wanted = self.stop.saturating_sub(read_to).saturating_add(SLACK.max(self.filled as u64));
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX).min(BLOCK.max(self.filled));
        if self.buffer.len() < self.filled + wanted + PADDING {
            self.buffer.resize(self.filled + wanted + PADDING, 0);
        }
        let read = self.bytes.read(&mut self.buffer[self.filled..self.filled + wanted]).map_err(Fault::Io)?;
        self.filled += read;
        self.ended = read < wanted;
        Ok(())
    }

    /// The records of the current chunk.
    pub(super) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// The text that the tokens point into, and behind it at least [`PADDING`] other bytes.
    pub(super) fn padded_text(&self) -> (&[u8], usize) {
        (&self.buffer[self.chunk.0..], self.chunk.1 - self.chunk.0)
    }

    /// Where in the file the next record or blank line begins.
    pub(super) fn position(&self) -> u64 {
        self.offset + self.chunk.1 as u64
    }

    /// Line breaks between the start and [`Self::position`].
    pub(super) fn line(&self) -> u64 {
        self.line
    }
}
