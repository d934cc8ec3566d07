//! The feed: from chunks of any size to mini-batches of one size, which all teams learn from.

use std::ops::Range;
use std::sync::Arc;

use super::checkpoint::{Pages, Pen};
use super::team::Team;
use crate::error::Result;
use crate::learn::{Alone, Chunk, Crew, Settings, Shape, share_out};
use crate::pipeline::GradientWorkers;

/// Whoever looks at the models while they learn, and decides which of them go on.
pub(crate) trait Referee {
    /// Rows before it wants to look: mini-batches end there, whatever the chunks they come in.
    fn rows_to_look(&self) -> u64;

    /// Looks, after so many more rows (sooner than it wanted, too). Teams of which some models go on are put together by
    /// the hands of `crew`.
    ///
    /// # Errors
    /// If no model can go on.
    fn look(&mut self, teams: &mut Vec<Team>, rows: u64, crew: &dyn Crew) -> Result<()>;

    /// Which model's losses tell how the run goes, as its place among all teams' models.
    fn leader(&self, teams: &[Team]) -> Option<(usize, usize)>;
}

/// Cuts the stream of rows into mini-batches, whatever the chunks they come in, and lets teams learn from them.
pub(crate) struct Feed {
    pub(crate) teams: Vec<Team>,
    batch: usize,
    pub(crate) crew: Arc<GradientWorkers>,
    /// Rows learned from, and those after which tables may grow next.
    rows: u64,
    next_growth: u64,
    /// Rows that do not fill a mini-batch yet.
    carry: Chunk,
}

/// Tables may grow after so many rows, whatever the chunks they come in.
const GROWTH_ROWS: u64 = 4096;

impl Feed {
    pub(crate) fn new(teams: Vec<Team>, shape: Shape, batch: usize, crew: Arc<GradientWorkers>) -> Self {
        let carry = Chunk::new(shape, batch);
        Feed { teams, batch, crew, rows: 0, next_growth: GROWTH_ROWS, carry }
    }

    /// Writes the teams, and what they have not learned from yet.
    ///
    /// # Errors
    /// Those of the pen.
    pub(crate) fn write(&mut self, pen: &mut Pen) -> Result<()> {
        pen.put(&(self.rows, self.next_growth, &self.carry, self.teams.len()))?;
        self.teams.iter_mut().try_for_each(|team| team.write(pen))
    }

    /// A feed that goes on from what was written, of models with `outputs` margins for each row; `settings_of` says what
    /// a model's learner is made from, by its number.
    ///
    /// # Errors
    /// Those of the pages.
    pub(crate) fn read<'a>(
        settings_of: &dyn Fn(usize) -> &'a Settings,
        outputs: usize,
        batch: usize,
        crew: Arc<GradientWorkers>,
        pages: &mut Pages,
    ) -> Result<Self> {
        let (rows, next_growth, carry, teams): (_, _, _, usize) = pages.take()?;
        let teams = (0..teams)
            .map(|_| Team::read(settings_of, outputs, crew.as_ref(), pages))
            .collect::<Result<_>>()?;
        Ok(Feed { teams, batch, crew, rows, next_growth, carry })
    }

    /// Learns from all rows of `chunk` but those that do not fill a mini-batch.
    ///
    /// # Errors
    /// The referee's.
    pub(crate) fn push(&mut self, chunk: &Chunk, referee: &mut dyn Referee) -> Result<()> {
        let mut start = 0;
        if self.carry.rows() > 0 {
            start = (self.batch - self.carry.rows()).min(chunk.rows());
            self.carry.append(chunk, 0, start);
            if self.carry.rows() < self.batch {
                return Ok(());
            }
            self.flush(referee)?;
        }
        while start + self.batch <= chunk.rows() {
            // As many mini-batches as end before something is to be looked at.
            let until_look = referee.rows_to_look().min(self.next_growth - self.rows);
            let batches =
                (((chunk.rows() - start) / self.batch) as u64).min(until_look.div_ceil(self.batch as u64));
            let end = start + batches as usize * self.batch;
            let grows = self.grows_after(end - start);
            learn(&mut self.teams, chunk, start..end, self.rows, self.batch, grows, self.crew.as_ref());
            self.look(referee, end - start)?;
            start = end;
        }
        self.carry.append(chunk, start, chunk.rows());
        Ok(())
    }

    /// Learns from the rows that are left, as a smaller mini-batch.
    ///
    /// # Errors
    /// The referee's.
    pub(crate) fn flush(&mut self, referee: &mut dyn Referee) -> Result<()> {
        let rows = self.carry.rows();
        if rows > 0 {
            let grows = self.grows_after(rows);
            learn(&mut self.teams, &self.carry, 0..rows, self.rows, rows, grows, self.crew.as_ref());
            self.carry.reset(self.batch);
            self.look(referee, rows)?;
        }
        Ok(())
    }

    /// Whether tables may grow after `rows` more rows.
    fn grows_after(&self, rows: usize) -> bool {
        self.rows + rows as u64 >= self.next_growth
    }

    /// After `rows` more rows: lets the referee look.
    fn look(&mut self, referee: &mut dyn Referee, rows: usize) -> Result<()> {
        if self.grows_after(rows) {
            self.next_growth = self.rows + rows as u64 + GROWTH_ROWS;
        }
        self.rows += rows as u64;
        referee.look(&mut self.teams, rows as u64, self.crew.as_ref())
    }
}

/// Lets teams learn from rows, and then their tables grow, if they may: a single one by the hands of the whole crew, several
/// side by side.
fn learn(
    teams: &mut [Team],
    chunk: &Chunk,
    rows: Range<usize>,
    number: u64,
    batch: usize,
    grows: bool,
    crew: &dyn Crew,
) {
    let learn = |team: &mut Team, crew: &dyn Crew| {
        team.learn(chunk, rows.clone(), number, batch, crew);
        if grows {
            team.learner.grow(crew);
        }
    };
    match teams {
        [team] => learn(team, crew),
        teams => share_out(crew, teams.iter_mut().collect(), |team| learn(team, &Alone)),
    }
}
