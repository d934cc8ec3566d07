//! The text of a file: from any offset on in a plain file, from the beginning in a compressed one.

use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use super::ahead::Ahead;
use super::disk::DiskFile;
use super::meter::measured;
use super::source::{Extent, Request, Split};

/// How a file is compressed, told from its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd {
        /// Bytes of text that the decoder must keep.
        window: usize,
    },
}

impl Compression {
    /// Tells from the first bytes of a file; 16 suffice.
    pub(super) fn of(file: &[u8]) -> Self {
        match file {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, header @ ..] => Compression::Zstd { window: zstd_window(header) },
            _ => Compression::None,
        }
    }

    /// Its name in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Compression::None => "file",
            Compression::Gzip => "gzip data",
            Compression::Zstd { .. } => "zstd data",
        }
    }

    /// Bytes of memory that reading takes, blocks of text not counted.
    pub(super) fn memory(self) -> usize {
        match self {
            Compression::None => 0,
            Compression::Gzip => Ahead::MEMORY + COMPRESSED + (64 << 10),
            Compression::Zstd { window } => Ahead::MEMORY + COMPRESSED + window + (448 << 10),
        }
    }
}

/// The window size that a zstd frame header (what follows the magic number) asks for: RFC 8878,
/// section 3.1.1.1.2. A frame of a single segment may have any size, but then holds all of its text.
fn zstd_window(header: &[u8]) -> usize {
    const LARGEST: u32 = 27; // the decoder refuses more
    let [descriptor, window, ..] = *header else { return 0 };
    if descriptor & 0x20 != 0 {
        return 8 << 20;
    }
    let base = 1usize << (10 + u32::from(window >> 3)).min(LARGEST);
    base + base / 8 * usize::from(window & 7)
}

/// What is read of a plain file of `len` bytes for the records that begin in a split, if they are not very long.
pub(super) fn text_range(split: &Split, request: &Request, len: u64) -> Option<Range<u64>> {
    const AROUND: u64 = 64 << 10;
    match split.extent {
        Extent::Bytes { start, end } if request.rows.is_none() => {
            Some(start.saturating_sub(AROUND)..len.min(end + AROUND))
        }
        _ => None,
    }
}

/// The text, in order.
pub(super) enum Bytes {
    /// A plain file.
    Plain {
        /// The file, which may be read by others at the same time.
        file: Arc<DiskFile>,
        /// The next byte to read.
        position: u64,
        /// The file's length.
        len: u64,
    },
    /// What a decompressor gives, on a thread of its own.
    Stream(Box<dyn Read + Send>),
}

impl Bytes {
    /// A file's text from its byte `start` on, counted in the decompressed text. `len` is the
    /// length of the file on disk.
    pub(super) fn open(
        file: Arc<DiskFile>,
        compression: Compression,
        len: u64,
        start: u64,
    ) -> io::Result<Self> {
        let compressed = BufReader::with_capacity(COMPRESSED, Positioned { file: file.clone(), position: 0 });
        let mut stream = match compression {
            Compression::None => return Ok(Bytes::Plain { file, position: start, len }),
            Compression::Gzip => Ahead::new(MultiGzDecoder::new(compressed))?,
            Compression::Zstd { .. } => Ahead::new(zstd::stream::read::Decoder::with_buffer(compressed)?)?,
        };
        io::copy(&mut stream.by_ref().take(start), &mut io::sink())?;
        Ok(Bytes::Stream(Box::new(stream)))
    }

    /// Fills the buffer as far as there is text; less than a full buffer means the end of the file.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Bytes::Plain { file, position, len } => {
                let left = usize::try_from(len.saturating_sub(*position)).unwrap_or(usize::MAX);
                let read = buffer.len().min(left);
                measured(|_| read, || file.read_exact_at(&mut buffer[..read], *position))?;
                *position += read as u64;
                Ok(read)
            }
            Bytes::Stream(stream) => {
                let mut filled = 0;
                while filled < buffer.len() {
                    match stream.read(&mut buffer[filled..]) {
                        Ok(0) => break,
                        Ok(read) => filled += read,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(filled)
            }
        }
    }
}

/// Bytes of compressed text that are read at a time.
const COMPRESSED: usize = 128 << 10;

/// A reader with a position of its own, so that one file serves many.
struct Positioned {
    file: Arc<DiskFile>,
    position: u64,
}

impl Read for Positioned {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = |result: &io::Result<usize>| *result.as_ref().unwrap_or(&0);
        let read = measured(bytes, || self.file.read_at(buffer, self.position))?;
        self.position += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zstd_windows_are_read_from_the_frame() {
        let frame = |log: u32| {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
            encoder.window_log(log).unwrap();
            std::io::Write::write_all(&mut encoder, b"a,b\n").unwrap();
            encoder.finish().unwrap()
        };
        assert_eq!(Compression::of(&frame(20)), Compression::Zstd { window: 1 << 20 });
        assert_eq!(Compression::of(&frame(24)), Compression::Zstd { window: 16 << 20 });
    }
}
