//! Which rows are there more than once: found by their hashes, which are scattered to files by range
//! and sorted file by file, so that memory is bounded however many rows there are. What remains in
//! memory is a bit for each row of a lot that holds such rows.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use arrow::array::BooleanArray;

use super::buckets::remove_folder;
use super::lots::{Lots, Reader};
use crate::error::{Error, Result};
use crate::input::hash_rows;
use crate::pipeline::in_order;

/// The rows to leave out, as bits, lot by lot.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    lots: HashMap<u64, Vec<u64>>,
    /// How many rows they are.
    pub(super) count: u64,
}

impl Repeats {
    /// Which of `rows` rows of a lot, from its row `first` on, to keep; `None` for all of them.
    pub(super) fn keeps(&self, lot: u64, first: u64, rows: usize) -> Option<BooleanArray> {
        let bits = self.lots.get(&lot)?;
        let is_repeat =
            |row: u64| bits.get((row / 64) as usize).is_some_and(|word| word >> (row % 64) & 1 == 1);
        Some((first..first + rows as u64).map(|row| Some(!is_repeat(row))).collect())
    }

    fn mark(&mut self, lot: u64, row: u64) {
        let bits = self.lots.entry(lot).or_default();
        let word = (row / 64) as usize;
        if bits.len() <= word {
            bits.resize(word + 1, 0);
        }
        bits[word] |= 1 << (row % 64);
        self.count += 1;
    }
}

/// A row: its hash, its lot, and its place there.
type Entry = (u128, u64, u64);
const ENTRY: usize = 32;

/// Hashes of one file, about.
const ENTRIES: u64 = 1 << 20;
const MOST_FILES: u64 = 1 << 10;

/// Reads all lots once, and finds the rows that equal an earlier one. `rows` is about how many there are.
pub(super) fn find_repeats(
    reader: &Reader<'_>,
    mut lots: Lots,
    folder: &Path,
    rows: u64,
    threads: usize,
    stop: &AtomicBool,
) -> Result<Repeats> {
    let files = rows.div_ceil(ENTRIES).clamp(1, MOST_FILES) as usize;
    // A run that was killed may have left hashes: with them every row would seem to be there twice.
    remove_folder(folder)?;
    fs::create_dir_all(folder).map_err(|e| Error::io("can't write", folder, &e))?;
    let paths: Vec<Mutex<PathBuf>> =
        (0..files).map(|number| Mutex::new(folder.join(format!("hashes-{number:04}")))).collect();
    in_order(
        threads,
        stop,
        || lots.next(),
        |lot, give_up| {
            let mut entries: Vec<Vec<u8>> = vec![Vec::new(); files];
            reader.read(&lot, give_up, |prepared, first| {
                for (row, hash) in (first..).zip(hash_rows(&prepared.batch)?) {
                    let entries = &mut entries[(((hash >> 64) * files as u128) >> 64) as usize];
                    entries.extend(hash.to_le_bytes());
                    entries.extend(lot.id.to_le_bytes());
                    entries.extend(row.to_le_bytes());
                }
                Ok(())
            })?;
            for (path, entries) in paths.iter().zip(&entries).filter(|(_, entries)| !entries.is_empty()) {
                let path = path.lock().unwrap_or_else(PoisonError::into_inner);
                let write = || OpenOptions::new().create(true).append(true).open(&*path)?.write_all(entries);
                write().map_err(|e| Error::io("can't write", &path, &e))?;
            }
            Ok(())
        },
        |()| Ok(()),
    )?;
    let mut repeats = Repeats::default();
    let mut next = 0..files;
    let find = |number: usize, _: &AtomicBool| {
        let path = paths[number].lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries = read_entries(&path)?;
        entries.sort_unstable();
        let repeats = entries.windows(2).filter(|pair| pair[0].0 == pair[1].0);
        Ok(repeats.map(|pair| (pair[1].1, pair[1].2)).collect::<Vec<_>>())
    };
    in_order(
        threads,
        stop,
        || next.next(),
        find,
        |found| {
            found.into_iter().for_each(|(lot, row)| repeats.mark(lot, row));
            Ok(())
        },
    )?;
    fs::remove_dir_all(folder).map_err(|e| Error::io("can't remove", folder, &e))?;
    Ok(repeats)
}

fn read_entries(path: &Path) -> Result<Vec<Entry>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
    read.map_err(|e| Error::io("can't read", path, &e))?;
    let (entries, _) = bytes.as_chunks::<ENTRY>();
    Ok(entries
        .iter()
        .map(|entry| {
            let (hash, rest) =
                entry.as_chunks::<16>().0.split_first().map_or(([0; 16], [0; 16]), |(a, b)| (*a, b[0]));
            let halves = rest.as_chunks::<8>().0;
            (u128::from_le_bytes(hash), u64::from_le_bytes(halves[0]), u64::from_le_bytes(halves[1]))
        })
        .collect())
}
