//! Hashes of whole rows, of 128 bits: equal rows have equal hashes, and two different ones of a table
//! of 10^12 rows share theirs with a probability of about 10^-15.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use xxhash_rust::xxh3::xxh3_128;

use crate::error::{Error, Result};

const NULL: u128 = 0x9ae1_6a3b_2f90_404f_c3a5_c85c_97cb_3127;

/// The hash of each row over all columns.
pub(crate) fn hash_rows(batch: &RecordBatch) -> Result<Vec<u128>> {
    let mut hashes = vec![0; batch.num_rows()];
    for (column, field) in batch.columns().iter().zip(batch.schema_ref().fields()) {
        hash_column(column, &mut hashes).map_err(|e| e.in_column(field.name()))?;
    }
    Ok(hashes)
}

/// The hash of each value of one column.
pub(crate) fn hash_values(column: &ArrayRef) -> Result<Vec<u128>> {
    let mut hashes = vec![0; column.len()];
    hash_column(column, &mut hashes)?;
    Ok(hashes)
}

/// Takes in a value: its hash depends on all that came before.
fn fold(hash: &mut u128, value: u128) {
    const FACTOR: u128 = 0x2d35_8dcc_aa6c_78a5_8bb8_4b93_962e_acc9;
    *hash = (hash.rotate_left(47) ^ value).wrapping_mul(FACTOR);
}

fn hash_column(column: &ArrayRef, hashes: &mut [u128]) -> Result<()> {
    let nulls = column.logical_nulls();
    let is_null = |row: usize| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
    let mut each = |value: &dyn Fn(usize) -> u128| {
        for (row, hash) in hashes.iter_mut().enumerate() {
            fold(hash, if is_null(row) { NULL } else { value(row) });
        }
    };
    match column.data_type() {
        DataType::Utf8 => {
            let texts = column.as_string::<i32>();
            each(&|row| xxh3_128(texts.value(row).as_bytes()));
        }
        DataType::Binary => {
            let bytes = column.as_binary::<i32>();
            each(&|row| xxh3_128(bytes.value(row)));
        }
        DataType::Boolean => {
            let flags = column.as_boolean();
            each(&|row| u128::from(flags.value(row)) + 1);
        }
        // Zeros are equal whatever their signs, and so are all that is no number.
        DataType::Float64 => {
            let floats = column.as_primitive::<Float64Type>();
            each(&|row| float(floats.value(row)));
        }
        DataType::Float32 => {
            let floats = column.as_primitive::<Float32Type>();
            each(&|row| float(f64::from(floats.value(row))));
        }
        DataType::Null => each(&|_| NULL),
        DataType::Dictionary(_, _) => {
            let dictionary = column.as_any_dictionary();
            let values = hash_values(dictionary.values())?;
            let keys = dictionary.normalized_keys();
            // As if the values stood here themselves: a hash must not depend on the encoding.
            let unfolded: Vec<u128> = values.into_iter().map(unfold).collect();
            each(&|row| unfolded[keys[row]]);
        }
        DataType::List(_) => {
            let lists = column.as_list::<i32>();
            let items = hash_values(lists.values())?;
            let offsets = lists.value_offsets();
            each(&|row| {
                let range = offsets[row] as usize..offsets[row + 1] as usize;
                let mut hash = range.len() as u128;
                items[range].iter().for_each(|item| fold(&mut hash, *item));
                hash
            });
        }
        DataType::Map(_, _) => {
            let map = column.as_map();
            let items = hash_values(&(std::sync::Arc::new(map.entries().clone()) as ArrayRef))?;
            let offsets = map.offsets();
            each(&|row| {
                let range = offsets[row] as usize..offsets[row + 1] as usize;
                let mut hash = range.len() as u128;
                items[range].iter().for_each(|item| fold(&mut hash, *item));
                hash
            });
        }
        DataType::Struct(_) => {
            let mut inner = vec![0; column.len()];
            for child in column.as_struct().columns() {
                hash_column(child, &mut inner)?;
            }
            each(&|row| inner[row]);
        }
        other => match other.primitive_width() {
            Some(width) => {
                let data = column.to_data();
                let bytes = &data.buffers()[0][data.offset() * width..];
                each(&|row| {
                    let mut value = [0; 32];
                    value[..width].copy_from_slice(&bytes[row * width..][..width]);
                    let halves = value.as_chunks::<16>().0;
                    u128::from_le_bytes(halves[0]) ^ u128::from_le_bytes(halves[1]).rotate_left(61)
                });
            }
            None => return hash_column(&simpler(column)?, hashes),
        },
    }
    Ok(())
}

fn float(x: f64) -> u128 {
    u128::from(if x.is_nan() { f64::NAN.to_bits() } else { (x + 0.0).to_bits() })
}

/// The value that was folded into a hash of 0.
fn unfold(hash: u128) -> u128 {
    /// The inverse of `fold`'s factor modulo 2^128, by Newton's iteration.
    const INVERSE: u128 = {
        let factor: u128 = 0x2d35_8dcc_aa6c_78a5_8bb8_4b93_962e_acc9;
        let mut inverse = factor;
        let mut step = 0;
        while step < 7 {
            inverse = inverse.wrapping_mul(2u128.wrapping_sub(factor.wrapping_mul(inverse)));
            step += 1;
        }
        inverse
    };
    hash.wrapping_mul(INVERSE)
}

/// The same values in a type that is hashed as it is.
fn simpler(column: &ArrayRef) -> Result<ArrayRef> {
    let to = match column.data_type() {
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => DataType::List(item.clone()),
        DataType::RunEndEncoded(_, values) => values.data_type().clone(),
        other => return Err(Error::usage(format!("rows with a column of type {other} can't be compared"))),
    };
    let fault = |e| Error::data(format!("can't read {} as {to}: {e}", column.data_type()));
    cast(column, &to).map_err(fault)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{DictionaryArray, Float64Array, Int64Array, StringArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    #[test]
    fn hashes_tell_values_and_places_apart_and_not_encodings() {
        let texts = vec![Some("a"), None, Some(""), Some("a"), Some("b")];
        let plain: ArrayRef = Arc::new(StringArray::from(texts.clone()));
        let coded: ArrayRef = Arc::new(texts.into_iter().collect::<DictionaryArray<Int32Type>>());
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(0), None, Some(1), Some(1)]));
        let rows = |a: &ArrayRef, b: &ArrayRef| {
            hash_rows(&RecordBatch::try_from_iter([("x", a.clone()), ("y", b.clone())]).unwrap()).unwrap()
        };
        let hashes = rows(&plain, &numbers);
        assert_eq!(hashes, rows(&coded, &numbers));
        assert_eq!(hashes[0], hashes[3]);
        for (a, b) in [(0, 1), (1, 2), (0, 2), (0, 4)] {
            assert_ne!(hashes[a], hashes[b]);
        }
        let ab: ArrayRef = Arc::new(StringArray::from(vec!["a", "ab"]));
        let bc: ArrayRef = Arc::new(StringArray::from(vec!["bc", "c"]));
        let moved = rows(&ab, &bc);
        assert_ne!(moved[0], moved[1]);
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![0.5, 0.25]));
        assert_ne!(hash_values(&floats).unwrap()[0], hash_values(&floats).unwrap()[1]);
        assert_eq!(hash_values(&floats.slice(1, 1)).unwrap()[0], hash_values(&floats).unwrap()[1]);
    }
}
