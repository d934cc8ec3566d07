//! Extracts: the numbers of one model, out of records that hold those of several.

use super::crew::{Crew, make_largest_first, share_out_largest_first};
use super::form::Form;
use super::learner::Learner;
use super::linear::{Iterate, Linear, State, Weights};
use super::optimizer::Rule;
use super::record::Record;
use super::sparse::Sparse;
use super::table::Table;

impl<R: Rule, F: Form<K>, const K: usize> Learner<R, F, K> {
    /// Brings every record up to date.
    pub(super) fn settle(&mut self, crew: &dyn Crew) {
        if self.step.lazy {
            let due = self.shards.iter_mut().flat_map(|s| &mut s.sparse).collect();
            let size = |column: &&mut Sparse<K>| column.table.len();
            share_out_largest_first(crew, due, size, |column| column.settle(&self.step, &self.form));
        }
    }

    /// The weights of a model, whose records are up to date.
    pub(super) fn weights_of(&self, model: usize, iterate: Iterate, crew: &dyn Crew) -> Linear {
        let share = iterate.mean_share() * self.step.mean_share().unwrap_or(0.0);
        let weights = if share == 0.0 {
            self.collect(model, crew, |r, k| r.weight[k])
        } else {
            self.collect(model, crew, |r, k| r.weight[k] - share * r.drift[k])
        };
        let known = self.tables().into_iter().map(Table::known).collect();
        Linear { form: self.model_form, weights, known }
    }

    /// The state of a model, whose records are up to date.
    pub(super) fn state_of(&self, model: usize, crew: &dyn Crew) -> State {
        let z = if R::AVERAGES { Weights::default() } else { self.collect(model, crew, |r, k| r.drift[k]) };
        let accumulators = self.collect(model, crew, |r, k| r.accumulator[k]);
        State { accumulators, z, steps: self.step.number }
    }

    /// Collects the numbers of a model from all records, in the order of the columns: `number` gives that of
    /// a lane of a block.
    fn collect(
        &self,
        model: usize,
        crew: &dyn Crew,
        number: impl Fn(&Record<K>, usize) -> f32 + Sync,
    ) -> Weights {
        let places: Vec<_> = (0..self.form.lanes()).map(|lane| self.form.place(model, lane)).collect();
        let blocks = self.form.blocks();
        let of = |records: &[Record<K>]| -> Vec<f32> {
            if let ([(0, k)], 1) = (&places[..], blocks) {
                return records.iter().map(|record| number(record, *k)).collect();
            }
            let mut numbers = Vec::with_capacity(records.len() / blocks * places.len());
            for record in records.chunks_exact(blocks) {
                numbers.extend(places.iter().map(|&(block, k)| number(&record[block], k)));
            }
            numbers
        };
        let mut dense: Vec<_> = self.shards.iter().flat_map(|s| s.dense.records()).collect();
        dense.sort_by_key(|(column, _)| *column);
        let dense: Vec<_> = dense.into_iter().flat_map(|(_, record)| record).copied().collect();
        let tables = make_largest_first(crew, self.tables(), |table| table.len(), |table| of(table.blocks()));
        Weights { bias: of(&self.bias), dense: of(&dense), tables }
    }
}
