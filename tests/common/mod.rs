//! What the tests of the real binary share: a fresh folder for each, tables to put into it, and runs
//! of `millstream` in it.
#![allow(dead_code)] // each of the test programs uses its own part

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::ipc::writer::FileWriter;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::Value;
use tempfile::TempDir;

/// A fresh folder, in which every run of the test takes place, so that commands name bare files.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Folder(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Everything in the folder, hidden files too, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    /// Writes a table in the format that the name's extension says, Parquet and Arrow in pieces (row
    /// groups, record batches) of `piece` rows.
    pub(crate) fn table_in_pieces(&self, name: &str, table: &RecordBatch, piece: usize) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        let file = File::create(self.path(name)).unwrap();
        match Path::new(name).extension().and_then(|e| e.to_str()) {
            Some("parquet") => {
                let properties = WriterProperties::builder().set_max_row_group_row_count(Some(piece)).build();
                let mut writer = ArrowWriter::try_new(file, table.schema(), Some(properties)).unwrap();
                writer.write(table).unwrap();
                writer.close().unwrap();
            }
            Some("arrow") => {
                let mut writer = FileWriter::try_new(file, &table.schema()).unwrap();
                for start in (0..table.num_rows()).step_by(piece) {
                    writer.write(&table.slice(start, piece.min(table.num_rows() - start))).unwrap();
                }
                writer.finish().unwrap();
            }
            Some("csv") => arrow::csv::Writer::new(file).write(table).unwrap(),
            other => panic!("unknown extension {other:?}"),
        }
    }

    pub(crate) fn table(&self, name: &str, table: &RecordBatch) {
        self.table_in_pieces(name, table, usize::MAX);
    }

    /// `millstream` with these arguments, split at spaces, about to run in this folder.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
        command.args(arguments.split_whitespace()).current_dir(self.0.path());
        command
    }

    /// `mkshards` with these arguments, split at spaces, about to run in this folder.
    pub(crate) fn mkshards_command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mkshards"));
        command.args(arguments.split_whitespace()).current_dir(self.0.path());
        command
    }

    /// Runs `mkshards`, which must succeed, and returns its summary.
    pub(crate) fn mkshards(&self, arguments: &str) -> Value {
        let output = self.mkshards_command(arguments).args(["--quiet", "--summary", "-"]).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "mkshards {arguments}: {error}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("mkshards {arguments}: {e}"))
    }

    /// Runs `mkshards`, which must fail with the given exit code and say why in one sentence, which is
    /// returned.
    pub(crate) fn mkshards_fails(&self, code: i32, arguments: &str) -> String {
        let output = self.mkshards_command(arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "mkshards {arguments}: {error}");
        assert!(!error.contains("panicked"), "mkshards {arguments}: {error}");
        let last = error.lines().last().unwrap_or_default();
        last.strip_prefix("mkshards: ").unwrap_or_else(|| panic!("mkshards {arguments}: {error}")).to_string()
    }

    pub(crate) fn run(&self, arguments: &str) -> Run {
        Run { arguments: arguments.to_string(), output: self.command(arguments).output().unwrap() }
    }

    /// Runs a command that must succeed.
    pub(crate) fn ok(&self, arguments: &str) -> Run {
        let run = self.run(arguments);
        assert!(run.output.status.success(), "millstream {arguments}: {}", run.err());
        run
    }

    /// Runs a command that must succeed and print a JSON object: its summary on standard output, or
    /// what `--json` asks for.
    pub(crate) fn summary(&self, arguments: &str) -> Value {
        let run = self.ok(arguments);
        serde_json::from_str(&run.out()).unwrap_or_else(|e| panic!("{arguments}: {e}: {}", run.out()))
    }

    /// Runs a command that must fail with the given exit code, leave every file of the folder alone,
    /// and say why in one sentence, which is returned.
    pub(crate) fn fails(&self, code: i32, arguments: &str) -> String {
        let before = self.names();
        let run = self.run(arguments);
        let error = run.err();
        assert_eq!(run.output.status.code(), Some(code), "millstream {arguments}: {error}");
        assert_eq!(self.names(), before, "millstream {arguments} left something behind");
        assert!(!error.contains("panicked"), "millstream {arguments}: {error}");
        let sentences: Vec<&str> = error.lines().filter(|l| l.starts_with("millstream: ")).collect();
        assert_eq!(sentences.len(), 1, "millstream {arguments} says one sentence: {error}");
        assert_eq!(error.lines().last(), sentences.last().copied(), "the error comes last, on one line");
        sentences[0].trim_start_matches("millstream: ").to_string()
    }
}

/// A run that has ended.
pub(crate) struct Run {
    pub(crate) arguments: String,
    pub(crate) output: Output,
}

impl Run {
    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    pub(crate) fn err(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }
}

/// Checks that a text says all of these.
#[track_caller]
pub(crate) fn says(text: &str, all: &[&str]) {
    for wanted in all {
        assert!(text.contains(wanted), "expected {wanted:?} in: {text}");
    }
}

/// Random numbers by SplitMix64: the same on every machine.
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    /// Between 0 and 1, in thousandths, so that it is written shortly.
    pub(crate) fn unit(&mut self) -> f64 {
        self.below(1000) as f64 / 1000.0
    }
}

/// A table from columns; all may hold nulls.
pub(crate) fn table(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

pub(crate) fn floats(values: impl IntoIterator<Item = impl Into<Option<f64>>>) -> ArrayRef {
    Arc::new(values.into_iter().map(Into::into).collect::<Float64Array>())
}

pub(crate) fn integers(values: impl IntoIterator<Item = impl Into<Option<i64>>>) -> ArrayRef {
    Arc::new(values.into_iter().map(Into::into).collect::<Int64Array>())
}

pub(crate) fn texts<T: Into<String>>(values: impl IntoIterator<Item = T>) -> ArrayRef {
    Arc::new(values.into_iter().map(|t| Some(t.into())).collect::<StringArray>())
}

pub(crate) fn booleans(values: impl IntoIterator<Item = bool>) -> ArrayRef {
    Arc::new(values.into_iter().map(Some).collect::<BooleanArray>())
}

pub(crate) fn times(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(values))
}

/// Clicks: two numbers, one with gaps, a category of few values and one of many, a weight, and a target
/// `click` (0 or 1) that depends on all but the weight. No column is of integers, so that text files
/// give the same types.
pub(crate) fn clicks(rows: usize, seed: u64) -> RecordBatch {
    let mut random = Random(seed);
    let (mut age, mut price, mut city, mut user) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut weight, mut click) = (Vec::new(), Vec::new());
    for _ in 0..rows {
        let a = random.unit() * 4.0;
        let p = (random.below(10) > 0).then(|| random.unit() - 0.5);
        let (c, u) = (random.below(5), random.below(3000));
        let margin = a - 2.0 + 2.0 * p.unwrap_or(0.3) + c as f64 / 4.0 - 0.5 + (u % 7) as f64 / 3.0 - 1.0;
        age.push(a);
        price.push(p);
        city.push(format!("city {c}"));
        user.push(format!("u{u}"));
        weight.push(0.5 + random.unit());
        click.push(f64::from(u8::from(random.unit() < 1.0 / (1.0 + (-margin).exp()))));
    }
    table(vec![
        ("age", floats(age)),
        ("price", floats(price)),
        ("city", texts(city)),
        ("user", texts(user)),
        ("weight", floats(weight)),
        ("click", floats(click)),
    ])
}

/// The path of a file among the shared data sets, if they are there; else says so.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    if !path.exists() {
        println!("skipped: there is no {}", path.display());
        return None;
    }
    Some(path.canonicalize().unwrap())
}
