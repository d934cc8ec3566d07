//! A text file: how it is compressed, samples of its lines, and their numbers.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use memchr::memchr_iter;

use super::reader::{BLOCK, Line, Lines};
use crate::error::{Error, Part, Place, Result};
use crate::input::bytes::{Bytes, Compression};
use crate::input::csv::unreadable;
use crate::input::disk::{Access, DiskFile};

/// Bytes of text at the beginning of a file that are looked at; of compressed files, which can't be
/// looked at in the middle, more.
const HEAD: u64 = 4 << 20;
const COMPRESSED_HEAD: u64 = 16 << 20;

/// Samples from the middle of a plain file, and their size.
const BLOCKS: u64 = 8;
const BLOCK_BYTES: u64 = 256 << 10;

/// Bytes between places whose line numbers are kept.
const KEPT: u64 = 1 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A text file, plain or compressed.
#[derive(Debug)]
pub(in crate::input) struct TextFile {
    path: PathBuf,
    compression: Compression,
    /// Bytes on disk.
    len: u64,
    /// Where the text begins, behind the byte order mark that some programs write.
    start: u64,
    /// Line breaks before some places.
    breaks: Mutex<BTreeMap<u64, u64>>,
}

/// What the lines of a sample are like.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::input) struct Sampled {
    /// Lines that are not blank.
    pub(in crate::input) lines: usize,
    /// Their bytes, and those of the longest.
    pub(in crate::input) bytes: usize,
    pub(in crate::input) longest: usize,
}

impl TextFile {
    /// Opens a file and looks at its first bytes.
    pub(in crate::input) fn open(path: &Path) -> Result<Self> {
        let failed = |error: io::Error| Error::io("can't read", path, &error);
        let file = File::open(path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        let mut magic = [0; 16];
        let read = file.read_at(&mut magic, 0).map_err(failed)?;
        let compression = Compression::of(&magic[..read]);
        let breaks = Mutex::new(BTreeMap::from([(0, 0)]));
        let mut text = TextFile { path: path.to_path_buf(), compression, len, start: 0, breaks };
        if text.head(BYTE_ORDER_MARK.len())? == BYTE_ORDER_MARK {
            text.start = BYTE_ORDER_MARK.len() as u64;
        }
        Ok(text)
    }

    /// The first bytes of text, at most so many.
    pub(in crate::input) fn head(&self, most: usize) -> Result<Vec<u8>> {
        let read = || -> io::Result<Vec<u8>> {
            let mut head = vec![0; most];
            let length = self.bytes(self.start, Access::default())?.read(&mut head)?;
            head.truncate(length);
            Ok(head)
        };
        read().map_err(|error| self.failed(&error))
    }

    /// Shows lines of the file's beginning to `see`, of a plain file also some from all over it.
    pub(in crate::input) fn sample(&self, mut see: impl FnMut(&[u8])) -> Result<Sampled> {
        let plain = self.compression == Compression::None;
        let head = self.start + if plain { HEAD } else { COMPRESSED_HEAD };
        let mut sampled = Sampled::default();
        let mut show = |start, stop| -> io::Result<()> {
            let mut lines = self.lines(start, stop, Access::default())?;
            while let Some(line) = lines.next()? {
                if let Line::Text(text) = line
                    && let text = lines.text(text)
                    && !text.trim_ascii().is_empty()
                {
                    see(text);
                    sampled.lines += 1;
                    sampled.bytes += text.len();
                    sampled.longest = sampled.longest.max(text.len());
                }
            }
            Ok(())
        };
        let mut show_all = || -> io::Result<()> {
            show(self.start, head)?;
            for block in (1..=BLOCKS).filter(|_| plain) {
                let nominal = self.len.saturating_sub(BLOCK_BYTES) / BLOCKS * block;
                if nominal >= head {
                    show(nominal, nominal + BLOCK_BYTES)?;
                }
            }
            Ok(())
        };
        show_all().map_err(|error| self.failed(&error))?;
        if sampled.lines == 0 {
            return Err(Error::data("the file is empty; expected a row in each line").in_file(&self.path));
        }
        Ok(sampled)
    }

    /// The lines that begin at or after `start` and before `stop`.
    pub(super) fn lines(&self, start: u64, stop: u64, access: Access) -> io::Result<Lines> {
        if start <= self.start {
            return Ok(Lines::new(self.bytes(self.start, access)?, self.start, stop));
        }
        // A line begins at `start` if a line break is right before it.
        let mut lines = Lines::new(self.bytes(start - 1, access)?, start - 1, stop);
        lines.skip_rest()?;
        Ok(lines)
    }

    fn bytes(&self, start: u64, access: Access) -> io::Result<Bytes> {
        Bytes::open(Arc::new(DiskFile::open(&self.path, access)?), self.compression, self.len, start)
    }

    /// The line that begins in a plain file at `start`, or is the so manieth after it, counted from 0.
    /// Reads what comes before it, once for all who ask.
    pub(super) fn line(&self, start: u64, after: u64) -> Place {
        let place = Place { file: Some(self.path.clone()), ..Place::default() };
        match self.breaks_before(start) {
            Ok(before) => Place { part: Some(Part::Line(before + after + 1)), ..place },
            Err(_) => place,
        }
    }

    fn breaks_before(&self, position: u64) -> io::Result<u64> {
        if position <= self.start {
            return Ok(0);
        }
        let mut known = self.breaks.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut at, mut breaks) = known.range(..=position).next_back().map_or((0, 0), |(at, n)| (*at, *n));
        if at == position {
            return Ok(breaks);
        }
        let mut bytes = self.bytes(at, Access::default())?;
        let mut buffer = vec![0; BLOCK];
        while at < position {
            // Reads end at the kept places.
            let wanted = (position - at).min(KEPT - at % KEPT).min(BLOCK as u64) as usize;
            let read = bytes.read(&mut buffer[..wanted])?;
            if read < wanted {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            at += read as u64;
            breaks += memchr_iter(b'\n', &buffer[..read]).count() as u64;
            if at.is_multiple_of(KEPT) || at == position {
                known.insert(at, breaks);
            }
        }
        Ok(breaks)
    }

    /// The error for bytes that can't be had.
    pub(super) fn failed(&self, error: &io::Error) -> Error {
        unreadable(self.compression, error).in_file(&self.path)
    }

    pub(in crate::input) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn compression(&self) -> Compression {
        self.compression
    }

    /// Bytes on disk.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Where the text begins.
    pub(super) fn start(&self) -> u64 {
        self.start
    }
}
