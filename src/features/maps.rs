//! Maps: columns of keys with numbers, as sparse formats have them, and how they are encoded.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;

use super::codes::{Dictionaries, Dictionary, encode_categories};
use super::keys::{SmallKeys, integers};
use super::values::{Lists, Sort, for_each_number, logical};
use super::vocabulary::{MISSING, Vocabulary};
use crate::error::{Error, Result};
use crate::learn::ListColumn;

/// A map array's parts: the entries of row `r` are `lists.row(r)` of keys and values.
#[derive(Debug)]
pub(super) struct Maps {
    pub(super) lists: Lists,
    pub(super) keys: ArrayRef,
    values: ArrayRef,
}

impl Maps {
    /// The parts of a map array; an array of nulls is taken as maps without entries.
    pub(super) fn of(array: &ArrayRef) -> Result<Maps> {
        let found = array.data_type();
        if !matches!(found, DataType::Null) && Sort::of(found) != Sort::Map {
            let expected = "expected keys with numbers, as in the data of the plan";
            return Err(Error::data(format!("found {}, {expected}", logical(found))));
        }
        let lists = Lists::of(array)?;
        let (keys, values) = match lists.items.as_struct_opt() {
            Some(entries) => (entries.column(0).clone(), entries.column(1).clone()),
            None => (lists.items.clone(), lists.items.clone()),
        };
        Ok(Maps { lists, keys, values })
    }

    /// Overwrites `numbers` by the values of all entries, NaN for null.
    pub(super) fn numbers(&self, numbers: &mut Vec<f64>) -> Result<()> {
        numbers.clear();
        for_each_number(&self.values, |_, x| numbers.push(x.unwrap_or(f64::NAN)))?;
        if let Some(nulls) = self.lists.items.nulls() {
            for (x, is_there) in numbers.iter_mut().zip(nulls) {
                *x = if is_there { *x } else { f64::NAN };
            }
        }
        Ok(())
    }
}

/// Turns the entries of maps into codes and features.
#[derive(Debug)]
pub(super) struct MapEncoder {
    vocabulary: Vocabulary,
    /// What the values of each known key are multiplied by, by code.
    factors: Vec<f64>,
    /// What the values of all other keys are multiplied by.
    others: f64,
}

/// What is kept of a map column while a split is read.
#[derive(Debug, Default)]
pub(super) struct MapCache {
    dictionary: Option<Dictionary>,
    /// The codes of small whole numbers.
    small: SmallKeys,
    codes: Vec<u32>,
    numbers: Vec<f64>,
}

impl MapEncoder {
    /// An encoder that divides the values of each known key by its unit.
    pub(super) fn new(vocabulary: Vocabulary, units: &[f64], unit: f64) -> Self {
        // A missing key has no feature.
        let factors = std::iter::once(0.0).chain(units.iter().map(|unit| 1.0 / unit));
        MapEncoder { vocabulary, factors: factors.collect(), others: 1.0 / unit }
    }

    /// Appends the rows of a map array to `column`. What is missing, not finite or zero adds nothing.
    pub(super) fn encode(
        &self,
        array: &ArrayRef,
        shared: &Dictionaries,
        cache: &mut MapCache,
        column: &mut ListColumn,
    ) -> Result<()> {
        let maps = Maps::of(array)?;
        maps.numbers(&mut cache.numbers)?;
        match integers(&maps.keys)? {
            Some(keys) => {
                cache.codes.clear();
                let mut code = |key| cache.small.find(key, |digits| self.vocabulary.code(digits));
                cache.codes.extend(keys.iter().map(|key| key.map_or(MISSING, &mut code)));
            }
            None => {
                cache.codes.resize(maps.keys.len(), MISSING);
                encode_categories(
                    &maps.keys,
                    &self.vocabulary,
                    shared,
                    &mut cache.dictionary,
                    &mut cache.codes,
                )?;
            }
        }
        for row in 0..array.len() {
            for entry in maps.lists.row(row) {
                let code = cache.codes[entry];
                // Hashed codes lie far behind the known ones.
                let factor = self.factors.get(code as usize).copied().unwrap_or(self.others);
                let feature = (cache.numbers[entry] * factor) as f32;
                if feature.is_finite() && feature != 0.0 {
                    column.codes.push(code);
                    column.values.push(feature);
                }
            }
            column.end_row();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        Float64Array, Int32Array, Int64Array, ListArray, MapArray, StringArray, StructArray, UInt64Array,
    };
    use arrow::buffer::{NullBuffer, OffsetBuffer};
    use arrow::datatypes::Field;
    use arrow::util::display::array_value_to_string;

    use super::*;
    use crate::learn::{Chunk, Shape};

    /// A map array whose rows are cut by `lengths`, with an entry that belongs to a null row.
    fn map(keys: ArrayRef, values: Vec<Option<f64>>, lengths: &[usize], valid: &[bool]) -> ArrayRef {
        let values = Arc::new(Float64Array::from(values)) as ArrayRef;
        let entries = StructArray::from(vec![
            (Arc::new(Field::new("k", keys.data_type().clone(), false)), keys),
            (Arc::new(Field::new("v", values.data_type().clone(), true)), values),
        ]);
        let field = Arc::new(Field::new("e", entries.data_type().clone(), false));
        let offsets = OffsetBuffer::from_lengths(lengths.iter().copied());
        let nulls = Some(NullBuffer::from(valid.to_vec()));
        Arc::new(MapArray::new(field, offsets, entries, nulls, false))
    }

    fn encoder() -> MapEncoder {
        let known = ["7", "-3"].map(String::from);
        MapEncoder::new(Vocabulary::new(9, &known), &[2.0, 0.5], 4.0)
    }

    /// The codes and features of each row.
    fn encoded(array: &ArrayRef) -> Vec<Vec<(u32, f32)>> {
        let mut chunk = Chunk::new(Shape { lists: 1, valued: 2, ..Shape::default() }, array.len());
        encoder()
            .encode(array, &Dictionaries::default(), &mut MapCache::default(), &mut chunk.lists[0])
            .unwrap();
        (0..array.len()).map(|row| chunk.lists[0].valued(row).collect()).collect()
    }

    const KEYS: [i64; 8] = [7, -3, 7, 5, 1 << 19, 1 << 40, 8, 7];
    const LENGTHS: [usize; 5] = [2, 0, 1, 4, 1];
    const VALID: [bool; 5] = [true, true, false, true, true];

    fn values() -> Vec<Option<f64>> {
        vec![Some(1.0), Some(1.0), Some(9.0), Some(2.0), Some(8.0), Some(-4.0), None, Some(f64::NAN)]
    }

    #[test]
    fn values_are_in_units_of_their_key_and_what_is_missing_is_left_out() {
        let hashed = |key: i64| Vocabulary::new(9, &[]).code(key.to_string().as_bytes());
        let expected = vec![
            vec![(1, 0.5), (2, 2.0)],
            vec![],
            vec![],
            vec![(hashed(5), 0.5), (hashed(1 << 19), 2.0), (hashed(1 << 40), -1.0)],
            vec![],
        ];
        let by_number: ArrayRef = Arc::new(Int64Array::from(KEYS.to_vec()));
        let texts: Vec<String> =
            (0..KEYS.len()).map(|i| array_value_to_string(&by_number, i).unwrap()).collect();
        for keys in [by_number, Arc::new(StringArray::from(texts))] {
            let array = map(keys, values(), &LENGTHS, &VALID);
            assert_eq!(encoded(&array), expected);
            assert_eq!(encoded(&array.slice(2, 3)), expected[2..]);
            assert_eq!(encoded(&array.slice(0, 1)), expected[..1]);
        }
    }

    #[test]
    fn keys_beyond_the_signed_numbers_keep_their_digits() {
        let keys: ArrayRef = Arc::new(UInt64Array::from(vec![7, u64::MAX]));
        let array = map(keys, vec![Some(2.0), Some(4.0)], &[2], &[true]);
        let hashed = Vocabulary::new(9, &[]).code(u64::MAX.to_string().as_bytes());
        assert_eq!(encoded(&array), [[(1, 1.0), (hashed, 1.0)]]);
    }

    #[test]
    fn pairs_may_be_null_and_lists_of_anything_else_are_no_maps() {
        let keys: ArrayRef = Arc::new(Int32Array::from(vec![Some(7), None, Some(7)]));
        let values: ArrayRef = Arc::new(Float64Array::from(vec![2.0, 2.0, 2.0]));
        let pairs = |key: &str| {
            let fields = [(key, &keys), ("value", &values)]
                .map(|(name, array)| Arc::new(Field::new(name, array.data_type().clone(), true)));
            let nulls = Some(NullBuffer::from(vec![true, true, false]));
            let pairs = StructArray::new(fields.to_vec().into(), vec![keys.clone(), values.clone()], nulls);
            let item = Arc::new(Field::new("item", pairs.data_type().clone(), true));
            let lists = ListArray::new(item, OffsetBuffer::from_lengths([3]), Arc::new(pairs), None);
            Arc::new(lists) as ArrayRef
        };
        assert_eq!(encoded(&pairs("key")), [[(1, 1.0)]]);
        assert_eq!(encoded(&arrow::array::new_null_array(&DataType::Null, 2)), [[], []]);
        assert!(Maps::of(&pairs("x")).unwrap_err().to_string().contains("expected keys with numbers"));
    }
}
