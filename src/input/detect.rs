//! Which format of text a file has, told from its first lines, then from its name.

use std::path::Path;

use super::lines::TextFile;
use super::options::{ReadOptions, TextFormat};
use super::{json, libsvm, vw};
use crate::error::Result;

/// Bytes of text that are looked at.
const HEAD: usize = 64 << 10;

/// The format of the text file at `path`, which the user calls `name`.
pub(super) fn text_format(path: &Path, name: &Path, options: &ReadOptions) -> Result<TextFormat> {
    if let Some(format) = options.format {
        return Ok(format);
    }
    // Only tables of cells have a delimiter.
    if options.delimiter.is_some() {
        return Ok(TextFormat::Csv);
    }
    let head = TextFile::open(path)?.head(HEAD)?;
    Ok(by_content(&head).or_else(|| by_name(name)).unwrap_or(TextFormat::Csv))
}

/// The format of a text that begins so, if that leaves no doubt. Anything can be a table of cells.
fn by_content(head: &[u8]) -> Option<TextFormat> {
    if json::looks_like(head) {
        return Some(TextFormat::JsonLines);
    }
    let mut head = head;
    if head.len() == HEAD {
        // The last line may be cut off; where it is the only one, its last word.
        let is_break = |byte: &u8| *byte == b'\n';
        let end = head.iter().rposition(is_break).or_else(|| head.iter().rposition(|byte| *byte == b' '));
        head = &head[..end.unwrap_or(head.len())];
    }
    let lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let lines: Vec<&[u8]> = lines.filter(|line| !line.trim_ascii().is_empty()).collect();
    if libsvm::looks_like(&lines) {
        Some(TextFormat::Libsvm)
    } else if vw::looks_like(&lines) {
        Some(TextFormat::Vw)
    } else {
        None
    }
}

fn by_name(name: &Path) -> Option<TextFormat> {
    let name = name.file_name()?.to_string_lossy().to_ascii_lowercase();
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    match name.rsplit_once('.')?.1 {
        "libsvm" | "svm" | "svmlight" => Some(TextFormat::Libsvm),
        "vw" => Some(TextFormat::Vw),
        "jsonl" | "ndjson" | "json" => Some(TextFormat::JsonLines),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::input::lines::testing::gzip;

    fn format(name: &str, bytes: &[u8]) -> Option<TextFormat> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let found = text_format(&path, &path, &ReadOptions::default()).unwrap();
        Some(found).filter(|found| *found != TextFormat::Csv)
    }

    #[test]
    fn the_first_lines_tell() {
        let (libsvm, vw, json) =
            (Some(TextFormat::Libsvm), Some(TextFormat::Vw), Some(TextFormat::JsonLines));
        let long = format!("1{}", (1..20_000).map(|i| format!(" {i}:0.5")).collect::<String>());
        for (text, expected) in [
            ("-1 \n-1 41:1 54:1\n", libsvm),
            ("# made by hand\n+1 qid:3 1:0.5 # x\r\n\n", libsvm),
            ("1,3 1:1\n 2:1\n", libsvm),
            (&long, libsvm),
            ("12:30\n13:45\n", None),
            ("5\n7\n", None),
            ("1 1:2 x\n", None),
            ("1 |f a b:2\n0 |f c\n", vw),
            ("a|b\n1|x y\n", None),
            ("{\"a\": 1}\n", json),
            ("\u{feff} { }\n", json),
            ("[{\"a\": 1}]", json),
            ("{a},b\n1,2\n", None),
            ("[x],b\n1,2\n", None),
            ("a,b\n1,2\n", None),
            ("", None),
        ] {
            assert_eq!(format("x", text.as_bytes()), expected, "{}", &text[..text.len().min(40)]);
            assert_eq!(format("x.txt.gz", &gzip(text.as_bytes())), expected);
        }
    }

    #[test]
    fn the_name_tells_where_the_lines_do_not() {
        assert_eq!(format("x.SVM.gz", &gzip(b"1\n2\n")), Some(TextFormat::Libsvm));
        assert_eq!(format("x.vw", b"x|y\n"), Some(TextFormat::Vw));
        assert_eq!(format("x.ndjson", b"oops\n"), Some(TextFormat::JsonLines));
        assert_eq!(format("x.json", b"1 1:1\n"), Some(TextFormat::Libsvm));
    }

    #[test]
    fn what_the_user_says_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.vw");
        fs::write(&path, "1 |f a\n").unwrap();
        let told = |options| text_format(&path, &path, &options).unwrap();
        let format = Some(TextFormat::Libsvm);
        assert_eq!(told(ReadOptions { format, ..ReadOptions::default() }), TextFormat::Libsvm);
        let delimiter = Some(b'|');
        assert_eq!(told(ReadOptions { delimiter, ..ReadOptions::default() }), TextFormat::Csv);
    }
}
