//! Categories as text: eight hexadecimal digits, as in Criteo's logs.

use arrow::array::{Array, StringArray, UInt32Array};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};

/// The eight digits of `id`.
pub(crate) fn digits(id: u32) -> [u8; 8] {
    std::array::from_fn(|i| b"0123456789abcdef"[(id >> (28 - 4 * i)) as usize & 15])
}

/// The same column as text.
pub(crate) fn strings(ids: &UInt32Array) -> StringArray {
    let mut text = Vec::with_capacity(8 * ids.len());
    let mut ends = Vec::with_capacity(ids.len() + 1);
    ends.push(0);
    for row in 0..ids.len() {
        if ids.is_valid(row) {
            text.extend_from_slice(&digits(ids.value(row)));
        }
        ends.push(text.len() as i32);
    }
    StringArray::new(OffsetBuffer::new(ScalarBuffer::from(ends)), text.into(), ids.nulls().cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_digits_always() {
        assert_eq!(&digits(0x05db_9164), b"05db9164");
        let column = strings(&UInt32Array::from(vec![Some(0), None, Some(u32::MAX)]));
        assert_eq!(column, StringArray::from(vec![Some("00000000"), None, Some("ffffffff")]));
    }
}
