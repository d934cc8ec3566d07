//! What flat columns give is what Arrow's own reader gives, whatever the pages.

use std::fs::File;
use std::ops::Range;

use arrow::array::{
    Array, AsArray, Float32Array, Float64Array, Int32Array, Int64Array, ListBuilder, RecordBatch,
    StringArray, StringBuilder,
};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::UInt32Type;
use arrow::util::display::array_value_to_string;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::schema::types::{ColumnDescriptor, ColumnPath, Type};
use proptest::prelude::*;
use tempfile::TempDir;

use super::pages::{Pages, WINDOW, has_impossible_page};
use super::*;
use crate::features::{Translate, translated_field};

/// Makes of each value a number that tells it from others.
#[derive(Debug)]
struct Fingerprint;

const MISSING: u32 = 7;

fn fingerprint(values: &dyn Array, row: usize) -> u32 {
    of_text(array_value_to_string(values, row).unwrap().as_bytes())
}

fn of_text(text: &[u8]) -> u32 {
    text.iter().fold(11, |hash: u32, &byte| hash.wrapping_mul(31).wrapping_add(byte.into()))
}

impl Translate for Fingerprint {
    fn translate(&self, values: &arrow::array::ArrayRef, out: &mut [u32]) -> Result<()> {
        out.iter_mut().enumerate().for_each(|(row, out)| *out = fingerprint(values, row));
        Ok(())
    }

    fn translate_texts(&self, texts: &[&[u8]], out: &mut [u32]) -> Result<()> {
        out.iter_mut().zip(texts).for_each(|(out, text)| *out = of_text(text));
        Ok(())
    }

    fn missing(&self) -> u32 {
        MISSING
    }
}

/// Columns of all flat types; values of `kinds` kinds, a share of `gaps` of them null, and none in every other column.
fn table(rows: usize, kinds: u64, gaps: f64, seed: u64) -> RecordBatch {
    let mut random = crate::random::Random::new(seed, 0);
    let mut draw = |gaps: f64| -> Vec<Option<i64>> {
        let mut one = || {
            let value = random.below(kinds) as i64;
            ((random.below(1000) as f64) >= 1000.0 * gaps).then_some(value * 1_000_003 - 500)
        };
        (0..rows).map(|_| one()).collect()
    };
    let text = |x: i64| "x".repeat((x % 23).unsigned_abs() as usize) + &x.to_string();
    let mut columns: Vec<(String, arrow::array::ArrayRef)> = Vec::new();
    for (name, gaps) in [("gaps", gaps), ("full", 0.0)] {
        let mut add = |kind: &str, array| columns.push((format!("{kind} {name}"), array));
        let numbers = draw(gaps);
        add("i32", Arc::new(numbers.iter().map(|x| x.map(|x| x as i32)).collect::<Int32Array>()) as _);
        add("i64", Arc::new(draw(gaps).into_iter().collect::<Int64Array>()) as _);
        add(
            "f32",
            Arc::new(numbers.iter().map(|x| x.map(|x| x as f32 / 3.0)).collect::<Float32Array>()) as _,
        );
        add(
            "f64",
            Arc::new(draw(gaps).iter().map(|x| x.map(|x| x as f64 / 3.0)).collect::<Float64Array>()) as _,
        );
        add("text", Arc::new(draw(gaps).iter().map(|x| x.map(text)).collect::<StringArray>()) as _);
    }
    let fields = columns.iter().map(|(name, array)| {
        Field::new(name, array.data_type().clone(), name.ends_with("gaps") || array.null_count() > 0)
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    RecordBatch::try_new(schema, columns.into_iter().map(|(_, array)| array).collect()).unwrap()
}

fn properties() -> impl Strategy<Value = WriterProperties> {
    let compressions =
        [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(ZstdLevel::default())];
    let version = prop::sample::select(vec![WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0]);
    let compression = prop::sample::select(compressions.to_vec());
    (version, compression, prop::bool::ANY, 1usize..400, 20usize..3000, 1usize..300, 50usize..500).prop_map(
        |(version, compression, has_dictionary, page_rows, dictionary_bytes, batch, group)| {
            WriterProperties::builder()
                .set_writer_version(version)
                .set_compression(compression)
                .set_dictionary_enabled(has_dictionary)
                .set_dictionary_page_size_limit(dictionary_bytes)
                .set_data_page_row_count_limit(page_rows)
                .set_write_batch_size(batch)
                .set_max_row_group_row_count(Some(group))
                .build()
        },
    )
}

/// Some rows of a row group, read so.
fn read(
    source: &ParquetSource,
    group: usize,
    rows: &Range<usize>,
    read_as: ReadAs,
    (batch_rows, wanted): (usize, Option<u64>),
    translation: Option<Arc<dyn Translate>>,
) -> Vec<RecordBatch> {
    let names: Vec<String> = source.schema().fields().iter().map(|field| field.name().clone()).collect();
    let request = Request {
        translations: vec![translation; names.len()],
        columns: names.into_iter().map(|name| (name, read_as)).collect(),
        batch_rows,
        rows: wanted,
        rejects: false,
    };
    let extent = Extent::Rows { group, start: rows.start as u64, len: rows.len() as u64 };
    let split = Split { file: 0, extent, rows: None, bytes: 0 };
    let mut stream = Source::open(source, &split, &request, Access::default()).unwrap();
    std::iter::from_fn(|| stream.next_batch().unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn flat_columns_are_read_as_arrow_s_reader_reads_them(
        (rows, kinds, gaps) in (1usize..900, 1u64..700, prop::sample::select(vec![0.0, 0.02, 0.5, 0.98, 1.0])),
        properties in properties(),
        (start, end, batch_rows) in (prop_oneof![Just(0.0), 0.0..1.0], 0.0..=1.0, 1usize..500),
        wanted in prop::option::of(1u64..300),
        seed in any::<u64>(),
    ) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.parquet");
        let all = table(rows, kinds, gaps, seed);
        let is_second = properties.writer_version() == WriterVersion::PARQUET_2_0;
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), all.schema(), Some(properties)).unwrap();
        writer.write(&all).unwrap();
        writer.close().unwrap();
        let source = ParquetSource::open(&path).unwrap();
        for group in 0..source.metadata.metadata().num_row_groups() {
            let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
            let oracle = reader.with_row_groups(vec![group]).build().unwrap();
            let oracle = concat_batches(&all.schema(), &oracle.map(|batch| batch.unwrap()).collect::<Vec<_>>()).unwrap();
            let first = (start * oracle.num_rows() as f64) as usize;
            let part = first..first + (end * (oracle.num_rows() - first) as f64) as usize;
            let expected = oracle.slice(part.start, part.len());
            for read_as in [ReadAs::Native, ReadAs::Text, ReadAs::Number] {
                let mut row = 0;
                for batch in read(&source, group, &part, read_as, (batch_rows, wanted), None) {
                    for (found, expected) in batch.columns().iter().zip(expected.columns()) {
                        let plain = cast(found, expected.data_type()).unwrap();
                        prop_assert_eq!(&plain, &expected.slice(row, batch.num_rows()));
                    }
                    row += batch.num_rows();
                }
                prop_assert_eq!(row, wanted.map_or(part.len(), |wanted| part.len().min(wanted as usize)));
            }
            let mut row = 0;
            for batch in read(&source, group, &part, ReadAs::Text, (batch_rows, None), Some(Arc::new(Fingerprint))) {
                let columns = batch.columns().iter().zip(batch.schema_ref().fields());
                for ((found, field), expected) in columns.zip(expected.columns()) {
                    let expected = expected.slice(row, batch.num_rows());
                    if **field != translated_field(field.name()) {
                        // Of the second version's encodings Arrow's reader sees to some.
                        prop_assert!(is_second);
                        prop_assert_eq!(&cast(found, expected.data_type()).unwrap(), &expected);
                        continue;
                    }
                    let of = |row| if expected.is_valid(row) { fingerprint(&expected, row) } else { MISSING };
                    let found = found.as_primitive::<UInt32Type>().values();
                    prop_assert!(found.iter().copied().eq((0..batch.num_rows()).map(of)));
                }
                row += batch.num_rows();
            }
            prop_assert_eq!(row, part.len());
        }
    }
}

/// Of a dictionary that is read in part the first rows' values are there, and the others once rows have them.
#[test]
fn dictionaries_of_which_the_beginning_is_read_go_on() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.parquet");
    let texts: StringArray = (0..3000).map(|row| Some(format!("{:0>200x}", row * 7919 % 2003))).collect();
    let all = RecordBatch::try_from_iter([("text", Arc::new(texts) as _)]).unwrap();
    let properties =
        WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let mut writer =
        ArrowWriter::try_new(File::create(&path).unwrap(), all.schema(), Some(properties)).unwrap();
    writer.write(&all).unwrap();
    writer.close().unwrap();
    let source = ParquetSource::open(&path).unwrap();
    let lengths = |wanted| {
        let (mut row, mut lengths) = (0, Vec::new());
        for batch in read(&source, 0, &(0..3000), ReadAs::Text, (300, wanted), None) {
            lengths.push(batch.column(0).as_any_dictionary().values().len());
            let plain = cast(batch.column(0), &DataType::Utf8).unwrap();
            assert_eq!(plain.as_ref(), &all.column(0).slice(row, batch.num_rows()));
            row += batch.num_rows();
        }
        lengths
    };
    assert_eq!(lengths(None), [2003; 10]);
    // The beginning has room for 642 texts of 204 bytes.
    assert_eq!(lengths(Some(600)), [600, 600]);
    assert_eq!(lengths(Some(1500)), [642, 642, 2003, 2003, 2003]);
}

#[test]
fn a_column_outside_the_file_is_refused() {
    let leaf = Type::primitive_type_builder("x", PhysicalType::INT32).build().unwrap();
    let descriptor = Arc::new(ColumnDescriptor::new(Arc::new(leaf), 0, 0, ColumnPath::from("x")));
    let file = tempfile::tempfile().unwrap();
    file.set_len(100).unwrap();
    let file = Arc::new(DiskFile::of(file));
    for (start, length, is_inside) in
        [(4, 96, true), (4, 97, false), (-1, 9, false), (4, -1, false), (i64::MAX, i64::MAX, false)]
    {
        let chunk = ColumnChunkMetaData::builder(descriptor.clone())
            .set_data_page_offset(start)
            .set_total_compressed_size(length)
            .build()
            .unwrap();
        assert_eq!(Pages::new(file.clone(), &chunk, WINDOW).is_ok(), is_inside, "{start}, {length}");
    }
}

/// A file of lists of texts, some of both missing, in an encoding and pages of a version.
fn lists_of_texts(encoding: Encoding, version: WriterVersion) -> (RecordBatch, Vec<u8>) {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in 0..150 {
        for k in 0..if row % 7 == 0 { 0 } else { row % 5 } {
            lists.values().append_option((k != 2).then(|| format!("text {} of {row}", row * k)));
        }
        lists.append(row % 7 != 0);
    }
    let lists: arrow::array::ArrayRef = Arc::new(lists.finish());
    let all = RecordBatch::try_from_iter_with_nullable([("lists", lists, true)]).unwrap();
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_encoding(encoding)
        .set_writer_version(version)
        .set_compression(Compression::UNCOMPRESSED);
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, all.schema(), Some(properties.build())).unwrap();
    writer.write(&all).unwrap();
    writer.close().unwrap();
    (all, bytes)
}

#[test]
fn texts_of_lists_that_claim_to_be_more_than_they_are_are_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.parquet");
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        for (encoding, streams) in [(Encoding::DELTA_LENGTH_BYTE_ARRAY, 1), (Encoding::DELTA_BYTE_ARRAY, 2)] {
            let (all, bytes) = lists_of_texts(encoding, version);
            let texts = all.column(0).as_list::<i32>().values();
            let count = texts.len() - texts.null_count();
            assert!((128..1 << 14).contains(&count), "a count of two bytes");
            // Numbers of a block, its parts, and the count, as each stream begins.
            let head = [0x80, 0x01, 0x04, (count & 0x7f) as u8 | 0x80, (count >> 7) as u8];
            let begins: Vec<usize> = (0..bytes.len() - 5).filter(|&at| bytes[at..at + 5] == head).collect();
            assert_eq!(begins.len(), streams, "{encoding} {version:?}");
            let names = [("lists".to_string(), ReadAs::Native)];
            let request = Request { columns: names.to_vec(), batch_rows: 64, ..Request::default() };
            let open = |bytes: &[u8]| {
                std::fs::write(&path, bytes).unwrap();
                let source = ParquetSource::open(&path).unwrap();
                let split = Source::splits(&source, 0).remove(0);
                Source::open(&source, &split, &request, Access::default())
            };
            let mut stream = open(&bytes).unwrap();
            let found: Vec<_> = std::iter::from_fn(|| stream.next_batch().unwrap()).collect();
            assert_eq!(concat_batches(&all.schema(), &found).unwrap(), all);
            for at in begins {
                let mut more = bytes.clone();
                more[at + 3..at + 5].copy_from_slice(&[0xff, 0x7f]);
                let error = open(&more).and_then(|mut stream| stream.next_batch()).unwrap_err().to_string();
                assert!(error.contains("other numbers of values than its header says"), "{error}");
            }
        }
    }
}

#[test]
fn a_page_that_claims_more_than_its_packing_can_hold_is_refused() {
    let leaf = Type::primitive_type_builder("x", PhysicalType::INT32).build().unwrap();
    let descriptor = Arc::new(ColumnDescriptor::new(Arc::new(leaf), 0, 0, ColumnPath::from("x")));
    let varint = |mut n: u64| {
        let mut bytes = Vec::new();
        while n > 0x7f {
            bytes.push(n as u8 | 0x80);
            n >>= 7;
        }
        bytes.push(n as u8);
        bytes
    };
    const PACKED: u64 = 1000;
    for (compression, most) in [
        (Compression::UNCOMPRESSED, Some(1)),
        (Compression::SNAPPY, Some(22)),
        (Compression::LZ4_RAW, Some(255)),
        (Compression::GZIP(GzipLevel::default()), Some(1032)),
        (Compression::ZSTD(ZstdLevel::default()), Some(1 << 15)),
        (Compression::BROTLI(BrotliLevel::default()), None),
    ] {
        let is_refused = |bytes: u64| {
            // 1: data page, 2 and 3: its bytes and its packed bytes, 5: one value, plain, of levels without bits.
            let sizes = [bytes, PACKED].map(|n| varint(2 * n));
            let head = [0x2c, 0x15, 2, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0];
            let page =
                [&[0x15, 0, 0x15], &sizes[0][..], &[0x15], &sizes[1], &head, &[0; PACKED as usize]].concat();
            let mut file = tempfile::tempfile().unwrap();
            std::io::Write::write_all(&mut file, &[page.clone(), page.clone()].concat()).unwrap();
            let chunk = ColumnChunkMetaData::builder(descriptor.clone())
                .set_compression(compression)
                .set_total_compressed_size(2 * page.len() as i64)
                .build()
                .unwrap();
            let file = Arc::new(DiskFile::of(file));
            let of_flat = Pages::new(file.clone(), &chunk, WINDOW).unwrap().header().is_err();
            assert_eq!(has_impossible_page(file, &chunk), of_flat);
            of_flat
        };
        let most = most.map(|most| most * PACKED + 64);
        assert!(!is_refused(most.unwrap_or(i32::MAX as u64)), "{compression}");
        assert!(most.is_none_or(|most| is_refused(most + 1)), "{compression}");
    }
}
