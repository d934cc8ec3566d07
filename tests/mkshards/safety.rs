//! What a conversion is safe from: rows that can't be read, ends at any moment, other conversions,
//! disks that are full.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Folder, Random, clicks, says};
use crate::shards::{batches, bytes, names, rows};

fn table(folder: &Folder, rows: usize) {
    folder.table("t.csv", &clicks(rows, 5));
}

#[test]
fn rows_that_cannot_be_read_are_rejected_with_their_lines_and_reasons() {
    let folder = Folder::new();
    let mut text = "id,score,tag\n".to_string();
    for i in 0..3000 {
        text.push_str(&match i {
            100 => "100,1.5\n".to_string(),
            700 => "700,high,x\n".to_string(),
            1500 => "1500,1,\"y\"z\n".to_string(),
            2999 => "2999,1,2,3\n".to_string(),
            i => format!("{i},{}.5,t{}\n", i % 9, i % 4),
        });
    }
    folder.write("t.csv", &text);
    let error = folder.mkshards_fails(1, "t.csv -o out");
    says(&error, &["t.csv, line 102", "2 cells, expected 3"]);
    assert_eq!(folder.names(), ["t.csv"]);
    for threads in [1, 3] {
        let options = format!("-o out --overwrite --rejects r.csv --shard-size 8KB --threads {threads}");
        let summary = folder.mkshards(&format!("t.csv {options} --type score=float"));
        assert_eq!((&summary["rejects"], &summary["rows"]), (&4.into(), &2996.into()));
        assert_eq!(rows(&folder, "out").len(), 2996);
        let rejects = folder.read("r.csv");
        let lines: Vec<&str> = rejects.lines().collect();
        assert_eq!(lines[0], "file,line,row,column,reason,text");
        let expected = [
            (1, "\"t.csv\",102,", "\"100,1.5\""),
            (2, "\"t.csv\",702,,\"score\",", "\"700,high,x\""),
            (3, "\"t.csv\",1502,", "\"1500,1,\"\"y\"\"z\""),
            (4, "\"t.csv\",3001,", "\"2999,1,2,3\""),
        ];
        assert_eq!(lines.len(), 5, "{rejects}");
        for (line, start, end) in expected {
            assert!(lines[line].starts_with(start) && lines[line].ends_with(end), "{}", lines[line]);
        }
    }
    let error = folder.mkshards_fails(1, "t.csv -o few --type score=float --rejects r.csv --max-rejects 2");
    says(&error, &["line 1502", "more than 2 rows", "r.csv", "--max-rejects"]);
    assert_eq!(folder.read("r.csv").lines().count(), 3);
}

#[test]
fn a_folder_that_is_not_empty_is_refused_and_only_shards_are_overwritten() {
    let folder = Folder::new();
    table(&folder, 500);
    folder.write("full/notes.txt", "mine");
    says(&folder.mkshards_fails(2, "t.csv -o full"), &["full is not empty", "--overwrite"]);
    folder.mkshards("t.csv -o full --overwrite");
    folder.mkshards("t.csv -o full --overwrite --format parquet --split 0.5,0.5");
    assert_eq!(folder.read("full/notes.txt"), "mine");
    assert!(names(&folder, "full").is_empty());
    folder.mkshards("t.csv -o full --overwrite");
    assert!(!folder.path("full/train").exists());
    // A conversion that fails before it has anything to show leaves the earlier one.
    let earlier = bytes(&folder, "full");
    folder.write("bad.csv", "a,b\n1,2\n3\n");
    folder.mkshards_fails(1, "bad.csv -o full --overwrite");
    assert!(bytes(&folder, "full") == earlier && folder.path("full/_schema.json").exists());
    assert!(!folder.path("full/.mkshards").exists());
    folder.write("file", "");
    says(&folder.mkshards_fails(2, "t.csv -o file"), &["file is a file, expected a folder"]);
    says(&folder.mkshards_fails(2, "t.csv -o none --resume"), &["holds no conversion", "--resume"]);
    folder.write("in/t.csv", folder.read("t.csv"));
    says(&folder.mkshards_fails(2, "in/t.csv -o in --overwrite"), &["in/t.csv", "output folder"]);
    says(&folder.mkshards_fails(1, "no.csv -o out"), &["no.csv", "no such file"]);
    assert!(!folder.path("out").exists());
}

/// Whether all shards in the folder can be read to the end, and which rows they hold.
fn whole_rows(folder: &Folder, shards: &str) -> Vec<usize> {
    let count = |name: &String| {
        let path = folder.path(shards).join(name);
        batches(&path).iter().map(|batch| batch.num_rows()).sum()
    };
    names(folder, shards).iter().map(count).collect()
}

#[test]
fn a_conversion_killed_at_any_moment_leaves_whole_shards_and_goes_on() {
    let folder = Folder::new();
    table(&folder, 60_000);
    let mut random = Random(11);
    for options in ["", "--shuffle", "--sort-by user --split 0.6,0.4", "--dedup --rejects r.csv"] {
        let options = format!("t.csv --shard-size 64KB --threads 2 {options}");
        let start = Instant::now();
        folder.mkshards(&format!("{options} -o whole --overwrite"));
        let mut whole = start.elapsed();
        let parts = if options.contains("--split") { vec!["/train", "/test"] } else { vec![""] };
        let mut kills = 0;
        for _ in 0..5 {
            let out = "broken";
            let mut resumed = false;
            for last in [false, false, false, true] {
                let how = if resumed { "--resume" } else { "--overwrite" };
                let mut child = folder
                    .mkshards_command(&format!("{options} -o {out} --quiet {how}"))
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap();
                if !last {
                    std::thread::sleep(whole.mul_f64(random.unit() * 0.9));
                    child.kill().unwrap();
                }
                let output = child.wait_with_output().unwrap();
                if output.status.success() {
                    // The machine has become faster than when the whole was timed.
                    if !last {
                        whole /= 2;
                    }
                    break;
                }
                assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
                kills += 1;
                for part in &parts {
                    if folder.path(&format!("{out}{part}")).exists() {
                        whole_rows(&folder, &format!("{out}{part}"));
                    }
                }
                resumed = folder.path("broken/.mkshards/record.jsonl").exists();
                if resumed {
                    let error = folder.fails(1, "train broken --target click -o m");
                    says(&error, &["broken", "not complete", "--resume"]);
                }
            }
        }
        assert!(kills > 4, "{options}: {kills}");
        for part in parts {
            let (whole, broken) = (format!("whole{part}"), format!("broken{part}"));
            assert!(bytes(&folder, &whole) == bytes(&folder, &broken), "{options}");
            assert_eq!(
                folder.read(&format!("{whole}/_schema.json")),
                folder.read(&format!("{broken}/_schema.json"))
            );
        }
        assert!(!folder.path("broken/.mkshards").exists());
    }
}

#[test]
fn another_configuration_or_another_file_does_not_go_on() {
    let folder = Folder::new();
    table(&folder, 20_000);
    folder.write("out/.mkshards/record.jsonl", "");
    says(&folder.mkshards_fails(2, "t.csv -o out"), &["broke off", "--resume", "--overwrite"]);
    says(&folder.mkshards_fails(1, "t.csv -o out --resume"), &["damaged", "--overwrite"]);
    // A limit on the size of files breaks it off.
    let limited = |arguments: &str| {
        let program = env!("CARGO_BIN_EXE_mkshards");
        let script = format!("trap '' XFSZ; ulimit -f 64; {program} {arguments}");
        let mut command = Command::new("sh");
        command.args(["-c", &script]).current_dir(folder.path("."));
        command.output().unwrap()
    };
    let output = limited("t.csv -o big --shard-size 4MB");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    says(&error, &["can't write", "big"]);
    assert!(!folder.path("big").exists(), "nothing was finished, nothing is left");
}

#[test]
fn two_conversions_into_one_folder_are_refused() {
    let folder = Folder::new();
    let pipe = folder.path("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    if !made.is_ok_and(|status| status.success()) {
        println!("skipped: there is no mkfifo");
        return;
    }
    table(&folder, 200);
    std::fs::create_dir_all(folder.path("out/.mkshards")).unwrap();
    // Whoever holds the lock is another conversion.
    let lock = std::fs::File::create(folder.path("out/.mkshards/lock")).unwrap();
    lock.lock().unwrap();
    says(&folder.mkshards_fails(2, "t.csv -o out"), &["another conversion writes to out"]);
    says(&folder.mkshards_fails(2, "t.csv -o out --overwrite"), &["another conversion writes to out"]);
    drop(lock);
    folder.mkshards("t.csv -o out");
}

#[test]
fn an_interrupted_conversion_says_how_to_go_on() {
    let folder = Folder::new();
    table(&folder, 200_000);
    let mut ended = 0;
    for wait in [150, 250, 400, 600, 900] {
        let mut command =
            folder.mkshards_command("t.csv -o out --overwrite --shard-size 32KB --threads 1 --quiet");
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        let output = child.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.code() == Some(130) && !error.contains("nothing was written") {
            says(&error, &["interrupted", "whole shards", "out", "--resume"]);
            folder.mkshards("t.csv -o out --resume --shard-size 32KB --threads 1");
            folder.mkshards("t.csv -o whole --overwrite --shard-size 32KB");
            assert!(bytes(&folder, "out") == bytes(&folder, "whole"));
            ended += 1;
            break;
        }
    }
    println!("{ended} conversions were interrupted in the middle");
}
