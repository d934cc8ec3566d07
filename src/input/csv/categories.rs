//! A dictionary of texts under construction.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, StringArray};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::Int32Type;
use arrow::error::ArrowError;
use xxhash_rust::xxh3::xxh3_64;

use super::bits::Bits;
use super::texts::Room;

/// Texts as keys into the distinct ones, which stand in the order of their first appearance and stay
/// from batch to batch.
#[derive(Debug)]
pub(super) struct Categories {
    /// Where to find a text: an open hash table, at most half full, its size a power of two.
    slots: Vec<Slot>,
    /// The distinct texts in a row, and where each begins and ends.
    bytes: Vec<u8>,
    ends: Vec<i32>,
    keys: Vec<i32>,
    valid: Bits,
    /// The array of the distinct texts, as of the last batch.
    values: Option<ArrayRef>,
    scratch: Vec<u8>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// The text itself, if it is no longer than a word, else its hash.
    tag: u64,
    len: u32,
    key: u32,
}

/// What is known of a text before it is looked for.
#[derive(Debug, Clone, Copy, Default)]
struct Probe {
    tag: u64,
    place: usize,
    slot: Slot,
}

/// Texts that are looked for at once.
pub(super) const GROUP: usize = 32;

const EMPTY: Slot = Slot { tag: 0, len: 0, key: u32::MAX };

/// Masks of the first bytes of a word.
const FIRST: [u64; 9] = {
    let mut masks = [0; 9];
    let mut len = 1;
    while len <= 8 {
        masks[len] = u64::MAX >> (64 - 8 * len);
        len += 1;
    }
    masks
};

impl Categories {
    /// No texts, but room for some.
    pub(super) fn new(room: Room) -> Self {
        Categories {
            slots: vec![EMPTY; 256],
            bytes: Vec::new(),
            ends: vec![0],
            keys: Vec::with_capacity(room.rows),
            valid: Bits::default(),
            values: None,
            scratch: Vec::new(),
        }
    }

    /// Whether the distinct texts leave room for so many bytes more: Arrow counts in 31 bits.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.bytes.len() + bytes <= i32::MAX as usize
    }

    pub(super) fn push_null(&mut self) {
        self.keys.push(0);
        self.valid.push(false);
    }

    /// Appends a text.
    pub(super) fn push(&mut self, text: &[u8]) {
        let len = text.len() as u32;
        let tag = tag(text);
        let key = self.find(place(tag, len), tag, text);
        self.keys.push(key.cast_signed());
        self.valid.push(true);
    }

    /// Appends parts of a longer text, nulls where they are empty.
    #[inline(always)]
    pub(super) fn push_group(&mut self, from: &[u8], ranges: &[Range<usize>]) {
        // First all places are computed and looked at, then the texts compared: so the memory is waited
        // for once and not for each text.
        let mut probes = [Probe::default(); GROUP];
        let mask = self.slots.len() - 1;
        for (probe, range) in probes.iter_mut().zip(ranges) {
            let len = range.end - range.start;
            let tag = match from.get(range.start..).and_then(<[u8]>::first_chunk::<8>) {
                Some(word) if len <= 8 => u64::from_le_bytes(*word) & FIRST[len],
                _ => tag(&from[range.clone()]),
            };
            let place = place(tag, len as u32);
            *probe = Probe { tag, place, slot: self.slots[place & mask] };
        }
        for (Probe { tag, place, slot }, range) in probes.into_iter().zip(ranges) {
            let len = range.end - range.start;
            let key = if slot.tag == tag && slot.len == len as u32 && len <= 8 && slot.key != EMPTY.key {
                slot.key
            } else {
                self.find(place, tag, &from[range.clone()])
            };
            self.keys.push(key.cast_signed());
            self.valid.push(len > 0);
        }
    }

    /// The key of a text, which gets one if it has none.
    #[inline(never)]
    fn find(&mut self, place: usize, tag: u64, text: &[u8]) -> u32 {
        let len = text.len() as u32;
        if len == 0 {
            return 0;
        }
        let mask = self.slots.len() - 1;
        let mut at = place & mask;
        loop {
            let slot = self.slots[at];
            if slot.key == EMPTY.key {
                return self.insert(at, tag, text);
            }
            if slot.tag == tag && slot.len == len && (len <= 8 || self.text(slot.key) == text) {
                return slot.key;
            }
            at = (at + 1) & mask;
        }
    }

    fn text(&self, key: u32) -> &[u8] {
        &self.bytes[self.ends[key as usize] as usize..self.ends[key as usize + 1] as usize]
    }

    fn insert(&mut self, at: usize, tag: u64, text: &[u8]) -> u32 {
        let key = self.ends.len() as u32 - 1;
        self.slots[at] = Slot { tag, len: text.len() as u32, key };
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len() as i32);
        self.values = None;
        if 2 * self.ends.len() > self.slots.len() {
            self.grow();
        }
        key
    }

    fn grow(&mut self) {
        let larger = vec![EMPTY; 4 * self.slots.len()];
        let mask = larger.len() - 1;
        for slot in std::mem::replace(&mut self.slots, larger) {
            if slot.key != EMPTY.key {
                let mut at = place(slot.tag, slot.len) & mask;
                while self.slots[at].key != EMPTY.key {
                    at = (at + 1) & mask;
                }
                self.slots[at] = slot;
            }
        }
    }

    /// Appends a text from a quoted cell, whose quotes come in pairs.
    pub(super) fn push_unescaped(&mut self, text: &[u8]) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        unescape(text, &mut scratch);
        self.push(&scratch);
        self.scratch = scratch;
    }

    /// The array of all keys; leaves none, but keeps the distinct texts.
    pub(super) fn finish(&mut self) -> Result<DictionaryArray<Int32Type>, ArrowError> {
        let keys = std::mem::take(&mut self.keys);
        self.keys.reserve(keys.len());
        let values = match &self.values {
            Some(values) => values.clone(),
            None => {
                let offsets = OffsetBuffer::new(ScalarBuffer::from(self.ends.clone()));
                let bytes = Buffer::from_vec(self.bytes.clone());
                let values: ArrayRef = Arc::new(StringArray::try_new(offsets, bytes, None)?);
                self.values.insert(values).clone()
            }
        };
        let keys = Int32Array::new(ScalarBuffer::from(keys), self.valid.finish_nulls());
        DictionaryArray::try_new(keys, values)
    }
}

/// What stands for a text in the table.
fn tag(text: &[u8]) -> u64 {
    if text.len() > 8 {
        return xxh3_64(text);
    }
    let mut word = [0; 8];
    word[..text.len()].copy_from_slice(text);
    u64::from_le_bytes(word)
}

/// Where to begin to look for it.
#[inline(always)]
fn place(tag: u64, len: u32) -> usize {
    // The product's upper half has a part of every byte; twice, since texts differ in few bits.
    let product = u128::from(tag ^ u64::from(len) << 56 ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
    ((product >> 64) ^ product) as usize
}

/// The text of a quoted cell, without the first of each two quotes.
pub(super) fn unescape(text: &[u8], to: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(quote) = rest.windows(2).position(|pair| pair == b"\"\"") {
        to.extend_from_slice(&rest[..=quote]);
        rest = &rest[quote + 2..];
    }
    to.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow::array::{Array, AsArray};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_come_in_pairs() {
        let mut text = Vec::new();
        unescape(b"\"\"a\"\"\"\"b\"\"", &mut text);
        assert_eq!(text, b"\"a\"\"b\"");
    }

    proptest! {
        #[test]
        fn like_a_map(texts in prop::collection::vec("[ab\0]{0,3}|[a-z]{7,9}|(longer text ){1,2}[a-c]", 0..3000)) {
            let mut categories = Categories::new(Room { rows: 0, cell_bytes: 0 });
            let mut known: HashMap<String, usize> = HashMap::new();
            let mut values: Option<StringArray> = None;
            for batch in texts.chunks(700) {
                let mut padded = b"--".to_vec();
                let mut ranges = Vec::new();
                for text in batch {
                    ranges.push(padded.len()..padded.len() + text.len());
                    padded.extend_from_slice(text.as_bytes());
                    let next = known.len();
                    if !text.is_empty() {
                        known.entry(text.clone()).or_insert(next);
                    }
                }
                ranges.chunks(GROUP).for_each(|group| categories.push_group(&padded, group));
                let array = categories.finish().unwrap();
                let found: &StringArray = array.values().as_string();
                for (key, text) in array.keys().iter().zip(batch) {
                    prop_assert_eq!(key.map(|key| key as usize), known.get(text).copied());
                    prop_assert_eq!(key.map_or("", |key| found.value(key as usize)), text);
                }
                if let Some(before) = values {
                    prop_assert_eq!(&found.slice(0, before.len()), &before);
                }
                values = Some(found.clone());
            }
        }
    }
}
