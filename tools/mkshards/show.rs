//! What a conversion has to say at its end.

use indicatif::HumanCount;
use millstream::convert::{ConvertConfig, Summary};

/// A few lines for people.
pub(crate) fn outcome(summary: &Summary, config: &ConvertConfig) -> String {
    let mut text = String::new();
    for part in &summary.parts {
        let folder = config.output.join(&part.folder);
        text.push_str(&format!(
            "{}: {} rows in {} {}, {}\n",
            folder.display(),
            HumanCount(part.rows),
            part.shards,
            if part.shards == 1 { "shard" } else { "shards" },
            megabytes(part.bytes),
        ));
    }
    let left_out = [
        (summary.filtered, "left out by --where"),
        (summary.duplicates, "left out as duplicates"),
        (summary.rejects, "rejected"),
    ];
    for (rows, why) in left_out.into_iter().filter(|(rows, _)| *rows > 0) {
        text.push_str(&format!("{} rows {why}", HumanCount(rows)));
        match (&config.rejects, why) {
            (Some(path), "rejected") => text.push_str(&format!(", see {}\n", path.display())),
            _ => text.push('\n'),
        }
    }
    text.push_str(&format!(
        "read {} rows, {} in {:.1} s: {}/s on {} {}\n",
        HumanCount(summary.rows_read),
        megabytes(summary.bytes_read),
        summary.seconds,
        megabytes(summary.bytes_per_second as u64),
        summary.threads,
        if summary.threads == 1 { "thread" } else { "threads" },
    ));
    text
}

fn megabytes(bytes: u64) -> String {
    match bytes {
        0..100_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        100_000..10_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
