//! Finds names that stand twice in a row.

use xxhash_rust::xxh3::xxh3_64;

/// The names of the current row, in a hash table that is emptied by counting rows.
#[derive(Debug)]
pub(super) struct Seen {
    slots: Vec<Slot>,
    used: usize,
    row: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// The row, counted from 1, whose name this is.
    row: u32,
    hash: u32,
    column: u32,
    entry: u32,
}

impl Seen {
    pub(super) fn new() -> Self {
        Seen { slots: vec![Slot::default(); 256], used: 0, row: 0 }
    }

    /// Begins another row.
    pub(super) fn clear(&mut self) {
        self.used = 0;
        self.row = self.row.wrapping_add(1);
        if self.row == 0 {
            self.slots.fill(Slot::default());
            self.row = 1;
        }
    }

    /// Where the name stands already in the column, as `is_there` confirms; else it is noted to stand
    /// at `entry`.
    #[inline]
    pub(super) fn find(
        &mut self,
        column: u32,
        name: &str,
        entry: u32,
        is_there: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        if 2 * self.used >= self.slots.len() {
            self.grow();
        }
        let hash = (xxh3_64(name.as_bytes()) as u32) ^ column.wrapping_mul(0x9e37_79b9);
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = &mut self.slots[at];
            if slot.row != self.row {
                *slot = Slot { row: self.row, hash, column, entry };
                self.used += 1;
                return None;
            }
            if slot.hash == hash && slot.column == column && is_there(slot.entry) {
                return Some(slot.entry);
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let doubled = vec![Slot::default(); 2 * self.slots.len()];
        let mask = doubled.len() - 1;
        for slot in std::mem::replace(&mut self.slots, doubled) {
            if slot.row == self.row {
                let mut at = slot.hash as usize & mask;
                while self.slots[at].row == self.row {
                    at = (at + 1) & mask;
                }
                self.slots[at] = slot;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_their_row_and_column_alone() {
        let mut seen = Seen::new();
        for row in 0..3 {
            seen.clear();
            let names: Vec<String> = (0..1000 * row).map(|i| i.to_string()).collect();
            for column in 0..2 {
                for (entry, name) in names.iter().enumerate() {
                    assert_eq!(seen.find(column, name, entry as u32, |e| &names[e as usize] == name), None);
                }
            }
            for (entry, name) in names.iter().enumerate() {
                let found = seen.find(1, name, 0, |e| &names[e as usize] == name);
                assert_eq!(found, Some(entry as u32));
            }
        }
    }
}
