//! Chunks of whole records from the text of a file, through one buffer that is used again and again.

use std::io;

use super::dialect::Dialect;
use super::tokens::{Flaw, Scan, Scanned, Tokens};
use crate::input::bytes::Bytes;

/// Bytes read at once.
pub(super) const BLOCK: usize = 256 << 10;

/// The longest record that is read; longer ones are nearly always a quote gone astray.
pub(super) const LONGEST: usize = 64 << 20;

/// Bytes read beyond the end of a range, where its last record is likely to end.
const SLACK: u64 = 4 << 10;

/// Why no record could be read.
#[derive(Debug)]
pub(super) enum Fault {
    /// The text is no CSV.
    Flaw(Flaw),
    /// The record that begins on this line is longer than [`LONGEST`].
    TooLong(u64),
    /// The file can't be read.
    Io(io::Error),
}

/// The records that begin in a range of a file.
pub(super) struct Records {
    dialect: Dialect,
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
    pub(super) fn new(dialect: Dialect, bytes: Bytes, start: u64, stop: u64) -> Self {
        Records {
            dialect,
            bytes,
            buffer: Vec::new(),
            filled: 0,
            chunk: (0, 0),
            offset: start,
            stop,
            line: 0,
            ended: false,
            tokens: Tokens::default(),
        }
    }

    /// Goes on to the next records, at least one and at most `most`; false at the end.
    pub(super) fn next(&mut self, most: usize) -> Result<bool, Fault> {
        loop {
            let start = self.chunk.1;
            let left = self.stop.saturating_sub(self.position());
            if left == 0 || (self.ended && start == self.filled) {
                return Ok(false);
            }
            let stop = usize::try_from(left).unwrap_or(usize::MAX);
            let scan = Scan { stop, most, last: self.ended, line: self.line };
            let scanned = self.tokens.scan(self.dialect, &self.buffer[start..self.filled], scan);
            let Scanned { bytes, line } = scanned.map_err(Fault::Flaw)?;
            self.chunk = (start, start + bytes);
            self.line = line;
            if self.tokens.len() > 0 {
                return Ok(true);
            }
            if bytes == 0 {
                self.fill()?;
            }
        }
    }

    /// Reads more text behind what is left of the buffer.
    fn fill(&mut self) -> Result<(), Fault> {
        let start = self.chunk.1;
        self.buffer.copy_within(start..self.filled, 0);
        self.offset += start as u64;
        self.filled -= start;
        self.chunk = (0, 0);
        if self.filled >= LONGEST {
            return Err(Fault::TooLong(self.line));
        }
        // Reading to the end of the range and a little more saves reading most of the next range
        // too; a record that is longer still doubles what is read.
        let read_to = self.offset + self.filled as u64;
        let wanted = self.stop.saturating_sub(read_to).saturating_add(SLACK.max(self.filled as u64));
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX).min(BLOCK.max(self.filled));
        if self.buffer.len() < self.filled + wanted {
            self.buffer.resize(self.filled + wanted, 0);
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

    /// The text that the tokens point into.
    pub(super) fn text(&self) -> &[u8] {
        &self.buffer[self.chunk.0..self.chunk.1]
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
