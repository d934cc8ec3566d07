//! Cross-validation and search go on from checkpoints, too.

use std::time::Instant;

use crate::common::{Folder, clicks, says};
use crate::interrupted::{goes_on, interrupt, kill, outcome, signal};

/// A folder of Parquet in many splits.
fn folder(rows: usize, seed: u64) -> Folder {
    let folder = Folder::new();
    folder.table_in_pieces("parquet/1.parquet", &clicks(rows, seed), 3000);
    folder.table_in_pieces("parquet/2.parquet", &clicks(rows / 2, seed + 1), 2000);
    folder
}

#[test]
fn cross_validation_goes_on_where_it_was() {
    let folder = folder(20_000, 11);
    for options in [
        "",
        "--repeat 2 --folds 3 --epochs 3",
        "--group-by age --learning-rate 0.1",
        // Shuffled, so that there is none before the first pass ends.
        "--time age --folds 3 --optimizer ftrl --l1 0.0001 --epochs 4",
        "--target city --ignore click --folds 2",
    ] {
        let target = if options.contains("--target") { "" } else { "--target click" };
        let command = format!("cv parquet -o m {target} {options}");
        assert!(goes_on(&folder, &command, 4) > 0, "{command} was never interrupted");
    }
}

#[test]
fn searches_go_on_where_they_were() {
    let folder = folder(60_000, 12);
    for options in [
        // Halving on the kept rows, then with the stream.
        "--range learning-rate=0.01..1 --bayes 24 --places 4",
        "--grid learning-rate=0.05,0.2,0.5 --grid optimizer=sgd,ftrl --grid l2=0,0.0001 --places 8",
        // Several passes.
        "--grid learning-rate=0.05,0.1,0.2,0.5,1 --places 2 --full",
        "--range l2=1e-7..1e-3 --random 6 --folds 3 --places 3",
        // A pass of its own for the columns' importance.
        "--grid learning-rate=0.1,0.3 --ablate=age+price,city",
        "--grid learning-rate=0.1 --ablate",
        // The winner learns anew.
        "--grid learning-rate=0.1,0.3 --refit --epochs 3 --table t.csv",
    ] {
        let command = format!("search parquet -o m --target click {options}");
        assert!(goes_on(&folder, &command, 6) > 0, "{command} was never interrupted");
    }
}

#[test]
fn an_interrupted_refit_goes_on_as_one() {
    let folder = folder(40_000, 13);
    let command = "search parquet -o m --target click --grid learning-rate=0.1,0.3 --refit --epochs 30";
    let expected = outcome(&folder, command);
    let every = format!("{command} --quiet --checkpoint-every 40000 --resume --threads 1");
    // The search has 60,000 rows, so the second checkpoint is one of the refit.
    for _ in 0..3 {
        assert!(interrupt(&folder, &every, "-KILL"), "the run came to its end");
    }
    let found = outcome(&folder, &format!("{command} --resume"));
    assert_eq!(found, expected);
}

#[test]
fn heats_that_are_interrupted_are_held_again() {
    // All rows are kept, or more than half of them, and tried by many: most of the time is spent on those.
    for (rows, tried) in [(40_000, 64), (220_000, 24)] {
        let folder = folder(rows, 14);
        let command = format!(
            "search parquet -o m --target click --range learning-rate=0.01..1 --bayes {tried} --places 2 --threads 1"
        );
        let begun = Instant::now();
        let expected = outcome(&folder, &command);
        let whole = begun.elapsed();
        // How long a run takes differs, and planning comes first: the moment may have to be sought.
        let interrupted = [0.35, 0.5, 0.2, 0.7, 0.1].into_iter().any(|share| {
            let mut child = folder.command(&format!("{command} --quiet")).spawn().unwrap();
            std::thread::sleep(whole.mul_f64(share));
            signal(&child, "-INT");
            child.wait().unwrap().code() == Some(130) && folder.path("m.checkpoint").exists()
        });
        assert!(interrupted, "no search was interrupted");
        assert_eq!(outcome(&folder, &format!("{command} --resume")), expected);
    }
}

#[test]
fn checkpoints_lie_beside_whatever_is_written() {
    let folder = folder(20_000, 15);
    let command = "cv parquet --target click --epochs 40 --learning-rate 0.1";
    let error = folder.fails(2, &format!("{command} --resume"));
    says(&error, &["this one writes no file", "-o or --summary"]);
    let command = format!("{command} --summary m");
    kill(&folder, &command);
    let told = folder.run(&format!("{command} --resume")).err();
    says(&told, &["where an earlier run left off"]);
    assert!(folder.path("m").exists() && !folder.path("m.checkpoint").exists());
}

#[test]
fn other_commands_and_options_are_refused() {
    let folder = folder(30_000, 16);
    let command = "cv parquet --target click -o m --epochs 9 --folds 3";
    kill(&folder, command);
    for (other, told) in [
        ("train parquet --target click -o m --epochs 9", "the command was cv, now it is train"),
        ("cv parquet --target click -o m --epochs 9 --folds 4", "--folds was 3, now it is 4"),
        ("search parquet --target click -o m --epochs 9 --refit", "the command was cv, now it is search"),
    ] {
        says(
            &folder.fails(2, &format!("{other} --resume")),
            &["m.checkpoint belongs to a run with other options", told],
        );
    }
    folder.ok(&format!("{command} --resume"));
    let command =
        "search parquet --target click -o m --range l2=1e-7..1e-3 --random 6 --folds 3 --full --places 2";
    kill(&folder, command);
    for (option, other, told) in [
        ("1e-3", "1e-4", "the space was l2=1e-7..0.001, now it is l2=1e-7..1e-4"),
        ("--random 6", "--bayes 7", "the method was --random 6, now it is --bayes 7"),
        (
            "--folds 3",
            "--folds 3 --group-by age",
            "how rows are divided was by chance, now it is --group-by age",
        ),
    ] {
        let error = folder.fails(2, &format!("{} --resume", command.replace(option, other)));
        says(&error, &["m.checkpoint belongs to a run with other options", told]);
    }
}
