//! What may happen to a run from outside: files that change or vanish, disks that fill up, pipes that hang, limits. Each
//! ends in a sentence, soon, and leaves nothing behind.

mod common;

use std::fs;
use std::io::Write as _;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{Folder, clicks, says};

/// `millstream` with these arguments in a shell that has taken these limits first.
fn limited(folder: &Folder, limits: &str, arguments: &str) -> Output {
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("{limits}; exec \"$0\" {arguments}"), env!("CARGO_BIN_EXE_millstream")]);
    shell.current_dir(folder.path("")).output().unwrap()
}

fn error_of(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!error.contains("panicked"), "{error}");
    error
}

/// Waits for a child, which must end by itself within so many seconds.
fn ends_within(mut child: Child, seconds: u64) -> Output {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(seconds), "it still runs");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

/// A run of many epochs, which has begun to learn.
fn long_run(folder: &Folder, input: &str) -> Child {
    let command =
        format!("train {input} --target click -o m --epochs 100000 --holdout 0 --checkpoint-every 1");
    let child = folder.command(&command).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while !folder.path("m.checkpoint").exists() {
        assert!(begun.elapsed() < Duration::from_secs(20), "no checkpoint was written");
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

#[test]
fn files_that_are_cut_or_removed_while_they_are_read_are_named() {
    for name in ["a.csv", "a.parquet", "a.arrow"] {
        for change in ["cut", "remove"] {
            let folder = Folder::new();
            folder.table_in_pieces(name, &clicks(20_000, 1), 2000);
            let child = long_run(&folder, name);
            let path = folder.path(name);
            match change {
                // Mapped files stay readable when they are removed; cut, they don't.
                "cut" => fs::File::options().write(true).open(&path).unwrap().set_len(2000).unwrap(),
                _ if name == "a.arrow" => fs::write(&path, "").unwrap(),
                _ => fs::remove_file(&path).unwrap(),
            }
            let output = ends_within(child, 20);
            assert_eq!(output.status.code(), Some(1), "{name}, {change}: {:?}", output.status);
            says(&error_of(&output), &[name]);
            // The last good checkpoint stays, and nothing else.
            let mut left = folder.names();
            left.retain(|file| file != name);
            assert_eq!(left, ["m.checkpoint"], "{name}, {change}");
        }
    }
}

#[test]
fn a_file_that_was_changed_while_it_was_read_is_no_success() {
    let folder = Folder::new();
    folder.table("a.csv", &clicks(20_000, 1));
    let bytes = fs::read(folder.path("a.csv")).unwrap();
    let command = "train a.csv --target click -o m --epochs 30 --holdout 0 --checkpoint-every 1";
    let child = folder.command(command).stderr(Stdio::piped()).spawn().unwrap();
    while !folder.path("m.checkpoint").exists() {
        std::thread::sleep(Duration::from_millis(2));
    }
    // The same bytes, but who can tell?
    folder.write("b.csv", bytes);
    fs::rename(folder.path("b.csv"), folder.path("a.csv")).unwrap();
    let output = ends_within(child, 60);
    says(&error_of(&output), &["a.csv: the file was replaced while it was read", "leave files alone"]);
    assert!(!folder.path("m").exists());
}

#[test]
fn a_full_disk_leaves_nothing_behind() {
    let folder = Folder::new();
    folder.table("a.csv", &clicks(20_000, 1));
    folder.ok("train a.csv --target click -o m --quiet");
    let before = folder.names();
    // Files may have 8 KB: as if the disk had no more.
    for (command, file) in [
        ("train a.csv --target click -o new", "new"),
        ("train a.csv --target click -o new --checkpoint-every 1 --epochs 5", "new.checkpoint"),
        ("predict a.csv --model m -o p.csv", "p.csv"),
        ("predict a.csv --model m -o p.parquet", "p.parquet"),
        ("search a.csv --target click --table t.csv --range learning-rate=0.01..1 --random 200", "t.csv"),
    ] {
        let output = limited(&folder, "ulimit -f 8", &format!("{command} --quiet"));
        assert_eq!(output.status.code(), Some(1), "{command}");
        says(&error_of(&output), &["can't write", file]);
        assert_eq!(folder.names(), before, "{command}");
    }
    let output = folder
        .command("predict a.csv --model m --quiet")
        .stdout(fs::File::options().write(true).open("/dev/full").unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    says(&error_of(&output), &["standard output", "the disk is full"]);
}

#[test]
fn a_pipe_that_hangs_can_be_left() {
    let folder = Folder::new();
    folder.table("a.csv", &clicks(2000, 1));
    folder.ok("train a.csv --target click -o m --quiet");
    for name in ["in", "out"] {
        let made = Command::new("mkfifo").arg(folder.path(name)).status();
        if !made.is_ok_and(|status| status.success()) {
            println!("skipped: there is no mkfifo");
            return;
        }
    }
    let before = folder.names();
    // Nobody writes to `in`, nobody reads from `out`; standard input is a pipe that stays silent.
    for command in [
        "train in --target click -o new",
        "train - --target click -o new",
        "predict a.csv --model m -o out.csv --summary out",
    ] {
        let mut child = folder.command(command).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let silent = child.stdin.take().unwrap();
        // By then it has begun, on a loaded machine, too.
        std::thread::sleep(Duration::from_millis(1500));
        let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(kill.unwrap().success());
        let output = ends_within(child, 5);
        drop(silent);
        assert_eq!(output.status.code(), Some(130), "{command}: {}", error_of(&output));
        let _ = fs::remove_file(folder.path("out.csv"));
        assert_eq!(folder.names(), before, "{command}");
    }
}

#[test]
fn a_writer_who_dies_leaves_what_it_wrote_or_an_error() {
    let folder = Folder::new();
    folder.table("a.csv", &clicks(2000, 1));
    let whole = fs::read(folder.path("a.csv")).unwrap();
    let mut child = folder
        .command("train - --target click -o m --quiet")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // In the middle of a cell of the last record.
    let cut = whole.len() - 4;
    child.stdin.take().unwrap().write_all(&whole[..cut]).unwrap();
    let output = ends_within(child, 20);
    let error = error_of(&output);
    assert!(!output.status.success(), "{error}");
    says(&error, &["standard input", "line"]);
    assert_eq!(folder.names(), ["a.csv"]);
}

#[test]
fn too_few_open_files_are_told() {
    let folder = Folder::new();
    // Larger than what is read of a file in one go, so that many are open at the same time.
    let table = clicks(70_000, 1);
    for number in 0..12 {
        folder.table(&format!("many/{number:02}.parquet"), &table);
    }
    let output = limited(&folder, "ulimit -n 8", "train many --target click -o m --quiet --threads 8");
    assert_eq!(output.status.code(), Some(1));
    says(&error_of(&output), &["Too many open files", "ulimit -n"]);
    assert_eq!(folder.names(), ["many"]);
}

#[test]
fn files_that_may_not_be_read_are_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    folder.table("a.csv", &clicks(200, 1));
    fs::set_permissions(folder.path("a.csv"), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(folder.path("a.csv")).is_ok() {
        println!("skipped: this user may read everything");
        return;
    }
    says(&folder.fails(1, "train a.csv --target click -o m"), &["a.csv", "permission denied"]);
}

#[test]
fn a_folder_that_vanishes_is_named() {
    let folder = Folder::new();
    folder.table("a.csv", &clicks(20_000, 1));
    fs::create_dir(folder.path("out")).unwrap();
    let command = "train a.csv --target click -o out/m --epochs 400 --holdout 0 --checkpoint-every never";
    let child = folder.command(command).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    fs::remove_dir_all(folder.path("out")).unwrap();
    let output = ends_within(child, 60);
    assert_eq!(output.status.code(), Some(2));
    says(&error_of(&output), &["can't write out/m", "there is no folder out"]);
    assert_eq!(folder.names(), ["a.csv"]);
}
