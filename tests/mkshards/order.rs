//! Orders and divisions of rows.

use std::collections::{BTreeMap, HashSet};

use crate::common::{Folder, clicks, says};
use crate::shards::{bytes, names, rows};

/// A table of `count` numbered rows.
fn numbered(folder: &Folder, count: usize) {
    let line = |i: usize| format!("{i},{},{}\n", i % 7, ["x", "y", "z"][i * i % 3]);
    folder.write("n.csv", format!("id,week,kind\n{}", (0..count).map(line).collect::<String>()));
}

fn ids(folder: &Folder, shards: &str) -> Vec<usize> {
    rows(folder, shards).iter().map(|row| row[0].parse().unwrap()).collect()
}

#[test]
fn any_number_of_threads_and_any_memory_give_the_same_bytes() {
    let folder = Folder::new();
    folder.table("t.csv", &clicks(20_000, 3));
    for options in
        ["", "--shuffle", "--sort-by city,age", "--split 0.7,0.3 --shuffle", "--dedup --split 0.5,0.5"]
    {
        let convert = |name: &str, more: &str| {
            folder.mkshards(&format!("t.csv -o {name} --overwrite --shard-size 64KB {options} {more}"));
            let parts: Vec<String> = match options.contains("--split") {
                true => vec![format!("{name}/train"), format!("{name}/test")],
                false => vec![name.to_string()],
            };
            parts.iter().flat_map(|part| bytes(&folder, part)).collect::<Vec<_>>()
        };
        let one = convert("one", "--threads 1");
        assert!(one.len() > 4, "{options}: {} shards", one.len());
        assert!(one == convert("two", "--threads 2"), "{options}");
        assert!(one == convert("eight", "--threads 8 --memory 200MB"), "{options}");
        assert!(
            options.is_empty() || options == "--sort-by city,age" || one != convert("x", "--seed 2"),
            "{options}"
        );
    }
}

#[test]
fn a_shuffle_is_uniform() {
    let folder = Folder::new();
    numbered(&folder, 4000);
    // 250 marked rows that stand together, and where 64 shuffles put them: 16,000 places in 20 bins.
    let mut bins = [0u32; 20];
    let mut neighbours = 0;
    for seed in 0..64 {
        folder.mkshards(&format!("n.csv -o out --overwrite --shuffle --shard-size 8KB --seed {seed}"));
        let ids = ids(&folder, "out");
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 4000);
        for (place, id) in ids.iter().enumerate() {
            bins[place / 200] += u32::from((1000..1250).contains(id));
        }
        neighbours += ids.windows(2).filter(|pair| pair[1] == pair[0] + 1).count();
    }
    assert!(names(&folder, "out").len() > 3);
    let expected = 16_000.0 / 20.0;
    let chi_square: f64 = bins.iter().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum();
    // With 19 degrees of freedom 43.8 is exceeded once in a thousand times.
    assert!(chi_square < 43.8, "{chi_square}: {bins:?}");
    // About one pair in each order follows one another by chance: 64 of them, give or take 8 each.
    assert!((32..100).contains(&neighbours), "{neighbours}");
}

#[test]
fn rows_are_sorted_stably_however_uneven_the_keys() {
    let folder = Folder::new();
    numbered(&folder, 20_000);
    folder.mkshards("n.csv -o out --sort-by week --shard-size 16KB");
    let sorted = rows(&folder, "out");
    let mut expected: Vec<(usize, usize)> = (0..20_000).map(|i| (i % 7, i)).collect();
    expected.sort();
    let found: Vec<(usize, usize)> =
        sorted.iter().map(|row| (row[1].parse().unwrap(), row[0].parse().unwrap())).collect();
    assert_eq!(found, expected);
    // A compressed file, of which only the beginning can be sampled, in descending order.
    let text: String = (0..30_000).map(|i| format!("{},{}\n", 30_000 - i, i % 10)).collect();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gz, format!("id,x\n{text}").as_bytes()).unwrap();
    folder.write("d.csv.gz", gz.finish().unwrap());
    folder.mkshards("d.csv.gz -o down --sort-by id --shard-size 16KB");
    assert_eq!(ids(&folder, "down"), (1..=30_000).collect::<Vec<_>>());
    says(&folder.mkshards_fails(2, "n.csv -o x --sort-by day"), &["no column `day`"]);
}

#[test]
fn rows_are_divided_by_their_shares_and_equal_ones_stay_together() {
    let folder = Folder::new();
    numbered(&folder, 20_000);
    let summary = folder.mkshards("n.csv -o out --split 0.8,0.1,0.1");
    let parts = ["train", "valid", "test"];
    assert_eq!(folder.names(), ["n.csv", "out"]);
    let mut all = Vec::new();
    for (index, (part, share)) in parts.iter().zip([0.8, 0.1, 0.1]).enumerate() {
        let ids = ids(&folder, &format!("out/{part}"));
        let expected = share * 20_000.0;
        assert!((ids.len() as f64 - expected).abs() < 4.0 * (20_000.0 * share * (1.0 - share)).sqrt());
        assert!(ids.is_sorted(), "rows stay in their order");
        assert_eq!(summary["parts"][index]["rows"], ids.len());
        all.extend(ids);
    }
    all.sort();
    assert_eq!(all, (0..20_000).collect::<Vec<_>>());
    folder.mkshards("n.csv -o by --split fit=0.5,check=0.5 --split-by week");
    let mut parts_of: BTreeMap<String, HashSet<&str>> = BTreeMap::new();
    for part in ["fit", "check"] {
        for row in rows(&folder, &format!("by/{part}")) {
            parts_of.entry(row[1].clone()).or_default().insert(part);
        }
    }
    assert_eq!(parts_of.len(), 7);
    assert!(parts_of.values().all(|parts| parts.len() == 1), "{parts_of:?}");
    let error = folder.mkshards_fails(2, "n.csv -o x --split 0.8,0.1");
    says(&error, &["add up to", "0.8,0.1,0.1"]);
}
