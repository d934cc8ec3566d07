//! What the benchmarks run on: tables that this package's own `mkdata` makes, always the same ones.

use std::process::Command;

use millstream::features::Overrides;
use millstream::input::ReadOptions;
use millstream::trainer::PlanConfig;
use tempfile::TempDir;

// As the command has it: a good part of decoding is allocating.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The tables: a click log (13 heavy-tailed counts with gaps, 26 categories) and 28 floats.
pub(crate) const TABLES: [&str; 2] = ["clicks", "dense"];

/// A table in a folder that goes when the value does.
pub(crate) struct Data {
    folder: TempDir,
}

impl Data {
    /// Makes a table, in files small enough that two threads have something to share.
    pub(crate) fn make(table: &str, format: &str, rows: u64) -> Data {
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new(env!("CARGO_BIN_EXE_mkdata"))
            .args([table, "--format", format, "--rows", &rows.to_string()])
            .args(["--rows-per-file", "100000", "--seed", "1", "--output"])
            .arg(folder.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "mkdata: {}", String::from_utf8_lossy(&made.stderr));
        Data { folder }
    }

    /// The command line's defaults for this table.
    pub(crate) fn config(&self, threads: usize) -> PlanConfig {
        PlanConfig {
            inputs: vec![self.folder.path().to_str().unwrap().to_string()],
            read: ReadOptions::default(),
            target: "label".to_string(),
            loss: None,
            positive: None,
            scan_classes: false,
            weight: None,
            offset: None,
            scale: true,
            overrides: Overrides::default(),
            seed: 1,
            threads,
            memory: None,
        }
    }
}
