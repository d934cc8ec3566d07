//! A shard: some of the columns with their records, for all models.
//!
//! Columns never share weights, so shards can work at the same time: each sums its columns' part of
//! the margins, and later steps its own records. Which column is in which shard depends on the plan
//! alone, and the parts are added in the shards' order, so any number of threads gives the same bits.

use std::ops::Range;

use super::columns::Columns;
use super::dense::Dense;
use super::form::Form;
use super::octets::Octets;
use super::optimizer::Rule;
use super::sparse::Sparse;
use super::step::{Lanes, Step};

#[derive(Debug, Clone, Default)]
pub(crate) struct Shard<const K: usize> {
    pub(crate) dense: Dense<K>,
    /// Category and list columns.
    pub(crate) sparse: Vec<Sparse<K>>,
    /// This shard's part of the sums of the current mini-batch, as many blocks for each row as a record has.
    pub(crate) part: Vec<[f32; K]>,
}

impl<const K: usize> Shard<K> {
    /// Sums this shard's part of the margins of `rows` into `self.part`. `octets` take the same step.
    #[inline(always)]
    pub(crate) fn forward<R: Rule, F: Form<K>>(
        &mut self,
        step: &Step<R, K>,
        form: &F,
        columns: &Columns<'_>,
        rows: Range<usize>,
        octets: &Octets<R>,
    ) {
        // The rows of the mini-batch after the next, which tell the records that will be brought near.
        let place = |batches: usize| (rows.end + batches * rows.len()).min(columns.rows);
        let after = place(1)..place(2);
        self.dense.bring_near(columns, after.clone());
        for column in &self.sparse {
            column.bring_codes_near(columns, after.clone());
        }
        let part = &mut self.part;
        part.clear();
        part.resize(rows.len() * form.blocks(), [0.0; K]);
        self.dense.forward(form, columns, rows.clone(), part);
        for column in &mut self.sparse {
            column.forward(step, form, columns, rows.clone(), part, octets);
        }
    }

    /// Steps this shard's records, given the derivatives of the mini-batch's mean loss with respect to each row's sums.
    /// `octets` take the same step.
    #[inline(always)]
    pub(crate) fn update<R: Rule, F: Form<K>>(
        &mut self,
        step: &Step<R, K>,
        form: &F,
        columns: &Columns<'_>,
        rows: Range<usize>,
        derivatives: &[[f32; K]],
        octets: &Octets<R>,
    ) {
        let part = &mut self.part;
        if self.dense.takes_at_once(step, form) {
            self.dense.take_at_once(columns, rows.clone(), derivatives, octets);
        } else {
            self.dense.gather(step, form, columns, rows.clone(), derivatives, part);
            self.dense.take(step, form, octets);
        }
        // From the last column on, whose records are still near: all of a mini-batch's are more than the first cache holds.
        for column in self.sparse.iter_mut().rev() {
            column.gather(step, form, columns, rows.clone(), derivatives, part);
            column.take(step, form, octets);
        }
    }

    /// Takes the deferred step of every record.
    pub(crate) fn take_deferred<R: Rule, F: Form<K>>(
        &mut self,
        step: &Step<R, K>,
        form: &F,
        weights: &Lanes<f64, K>,
    ) {
        self.sparse.iter_mut().for_each(|column| column.table.keep_all());
        let dense = self.dense.records_mut().map(|(_, record)| record);
        let tables = self.sparse.iter_mut().map(|column| column.table.blocks_mut().0);
        let records = tables.flat_map(|blocks| blocks.chunks_exact_mut(form.blocks()));
        for record in dense.chain(records) {
            for (b, block) in record.iter_mut().enumerate() {
                step.take_deferred(block, form.model_of(b), weights);
            }
        }
    }

    /// Records of all tables.
    pub(crate) fn records(&self) -> usize {
        self.sparse.iter().map(|column| column.table.len()).sum()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.sparse.iter().map(|column| column.table.bytes()).sum()
    }
}
