//! Values: Arrow's arrays of any type seen as numbers, texts, points in time or lists.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, FixedSizeListArray, GenericListArray,
    Int32Array, MapArray, OffsetSizeTrait, PrimitiveArray, StringArray,
};
use arrow::buffer::NullBuffer;
use arrow::compute::{cast, take};
use arrow::datatypes::{
    ArrowNativeType, DataType, Date32Type, Date64Type, Float16Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::learn::kernels::{self, Kernel};

/// What a column's values are, for the purpose of features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sort {
    Number,
    Text,
    Bool,
    Time,
    /// A list of texts or whole numbers, whose elements are categories.
    List,
    /// A list of floats, or always as many numbers of any type.
    Floats,
    /// Keys, texts or whole numbers, each with a number.
    Map,
    /// Nothing that a feature could be made of.
    Other,
}

impl Sort {
    pub(crate) fn of(data_type: &DataType) -> Sort {
        use DataType as T;
        match data_type {
            t if t.is_numeric() => Sort::Number,
            T::Time32(_) | T::Time64(_) | T::Duration(_) => Sort::Number,
            T::Boolean => Sort::Bool,
            t if is_text(t) => Sort::Text,
            T::Date32 | T::Date64 | T::Timestamp(_, _) => Sort::Time,
            T::Dictionary(_, values) => Sort::of(values),
            T::RunEndEncoded(_, values) => Sort::of(values.data_type()),
            t if entry(t).is_some_and(|(key, value)| is_key(key) && Sort::of(value) == Sort::Number) => {
                Sort::Map
            }
            // Lists of one length, whatever their numbers, are vectors.
            T::FixedSizeList(item, _) if item.data_type().is_numeric() => Sort::Floats,
            T::List(item)
            | T::LargeList(item)
            | T::ListView(item)
            | T::LargeListView(item)
            | T::FixedSizeList(item, _) => match item.data_type() {
                t if t.is_floating() => Sort::Floats,
                t => match Sort::of(t) {
                    Sort::Number | Sort::Text | Sort::Bool => Sort::List,
                    Sort::Time | Sort::List | Sort::Floats | Sort::Map | Sort::Other => Sort::Other,
                },
            },
            _ => Sort::Other,
        }
    }

    /// Whether such values can be learned.
    pub(crate) fn suits_a_target(self) -> bool {
        match self {
            Sort::Number | Sort::Text | Sort::Bool => true,
            Sort::Time | Sort::List | Sort::Floats | Sort::Map | Sort::Other => false,
        }
    }
}

/// The name of a type whatever form its values are stored in, so that a plan does not depend on that:
/// dictionaries and run-ends count as their values, the forms of text as one.
pub(crate) fn logical(data_type: &DataType) -> String {
    use DataType as T;
    match data_type {
        T::Dictionary(_, values) => logical(values),
        T::RunEndEncoded(_, values) => logical(values.data_type()),
        t if let Some((key, value)) = entry(t) => format!("Map({}, {})", logical(key), logical(value)),
        T::LargeUtf8 | T::Utf8View => T::Utf8.to_string(),
        T::LargeBinary | T::BinaryView => T::Binary.to_string(),
        T::List(item) | T::LargeList(item) | T::ListView(item) | T::LargeListView(item) => {
            format!("List({})", logical(item.data_type()))
        }
        T::FixedSizeList(item, length) => {
            format!("FixedSizeList({length} x {})", logical(item.data_type()))
        }
        other => other.to_string(),
    }
}

/// The types of key and value of a map, or of a list of pairs so named, as which some programs write maps.
fn entry(data_type: &DataType) -> Option<(&DataType, &DataType)> {
    use DataType as T;
    let item = match data_type {
        T::Map(entry, _) => entry,
        T::List(item)
        | T::LargeList(item)
        | T::ListView(item)
        | T::LargeListView(item)
        | T::FixedSizeList(item, _) => item,
        _ => return None,
    };
    match item.data_type() {
        T::Struct(fields) if let [key, value] = &fields[..] => {
            let named = matches!(key.name().as_str(), "key" | "keys")
                && matches!(value.name().as_str(), "value" | "values");
            (named || matches!(data_type, T::Map(..))).then(|| (key.data_type(), value.data_type()))
        }
        _ => None,
    }
}

fn is_key(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_key(values),
        DataType::RunEndEncoded(_, values) => is_key(values.data_type()),
        other => other.is_integer() || is_text(other),
    }
}

pub(crate) fn is_text(data_type: &DataType) -> bool {
    use DataType as T;
    matches!(
        data_type,
        T::Utf8
            | T::LargeUtf8
            | T::Utf8View
            | T::Binary
            | T::LargeBinary
            | T::BinaryView
            | T::FixedSizeBinary(_)
    )
}

/// Dictionaries and run-ends resolved: the array as its plain values.
pub(crate) fn plain(array: &ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            take(dictionary.values(), dictionary.keys(), None)
                .map_err(|e| Error::data(format!("can't resolve {}: {e}", array.data_type())))
        }
        DataType::RunEndEncoded(_, values) => convert(array, values.data_type()),
        _ => Ok(array.clone()),
    }
}

fn convert(array: &dyn Array, to: &DataType) -> Result<ArrayRef> {
    cast(array, to).map_err(|e| Error::data(format!("can't convert {} to {to}: {e}", array.data_type())))
}

/// What `$each!` makes of the type of a primitive array and of how its values become numbers, or of what other arms there are.
macro_rules! of_primitive {
    ($type:expr, $each:ident, { $($other:tt)* }) => {
        match $type {
            DataType::Int8 => $each!(Int8Type, f64::from),
            DataType::Int16 => $each!(Int16Type, f64::from),
            DataType::Int32 => $each!(Int32Type, f64::from),
            DataType::Int64 => $each!(Int64Type, |x| x as f64),
            DataType::UInt8 => $each!(UInt8Type, f64::from),
            DataType::UInt16 => $each!(UInt16Type, f64::from),
            DataType::UInt32 => $each!(UInt32Type, f64::from),
            DataType::UInt64 => $each!(UInt64Type, |x| x as f64),
            DataType::Float16 => $each!(Float16Type, f64::from),
            DataType::Float32 => $each!(Float32Type, f64::from),
            DataType::Float64 => $each!(Float64Type, |x| x),
            $($other)*
        }
    };
}

/// Calls `f(row, number)` for each row, `None` for null. Texts are not parsed.
pub(crate) fn for_each_number(array: &ArrayRef, mut f: impl FnMut(usize, Option<f64>)) -> Result<()> {
    use DataType as T;
    macro_rules! each {
        ($t:ty, $to:expr) => {
            each_primitive(array.as_primitive::<$t>(), $to, f)
        };
    }
    of_primitive!(array.data_type(), each, {
        T::Boolean => {
            let array: &BooleanArray = array.as_boolean();
            array.iter().enumerate().for_each(|(row, b)| f(row, b.map(|b| f64::from(u8::from(b)))));
        }
        T::Null => (0..array.len()).for_each(|row| f(row, None)),
        T::Date32 | T::Date64 | T::Timestamp(_, _) => {
            return for_each_time(array, |row, t| f(row, t.map(|t| t as f64)));
        }
        T::Time32(_) => return for_each_number(&convert(array, &T::Int32)?, f),
        T::Time64(_) | T::Duration(_) => return for_each_number(&convert(array, &T::Int64)?, f),
        T::Dictionary(_, _) | T::RunEndEncoded(_, _) => return for_each_number(&plain(array)?, f),
        _ => return for_each_number(&convert(array, &T::Float64)?, f),
    });
    Ok(())
}

/// Writes `f` of each number into `out`, `null` where there is none: faster than [`for_each_number`] where `f` has no
/// branches.
pub(crate) fn map_numbers<T: Copy>(
    array: &ArrayRef,
    out: &mut [T],
    null: T,
    f: impl Fn(f64) -> T,
) -> Result<()> {
    macro_rules! each {
        ($t:ty, $to:expr) => {
            map_primitive(array.as_primitive::<$t>(), out, null, |x| f($to(x)))
        };
    }
    of_primitive!(array.data_type(), each, {
        _ => return for_each_number(array, |row, x| out[row] = x.map_or(null, &f)),
    });
    Ok(())
}

/// All numbers of an array, NaN for null.
pub(crate) fn numbers(array: &ArrayRef) -> Result<Vec<f64>> {
    let mut numbers = Vec::with_capacity(array.len());
    for_each_number(array, |_, x| numbers.push(x.unwrap_or(f64::NAN)))?;
    Ok(numbers)
}

#[inline]
fn each_primitive<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    to: impl Fn(T::Native) -> f64,
    mut f: impl FnMut(usize, Option<f64>),
) {
    match array.nulls() {
        None => array.values().iter().enumerate().for_each(|(row, &x)| f(row, Some(to(x)))),
        Some(nulls) => {
            for (row, (&x, valid)) in array.values().iter().zip(nulls.iter()).enumerate() {
                f(row, valid.then(|| to(x)));
            }
        }
    }
}

/// Work for the widest instructions: `f` of each value.
struct Map<'a, V, T, F> {
    values: &'a [V],
    out: &'a mut [T],
    f: F,
}

impl<V: Copy, T, F: Fn(V) -> T> Kernel for Map<'_, V, T, F> {
    #[inline(always)]
    fn run(self) {
        self.out.iter_mut().zip(self.values).for_each(|(out, &x)| *out = (self.f)(x));
    }
}

fn map_primitive<P: ArrowPrimitiveType, T: Copy>(
    array: &PrimitiveArray<P>,
    out: &mut [T],
    null: T,
    f: impl Fn(P::Native) -> T,
) {
    kernels::run(Map { values: array.values(), out, f });
    if let Some(nulls) = array.nulls() {
        out.iter_mut().zip(nulls).for_each(|(out, valid)| *out = if valid { *out } else { null });
    }
}

/// Calls `f(row, seconds since 1970)` for each row of dates or timestamps, `None` for null.
pub(crate) fn for_each_time(array: &ArrayRef, f: impl FnMut(usize, Option<i64>)) -> Result<()> {
    use DataType as T;
    match array.data_type() {
        T::Date32 => each_time(array.as_primitive::<Date32Type>(), |d| i64::from(d) * 86_400, f),
        T::Date64 => each_time(array.as_primitive::<Date64Type>(), |t| t.div_euclid(1_000), f),
        T::Timestamp(TimeUnit::Second, _) => each_time(array.as_primitive::<TimestampSecondType>(), |t| t, f),
        T::Timestamp(TimeUnit::Millisecond, _) => {
            each_time(array.as_primitive::<TimestampMillisecondType>(), |t| t.div_euclid(1_000), f);
        }
        T::Timestamp(TimeUnit::Microsecond, _) => {
            each_time(array.as_primitive::<TimestampMicrosecondType>(), |t| t.div_euclid(1_000_000), f);
        }
        T::Timestamp(TimeUnit::Nanosecond, _) => {
            each_time(array.as_primitive::<TimestampNanosecondType>(), |t| t.div_euclid(1_000_000_000), f);
        }
        T::Dictionary(_, _) | T::RunEndEncoded(_, _) => return for_each_time(&plain(array)?, f),
        T::Null => {
            let mut f = f;
            (0..array.len()).for_each(|row| f(row, None));
        }
        other => return Err(Error::data(format!("found {other}, expected a date or timestamp"))),
    }
    Ok(())
}

fn each_time<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    to: impl Fn(T::Native) -> i64,
    mut f: impl FnMut(usize, Option<i64>),
) {
    array.iter().enumerate().for_each(|(row, x)| f(row, x.map(&to)));
}

/// The keys and texts of a dictionary of the usual types.
pub(super) fn dictionary(array: &ArrayRef) -> Option<(&Int32Array, &StringArray)> {
    let array = array.as_dictionary_opt::<Int32Type>()?;
    Some((array.keys(), array.values().as_string_opt::<i32>()?))
}

/// Calls `f(row, text)` for each row, `None` for null; numbers and dates as their text.
pub(crate) fn for_each_text(array: &ArrayRef, mut f: impl FnMut(usize, Option<&[u8]>)) -> Result<()> {
    use DataType as T;
    macro_rules! each {
        ($array:expr, $to:expr) => {{
            let array = $array;
            for row in 0..array.len() {
                f(row, array.is_valid(row).then(|| $to(array.value(row))));
            }
        }};
    }
    match array.data_type() {
        T::Utf8 => each!(array.as_string::<i32>(), str::as_bytes),
        T::LargeUtf8 => each!(array.as_string::<i64>(), str::as_bytes),
        T::Utf8View => each!(array.as_string_view(), str::as_bytes),
        T::Binary => each!(array.as_binary::<i32>(), |b| b),
        T::LargeBinary => each!(array.as_binary::<i64>(), |b| b),
        T::BinaryView => each!(array.as_binary_view(), |b| b),
        T::FixedSizeBinary(_) => each!(array.as_fixed_size_binary(), |b| b),
        T::Boolean => each!(array.as_boolean(), |b| if b { b"true".as_slice() } else { b"false" }),
        T::Null => (0..array.len()).for_each(|row| f(row, None)),
        T::Dictionary(_, _) if let Some((keys, texts)) = dictionary(array) => {
            for (row, key) in keys.iter().enumerate() {
                let text = key.map(|key| key as usize).filter(|&key| texts.is_valid(key));
                f(row, text.map(|key| texts.value(key).as_bytes()));
            }
        }
        T::Dictionary(_, _) | T::RunEndEncoded(_, _) => return for_each_text(&plain(array)?, f),
        t if t.is_integer() => {
            let array: &dyn Array = array;
            macro_rules! each_integer {
                ($($arrow:ident => $t:ty),*) => {
                    match array.data_type() {
                        $(T::$arrow => {
                            let array = array.as_primitive::<$t>();
                            let mut buffer = itoa::Buffer::new();
                            for row in 0..array.len() {
                                f(row, array.is_valid(row).then(|| buffer.format(array.value(row)).as_bytes()));
                            }
                        })*
                        _ => unreachable!("every integer type is listed"),
                    }
                };
            }
            each_integer!(Int8 => Int8Type, Int16 => Int16Type, Int32 => Int32Type, Int64 => Int64Type,
                UInt8 => UInt8Type, UInt16 => UInt16Type, UInt32 => UInt32Type, UInt64 => UInt64Type);
        }
        _ => {
            let options = FormatOptions::default();
            let formatter = ArrayFormatter::try_new(array, &options)
                .map_err(|e| Error::data(format!("can't show {} as text: {e}", array.data_type())))?;
            let mut text = String::new();
            for row in 0..array.len() {
                text.clear();
                let valid = array.is_valid(row) && write!(text, "{}", formatter.value(row)).is_ok();
                f(row, valid.then_some(text.as_bytes()));
            }
        }
    }
    Ok(())
}

/// A list array's parts: row `r` holds the elements `ends[r]..ends[r + 1]` of `items`, all of which
/// belong to some row (or to a null).
#[derive(Debug)]
pub(crate) struct Lists {
    pub(crate) items: ArrayRef,
    pub(crate) ends: Vec<usize>,
    pub(crate) nulls: Option<NullBuffer>,
}

impl Lists {
    /// The parts of a list array of any sort; an array of nulls is taken as empty lists.
    pub(crate) fn of(array: &ArrayRef) -> Result<Lists> {
        fn variable<O: OffsetSizeTrait>(array: &GenericListArray<O>) -> Lists {
            // Only the elements of these rows: a slice of a large batch shares all of the batch's.
            let offsets = array.value_offsets();
            let (first, last) = (offsets[0].as_usize(), offsets[array.len()].as_usize());
            Lists {
                items: array.values().slice(first, last - first),
                ends: offsets.iter().map(|o| o.as_usize() - first).collect(),
                nulls: array.nulls().cloned(),
            }
        }
        fn fixed(array: &FixedSizeListArray) -> Lists {
            let size = array.value_length() as usize;
            Lists {
                items: array.values().clone(),
                ends: (0..=array.len()).map(|row| row * size).collect(),
                nulls: array.nulls().cloned(),
            }
        }
        fn mapped(array: &MapArray) -> Lists {
            let offsets = array.value_offsets();
            let (first, last) = (offsets[0].as_usize(), offsets[array.len()].as_usize());
            Lists {
                items: Arc::new(array.entries().slice(first, last - first)),
                ends: offsets.iter().map(|o| o.as_usize() - first).collect(),
                nulls: array.nulls().cloned(),
            }
        }
        match array.data_type() {
            DataType::Map(_, _) => Ok(mapped(array.as_map())),
            DataType::List(_) => Ok(variable(array.as_list::<i32>())),
            DataType::LargeList(_) => Ok(variable(array.as_list::<i64>())),
            DataType::FixedSizeList(_, _) => Ok(fixed(array.as_fixed_size_list())),
            // The elements of a view lie anywhere: they are put in the rows' order.
            DataType::ListView(item) => Lists::of(&convert(array, &DataType::List(item.clone()))?),
            DataType::LargeListView(item) => Lists::of(&convert(array, &DataType::LargeList(item.clone()))?),
            DataType::Dictionary(_, _) | DataType::RunEndEncoded(_, _) => Lists::of(&plain(array)?),
            DataType::Null => Ok(Lists {
                items: array.slice(0, 0),
                ends: vec![0; array.len() + 1],
                nulls: Some(NullBuffer::new_null(array.len())),
            }),
            other => Err(Error::data(format!("found {other}, expected a list"))),
        }
    }

    /// The elements of a row; empty for null.
    pub(crate) fn row(&self, row: usize) -> std::ops::Range<usize> {
        if self.is_null(row) { 0..0 } else { self.ends[row]..self.ends[row + 1] }
    }

    /// For each element whether its row is null; `None` if no row is.
    pub(crate) fn hidden(&self) -> Option<Vec<bool>> {
        self.nulls.as_ref().filter(|n| n.null_count() > 0).map(|nulls| {
            let mut hidden = vec![false; self.items.len()];
            for row in (0..nulls.len()).filter(|row| nulls.is_null(*row)) {
                hidden[self.ends[row]..self.ends[row + 1]].fill(true);
            }
            hidden
        })
    }

    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|n| n.is_null(row))
    }
}
