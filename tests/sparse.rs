//! Columns of maps, as which sparse data come: keys with numbers.

mod common;

use std::fs;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayBuilder, ArrayRef, AsArray, Float32Builder, Float64Builder, Int32Builder, Int64Builder,
    ListArray, MapBuilder, RecordBatch, StringBuilder, StringDictionaryBuilder, StructArray, UInt64Builder,
};
use arrow::datatypes::{Field, Int32Type};
use common::{Folder, Random, floats, integers, says, table, texts};
use serde_json::Value;

/// The entries of each row; `None` for null.
type Rows = Vec<Option<Vec<(u32, f32)>>>;

const KEYS: u64 = 40;

/// Rows of a few keys of very different sizes, and the labels that they make likely.
fn rows(count: usize, seed: u64) -> (Rows, Vec<i64>) {
    let mut random = Random(seed);
    let label = |entries: &[(u32, f32)], random: &mut Random| {
        let weight = |key: u32| (f64::from(key * 29 % 13) - 6.0) / 3.0 / size(key);
        let margin: f64 = entries.iter().map(|&(key, x)| weight(key) * f64::from(x)).sum();
        i64::from(random.unit() < 1.0 / (1.0 + (-margin).exp()))
    };
    (0..count)
        .map(|_| {
            let entries: Vec<(u32, f32)> = (0..random.below(8))
                .map(|_| {
                    let key = random.below(KEYS).min(random.below(KEYS)) as u32;
                    (key, ((random.unit() + 0.5) * size(key)) as f32)
                })
                .collect();
            let y = label(&entries, &mut random);
            ((random.below(50) > 0).then_some(entries), y)
        })
        .unzip()
}

/// The size of a key's values.
fn size(key: u32) -> f64 {
    [1.0, 1000.0, 0.01][key as usize % 3]
}

/// A map array with keys and values of some types.
fn map<K: ArrayBuilder, V: ArrayBuilder>(
    rows: &Rows,
    keys: K,
    values: V,
    key: impl Fn(&mut K, u32),
    value: impl Fn(&mut V, f32),
) -> ArrayRef {
    let mut builder = MapBuilder::new(None, keys, values);
    for row in rows {
        for &(k, x) in row.iter().flatten() {
            key(builder.keys(), k);
            value(builder.values(), x);
        }
        builder.append(row.is_some()).unwrap();
    }
    Arc::new(builder.finish())
}

fn by_number(rows: &Rows) -> ArrayRef {
    let (keys, values) = (Int32Builder::new(), Float32Builder::new());
    map(rows, keys, values, |keys, k| keys.append_value(k as i32), |values, x| values.append_value(x))
}

fn by_text(rows: &Rows) -> ArrayRef {
    let (keys, values) = (StringBuilder::new(), Float32Builder::new());
    map(rows, keys, values, |keys, k| keys.append_value(k.to_string()), |values, x| values.append_value(x))
}

fn by_dictionary(rows: &Rows) -> ArrayRef {
    let (keys, values) = (StringDictionaryBuilder::<Int32Type>::new(), Float32Builder::new());
    map(rows, keys, values, |keys, k| keys.append_value(k.to_string()), |values, x| values.append_value(x))
}

/// As pandas and Polars write maps: lists of pairs.
fn by_pairs(rows: &Rows) -> ArrayRef {
    let map = by_number(rows);
    let map = map.as_map();
    let fields = [("key", map.keys()), ("value", map.values())];
    let pairs: StructArray = fields
        .map(|(name, array)| (Arc::new(Field::new(name, array.data_type().clone(), true)), array.clone()))
        .to_vec()
        .into();
    let item = Arc::new(Field::new("item", pairs.data_type().clone(), true));
    Arc::new(ListArray::new(item, map.offsets().clone(), Arc::new(pairs), map.nulls().cloned()))
}

fn sparse(x: ArrayRef, y: &[i64]) -> RecordBatch {
    table(vec![("x", x), ("y", integers(y.to_vec()))])
}

/// Weights by name, as `inspect --json` gives them.
fn inspected(folder: &Folder, model: &str) -> Value {
    folder.summary(&format!("inspect {model} --json"))
}

fn weight(inspected: &Value, name: &str) -> f64 {
    let features = inspected["features"].as_array().unwrap();
    let found = features.iter().find(|f| f["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {inspected}"))["weight"].as_f64().unwrap()
}

#[test]
fn maps_are_learned_and_named_the_same_in_every_format_and_with_any_number_of_threads() {
    let folder = Folder::new();
    let (data, y) = rows(20_000, 1);
    let data = sparse(by_number(&data), &y);
    folder.table_in_pieces("a.parquet", &data, 3000);
    folder.table_in_pieces("a.arrow", &data, 1700);
    folder.ok("train a.parquet --target y -o m --quiet --summary s.json --shuffle none");
    let model = fs::read(folder.path("m")).unwrap();
    for input in ["a.parquet", "a.arrow"] {
        for threads in [1, 2, 3] {
            folder.ok(&format!("train {input} --target y -o n --quiet --shuffle none --threads {threads}"));
            assert!(fs::read(folder.path("n")).unwrap() == model, "{input} with {threads} threads");
        }
    }
    let summary = folder.json("s.json");
    assert_eq!(summary["plan"][0]["used_as"], "map");
    assert_eq!(summary["plan"][0]["type"], "Map(Int32, Float32)");
    assert_eq!(summary["plan"][0]["features"], KEYS);
    says(summary["plan"][0]["why"].as_str().unwrap(), &["sparse features: a weight for each of 40 keys"]);
    let plan = folder.ok("plan a.parquet --target y").out();
    says(&plan, &["map", "a weight for each of 40 keys, each divided by the root mean square"]);

    let metrics = &folder.summary("evaluate a.arrow --model m --summary -")["metrics"];
    assert!(metrics["auc"].as_f64().unwrap() > 0.8, "{metrics}");
    assert!(summary["progressive"]["auc"].as_f64().unwrap() > 0.78);
    let predicted =
        ["a.parquet", "a.arrow"].map(|f| folder.ok(&format!("predict {f} --model m --quiet")).out());
    assert_eq!(predicted[0], predicted[1]);
    assert_eq!(predicted[0].lines().count(), 20_001);
    let inspected = inspected(&folder, "m");
    // Of the same size as labels were made with, whatever the size of their values: -2, 2/3 and 2.
    assert_eq!(inspected["features"].as_array().unwrap().len() as u64, KEYS);
    for (name, low, high) in [("x=0", -2.6, -1.6), ("x=7", 0.2, 1.1), ("x=4", 1.2, 2.4)] {
        let w = weight(&inspected, name);
        assert!(low < w && w < high, "{name} weighs {w}");
    }

    folder.ok("train a.parquet --target y -o m --quiet --epochs 2");
    let shuffled = fs::read(folder.path("m")).unwrap();
    folder.ok("train a.parquet --target y -o n --quiet --epochs 2 --threads 3 --memory 300MB");
    assert!(fs::read(folder.path("n")).unwrap() == shuffled);
}

#[test]
fn the_types_of_keys_and_values_do_not_matter() {
    let folder = Folder::new();
    let (data, y) = rows(4000, 2);
    let big = |values: &mut Float64Builder, x: f32| values.append_value(f64::from(x));
    let arrays = [
        by_number(&data),
        by_text(&data),
        by_dictionary(&data),
        by_pairs(&data),
        map(&data, Int64Builder::new(), Float64Builder::new(), |keys, k| keys.append_value(k.into()), big),
        map(&data, UInt64Builder::new(), Float64Builder::new(), |keys, k| keys.append_value(k.into()), big),
    ];
    let mut expected = None;
    for array in arrays {
        let name = array.data_type().to_string();
        folder.table_in_pieces("a.arrow", &sparse(array, &y), 900);
        folder.ok("train a.arrow --target y -o m --quiet");
        let predicted = folder.ok("predict a.arrow --model m --quiet").out();
        let found = (inspected(&folder, "m"), predicted);
        assert_eq!(&found, expected.get_or_insert_with(|| found.clone()), "{name}");
    }
}

#[test]
fn keys_that_the_sample_does_not_show_are_hashed_alike_whatever_their_type() {
    let folder = Folder::new();
    let (data, y) = rows(3000, 3);
    let arrays = [by_number as fn(&Rows) -> ArrayRef, by_text, by_dictionary, by_pairs];
    let (new, new_y) = rows(2000, 4);
    let moved = |(key, x): (u32, f32)| (key * 50_021 + 3_000_000 * (key % 2), x);
    let new: Rows = new.into_iter().map(|r| r.map(|r| r.into_iter().map(moved).collect())).collect();
    let mut expected = None;
    for array in arrays {
        // Half of the table is out of the plan's sight, as far as its keys go: they are rare.
        folder.table("a.arrow", &sparse(array(&data), &y));
        folder.table("b.arrow", &sparse(array(&new), &new_y));
        folder.ok("train a.arrow --target y -o m --quiet");
        let metrics = folder.summary("evaluate b.arrow --model m --summary -")["metrics"].clone();
        assert_eq!(&metrics, expected.get_or_insert_with(|| metrics.clone()));
    }
}

#[test]
fn a_map_is_learned_like_dense_columns() {
    let folder = Folder::new();
    let mut random = Random(5);
    let count = 3000;
    let numbers: Vec<[f64; 3]> = (0..count)
        .map(|_| [0.0; 3].map(|_| if random.below(3) > 0 { random.unit() - 0.5 } else { 0.0 }))
        .collect();
    let y: Vec<f64> = numbers.iter().map(|x| 3.0 * x[0] - 2.0 * x[1] + x[2] + random.unit()).collect();
    let entries = |x: &[f64; 3]| (0..3).zip(x).map(|(key, &x)| (key, x as f32)).collect();
    let maps: Rows = numbers.iter().map(|x| Some(entries(x))).collect();
    // A few rows have no map: the same as nothing but zeros.
    let maps: Rows = maps.into_iter().map(|m| m.filter(|m| m.iter().any(|(_, x)| *x != 0.0))).collect();
    folder.table("map.parquet", &table(vec![("x", by_number(&maps)), ("y", floats(y.clone()))]));
    let column = |i: usize| floats(numbers.iter().map(|x| f64::from(x[i] as f32)).collect::<Vec<_>>());
    let columns = vec![("a", column(0)), ("b", column(1)), ("c", column(2)), ("y", floats(y))];
    folder.table("dense.parquet", &table(columns));
    let predictions = |file: &str| -> Vec<f64> {
        let options = "--optimizer sgd --learning-rate 0.1 --scale none --shuffle none --l2 0.001 --quiet";
        folder.ok(&format!("train {file} --target y -o m {options}"));
        let out = folder.ok(&format!("predict {file} --model m --quiet")).out();
        out.lines().skip(1).map(|line| line.parse().unwrap()).collect()
    };
    let (a, b) = (predictions("map.parquet"), predictions("dense.parquet"));
    assert_eq!(a.len(), count);
    for (a, b) in a.iter().zip(&b) {
        assert!((a - b).abs() < 1e-5, "{a} and {b}");
    }
}

#[test]
fn what_is_not_finite_or_zero_is_left_out_and_what_is_there_twice_counts_twice() {
    let folder = Folder::new();
    let plain: Rows = (0..2000).map(|i| Some(vec![(i % 2, 1.0), (2, 0.5 + 0.5 * (i % 3) as f32)])).collect();
    let strange: Rows = plain
        .iter()
        .flatten()
        .map(|row| {
            let mut row: Vec<(u32, f32)> =
                row.iter().flat_map(|&(key, x)| [(key, 0.5 * x), (key, 0.5 * x)]).collect();
            row.extend([(7, 0.0), (8, f32::NAN), (1, f32::INFINITY), (0, -0.0)]);
            Some(row)
        })
        .collect();
    let y: Vec<i64> = (0..2000).map(|i| i64::from(i % 2 == 0 && i % 5 != 0)).collect();
    let learned = |rows: &Rows| {
        folder.table("a.parquet", &sparse(by_number(rows), &y));
        folder.ok("train a.parquet --target y --scale none --shuffle none -o m --quiet --summary s.json");
        let inspected = inspected(&folder, "m");
        let weights = ["x=0", "x=1", "x=2"].map(|name| weight(&inspected, name));
        assert_eq!(inspected["features"].as_array().unwrap().len(), weights.len(), "{inspected}");
        (weights, folder.json("s.json")["progressive"]["log_loss"].as_f64().unwrap())
    };
    let (plain, strange) = (learned(&plain), learned(&strange));
    // Sums of two halves are rounded otherwise.
    assert!((plain.1 - strange.1).abs() < 1e-6, "{plain:?} and {strange:?}");
    for (a, b) in plain.0.iter().zip(&strange.0) {
        assert!((a - b).abs() < 1e-4, "{plain:?} and {strange:?}");
    }
    says(&folder.ok("plan a.parquet --target y --scale none").out(), &["each of 3 keys, values as they are"]);
}

#[test]
fn the_users_word_on_a_map() {
    let folder = Folder::new();
    let (data, y) = rows(2000, 6);
    let city = texts((0..2000).map(|i| format!("c{}", i % 7)).collect::<Vec<_>>());
    let data = table(vec![("x", by_number(&data)), ("city", city), ("y", integers(y))]);
    for file in ["a.parquet", "a.arrow"] {
        folder.table(file, &data);
        for option in ["--numeric", "--categorical"] {
            let error = folder.fails(2, &format!("train {file} --target y -o m {option} x"));
            says(&error, &["column `x`", "Map(Int32, Float32)", "--ignore"]);
        }
        folder.ok(&format!("train {file} --target y -o m --ignore x --quiet"));
        assert!(inspected(&folder, "m")["features"].as_array().unwrap().len() <= 8);
    }
    folder.write("f.toml", "[columns]\nx = \"raw\"\n");
    let plan = folder.ok("plan a.parquet --target y --features f.toml").out();
    says(&plan, &["values as they are, as asked"]);
    let error = folder.fails(1, "train a.parquet --target x -o m");
    says(&error, &["a target of type Map(Int32, Float32) can't be learned"]);
    folder.ok("train a.parquet --target y -o m --quiet");
    let other = table(vec![("x", integers(0..5)), ("city", texts(vec!["c1".to_string(); 5]))]);
    folder.table("b.parquet", &other);
    let error = folder.fails(1, "predict b.parquet --model m");
    says(&error, &["column `x`", "found Int64, expected keys with numbers"]);
}
