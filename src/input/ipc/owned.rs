//! Owned: arrays of a mapped file, with whatever is followed blindly copied out of the map.
//!
//! Arrow checks offsets when an array is made and follows them without a look afterwards. Should another program write
//! over the file meanwhile, values that change are wrong values; offsets that change lead anywhere. So they are copied,
//! and checked again.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, GenericByteArray, GenericByteViewArray, GenericListArray, MapArray,
    OffsetSizeTrait, RecordBatch, StructArray,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{
    BinaryType, BinaryViewType, ByteArrayType, ByteViewType, DataType, LargeBinaryType, LargeUtf8Type,
    StringViewType, Utf8Type,
};
use arrow::error::ArrowError;

use super::unreadable;
use crate::error::Result;

/// The batch with its own offsets.
pub(super) fn owned(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(|column| own(column).map_err(unreadable));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options).map_err(unreadable)
}

/// The array with its own offsets.
pub(super) fn own(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(match array.data_type() {
        DataType::Utf8 => bytes::<Utf8Type>(array)?,
        DataType::LargeUtf8 => bytes::<LargeUtf8Type>(array)?,
        DataType::Binary => bytes::<BinaryType>(array)?,
        DataType::LargeBinary => bytes::<LargeBinaryType>(array)?,
        DataType::Utf8View => views::<StringViewType>(array)?,
        DataType::BinaryView => views::<BinaryViewType>(array)?,
        DataType::List(_) => list::<i32>(array)?,
        DataType::LargeList(_) => list::<i64>(array)?,
        DataType::Map(_, _) => {
            let (field, at, entries, nulls, is_sorted) = array.as_map().clone().into_parts();
            let entries = structs(&entries)?;
            Arc::new(MapArray::try_new(field, offsets(&at)?, entries, nulls, is_sorted)?)
        }
        DataType::Struct(_) => Arc::new(structs(array.as_struct())?),
        _ => array.clone(),
    })
}

/// A copy of offsets, which must still be in order.
fn offsets<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>) -> Result<OffsetBuffer<O>, ArrowError> {
    let copy: ScalarBuffer<O> = offsets.iter().copied().collect::<Vec<_>>().into();
    if copy.first().is_some_and(|first| *first < O::zero()) || copy.windows(2).any(|pair| pair[0] > pair[1]) {
        return Err(ArrowError::InvalidArgumentError("offsets are out of order".to_string()));
    }
    Ok(OffsetBuffer::new(copy))
}

fn bytes<T: ByteArrayType>(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let (at, values, nulls) = array.as_bytes::<T>().clone().into_parts();
    Ok(Arc::new(GenericByteArray::<T>::try_new(offsets(&at)?, values, nulls)?))
}

fn views<T: ByteViewType>(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let (views, buffers, nulls) = array.as_byte_view::<T>().clone().into_parts();
    let views = views.iter().copied().collect::<Vec<_>>().into();
    Ok(Arc::new(GenericByteViewArray::<T>::try_new(views, buffers, nulls)?))
}

fn list<O: OffsetSizeTrait>(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let (field, at, values, nulls) = array.as_list::<O>().clone().into_parts();
    Ok(Arc::new(GenericListArray::try_new(field, offsets(&at)?, own(&values)?, nulls)?))
}

fn structs(array: &StructArray) -> Result<StructArray, ArrowError> {
    let rows = array.len();
    let (fields, columns, nulls) = array.clone().into_parts();
    let columns = columns.iter().map(own).collect::<Result<Vec<_>, _>>()?;
    StructArray::try_new_with_length(fields, columns, nulls, rows)
}

#[cfg(test)]
mod tests {
    use arrow::array::{BinaryArray, Int32Array, ListArray, StringArray, StringViewArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    #[test]
    fn arrays_are_the_same_and_lie_elsewhere() {
        let texts = StringArray::from(vec![Some("a"), None, Some(""), Some("long text")]);
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([
            Some(vec![Some(1), None]),
            None,
            Some(vec![]),
            Some(vec![Some(7)]),
        ]);
        let at = lists.offsets().inner().inner().as_ptr();
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(texts.clone()),
            Arc::new(texts.slice(1, 3)),
            Arc::new(BinaryArray::from_iter_values([b"x".as_slice(), b""])),
            Arc::new(StringViewArray::from(vec![
                Some("short"),
                None,
                Some("a text of more than twelve bytes"),
            ])),
            Arc::new(lists),
            Arc::new(Int32Array::from(vec![1, 2])),
        ];
        for array in &arrays {
            assert_eq!(&own(array).unwrap(), array);
        }
        assert_ne!(own(&arrays[4]).unwrap().as_list::<i32>().offsets().inner().inner().as_ptr(), at);
    }
}
