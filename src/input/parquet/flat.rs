//! Flat columns: numbers and texts that stand at the root of the schema, one or null in each row, decoded from
//! their pages straight to arrays.
//!
//! Arrow's own reader reads everything else, and what these give is what it would give; it is the oracle
//! of the tests. These take a fraction of its time: a column that is written as indices of a dictionary stays so,
//! numbers too, and the bits of definition levels are copied as they are, since they are those of Arrow's nulls.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, AsArray, BooleanBufferBuilder, DictionaryArray, Int32Array, PrimitiveArray,
    StringArray, UInt32Array,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type, Int64Type};
use arrow::util::bit_chunk_iterator::BitChunks;
use parquet::basic::{Encoding, Type as PhysicalType};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;

use super::hybrid::Hybrid;
use super::pages::{Header, Kind, Pages, Unpacker, damaged};
use super::spare::SPARE;
use crate::features::Translate;

/// Encodings by the format's numbers.
const PLAIN: i64 = 0;
const PLAIN_DICTIONARY: i64 = 2;
const RLE_DICTIONARY: i64 = 8;

/// What a column's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Values {
    Int32,
    Int64,
    Float32,
    Float64,
    Text,
}

impl Values {
    fn of(physical: PhysicalType, data_type: &DataType) -> Option<Values> {
        Some(match (physical, data_type) {
            (PhysicalType::INT32, DataType::Int32) => Values::Int32,
            (PhysicalType::INT64, DataType::Int64) => Values::Int64,
            (PhysicalType::FLOAT, DataType::Float32) => Values::Float32,
            (PhysicalType::DOUBLE, DataType::Float64) => Values::Float64,
            (PhysicalType::BYTE_ARRAY, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => {
                Values::Text
            }
            _ => return None,
        })
    }

    /// The first `count` values of plain ones, and their bytes.
    fn decode(self, bytes: &[u8], count: usize) -> Result<(ArrayRef, usize)> {
        match self {
            Values::Int32 => numbers::<Int32Type, 4>(bytes, count, i32::from_le_bytes),
            Values::Int64 => numbers::<Int64Type, 8>(bytes, count, i64::from_le_bytes),
            Values::Float32 => numbers::<Float32Type, 4>(bytes, count, f32::from_le_bytes),
            Values::Float64 => numbers::<Float64Type, 8>(bytes, count, f64::from_le_bytes),
            Values::Text => texts(bytes, count),
        }
    }
}

/// A column chunk on the way to arrays.
pub(super) struct FlatColumn {
    pages: Pages,
    values: Values,
    given: Given,
    nullable: bool,
    dictionary: Option<Dictionary>,
    page: OpenPage,
    indices: Indices,
    /// Bits of the rows that are there, on their way.
    words: Vec<u64>,
}

/// Room for indices on their way.
#[derive(Default)]
struct Indices(Vec<i32>);

impl Indices {
    /// The next `count` ones.
    fn read(&mut self, hybrid: &mut Hybrid, bytes: &[u8], count: usize) -> Result<&[i32]> {
        if self.0.len() < count {
            self.0.resize(count, 0);
        }
        hybrid.read(bytes, &mut self.0[..count])?;
        Ok(&self.0[..count])
    }
}

/// As what a column is given.
pub(super) enum Given {
    /// As its values.
    Plain,
    /// As a dictionary and keys, where the file has one for all values.
    Keyed,
    /// Translated: what its dictionary holds once, what pages hold without it value by value.
    Translated(Arc<dyn Translate>),
}

enum Dictionary {
    Values(ArrayRef),
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
        SPARE.give_back(std::mem::take(&mut self.bytes));
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
    /// The column of a chunk if it is a flat one that is to be read as `data_type`.
    pub(super) fn open(
        file: &Arc<File>,
        file_bytes: u64,
        chunk: &ColumnChunkMetaData,
        data_type: &DataType,
        given: Given,
    ) -> Option<Result<Self>> {
        let column = chunk.column_descr();
        let is_flat =
            column.max_rep_level() == 0 && column.max_def_level() <= 1 && column.path().parts().len() == 1;
        let values = Values::of(column.physical_type(), data_type)?;
        let given = match given {
            Given::Keyed if !is_all_dictionary(chunk) => Given::Plain,
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
                pages: Pages::new(file.clone(), file_bytes, chunk)?,
                values,
                given,
                nullable: column.max_def_level() == 1,
                dictionary: None,
                page: OpenPage {
                    bytes: SPARE.take(),
                    left: 0,
                    levels: Hybrid::new(0, 0, 0)?,
                    rest: Rest::Plain { at: 0, end: 0 },
                },
                indices: Indices::default(),
                words: Vec::new(),
            })
        })
    }

    /// Passes over rows.
    pub(super) fn skip(&mut self, mut rows: usize, unpacker: &mut Unpacker) -> Result<()> {
        while rows > 0 {
            if self.page.left == 0 {
                let header = self.next_data_page(unpacker)?;
                if header.values <= rows {
                    rows -= header.values;
                    self.pages.skip(&header)?;
                    continue;
                }
                self.open_page(&header, unpacker)?;
            }
            let n = rows.min(self.page.left);
            self.read(n, unpacker)?;
            rows -= n;
        }
        Ok(())
    }

    /// Whether it is given translated.
    pub(super) fn is_translated(&self) -> bool {
        matches!(self.given, Given::Translated(_))
    }

    /// The next `rows` rows.
    pub(super) fn read(&mut self, rows: usize, unpacker: &mut Unpacker) -> Result<ArrayRef> {
        match (&self.given, self.values) {
            (Given::Keyed, _) => self.read_keys(rows, unpacker),
            (Given::Translated(translation), _) => {
                let translation = translation.clone();
                self.read_translated(rows, translation.as_ref(), unpacker)
            }
            (_, Values::Int32) => self.read_numbers::<Int32Type, 4>(rows, unpacker, i32::from_le_bytes),
            (_, Values::Int64) => self.read_numbers::<Int64Type, 8>(rows, unpacker, i64::from_le_bytes),
            (_, Values::Float32) => self.read_numbers::<Float32Type, 4>(rows, unpacker, f32::from_le_bytes),
            (_, Values::Float64) => self.read_numbers::<Float64Type, 8>(rows, unpacker, f64::from_le_bytes),
            (_, Values::Text) => Err(damaged("texts are not in a dictionary")),
        }
    }

    fn read_keys(&mut self, rows: usize, unpacker: &mut Unpacker) -> Result<ArrayRef> {
        let mut keys = vec![0; rows];
        let nulls = self.fill(&mut keys, 0, unpacker, |_, page, _, out| match &mut page.rest {
            Rest::Indices(indices) => indices.read(&page.bytes, out),
            Rest::Plain { .. } => Err(damaged("the footer says that all values are in the dictionary")),
        })?;
        let Some(Dictionary::Values(values)) = &self.dictionary else { return Err(no_dictionary()) };
        let values = values.clone();
        Ok(Arc::new(DictionaryArray::try_new(Int32Array::new(keys.into(), nulls), values)?))
    }

    fn read_translated(
        &mut self,
        rows: usize,
        translation: &dyn Translate,
        unpacker: &mut Unpacker,
    ) -> Result<ArrayRef> {
        let values = self.values;
        let mut translated = vec![0; rows];
        self.fill(&mut translated, translation.missing(), unpacker, |indices, page, dictionary, out| {
            match &mut page.rest {
                Rest::Indices(hybrid) => {
                    let Some(Dictionary::Translated(table)) = dictionary else { return Err(no_dictionary()) };
                    look_up(table, indices.read(hybrid, &page.bytes, out.len())?, out)
                }
                Rest::Plain { at, end } => {
                    let (values, bytes) = values.decode(&page.bytes[*at..*end], out.len())?;
                    *at += bytes;
                    translation.translate(&values, out).map_err(|e| damaged(&e.to_string()))
                }
            }
        })?;
        Ok(Arc::new(UInt32Array::new(translated.into(), None)))
    }

    fn read_numbers<T: ArrowPrimitiveType, const BYTES: usize>(
        &mut self,
        rows: usize,
        unpacker: &mut Unpacker,
        number: impl Fn([u8; BYTES]) -> T::Native,
    ) -> Result<ArrayRef> {
        let zero = T::Native::default();
        let mut numbers = vec![zero; rows];
        let nulls =
            self.fill(&mut numbers, zero, unpacker, |indices, page, dictionary, out| match &mut page.rest {
                Rest::Indices(hybrid) => {
                    let Some(Dictionary::Values(values)) = dictionary else { return Err(no_dictionary()) };
                    let table = values.as_primitive::<T>().values();
                    look_up(table, indices.read(hybrid, &page.bytes, out.len())?, out)
                }
                Rest::Plain { at, end } => {
                    let bytes = page.bytes[..*end].get(*at..*at + out.len() * BYTES).ok_or_else(early)?;
                    let (bytes, _) = bytes.as_chunks::<BYTES>();
                    out.iter_mut().zip(bytes).for_each(|(out, bytes)| *out = number(*bytes));
                    *at += out.len() * BYTES;
                    Ok(())
                }
            })?;
        Ok(Arc::new(PrimitiveArray::<T>::new(numbers.into(), nulls)))
    }

    /// Fills `out`, one for each row, page by page: `decode` the values that are there, which then find their rows; the
    /// others become `gap`.
    fn fill<T: Copy>(
        &mut self,
        out: &mut [T],
        gap: T,
        unpacker: &mut Unpacker,
        mut decode: impl FnMut(&mut Indices, &mut OpenPage, Option<&Dictionary>, &mut [T]) -> Result<()>,
    ) -> Result<Option<NullBuffer>> {
        let mut valid = BooleanBufferBuilder::new(if self.nullable { out.len() } else { 0 });
        let mut done = 0;
        while done < out.len() {
            if self.page.left == 0 {
                let header = self.next_data_page(unpacker)?;
                self.open_page(&header, unpacker)?;
                continue;
            }
            let n = self.page.left.min(out.len() - done);
            let out = &mut out[done..done + n];
            let mut present = n;
            if self.nullable {
                self.page.levels.read_bits(&self.page.bytes, n, &mut valid)?;
                self.words.clear();
                self.words.extend(BitChunks::new(valid.as_slice(), done, n).iter_padded());
                present = self.words.iter().map(|word| word.count_ones() as usize).sum();
            }
            decode(&mut self.indices, &mut self.page, self.dictionary.as_ref(), &mut out[..present])?;
            if present < n {
                spread(out, present, &self.words, gap);
            }
            self.page.left -= n;
            done += n;
        }
        let nulls = self.nullable.then(|| NullBuffer::new(valid.finish()));
        Ok(nulls.filter(|nulls| nulls.null_count() > 0))
    }

    /// The header of the next data page; a dictionary before it is read.
    fn next_data_page(&mut self, unpacker: &mut Unpacker) -> Result<Header> {
        loop {
            let header = self.pages.header()?.ok_or_else(|| damaged("its pages end early"))?;
            match header.kind {
                Kind::Data | Kind::DataV2 => return Ok(header),
                Kind::Other => self.pages.skip(&header)?,
                Kind::Dictionary => {
                    if self.dictionary.is_some() || !matches!(header.encoding, PLAIN | PLAIN_DICTIONARY) {
                        return Err(damaged("a second dictionary, or one of an unknown encoding"));
                    }
                    let end = self.pages.body(&header, unpacker, &mut self.page.bytes)?;
                    let (values, _) = self.values.decode(&self.page.bytes[..end], header.values)?;
                    self.dictionary = Some(match &self.given {
                        Given::Translated(translation) => {
                            let mut table = vec![0; values.len()];
                            translation
                                .translate(&values, &mut table)
                                .map_err(|e| damaged(&e.to_string()))?;
                            Dictionary::Translated(table)
                        }
                        Given::Plain | Given::Keyed => Dictionary::Values(values),
                    });
                }
            }
        }
    }

    fn open_page(&mut self, header: &Header, unpacker: &mut Unpacker) -> Result<()> {
        let end = self.pages.body(header, unpacker, &mut self.page.bytes)?;
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

/// Puts the entry of the table at each index into `out`.
fn look_up<T: Copy>(table: &[T], indices: &[i32], out: &mut [T]) -> Result<()> {
    let mut are_known = true;
    for (out, &index) in out.iter_mut().zip(indices) {
        match table.get(index as usize) {
            Some(&entry) => *out = entry,
            None => are_known = false,
        }
    }
    if are_known { Ok(()) } else { Err(damaged("an index beyond the dictionary")) }
}

/// Moves the first `present` of `out`, one after the other, to the places whose bits are set in `words`; the others
/// become `gap`.
fn spread<T: Copy>(out: &mut [T], present: usize, words: &[u64], gap: T) {
    // From the end, so that no value is overwritten that has yet to be moved.
    let mut left = present;
    for (i, &word) in words.iter().enumerate().rev() {
        let count = word.count_ones() as usize;
        left -= count;
        let mut values = [gap; 64];
        values[..count].copy_from_slice(&out[left..left + count]);
        let end = out.len().min(64 * (i + 1));
        let rows = &mut out[64 * i..end];
        rows.fill(gap);
        let mut word = word;
        // From one set bit to the next: gaps come at random, and a branch for each row would be guessed wrong.
        for &value in &values[..count] {
            rows[word.trailing_zeros() as usize] = value;
            word &= word - 1;
        }
    }
}

fn numbers<T: ArrowPrimitiveType, const BYTES: usize>(
    bytes: &[u8],
    count: usize,
    number: impl Fn([u8; BYTES]) -> T::Native,
) -> Result<(ArrayRef, usize)> {
    let (numbers, _) = bytes.as_chunks::<BYTES>();
    let numbers = numbers.get(..count).ok_or_else(early)?;
    let numbers: ScalarBuffer<T::Native> = numbers.iter().map(|bytes| number(*bytes)).collect();
    Ok((Arc::new(PrimitiveArray::<T>::new(numbers, None)), count * BYTES))
}

/// Texts, each with its length before it.
fn texts(bytes: &[u8], count: usize) -> Result<(ArrayRef, usize)> {
    if count > bytes.len() / 4 {
        return Err(early());
    }
    let mut offsets = Vec::with_capacity(count + 1);
    let mut values = Vec::new();
    let mut rest = bytes;
    offsets.push(0);
    for _ in 0..count {
        let (length, after) = rest.split_first_chunk().ok_or_else(early)?;
        let (text, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(early)?;
        values.extend_from_slice(text);
        offsets.push(values.len() as i32);
        rest = after;
    }
    let offsets = OffsetBuffer::new(offsets.into());
    let texts = StringArray::try_new(offsets, Buffer::from_vec(values), None)?;
    Ok((Arc::new(texts), bytes.len() - rest.len()))
}

fn early() -> ParquetError {
    damaged("values end early")
}
