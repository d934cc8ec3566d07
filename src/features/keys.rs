//! Keys of maps: whole numbers, which are known by their digits, without hashing these each time.

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};

use crate::error::{Error, Result};
use crate::learn::HASHED;

/// What was found for each small whole number.
#[derive(Debug, Default)]
pub(super) struct SmallKeys {
    found: Vec<u32>,
}

/// Numbers below this are looked for only once.
const SMALL: usize = 1 << 20;
/// Stands for a number that was not met yet; nothing that is found has this value.
const UNMET: u32 = HASHED - 1;

impl SmallKeys {
    /// What `find` says of a key's digits.
    #[inline]
    pub(super) fn find(&mut self, key: i64, find: impl FnOnce(&[u8]) -> u32) -> u32 {
        let find = || find(itoa::Buffer::new().format(key).as_bytes());
        match usize::try_from(key) {
            Ok(small) if small < SMALL => {
                if small >= self.found.len() {
                    self.found.resize((small + 1).next_power_of_two(), UNMET);
                }
                let found = &mut self.found[small];
                if *found == UNMET {
                    *found = find();
                }
                *found
            }
            _ => find(),
        }
    }
}

/// Keys that are whole numbers; `None` for those that are texts, stand in a dictionary or may be
/// larger than an i64.
pub(super) fn integers(keys: &ArrayRef) -> Result<Option<Int64Array>> {
    let data_type = keys.data_type();
    if !data_type.is_integer() || *data_type == DataType::UInt64 {
        return Ok(None);
    }
    let keys = cast(keys, &DataType::Int64)
        .map_err(|e| Error::data(format!("can't read {data_type} as keys: {e}")))?;
    Ok(Some(keys.as_primitive::<Int64Type>().clone()))
}
