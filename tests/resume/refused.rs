//! Checkpoints that are not gone on from, and what the user is told.

use std::fs;
use std::process::Stdio;

use crate::common::{Folder, clicks, says};
use crate::interrupted::{kill, outcome, signal};

const COMMAND: &str = "train a.csv b.parquet --target click -o m --epochs 2 --shuffle none";

/// A folder with data, and the checkpoint of a run that was killed.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.table("a.csv", &clicks(20_000, 1));
    folder.table_in_pieces("b.parquet", &clicks(20_000, 2), 2000);
    kill(&folder, COMMAND);
    folder
}

#[test]
fn another_configuration_is_refused_with_the_difference_named() {
    let folder = folder();
    for (options, told) in [
        ("--batch-size 64", "--batch-size was 32, now it is 64"),
        ("--learning-rate 0.5", "--learning-rate was not given, now it is 0.5"),
        ("--seed 2", "--seed was 1, now it is 2"),
        ("--ignore age", "the use of columns was"),
        ("--null NA", "--null was"),
    ] {
        let error = folder.fails(2, &format!("{COMMAND} {options} --resume"));
        says(&error, &["m.checkpoint belongs to a run with other options", told, "remove the checkpoint"]);
    }
    // Threads and memory change nothing.
    folder.ok(&format!("{COMMAND} --resume --threads 3 --memory 1GB"));
    assert!(!folder.path("m.checkpoint").exists());
}

#[test]
fn changed_data_is_refused_with_the_difference_named() {
    let folder = folder();
    let resume = format!("{COMMAND} --resume");
    let whole = fs::read(folder.path("a.csv")).unwrap();
    folder.write("a.csv", &whole[..whole.len() - 20]);
    says(&folder.fails(1, &resume), &["the data has changed", "a.csv had", "bytes, now it has"]);
    let mut other = whole.clone();
    let digit = other.iter().rposition(u8::is_ascii_digit).unwrap();
    other[digit] ^= 1;
    folder.write("a.csv", &other);
    says(&folder.fails(1, &resume), &["the data has changed", "a.csv has another content"]);
    folder.write("a.csv", &whole);
    let renamed = "train a.csv c.parquet --target click -o m --epochs 2 --shuffle none --resume";
    fs::copy(folder.path("b.parquet"), folder.path("c.parquet")).unwrap();
    says(&folder.fails(1, renamed), &["where b.parquet was there is c.parquet"]);
    let fewer = "train a.csv --target click -o m --epochs 2 --shuffle none --resume";
    says(&folder.fails(1, fewer), &["it had 2 files, now it has 1"]);
    // Files that were copied have other times and the same content.
    let run = folder.ok(&resume);
    says(&run.err(), &["a.csv was written anew since the checkpoint was", "goes on after"]);
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let folder = folder();
    let resume = format!("{COMMAND} --resume");
    let whole = fs::read(folder.path("m.checkpoint")).unwrap();
    for at in [3, 20, whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        folder.write("m.checkpoint", bytes);
        says(&folder.fails(1, &resume), &["m.checkpoint: the checkpoint is damaged", "begin anew"]);
    }
    for length in [0, 1, 17, whole.len() / 3, whole.len() - 1] {
        folder.write("m.checkpoint", &whole[..length]);
        says(&folder.fails(1, &resume), &["m.checkpoint: the checkpoint is damaged", "begin anew"]);
    }
    folder.write("m.checkpoint", &whole);
    folder.ok(&resume);
}

#[test]
fn without_a_checkpoint_a_run_begins_anew_and_says_so() {
    let folder = Folder::new();
    folder.table("a.csv", &clicks(2000, 1));
    let run = folder.ok("train a.csv --target click -o m --resume");
    says(&run.err(), &["there is no m.checkpoint to go on from: begins anew"]);
    folder.write("m.checkpoint", "left");
    let run = folder.ok("train a.csv --target click -o m");
    says(&run.err(), &["m.checkpoint is left of a run that was interrupted: --resume would go on"]);
    assert!(folder.path("m.checkpoint").exists(), "it is not this run's");
}

#[test]
fn a_run_without_checkpoints_leaves_none() {
    let folder = Folder::new();
    folder.table("a.csv", &clicks(20_000, 1));
    let command = "train a.csv --target click -o m --epochs 100000 --holdout 0 --checkpoint-every never";
    let child = folder.command(command).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    says(&error, &["millstream: interrupted; nothing was written"]);
    assert_eq!(folder.names(), ["a.csv"]);
}

#[test]
fn a_run_that_is_interrupted_before_it_goes_on_says_that_its_checkpoint_stays() {
    let folder = Folder::new();
    folder.table("a.csv", &clicks(20_000, 1));
    let command = "train a.csv --target click -o m --epochs 100000 --holdout 0";
    kill(&folder, command);
    for name in ["-INT", "-TERM"] {
        let mut run = folder.command(&format!("{command} --resume --checkpoint-every 1h"));
        let child = run.stderr(Stdio::piped()).spawn().unwrap();
        // It plans as soon as it can be told to stop.
        let can_be_told = || {
            let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
            u64::from_str_radix(caught, 16).unwrap() & (1 << 1) != 0
        };
        while !can_be_told() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(130), "{error}");
        says(
            &error,
            &["millstream: interrupted; what was learned so far is kept in m.checkpoint", "--resume"],
        );
        assert!(folder.path("m.checkpoint").exists());
    }
}

#[test]
fn a_data_error_leaves_the_last_good_checkpoint_and_says_so() {
    let folder = Folder::new();
    let mut text = String::from("x,y\n");
    for row in 0..200_000 {
        text.push_str(&format!("{},{}\n", row % 17, row % 2));
    }
    folder.write("a.csv", format!("{text}1,wrong\n"));
    let command = "train a.csv --target y -o m --shuffle none --checkpoint-every 50000";
    let run = folder.run(&format!("{command} --quiet"));
    assert_eq!(run.output.status.code(), Some(1));
    says(&run.err(), &["wrong", "what was learned so far is kept in m.checkpoint", "--resume"]);
    assert_eq!(folder.names(), ["a.csv", "m.checkpoint"]);
    // The same again, from there.
    says(&folder.fails(1, &format!("{command} --resume")), &["wrong"]);
    folder.write("a.csv", &text);
    fs::remove_file(folder.path("m.checkpoint")).unwrap();
    outcome(&folder, command);
}

#[test]
fn a_summary_that_cannot_be_written_costs_no_learning() {
    let folder = Folder::new();
    folder.table_in_pieces("a.parquet", &clicks(60_000, 3), 2000);
    fs::create_dir(folder.path("there")).unwrap();
    let command = "cv a.parquet --target click -o m --summary there/s.json --checkpoint-every 5000 --resume";
    let child = folder.command(&format!("{command} --quiet")).stderr(Stdio::piped()).spawn().unwrap();
    while !folder.path("m.checkpoint").exists() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    fs::remove_dir(folder.path("there")).unwrap();
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "the run was over before its folder went");
    says(&error, &["there/s.json: there is no folder", "is kept in m.checkpoint", "--resume"]);
    fs::create_dir(folder.path("there")).unwrap();
    says(&folder.ok(command).err(), &["goes on after"]);
    assert!(folder.path("there/s.json").exists() && !folder.path("m.checkpoint").exists());
}
