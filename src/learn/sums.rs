//! Sums of the shards' parts of the margins, in an order that does not depend on how many hands share out the shards.
//!
//! Parts are added as a binary tree has them: neighbours first, then pairs of neighbours, and so on. Whoever has a whole branch
//! of it adds that up alone, so that hands exchange one part for each branch instead of one for each shard.

use std::ops::Range;

use super::crew::Board;
use super::shard::Shard;

/// A branch of the tree: neighbouring shards, as many as a power of two says, beginning at a multiple of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Branch {
    first: usize,
    shards: usize,
}

impl Branch {
    /// The fewest branches that some neighbouring shards are.
    fn of(shards: Range<usize>) -> impl Iterator<Item = Branch> {
        let mut first = shards.start;
        std::iter::from_fn(move || {
            let left = shards.end.checked_sub(first).filter(|&left| left > 0)?;
            let aligned = if first == 0 { usize::MAX } else { 1 << first.trailing_zeros() };
            let count = aligned.min(1 << left.ilog2());
            let branch = Branch { first, shards: count };
            first += count;
            Some(branch)
        })
    }

    /// Whether this branch and the next one are a branch.
    fn goes_with(self, next: Branch) -> bool {
        self.shards == next.shards && self.first.is_multiple_of(2 * self.shards)
    }
}

/// How one hand adds up all parts.
pub(crate) struct Sums {
    /// The hand's first shard, and its branches.
    first: usize,
    mine: Vec<Branch>,
    /// Those of all hands.
    all: Vec<Branch>,
    /// Sums on their way, of branches that wait for the one beside them.
    waiting: Vec<(Branch, Vec<f32>)>,
    spare: Vec<Vec<f32>>,
}

impl Sums {
    /// The sums of hand number `hand` of `hands`, which share out `shards` shards as [`share`] says.
    pub(crate) fn new(hand: usize, hands: usize, shards: usize) -> Self {
        let mine = share(hand, hands, shards);
        let all = (0..hands).flat_map(|hand| Branch::of(share(hand, hands, shards)));
        Sums {
            first: mine.start,
            mine: Branch::of(mine).collect(),
            all: all.collect(),
            waiting: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Adds the parts of all shards for mini-batch `turn` to `sums`; `mine` are the hand's own, whose parts are used up.
    #[inline(always)]
    pub(crate) fn add<const K: usize>(
        &mut self,
        mine: &mut [Shard<K>],
        board: &Board,
        turn: usize,
        sums: &mut [f32],
    ) {
        for branch in &self.mine {
            add_up(&mut mine[branch.first - self.first..][..branch.shards]);
        }
        if self.mine.len() == self.all.len() {
            for branch in &self.mine {
                add(sums, mine[branch.first].part.as_flattened());
            }
            return;
        }
        for branch in &self.mine {
            board.put(turn, branch.first, mine[branch.first - self.first].part.as_flattened());
        }
        board.meet(turn);
        for &next in &self.all {
            let mut part = self.spare.pop().unwrap_or_default();
            board.take(turn, next.first, sums.len(), &mut part);
            let mut next = (next, part);
            while let Some((branch, mut sum)) = self.waiting.pop_if(|(branch, _)| branch.goes_with(next.0)) {
                add(&mut sum, &next.1);
                self.spare.push(next.1);
                next = (Branch { shards: 2 * branch.shards, ..branch }, sum);
            }
            self.waiting.push(next);
        }
        for (_, sum) in self.waiting.drain(..) {
            add(sums, &sum);
            self.spare.push(sum);
        }
    }
}

/// The shards of hand number `hand` of `hands`.
pub(crate) fn share(hand: usize, hands: usize, shards: usize) -> Range<usize> {
    hand * shards / hands..(hand + 1) * shards / hands
}

/// Adds up the parts of a branch; the sum takes the place of its first shard's part.
#[inline(always)]
fn add_up<const K: usize>(shards: &mut [Shard<K>]) {
    let mut width = 1;
    while width < shards.len() {
        for pair in shards.chunks_exact_mut(2 * width) {
            let (left, right) = pair.split_at_mut(width);
            add(left[0].part.as_flattened_mut(), right[0].part.as_flattened());
        }
        width *= 2;
    }
}

#[inline(always)]
fn add(sum: &mut [f32], part: &[f32]) {
    sum.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_are_aligned_powers_of_two_and_as_few_as_can_be() {
        let of = |shards| Branch::of(shards).map(|b| (b.first, b.shards)).collect::<Vec<_>>();
        assert_eq!(of(0..8), [(0, 8)]);
        assert_eq!(of(0..7), [(0, 4), (4, 2), (6, 1)]);
        assert_eq!(of(2..5), [(2, 2), (4, 1)]);
        assert_eq!(of(5..8), [(5, 1), (6, 2)]);
        assert_eq!(of(3..3), []);
    }
}
