//! What the program says, and what it leaves behind, when something is wrong. Every failure below is
//! one sentence, exits with its code, and leaves the folder as it was: `Folder::fails` sees to that.

mod common;

use common::{Folder, booleans, clicks, floats, integers, says, shared, table, texts};

/// A folder with `a.csv`, a small table of a number, a category, a weight and a 0/1 target.
fn folder() -> Folder {
    let folder = Folder::new();
    let mut text = "size,kind,weight,sold\n".to_string();
    for i in 0..400 {
        text.push_str(&format!("{},k{},{},{}\n", i % 97, i % 3, 1 + i % 2, u8::from(i * i % 97 > 40)));
    }
    folder.write("a.csv", text);
    folder
}

/// A folder with `a.csv` and `m`, a model of it.
fn folder_with_model() -> Folder {
    let folder = folder();
    folder.ok("train a.csv --target sold -o m --quiet");
    folder
}

/// `a.csv`'s rows with one more line, line 402 of the file.
fn with_line(folder: &Folder, line: &str) {
    folder.write("b.csv", folder.read("a.csv") + line + "\n");
}

#[test]
fn inputs_that_are_not_there_are_named() {
    let folder = folder();
    says(&folder.fails(1, "train no.csv --target sold -o m"), &["no.csv", "no such file", "check the path"]);
    says(&folder.fails(1, "train no/where --target sold -o m"), &["no/where", "no such file"]);
    says(&folder.fails(1, "train *.parquet --target sold -o m"), &["no file matches *.parquet"]);
    std::fs::create_dir(folder.path("empty")).unwrap();
    says(&folder.fails(1, "train empty --target sold -o m"), &["folder empty", "parquet", "csv"]);
    says(&folder.fails(1, "evaluate a.csv --model no.model"), &["no.model", "no such file"]);
    says(&folder.fails(1, "inspect no.model"), &["no.model", "no such file"]);
}

#[test]
fn columns_that_are_not_there_are_wrong_usage_and_those_that_are_get_listed() {
    let folder = folder_with_model();
    for option in ["--target no", "--target sold --weight no", "--target sold --ignore no"] {
        for option in [option.to_string(), option.replace("--ignore", "--numeric")] {
            let error = folder.fails(2, &format!("train a.csv {option} -o new"));
            says(&error, &["no column `no`", "size, kind, weight, sold"]);
        }
    }
    let error = folder.fails(2, "train a.csv --target Sold -o new");
    says(&error, &["no column `Sold`", "did you mean `sold`?"]);
    let error = folder.fails(2, "train a.csv --target sold --weight wieght -o new");
    says(&error, &["no column `wieght`", "did you mean `weight`?"]);
    let error = folder.fails(2, "predict a.csv --model m --keep id -o p.csv");
    says(&error, &["no column `id`", "size, kind, weight, sold"]);
    folder.write("f.toml", "[columns]\nno = \"ignore\"\n");
    let error = folder.fails(2, "train a.csv --target sold --features f.toml -o new");
    says(&error, &["no column `no`"]);
    // That is told before a row is read.
    with_line(&folder, "1,k0");
    says(&folder.fails(1, "train b.csv --target sold -o new"), &["b.csv", "402"]);
    says(&folder.fails(2, "train b.csv --target no -o new"), &["no column `no`"]);
}

#[test]
fn contradictory_and_unknown_options_are_wrong_usage() {
    let folder = folder();
    let error = folder.fails(2, "train a.csv --target sold --numeric sold -o m");
    says(&error, &["`sold` is the target"]);
    let error = folder.fails(2, "train a.csv --target sold --weight sold -o m");
    says(&error, &["both target and weight"]);
    let error = folder.fails(2, "train a.csv --target sold --numeric size --ignore size -o m");
    says(&error, &["`size`", "two different uses"]);
    let error = folder.fails(2, "train a.csv --target sold --positive maybe -o m");
    says(&error, &["\"maybe\"", "\"0\" and \"1\""]);
    let error = folder.fails(2, "train a.csv --target size --positive 1 -o m");
    says(&error, &["--positive", "number"]);
    let error = folder.fails(2, "train a.csv --target sold --numeric kind -o m");
    says(&error, &["`kind`", "Utf8", "--categorical"]);
    folder.write("f.toml", "[columns]\nsize = \"nomber\"\n");
    says(&folder.fails(2, "train a.csv --target sold --features f.toml -o m"), &["f.toml", "nomber"]);
    for wrong in ["", "frobnicate", "train a.csv -o m", "train --target sold -o m", "inspect"] {
        assert_eq!(folder.run(wrong).output.status.code(), Some(2), "millstream {wrong}");
    }
    for option in ["--epochs 0", "--learning-rate=-1", "--batch-size 0", "--holdout 1", "--memory lots"] {
        let run = folder.run(&format!("train a.csv --target sold -o m {option}"));
        assert_eq!(run.output.status.code(), Some(2), "{option}");
        says(&run.err(), &[option.split([' ', '=']).next().unwrap()]);
    }
    assert_eq!(folder.names(), ["a.csv", "f.toml"]);
    folder.ok("train a.csv --target sold -o m --quiet");
    let error = folder.fails(2, "predict a.csv --model m --summary -");
    says(&error, &["both go to standard output"]);
    for command in ["train a.csv --target sold -o ./a.csv", "predict a.csv --model m -o a.csv"] {
        says(&folder.fails(2, command), &["a.csv is an input", "another file"]);
    }
}

#[test]
fn tables_without_rows_are_errors() {
    let folder = folder_with_model();
    folder.write("empty.csv", "");
    folder.write("header.csv", "size,kind,weight,sold\n");
    folder.table("none.parquet", &clicks(10, 1).slice(0, 0));
    folder.table("none.arrow", &clicks(10, 1).slice(0, 0));
    says(&folder.fails(1, "train empty.csv --target sold -o new"), &["empty.csv", "file is empty"]);
    says(&folder.fails(1, "train header.csv --target sold -o new"), &["header.csv", "no rows"]);
    says(&folder.fails(1, "train none.parquet --target click -o new"), &["none.parquet", "no rows"]);
    says(&folder.fails(1, "train none.arrow --target click -o new"), &["none.arrow", "no rows"]);
    says(&folder.fails(1, "evaluate header.csv --model m"), &["no row"]);
}

#[test]
fn a_target_must_have_two_classes_or_be_a_number() {
    let folder = Folder::new();
    let rows = 100;
    let columns = || vec![("x", floats((0..rows).map(|i| f64::from(i % 7))))];
    let save = |name: &str, target| {
        let mut columns = columns();
        columns.push(("y", target));
        folder.table(name, &table(columns));
    };
    save("one.parquet", texts((0..rows).map(|_| "yes")));
    save("three.parquet", texts((0..rows).map(|i| format!("c{}", i % 3))));
    save("constant.parquet", floats((0..rows).map(|_| 1.5)));
    save("nothing.parquet", floats((0..rows).map(|_| None)));
    let error = folder.fails(1, "train one.parquet --target y -o m");
    says(&error, &["column `y`", "\"yes\"", "two classes"]);
    let error = folder.fails(1, "train three.parquet --target y --loss logistic -o m");
    says(&error, &["column `y`", "3 distinct values", "two classes"]);
    let error = folder.fails(1, "train three.parquet --target y --loss squared -o m");
    says(&error, &["column `y`", "Utf8", "numbers"]);
    let error = folder.fails(1, "train constant.parquet --target y -o m");
    says(&error, &["column `y`", "1.5", "--target"]);
    let error = folder.fails(1, "train nothing.parquet --target y -o m");
    says(&error, &["column `y`", "missing"]);
    save("many.parquet", floats((0..rows).map(f64::from)));
    let error = folder.fails(1, "train three.parquet --target x --weight y -o m");
    says(&error, &["column `y`", "Utf8", "numbers as weights"]);
    let error = folder.fails(1, "train many.parquet --target y --loss logistic -o m");
    says(&error, &["column `y`", "100 distinct values", "--loss squared"]);
}

#[test]
fn a_third_class_later_in_the_data_is_placed() {
    let folder = folder_with_model();
    // A model knows two classes: what evaluate meets is later data.
    with_line(&folder, "5,k1,1,2");
    let error = folder.fails(1, "evaluate b.csv --model m");
    says(&error, &["b.csv, line 402, column `sold`", "\"2\"", "\"0\" or \"1\"", "--on-error skip"]);
    for (line, found) in [("5,k1,1,maybe", "\"maybe\""), ("5,k1,1,", "missing"), ("5,k1,1,1.0", "")] {
        with_line(&folder, line);
        if !found.is_empty() {
            let error = folder.fails(1, "evaluate b.csv --model m");
            says(&error, &["b.csv, line 402, column `sold`", found, "--on-error skip"]);
        }
        let summary = folder.summary("evaluate b.csv --model m --on-error skip --quiet --summary -");
        assert_eq!(summary["metrics"]["rows"], 400 + u64::from(found.is_empty()), "{line}");
    }
    folder.table_in_pieces(
        "b.parquet",
        &table(vec![
            ("size", integers((0..20).map(i64::from))),
            ("kind", texts((0..20).map(|_| "k1"))),
            ("sold", integers((0..20).map(|i| if i == 17 { 7 } else { i % 2 }))),
        ]),
        8,
    );
    let error = folder.fails(1, "evaluate b.parquet --model m");
    says(&error, &["b.parquet, row group 2, row 1, column `sold`", "\"7\""]);
    let summary = folder.summary("evaluate b.parquet --model m --on-error skip --quiet --summary -");
    assert_eq!((summary["rows"].as_u64(), summary["skipped"]["rows"].as_u64()), (Some(20), Some(1)));
    assert_eq!(summary["metrics"]["rows"], 19);
}

#[test]
fn labels_and_weights_that_are_not_finite_are_errors_at_their_row_or_are_skipped() {
    let rows = 300;
    let folder = Folder::new();
    let good = |i: usize| (i * 37 % 101) as f64;
    // One bad value each, in row 250: of the numeric target, of the weight.
    for (bad, shown) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (-1.0, "-1")] {
        for column in ["y", "w"] {
            if column == "y" && bad == -1.0 {
                continue; // a fine target
            }
            let values = |name, plain: fn(f64) -> f64| {
                let bad_here = move |i: usize| name == column && i == 250;
                floats((0..rows).map(move |i| if bad_here(i) { bad } else { plain(good(i)) }))
            };
            let x = floats((0..rows).map(|i| good(i + 5)));
            let data = table(vec![("x", x), ("y", values("y", |v| v)), ("w", values("w", |v| v + 1.0))]);
            folder.table_in_pieces("a.parquet", &data, 100);
            folder.table("a.csv", &data);
            let place = format!("a.parquet, row group 2, row 50, column `{column}`");
            let error = folder.fails(1, "train a.parquet --target y --weight w -o m");
            says(&error, &[&place, shown, "finite", "--on-error skip"]);
            let error = folder.fails(1, "train a.csv --target y --weight w -o m");
            says(&error, &[&format!("a.csv, line 252, column `{column}`"), shown, "--on-error skip"]);
            for file in ["a.parquet", "a.csv"] {
                let skip = "--target y --weight w -o m --on-error skip --quiet --summary -";
                let summary = folder.summary(&format!("train {file} {skip}"));
                assert_eq!(summary["rows"], 300);
                assert_eq!(summary["skipped"]["rows"], 1);
                let reasons = summary["skipped"]["reasons"].as_object().unwrap();
                assert_eq!(reasons.values().filter_map(|n| n.as_u64()).sum::<u64>(), 1);
                assert_eq!(summary["progressive"]["rows"], 299);
                std::fs::remove_file(folder.path("m")).unwrap();
            }
        }
    }
}

#[test]
fn features_that_are_not_finite_count_as_missing_and_the_model_stays_finite() {
    let folder = Folder::new();
    let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 1e300, f64::MIN_POSITIVE];
    let mut x: Vec<f64> = (0..2000).map(|i| f64::from(i * 37 % 101)).collect();
    for (i, value) in special.iter().cycle().take(60).enumerate() {
        x[i * 33] = *value;
    }
    let y = booleans(x.iter().map(|x| *x > 50.0));
    let clean = floats((0..2000).map(|i| f64::from(i % 11)));
    folder.table("a.parquet", &table(vec![("x", floats(x)), ("clean", clean), ("y", y)]));
    for options in ["", "--scale none", "--optimizer sgd", "--optimizer rmsprop --epochs 2"] {
        let summary =
            folder.summary(&format!("train a.parquet --target y -o m --quiet --summary - {options}"));
        assert!(summary["progressive"]["log_loss"].as_f64().unwrap().is_finite());
        // JSON has no NaN: a weight that is not finite would be null.
        for feature in folder.summary("inspect m --json")["features"].as_array().unwrap() {
            assert!(feature["weight"].is_f64(), "{options}: {feature}");
        }
    }
    let plan = folder.summary("plan a.parquet --target y --json");
    let column = plan["columns"].as_array().unwrap().iter().find(|c| c["name"] == "x").unwrap().clone();
    assert!(column["missing"].as_f64().unwrap() >= 30.0 / 2000.0, "{column}");
}

#[test]
fn text_in_a_column_of_numbers_is_named_with_its_line() {
    let folder = folder_with_model();
    with_line(&folder, "many,k1,1,0");
    let error = folder.fails(1, "evaluate b.csv --model m");
    says(&error, &["b.csv, line 402, column `size`", "\"many\"", "number", "--type"]);
    // A sample can't see every line of a larger file.
    let mut text = "x,y\n".to_string();
    for i in 0..400_000u32 {
        let x = if i == 170_001 { "oops".to_string() } else { (i % 1000).to_string() };
        text.push_str(&format!("{x},{}\n", u8::from(i % 1000 > 400)));
    }
    folder.write("large.csv", text);
    let error = folder.fails(1, "train large.csv --target y -o new");
    says(&error, &["large.csv, line 170003, column `x`", "\"oops\"", "number", "--type"]);
    folder.ok("train large.csv --target y -o new --type x=text --quiet");
    // In the target it is no class, which a row filter meets, and spaces are no matter.
    let text = folder.read("large.csv").replace("oops,", "1,oops");
    folder.write("large.csv", text.replacen(",0\n", ", 0\n", 99));
    let error = folder.fails(1, "train large.csv --target y -o newer");
    says(&error, &["large.csv, line 170003, column `y`", "expected \"0\" or \"1\"", "--on-error skip"]);
    let summary = folder.summary("train large.csv --target y -o new --on-error skip --quiet --summary -");
    assert_eq!((summary["rows"].as_u64(), summary["skipped"]["rows"].as_u64()), (Some(400_000), Some(1)));
    with_line(&folder, "1,2");
    let error = folder.fails(1, "evaluate b.csv --model m");
    says(&error, &["b.csv, line 402", "2 cells", "4 cells"]);
}

#[test]
fn damaged_files_are_errors_that_name_them() {
    let folder = Folder::new();
    let data = clicks(3000, 1);
    for name in ["a.parquet", "a.arrow"] {
        folder.table_in_pieces(name, &data, 500);
        let whole = std::fs::read(folder.path(name)).unwrap();
        let cut = format!("cut.{}", name.trim_start_matches("a."));
        for keep in [5, 9, 13, whole.len() / 2, whole.len() - 1] {
            folder.write(&cut, &whole[..keep]);
            let error = folder.fails(1, &format!("train {cut} --target click -o m"));
            says(&error, &[&cut, "again"]);
        }
        // Bytes in the middle overwritten: decoded to other values, or an error, never a crash.
        let broken = cut.replace("cut", "broken");
        for at in (100..whole.len()).step_by(whole.len() / 8) {
            let mut bytes = whole.clone();
            bytes[at..(at + 40).min(whole.len())].fill(0xab);
            folder.write(&broken, bytes);
            let run = folder.run(&format!("train {broken} --target click -o broken.model --quiet"));
            assert!(run.output.status.code().is_some_and(|code| code != 101), "{}", run.err());
            assert!(!run.err().contains("panicked"), "{}", run.err());
        }
    }
    folder.write("garbage.parquet", "no parquet at all\n".repeat(100));
    folder.write("zeros.csv", [0; 1000]);
    says(&folder.fails(1, "train garbage.parquet --target y -o m"), &["garbage.parquet", "not a Parquet"]);
    says(&folder.fails(1, "train zeros.csv --target y -o m"), &["zeros.csv", "damaged"]);
}

#[test]
fn encrypted_parquet_is_refused() {
    let name = "parquet-testing/data/encrypt_columns_and_footer.parquet.encrypted";
    let Some(path) = shared(name) else { return };
    let folder = Folder::new();
    let error = folder.fails(1, &format!("train {} --target float_field -o m", path.display()));
    says(&error, &["encrypt_columns_and_footer.parquet", "encrypted", "decrypt it first"]);
}

#[test]
fn files_that_disagree_are_named_with_the_column() {
    let folder = Folder::new();
    let y = || integers((0..40).map(|i| i % 2));
    let numbers = || floats((0..40).map(|i| f64::from(i % 7)));
    folder.table("d/1.parquet", &table(vec![("x", numbers()), ("y", y())]));
    folder.table("d/2.parquet", &table(vec![("x", texts((0..40).map(|i| i.to_string()))), ("y", y())]));
    let error = folder.fails(1, "train d --target y -o m");
    says(&error, &["column `x`", "Float64 in d/1.parquet", "Utf8 in d/2.parquet", "one schema"]);
    // Wider numbers, another order, and columns that only some files have are fine.
    folder.table("d/2.parquet", &table(vec![("y", y()), ("x", integers(0..40)), ("new", numbers())]));
    folder.table("d/3.arrow", &table(vec![("y", y())]));
    folder.write("d/4.csv", "y,x\n1,2.5\n0,\n");
    let summary = folder.summary("train d --target y -o m --quiet --summary -");
    assert_eq!(summary["rows"], 122);
    let missing = |column: &str| {
        let plan = summary["plan"].as_array().unwrap();
        plan.iter().find(|c| c["column"] == column).unwrap()["missing"].as_f64().unwrap()
    };
    assert!((missing("x") - 41.0 / 122.0).abs() < 1e-9 && (missing("new") - 82.0 / 122.0).abs() < 1e-9);
    // Where a column can't be null, a file without it is an error.
    let strict = arrow::array::RecordBatch::try_from_iter([("x", numbers()), ("y", y())]).unwrap();
    folder.table("d/1.parquet", &strict);
    let error = folder.fails(1, "train d/1.parquet d/3.arrow --target y -o n");
    says(&error, &["column `x`", "d/1.parquet", "d/3.arrow"]);
}

#[test]
fn outputs_that_cannot_be_written_are_refused_before_the_work() {
    let folder = folder_with_model();
    std::fs::create_dir(folder.path("d")).unwrap();
    for (command, option) in [
        ("train a.csv --target sold", "-o"),
        ("predict a.csv --model m", "-o"),
        ("train a.csv --target sold -o new", "--summary"),
        ("evaluate a.csv --model m", "--summary"),
        ("predict a.csv --model m", "--summary"),
    ] {
        let error = folder.fails(2, &format!("{command} {option} no/p.csv"));
        says(&error, &["can't write no/p.csv", "there is no folder no"]);
        std::fs::create_dir(folder.path("d.csv")).unwrap();
        says(&folder.fails(2, &format!("{command} {option} d.csv")), &["d.csv", "it is a folder"]);
        std::fs::remove_dir(folder.path("d.csv")).unwrap();
    }
    let error = folder.fails(2, "predict a.csv --model m -o p.xlsx");
    says(&error, &["p.xlsx", ".parquet, .csv, .tsv, .arrow, .json or .jsonl"]);
}

#[test]
fn a_failed_run_leaves_what_stood_there_before() {
    let folder = folder_with_model();
    let model = std::fs::read(folder.path("m")).unwrap();
    folder.write("p.csv", "precious");
    with_line(&folder, "many,k1,1,0");
    folder.fails(1, "predict b.csv --model m -o p.csv");
    folder.fails(1, "train b.csv --target size --loss squared -o m");
    assert_eq!(folder.read("p.csv"), "precious");
    assert_eq!(std::fs::read(folder.path("m")).unwrap(), model);
}

#[test]
fn a_run_that_diverges_names_the_column_and_the_remedy() {
    let folder = Folder::new();
    let big = |i: usize| (i * 37 % 1009) as f64;
    let data = table(vec![
        ("small", floats((0..3000).map(|i| big(i + 1) / 1e4))),
        ("big", floats((0..3000).map(big))),
        ("y", floats((0..3000).map(|i| 3.0 * big(i)))),
    ]);
    folder.table("a.parquet", &data);
    let options = "--target y --optimizer sgd --learning-rate 1e6 --loss squared --scale none -o m";
    let error = folder.fails(1, &format!("train a.parquet {options}"));
    says(&error, &["no longer finite", "column `big`", "smaller --learning-rate"]);
}

#[test]
fn a_budget_that_cannot_work_is_refused_with_the_smallest_that_can() {
    let folder = folder_with_model();
    for command in [
        "train a.csv --target sold -o new",
        "train a.csv --target sold -o new --shuffle none",
        "train a.csv --target sold -o new --epochs 2",
        "plan a.csv --target sold",
        "evaluate a.csv --model m",
        "predict a.csv --model m -o p.csv",
    ] {
        let error = folder.fails(2, &format!("{command} --memory 10MB"));
        says(&error, &["--memory 10MB is too little", "give at least"]);
        assert_eq!(
            error.contains("--shuffle none"),
            command.contains("epochs") || command.ends_with("-o new")
        );
        let size = error.split("at least ").nth(1).unwrap().split([',', ' ']).next().unwrap();
        folder.ok(&format!("{command} --memory {size}"));
        for made in ["new", "p.csv"] {
            let _ = std::fs::remove_file(folder.path(made));
        }
        let megabytes: usize = size.trim_end_matches("MB").parse().unwrap();
        folder.fails(2, &format!("{command} --memory {}MB", megabytes - 1));
    }
}

#[test]
fn models_that_are_damaged_or_none_at_all_are_errors() {
    let folder = folder_with_model();
    let model = std::fs::read(folder.path("m")).unwrap();
    for keep in [0, 7, 20, model.len() / 2, model.len() - 1] {
        folder.write("bad", &model[..keep]);
        let error = folder.fails(1, "evaluate a.csv --model bad");
        says(&error, &["bad", "not a model of millstream", "millstream train"]);
    }
    says(&folder.fails(1, "inspect a.csv"), &["a.csv", "not a model of millstream"]);
    // Another program's safetensors, with one tensor and no plan.
    let header = br#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}  "#;
    let other = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 4]].concat();
    folder.write("other.safetensors", other);
    says(&folder.fails(1, "inspect other.safetensors"), &["other.safetensors", "no plan"]);
    // Of the bytes, not of a text made of them: the header's length need not be one.
    let version = model.windows(7).position(|window| window == b"version").unwrap();
    let later = version + r#"version\":"#.len();
    let mut bytes = model.clone();
    bytes[later] = b'9';
    folder.write("later", bytes);
    says(&folder.fails(1, "inspect later"), &["version 9", "train again"]);
}

#[test]
fn data_without_columns_that_the_model_uses_is_scored_with_a_warning() {
    let folder = folder_with_model();
    folder.write("part.csv", "size,sold\n1,0\n2,1\n");
    let run = folder.ok("predict part.csv --model m");
    says(&run.err(), &["lacks columns", "kind"]);
    assert_eq!(run.out().lines().count(), 3);
    says(&folder.ok("evaluate part.csv --model m").err(), &["lacks columns", "kind"]);
    folder.write("blind.csv", "size,kind\n1,k1\n");
    says(&folder.fails(2, "evaluate blind.csv --model m"), &["no column `sold`", "predict"]);
    folder.ok("predict blind.csv --model m");
}
