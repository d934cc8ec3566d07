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
    /// For each slot the upper half of a text's hash, and the text's number plus one; zero if empty.
    slots: Vec<(u32, u32)>,
    bytes: Vec<u8>,
    /// Where each text begins in `bytes`, and where the last one ends.
    offsets: Vec<i32>,
    /// The last dictionary that came in, and its texts' numbers here.
    last: Option<(StringArray, Vec<i32>)>,
}

impl Dictionary {
    pub(super) fn new() -> Self {
        Dictionary { slots: vec![(0, 0); 1 << 6], bytes: Vec::new(), offsets: vec![0], last: None }
    }

    /// Distinct texts.
    fn len(&self) -> usize {
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
                for (row, key) in keys.iter_mut().enumerate() {
                    if texts.is_valid(row) {
                        *key = self.number(texts.value(row).as_bytes())?;
                    }
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

    /// The number of a text, which is added if it is new.
    fn number(&mut self, text: &[u8]) -> Result<i32> {
        let hash = xxh3_64(text);
        let mark = (hash >> 32) as u32;
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let (other, number) = self.slots[slot];
            if number == 0 {
                break;
            }
            if other == mark {
                let index = number as usize - 1;
                if &self.bytes[self.offsets[index] as usize..self.offsets[index + 1] as usize] == text {
                    return Ok(index as i32);
                }
            }
            slot = (slot + 1) & mask;
        }
        let number = self.len() as i32;
        self.bytes.extend_from_slice(text);
        let end = i32::try_from(self.bytes.len()).map_err(|_| {
            Error::data("the distinct texts of one shard take more than 2 GB")
                .remedy("give a smaller --shard-size, or read the column with --type COLUMN=text")
        })?;
        self.offsets.push(end);
        self.slots[slot] = (mark, number as u32 + 1);
        if 2 * self.len() > self.slots.len() {
            self.grow();
        }
        Ok(number)
    }

    fn grow(&mut self) {
        let mask = 4 * self.slots.len() - 1;
        let mut slots = vec![(0, 0); mask + 1];
        for index in 0..self.len() {
            let text = &self.bytes[self.offsets[index] as usize..self.offsets[index + 1] as usize];
            let hash = xxh3_64(text);
            let mut slot = hash as usize & mask;
            while slots[slot].1 != 0 {
                slot = (slot + 1) & mask;
            }
            slots[slot] = ((hash >> 32) as u32, index as u32 + 1);
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
