//! Pages for Arrow's reader, looked at before its decoders make room for as many bytes and values as a page claims to hold:
//! there may be no such room, and an allocation that fails would end the process.

use std::sync::Arc;

use parquet::arrow::arrow_reader::RowGroups;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::Result;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;

use super::file::Shared;
use super::pages::{damaged, has_impossible_page, wrong_size};
use super::thrift::Reader;

/// A row group of a file.
pub(super) struct CheckedGroup {
    pub(super) file: Arc<Shared>,
    pub(super) metadata: Arc<ParquetMetaData>,
    pub(super) group: usize,
}

impl RowGroups for CheckedGroup {
    fn num_rows(&self) -> usize {
        usize::try_from(self.metadata.row_group(self.group).num_rows()).unwrap_or(0)
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        let chunk = self.metadata.row_group(self.group).column(column);
        if has_impossible_page(self.file.0.clone(), chunk) {
            return Err(wrong_size());
        }
        let pages = SerializedPageReader::new(self.file.clone(), chunk, self.num_rows(), None)?;
        let column = chunk.column_descr();
        let most_levels = [column.max_rep_level(), column.max_def_level()];
        Ok(Box::new(One(Some(Box::new(CheckedPages { pages, most_levels })))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.metadata.row_group(self.group)))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// The pages of one column chunk.
struct One(Option<Box<dyn PageReader>>);

impl Iterator for One {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl PageIterator for One {}

struct CheckedPages {
    pages: SerializedPageReader<Shared>,
    /// The largest repetition and definition levels.
    most_levels: [i16; 2],
}

impl Iterator for CheckedPages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for CheckedPages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        let is_sound = page.as_ref().is_none_or(|page| counts_fit(page, self.most_levels));
        if is_sound {
            Ok(page)
        } else {
            Err(damaged("a page holds other numbers of values than its header says"))
        }
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn supports_deferred_dictionary(&self) -> bool {
        self.pages.supports_deferred_dictionary()
    }

    fn take_deferred_dictionary(&mut self) -> Result<Option<Page>> {
        self.pages.take_deferred_dictionary()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}

/// Whether the lengths that texts begin with, where these are packed as differences, are no more than the page has values.
fn counts_fit(page: &Page, most_levels: [i16; 2]) -> bool {
    // Prefixes' lengths, if texts have such, and those of the texts or what follows their prefixes.
    let mut streams = match page.encoding() {
        Encoding::DELTA_LENGTH_BYTE_ARRAY => 1,
        Encoding::DELTA_BYTE_ARRAY => 2,
        _ => return true,
    };
    let mut fit = || {
        let mut reader = Reader { bytes: page.buffer() };
        match page {
            Page::DataPage { num_values, def_level_encoding, rep_level_encoding, .. } => {
                for (most, encoding) in most_levels.into_iter().zip([rep_level_encoding, def_level_encoding])
                {
                    pass_levels(&mut reader, most, *encoding, *num_values)?;
                }
            }
            Page::DataPageV2 { def_levels_byte_len, rep_levels_byte_len, .. } => {
                reader.pass(u64::from(*def_levels_byte_len) + u64::from(*rep_levels_byte_len))?;
            }
            Page::DictionaryPage { .. } => {}
        }
        while streams > 0 {
            let claimed = Reader { bytes: reader.bytes }.delta_count()?;
            if claimed > u64::from(page.num_values()) {
                return None;
            }
            streams -= 1;
            if streams > 0 {
                reader.pass_delta()?;
            }
        }
        Some(())
    };
    fit().is_some()
}

/// Passes over a page's levels of the first version.
fn pass_levels(reader: &mut Reader<'_>, most: i16, encoding: Encoding, values: u32) -> Option<()> {
    if most == 0 {
        return Some(());
    }
    if encoding == Encoding::RLE {
        let (length, rest) = reader.bytes.split_first_chunk()?;
        reader.bytes = rest;
        return reader.pass(u64::from(u32::from_le_bytes(*length)));
    }
    let bits = u64::from(i16::BITS - most.leading_zeros()) * u64::from(values);
    reader.pass(bits.div_ceil(8))
}

impl Reader<'_> {
    /// How many numbers a stream of packed differences holds (Parquet's `DELTA_BINARY_PACKED`).
    fn delta_count(&mut self) -> Option<u64> {
        let _numbers_of_a_block = self.varint()?;
        let _parts_of_a_block = self.varint()?;
        self.varint()
    }

    /// Passes over such a stream.
    fn pass_delta(&mut self) -> Option<()> {
        let (numbers, parts, count) = (self.varint()?, self.varint()?, self.varint()?);
        let _first_number = self.varint()?;
        let numbers_of_a_part = numbers.checked_div(parts)?;
        let mut left = count.saturating_sub(1);
        while left > 0 {
            let _least_difference = self.varint()?;
            let widths = self.bytes.get(..usize::try_from(parts).ok()?)?;
            self.pass(parts)?;
            for &width in widths {
                if left == 0 {
                    break;
                }
                self.pass(numbers_of_a_part.checked_mul(u64::from(width))? / 8)?;
                left = left.saturating_sub(numbers_of_a_part);
            }
        }
        Some(())
    }
}
