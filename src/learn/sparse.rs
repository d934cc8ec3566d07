//! A category or list column with its table: of its records each row needs those of its codes.

use std::ops::Range;

use super::chunk::ListColumn;
use super::columns::Columns;
use super::form::Form;
use super::kernels::{self, Kernel, prefetch, prefetch_all};
use super::learner::Column;
use super::mask::{Mask, masked};
use super::octets::{LANES, Octets};
use super::optimizer::Rule;
use super::record::{Record, record, record_mut};
use super::step::Step;
use super::table::Table;

/// Where a table's codes come from: in the order of the columns, categories before lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Codes {
    Slots(usize),
    List(usize),
}

impl Codes {
    /// The column that they stand in.
    pub(crate) fn column(self) -> Column {
        match self {
            Codes::Slots(column) => Column::Slots(column),
            Codes::List(column) => Column::List(column),
        }
    }

    #[inline(always)]
    fn of<'a>(self, columns: &Columns<'a>, rows: Range<usize>) -> &'a [u32] {
        match self {
            Codes::Slots(column) => columns.slots(column, rows),
            Codes::List(column) => {
                let list = &columns.lists[column];
                &list.codes[list.span(rows)]
            }
        }
    }
}

/// Tables smaller than this stay in the caches by themselves.
const PREFETCH_BYTES: usize = 256 << 10;

#[derive(Debug, Clone)]
pub(crate) struct Sparse<const K: usize> {
    pub(crate) codes: Codes,
    pub(crate) table: Table<K>,
    /// Which models have the column.
    mask: Mask<K>,
    /// Where the records of the mini-batch's codes stand in the table, one place for each code.
    places: Vec<u32>,
    /// The same places without repeats, but for some whose gradients came to zero; see [`Sparse::take`].
    distinct: Vec<u32>,
    /// The steps up to which these records were current.
    since: Vec<u64>,
}

impl<const K: usize> Sparse<K> {
    pub(crate) fn new(codes: Codes, table: Table<K>, mask: Mask<K>) -> Self {
        Sparse { codes, table, mask, places: Vec::new(), distinct: Vec::new(), since: Vec::new() }
    }

    /// Whether the table does not stay in the caches by itself.
    pub(crate) fn is_far(&self) -> bool {
        self.table.bytes() > PREFETCH_BYTES
    }

    /// Has the records that rows need brought near.
    #[inline(always)]
    pub(crate) fn bring_near(&self, columns: &Columns<'_>, rows: Range<usize>, blocks: usize) {
        let (places, records) = (self.table.places(), self.table.blocks());
        let current = self.table.current();
        for &code in self.codes.of(columns, rows) {
            let place = places.of(code);
            record(records, place, blocks).iter().for_each(prefetch);
            if let Some(current) = current.get(place as usize) {
                prefetch(current);
            }
        }
    }

    /// Has the codes of rows brought near, which tell the records.
    #[inline(always)]
    pub(crate) fn bring_codes_near(&self, columns: &Columns<'_>, rows: Range<usize>) {
        prefetch_all(self.codes.of(columns, rows));
    }

    /// Adds the column's part of the margins of `rows`, the next mini-batch, to `part`. `octets` take the same step.
    #[inline(always)]
    pub(crate) fn forward<R: Rule, F: Form<K>>(
        &mut self,
        step: &Step<R, K>,
        form: &F,
        columns: &Columns<'_>,
        rows: Range<usize>,
        part: &mut [[f32; K]],
        octets: &Octets<R>,
    ) {
        self.find(columns, rows.clone());
        if step.lazy {
            self.catch_up(step, form, octets);
        }
        let Sparse { codes, table, places, .. } = self;
        let (blocks, records) = (form.blocks(), table.blocks());
        match codes {
            Codes::Slots(_) if F::IS_LINEAR && blocks == 1 => {
                let weights = places.iter().map(|&place| &records[place as usize].weight);
                part.iter_mut().zip(weights).for_each(|(sum, weight)| add(sum, weight));
            }
            Codes::Slots(_) => {
                for (sums, &place) in part.chunks_exact_mut(blocks).zip(&*places) {
                    form.forward(sums, 1.0, record(records, place, blocks));
                }
            }
            Codes::List(column) => {
                let list = &columns.lists[*column];
                let first = list.span(rows.clone()).start;
                for (sums, row) in part.chunks_exact_mut(blocks).zip(rows) {
                    for (place, x) in of_row(list, row, places, first) {
                        form.forward(sums, x, record(records, place, blocks));
                    }
                }
            }
        }
    }

    /// Finds the records of the mini-batch `rows`.
    #[inline(always)]
    fn find(&mut self, columns: &Columns<'_>, rows: Range<usize>) {
        let Sparse { codes, table, places, .. } = self;
        let place = table.places();
        places.clear();
        places.extend(codes.of(columns, rows).iter().map(|&code| place.of(code)));
        table.keep(places);
    }

    /// Brings the records of the mini-batch up to date, and marks them as those that will have taken its step.
    #[inline(always)]
    fn catch_up<R: Rule, F: Form<K>>(&mut self, step: &Step<R, K>, form: &F, octets: &Octets<R>) {
        let Sparse { table, places, distinct, since, .. } = self;
        let (records, current) = table.blocks_mut();
        distinct.resize(places.len(), 0);
        since.resize(places.len(), 0);
        // Repeats come at random: a branch would be guessed wrong.
        let mut count = 0;
        for &place in &*places {
            let current = &mut current[place as usize];
            (distinct[count], since[count]) = (place, *current);
            count += usize::from(*current <= step.number);
            *current = step.number + 1;
        }
        distinct.truncate(count);
        since.truncate(count);
        octets.catch_up(step, form, records, (distinct, since));
    }

    /// Sums the gradients of the mini-batch `rows`, given its derivatives, so that a category which occurs several times
    /// in it takes one step with their sum, as the textbook has it. `buffer` has room for derivatives.
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
        let blocks = form.blocks();
        let derivatives = masked(derivatives, &self.mask, buffer);
        let Sparse { codes, table, places, distinct, .. } = self;
        let records = table.blocks_mut().0;
        // Those of lazy steps are known since they were brought up to date.
        let is_asked = steps_once::<K>(blocks) && !step.lazy;
        if is_asked {
            distinct.resize(places.len(), 0);
        }
        let mut first = First { list: distinct, count: 0, is_asked };
        match codes {
            Codes::Slots(_) if F::IS_LINEAR && blocks == 1 && !step.defer => {
                for (d, &place) in derivatives.iter().zip(&*places) {
                    let record = &mut records[place as usize];
                    first.look(place, record);
                    record.gather(d);
                }
            }
            Codes::Slots(_) => {
                for (d, &place) in derivatives.chunks_exact(blocks).zip(&*places) {
                    let record = record_mut(records, place, blocks);
                    first.look(place, &record[0]);
                    gather(step, form, record, 1.0, d);
                }
            }
            Codes::List(column) => {
                let list = &columns.lists[*column];
                let begin = list.span(rows.clone()).start;
                for (d, row) in derivatives.chunks_exact(blocks).zip(rows) {
                    for (place, x) in of_row(list, row, places, begin) {
                        let record = record_mut(records, place, blocks);
                        first.look(place, &record[0]);
                        gather(step, form, record, x, d);
                    }
                }
            }
        }
        if is_asked {
            let count = first.count;
            distinct.truncate(count);
        }
    }

    /// Lets the records of the mini-batch take their steps along the gradients that they have gathered. `octets` take
    /// the same step.
    #[inline(always)]
    pub(crate) fn take<R: Rule, F: Form<K>>(&mut self, step: &Step<R, K>, form: &F, octets: &Octets<R>) {
        let Sparse { table, places, distinct, .. } = self;
        let records = table.blocks_mut().0;
        if !step.defer {
            // A second step would find the gradient zero and change nothing.
            let touched = if step.lazy || steps_once::<K>(form.blocks()) { distinct } else { &*places };
            octets.take(step, form, records, touched);
        }
        table.count(places.len());
    }

    /// Brings every record up to date.
    pub(crate) fn settle<R: Rule, F: Form<K>>(&mut self, step: &Step<R, K>, form: &F) {
        self.table.keep_all();
        let (records, current) = self.table.blocks_mut();
        kernels::run(Settling { step, form, records, current });
        current.fill(step.number);
    }
}

/// Work for the widest instructions: all records are brought up to date.
struct Settling<'a, R, F, const K: usize> {
    step: &'a Step<R, K>,
    form: &'a F,
    records: &'a mut [Record<K>],
    current: &'a [u64],
}

impl<R: Rule, F: Form<K>, const K: usize> Kernel for Settling<'_, R, F, K> {
    #[inline(always)]
    fn run(self) {
        let octets = Octets::new(self.step);
        for (octet, since) in self.current.chunks(LANES).enumerate() {
            let places: [u32; LANES] = std::array::from_fn(|lane| (octet * LANES + lane) as u32);
            octets.catch_up(self.step, self.form, self.records, (&places[..since.len()], since));
        }
    }
}

/// Whether a record takes one step for all its visits in a mini-batch, and not one for each, of which the first counts: finding
/// repeats costs less where records are more than a lane.
const fn steps_once<const K: usize>(blocks: usize) -> bool {
    K > 1 || blocks > 1
}

/// Lists places at their first visit in a mini-batch, without a branch: repeats come at random.
struct First<'a> {
    /// Room for all places of the mini-batch; none if nobody asks.
    list: &'a mut [u32],
    count: usize,
    is_asked: bool,
}

impl First<'_> {
    /// A visit of a record that has yet to gather: between mini-batches gradients are zero.
    #[inline(always)]
    fn look<const K: usize>(&mut self, place: u32, record: &Record<K>) {
        if self.is_asked {
            self.list[self.count] = place;
            self.count += usize::from(record.gradient[0] == 0.0);
        }
    }
}

/// The places of a row's codes, of those of a mini-batch whose first code is number `first` of a list column, each with
/// its value.
#[inline(always)]
fn of_row(list: &ListColumn, row: usize, places: &[u32], first: usize) -> impl Iterator<Item = (u32, f32)> {
    let span = list.span(row..row + 1);
    let places = &places[span.start - first..span.end - first];
    let values = list.values.get(span).unwrap_or_default();
    places.iter().enumerate().map(|(i, &place)| (place, values.get(i).copied().unwrap_or(1.0)))
}

/// Adds what a row's derivatives make of a feature of value `x` to its record's gradient.
#[inline(always)]
fn gather<R: Rule, F: Form<K>, const K: usize>(
    step: &Step<R, K>,
    form: &F,
    record: &mut [Record<K>],
    x: f32,
    derivatives: &[[f32; K]],
) {
    for (b, block) in record.iter_mut().enumerate() {
        let g = form.gradient(b, x, derivatives, block);
        step.gather(block, &g);
    }
}

#[inline(always)]
fn add<const K: usize>(sum: &mut [f32; K], terms: &[f32; K]) {
    for k in 0..K {
        sum[k] += terms[k];
    }
}
