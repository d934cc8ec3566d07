//! The row shuffle: a buffer of rows whose order is permuted.

use serde::{Deserialize, Serialize};

use crate::learn::Chunk;
use crate::random::Random;

/// Collects chunks until they hold `rows` rows, then gives them back with their rows in random order:
/// the second level of CorgiPile's shuffle.
#[derive(Debug, Serialize, Deserialize)]
pub struct Shuffle {
    rows: usize,
    random: Random,
    held: Vec<Chunk>,
    held_rows: usize,
}

impl Shuffle {
    /// A buffer of at least `rows` rows (chunks are not torn apart, so up to a chunk more).
    pub fn new(rows: usize, seed: u64, epoch: u64) -> Self {
        // Another purpose than that of the order of splits in the same epoch.
        Shuffle { rows, random: Random::new(seed, epoch ^ (1 << 63)), held: Vec::new(), held_rows: 0 }
    }

    /// Takes a chunk; true if the buffer is now full and wants to be emptied.
    pub fn push(&mut self, chunk: Chunk) -> bool {
        self.held_rows += chunk.rows();
        self.held.push(chunk);
        self.held_rows >= self.rows
    }

    /// Empties the buffer: calls `each` with chunks of at most `chunk_rows` rows, in random order, and
    /// `spare` with the emptied buffers.
    ///
    /// # Errors
    /// Those of `each`.
    pub fn drain<E>(
        &mut self,
        chunk_rows: usize,
        out: &mut Chunk,
        mut each: impl FnMut(&Chunk) -> Result<(), E>,
        spare: impl FnMut(Chunk),
    ) -> Result<(), E> {
        let mut order: Vec<(u32, u32)> = Vec::with_capacity(self.held_rows);
        for (i, chunk) in self.held.iter().enumerate() {
            order.extend((0..chunk.rows()).map(|row| (i as u32, row as u32)));
        }
        self.random.shuffle(&mut order);
        for part in order.chunks(chunk_rows) {
            out.reset(part.len());
            out.gather(&self.held, part);
            each(out)?;
        }
        self.held_rows = 0;
        self.held.drain(..).for_each(spare);
        Ok(())
    }
}
