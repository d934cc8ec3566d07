//! Maps: columns of keys with numbers, as sparse formats have them, and how they are encoded.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};

use super::codes::{Dictionaries, Dictionary, encode_categories};
use super::values::{Lists, Sort, for_each_number, logical};
use super::vocabulary::{MISSING, Vocabulary};
use crate::error::{Error, Result};
use crate::learn::{HASHED, ListColumn};

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
    small: Vec<u32>,
    codes: Vec<u32>,
    numbers: Vec<f64>,
}

/// Whole numbers below this are hashed only once in a split.
const SMALL: usize = 1 << 20;
/// The code of a small number that was not met yet: no known key has an index as large.
const UNMET: u32 = HASHED - 1;

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
        cache.codes.clear();
        match maps.keys.data_type() {
            // Of u64 the largest are no i64.
            t if t.is_integer() && *t != DataType::UInt64 => self.integers(&maps.keys, cache)?,
            _ => encode_categories(
                &maps.keys,
                &self.vocabulary,
                shared,
                &mut cache.dictionary,
                &mut cache.codes,
            )?,
        }
        for row in 0..array.len() {
            for entry in maps.lists.row(row) {
                let code = cache.codes[entry];
                let factor = if code & HASHED == 0 { self.factors[code as usize] } else { self.others };
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

    /// Appends the codes of whole numbers, which are those of their digits.
    fn integers(&self, keys: &ArrayRef, cache: &mut MapCache) -> Result<()> {
        let keys = cast(keys, &DataType::Int64)
            .map_err(|e| Error::data(format!("can't read {} as keys: {e}", keys.data_type())))?;
        let keys = keys.as_primitive::<Int64Type>();
        let mut buffer = itoa::Buffer::new();
        let mut code = |key: i64| self.vocabulary.code(buffer.format(key).as_bytes());
        for (i, &key) in keys.values().iter().enumerate() {
            let next = match usize::try_from(key) {
                _ if keys.is_null(i) => MISSING,
                Ok(small) if small < SMALL => {
                    if small >= cache.small.len() {
                        cache.small.resize((small + 1).next_power_of_two(), UNMET);
                    }
                    let known = &mut cache.small[small];
                    if *known == UNMET {
                        *known = code(key);
                    }
                    *known
                }
                _ => code(key),
            };
            cache.codes.push(next);
        }
        Ok(())
    }
}
