//! The learner: K models side by side, one mini-batch after the other.

use std::ops::Range;

use super::chunk::{Chunk, Shape};
use super::crew::{Board, Crew, Job};
use super::linear::{Iterate, Linear, State, Weights};
use super::loss::Loss;
use super::optimizer::{AdaGradRule, Optimizer, RmsPropRule, Rule, SgdRule};
use super::record::Record;
use super::shard::{Codes, Shard, Step, clock};
use super::span::Span;
use super::table::Table;

/// What a learner is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The loss.
    pub loss: Loss,
    /// The optimiser.
    pub optimizer: Optimizer,
    /// One learning rate for each model side by side: one, or four.
    pub rates: Vec<f32>,
    /// Strength of the L2 penalty `l2/2 * |w|^2` on the mean loss; the bias is free of it.
    pub l2: f32,
    /// The chunks' columns.
    pub shape: Shape,
    /// For each category column, then each list column: known categories, and log2 of the records
    /// that the others share at the start.
    pub tables: Vec<(usize, u32)>,
    /// Most bytes that all tables together may grow to.
    pub max_bytes: usize,
}

/// A learner of any number of models and any optimiser.
pub trait Learn: Send {
    /// Learns from `rows` of `chunk` in mini-batches of `batch` rows (the last may have fewer), by the
    /// hands of `crew`, whose number changes nothing but the time. Appends each row's margins *before*
    /// its mini-batch's step, one for each model, to `margins`.
    fn learn(
        &mut self,
        chunk: &Chunk,
        rows: Range<usize>,
        batch: usize,
        crew: &dyn Crew,
        margins: &mut Vec<f32>,
    );

    /// Lets tables double that are too full. To be called after the same numbers of rows in every run.
    fn grow(&mut self);

    /// Ends an epoch: gradient descent takes its step now.
    fn end_epoch(&mut self);

    /// The learning rates of the models side by side.
    fn rates(&self) -> &[f32];

    /// A learner that goes on with model `model` alone.
    fn only(&self, model: usize) -> Box<dyn Learn>;

    /// The weights of a model.
    fn weights(&mut self, model: usize, iterate: Iterate) -> Linear;

    /// What a model's optimiser needs, beside the weights, to go on learning.
    fn state(&mut self, model: usize) -> State;

    /// The feature column whose weight, times its standard size of one, weighs most in a model, or
    /// is not finite: where a divergence shows. `None` for the bias.
    fn heaviest(&self, model: usize) -> Option<Column>;

    /// Bytes of all records.
    fn bytes(&self) -> usize;

    /// Whether a table would have grown, had `max_bytes` allowed it.
    fn capped(&self) -> bool;
}

/// A column of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// A dense column.
    Dense(usize),
    /// A category column.
    Slots(usize),
    /// A list column.
    List(usize),
}

/// Makes a learner.
///
/// # Panics
/// If there are neither one nor four rates.
pub fn learner(settings: &Settings) -> Box<dyn Learn> {
    match settings.optimizer {
        Optimizer::Gd => sized(settings, SgdRule, true),
        Optimizer::Sgd => sized(settings, SgdRule, false),
        Optimizer::AdaGrad { epsilon } => sized(settings, AdaGradRule { epsilon }, false),
        Optimizer::RmsProp { decay, epsilon } => sized(settings, RmsPropRule { decay, epsilon }, false),
    }
}

fn sized<R: Rule>(settings: &Settings, rule: R, defer: bool) -> Box<dyn Learn> {
    match settings.rates[..] {
        [rate] => Box::new(Learner::new(settings, rule, [rate], defer)),
        [a, b, c, d] => Box::new(Learner::new(settings, rule, [a, b, c, d], defer)),
        _ => panic!("a learner has one or four models, not {}", settings.rates.len()),
    }
}

/// Columns are dealt to this many shards, whatever the number of threads.
const SHARDS: usize = 8;

struct Learner<R, const K: usize> {
    loss: Loss,
    step: Step<R, K>,
    max_bytes: usize,
    shards: Vec<Shard<K>>,
    bias: Record<K>,
    /// Rows since the last deferred step.
    deferred_rows: u64,
    capped: bool,
}

impl<R: Rule, const K: usize> Learner<R, K> {
    fn new(settings: &Settings, rule: R, rates: [f32; K], defer: bool) -> Self {
        let shape = settings.shape;
        let lazy = !defer && (settings.l2 > 0.0 || R::DECAYS);
        let count = SHARDS.min(shape.dense + shape.slots + shape.lists).max(1);
        let mut shards = vec![Shard { dense: Vec::new(), tables: Vec::new(), part: Vec::new() }; count];
        // Dense columns go round from the first shard, the much dearer tables from the last.
        for column in 0..shape.dense {
            shards[column % count].dense.push((column, Record::ZERO));
        }
        let codes = (0..shape.slots).map(Codes::Slots).chain((0..shape.lists).map(Codes::List));
        for (i, (codes, &(known, bits))) in codes.zip(&settings.tables).enumerate() {
            shards[count - 1 - i % count].tables.push((codes, Table::new(known, bits, lazy)));
        }
        Learner {
            loss: settings.loss,
            step: Step { rule, rates, l2: settings.l2, lazy, defer, number: 0, clock: clock(0) },
            max_bytes: settings.max_bytes,
            shards,
            bias: Record::ZERO,
            deferred_rows: 0,
            capped: false,
        }
    }

    /// Collects one number of each record, in the order of the columns.
    fn collect(&self, number: impl Fn(&Record<K>) -> f32) -> Weights {
        let mut dense: Vec<(usize, f32)> =
            self.shards.iter().flat_map(|s| s.dense.iter().map(|(c, r)| (*c, number(r)))).collect();
        dense.sort_by_key(|&(column, _)| column);
        let tables = |list: bool| {
            let mut tables: Vec<(usize, Vec<f32>)> = Vec::new();
            for (codes, table) in self.shards.iter().flat_map(|s| &s.tables) {
                match (codes, list) {
                    (Codes::Slots(c), false) | (Codes::List(c), true) => {
                        tables.push((*c, table.records().iter().map(&number).collect()));
                    }
                    _ => {}
                }
            }
            tables.sort_by_key(|&(column, _)| column);
            tables.into_iter().map(|(_, table)| table)
        };
        Weights {
            bias: number(&self.bias),
            dense: dense.into_iter().map(|(_, n)| n).collect(),
            tables: tables(false).chain(tables(true)).collect(),
        }
    }

    fn known(&self) -> Vec<usize> {
        let mut known: Vec<(bool, usize, usize)> = self
            .shards
            .iter()
            .flat_map(|s| &s.tables)
            .map(|(codes, table)| match codes {
                Codes::Slots(c) => (false, *c, table.known()),
                Codes::List(c) => (true, *c, table.known()),
            })
            .collect();
        known.sort();
        known.into_iter().map(|(_, _, known)| known).collect()
    }

    fn settle(&mut self) {
        if self.step.lazy {
            for shard in &mut self.shards {
                shard.settle(&self.step);
            }
        }
    }
}

impl<R: Rule, const K: usize> Learn for Learner<R, K> {
    fn learn(
        &mut self,
        chunk: &Chunk,
        rows: Range<usize>,
        batch: usize,
        crew: &dyn Crew,
        margins: &mut Vec<f32>,
    ) {
        let shards = self.shards.len();
        let hands = crew.hands().clamp(1, shards);
        let board = Board::new(hands, shards, batch * K);
        let span = Span {
            loss: self.loss,
            step: self.step,
            chunk,
            rows: rows.clone(),
            batch,
            board: &board,
            shards,
            hands,
        };
        let mut tasks: Vec<Job<'_>> = Vec::with_capacity(hands);
        let (mut rest, mut first) = (self.shards.as_mut_slice(), 0);
        // Every hand steps a copy of the bias, and all come out the same: the first one's is kept.
        let bias = self.bias;
        let mut output = Some((&mut self.bias, margins));
        for hand in 0..hands {
            let count = (hand + 1) * shards / hands - first;
            let (mine, others) = rest.split_at_mut(count);
            rest = others;
            let (span, index, output) = (&span, first, output.take());
            first += count;
            tasks.push(Box::new(move || match output {
                Some((kept, margins)) => {
                    *kept = span.work(mine, index, bias, |m| margins.extend_from_slice(m))
                }
                None => {
                    span.work(mine, index, bias, |_| ());
                }
            }));
        }
        crew.run(tasks);
        if self.step.defer {
            self.deferred_rows += rows.len() as u64;
        } else {
            self.step = self.step.after(rows.len().div_ceil(batch) as u64);
        }
    }

    fn grow(&mut self) {
        // Not while gradients are put off: the two halves of a doubled table would share them.
        if self.deferred_rows > 0 {
            return;
        }
        let mut room = self.max_bytes.saturating_sub(self.bytes());
        for shard in &mut self.shards {
            self.capped |= shard.grow(&mut room);
        }
    }

    fn end_epoch(&mut self) {
        if self.step.defer && self.deferred_rows > 0 {
            for shard in &mut self.shards {
                shard.take_deferred(&self.step, self.deferred_rows);
            }
            Step { l2: 0.0, ..self.step }.take_deferred(&mut self.bias, self.deferred_rows);
            self.deferred_rows = 0;
            self.step = self.step.after(1);
            self.grow();
        }
    }

    fn rates(&self) -> &[f32] {
        &self.step.rates
    }

    fn only(&self, model: usize) -> Box<dyn Learn> {
        Box::new(Learner::<R, 1> {
            loss: self.loss,
            step: Step {
                rule: self.step.rule,
                rates: [self.step.rates[model]],
                l2: self.step.l2,
                lazy: self.step.lazy,
                defer: self.step.defer,
                number: self.step.number,
                clock: self.step.clock,
            },
            max_bytes: self.max_bytes,
            shards: self.shards.iter().map(|s| s.only(model)).collect(),
            bias: self.bias.only(model),
            deferred_rows: self.deferred_rows,
            capped: self.capped,
        })
    }

    fn weights(&mut self, model: usize, iterate: Iterate) -> Linear {
        self.settle();
        // Before the first step there is no time to average over; deferred steps keep no drift.
        let iterate = if self.step.number == 0 || self.step.defer { Iterate::Last } else { iterate };
        let share = iterate.mean_share() / clock(self.step.number.max(1));
        let weights = self.collect(|r| r.weight[model] - share * r.drift[model]);
        Linear { weights, known: self.known() }
    }

    fn state(&mut self, model: usize) -> State {
        self.settle();
        State { accumulators: self.collect(|r| r.accumulator[model].abs()), steps: self.step.number }
    }

    fn heaviest(&self, model: usize) -> Option<Column> {
        let size = |record: &Record<K>| {
            let w = record.weight[model].abs();
            if w.is_nan() { f32::INFINITY } else { w }
        };
        let dense = self.shards.iter().flat_map(|s| &s.dense).map(|(c, r)| (size(r), Column::Dense(*c)));
        let tables = self.shards.iter().flat_map(|s| &s.tables).map(|(codes, table)| {
            let heaviest = table.records().iter().map(size).fold(0.0, f32::max);
            match codes {
                Codes::Slots(c) => (heaviest, Column::Slots(*c)),
                Codes::List(c) => (heaviest, Column::List(*c)),
            }
        });
        let heaviest = dense.chain(tables).max_by(|a, b| a.0.total_cmp(&b.0))?;
        (heaviest.0 >= size(&self.bias)).then_some(heaviest.1)
    }

    fn bytes(&self) -> usize {
        self.shards.iter().map(Shard::bytes).sum()
    }

    fn capped(&self) -> bool {
        self.capped
    }
}
