//! Just enough of Thrift's compact protocol to read the headers of pages, and to tell of a Parquet file's footer what the
//! parquet crate does not: whether columns are encrypted (it passes over that, and then finds only noise), and whether its schema
//! claims what can't be (it makes room for it).

use std::path::Path;

use crate::input::disk::{Access, DiskFile};

/// The field of Parquet's `FileMetaData` that names the cipher.
const ENCRYPTION_ALGORITHM: i64 = 8;
/// The field that holds the schema's elements, and that of an element which tells its members.
const SCHEMA: i64 = 2;
const MEMBERS: i64 = 5;
/// Longer footers are not looked at to their end (their schema comes first), nor structures that are nested deeper.
const LONGEST: u64 = 256 << 20;
const LONGEST_SCHEMA: u64 = 8 << 20;
const DEEPEST: usize = 64;

/// Whether the footer, which itself is not encrypted, says that columns are.
pub(super) fn has_encrypted_columns(path: &Path) -> bool {
    let footer = DiskFile::open(path, Access::default()).ok().and_then(|file| footer(&file, LONGEST));
    footer.is_some_and(|bytes| has_field(&bytes, ENCRYPTION_ALGORITHM))
}

/// Whether a group of the footer's schema claims to have more members than the schema has elements.
pub(super) fn has_impossible_groups(file: &DiskFile) -> bool {
    footer(file, LONGEST_SCHEMA)
        .is_some_and(|bytes| most_members(&bytes).is_some_and(|(most, all)| most > all))
}

/// The first bytes of a file's footer, `most` of them at the most; `None` where there is none.
fn footer(file: &DiskFile, most: u64) -> Option<Vec<u8>> {
    let len = file.len();
    let mut trailer = [0; 8];
    file.read_exact_at(&mut trailer, len.checked_sub(8)?).ok()?;
    let footer = u64::from(u32::from_le_bytes(*trailer.first_chunk()?));
    let start = (len - 8).checked_sub(footer)?;
    let mut bytes = vec![0; footer.min(most) as usize];
    file.read_exact_at(&mut bytes, start).ok()?;
    Some(bytes)
}

/// The most members that an element of the footer's schema claims to have, and how many elements there are.
fn most_members(footer: &[u8]) -> Option<(i64, i64)> {
    let (mut reader, mut id) = (Reader { bytes: footer }, 0);
    while let Some(kind) = reader.field(&mut id)? {
        if id != SCHEMA {
            reader.pass_value(kind, 0)?;
            continue;
        }
        let (_, elements) = reader.list()?;
        let mut most = 0;
        for _ in 0..elements {
            let mut id = 0;
            while let Some(kind) = reader.field(&mut id)? {
                if id == MEMBERS {
                    most = most.max(reader.integer(kind)?);
                } else {
                    reader.pass_value(kind, 0)?;
                }
            }
        }
        return Some((most, i64::try_from(elements).ok()?));
    }
    None
}

/// Whether the structure at the start of `bytes` has the field.
fn has_field(bytes: &[u8], wanted: i64) -> bool {
    let (mut reader, mut id, mut found) = (Reader { bytes }, 0, false);
    let mut look = || {
        while let Some(kind) = reader.field(&mut id)? {
            found |= id == wanted;
            reader.pass_value(kind, 0)?;
        }
        Some(())
    };
    // What comes before bytes that make no sense counts.
    look();
    found
}

/// Bytes that are left to read. Whatever is read is `None` where they make no sense, or end.
pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(first)
    }

    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn pass(&mut self, bytes: u64) -> Option<()> {
        self.bytes = self.bytes.get(usize::try_from(bytes).ok()?..)?;
        Some(())
    }

    /// The kind of a structure's next field, `Some(None)` at its end; `id` is the number of the field before and
    /// becomes the field's own.
    pub(super) fn field(&mut self, id: &mut i64) -> Option<Option<u8>> {
        let header = self.byte()?;
        if header == 0 {
            return Some(None);
        }
        *id = if header >> 4 == 0 { zigzag(self.varint()?) } else { *id + i64::from(header >> 4) };
        Some(Some(header & 15))
    }

    /// A field's whole number, or 1 for true and 0 for false, which the field's kind says already.
    pub(super) fn integer(&mut self, kind: u8) -> Option<i64> {
        match kind {
            1 | 2 => Some(i64::from(kind == 1)),
            4..=6 => self.varint().map(zigzag),
            _ => None,
        }
    }

    /// Passes a field's value.
    pub(super) fn pass_value(&mut self, kind: u8, depth: usize) -> Option<()> {
        // A field's header holds the value of a boolean.
        if matches!(kind, 1 | 2) { Some(()) } else { self.value(kind, depth) }
    }

    /// The kind of a list's things, and how many there are.
    fn list(&mut self) -> Option<(u8, u64)> {
        let header = self.byte()?;
        let length = if header >> 4 == 15 { self.varint()? } else { u64::from(header >> 4) };
        Some((header & 15, length))
    }

    fn structure(&mut self, depth: usize) -> Option<()> {
        let mut id = 0;
        while let Some(kind) = self.field(&mut id)? {
            self.pass_value(kind, depth)?;
        }
        Some(())
    }

    fn value(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        match kind {
            1..=3 => self.pass(1),
            4..=6 => self.varint().map(|_| ()),
            7 => self.pass(8),
            8 => {
                let length = self.varint()?;
                self.pass(length)
            }
            9 | 10 => {
                let (kind, length) = self.list()?;
                (0..length).try_for_each(|_| self.value(kind, depth + 1))
            }
            11 => {
                let length = self.varint()?;
                let kinds = if length > 0 { self.byte()? } else { 0 };
                (0..length).try_for_each(|_| {
                    self.value(kinds >> 4, depth + 1)?;
                    self.value(kinds & 15, depth + 1)
                })
            }
            12 => self.structure(depth + 1),
            _ => None,
        }
    }
}

fn zigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::{has_field, most_members};

    #[test]
    fn fields_are_found_behind_others_and_only_at_the_top() {
        // 1: i32, 2: list of two structures that each have a field 8, 8: structure.
        let bytes = [0x15, 0x02, 0x19, 0x2c, 0x81, 0x00, 0x81, 0x00, 0x6c, 0x00, 0x00];
        assert!(has_field(&bytes, 8) && has_field(&bytes, 2));
        assert!(!has_field(&bytes[..8], 8) && !has_field(&bytes, 3));
        // A list that claims to be long, and lists in lists without an end.
        assert!(!has_field(&[0x19, 0xf3, 0xff, 0xff, 0xff, 0xff, 0x0f], 8));
        assert!(!has_field(&[0x19; 10_000], 8));
    }

    #[test]
    fn groups_tell_how_many_members_they_have() {
        // 1: i32, 2: list of two structures, of 4: text and 5: i32, and of 1: i32 and 4: text.
        let bytes = |members: u8| {
            let group = [0x48, 1, b'g', 0x15, 2 * members, 0];
            [&[0x15, 2, 0x19, 0x2c][..], &group, &[0x15, 2, 0x38, 1, b'x', 0, 0]].concat()
        };
        assert_eq!(most_members(&bytes(1)), Some((1, 2)));
        assert_eq!(most_members(&bytes(60)), Some((60, 2)));
        assert_eq!(most_members(&bytes(1)[..12]), None);
        assert_eq!(most_members(&[0]), None);
    }
}
