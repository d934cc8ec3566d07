//! A table of every type, and files made of it.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::*;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};

pub(crate) const ROWS: usize = 700;

/// A number of row `i`, null in some rows.
fn number(i: usize) -> Option<i64> {
    (i % 11 != 5).then_some((i * 37 % 100) as i64)
}

fn city(i: usize) -> Option<&'static str> {
    const CITIES: [&str; 5] = ["Rome", "São Paulo", "", "Łódź, \"Old\"\nTown", "東京"];
    (i % 7 != 3).then(|| CITIES[i * i % 5])
}

fn integers() -> ArrayRef {
    Arc::new(Int64Array::from_iter((0..ROWS).map(number)))
}

fn texts() -> ArrayRef {
    Arc::new(StringArray::from_iter((0..ROWS).map(city)))
}

fn as_type(array: &ArrayRef, data_type: &DataType) -> ArrayRef {
    // Step by step where the cast would take a number's bits for another type's: to a dictionary of
    // timestamps by way of its values, to bytes by way of texts.
    let step = match data_type {
        DataType::Dictionary(_, values) => Some(values.as_ref().clone()),
        bytes if bytes.is_binary() && array.data_type().is_numeric() => Some(DataType::Utf8),
        _ => None,
    };
    let array = &step.map_or_else(|| array.clone(), |step| as_type(array, &step));
    cast(array, data_type).unwrap_or_else(|e| panic!("{} to {data_type}: {e}", array.data_type()))
}

fn dictionary(key: DataType, value: DataType) -> DataType {
    DataType::Dictionary(Box::new(key), Box::new(value))
}

fn runs(key: DataType, value: DataType) -> DataType {
    let field = |name, data_type, nullable| Arc::new(Field::new(name, data_type, nullable));
    DataType::RunEndEncoded(field("run_ends", key, false), field("values", value, true))
}

/// Lists of 0 to 3 numbers of the row, some null, some with a null in them.
fn lists(item: &DataType) -> ArrayRef {
    let mut offsets = vec![0];
    let mut items = Vec::new();
    for i in 0..ROWS {
        if i % 9 != 4 {
            items.extend((0..i % 4).map(|k| number(i + k)));
        }
        offsets.push(items.len() as i32);
    }
    let items: ArrayRef = Arc::new(Int64Array::from(items));
    let nulls = NullBuffer::from_iter((0..ROWS).map(|i| i % 9 != 4));
    let field = Arc::new(Field::new("item", item.clone(), true));
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    Arc::new(ListArray::new(field, offsets, as_type(&items, item), Some(nulls)))
}

/// Maps of 0 to 3 numbers by key, some null, with nulls among the numbers.
fn maps(key: &DataType, value: &DataType) -> MapArray {
    let rows = || (0..ROWS).flat_map(|i| (0..if i % 9 == 4 { 0 } else { i % 4 }).map(move |k| (i, k)));
    let keys: ArrayRef =
        Arc::new(Int64Array::from_iter_values(rows().map(|(i, k)| ((i + 31 * k) % 90) as i64)));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter(rows().map(|(i, k)| number(i + k))));
    let field =
        |name, data_type: &DataType, nullable| Arc::new(Field::new(name, data_type.clone(), nullable));
    let fields = Fields::from(vec![field("key", key, false), field("value", value, true)]);
    let entries = StructArray::new(fields, vec![as_type(&keys, key), as_type(&numbers, value)], None);
    let lengths = (0..ROWS).map(|i| if i % 9 == 4 { 0 } else { i % 4 });
    let nulls = NullBuffer::from_iter((0..ROWS).map(|i| i % 9 != 4));
    let entry = field("entries", entries.data_type(), false);
    MapArray::new(entry, OffsetBuffer::from_lengths(lengths), entries, Some(nulls), false)
}

/// The same rows as lists of pairs.
fn pairs(maps: &MapArray) -> ArrayRef {
    let entries = maps.entries();
    let item = Arc::new(Field::new("item", entries.data_type().clone(), true));
    Arc::new(ListArray::new(item, maps.offsets().clone(), Arc::new(entries.clone()), maps.nulls().cloned()))
}

/// Vectors of three numbers, some null.
fn vectors(item: &DataType) -> ArrayRef {
    let items: ArrayRef = Arc::new(Int64Array::from_iter_values((0..3 * ROWS).map(|i| (i * 31 % 50) as i64)));
    let nulls = NullBuffer::from_iter((0..ROWS).map(|i| i % 13 != 4));
    let field = Arc::new(Field::new("item", item.clone(), true));
    Arc::new(FixedSizeListArray::new(field, 3, as_type(&items, item), Some(nulls)))
}

/// Columns of each group hold the same values in different types, so their features must be equal.
pub(crate) fn groups() -> Vec<Vec<(String, ArrayRef)>> {
    use DataType as T;
    let named = |prefix: &str, array: &ArrayRef, types: &[DataType]| -> Vec<(String, ArrayRef)> {
        types.iter().map(|t| (format!("{prefix} {t}"), as_type(array, t))).collect()
    };
    let (integers, texts) = (integers(), texts());
    let mut numbers = vec![
        T::Int8,
        T::Int16,
        T::Int32,
        T::Int64,
        T::UInt8,
        T::UInt16,
        T::UInt32,
        T::UInt64,
        T::Float16,
        T::Float32,
        T::Float64,
        T::Decimal32(6, 2),
        T::Decimal64(12, 3),
        T::Decimal128(20, 4),
        T::Decimal256(50, 5),
        dictionary(T::Int32, T::Int64),
        dictionary(T::UInt8, T::Float32),
        runs(T::Int32, T::Float64),
        runs(T::Int16, T::Int8),
    ];
    let times = [T::Time32(TimeUnit::Second), T::Duration(TimeUnit::Second)];
    let mut number_columns = named("n", &integers, &numbers);
    let seconds32 = as_type(&integers, &T::Int32);
    number_columns.push(("n time32".into(), as_type(&seconds32, &times[0])));
    for unit in [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond] {
        number_columns.push((format!("n duration {unit:?}"), as_type(&integers, &T::Duration(unit))));
    }
    for unit in [TimeUnit::Microsecond, TimeUnit::Nanosecond] {
        number_columns.push((format!("n time64 {unit:?}"), as_type(&integers, &T::Time64(unit))));
    }
    numbers.clear();
    let mut text_types = vec![T::Utf8, T::LargeUtf8, T::Utf8View, T::Binary, T::LargeBinary, T::BinaryView];
    let keys = [T::Int8, T::Int16, T::Int32, T::Int64, T::UInt8, T::UInt16, T::UInt32, T::UInt64];
    text_types.extend(keys.map(|key| dictionary(key, T::Utf8)));
    text_types.push(dictionary(T::Int32, T::LargeUtf8));
    text_types.push(dictionary(T::Int32, T::Binary));
    text_types.extend([T::Int16, T::Int32, T::Int64].map(|key| runs(key, T::Utf8)));
    let day = |i: usize| (i % 10 != 7).then_some(15_000 + (i * 3) as i32);
    let days: ArrayRef = Arc::new(Date32Array::from_iter((0..ROWS).map(day)));
    let mut days_types = vec![T::Date32, T::Date64];
    let moment = |i: usize| Some(i64::from(day(i)?) * 86_400 + (i * 777 % 86_400) as i64);
    let moments: ArrayRef = Arc::new(TimestampSecondArray::from_iter((0..ROWS).map(moment)));
    let mut moment_types = Vec::new();
    for unit in [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond] {
        days_types.push(T::Timestamp(unit, None));
        moment_types.push(T::Timestamp(unit, None));
        moment_types.extend(["UTC", "+00:00"].map(|zone| T::Timestamp(unit, Some(zone.into()))));
    }
    moment_types.push(dictionary(T::Int16, T::Timestamp(TimeUnit::Millisecond, None)));
    let booleans: ArrayRef = Arc::new(BooleanArray::from_iter((0..ROWS).map(|i| Some(number(i)? > 40))));
    let bool_types = [T::Boolean, dictionary(T::Int8, T::Utf8)];
    let list = |item: &DataType| lists(item);
    let item = |t: DataType| Arc::new(Field::new("item", t, true));
    let list_types = |t: &DataType| {
        let item = || item(t.clone());
        [T::List(item()), T::LargeList(item()), T::ListView(item()), T::LargeListView(item())]
    };
    let mut lists = Vec::new();
    for t in [T::Int8, T::Int64, T::UInt32, T::Utf8, T::Utf8View, T::Binary, dictionary(T::Int8, T::Utf8)] {
        lists.extend(named("l", &list(&t), &list_types(&t)));
    }
    let mut embeddings = Vec::new();
    for t in [T::Float16, T::Float32, T::Float64, T::Int8, T::Int32] {
        embeddings.push((format!("v {t}"), vectors(&t)));
    }
    let vector = vectors(&T::Float32);
    embeddings.extend(named("v", &vector, &[T::List(item(T::Float32)), T::LargeList(item(T::Float64))]));
    let mut mapped: Vec<(String, ArrayRef)> = Vec::new();
    let key_types = [T::Int8, T::Int32, T::Int64, T::UInt16, T::UInt64, T::Utf8, T::LargeUtf8, T::Binary];
    for key in key_types.into_iter().chain([dictionary(T::Int32, T::Utf8), dictionary(T::UInt8, T::Int16)]) {
        let maps = maps(&key, &T::Float32);
        mapped.push((format!("p {key} pairs"), pairs(&maps)));
        mapped.push((format!("p {key}"), Arc::new(maps)));
    }
    for value in [T::Float64, T::Int8, T::UInt32, T::Decimal128(20, 4), dictionary(T::Int32, T::Float32)] {
        mapped.push((format!("p to {value}"), Arc::new(maps(&T::Int32, &value))));
    }
    let large = T::LargeList(item(pairs(&maps(&T::Int32, &T::Float32)).as_list::<i32>().value_type()));
    mapped.extend(named("p", &pairs(&maps(&T::Int32, &T::Float32)), &[large]));
    let codes: ArrayRef = Arc::new(
        FixedSizeBinaryArray::try_from_sparse_iter_with_size(
            (0..ROWS).map(|i| Some([b'a' + (i % 3) as u8, b'x'])),
            2,
        )
        .unwrap(),
    );
    let mut moment_columns = named("m", &moments, &moment_types);
    // The same instants, shown elsewhere.
    let warsaw = T::Timestamp(TimeUnit::Millisecond, Some("Europe/Warsaw".into()));
    moment_columns.push(("m Warsaw".into(), as_type(&moment_columns[1].1, &warsaw)));
    vec![
        number_columns,
        named("t", &texts, &text_types),
        named("d", &days, &days_types),
        moment_columns,
        named("b", &booleans, &bool_types),
        named("c", &codes, &[T::FixedSizeBinary(2), T::Binary]),
        lists,
        embeddings,
        mapped,
    ]
}

/// Columns that can't be used.
pub(crate) fn unusable() -> Vec<(String, ArrayRef)> {
    let child = integers();
    let fields = Fields::from(vec![Field::new("x", DataType::Int64, true)]);
    let nested: ArrayRef = Arc::new(StructArray::new(fields, vec![child], None));
    let nested_list = {
        let inner = lists(&DataType::Int32);
        let field = Arc::new(Field::new("item", inner.data_type().clone(), true));
        Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(vec![1; ROWS]), inner, None))
    };
    vec![
        ("x struct".into(), nested),
        ("x map of texts".into(), Arc::new(maps(&DataType::Int32, &DataType::Utf8))),
        ("x map by floats".into(), Arc::new(maps(&DataType::Float32, &DataType::Float32))),
        ("x lists of lists".into(), nested_list),
        ("x null".into(), Arc::new(NullArray::new(ROWS))),
        ("x all null".into(), new_null_array(&DataType::Float64, ROWS)),
        ("x no text".into(), new_null_array(&DataType::Utf8View, ROWS)),
    ]
}

/// The columns with a target `y` and a row number `id`.
pub(crate) fn table(columns: Vec<(String, ArrayRef)>) -> RecordBatch {
    let rows = columns.first().map_or(ROWS, |(_, c)| c.len());
    let target: ArrayRef = Arc::new(Float64Array::from_iter_values((0..rows).map(|i| (i * 13 % 29) as f64)));
    let id: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows as i64));
    let columns = columns.into_iter().chain([("y".into(), target), ("id".into(), id)]);
    RecordBatch::try_from_iter_with_nullable(columns.map(|(n, c)| (n, c, true))).unwrap()
}

/// Cuts a table into batches of these lengths (zeros included), and the rest.
pub(crate) fn cut(table: &RecordBatch, lengths: &[usize]) -> Vec<RecordBatch> {
    let mut at = 0;
    let mut batches = Vec::new();
    for &length in lengths {
        batches.push(table.slice(at, length));
        at += length;
    }
    batches.push(table.slice(at, table.num_rows() - at));
    batches
}

pub(crate) fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder().set_max_row_group_row_count(Some(250))
}

pub(crate) fn write_parquet(path: &Path, table: &RecordBatch, properties: WriterProperties) {
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), table.schema(), Some(properties)).unwrap();
    writer.write(table).unwrap();
    writer.close().unwrap();
}

pub(crate) fn write_ipc(path: &Path, batches: &[RecordBatch], compression: Option<CompressionType>) {
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let file = File::create(path).unwrap();
    let mut writer = FileWriter::try_new_with_options(file, &batches[0].schema(), options).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
}

pub(crate) fn write_stream(path: &Path, batches: &[RecordBatch], compression: Option<CompressionType>) {
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let file = File::create(path).unwrap();
    let mut writer = StreamWriter::try_new_with_options(file, &batches[0].schema(), options).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
}

pub(crate) fn write_csv(path: &Path, batches: &[RecordBatch]) {
    let mut writer = arrow::csv::Writer::new(File::create(path).unwrap());
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
}

/// Every codec, both page versions.
pub(crate) fn codecs() -> Vec<(String, WriterProperties)> {
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::BROTLI(Default::default()),
        Compression::LZ4_RAW,
        Compression::LZ4,
        Compression::ZSTD(Default::default()),
    ];
    let mut all = Vec::new();
    for codec in codecs {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            let properties = properties()
                .set_compression(codec)
                .set_writer_version(version)
                .set_data_page_row_count_limit(90)
                .set_write_batch_size(30)
                .set_dictionary_enabled(version == WriterVersion::PARQUET_1_0);
            all.push((format!("{codec} {version:?}").replace(['(', ')', ' '], "-"), properties.build()));
        }
    }
    all
}

/// Every encoding with columns of types that have it.
pub(crate) fn encodings() -> Vec<(Encoding, Vec<(String, ArrayRef)>)> {
    use DataType as T;
    let of = |types: &[DataType]| -> Vec<(String, ArrayRef)> {
        let (integers, texts) = (integers(), texts());
        let of = |t: &DataType| match t {
            t if t.is_numeric() => as_type(&integers, t),
            T::FixedSizeBinary(_) => Arc::new(
                FixedSizeBinaryArray::try_from_sparse_iter_with_size(
                    (0..ROWS).map(|i| Some([i as u8; 3])),
                    3,
                )
                .unwrap(),
            ),
            t => as_type(&texts, t),
        };
        types.iter().map(|t| (t.to_string(), of(t))).collect()
    };
    let fixed = T::FixedSizeBinary(3);
    vec![
        (Encoding::PLAIN, of(&[T::Int32, T::Int64, T::Float32, T::Float64, T::Utf8, fixed.clone()])),
        (Encoding::DELTA_BINARY_PACKED, of(&[T::Int8, T::Int32, T::Int64, T::UInt64])),
        (Encoding::DELTA_LENGTH_BYTE_ARRAY, of(&[T::Utf8, T::Binary, T::Utf8View])),
        (Encoding::DELTA_BYTE_ARRAY, of(&[T::Utf8, T::LargeUtf8, fixed.clone()])),
        (
            Encoding::BYTE_STREAM_SPLIT,
            of(&[T::Float16, T::Float32, T::Float64, T::Int32, T::Int64, T::Decimal128(20, 2), fixed]),
        ),
    ]
}
