//! Runs that are interrupted again and again.

use std::fs;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
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

/// A pipe that is full. Whoever writes to it waits, until its reader is dropped.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = io::pipe().unwrap();
    let mut filler = writer.try_clone().unwrap();
    thread::spawn(move || while filler.write_all(&[0; 1 << 16]).is_ok() {});
    (reader, writer)
}

/// Lets a run that makes `m` go on until it has written a checkpoint, a new one, and ends it by a signal. False if it
/// came to its end before. One that is killed never does, unless the command says where its summary goes: a run hands that in
/// before it removes its checkpoint, and nobody takes this one's.
pub(crate) fn interrupt(folder: &Folder, command: &str, name: &str) -> bool {
    let files = [folder.path("m.checkpoint"), folder.path("m")];
    let before = files.each_ref().map(|path| written(path));
    let (kills, summary) = (name == "-KILL", command.contains("--summary"));
    let mut run = folder.command(command);
    let reader = (kills && !summary).then(|| {
        let (reader, writer) = full_pipe();
        run.args(["--summary", "-"]).stdout(writer);
        reader
    });
    let mut child = run.stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while files.each_ref().map(|path| written(path)) == before {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{command}: {:?}", child.wait_with_output());
            return false;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{command}: no checkpoint was written");
        thread::sleep(Duration::from_millis(1));
    }
    signal(&child, name);
    let output = child.wait_with_output().unwrap();
    drop(reader);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        return false;
    }
    if !kills {
        assert_eq!(output.status.code(), Some(130), "{command}: {error}");
        let last = error.lines().last().unwrap_or_default();
        assert!(
            last.starts_with("millstream: interrupted; what was learned so far is kept in m.checkpoint"),
            "{error}"
        );
    }
    files[0].exists()
}

/// Ends a run by `SIGKILL` when it has written a checkpoint, and removes what it was writing, as the next run would.
pub(crate) fn kill(folder: &Folder, command: &str) {
    let killed = interrupt(folder, &format!("{command} --quiet --checkpoint-every 1 --threads 1"), "-KILL");
    assert!(killed, "{command} came to its end");
    for name in folder.names().iter().filter(|name| name.ends_with(".tmp")) {
        fs::remove_file(folder.path(name)).unwrap();
    }
}

/// The summary of a run that is interrupted up to so many times (when it ends before a signal reaches it, it begins anew),
/// without what differs from run to run; and how often it was.
fn interrupted(folder: &Folder, command: &str, times: usize) -> (Value, usize) {
    let every_batch = format!("{command} --quiet --checkpoint-every 1 --resume");
    let mut count = 0;
    for (time, name) in (0..times).zip(["-KILL", "-INT", "-KILL", "-TERM"].into_iter().cycle()) {
        let threads = 1 + time % 3;
        count += usize::from(interrupt(folder, &format!("{every_batch} --threads {threads}"), name));
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
