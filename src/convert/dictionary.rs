//! The dictionary of a category column: each distinct text of a shard once, in order of appearance.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, StringArray};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};

/// The texts so far, and a hash table to find them by.
#[derive(Debug)]
pub(super) struct Dictionary {
    slots: Vec<Slot>,
    bytes: Vec<u8>,
    /// Where each text begins in `bytes`, and where the last one ends.
    offsets: Vec<i32>,
    /// The last dictionary that came in, and its texts' numbers here.
    last: Option<(StringArray, Vec<i32>)>,
}

/// A text as the table knows it. One of up to eight bytes is all there, so that finding it touches one
/// line of the cache; a longer one is there by its hash, and is compared where it lies.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Slot {
    /// The text itself, or its hash.
    word: u64,
    /// Its length, `u32::MAX` for all lengths above eight.
    length: u32,
    /// Its number plus one; zero if the slot is empty.
    number: u32,
}

/// Masks of the first bytes of a word.
const FIRST: [u64; 9] = {
    let mut masks = [0; 9];
    let mut length = 1;
    while length <= 8 {
        masks[length] = u64::MAX >> (64 - 8 * length);
        length += 1;
    }
    masks
};

/// Texts that are looked for at once.
const GROUP: usize = 32;

impl Slot {
    /// What is looked for to find the text `bytes[start..end]`.
    #[inline(always)]
    fn of(bytes: &[u8], start: usize, end: usize) -> Slot {
        let length = end - start;
        if length > 8 {
            return Slot { word: xxh3_64(&bytes[start..end]), length: u32::MAX, number: 0 };
        }
        // Reading a whole word and blotting out what comes behind the text is faster than copying it.
        let word = match bytes[start..].first_chunk() {
            Some(word) => u64::from_le_bytes(*word) & FIRST[length],
            None => {
                let mut word = [0; 8];
                word[..length].copy_from_slice(&bytes[start..end]);
                u64::from_le_bytes(word)
            }
        };
        Slot { word, length: length as u32, number: 0 }
    }

    /// Whether it is the wanted text for certain.
    #[inline(always)]
    fn is_short(&self, wanted: &Slot) -> bool {
        self.word == wanted.word && self.length == wanted.length && self.number > 0 && self.length <= 8
    }

    /// Whether it is the wanted text, or a long one with the same hash.
    #[inline(always)]
    fn is_like(&self, wanted: &Slot) -> bool {
        self.word == wanted.word && self.length == wanted.length
    }

    /// Where it is looked for first: a multiplication spreads short texts, too.
    fn home(&self) -> usize {
        let product = u128::from(self.word ^ u64::from(self.length) << 32) * 0x9e37_79b9_7f4a_7c15_u128;
        (product as u64 ^ (product >> 64) as u64) as usize
    }
}

impl Dictionary {
    pub(super) fn new() -> Self {
        Dictionary { slots: vec![Slot::default(); 1 << 6], bytes: Vec::new(), offsets: vec![0], last: None }
    }

    /// Distinct texts.
    pub(super) fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Bytes of the finished dictionary.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len() + 4 * self.offsets.len()
    }

    /// The keys of a column of texts, plain or with a dictionary; texts that are new are added.
    pub(super) fn keys(&mut self, column: &ArrayRef) -> Result<Int32Array> {
        match column.data_type() {
            DataType::Utf8 => {
                let texts = column.as_string::<i32>();
                let mut keys = vec![0; texts.len()];
                for (group, keys) in keys.chunks_mut(GROUP).enumerate() {
                    self.find(texts, group * GROUP, keys)?;
                }
                Ok(Int32Array::new(keys.into(), texts.nulls().cloned()))
            }
            DataType::Dictionary(key, _) if **key == DataType::Int32 => {
                let dictionary = column.as_dictionary::<Int32Type>();
                let numbers = self.numbers(dictionary.values())?;
                let keys = dictionary.keys();
                // What stands under a null is no key.
                let mapped: ScalarBuffer<i32> = match keys.nulls() {
                    None => keys.values().iter().map(|key| numbers[*key as usize]).collect(),
                    Some(_) => {
                        let number = |key: &i32| numbers.get(*key as usize).copied().unwrap_or(0);
                        keys.values().iter().map(number).collect()
                    }
                };
                let nulls = match dictionary.values().null_count() {
                    0 => keys.nulls().cloned(),
                    _ => dictionary.logical_nulls(),
                };
                Ok(Int32Array::new(mapped, nulls))
            }
            DataType::Dictionary(_, values) => {
                self.keys(&convert(column, &DataType::Dictionary(Box::new(DataType::Int32), values.clone()))?)
            }
            _ => self.keys(&convert(column, &DataType::Utf8)?),
        }
    }

    /// The numbers of another dictionary's texts. Batches of one origin share theirs, or theirs grows.
    fn numbers(&mut self, values: &ArrayRef) -> Result<&[i32]> {
        let values = if *values.data_type() == DataType::Utf8 {
            values.as_string::<i32>().clone()
        } else {
            convert(values, &DataType::Utf8)?.as_string::<i32>().clone()
        };
        let mut numbers = match self.last.take() {
            Some((before, numbers)) if begins_with(&values, &before) => numbers,
            Some((_, mut numbers)) => {
                numbers.clear();
                numbers
            }
            None => Vec::new(),
        };
        numbers.reserve(values.len() - numbers.len());
        for index in numbers.len()..values.len() {
            let number =
                if values.is_valid(index) { self.number(values.value(index).as_bytes())? } else { 0 };
            numbers.push(number);
        }
        Ok(&self.last.insert((values, numbers)).1)
    }

    /// The numbers of some of the texts, from `first` on.
    #[inline(always)]
    fn find(&mut self, texts: &StringArray, first: usize, keys: &mut [i32]) -> Result<()> {
        let (bytes, offsets) = (texts.value_data(), &texts.value_offsets()[first..]);
        // First all slots are looked at, then the texts compared: so memory is waited for once, and not for
        // each text.
        let mut probes = [(Slot::default(), Slot::default()); GROUP];
        let mask = self.slots.len() - 1;
        for (probe, ends) in probes.iter_mut().zip(offsets[..=keys.len()].windows(2)) {
            let wanted = Slot::of(bytes, ends[0] as usize, ends[1] as usize);
            *probe = (wanted, self.slots[wanted.home() & mask]);
        }
        for (row, (key, (wanted, slot))) in keys.iter_mut().zip(probes).enumerate() {
            if slot.is_short(&wanted) {
                *key = slot.number as i32 - 1;
            } else if texts.is_valid(first + row) {
                *key = self.number(texts.value(first + row).as_bytes())?;
            }
        }
        Ok(())
    }

    /// The number of a text, which is added if it is new.
    fn number(&mut self, text: &[u8]) -> Result<i32> {
        let mut wanted = Slot::of(text, 0, text.len());
        let mask = self.slots.len() - 1;
        let mut at = wanted.home() & mask;
        loop {
            let slot = self.slots[at];
            if slot.number == 0 {
                break;
            }
            if slot.is_like(&wanted) {
                let index = slot.number as usize - 1;
                if wanted.length != u32::MAX || self.text(index) == text {
                    return Ok(index as i32);
                }
            }
            at = (at + 1) & mask;
        }
        let number = self.len() as i32;
        self.bytes.extend_from_slice(text);
        let end = i32::try_from(self.bytes.len()).map_err(|_| {
            Error::data("the distinct texts of one shard take more than 2 GB")
                .remedy("give a smaller --shard-size, or read the column with --type COLUMN=text")
        })?;
        self.offsets.push(end);
        wanted.number = number as u32 + 1;
        self.slots[at] = wanted;
        if 2 * self.len() > self.slots.len() {
            self.grow();
        }
        Ok(number)
    }

    fn text(&self, index: usize) -> &[u8] {
        &self.bytes[self.offsets[index] as usize..self.offsets[index + 1] as usize]
    }

    fn grow(&mut self) {
        let mask = 4 * self.slots.len() - 1;
        let mut slots = vec![Slot::default(); mask + 1];
        for slot in self.slots.iter().filter(|slot| slot.number > 0) {
            let mut at = slot.home() & mask;
            while slots[at].number > 0 {
                at = (at + 1) & mask;
            }
            slots[at] = *slot;
        }
        self.slots = slots;
    }

    /// The texts in the order of their keys.
    pub(super) fn finish(self) -> Result<ArrayRef> {
        let offsets = OffsetBuffer::new(self.offsets.into());
        let texts = StringArray::try_new(offsets, Buffer::from_vec(self.bytes), None);
        Ok(Arc::new(texts.map_err(|e| Error::data(format!("can't make a dictionary: {e}")))?))
    }
}

/// Whether the first texts of `values` are those of `before`.
fn begins_with(values: &StringArray, before: &StringArray) -> bool {
    if values.len() < before.len() {
        return false;
    }
    let same_place = values.value_data().as_ptr() == before.value_data().as_ptr();
    let (old, new) = (before.value_offsets(), &values.value_offsets()[..=before.len()]);
    if same_place && values.len() == before.len() && old.as_ptr() == new.as_ptr() {
        return true;
    }
    let no_nulls =
        |texts: &StringArray| texts.nulls().is_none_or(|nulls: &NullBuffer| nulls.null_count() == 0);
    let range = |offsets: &[i32]| offsets[0] as usize..offsets[before.len()] as usize;
    old == new
        && no_nulls(values)
        && no_nulls(before)
        && before.value_data()[range(old)] == values.value_data()[range(new)]
}

fn convert(column: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    cast(column, to).map_err(|e| Error::data(format!("can't read {} as {to}: {e}", column.data_type())))
}

#[cfg(test)]
mod tests {
    use arrow::array::DictionaryArray;

    use super::*;

    #[test]
    fn keys_lead_back_to_the_texts() {
        let texts: Vec<Option<String>> =
            (0..5000).map(|i| (i % 7 != 0).then(|| format!("text {}", i * i % 1500))).collect();
        let plain: ArrayRef = Arc::new(StringArray::from(texts.clone()));
        let coded: ArrayRef =
            Arc::new(texts.iter().map(Option::as_deref).collect::<DictionaryArray<Int32Type>>());
        let mut dictionary = Dictionary::new();
        let mut keys = Vec::new();
        for column in [&plain, &coded, &coded.slice(100, 300), &plain.slice(0, 50), &coded] {
            keys.push(dictionary.keys(column).unwrap());
        }
        let values = dictionary.finish().unwrap();
        let values = values.as_string::<i32>();
        let expected = [&texts[..], &texts, &texts[100..400], &texts[..50], &texts];
        for (keys, expected) in keys.iter().zip(expected) {
            let found: Vec<Option<&str>> =
                keys.iter().map(|key| key.map(|key| values.value(key as usize))).collect();
            assert_eq!(found, expected.iter().map(Option::as_deref).collect::<Vec<_>>());
        }
        let distinct: std::collections::HashSet<_> = texts.iter().flatten().collect();
        assert_eq!(values.len(), distinct.len());
    }

    #[test]
    fn a_dictionary_that_grows_is_told_from_another_one() {
        let coded = |texts: &[&str]| -> ArrayRef {
            Arc::new(texts.iter().map(|t| Some(*t)).collect::<DictionaryArray<Int32Type>>())
        };
        let mut dictionary = Dictionary::new();
        assert_eq!(dictionary.keys(&coded(&["a", "b"])).unwrap().values(), &[0, 1]);
        assert_eq!(dictionary.keys(&coded(&["a", "b", "c"])).unwrap().values(), &[0, 1, 2]);
        assert_eq!(dictionary.keys(&coded(&["ab", "c"])).unwrap().values(), &[3, 2]);
        assert_eq!(dictionary.keys(&coded(&["", "a"])).unwrap().values(), &[4, 0]);
    }
}
