//! The feed: from chunks of any size to mini-batches of one size.

use std::sync::Arc;

use super::race::Race;
use crate::error::{Error, Result};
use crate::features::Plan;
use crate::learn::{Chunk, Learn};
use crate::pipeline::GradientWorkers;

/// Cuts the stream of rows into mini-batches, whatever the chunks they come in, lets the learner learn
/// from them, and keeps the race's account.
pub(crate) struct Feed {
    pub(crate) learner: Box<dyn Learn>,
    plan: Arc<Plan>,
    batch: usize,
    /// Rows after which only the race's winner goes on.
    race_rows: u64,
    crew: GradientWorkers,
    /// Rows learned from, and those after which tables may grow next.
    rows: u64,
    next_growth: u64,
    /// Rows that do not fill a mini-batch yet.
    carry: Chunk,
    margins: Vec<f32>,
}

/// Tables may grow after so many rows, whatever the chunks they come in.
const GROWTH_ROWS: u64 = 4096;

impl Feed {
    pub(crate) fn new(
        learner: Box<dyn Learn>,
        plan: Arc<Plan>,
        batch: usize,
        race_rows: u64,
        crew: GradientWorkers,
    ) -> Self {
        let carry = Chunk::new(plan.shape(), batch);
        let margins = Vec::new();
        Feed { learner, plan, batch, race_rows, crew, rows: 0, next_growth: GROWTH_ROWS, carry, margins }
    }

    /// Learns from all rows of `chunk` but those that do not fill a mini-batch, with the readers' threads, too, if these
    /// rest.
    ///
    /// # Errors
    /// If all models have diverged.
    pub(crate) fn push(&mut self, chunk: &Chunk, readers_rest: bool, race: &mut Race) -> Result<()> {
        let crew = self.crew.joined_by_readers(readers_rest);
        let mut start = 0;
        if self.carry.rows() > 0 {
            start = (self.batch - self.carry.rows()).min(chunk.rows());
            self.carry.append(chunk, 0, start);
            if self.carry.rows() < self.batch {
                return Ok(());
            }
            self.flush(race)?;
        }
        while start + self.batch <= chunk.rows() {
            // As many mini-batches as end before something is to be looked at.
            let until_look = race.rows_to_mark().min(self.next_growth - self.rows);
            let batches =
                (((chunk.rows() - start) / self.batch) as u64).min(until_look.div_ceil(self.batch as u64));
            let end = start + batches as usize * self.batch;
            self.margins.clear();
            self.learner.learn(chunk, start..end, self.batch, &crew, &mut self.margins);
            let weights = chunk.weights.get(start..end).unwrap_or_default();
            race.add(&self.margins, &chunk.labels[start..end], weights);
            self.look_at(race, end - start)?;
            start = end;
        }
        self.carry.append(chunk, start, chunk.rows());
        Ok(())
    }

    /// Learns from the rows that are left, as a smaller mini-batch.
    ///
    /// # Errors
    /// If all models have diverged.
    pub(crate) fn flush(&mut self, race: &mut Race) -> Result<()> {
        let rows = self.carry.rows();
        if rows > 0 {
            self.margins.clear();
            self.learner.learn(&self.carry, 0..rows, rows, &self.crew, &mut self.margins);
            race.add(&self.margins, &self.carry.labels, &self.carry.weights);
            self.carry.reset(self.batch);
            self.look_at(race, rows)?;
        }
        Ok(())
    }

    /// After `rows` more rows: lets tables grow, ends the run if all models have diverged, and the race
    /// when it has had its rows.
    fn look_at(&mut self, race: &mut Race, rows: usize) -> Result<()> {
        self.rows += rows as u64;
        if self.rows >= self.next_growth {
            self.learner.grow();
            self.next_growth = self.rows + GROWTH_ROWS;
        }
        let Some(leader) = race.leader() else {
            let rates = self.learner.rates();
            let column = self.learner.heaviest(0).map_or("the bias".to_string(), |column| {
                format!("the weight of column `{}`", self.plan.column_name(column))
            });
            let message = format!(
                "the loss was no longer finite at row {} of the run: {column} has grown beyond all bounds \
                 with the learning rate {}",
                race.diverged_at().unwrap_or(0),
                rates.iter().copied().fold(f32::INFINITY, f32::min)
            );
            return Err(Error::data(message)
                .remedy("give a smaller --learning-rate, let numbers be scaled, or ignore the column"));
        };
        if self.learner.rates().len() > 1 && race.rows() >= self.race_rows {
            race.keep(leader);
            self.learner = self.learner.only(leader);
        }
        Ok(())
    }
}
