//! Dense columns: numbers that every row has, each with a record of its own.
//!
//! Mini-batches are small, and so a column's part in one is a few vectors' work: columns are gone through several at a time,
//! so that sums stay in registers and one column's latencies are hidden behind the others' work.

use std::ops::Range;

use wide::f32x4;

use super::columns::Columns;
use super::form::Form;
use super::kernels::prefetch_all;
use super::learner::Column;
use super::mask::{Mask, masked};
use super::octets::{Octets, QUARTET};
use super::optimizer::Rule;
use super::record::Record;
use super::step::Step;

/// Columns that are gone through at a time.
const COLUMNS: usize = QUARTET;

/// Sums that take turns where rows are summed: their order is the same everywhere, and it vectorises.
const TURNS: usize = 8;

/// Dense columns of a shard.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dense<const K: usize> {
    /// Where they stand in a chunk.
    columns: Vec<usize>,
    /// Their numbers, which are their records' places.
    places: Vec<u32>,
    /// Their records' blocks.
    blocks: Vec<Record<K>>,
    /// Which models have them.
    masks: Vec<Mask<K>>,
    is_masked: bool,
}

impl<const K: usize> Dense<K> {
    /// Adds a column of a chunk with its record and its mask.
    pub(crate) fn push(&mut self, column: usize, record: impl IntoIterator<Item = Record<K>>, mask: Mask<K>) {
        self.places.push(self.columns.len() as u32);
        self.columns.push(column);
        self.is_masked |= mask.is_some();
        self.masks.push(mask);
        self.blocks.extend(record);
    }

    /// How many they are.
    pub(crate) fn len(&self) -> usize {
        self.columns.len()
    }

    /// Blocks of each record.
    fn width(&self) -> usize {
        self.blocks.len() / self.columns.len().max(1)
    }

    /// The columns, each with its record.
    pub(crate) fn records(&self) -> impl Iterator<Item = (usize, &[Record<K>])> {
        self.columns.iter().copied().zip(self.blocks.chunks_exact(self.width().max(1)))
    }

    /// The columns, each with its record to be changed.
    pub(crate) fn records_mut(&mut self) -> impl Iterator<Item = (usize, &mut [Record<K>])> {
        let width = self.width().max(1);
        self.columns.iter().copied().zip(self.blocks.chunks_exact_mut(width))
    }

    /// The columns with other blocks in each record, and other masks: `f` appends the blocks that a record's become.
    pub(crate) fn map<const L: usize>(
        &self,
        blocks: usize,
        mask: impl Fn(Column) -> Mask<L>,
        f: impl Fn(&[Record<K>], &mut Vec<Record<L>>),
    ) -> Dense<L> {
        let mut dense = Dense::default();
        for (column, record) in self.records() {
            let mut mapped = Vec::with_capacity(blocks);
            f(record, &mut mapped);
            dense.push(column, mapped, mask(Column::Dense(column)));
        }
        dense
    }

    /// Has the numbers of rows brought near.
    #[inline(always)]
    pub(crate) fn bring_near(&self, columns: &Columns<'_>, rows: Range<usize>) {
        // (No closures here and below: they are not always compiled for AVX2.)
        for &column in &self.columns {
            prefetch_all(columns.dense(column, rows.clone()));
        }
    }

    /// Adds the columns' part of the margins of `rows` to `part`.
    #[inline(always)]
    pub(crate) fn forward<F: Form<K>>(
        &self,
        form: &F,
        columns: &Columns<'_>,
        rows: Range<usize>,
        part: &mut [[f32; K]],
    ) {
        let width = form.blocks();
        if F::IS_LINEAR && width == 1 {
            let (fours, rest) = self.columns.as_chunks::<COLUMNS>();
            let (records, records_rest) = self.blocks.as_chunks::<COLUMNS>();
            for (four, records) in fours.iter().zip(records) {
                add_products(part, numbers(columns, &rows, four), records);
            }
            match (rest, records_rest) {
                (&[a, b, c], &[u, v, w]) => {
                    add_products(part, numbers(columns, &rows, &[a, b, c]), &[u, v, w])
                }
                (&[a, b], &[u, v]) => add_products(part, numbers(columns, &rows, &[a, b]), &[u, v]),
                (&[a], &[u]) => add_products(part, numbers(columns, &rows, &[a]), &[u]),
                _ => {}
            }
            return;
        }
        for (column, record) in self.records() {
            let x = columns.dense(column, rows.clone());
            part.chunks_exact_mut(width).zip(x).for_each(|(sums, &x)| form.forward(sums, x, record));
        }
    }

    /// Whether its records can take their steps without a visit before that: see [`Dense::take_at_once`].
    #[inline(always)]
    pub(crate) fn takes_at_once<R: Rule, F: Form<K>>(&self, step: &Step<R, K>, form: &F) -> bool {
        F::IS_LINEAR && K == 1 && form.blocks() == 1 && !step.defer && !self.is_masked
    }

    /// Lets records of one lane take their steps, given the derivatives of the mini-batch's mean loss with respect to each
    /// row's sum, four at a time. `octets` take the same step.
    #[inline(always)]
    pub(crate) fn take_at_once<R: Rule>(
        &mut self,
        columns: &Columns<'_>,
        rows: Range<usize>,
        derivatives: &[[f32; K]],
        octets: &Octets<R>,
    ) {
        let derivatives = derivatives.as_flattened();
        let (fours, rest) = self.columns.as_chunks::<COLUMNS>();
        let (records, records_rest) = self.blocks.as_chunks_mut::<COLUMNS>();
        for (four, records) in fours.iter().zip(records) {
            octets.take_neighbours(records, dots(numbers(columns, &rows, four), derivatives));
        }
        if let Some(&first) = rest.first() {
            let (mut four, mut records) = ([first; COLUMNS], [Record::ZERO; COLUMNS]);
            four[..rest.len()].copy_from_slice(rest);
            records[..rest.len()].copy_from_slice(records_rest);
            octets.take_neighbours(&mut records, dots(numbers(columns, &rows, &four), derivatives));
            records_rest.copy_from_slice(&records[..rest.len()]);
        }
    }

    /// Sums the gradients of the mini-batch `rows`, given the derivatives. `buffer` has room for them.
    #[inline(always)]
    pub(crate) fn gather<R: Rule, F: Form<K>>(
        &mut self,
        step: &Step<R, K>,
        form: &F,
        columns: &Columns<'_>,
        rows: Range<usize>,
        derivatives: &[[f32; K]],
        buffer: &mut Vec<[f32; K]>,
    ) {
        let width = form.blocks();
        let all = self.columns.iter().zip(&self.masks).zip(self.blocks.chunks_exact_mut(width));
        for ((&column, mask), record) in all {
            let derivatives = masked(derivatives, mask, buffer);
            let x = columns.dense(column, rows.clone());
            for (b, block) in record.iter_mut().enumerate() {
                let g = if F::IS_LINEAR && width == 1 {
                    dot(x, derivatives, 1, 0)
                } else if F::IS_LINEAR {
                    dot(x, derivatives, width, b)
                } else {
                    let mut g = [0.0; K];
                    for (d, &x) in derivatives.chunks_exact(width).zip(x) {
                        let gradient = form.gradient(b, x, d, block);
                        for k in 0..K {
                            g[k] += gradient[k];
                        }
                    }
                    g
                };
                step.gather(block, &g);
            }
        }
    }

    /// Lets the columns' records take their steps along the gradients that they have gathered. `octets` take the same step.
    #[inline(always)]
    pub(crate) fn take<R: Rule, F: Form<K>>(&mut self, step: &Step<R, K>, form: &F, octets: &Octets<R>) {
        if !step.defer {
            octets.take(step, form, &mut self.blocks, &self.places);
        }
    }
}

/// The numbers of `rows` in some columns.
#[inline(always)]
fn numbers<'a, const N: usize>(
    columns: &Columns<'a>,
    rows: &Range<usize>,
    of: &[usize; N],
) -> [&'a [f32]; N] {
    let mut numbers: [&[f32]; N] = [&[]; N];
    for n in 0..N {
        numbers[n] = columns.dense(of[n], rows.clone());
    }
    numbers
}

/// Adds to each row's sums its numbers in `N` columns, times the columns' weights, column after column.
#[inline(always)]
fn add_products<const N: usize, const K: usize>(
    sums: &mut [[f32; K]],
    numbers: [&[f32]; N],
    records: &[Record<K>; N],
) {
    let (runs, rest) = sums.as_chunks_mut::<TURNS>();
    let (mut x, mut x_rest): ([&[[f32; TURNS]]; N], [&[f32]; N]) = ([&[]; N], [&[]; N]);
    for n in 0..N {
        let (x_runs, last) = numbers[n].as_chunks();
        (x[n], x_rest[n]) = (&x_runs[..runs.len()], &last[..rest.len()]);
    }
    for (i, run) in runs.iter_mut().enumerate() {
        let mut kept = *run;
        for n in 0..N {
            for r in 0..TURNS {
                for k in 0..K {
                    kept[r][k] += x[n][i][r] * records[n].weight[k];
                }
            }
        }
        *run = kept;
    }
    for (r, sums) in rest.iter_mut().enumerate() {
        for n in 0..N {
            for k in 0..K {
                sums[k] += x_rest[n][r] * records[n].weight[k];
            }
        }
    }
}

/// The sum of `x[r] * d[r]` over the rows, `d[r]` being block `block` of each row's `blocks`: an order that is the same
/// whatever stands beside the block.
#[inline(always)]
fn dot<const K: usize>(x: &[f32], d: &[[f32; K]], blocks: usize, block: usize) -> [f32; K] {
    if K == 1 && blocks == 1 {
        let sums = sums_of_products(x, d.as_flattened());
        return total(sums.map(|sum| [sum; K]));
    }
    let mut sums = [[0.0f32; K]; TURNS];
    // One sum after the other, so that it stays in a register.
    let d = &d[..x.len() * blocks];
    for (i, sum) in sums.iter_mut().enumerate() {
        let mut kept = *sum;
        for row in (i..x.len()).step_by(TURNS) {
            for k in 0..K {
                kept[k] += x[row] * d[row * blocks + block][k];
            }
        }
        *sum = kept;
    }
    total(sums)
}

/// The same of four columns and derivatives of one lane.
#[inline(always)]
fn dots(x: [&[f32]; COLUMNS], d: &[f32]) -> [f32; COLUMNS] {
    let mut halves = [f32x4::ZERO; COLUMNS];
    for n in 0..COLUMNS {
        let [a, b]: [f32x4; 2] = bytemuck::cast(sums_of_products(x[n], d));
        halves[n] = a + b;
    }
    // As `total` has it, for all columns at once.
    let [a, b, c, d] = f32x4::transpose(halves);
    ((a + c) + (b + d)).to_array()
}

/// The sums of `x[r] * d[r]`, rows taking turns.
#[inline(always)]
fn sums_of_products(x: &[f32], d: &[f32]) -> [f32; TURNS] {
    let mut sums = [0.0f32; TURNS];
    let ((runs, rest), (d_runs, d_rest)) = (x.as_chunks::<TURNS>(), d.as_chunks::<TURNS>());
    for (x, d) in runs.iter().zip(d_runs) {
        for i in 0..TURNS {
            sums[i] += x[i] * d[i];
        }
    }
    for ((sum, x), d) in sums.iter_mut().zip(rest).zip(d_rest) {
        *sum += x * d;
    }
    sums
}

/// The sum of the derivatives of block `block` over the rows, in the same order.
#[inline(always)]
pub(super) fn sum<const K: usize>(d: &[[f32; K]], blocks: usize, block: usize) -> [f32; K] {
    let mut sums = [[0.0f32; K]; TURNS];
    for (row, d) in d.chunks_exact(blocks).enumerate() {
        for k in 0..K {
            sums[row % TURNS][k] += d[block][k];
        }
    }
    total(sums)
}

/// The total of sums that took turns.
#[inline(always)]
fn total<const K: usize>(mut sums: [[f32; K]; TURNS]) -> [f32; K] {
    for half in [4, 2, 1] {
        for i in 0..half {
            for k in 0..K {
                sums[i][k] += sums[i + half][k];
            }
        }
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `models` of eight lanes, as the lanes of a learner of `K`.
    fn lanes<const K: usize>(all: &[[f32; 8]], first: usize) -> Vec<[f32; K]> {
        all.iter().map(|lanes| std::array::from_fn(|k| lanes[first + k])).collect()
    }

    fn bits<const K: usize>(numbers: &[[f32; K]]) -> Vec<u32> {
        numbers.as_flattened().iter().map(|x| x.to_bits()).collect()
    }

    proptest! {
        #[test]
        fn a_lane_has_the_same_sums_whatever_stands_beside_it(
            rows in prop::collection::vec((-3.0f32..3.0, prop::array::uniform8(-1.0f32..1.0)), 0..70)
        ) {
            let (x, d): (Vec<f32>, Vec<[f32; 8]>) = rows.into_iter().unzip();
            let (products, sums) = (dot(&x, &d, 1, 0), sum(&d, 1, 0));
            for k in 0..8 {
                let alone: Vec<f32> = d.iter().map(|d| d[k]).collect();
                let four = dots([&x, &alone, &x, &alone], &alone);
                prop_assert_eq!((four[0].to_bits(), four[2].to_bits()), (products[k].to_bits(), products[k].to_bits()));
                prop_assert_eq!(four[1].to_bits(), dot(&alone, &lanes::<1>(&d, k), 1, 0)[0].to_bits());
                prop_assert_eq!(bits(&[dot(&x, &lanes::<1>(&d, k), 1, 0)]), vec![products[k].to_bits()]);
                prop_assert_eq!(bits(&[sum(&lanes::<1>(&d, k), 1, 0)]), vec![sums[k].to_bits()]);
                // As one of two blocks of four lanes.
                let blocks: Vec<[f32; 4]> =
                    d.iter().flat_map(|d| [0, 4].map(|first| std::array::from_fn(|k| d[first + k]))).collect();
                prop_assert_eq!(dot(&x, &blocks, 2, k / 4)[k % 4].to_bits(), products[k].to_bits());
                let exact: f64 = x.iter().zip(&d).map(|(&x, d)| f64::from(x) * f64::from(d[k])).sum();
                prop_assert!((f64::from(products[k]) - exact).abs() < 1e-4);
            }
        }

        #[test]
        fn columns_are_added_in_their_order(
            rows in prop::collection::vec(prop::array::uniform4(-3.0f32..3.0), 0..40),
            weights in prop::array::uniform4(prop::array::uniform8(-1.0f32..1.0)),
        ) {
            let columns: [Vec<f32>; 4] = std::array::from_fn(|n| rows.iter().map(|x| x[n]).collect());
            let columns = columns.each_ref().map(Vec::as_slice);
            let mut together = vec![[0.0; 8]; rows.len()];
            let records = weights.map(|weight| Record { weight, ..Record::ZERO });
            add_products(&mut together, columns, &records);
            let mut one_by_one = vec![[0.0; 8]; rows.len()];
            for (column, record) in columns.iter().zip(records) {
                add_products(&mut one_by_one, [*column], &[record]);
            }
            prop_assert_eq!(bits(&together), bits(&one_by_one));
            for k in 0..8 {
                let mut alone = vec![[0.0; 1]; rows.len()];
                add_products(&mut alone, columns, &records.map(|record| record.only([k])));
                prop_assert_eq!(bits(&alone), bits(&lanes::<1>(&together, k)));
            }
        }
    }
}
