//! The learner: models side by side, one mini-batch after the other.

use std::io::{self, Read};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::chunk::{Chunk, Shape};
use super::crew::{Alone, Board, Crew, Job, make_largest_first, share_out_largest_first};
use super::dump::{Dumping, Outlet, Pace};
use super::form::{Form, ModelForm};
use super::linear::{Iterate, Linear, State, Weights};
use super::loss::Loss;
use super::mask::mask;
use super::optimizer::{Lane, Rule};
use super::record::Record;
use super::settings::Settings;
use super::shard::Shard;
use super::span::Span;
use super::sparse::{Codes, Sparse};
use super::step::{Lanes, MODELS, Step};
use super::table::Table;
use super::variant::Variant;
use crate::random::keyed;

/// A learner of any number of models, any form and any optimiser.
pub trait Learn: Send {
    /// Learns from `rows` of `chunk` in mini-batches of `batch` rows (the last may have fewer), by the
    /// hands of `crew`, whose number changes nothing but the time. Appends each row's margins *before*
    /// its mini-batch's step, model after model, to `margins`.
    fn learn(
        &mut self,
        chunk: &Chunk,
        rows: Range<usize>,
        batch: usize,
        crew: &dyn Crew,
        margins: &mut Vec<f32>,
    );

    /// Lets tables double that are too full, by the hands of `crew`. To be called after the same numbers of rows in every
    /// run.
    fn grow(&mut self, crew: &dyn Crew);

    /// Ends an epoch: gradient descent takes its step now.
    fn end_epoch(&mut self);

    /// The models side by side.
    fn variants(&self) -> &[Variant];

    /// A learner that goes on with some of the models alone, in the order given, its tables made by the hands of `crew`.
    ///
    /// # Panics
    /// If there are none of them.
    fn only(&self, models: &[usize], crew: &dyn Crew) -> Box<dyn Learn>;

    /// Lets all models start from a model's weights and, if given, from what its optimiser kept. The tables
    /// must have been made for as many features as the model has.
    fn start_from(&mut self, linear: &Linear, state: Option<&State>);

    /// The weights of a model.
    fn weights(&mut self, model: usize, iterate: Iterate) -> Linear;

    /// What a model's optimiser needs, beside the weights, to go on learning.
    fn state(&mut self, model: usize) -> State;

    /// A model's weights and state, gathered by all hands of `crew`.
    fn whole(&mut self, model: usize, iterate: Iterate, crew: &dyn Crew) -> (Linear, State);

    /// The feature column whose weight, times its standard size of one, weighs most in a model, or
    /// is not finite: where a divergence shows. `None` for the bias.
    fn heaviest(&self, model: usize) -> Option<Column>;

    /// Bytes of the records of all models.
    fn bytes(&self) -> usize;

    /// Bytes of the records of one model, as [`super::Settings::max_bytes`] counts them.
    fn bytes_each(&self) -> usize;

    /// Whether a table would have grown, had `max_bytes` allowed it.
    fn capped(&self) -> bool;

    /// Lets everything that learning goes on from now leave, as it is, bit for bit, at once or while learning goes on.
    fn dump(&mut self, outlet: Box<dyn Outlet>, pace: Pace);

    /// Goes on from the dump of a learner of the same settings and models.
    ///
    /// # Errors
    /// Those of reading, and if it comes from another learner; this one must not be used then.
    fn take_up(&mut self, from: &mut dyn Read) -> io::Result<()>;
}

/// A column of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Column {
    /// A dense column.
    Dense(usize),
    /// A category column.
    Slots(usize),
    /// A list column.
    List(usize),
}

/// A column, by its number among those of all sorts.
fn column_at(shape: Shape, number: usize) -> Column {
    if number < shape.dense {
        Column::Dense(number)
    } else if number < shape.dense + shape.slots {
        Column::Slots(number - shape.dense)
    } else {
        Column::List(number - shape.dense - shape.slots)
    }
}

/// Columns are dealt to this many shards, whatever the number of threads.
const SHARDS: usize = 8;

/// Numbers of a mini-batch that are worth one more hand, and as how many a table's record counts. (From 28 columns of numbers in
/// mini-batches of 32 rows two hands learned no faster than one.)
const ENOUGH: usize = 1024;
const FAR: usize = 8;

pub(crate) struct Learner<R, F, const K: usize> {
    pub(super) model_form: ModelForm,
    pub(crate) form: F,
    loss: Loss,
    class_weights: Vec<f32>,
    variants: Vec<Variant>,
    pub(super) step: Step<R, K>,
    pub(super) max_bytes: usize,
    pub(super) shards: Vec<Shard<K>>,
    pub(super) bias: Vec<Record<K>>,
    /// For each model the weight of the rows since the last deferred step.
    pub(super) deferred: Vec<f64>,
    pub(super) capped: bool,
    pub(super) dumping: Option<Dumping>,
}

/// What each model has, for its lanes.
fn by_lane<T: Copy + Default, const K: usize>(form: &impl Form<K>, of: impl Fn(usize) -> T) -> Lanes<T, K> {
    let mut lanes = [[T::default(); K]; MODELS];
    for block in 0..form.blocks() {
        lanes[form.model_of(block)] = std::array::from_fn(|lane| of(form.model_at(block, lane)));
    }
    lanes
}

/// The strengths of the models' penalties.
fn penalties<const K: usize>(form: &impl Form<K>, variants: &[Variant]) -> (Lanes<f32, K>, Lanes<f32, K>) {
    let l1 = by_lane(form, |model| variants[model].penalty.l1);
    (l1, by_lane(form, |model| variants[model].penalty.l2))
}

impl<R: Rule, F: Form<K>, const K: usize> Learner<R, F, K> {
    pub(crate) fn new(settings: &Settings, rule: R, form: F, defer: bool, crew: &dyn Crew) -> Self {
        let (shape, variants) = (settings.shape, &settings.variants);
        let rates = by_lane(&form, |model| variants[model].rate);
        let step = Step::new(rule, rates, settings.schedule, penalties(&form, variants), defer, 0);
        let count = SHARDS.min(shape.dense + shape.slots + shape.lists).max(1);
        let mut shards = vec![Shard::default(); count];
        // Each column's records start from random numbers of their own, where they do.
        let fresh = |column: usize, record: usize, block: usize| {
            let mut fresh = form.fresh(block, keyed(settings.seed ^ ((column as u64) << 32), record as u64));
            if R::SQUARES && R::AVERAGES && (shape.dense..shape.dense + shape.slots).contains(&column) {
                fresh.accumulator.iter_mut().for_each(|sum| *sum += settings.caution);
            }
            for k in 0..K {
                if variants[form.model_at(block, k)].without.contains(&column_at(shape, column)) {
                    fresh.weight[k] = 0.0;
                }
            }
            step.start(&mut fresh, form.model_of(block));
            fresh
        };
        // Dense columns go round from the first shard, the much dearer tables from the last.
        for column in 0..shape.dense {
            let record = (0..form.blocks()).map(|block| fresh(column, 0, block));
            let mask = mask(&form, variants, Column::Dense(column));
            shards[column % count].dense.push(column, record, mask);
        }
        let codes = (0..shape.slots).map(Codes::Slots).chain((0..shape.lists).map(Codes::List));
        let due: Vec<(usize, &(usize, u32))> = settings.tables.iter().enumerate().collect();
        let tables = make_largest_first(
            crew,
            due,
            |(_, (known, bits))| known + (1 << bits),
            |(i, &(known, bits))| {
                let fresh = |record, block| fresh(shape.dense + i, record, block);
                Table::new(known, bits, form.blocks(), step.lazy.then_some(0), fresh)
            },
        );
        for (i, (codes, table)) in codes.zip(tables).enumerate() {
            let mask = mask(&form, variants, codes.column());
            shards[count - 1 - i % count].sparse.push(Sparse::new(codes, table, mask));
        }
        let mut bias = vec![Record::ZERO; form.blocks()];
        for model in 0..variants.len() {
            for (lane, &start) in settings.start.iter().enumerate() {
                let (block, k) = form.place(model, lane);
                bias[block].weight[k] = start;
            }
        }
        for (b, block) in bias.iter_mut().enumerate() {
            step.free().start(block, form.model_of(b));
        }
        Learner {
            model_form: settings.form,
            form,
            loss: settings.loss,
            class_weights: settings.class_weights.clone(),
            variants: variants.clone(),
            step,
            max_bytes: settings.max_bytes,
            shards,
            bias,
            deferred: vec![0.0; variants.len()],
            capped: false,
            dumping: None,
        }
    }

    /// A learner of some of the models alone, in the form `form`: `f` appends the blocks that a record becomes. Its tables are
    /// made by the hands of `crew`.
    pub(crate) fn map<G: Form<L>, const L: usize>(
        &self,
        form: G,
        models: &[usize],
        crew: &dyn Crew,
        f: impl Fn(&[Record<K>], &mut Vec<Record<L>>) + Copy + Sync,
    ) -> Learner<R, G, L> {
        let blocks = form.blocks();
        let mut bias = Vec::with_capacity(blocks);
        f(&self.bias, &mut bias);
        let variants: Vec<_> = models.iter().map(|&model| self.variants[model].clone()).collect();
        let rates = by_lane(&form, |model| variants[model].rate);
        let mask = |column| mask(&form, &variants, column);
        let tables: Vec<&Table<K>> =
            self.shards.iter().flat_map(|shard| &shard.sparse).map(|column| &column.table).collect();
        let mut tables =
            make_largest_first(crew, tables, |table| table.len(), |table| table.map(blocks, f)).into_iter();
        let shards = self.shards.iter().map(|shard| {
            let codes = shard.sparse.iter().map(|column| column.codes);
            let sparse =
                codes.zip(&mut tables).map(|(codes, table)| Sparse::new(codes, table, mask(codes.column())));
            Shard { sparse: sparse.collect(), dense: shard.dense.map(blocks, mask, f), part: Vec::new() }
        });
        let shards = shards.collect();
        Learner {
            model_form: self.model_form,
            form,
            loss: self.loss,
            class_weights: self.class_weights.clone(),
            step: self.step.with_lanes(rates, penalties(&form, &variants)),
            max_bytes: self.max_bytes,
            shards,
            bias,
            deferred: models.iter().map(|&model| self.deferred[model]).collect(),
            capped: self.capped,
            dumping: None,
            variants,
        }
    }

    /// The tables in the order of the columns, categories before lists.
    pub(super) fn tables(&self) -> Vec<&Table<K>> {
        let mut columns: Vec<_> = self.shards.iter().flat_map(|s| &s.sparse).collect();
        columns.sort_by_key(|column| column.codes);
        columns.into_iter().map(|column| &column.table).collect()
    }

    fn tables_mut(&mut self) -> Vec<&mut Table<K>> {
        let mut columns: Vec<_> = self.shards.iter_mut().flat_map(|s| &mut s.sparse).collect();
        columns.sort_by_key(|column| column.codes);
        columns.into_iter().map(|column| &mut column.table).collect()
    }

    /// As many hands as are worth it, which meet once in each mini-batch.
    fn most_hands(&self, batch: usize) -> usize {
        let columns = |shard: &Shard<K>| shard.dense.len() + FAR * shard.sparse.len();
        let columns: usize = self.shards.iter().map(columns).sum();
        batch * columns * self.form.blocks() * K / ENOUGH
    }

    /// Bytes of a model's share of a record: as if it were alone, and one of those that keep most, whatever stands
    /// beside it.
    pub(super) fn record_each(&self) -> usize {
        self.form.width() * size_of::<Record<1>>() + size_of::<u64>()
    }
}

impl<R: Rule, F: Form<K>, const K: usize> Learn for Learner<R, F, K> {
    fn learn(
        &mut self,
        chunk: &Chunk,
        rows: Range<usize>,
        batch: usize,
        crew: &dyn Crew,
        margins: &mut Vec<f32>,
    ) {
        let shards = self.shards.len();
        let hands = crew.hands().min(self.most_hands(batch)).clamp(1, shards);
        let board = Board::new(hands, shards, batch * self.form.blocks() * K);
        let span = Span {
            loss: self.loss,
            class_weights: &self.class_weights,
            variants: &self.variants,
            form: self.form,
            step: self.step,
            chunk,
            rows: rows.clone(),
            batch,
            board: &board,
            shards,
            hands,
        };
        let mut jobs: Vec<Job<'_>> = Vec::with_capacity(hands);
        let (mut rest, mut first) = (self.shards.as_mut_slice(), 0);
        // Every hand steps a copy of the bias, and all come out the same: the first one's is kept.
        let copy = self.bias.clone();
        let mut output = Some((&mut self.bias, margins));
        for hand in 0..hands {
            let count = (hand + 1) * shards / hands - first;
            let (mine, others) = rest.split_at_mut(count);
            rest = others;
            let (span, index, output, mut copy) = (&span, first, output.take(), copy.clone());
            first += count;
            jobs.push(Box::new(move || match output {
                Some((bias, margins)) => span.work(mine, index, bias, margins),
                None => span.work(mine, index, &mut copy, &mut Vec::new()),
            }));
        }
        crew.run(jobs);
        if self.step.defer {
            let weight = |row: usize| chunk.weights.get(row).map_or(1.0, |&weight| f64::from(weight));
            for (deferred, variant) in self.deferred.iter_mut().zip(&self.variants) {
                let learned = rows.clone().filter(|&row| variant.learns_from(chunk.parts_of(row)));
                *deferred += learned.map(weight).sum::<f64>();
            }
        } else {
            self.step = self.step.after(rows.len().div_ceil(batch) as u64);
        }
        self.go_on_dumping();
    }

    fn grow(&mut self, crew: &dyn Crew) {
        // Not while gradients are put off: the two halves of a doubled table would share them.
        if self.deferred.iter().any(|&weight| weight > 0.0) {
            return;
        }
        let mut room = self.max_bytes.saturating_sub(self.bytes_each()) / self.record_each();
        let mut due = Vec::new();
        for table in self.shards.iter_mut().flat_map(|s| &mut s.sparse).map(|column| &mut column.table) {
            if !table.wants_to_grow() {
                continue;
            }
            if table.growth() <= room {
                room -= table.growth();
                due.push(table);
            } else {
                self.capped = true;
            }
        }
        share_out_largest_first(crew, due, |table| table.growth(), Table::double);
    }

    fn end_epoch(&mut self) {
        if self.step.defer && self.deferred.iter().any(|&weight| weight > 0.0) {
            // A model without rows has no gradient either.
            let weight = |model: usize| if self.deferred[model] > 0.0 { self.deferred[model] } else { 1.0 };
            let weights = by_lane(&self.form, weight);
            for shard in &mut self.shards {
                shard.take_deferred(&self.step, &self.form, &weights);
            }
            for (b, block) in self.bias.iter_mut().enumerate() {
                self.step.free().take_deferred(block, self.form.model_of(b), &weights);
            }
            self.deferred.fill(0.0);
            self.step = self.step.after(1);
            self.grow(&Alone);
        }
    }

    fn variants(&self) -> &[Variant] {
        &self.variants
    }

    fn only(&self, models: &[usize], crew: &dyn Crew) -> Box<dyn Learn> {
        F::only(self, models, crew)
    }

    fn start_from(&mut self, linear: &Linear, state: Option<&State>) {
        let steps = state.map_or(0, |state| state.steps);
        let Step { rule, schedule, l1, l2, defer, rates, .. } = self.step;
        self.step = Step::new(rule, rates, schedule, (l1, l2), defer, steps);
        let step = self.step;
        let (form, models) = (self.form, self.variants.len());
        let (lanes, blocks) = (form.lanes(), form.blocks());
        let fill =
            |record: &mut [Record<K>], feature: usize, of: &dyn Fn(&Weights) -> &[f32], step: &Step<R, K>| {
                let kept = |weights: &Weights, place: usize| of(weights).get(place).copied();
                for (model, lane) in (0..models).flat_map(|m| (0..lanes).map(move |l| (m, l))) {
                    let (block, k) = form.place(model, lane);
                    let place = feature * lanes + lane;
                    let accumulator = state.and_then(|state| kept(&state.accumulators, place));
                    let z = state.and_then(|state| kept(&state.z, place)).filter(|_| !R::AVERAGES);
                    let mut lane = Lane {
                        weight: of(&linear.weights)[place],
                        accumulator: accumulator.unwrap_or(record[block].accumulator[k]),
                        drift: z.unwrap_or(0.0),
                    };
                    let model = form.model_of(block);
                    rule.restore(rates[model][k], step.penalty(model, k), steps, &mut lane);
                    record[block].weight[k] = lane.weight;
                    record[block].accumulator[k] = lane.accumulator;
                    record[block].drift[k] = lane.drift;
                }
            };
        fill(&mut self.bias, 0, &|w| &w.bias, &step.free());
        for (column, record) in self.shards.iter_mut().flat_map(|s| s.dense.records_mut()) {
            fill(record, column, &|w| &w.dense, &step);
        }
        for (t, table) in self.tables_mut().into_iter().enumerate() {
            table.keep_all();
            let (all, current) = table.blocks_mut();
            current.fill(steps);
            for (feature, record) in all.chunks_exact_mut(blocks).enumerate() {
                fill(record, feature, &|w| w.tables.get(t).map_or(&[], |table| table), &step);
            }
        }
    }

    fn weights(&mut self, model: usize, iterate: Iterate) -> Linear {
        self.settle(&Alone);
        self.weights_of(model, iterate, &Alone)
    }

    fn state(&mut self, model: usize) -> State {
        self.settle(&Alone);
        self.state_of(model, &Alone)
    }

    fn whole(&mut self, model: usize, iterate: Iterate, crew: &dyn Crew) -> (Linear, State) {
        self.settle(crew);
        (self.weights_of(model, iterate, crew), self.state_of(model, crew))
    }

    fn heaviest(&self, model: usize) -> Option<Column> {
        let places: Vec<_> = (0..self.form.lanes()).map(|lane| self.form.place(model, lane)).collect();
        let size = |record: &[Record<K>]| {
            let sizes = places.iter().map(|&(block, k)| {
                let w = record[block].weight[k].abs();
                if w.is_nan() { f32::INFINITY } else { w }
            });
            sizes.fold(0.0, f32::max)
        };
        let dense = self.shards.iter().flat_map(|s| s.dense.records());
        let dense = dense.map(|(column, record)| (size(record), Column::Dense(column)));
        let tables = self.shards.iter().flat_map(|s| &s.sparse).map(|Sparse { codes, table, .. }| {
            let records = table.blocks().chunks_exact(self.form.blocks());
            let heaviest = records.map(size).fold(0.0, f32::max);
            (heaviest, codes.column())
        });
        let heaviest = dense.chain(tables).max_by(|a, b| a.0.total_cmp(&b.0))?;
        (heaviest.0 >= size(&self.bias)).then_some(heaviest.1)
    }

    fn bytes(&self) -> usize {
        self.shards.iter().map(Shard::bytes).sum()
    }

    fn bytes_each(&self) -> usize {
        self.record_each() * self.shards.iter().map(Shard::records).sum::<usize>()
    }

    fn capped(&self) -> bool {
        self.capped
    }

    fn dump(&mut self, outlet: Box<dyn Outlet>, pace: Pace) {
        self.begin_dump(outlet, pace);
    }

    fn take_up(&mut self, from: &mut dyn Read) -> io::Result<()> {
        self.read(from)
    }
}
