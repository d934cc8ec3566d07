//! Runs that are interrupted, and readers of their output that go away.

mod common;

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Folder, clicks};

/// A folder with a table, its model `m`, and inputs that name the table many times.
fn folder() -> (Folder, String) {
    let folder = Folder::new();
    folder.table("a.parquet", &clicks(20_000, 1));
    folder.ok("train a.parquet --target click -o m --quiet");
    (folder, "a.parquet ".repeat(200))
}

fn signal(process: u32, name: &str) {
    let kill = std::process::Command::new("kill").args([name, &process.to_string()]).status();
    assert!(kill.unwrap().success());
}

#[test]
fn an_interrupted_run_exits_with_130_and_leaves_no_file() {
    let (folder, inputs) = folder();
    // (What an interrupted training leaves is told by tests/resume.)
    for name in ["-INT", "-TERM"] {
        let command = format!("predict {inputs} {inputs} {inputs} --model m -o p.csv");
        let before = folder.names();
        let child = folder.command(&command).stderr(Stdio::piped()).spawn().unwrap();
        // It has begun when its unfinished output is there.
        let begun = Instant::now();
        while folder.names() == before {
            assert!(begun.elapsed() < Duration::from_secs(20), "no output was begun");
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(Duration::from_millis(50));
        signal(child.id(), name);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{name}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.ends_with("millstream: interrupted; nothing was written\n"), "{error}");
        assert_eq!(folder.names(), before);
    }
}

#[test]
fn a_reader_who_goes_away_ends_the_run_without_a_word() {
    let (folder, inputs) = folder();
    for command in [format!("predict {inputs} --model m --quiet"), "inspect m --json".to_string()] {
        let mut child =
            folder.command(&command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        let mut out = BufReader::with_capacity(64, child.stdout.take().unwrap());
        if command.starts_with("predict") {
            out.read_line(&mut first).unwrap();
            assert_eq!(first, "prediction,probability\n");
        }
        drop(out);
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{command}");
        assert_eq!(output.status.code(), Some(0), "{command}");
    }
}

#[test]
fn a_run_goes_on_when_nobody_reads_its_standard_error() {
    let (folder, _) = folder();
    for command in ["train a.parquet --target click -o new", "predict a.parquet --model m -o p.csv"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status = folder.command(command).stderr(writer).status().unwrap();
        assert_eq!(status.code(), Some(0), "{command}");
    }
    assert_eq!(folder.names(), ["a.parquet", "m", "new", "p.csv"]);
}

#[test]
fn a_pipe_as_output_is_written_to_and_not_replaced() {
    let (folder, _) = folder();
    let made = std::process::Command::new("mkfifo").arg(folder.path("pipe")).status();
    if !made.is_ok_and(|status| status.success()) {
        println!("skipped: there is no mkfifo");
        return;
    }
    for (command, file) in
        [("train a.parquet --target click", "m"), ("train a.parquet --target click -o new --summary", "")]
    {
        let option = if file.is_empty() { "" } else { "-o " };
        let mut child = folder.command(&format!("{command} {option}pipe --quiet")).spawn().unwrap();
        let mut bytes = Vec::new();
        std::fs::File::open(folder.path("pipe")).unwrap().read_to_end(&mut bytes).unwrap();
        assert!(child.wait().unwrap().success());
        if file.is_empty() {
            assert!(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()["rows"] == 20_000);
        } else {
            assert!(bytes == std::fs::read(folder.path(file)).unwrap(), "the model came through the pipe");
        }
    }
    use std::os::unix::fs::FileTypeExt;
    assert!(folder.path("pipe").metadata().unwrap().file_type().is_fifo());
}
