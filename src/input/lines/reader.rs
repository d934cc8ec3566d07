//! The lines of a range of a file, through one buffer that is used again and again.

use std::io;
use std::ops::Range;

use memchr::memchr;

use crate::input::Reject;
use crate::input::bytes::Bytes;

/// Bytes read at once.
pub(super) const BLOCK: usize = 256 << 10;

/// The longest line that is read; longer ones are hardly rows.
pub(super) const LONGEST: usize = 64 << 20;

/// Bytes read beyond the end of a range, where its last line is likely to end.
const SLACK: u64 = 4 << 10;

/// A line without its line break.
pub(super) enum Line {
    /// To be had from [`Lines::text`].
    Text(Range<usize>),
    /// It is longer than [`LONGEST`], and was passed over; its beginning.
    TooLong(Vec<u8>),
}

/// The lines that begin in a range of a file.
pub(super) struct Lines {
    bytes: Bytes,
    buffer: Vec<u8>,
    /// How much of the buffer holds text.
    filled: usize,
    /// Where in the buffer the next line begins.
    at: usize,
    /// Where in the file the buffer begins.
    offset: u64,
    stop: u64,
    /// Lines read.
    count: u64,
    ended: bool,
}

impl Lines {
    /// The lines from `start`, where `bytes` and a line begin, to the first that begins at or after `stop`.
    pub(super) fn new(bytes: Bytes, start: u64, stop: u64) -> Self {
        let buffer = Vec::new();
        Lines { bytes, buffer, filled: 0, at: 0, offset: start, stop, count: 0, ended: false }
    }

    /// Goes on to the line that begins next, or to `stop` if none begins before it.
    pub(super) fn skip_rest(&mut self) -> io::Result<()> {
        loop {
            if let Some(end) = memchr(b'\n', &self.buffer[self.at..self.filled]) {
                self.at += end + 1;
                return Ok(());
            }
            self.at = self.filled;
            if self.ended || self.position() >= self.stop {
                return Ok(());
            }
            self.fill()?;
        }
    }

    /// The next line; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        if self.position() >= self.stop {
            return Ok(None);
        }
        let mut searched = 0;
        loop {
            let start = self.at;
            if let Some(end) = memchr(b'\n', &self.buffer[start + searched..self.filled]) {
                let end = start + searched + end;
                self.at = end + 1;
                return Ok(Some(self.line(start..end)));
            }
            if self.ended {
                self.at = self.filled;
                let rest = start..self.filled;
                return Ok(if rest.is_empty() { None } else { Some(self.line(rest)) });
            }
            searched = self.filled - start;
            if searched > LONGEST {
                return self.pass_over().map(Some);
            }
            self.fill()?;
        }
    }

    fn line(&mut self, text: Range<usize>) -> Line {
        self.count += 1;
        if text.len() > LONGEST {
            return Line::TooLong(self.buffer[text.start..text.start + Reject::LONGEST].to_vec());
        }
        let carriage_return = usize::from(self.buffer[text.clone()].ends_with(b"\r"));
        Line::Text(text.start..text.end - carriage_return)
    }

    fn pass_over(&mut self) -> io::Result<Line> {
        let beginning = self.buffer[self.at..self.at + Reject::LONGEST].to_vec();
        self.count += 1;
        // The line may go on for longer than memory.
        loop {
            self.at = self.filled;
            self.fill()?;
            if let Some(end) = memchr(b'\n', &self.buffer[..self.filled]) {
                self.at = end + 1;
                break;
            }
            if self.ended {
                self.at = self.filled;
                break;
            }
        }
        Ok(Line::TooLong(beginning))
    }

    /// Reads more text behind what is left of the buffer.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.at..self.filled, 0);
        self.offset += self.at as u64;
        self.filled -= self.at;
        self.at = 0;
        // Reading to the end of the range and a little more saves reading most of the next range
        // too; a line that is longer still doubles what is read.
        let read_to = self.offset + self.filled as u64;
        let wanted = self.stop.saturating_sub(read_to).saturating_add(SLACK.max(self.filled as u64));
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX).min(BLOCK.max(self.filled));
        // More than that is passed over.
        let wanted = wanted.min((LONGEST + BLOCK).saturating_sub(self.filled));
        if self.buffer.len() < self.filled + wanted {
            self.buffer.resize(self.filled + wanted, 0);
        }
        let read = self.bytes.read(&mut self.buffer[self.filled..self.filled + wanted])?;
        self.filled += read;
        self.ended = read < wanted;
        Ok(())
    }

    /// The text of the line that was last read.
    pub(super) fn text(&self, line: Range<usize>) -> &[u8] {
        &self.buffer[line]
    }

    /// Where in the file the next line begins.
    pub(super) fn position(&self) -> u64 {
        self.offset + self.at as u64
    }

    /// Lines read.
    pub(super) fn count(&self) -> u64 {
        self.count
    }
}
