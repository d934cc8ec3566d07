//! Flat columns: numbers and texts that stand at the root of the schema, one or null in each row, decoded from
//! their pages straight to arrays.
//!
//! Arrow's own reader reads everything else, and what these give is what it would give; it is the oracle
//! of the tests. These take a fraction of its time: a column that is written as indices of a dictionary stays so,
//! numbers too, and the bits of definition levels are copied as they are, since they are those of Arrow's nulls.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, AsArray, BooleanBufferBuilder, DictionaryArray, Int32Array, PrimitiveArray,
    UInt32Array,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type, Int64Type};
use parquet::basic::Encoding;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;

use super::bits::There;
use super::hybrid::Hybrid;
use super::pages::{ALL, BEGINNING, Header, Kind, Pages, Unpacker, damaged};
use super::plain::{Values, early};
use super::tools::{Scratch, Tools};
use crate::features::Translate;
use crate::input::disk::DiskFile;
use crate::input::spare::BUFFERS;
use crate::learn::kernels::look_up;

/// Encodings by the format's numbers.
const PLAIN: i64 = 0;
const PLAIN_DICTIONARY: i64 = 2;
const RLE_DICTIONARY: i64 = 8;

/// A column chunk on the way to arrays.
pub(super) struct FlatColumn {
    pages: Pages,
    values: Values,
    given: Given,
    nullable: bool,
    dictionary: Option<Dictionary>,
    page: OpenPage,
}

/// As what a column is given.
pub(super) enum Given {
    /// As its values.
    Plain,
    /// As a dictionary and keys, where the file has one for all values. If only the column's first rows are wanted, so many,
    /// the dictionary may hold its first values alone.
    Keyed { rows: Option<usize> },
    /// Translated: what its dictionary holds once, what pages hold without it value by value.
    Translated(Arc<dyn Translate>),
}

enum Dictionary {
    /// Its values, of which there are so many: all, or the first ones.
    Values(ArrayRef, usize),
    /// What each value becomes; what null becomes is the last one.
    Translated(Vec<u32>),
}

/// The page that is being read.
struct OpenPage {
    bytes: Vec<u8>,
    /// Rows left of it.
    left: usize,
    levels: Hybrid,
    rest: Rest,
}

impl Drop for OpenPage {
    fn drop(&mut self) {
        BUFFERS.give_back(std::mem::take(&mut self.bytes));
    }
}

/// What is left of a page's values.
enum Rest {
    /// Themselves, from this byte of the page to that.
    Plain { at: usize, end: usize },
    /// Indices of the dictionary.
    Indices(Hybrid),
}

/// Whether all values are in the dictionary.
pub(super) fn is_all_dictionary(chunk: &ColumnChunkMetaData) -> bool {
    chunk.dictionary_page_offset().is_some()
        && chunk.page_encoding_stats_mask().is_some_and(|mask| {
            mask.is_only(Encoding::PLAIN_DICTIONARY) || mask.is_only(Encoding::RLE_DICTIONARY)
        })
}

impl FlatColumn {
    /// The column of a chunk if it is a flat one that is to be read as `data_type`, at first `window_bytes` of it.
    pub(super) fn open(
        file: &Arc<DiskFile>,
        chunk: &ColumnChunkMetaData,
        data_type: &DataType,
        given: Given,
        window_bytes: usize,
    ) -> Option<Result<Self>> {
        let column = chunk.column_descr();
        let is_flat =
            column.max_rep_level() == 0 && column.max_def_level() <= 1 && column.path().parts().len() == 1;
        let values = Values::of(column.physical_type(), data_type)?;
        let given = match given {
            Given::Keyed { .. } if !is_all_dictionary(chunk) => Given::Plain,
            given => given,
        };
        // Levels of the eldest sort, and values in other encodings, are left to Arrow's reader.
        let is_known = |encoding: Encoding| {
            let encodings =
                [Encoding::PLAIN, Encoding::PLAIN_DICTIONARY, Encoding::RLE, Encoding::RLE_DICTIONARY];
            encodings.contains(&encoding)
        };
        let can = is_flat
            && Unpacker::knows(chunk.compression())
            && chunk.encodings().all(is_known)
            && !(matches!(given, Given::Plain) && values == Values::Text);
        can.then(|| {
            Ok(FlatColumn {
                pages: Pages::new(file.clone(), chunk, window_bytes)?,
                values,
                given,
                nullable: column.max_def_level() == 1,
                dictionary: None,
                page: OpenPage {
                    bytes: Vec::new(),
                    left: 0,
                    levels: Hybrid::new(0, 0, 0)?,
                    rest: Rest::Plain { at: 0, end: 0 },
                },
            })
        })
    }

    /// Passes over `behind` rows and reads `rows`.
    pub(super) fn next(&mut self, behind: usize, rows: usize, tools: &mut Tools) -> Result<ArrayRef> {
        self.skip(behind, tools)?;
        self.read(rows, tools)
    }

    fn skip(&mut self, mut rows: usize, tools: &mut Tools) -> Result<()> {
        while rows > 0 {
            if self.page.left == 0 {
                let header = self.next_data_page(tools)?;
                if header.values <= rows {
                    rows -= header.values;
                    self.pages.skip(&header)?;
                    continue;
                }
                self.open_page(&header, tools)?;
            }
            let n = rows.min(self.page.left);
            self.read(n, tools)?;
            rows -= n;
        }
        Ok(())
    }

    /// Whether it is given translated.
    pub(super) fn is_translated(&self) -> bool {
        matches!(self.given, Given::Translated(_))
    }

    fn read(&mut self, rows: usize, tools: &mut Tools) -> Result<ArrayRef> {
        match (&self.given, self.values) {
            (Given::Keyed { .. }, _) => self.read_keys(rows, tools),
            (Given::Translated(translation), _) => {
                let translation = translation.clone();
                self.read_translated(rows, translation.as_ref(), tools)
            }
            (_, Values::Int32) => self.read_numbers::<Int32Type, 4>(rows, tools, i32::from_le_bytes),
            (_, Values::Int64) => self.read_numbers::<Int64Type, 8>(rows, tools, i64::from_le_bytes),
            (_, Values::Float32) => self.read_numbers::<Float32Type, 4>(rows, tools, f32::from_le_bytes),
            (_, Values::Float64) => self.read_numbers::<Float64Type, 8>(rows, tools, f64::from_le_bytes),
            (_, Values::Text) => Err(damaged("texts are not in a dictionary")),
        }
    }

    fn read_keys(&mut self, rows: usize, tools: &mut Tools) -> Result<ArrayRef> {
        let (keys, nulls) =
            self.fill(rows, 0, tools, |scratch, page, dictionary, there, out| match &mut page.rest {
                Rest::Indices(hybrid) => {
                    let Some(&Dictionary::Values(_, length)) = dictionary else {
                        return Err(no_dictionary());
                    };
                    let indices = scratch.indices(hybrid, &page.bytes, there, length, 0)?;
                    out.extend(indices.iter().map(|&index| index.cast_signed()));
                    Ok(())
                }
                Rest::Plain { .. } => Err(damaged("the footer says that all values are in the dictionary")),
            })?;
        let Some(Dictionary::Values(values, length)) = &self.dictionary else { return Err(no_dictionary()) };
        let largest = keys.iter().max().map_or(0, |&key| key as usize);
        let is_there = !(values.len()..*length).contains(&largest);
        let values = if is_there { values.clone() } else { self.whole_dictionary(tools)? };
        Ok(Arc::new(DictionaryArray::try_new(Int32Array::new(keys.into(), nulls), values)?))
    }

    fn read_translated(
        &mut self,
        rows: usize,
        translation: &dyn Translate,
        tools: &mut Tools,
    ) -> Result<ArrayRef> {
        let (values, gap) = (self.values, translation.missing());
        let (translated, _) =
            self.fill(rows, gap, tools, |scratch, page, dictionary, there, out| match &mut page.rest {
                Rest::Indices(hybrid) => {
                    let Some(Dictionary::Translated(table)) = dictionary else { return Err(no_dictionary()) };
                    let length = table.len() - 1;
                    look_up(table, scratch.indices(hybrid, &page.bytes, there, length, length as u32)?, out);
                    Ok(())
                }
                Rest::Plain { at, end } => {
                    let translated = scratch.values(there.count());
                    *at += values.translate(&page.bytes[*at..*end], translation, translated)?;
                    out.extend_from_slice(there.expand(&scratch.values, gap, &mut scratch.rows));
                    Ok(())
                }
            })?;
        Ok(Arc::new(UInt32Array::new(translated.into(), None)))
    }

    fn read_numbers<T: ArrowPrimitiveType, const BYTES: usize>(
        &mut self,
        rows: usize,
        tools: &mut Tools,
        number: impl Fn([u8; BYTES]) -> T::Native,
    ) -> Result<ArrayRef> {
        let zero = T::Native::default();
        let (numbers, nulls) =
            self.fill(rows, zero, tools, |scratch, page, dictionary, there, out| match &mut page.rest {
                Rest::Indices(hybrid) => {
                    let Some(Dictionary::Values(values, _)) = dictionary else { return Err(no_dictionary()) };
                    let table = values.as_primitive::<T>().values();
                    // What a null looks up is hidden.
                    look_up(table, scratch.indices(hybrid, &page.bytes, there, table.len(), 0)?, out);
                    Ok(())
                }
                Rest::Plain { at, end } => {
                    let bytes = page.bytes[..*end].get(*at..*at + there.count() * BYTES).ok_or_else(early)?;
                    *at += bytes.len();
                    there.place(zero, bytes.as_chunks::<BYTES>().0.iter().map(|bytes| number(*bytes)), out);
                    Ok(())
                }
            })?;
        Ok(Arc::new(PrimitiveArray::<T>::new(numbers.into(), nulls)))
    }

    /// What `decode` appends for each page's rows, `gap` where all of them are null; and which are null, where that is not
    /// translated as well.
    fn fill<T: Copy>(
        &mut self,
        rows: usize,
        gap: T,
        tools: &mut Tools,
        mut decode: impl FnMut(
            &mut Scratch,
            &mut OpenPage,
            Option<&Dictionary>,
            There<'_>,
            &mut Vec<T>,
        ) -> Result<()>,
    ) -> Result<(Vec<T>, Option<NullBuffer>)> {
        let mut out = Vec::with_capacity(rows);
        let mut valid = (self.nullable && !self.is_translated()).then(|| BooleanBufferBuilder::new(rows));
        while out.len() < rows {
            if self.page.left == 0 {
                let header = self.next_data_page(tools)?;
                self.open_page(&header, tools)?;
                continue;
            }
            let n = self.page.left.min(rows - out.len());
            let mut there = There::All(n);
            if self.nullable {
                tools.bits.clear();
                self.page.levels.read_bits(&self.page.bytes, n, &mut tools.bits)?;
                there = There::of(&tools.bits);
                valid.iter_mut().for_each(|valid| tools.bits.append_to(valid));
            }
            if there.count() > 0 {
                decode(&mut tools.scratch, &mut self.page, self.dictionary.as_ref(), there, &mut out)?;
            } else {
                out.resize(out.len() + n, gap);
            }
            self.page.left -= n;
        }
        let nulls = valid.map(|mut valid| NullBuffer::new(valid.finish()));
        Ok((out, nulls.filter(|nulls| nulls.null_count() > 0)))
    }

    /// The header of the next data page; a dictionary before it is read.
    fn next_data_page(&mut self, tools: &mut Tools) -> Result<Header> {
        loop {
            let header = self.pages.header()?.ok_or_else(|| damaged("its pages end early"))?;
            match header.kind {
                Kind::Data | Kind::DataV2 => return Ok(header),
                Kind::Other => self.pages.skip(&header)?,
                Kind::Dictionary => {
                    if self.dictionary.is_some() || !matches!(header.encoding, PLAIN | PLAIN_DICTIONARY) {
                        return Err(damaged("a second dictionary, or one of an unknown encoding"));
                    }
                    self.dictionary = Some(self.read_dictionary(&header, tools)?);
                }
            }
        }
    }

    fn read_dictionary(&mut self, header: &Header, tools: &mut Tools) -> Result<Dictionary> {
        let enough = if let Given::Keyed { rows: Some(_) } = self.given { BEGINNING } else { ALL };
        let end = self.pages.body(header, &mut tools.unpacker, &mut self.page.bytes, enough)?;
        let bytes = &self.page.bytes[..end];
        Ok(match &self.given {
            Given::Translated(translation) => {
                let count = self.values.room_for(bytes, header.values)?;
                let mut table = vec![translation.missing(); count + 1];
                self.values.translate(bytes, translation.as_ref(), &mut table[..count])?;
                Dictionary::Translated(table)
            }
            Given::Keyed { rows: Some(rows) } => {
                // Writers number values as they come, so that the first rows have the first ones.
                let values = self.values.decode_some(bytes, header.values.min(*rows))?;
                Dictionary::Values(values, header.values)
            }
            Given::Plain | Given::Keyed { rows: None } => {
                Dictionary::Values(self.values.decode(bytes, header.values)?, header.values)
            }
        })
    }

    /// All values of a dictionary of which only the first ones are there.
    fn whole_dictionary(&mut self, tools: &mut Tools) -> Result<ArrayRef> {
        let (mut pages, mut page) = (self.pages.again(), Vec::new());
        let mut header = pages.header()?;
        while let Some(other) = header.filter(|header| header.kind != Kind::Dictionary) {
            pages.skip(&other)?;
            header = pages.header()?;
        }
        let header = header.ok_or_else(no_dictionary)?;
        let end = pages.body(&header, &mut tools.unpacker, &mut page, ALL)?;
        let values = self.values.decode(&page[..end], header.values)?;
        BUFFERS.give_back(page);
        self.dictionary = Some(Dictionary::Values(values.clone(), values.len()));
        Ok(values)
    }

    fn open_page(&mut self, header: &Header, tools: &mut Tools) -> Result<()> {
        let end = self.pages.body(header, &mut tools.unpacker, &mut self.page.bytes, ALL)?;
        let bytes = &self.page.bytes;
        // Where the levels are, and where the values begin.
        let (levels, at) = match header.kind {
            Kind::DataV2 => (0..header.level_bytes, header.level_bytes),
            _ if self.nullable => {
                let length = bytes[..end].first_chunk().map(|length| u32::from_le_bytes(*length) as usize);
                let length = length.filter(|length| length + 4 <= end);
                let length = length.ok_or_else(|| damaged("a page's levels end early"))?;
                (4..4 + length, 4 + length)
            }
            _ => (0..0, 0),
        };
        self.page.levels = Hybrid::new(1, levels.start, levels.end)?;
        self.page.rest = match header.encoding {
            PLAIN => Rest::Plain { at, end },
            // Pages of nulls alone may lack the width.
            PLAIN_DICTIONARY | RLE_DICTIONARY if at == end => Rest::Indices(Hybrid::new(0, end, end)?),
            PLAIN_DICTIONARY | RLE_DICTIONARY => Rest::Indices(Hybrid::new(bytes[at].into(), at + 1, end)?),
            _ => return Err(damaged("a page has another encoding than the footer says")),
        };
        self.page.left = header.values;
        Ok(())
    }
}

fn no_dictionary() -> ParquetError {
    damaged("there is no dictionary")
}
