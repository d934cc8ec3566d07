//! Every type in every format gives the same features.

use std::fs;
use std::path::Path;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use arrow::ipc::CompressionType;
use millstream::features::{Plan, Use};
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::Encoding;
use parquet::file::properties::WriterProperties;
use tempfile::TempDir;

use crate::common::{encoded, fails, open, plan, succeeds, uses};
use crate::table::*;

/// Whether the Parquet writer takes a column of this type.
fn suits_parquet((name, array): &(String, ArrayRef)) -> bool {
    let one = table(vec![(name.clone(), array.slice(0, 1))]);
    ArrowSchemaConverter::new().convert(&one.schema()).is_ok() && {
        let folder = TempDir::new().unwrap();
        let mut writer = parquet::arrow::ArrowWriter::try_new(
            fs::File::create(folder.path().join("x")).unwrap(),
            one.schema(),
            None,
        )
        .unwrap();
        writer.write(&one).is_ok() && writer.close().is_ok()
    }
}

/// The plan with names and types of columns left out of it.
fn by_use(plan: &Plan) -> Vec<Use> {
    plan.columns.iter().map(|c| c.used.clone()).collect()
}

#[test]
fn all_types_give_the_same_features_in_all_formats() {
    let folder = TempDir::new().unwrap();
    for group in groups() {
        let name = group[0].0.clone();
        let all = table(group.clone());
        let batches = cut(&all, &[1, 0, 299, 0]);
        let oracle = folder.path().join("oracle.arrow");
        write_ipc(&oracle, &batches, None);
        let dataset = open(&oracle).unwrap();
        let expected_plan = plan(&dataset, "y").unwrap();
        for (name, used, why) in &uses(&expected_plan)[..group.len()] {
            assert_ne!(*used, "ignored", "{name}: {why}");
        }
        for column in &expected_plan.columns[1..group.len()] {
            assert_eq!(column.used, expected_plan.columns[0].used, "{}", column.name);
            assert_eq!(column.missing, expected_plan.columns[0].missing, "{}", column.name);
        }
        let expected = encoded(&dataset, &expected_plan, 64).unwrap();
        assert_eq!(expected.len(), ROWS);
        same_columns(&expected, group.len(), &name);

        for compression in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
            let path = folder.path().join("a.arrow");
            write_ipc(&path, &batches, Some(compression));
            same(&path, &expected_plan, &expected);
            write_stream(&path, &batches, Some(compression));
            same(&path, &expected_plan, &expected);
        }
        let path = folder.path().join("a.arrows");
        write_stream(&path, &batches, None);
        same(&path, &expected_plan, &expected);

        let suited: Vec<_> = group.iter().filter(|c| suits_parquet(c)).cloned().collect();
        let unsuited: Vec<_> = group.iter().filter(|c| !suits_parquet(c)).map(|c| c.0.as_str()).collect();
        println!("no Parquet for {unsuited:?}");
        let suited_table = table(suited);
        write_ipc(&oracle, &cut(&suited_table, &[]), None);
        let dataset = open(&oracle).unwrap();
        let expected_plan = plan(&dataset, "y").unwrap();
        let expected = encoded(&dataset, &expected_plan, 64).unwrap();
        let path = folder.path().join("a.parquet");
        for (codec, properties) in codecs() {
            println!("{name}: {codec}");
            write_parquet(&path, &suited_table, properties);
            same(&path, &expected_plan, &expected);
        }
    }
}

/// The columns of each sort are equal among themselves.
fn same_columns(rows: &[crate::common::Row], columns: usize, name: &str) {
    for (dense, slots, lists, _) in rows {
        // The last one is the row number.
        let dense = &dense[..dense.len() - 1];
        for part in dense.chunks_exact((dense.len() / columns).max(1)).collect::<Vec<_>>().windows(2) {
            assert_eq!(part[0], part[1], "{name}");
        }
        for part in slots.chunks_exact((slots.len() / columns).max(1)).collect::<Vec<_>>().windows(2) {
            assert_eq!(part[0], part[1], "{name}");
        }
        for pair in lists.windows(2) {
            assert_eq!(pair[0], pair[1], "{name}");
        }
    }
}

/// The file suggests the same plan and gives the same rows under it.
fn same(path: &Path, expected_plan: &Plan, expected: &[crate::common::Row]) {
    let dataset = open(path).unwrap_or_else(|e| panic!("{e}"));
    let plan = plan(&dataset, "y").unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(by_use(&plan), by_use(expected_plan));
    for batch_rows in [7, 1000] {
        let rows = encoded(&dataset, expected_plan, batch_rows).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(rows.len(), expected.len());
        for (i, (row, expected)) in rows.iter().zip(expected).enumerate() {
            assert_eq!(row, expected, "row {i}");
        }
    }
}

#[test]
fn every_encoding_is_read() {
    let folder = TempDir::new().unwrap();
    let (oracle, path) = (folder.path().join("a.arrow"), folder.path().join("a.parquet"));
    for (encoding, columns) in encodings() {
        let table = table(columns);
        write_ipc(&oracle, &cut(&table, &[]), None);
        let dataset = open(&oracle).unwrap();
        let expected_plan = plan(&dataset, "y").unwrap();
        let expected = encoded(&dataset, &expected_plan, 64).unwrap();
        let all: Vec<String> = table.schema().fields().iter().map(|f| f.name().clone()).collect();
        let mut properties = properties().set_dictionary_enabled(false);
        for name in all.iter().filter(|name| *name != "y" && *name != "id") {
            properties = properties.set_column_encoding(name.as_str().into(), encoding);
        }
        write_parquet(&path, &table, properties.build());
        assert!(has_encoding(&path, encoding), "{encoding}");
        same(&path, &expected_plan, &expected);
    }
}

fn has_encoding(path: &Path, encoding: Encoding) -> bool {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let reader = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
    reader.metadata().row_group(0).column(0).encodings().any(|e| e == encoding)
}

#[test]
fn a_dictionary_that_grows_too_large_falls_back_to_plain_pages() {
    let folder = TempDir::new().unwrap();
    let (oracle, path) = (folder.path().join("a.arrow"), folder.path().join("a.parquet"));
    let (_, columns) = encodings().remove(0);
    let table = table(columns);
    write_ipc(&oracle, &cut(&table, &[]), None);
    let dataset = open(&oracle).unwrap();
    let expected_plan = plan(&dataset, "y").unwrap();
    let expected = encoded(&dataset, &expected_plan, 64).unwrap();
    let properties = WriterProperties::builder()
        .set_dictionary_page_size_limit(24)
        .set_write_batch_size(20)
        .set_data_page_row_count_limit(40);
    write_parquet(&path, &table, properties.build());
    assert!(has_encoding(&path, Encoding::RLE_DICTIONARY) && has_encoding(&path, Encoding::PLAIN));
    same(&path, &expected_plan, &expected);
}

#[test]
fn what_text_can_express_gives_the_same_features_as_csv() {
    let folder = TempDir::new().unwrap();
    let (oracle, path) = (folder.path().join("a.arrow"), folder.path().join("a.csv"));
    let is_plain = |t: &DataType| {
        t.is_integer()
            || matches!(t, DataType::Float32 | DataType::Float64 | DataType::Boolean | DataType::Date32)
            || matches!(t, DataType::Timestamp(_, None))
    };
    let columns: Vec<_> = groups().into_iter().flatten().filter(|(_, c)| is_plain(c.data_type())).collect();
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    println!("{names:?}");
    let table = table(columns.clone());
    let batches = cut(&table, &[100]);
    write_ipc(&oracle, &batches, None);
    write_csv(&path, &batches);
    let dataset = open(&oracle).unwrap();
    let expected_plan = plan(&dataset, "y").unwrap();
    let expected = encoded(&dataset, &expected_plan, 64).unwrap();
    same(&path, &expected_plan, &expected);
    for (program, ending) in [("gz", "csv.gz"), ("zst", "csv.zst")] {
        let text = fs::read(&path).unwrap();
        let packed = folder.path().join(format!("b.{ending}"));
        let bytes = if program == "gz" {
            use std::io::Write;
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Default::default());
            encoder.write_all(&text).unwrap();
            encoder.finish().unwrap()
        } else {
            zstd::encode_all(text.as_slice(), 1).unwrap()
        };
        fs::write(&packed, bytes).unwrap();
        same(&packed, &expected_plan, &expected);
    }
}

#[test]
fn types_that_cannot_be_used_are_left_out_with_a_reason() {
    let folder = TempDir::new().unwrap();
    let usable = groups().remove(0).remove(3);
    let columns: Vec<_> = unusable().into_iter().chain([usable]).collect();
    let all = table(columns);
    for name in ["a.parquet", "a.arrow", "a.arrows"] {
        let path = folder.path().join(name);
        match name {
            "a.parquet" => write_parquet(&path, &all, properties().build()),
            "a.arrow" => write_ipc(&path, &cut(&all, &[10]), None),
            _ => write_stream(&path, &cut(&all, &[10]), None),
        }
        let dataset = open(&path).unwrap();
        let plan = plan(&dataset, "y").unwrap();
        for (name, used, why) in uses(&plan) {
            assert_eq!(used == "ignored", name.starts_with('x'), "{name}: {why}");
            if name.contains("all null") || name.contains("no text") {
                assert_eq!(why, "missing in the whole sample", "{name}");
            } else if name.starts_with('x') {
                assert!(why.starts_with("a feature can't be made of"), "{name}: {why}");
            }
        }
        let shown = succeeds(&format!("plan {} --target y", path.display()));
        assert!(shown.contains("x struct") && shown.contains("a feature can't be made of"), "{shown}");
    }
}

#[test]
fn a_model_trained_on_one_format_predicts_the_same_from_all() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let columns: Vec<_> = groups().into_iter().flatten().filter(suits_parquet).collect();
    let all = table(columns);
    let batches = cut(&all, &[1, 0, 299, 0]);
    write_parquet(Path::new(&at("a.parquet")), &all, properties().build());
    write_ipc(Path::new(&at("b.arrow")), &batches, Some(CompressionType::ZSTD));
    write_ipc(Path::new(&at("c.arrow")), &batches, None);
    write_stream(Path::new(&at("d.arrows")), &batches, None);
    let model = at("m.model");
    succeeds(&format!("train {} --target y -o {model} --quiet", at("a.parquet")));
    let expected = succeeds(&format!("predict {} --model {model} --keep id --quiet", at("a.parquet")));
    assert_eq!(expected.lines().count(), ROWS + 1);
    for name in ["b.arrow", "c.arrow", "d.arrows"] {
        succeeds(&format!("train {} --target y -o {} --quiet", at(name), at("other.model")));
        let found = succeeds(&format!("predict {} --model {model} --keep id --quiet", at(name)));
        assert_eq!(found, expected, "{name}");
    }
    // Of everything that was read something can be kept.
    let kept: Vec<_> = all.schema().fields().iter().map(|f| f.name().replace(' ', "_")).collect();
    assert!(kept.len() > 60);
    assert!(fails(&format!("predict {} --model {model} --keep nothing", at("b.arrow"))).contains("nothing"));
}
