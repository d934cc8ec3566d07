//! The pages of a column chunk, read one after the other into buffers that are used again.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::Crc;
use parquet::basic::Compression;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::hybrid::SLACK;
use super::thrift::Reader;
use crate::input::disk::DiskFile;
use crate::input::meter::{count, measured};
use crate::input::spare::BUFFERS;

/// Bytes that are read at first: several pages, few where only the first rows are wanted, and fewer where only headers are.
/// Then twice as many each time, up to several pages.
pub(super) const WINDOW: usize = 256 << 10;
pub(super) const FIRST_ROWS: usize = 32 << 10;
const HEADERS: usize = 4 << 10;
/// Bytes of a page's beginning, as many as zstd unpacks at a time, and more than a page has.
pub(super) const BEGINNING: usize = 128 << 10;
pub(super) const ALL: usize = usize::MAX;
/// Two to this power are the most bytes that zstd may keep to unpack a beginning.
const MOST_WINDOW_LOG: u32 = 23;
/// Bytes that a page may hold beyond what its packing makes of its packed bytes at the most.
const SOME: usize = 64;

/// What is needed of a page's header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    /// Numbers of the format's own list.
    pub(super) encoding: i64,
    /// Values, nulls among them.
    pub(super) values: usize,
    /// Bytes of the levels of version 2, which come first and are not compressed.
    pub(super) level_bytes: usize,
    packed_bytes: usize,
    bytes: usize,
    crc: Option<u32>,
    is_plain: bool,
    /// Whether there are repetition levels, as flat columns have none.
    is_nested: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// The first version of data pages; a 32-bit number tells the length of the levels.
    #[default]
    Data,
    /// Their second version: the header tells it.
    DataV2,
    Dictionary,
    /// Nothing that holds values.
    Other,
}

impl Header {
    /// The header at the start of `bytes`, and its length; `None` where there is none (or not all of it).
    fn parse(bytes: &[u8]) -> Option<(Header, usize)> {
        let mut header = Header::default();
        let (mut reader, mut id) = (Reader { bytes }, 0);
        let size = |n: i64| usize::try_from(n).ok().filter(|&n| n <= i32::MAX as usize);
        while let Some(kind) = reader.field(&mut id)? {
            match id {
                1 => {
                    header.kind = match reader.integer(kind)? {
                        0 => Kind::Data,
                        2 => Kind::Dictionary,
                        3 => Kind::DataV2,
                        _ => Kind::Other,
                    }
                }
                2 => header.bytes = size(reader.integer(kind)?)?,
                3 => header.packed_bytes = size(reader.integer(kind)?)?,
                4 => header.crc = Some(reader.integer(kind)? as u32),
                5 | 7 | 8 => {
                    let mut inner = 0;
                    while let Some(kind) = reader.field(&mut inner)? {
                        match (id, inner) {
                            (_, 1) => header.values = size(reader.integer(kind)?)?,
                            (5 | 7, 2) | (8, 4) => header.encoding = reader.integer(kind)?,
                            (8, 5) => header.level_bytes = size(reader.integer(kind)?)?,
                            (8, 6) => header.is_nested = reader.integer(kind)? != 0,
                            (8, 7) => header.is_plain = reader.integer(kind)? == 0,
                            _ => reader.pass_value(kind, 0)?,
                        }
                    }
                }
                _ => reader.pass_value(kind, 0)?,
            }
        }
        let levels_fit = header.level_bytes <= header.bytes.min(header.packed_bytes);
        levels_fit.then_some((header, bytes.len() - reader.bytes.len()))
    }

    /// Whether packed bytes can become so many as the header says.
    fn is_possible(&self, compression: Compression) -> bool {
        let most = match compression {
            Compression::UNCOMPRESSED => 1,
            // A copy of 64 bytes takes three.
            Compression::SNAPPY => 22,
            Compression::LZ4 | Compression::LZ4_RAW => 255,
            Compression::GZIP(_) => 1032,
            // A block of 128 KiB of the same byte takes four.
            Compression::ZSTD(_) => 1 << 15,
            Compression::BROTLI(_) | Compression::LZO => return true,
        };
        self.bytes <= self.packed_bytes.saturating_mul(most).saturating_add(SOME)
    }
}

/// What unpacks pages.
pub(super) struct Unpacker {
    zstd: zstd::bulk::Decompressor<'static>,
    /// What unpacks only as much as is asked for, once that was wanted.
    zstd_in_parts: Option<Decoder<'static>>,
    snappy: snap::raw::Decoder,
}

impl Unpacker {
    pub(super) fn new() -> Result<Self> {
        let zstd = zstd::bulk::Decompressor::new().map_err(|e| damaged(&e.to_string()))?;
        Ok(Unpacker { zstd, zstd_in_parts: None, snappy: snap::raw::Decoder::new() })
    }

    /// Whether pages that were packed so can be unpacked.
    pub(super) fn knows(compression: Compression) -> bool {
        matches!(compression, Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::ZSTD(_))
    }

    /// Unpacks into all of `out`.
    fn unpack(&mut self, compression: Compression, packed: &[u8], out: &mut [u8]) -> Result<()> {
        let length = match compression {
            Compression::UNCOMPRESSED if packed.len() == out.len() => {
                out.copy_from_slice(packed);
                out.len()
            }
            Compression::SNAPPY => {
                self.snappy.decompress(packed, out).map_err(|e| damaged(&e.to_string()))?
            }
            Compression::ZSTD(_) => {
                self.zstd.decompress_to_buffer(packed, out).map_err(|e| damaged(&e.to_string()))?
            }
            _ => 0,
        };
        if length == out.len() { Ok(()) } else { Err(wrong_size()) }
    }

    /// Fills `out` with the first of the unpacked bytes. Returns false where that can't be had without all of them.
    fn unpack_beginning(&mut self, compression: Compression, packed: &[u8], out: &mut [u8]) -> bool {
        if !matches!(compression, Compression::ZSTD(_)) {
            return false;
        }
        let mut unpack = || {
            let decoder = match &mut self.zstd_in_parts {
                Some(decoder) => decoder,
                none => none.insert(Decoder::new()?),
            };
            decoder.reinit()?;
            decoder.set_parameter(DParameter::WindowLogMax(MOST_WINDOW_LOG))?;
            let (mut from, mut to) = (InBuffer::around(packed), OutBuffer::around(&mut *out));
            loop {
                let (read, written) = (from.pos(), to.pos());
                decoder.run(&mut from, &mut to)?;
                if to.pos() == to.capacity() || (from.pos(), to.pos()) == (read, written) {
                    return std::io::Result::Ok(to.pos());
                }
            }
        };
        // Whoever unpacks all of it finds what is wrong with it.
        unpack().is_ok_and(|length| length == out.len())
    }
}

/// Whether packed bytes may hold so many, as far as they say themselves: asked before there is room for them.
fn may_hold(compression: Compression, packed: &[u8], size: usize) -> bool {
    match compression {
        Compression::UNCOMPRESSED => packed.len() == size,
        Compression::SNAPPY => snap::raw::decompress_len(packed).is_ok_and(|length| length == size),
        _ => zstd::bulk::Decompressor::upper_bound(packed).is_none_or(|length| length == size),
    }
}

pub(super) fn wrong_size() -> ParquetError {
    damaged("a page has another size than its header says")
}

/// Where in the file a column chunk lies.
pub(super) fn range_of(chunk: &ColumnChunkMetaData) -> Option<Range<u64>> {
    // The chunk's own `byte_range` panics where a damaged footer has negative numbers.
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let start = u64::try_from(start).ok()?;
    Some(start..start.checked_add(u64::try_from(chunk.compressed_size()).ok()?)?)
}

/// A column chunk's pages.
pub(super) struct Pages {
    file: Arc<DiskFile>,
    compression: Compression,
    /// All of the chunk, if it was fetched: then that is the window.
    fetched: Option<Bytes>,
    /// Bytes of the file, of which those from `at` to `there` are still to be used.
    window: Vec<u8>,
    at: usize,
    there: usize,
    window_bytes: usize,
    /// The rest of the chunk, in the file.
    next: u64,
    end: u64,
    /// Where it begins.
    start: u64,
}

impl Pages {
    /// Those of a chunk, of which `window_bytes` are read at first.
    pub(super) fn new(file: Arc<DiskFile>, chunk: &ColumnChunkMetaData, window_bytes: usize) -> Result<Self> {
        let Range { start, end } = range_of(chunk)
            .filter(|range| range.end <= file.len())
            .ok_or_else(|| damaged("a column lies outside the file"))?;
        let fetched = file.fetched(start..end);
        count(fetched.as_ref().map_or(0, Bytes::len) as u64, Duration::ZERO);
        let (compression, window) = (chunk.compression(), Vec::new());
        let pages =
            Pages { file, compression, fetched, window, at: 0, there: 0, window_bytes, next: 0, end, start };
        Ok(pages.rewound())
    }

    /// The same pages, from the first one on.
    pub(super) fn again(&self) -> Self {
        let (file, fetched, window) = (self.file.clone(), self.fetched.clone(), Vec::new());
        Pages { file, fetched, window, window_bytes: FIRST_ROWS, ..*self }.rewound()
    }

    fn rewound(mut self) -> Self {
        (self.at, self.there) = (0, self.fetched.as_ref().map_or(0, Bytes::len));
        self.next = self.start + self.there as u64;
        self
    }

    fn window(&self) -> &[u8] {
        self.fetched.as_deref().unwrap_or(&self.window)
    }

    /// The next page's header; `None` at the chunk's end. [`Pages::body`] or [`Pages::skip`] must follow.
    pub(super) fn header(&mut self) -> Result<Option<Header>> {
        match self.any_header()? {
            Some(header) if !header.is_possible(self.compression) => Err(wrong_size()),
            Some(header) if header.is_nested => Err(damaged("a flat column has repetition levels")),
            header => Ok(header),
        }
    }

    /// The same, whatever the header says.
    fn any_header(&mut self) -> Result<Option<Header>> {
        let mut wanted = 1;
        loop {
            if self.fill(wanted)? == 0 {
                return Ok(None);
            }
            if let Some((header, length)) = Header::parse(&self.window()[self.at..self.there]) {
                self.at += length;
                return Ok(Some(header));
            }
            if self.next == self.end {
                return Err(damaged("a page's header can't be read"));
            }
            // It may be longer than what has been read.
            wanted = self.there - self.at + WINDOW;
        }
    }

    /// Passes the page over.
    pub(super) fn skip(&mut self, header: &Header) -> Result<()> {
        let there = self.there - self.at;
        let further = header.packed_bytes.saturating_sub(there) as u64;
        self.at += header.packed_bytes.min(there);
        self.next += further;
        if self.next <= self.end { Ok(()) } else { Err(damaged("a page ends behind its column's end")) }
    }

    /// Puts the page's bytes, unpacked, and slack behind them into `page`: all, or only the first `enough` where that is
    /// quicker. Returns their number.
    pub(super) fn body(
        &mut self,
        header: &Header,
        unpacker: &mut Unpacker,
        page: &mut Vec<u8>,
        enough: usize,
    ) -> Result<usize> {
        if self.fill(header.packed_bytes)? < header.packed_bytes {
            return Err(damaged("a page ends behind its column's end"));
        }
        let at = self.at;
        self.at += header.packed_bytes;
        let packed = &self.window()[at..][..header.packed_bytes];
        if let Some(expected) = header.crc {
            let mut crc = Crc::new();
            crc.update(packed);
            if crc.sum() != expected {
                return Err(damaged("Page CRC checksum mismatch"));
            }
        }
        let (levels, packed) = packed.split_at(header.level_bytes);
        let compression = if header.is_plain { Compression::UNCOMPRESSED } else { self.compression };
        // Nothing need be written for no values.
        let packs_something = header.bytes > levels.len();
        if packs_something && !may_hold(compression, packed, header.bytes - levels.len()) {
            return Err(wrong_size());
        }
        if enough < header.bytes && levels.is_empty() {
            make_room(page, enough);
            if unpacker.unpack_beginning(compression, packed, &mut page[..enough]) {
                return Ok(enough);
            }
        }
        make_room(page, header.bytes);
        page[..levels.len()].copy_from_slice(levels);
        if packs_something {
            unpacker.unpack(compression, packed, &mut page[levels.len()..header.bytes])?;
        }
        Ok(header.bytes)
    }

    /// Sees to it that the window holds `wanted` bytes, if there are so many; returns how many it holds.
    fn fill(&mut self, wanted: usize) -> Result<usize> {
        let there = self.there - self.at;
        let left = usize::try_from(self.end - self.next).unwrap_or(usize::MAX);
        if there >= wanted || left == 0 {
            return Ok(there);
        }
        let more = (wanted - there).max(self.window_bytes.saturating_sub(there)).min(left);
        self.window_bytes = (2 * self.window_bytes).min(WINDOW);
        if self.window.len() < there + more {
            let mut larger = BUFFERS.take(there + more);
            larger[..there].copy_from_slice(&self.window[self.at..self.there]);
            BUFFERS.give_back(std::mem::replace(&mut self.window, larger));
        } else {
            self.window.copy_within(self.at..self.there, 0);
        }
        (self.at, self.there) = (0, there + more);
        let (file, window) = (&self.file, &mut self.window[there..self.there]);
        measured(|_| more, || file.read_exact_at(window, self.next))?;
        self.next += more as u64;
        Ok(self.there)
    }
}

/// Room for so many bytes, and slack behind them. What was there need not be kept.
fn make_room(page: &mut Vec<u8>, bytes: usize) {
    if page.len() < bytes + SLACK {
        BUFFERS.give_back(std::mem::take(page));
        *page = BUFFERS.take(bytes + SLACK);
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        BUFFERS.give_back(std::mem::take(&mut self.window));
    }
}

/// Bytes of a column chunk's dictionary and first data page, unpacked, as their headers say.
pub(super) fn first_pages(file: Arc<DiskFile>, chunk: &ColumnChunkMetaData) -> Result<usize> {
    let mut pages = Pages::new(file, chunk, FIRST_ROWS)?;
    let mut bytes = 0;
    while let Some(header) = pages.header()? {
        bytes += header.bytes;
        if matches!(header.kind, Kind::Data | Kind::DataV2) {
            break;
        }
        pages.skip(&header)?;
    }
    Ok(bytes)
}

/// Whether a page of a column chunk claims to become more than its packed bytes can: Arrow's decoders make room for that, and
/// fill it, before they unpack anything. (Headers that can't be read they find by themselves.)
pub(super) fn has_impossible_page(file: Arc<DiskFile>, chunk: &ColumnChunkMetaData) -> bool {
    let Ok(mut pages) = Pages::new(file, chunk, HEADERS) else { return false };
    loop {
        pages.window_bytes = HEADERS;
        match pages.any_header() {
            Ok(Some(header)) if !header.is_possible(pages.compression) => return true,
            Ok(Some(header)) if pages.skip(&header).is_ok() => {}
            _ => return false,
        }
    }
}

pub(super) fn damaged(what: &str) -> ParquetError {
    ParquetError::General(what.to_string())
}
