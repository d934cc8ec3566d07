//! What fuzzing has kept: inputs that together reach all that its runs have reached, small ones of each target. Here they are
//! read as the targets read them (`fuzz/src/reading`); `fuzz/pack.py` has put them into `fuzz/corpora`.

#[path = "../fuzz/src/reading/mod.rs"]
mod reading;

use std::fs::File;
use std::path::Path;

use arrow::array::AsArray;
use arrow::ipc::reader::FileReader;
use millstream::Result;
use millstream::input::TextFormat;

/// A target's inputs.
fn inputs(target: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz/corpora/{target}.arrow"));
    let batches = FileReader::try_new(File::open(path).unwrap(), None).unwrap();
    let of = |batch: arrow::array::RecordBatch| {
        batch.column(0).as_binary::<i32>().iter().flatten().map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    batches.flat_map(|batch| of(batch.unwrap())).collect()
}

/// Reads all of a target's inputs; a panic in a decoder that is not ours becomes an error.
fn read_all(target: &str, has_decoder_of_others: bool, read: impl Fn(&[u8]) -> Result<()>) {
    let results: Vec<_> = inputs(target).iter().map(|input| read(input)).collect();
    let good = results.iter().filter(|result| result.is_ok()).count();
    println!("{target}: {good} of {} inputs can be read", results.len());
    assert!(good > 20 && results.len() > good + 20);
    let mut errors = results.into_iter().filter_map(|result| result.err().map(|error| error.to_string()));
    if !has_decoder_of_others {
        assert_eq!(errors.find(|error| error.contains("the decoder gave up")), None);
    }
}

#[test]
fn parquet() {
    read_all("parquet", true, reading::read_binary);
}

#[test]
fn ipc() {
    read_all("ipc", true, reading::read_binary);
}

#[test]
fn csv() {
    read_all("csv", false, |input| reading::read_text(input, TextFormat::Csv));
}

#[test]
fn libsvm() {
    read_all("libsvm", false, |input| reading::read_text(input, TextFormat::Libsvm));
}

#[test]
fn vw() {
    read_all("vw", false, |input| reading::read_text(input, TextFormat::Vw));
}

#[test]
fn json_lines() {
    read_all("json_lines", false, |input| reading::read_text(input, TextFormat::JsonLines));
}

#[test]
fn model() {
    read_all("model", false, reading::load_model);
}
