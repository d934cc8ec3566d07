//! Orders: in which splits are read, and how their batches take turns.

use crate::random::Random;

/// The splits as tracks. Within a track splits follow one another; tracks take turns, a batch at a time, so that
/// all end together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Indices of splits.
    pub tracks: Vec<Vec<usize>>,
}

/// Splits that a shuffled order reads at the same time.
const TRACKS: usize = 16;

impl Order {
    /// One split after the other, as they are.
    pub fn in_place(splits: impl Iterator<Item = usize>) -> Order {
        Order { tracks: vec![splits.collect()] }
    }

    /// The splits in random order, sixteen at a time: the first level of CorgiPile's shuffle (Xu et al.
    /// 2022, arXiv 2206.05830). A [`Shuffle`](super::Shuffle) of the rows is the second.
    pub fn shuffled(splits: usize, seed: u64, epoch: u64) -> Order {
        let mut all: Vec<usize> = (0..splits).collect();
        Random::new(seed, epoch).shuffle(&mut all);
        let count = TRACKS.min(splits).max(1);
        let mut tracks = vec![Vec::new(); count];
        for (i, split) in all.into_iter().enumerate() {
            tracks[i % count].push(split);
        }
        Order { tracks }
    }

    /// Tracks that can be open at the same time.
    pub fn width(&self) -> usize {
        self.tracks.len()
    }
}
