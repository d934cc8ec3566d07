//! Ugly tables, end to end: whatever the bytes, a conversion ends with shards, with rejects that say why, or with a
//! sentence. (What becomes of each of a hundred ugly files, value by value, is tested where CSV is read.)

use crate::common::{Folder, Random};
use crate::shards::rows;

/// Runs a conversion that may fail; returns the rows and the rejects if it did not.
fn convert(folder: &Folder, input: &str) -> Option<(Vec<Vec<String>>, usize)> {
    let options = format!("{input} -o out --overwrite --rejects r.csv --max-rejects 100000 --quiet");
    let output = folder.mkshards_command(&options).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!error.contains("panicked") && !error.contains("gave up"), "{input}: {error}");
    match output.status.code() {
        Some(0) => {
            assert_eq!(error, "", "{input}");
            let rejects = folder.read("r.csv");
            assert!(rejects.starts_with("file,line,row,column,reason,text\n"));
            Some((rows(folder, "out"), folder.json("out/_schema.json")["rows"].as_u64().unwrap() as usize))
        }
        Some(1) => {
            assert_eq!(error.lines().count(), 1, "{input}: {error}");
            assert!(error.starts_with("mkshards: ") && error.len() > 30, "{input}: {error}");
            assert!(!folder.path("out/.mkshards").exists());
            None
        }
        other => panic!("{input}: exit code {other:?}: {error}"),
    }
}

#[test]
fn tables_with_damage_convert_or_say_why_not() {
    let folder = Folder::new();
    let mut random = Random(17);
    let (mut converted, mut refused) = (0, 0);
    for round in 0..120 {
        let count = 20 + random.below(300) as usize;
        let mut lines: Vec<Vec<u8>> = (0..count)
            .map(|i| format!("{i},{}.5,\"te\"\"xt {}\",k{}", i % 10, i % 3, i % 4).into_bytes())
            .collect();
        lines.insert(0, b"id,score,text,kind".to_vec());
        let undamaged = lines.clone();
        for _ in 0..1 + random.below(4) {
            let line = random.below(lines.len() as u64) as usize;
            let at = random.below(1 + lines[line].len() as u64) as usize;
            let ugly: &[u8] = match random.below(12) {
                0 => b"\"",
                1 => b",",
                2 => b"\n",
                3 => b"\r",
                4 => b"\0",
                5 => b"\xff\xfe",
                6 => b"1e400",
                7 => b"99999999999999999999999",
                8 => b"\"\"",
                9 => b"\r\n\r\n",
                10 => b"NaN",
                _ => "é".as_bytes(),
            };
            lines[line].splice(at..at, ugly.iter().copied());
        }
        let end: &[u8] = if round % 2 == 0 { b"\n" } else { b"\r\n" };
        let text: Vec<u8> = lines.iter().flat_map(|line| [line, end].concat()).collect();
        folder.write("t.csv", &text);
        match convert(&folder, "t.csv") {
            None => refused += 1,
            Some((rows, counted)) => {
                converted += 1;
                assert_eq!(rows.len(), counted);
                // No row may come out that is neither a line of the table nor one that was damaged.
                if lines[0] == undamaged[0] {
                    let damaged = lines.iter().zip(&undamaged).filter(|(a, b)| a != b).count();
                    let cells = |line: &Vec<u8>| -> Vec<String> {
                        let line = String::from_utf8_lossy(line);
                        let cells =
                            line.split(',').map(|cell| cell.replace("\"\"", "\u{1}").replace('"', ""));
                        cells.map(|cell| cell.replace('\u{1}', "\"")).collect()
                    };
                    // One damaged cell can make whole numbers of a column floats, or all of it text.
                    let alike = |a: &String, b: &String| a == b || a.parse::<f64>().ok() == b.parse().ok();
                    let known = |row: &&Vec<String>| {
                        undamaged.iter().any(|line| row.iter().zip(&cells(line)).all(|(a, b)| alike(a, b)))
                    };
                    let odd = rows.iter().filter(|row| !known(row)).count();
                    // A line break within a line makes two of it.
                    assert!(odd <= 2 * damaged, "{odd} of {damaged}: {:?}", rows.last());
                    assert!(rows.len() + 2 * damaged + 1 >= count, "{} of {count}", rows.len());
                }
            }
        }
    }
    assert!(converted > 60, "{converted} converted, {refused} refused");
}

#[test]
fn text_formats_with_damage_convert_or_say_why_not() {
    let folder = Folder::new();
    let mut random = Random(23);
    let line = |format: &str, i: usize| match format {
        "t.libsvm" => format!("{} 1:{}.5 {}:1\n", i % 2, i % 7, 2 + i % 50),
        "t.vw" => format!("{} |a x:{} y{} |b z\n", i % 2, i % 5, i % 9),
        _ => format!("{{\"id\":{i},\"user\":{{\"name\":\"n{}\"}},\"tags\":[\"a\",\"b\"]}}\n", i % 3),
    };
    for format in ["t.libsvm", "t.vw", "t.jsonl"] {
        let mut converted = 0;
        for _ in 0..40 {
            let mut text: Vec<u8> = (0..200).flat_map(|i| line(format, i).into_bytes()).collect();
            for _ in 0..1 + random.below(3) {
                let at = random.below(text.len() as u64) as usize;
                match random.below(3) {
                    0 => text[at] = random.below(256) as u8,
                    1 => drop(text.remove(at)),
                    _ => text.insert(at, b"\":|{}[],\n\0"[random.below(10) as usize]),
                }
            }
            folder.write(format, &text);
            if let Some((rows, counted)) = convert(&folder, format) {
                assert_eq!(rows.len(), counted);
                assert!(rows.len() > 150, "{format}: {}", rows.len());
                converted += 1;
            }
        }
        assert!(converted > 20, "{format}: {converted}");
    }
}
