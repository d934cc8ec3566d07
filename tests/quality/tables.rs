//! The tables, and what a run on one of them comes to.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A table: where it is, what is to be predicted from what, and the metric to look at.
#[derive(Clone, Copy)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) extension: &'static str,
    pub(crate) target: &'static str,
    /// Columns to leave out.
    pub(crate) ignore: &'static str,
    /// Options that say what the task is.
    pub(crate) task: &'static str,
    pub(crate) metric: &'static str,
}

const fn table(
    name: &'static str,
    extension: &'static str,
    target: &'static str,
    metric: &'static str,
) -> Table {
    Table { name, extension, target, ignore: "", task: "", metric }
}

pub(crate) const ELEC: Table = table("elec", "csv", "class", "log_loss");
pub(crate) const CAR: Table =
    Table { ignore: "numclaims,claimcst0", ..table("car", "parquet", "clm", "log_loss") };
pub(crate) const FERTILITY: Table = table("fertility", "parquet", "morekids", "log_loss");
pub(crate) const SMS: Table = Table { task: "--text text", ..table("sms", "tsv", "label", "log_loss") };
pub(crate) const LETTER: Table = table("letter", "csv", "lettr", "accuracy");
pub(crate) const DIAMONDS: Table = table("diamonds", "csv", "price", "rmse");
pub(crate) const BIKE: Table =
    Table { ignore: "dteday,instant,casual,registered", ..table("bike", "csv", "cnt", "rmse") };
pub(crate) const COUNTS: Table = Table { task: "--loss poisson", metric: "poisson_deviance", ..BIKE };
pub(crate) const INSTEVAL: Table = table("insteval", "parquet", "y", "rmse");
pub(crate) const MACHINE: Table = Table { task: "--factors 8", ..INSTEVAL };
pub(crate) const W8A: Table = table("w8a", "libsvm", "label", "log_loss");
/// Not among the shared tables: `mkdata` makes it.
pub(crate) const CLICKS: Table = table("clicks", "parquet", "label", "log_loss");

impl Table {
    /// The files to train on and to test on, if they are here.
    pub(crate) fn files(&self) -> Option<(PathBuf, PathBuf)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(self.name);
        let file = |part: &str| folder.join(format!("{part}.{}", self.extension));
        if !file("train").exists() {
            println!("skipped: there is no {}", file("train").display());
            return None;
        }
        Some((file("train"), file("test")))
    }

    /// The header of a CSV file, the place of the target among a row's cells, and the rows.
    pub(crate) fn lines<'a>(&self, text: &'a str) -> (&'a str, usize, Vec<&'a str>) {
        let (header, rows) = text.split_once('\n').expect("a header");
        let target = header.trim().split(',').position(|name| name == self.target).expect("the target");
        (header.trim(), target, rows.lines().collect())
    }

    /// Trains on `train` and evaluates on `test`: the metrics there, and the run's own summary.
    pub(crate) fn run(&self, train: &Path, test: &Path, options: &str) -> (Value, Value) {
        let folder = tempfile::tempdir().expect("a folder");
        let model = folder.path().join("model");
        let model = model.to_str().expect("a name");
        let mut arguments =
            vec!["train", train.to_str().expect("a name"), "--target", self.target, "-o", model];
        arguments.extend(["--quiet", "--seed", "1", "--summary", "-"]);
        if !self.ignore.is_empty() {
            arguments.extend(["--ignore", self.ignore]);
        }
        arguments.extend(self.task.split_whitespace().chain(options.split_whitespace()));
        let trained = millstream(&arguments);
        let test = test.to_str().expect("a name");
        let mut tested = millstream(&["evaluate", "--model", model, test, "--quiet", "--summary", "-"]);
        (tested["metrics"].take(), trained)
    }

    /// The metric on the test rows.
    pub(crate) fn score(&self, train: &Path, test: &Path, options: &str) -> f64 {
        let (metrics, _) = self.run(train, test, options);
        metrics[self.metric].as_f64().unwrap_or_else(|| panic!("no {} in {metrics}", self.metric))
    }

    /// How much worse a score is than another, as a share of it; less than 0 if it is better.
    pub(crate) fn worse(&self, score: f64, than: f64) -> f64 {
        let higher_is_better = self.metric == "accuracy";
        (if higher_is_better { than - score } else { score - than }) / than
    }
}

fn millstream(arguments: &[&str]) -> Value {
    let out = Command::new(env!("CARGO_BIN_EXE_millstream")).args(arguments).output().expect("it starts");
    assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).expect("JSON")
}
