//! Runs that are interrupted again and again.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::common::Folder;

/// Sends a process a signal.
pub(crate) fn signal(process: &Child, name: &str) {
    let kill = std::process::Command::new("kill").args([name, &process.id().to_string()]).status();
    assert!(kill.unwrap().success());
}

/// When a file was written; `None` if it is not there.
fn written(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// Lets a run that makes `m` go on until it has written a checkpoint, a new one, and ends it by a signal. False if it
/// came to its end before.
pub(crate) fn interrupt(folder: &Folder, command: &str, name: &str) -> bool {
    let checkpoint = folder.path("m.checkpoint");
    let before = written(&checkpoint);
    let mut child = folder.command(command).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while written(&checkpoint) == before {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{command}: {:?}", child.wait_with_output());
            return false;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{command}: no checkpoint was written");
        std::thread::sleep(Duration::from_millis(1));
    }
    signal(&child, name);
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        return false;
    }
    if name != "-KILL" {
        assert_eq!(output.status.code(), Some(130), "{command}: {error}");
        let last = error.lines().last().unwrap_or_default();
        assert!(
            last.starts_with("millstream: interrupted; what was learned so far is kept in m.checkpoint"),
            "{error}"
        );
    }
    true
}

/// The summary of a run that is interrupted so many times, if it does not end before, without what differs from run to
/// run; and how often it was.
fn interrupted(folder: &Folder, command: &str, times: usize) -> (Value, usize) {
    let every_batch = format!("{command} --quiet --checkpoint-every 1 --resume");
    let mut count = 0;
    for (time, name) in (0..times).zip(["-KILL", "-INT", "-KILL", "-TERM"].into_iter().cycle()) {
        let threads = 1 + time % 3;
        if !interrupt(folder, &format!("{every_batch} --threads {threads}"), name) {
            break;
        }
        count += 1;
    }
    (outcome(folder, &format!("{command} --resume")), count)
}

/// The summary of a run that makes `m`, without what differs from run to run. Nothing but the model is left of it.
pub(crate) fn outcome(folder: &Folder, command: &str) -> Value {
    let mut summary = folder.summary(&format!("{command} --quiet --summary -"));
    let object = summary.as_object_mut().unwrap();
    for name in
        ["seconds", "rows_per_second", "bytes_read", "peak_memory_bytes", "threads", "stages", "notes"]
    {
        assert!(object.remove(name).is_some(), "{name}");
    }
    object.remove("checkpoints");
    let left: Vec<_> = folder.names().into_iter().filter(|name| name.contains("m.")).collect();
    assert!(left.is_empty(), "{left:?}");
    summary
}

/// Checks that a run which is interrupted up to `most` times comes to what one comes to that is not; and says how often it
/// was.
pub(crate) fn goes_on(folder: &Folder, command: &str, most: usize) -> usize {
    let expected = outcome(folder, command);
    let (found, times) = interrupted(folder, command, most);
    assert_eq!(found, expected, "{command}, interrupted {times} times");
    times
}
