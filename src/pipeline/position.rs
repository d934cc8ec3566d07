//! A position: how far a stream has been consumed, so that another can go on from there.

use serde::{Deserialize, Serialize};

use super::order::Order;

/// What has been consumed of each track of an [`Order`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub(super) tracks: Vec<Mark>,
}

/// How far a track has been consumed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// Splits of the track that lie behind.
    pub(super) done: usize,
    /// Batches and rows of the split after them that do, too: all of its, perhaps.
    pub(super) batches: u64,
    pub(super) rows: u64,
    /// Rows of the track that do, all in all.
    pub(super) given: u64,
}

impl Position {
    /// Before the first batch.
    pub fn start(order: &Order) -> Self {
        Position { tracks: vec![Mark::default(); order.tracks.len()] }
    }

    /// Whether an order has these tracks.
    pub fn fits(&self, order: &Order) -> bool {
        self.tracks.len() == order.tracks.len()
            && self.tracks.iter().zip(&order.tracks).all(|(mark, track)| mark.done <= track.len())
    }

    /// Counts a batch of `rows` rows that was consumed, of the split at which track `track` stands.
    pub fn add(&mut self, track: usize, rows: u64) {
        let mark = &mut self.tracks[track];
        mark.batches += 1;
        mark.rows += rows;
        mark.given += rows;
    }

    /// Notes that the split at which track `track` stands has come to its end.
    pub fn end(&mut self, track: usize) {
        let mark = &mut self.tracks[track];
        *mark = Mark { done: mark.done + 1, batches: 0, rows: 0, given: mark.given };
    }

    /// Notes that the whole of track `track` lies behind.
    pub fn finish(&mut self, order: &Order, track: usize) {
        let mark = &mut self.tracks[track];
        *mark = Mark { done: order.tracks[track].len(), batches: 0, rows: 0, given: mark.given };
    }

    /// Rows consumed.
    pub fn rows(&self) -> u64 {
        self.tracks.iter().map(|mark| mark.given).sum()
    }

    /// The splits of which something was consumed, or which had nothing to give.
    pub fn begun<'a>(&'a self, order: &'a Order) -> impl Iterator<Item = usize> + 'a {
        let tracks = self.tracks.iter().zip(&order.tracks);
        tracks.flat_map(|(mark, track)| track.iter().copied().take(mark.done + usize::from(mark.batches > 0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_what_was_consumed_of_each_track() {
        let order = Order { tracks: vec![vec![4, 2, 7], vec![1]] };
        let mut position = Position::start(&order);
        assert!(position.fits(&order) && position.begun(&order).count() == 0);
        position.add(0, 10);
        position.add(1, 5);
        position.add(0, 3);
        position.end(0);
        position.end(0);
        position.add(0, 8);
        assert_eq!(position.tracks[0], Mark { done: 2, batches: 1, rows: 8, given: 21 });
        assert_eq!(position.rows(), 26);
        assert_eq!(position.begun(&order).collect::<Vec<_>>(), [4, 2, 7, 1]);
        assert!(!position.fits(&Order { tracks: vec![vec![4], vec![1]] }));
        position.end(1);
        assert_eq!(position.tracks[1], Mark { done: 1, batches: 0, rows: 0, given: 5 });
        assert_eq!(position.begun(&order).count(), 4);
    }
}
