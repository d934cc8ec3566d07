//! The text formats of one row per line, and standard input.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::process::{Command, Output, Stdio};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float32Type, Int32Type, Int64Type};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{each_batch, native, open, shared, succeeds};

/// A table of a number, a category and a 0/1 target, in three formats.
fn table() -> (TempDir, Vec<String>) {
    let folder = TempDir::new().unwrap();
    let (mut csv, mut json) = ("size,kind,sold\n".to_string(), String::new());
    for i in 0..3000 {
        let (size, kind, sold) = (f64::from(i % 97) / 4.0, i % 3, i * i % 97 > 40);
        csv.push_str(&format!("{size},k{kind},{}\n", u8::from(sold)));
        json.push_str(&format!(
            "{{\"size\": {size}, \"kind\": \"k{kind}\", \"sold\": {}}}\n",
            u8::from(sold)
        ));
    }
    let mut paths = Vec::new();
    for (name, text) in [("a.csv", csv), ("a.jsonl", json)] {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        paths.push(path.display().to_string());
    }
    let compressed = format!("{}.zst", paths[1]);
    fs::write(&compressed, zstd::encode_all(File::open(&paths[1]).unwrap(), 1).unwrap()).unwrap();
    paths.push(compressed);
    (folder, paths)
}

/// What a model learned, as text.
fn learned(model: &str) -> String {
    succeeds(&format!("inspect {model} --json"))
}

/// Runs the program with a file as its standard input, through a pipe or as it is.
fn fed(arguments: &str, input: &str, through_pipe: bool) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
    command.args(arguments.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if !through_pipe {
        return command.stdin(File::open(input).unwrap()).output().unwrap();
    }
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&fs::read(input).unwrap()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_table_trains_to_one_model_from_a_file_and_from_standard_input() {
    let (folder, paths) = table();
    let model = folder.path().join("m").display().to_string();
    for path in &paths {
        succeeds(&format!("train {path} --target sold -o {model} --quiet"));
        let expected = learned(&model);
        assert!(expected.contains("kind=k2"), "{expected}");
        for through_pipe in [true, false] {
            for name in ["-", "/dev/stdin"] {
                let output =
                    fed(&format!("train {name} --target sold -o {model} --quiet"), path, through_pipe);
                assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
                assert!(learned(&model) == expected, "{path} as {name}");
            }
        }
    }
}

#[test]
fn faults_of_standard_input_are_called_by_its_name() {
    let (folder, paths) = table();
    let model = folder.path().join("m").display().to_string();
    let complaint = |arguments: &str, input: &str, through_pipe| {
        let output = fed(&format!("{arguments} --target sold -o {model} --quiet"), input, through_pipe);
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let bad = folder.path().join("bad").display().to_string();
    for (text, expected) in [
        (fs::read_to_string(&paths[1]).unwrap() + "{\"size\": 1", "standard input, line 3001"),
        (fs::read_to_string(&paths[0]).unwrap() + "1,2\n", "standard input, line 3002"),
        ("PAR1 and then nothing".to_string(), "standard input"),
        (String::new(), "standard input: the file is empty"),
    ] {
        fs::write(&bad, text).unwrap();
        for through_pipe in [true, false] {
            let told = complaint("train -", &bad, through_pipe);
            assert!(told.contains(expected) && !told.contains("/proc"), "{told}");
        }
    }
    assert!(complaint("train - -", &paths[0], true).contains("standard input is named twice"));
    let told = complaint("train - --type sizes=float", &paths[0], true);
    assert!(told.contains("no column `sizes`; did you mean `size`?"), "{told}");
}

#[test]
fn no_room_for_standard_input_is_said_so() {
    let (_folder, paths) = table();
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
    let command = command.args(["plan", "-", "--target", "sold"]).env("TMPDIR", "/dev/null/nowhere");
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The program may have ended before it has read all.
    let _ = child.stdin.take().unwrap().write_all(&fs::read(&paths[0]).unwrap());
    let told = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    assert!(told.contains("standard input can't be kept in a file") && told.contains("TMPDIR"), "{told}");
}

#[test]
fn pipes_are_read_as_files_are() {
    let (folder, paths) = table();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let writer = std::thread::spawn({
        let (pipe, text) = (pipe.clone(), fs::read(&paths[1]).unwrap());
        move || fs::write(pipe, text)
    });
    assert!(succeeds(&format!("plan {} --target sold", pipe.display())).contains("kind"));
    writer.join().unwrap().unwrap();
}

#[test]
fn libsvm_files_read_as_scikit_learn_reads_them() {
    let expected: BTreeMap<String, Value> =
        serde_json::from_str(include_str!("../expected/libsvm.json")).unwrap();
    for (name, expected) in expected {
        let Some(path) = shared(&format!("w8a/{name}")) else { return };
        let dataset = open(&path).unwrap();
        let (mut rows, mut features, mut sum, mut checksum) = (0u64, 0u64, 0.0, 0u128);
        let mut labels: BTreeMap<String, u64> = BTreeMap::new();
        each_batch(&dataset, &native(&dataset, 1000), |_, batch| {
            let label = batch.column_by_name("label").unwrap().as_primitive::<Int64Type>();
            let map = batch.column_by_name("features").unwrap().as_map();
            for row in 0..batch.num_rows() {
                rows += 1;
                *labels.entry(label.value(row).to_string()).or_default() += 1;
                let entries = map.value(row);
                features += entries.len() as u64;
                sum += entries
                    .column(1)
                    .as_primitive::<Float32Type>()
                    .values()
                    .iter()
                    .map(|v| f64::from(*v))
                    .sum::<f64>();
                for index in entries.column(0).as_primitive::<Int32Type>().values() {
                    checksum = (checksum + u128::from(rows) * (*index as u128 + 1)) % ((1 << 61) - 1);
                }
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(rows, expected["rows"], "{name}");
        assert_eq!(serde_json::to_value(labels).unwrap(), expected["labels"], "{name}");
        assert_eq!(features, expected["features"], "{name}");
        assert_eq!(sum, expected["sum"], "{name}");
        assert_eq!(checksum, u128::from(expected["checksum"].as_u64().unwrap()), "{name}");
    }
}
