//! The codes of dictionaries: each distinct text is hashed once for each dictionary, not once for each row.

use std::hint::select_unpredictable;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{ArrowDictionaryKeyType, ArrowNativeType, DataType};

use super::values::for_each_text;
use super::vocabulary::{MISSING, Vocabulary};
use crate::error::{Error, Result};

/// Something that gives each text a code.
pub(super) trait Codes {
    /// The code of a text.
    fn code(&self, text: &[u8]) -> u32;
}

impl Codes for Vocabulary {
    #[inline]
    fn code(&self, text: &[u8]) -> u32 {
        Vocabulary::code(self, text)
    }
}

/// A dictionary's texts, and their codes.
pub(super) type Dictionary = (ArrayRef, Arc<Vec<u32>>);

/// The dictionaries of a column that were met last and are still in use, whichever split they came
/// from: the splits of an Arrow file share theirs.
#[derive(Debug, Default)]
pub(super) struct Dictionaries(Mutex<Vec<Met>>);

/// The texts, as long as somebody uses them, and their codes.
type Met = (Weak<dyn Array>, Arc<Vec<u32>>);

impl Dictionaries {
    /// The codes of a dictionary. Threads that ask for the same one at the same time wait for the first.
    fn codes(&self, values: &ArrayRef, vocabulary: &impl Codes) -> Result<Arc<Vec<u32>>> {
        let mut met = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        met.retain(|(values, _)| values.strong_count() > 0);
        let known =
            met.iter().find(|(other, _)| other.upgrade().is_some_and(|other| same_values(&other, values)));
        if let Some((_, codes)) = known {
            return Ok(codes.clone());
        }
        let mut codes = vec![MISSING; values.len()];
        encode_texts(values, vocabulary, &mut codes)?;
        let codes = Arc::new(codes);
        met.push((Arc::downgrade(values), codes.clone()));
        Ok(codes)
    }
}

/// Writes the code of each text, as many as `codes` has.
pub(super) fn encode_texts(texts: &ArrayRef, vocabulary: &impl Codes, codes: &mut [u32]) -> Result<()> {
    for_each_text(texts, |row, text| codes[row] = text.map_or(MISSING, |text| vocabulary.code(text)))
}

/// Writes the code of each row, as many as `codes` has. `last` is the dictionary of the batch before, if it had one.
pub(super) fn encode_categories(
    array: &ArrayRef,
    vocabulary: &impl Codes,
    shared: &Dictionaries,
    last: &mut Option<Dictionary>,
    codes: &mut [u32],
) -> Result<()> {
    let DataType::Dictionary(key, _) = array.data_type() else {
        return encode_texts(array, vocabulary, codes);
    };
    let values = array.as_any_dictionary().values();
    let by_key = match last {
        Some((known, by_key)) if same_values(known, values) => by_key,
        _ => &mut last.insert((values.clone(), shared.codes(values, vocabulary)?)).1,
    };
    use arrow::datatypes as t;
    match **key {
        DataType::Int8 => keyed::<t::Int8Type>(array, by_key, codes),
        DataType::Int16 => keyed::<t::Int16Type>(array, by_key, codes),
        DataType::Int32 => keyed::<t::Int32Type>(array, by_key, codes),
        DataType::Int64 => keyed::<t::Int64Type>(array, by_key, codes),
        DataType::UInt8 => keyed::<t::UInt8Type>(array, by_key, codes),
        DataType::UInt16 => keyed::<t::UInt16Type>(array, by_key, codes),
        DataType::UInt32 => keyed::<t::UInt32Type>(array, by_key, codes),
        DataType::UInt64 => keyed::<t::UInt64Type>(array, by_key, codes),
        ref other => return Err(Error::data(format!("found dictionary keys of type {other}"))),
    }
    Ok(())
}

fn keyed<K: ArrowDictionaryKeyType>(array: &ArrayRef, by_key: &[u32], codes: &mut [u32]) {
    let keys = array.as_dictionary::<K>().keys();
    // The keys of nulls may be anything.
    let of = |key: &K::Native| by_key.get(key.as_usize()).copied().unwrap_or(MISSING);
    let Some(nulls) = keys.nulls() else {
        return codes.iter_mut().zip(keys.values()).for_each(|(code, key)| *code = of(key));
    };
    let bits = nulls.inner().bit_chunks();
    let words = bits.iter().chain(std::iter::once(bits.remainder_bits()));
    for ((codes, keys), bits) in codes.chunks_mut(64).zip(keys.values().chunks(64)).zip(words) {
        for (i, (code, key)) in codes.iter_mut().zip(keys).enumerate() {
            // Gaps come at random: a branch would be guessed wrong.
            *code = select_unpredictable(bits >> i & 1 == 1, of(key), MISSING);
        }
    }
}

/// Whether two arrays are the same memory. Both are held, so an address can't have been used again.
fn same_values(a: &ArrayRef, b: &ArrayRef) -> bool {
    Arc::ptr_eq(a, b) || a.len() == b.len() && a.to_data().ptr_eq(&b.to_data())
}
