//! Ugly files.
use super::rejects::sorted;
use super::*;

fn outcome(bytes: &[u8], options: &ReadOptions, split_bytes: Option<u64>) -> String {
    let file = file(bytes);
    let name = file.path().display().to_string();
    let sentence = |error: crate::error::Error| {
        let message = error.to_string();
        let message = message.strip_prefix(&name).unwrap_or(&message).trim_start_matches([',', ':', ' ']);
        format!("error: {}", message.split("; ").next().unwrap_or_default())
    };
    let mut source = match CsvSource::open(file.path(), options) {
        Ok(source) => source,
        Err(error) => return sentence(error),
    };
    source.split_bytes = split_bytes.unwrap_or(source.split_bytes);
    let schema: Vec<String> =
        types(&source).into_iter().map(|(name, data_type)| format!("{name} {data_type}")).collect();
    match sorted(&source, every_column(&source, ReadAs::Native, 3)) {
        Ok((rows, rejects)) => {
            let rows = rows.iter().map(|row| format!("\n{}", row.join("|")));
            let rejects = rejects.iter().map(|(message, text)| format!("\n! {message} <- {text}"));
            format!("{}{}", schema.join(", "), rows.chain(rejects).collect::<String>())
        }
        Err(error) => sentence(error),
    }
}
include!("ugly_cases.rs");
