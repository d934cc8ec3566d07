//! A team: models side by side in one learner, with a progressive account of each.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::checkpoint::{Pages, Pen};
use super::scoring::Scoring;
use crate::error::{Error, Result};
use crate::learn::metrics::Metrics;
use crate::learn::{Chunk, Crew, Learn, Settings, Variant, learner, most_models, share_out};

/// A learner, and an account of each of its models.
pub(crate) struct Team {
    pub(crate) learner: Box<dyn Learn>,
    /// In the order of the learner's models.
    pub(crate) runners: Vec<Runner>,
    /// Margins of each model for a row.
    outputs: usize,
    margins: Vec<f32>,
    /// For each of the runners.
    own: Vec<Own>,
}

/// What a model made of rows before it learned from them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Runner {
    /// Which of all models of the run it is.
    pub(crate) id: usize,
    pub(crate) metrics: Metrics,
    /// The row of the run whose loss was the first that was not finite.
    pub(crate) diverged: Option<u64>,
}

/// Buffers: one model's margins, and the rows that it learns from, where these are not all.
#[derive(Default)]
struct Own {
    rows: Vec<usize>,
    margins: Vec<f32>,
    labels: Vec<f32>,
    weights: Vec<f32>,
}

/// Forms teams of any number of models, each with its number in the run: as few as learners allow, of about the same
/// size. (More and smaller ones, to have one for each thread, gained nothing.)
pub(crate) fn form_teams(
    settings: &Settings,
    models: Vec<(usize, Variant)>,
    scoring: Scoring<'_>,
    crew: &dyn Crew,
) -> Result<Vec<Team>> {
    let count = models.len();
    let size = count.div_ceil(count.div_ceil(most_models(settings.form)).max(1)).max(1);
    let team = |models: &[(usize, Variant)]| {
        let variants = models.iter().map(|(_, variant)| variant.clone()).collect();
        let settings = Settings { variants, ..settings.clone() };
        let learner = learner(&settings, crew);
        check_size(learner.as_ref(), settings.max_bytes)?;
        Ok(Team::new(learner, models.iter().map(|(id, _)| *id), scoring))
    };
    models.chunks(size).map(team).collect()
}

/// Lets only those models of several teams go on that `stays` names; returns the accounts of the others. What goes on is put
/// together by the hands of `crew`.
pub(crate) fn keep(teams: &mut Vec<Team>, crew: &dyn Crew, stays: impl Fn(&Runner) -> bool) -> Vec<Runner> {
    let mut others = Vec::new();
    for mut team in std::mem::take(teams) {
        if team.runners.iter().any(&stays) {
            others.extend(team.keep(crew, &stays));
            teams.push(team);
        } else {
            others.extend(team.runners);
        }
    }
    others
}

/// Refuses a learner whose models are larger from the start than the user allows.
pub(crate) fn check_size(learner: &dyn Learn, most: usize) -> Result<()> {
    if learner.bytes_each() <= most {
        return Ok(());
    }
    Err(Error::usage(format!(
        "the categories need at least {} MB of tables, more than --max-model allows",
        learner.bytes_each().div_ceil(1 << 20)
    ))
    .remedy("raise --max-model, or --ignore columns with many values"))
}

impl Team {
    /// A team of a learner's models, given the numbers that they have in the run.
    ///
    /// # Panics
    /// If there are not as many numbers as models.
    pub(crate) fn new(
        learner: Box<dyn Learn>,
        ids: impl IntoIterator<Item = usize>,
        scoring: Scoring<'_>,
    ) -> Self {
        let runner = |id| Runner { id, metrics: scoring.metrics(), diverged: None };
        let runners: Vec<_> = ids.into_iter().map(runner).collect();
        assert_eq!(runners.len(), learner.variants().len());
        Team { runners, learner, outputs: scoring.target.outputs(), margins: Vec::new(), own: Vec::new() }
    }

    /// Writes the models and their accounts.
    ///
    /// # Errors
    /// Those of the pen.
    pub(crate) fn write(&mut self, pen: &mut Pen) -> Result<()> {
        pen.put(&(self.learner.variants(), &self.runners))?;
        pen.put_learner(self.learner.as_mut());
        Ok(())
    }

    /// A team that goes on with the models that were written, given what a model's learner is made from, by its number.
    ///
    /// # Errors
    /// Those of the pages.
    pub(crate) fn read<'a>(
        settings_of: &dyn Fn(usize) -> &'a Settings,
        outputs: usize,
        crew: &dyn Crew,
        pages: &mut Pages,
    ) -> Result<Self> {
        let (variants, runners): (Vec<Variant>, Vec<Runner>) = pages.take()?;
        let settings = settings_of(runners.first().map_or(0, |runner| runner.id));
        let mut learner = learner(&Settings { variants, ..settings.clone() }, crew);
        pages.take_raw(|from| learner.take_up(from))?;
        Ok(Team { learner, runners, outputs, margins: Vec::new(), own: Vec::new() })
    }

    /// Lets all models learn from `rows` of `chunk`, the first of which is row `number` of the run, in mini-batches
    /// of `batch` rows, and accounts for the rows from which each learned.
    pub(crate) fn learn(
        &mut self,
        chunk: &Chunk,
        rows: Range<usize>,
        number: u64,
        batch: usize,
        crew: &dyn Crew,
    ) {
        self.margins.clear();
        self.learner.learn(chunk, rows.clone(), batch, crew, &mut self.margins);
        let all = (&chunk.labels[rows.clone()], chunk.weights.get(rows.clone()).unwrap_or_default());
        let (outputs, width) = (self.outputs, self.outputs * self.runners.len());
        let (margins, variants) = (&self.margins, self.learner.variants());
        self.own.resize_with(self.runners.len(), Own::default);
        let accounts = self.runners.iter_mut().zip(&mut self.own).zip(variants).enumerate();
        share_out(crew, accounts.collect(), |(k, ((runner, own), variant))| {
            own.margins.clear();
            let (margins, (labels, weights)) = if variant.left_out.is_some() {
                own.select(variant, chunk, rows.clone());
                let chosen = own.rows.iter().map(|&row| &margins[row * width + k * outputs..][..outputs]);
                extend(&mut own.margins, chosen, outputs);
                (&own.margins, (&own.labels[..], &own.weights[..]))
            } else if width == outputs {
                (margins, all)
            } else {
                let of_model = margins.chunks_exact(width).map(|row| &row[k * outputs..][..outputs]);
                extend(&mut own.margins, of_model, outputs);
                (&own.margins, all)
            };
            let bad = runner.metrics.add(margins, labels, weights);
            let bad = bad.map(|place| if variant.left_out.is_some() { own.rows[place] } else { place });
            runner.diverged = runner.diverged.or(bad.map(|row| number + row as u64));
        });
    }

    /// Begins all accounts anew, and returns the old ones.
    pub(crate) fn restart(&mut self, scoring: Scoring<'_>) -> Vec<Runner> {
        let fresh = |runner: &Runner| Runner { id: runner.id, metrics: scoring.metrics(), diverged: None };
        let fresh = self.runners.iter().map(fresh).collect();
        std::mem::replace(&mut self.runners, fresh)
    }

    /// Lets only those models go on that `stays` names, at least one; returns the accounts of the others.
    fn keep(&mut self, crew: &dyn Crew, stays: impl Fn(&Runner) -> bool) -> Vec<Runner> {
        let models: Vec<usize> = (0..self.runners.len()).filter(|&k| stays(&self.runners[k])).collect();
        if models.len() == self.runners.len() {
            return Vec::new();
        }
        self.learner = self.learner.only(&models, crew);
        let (kept, dropped) = std::mem::take(&mut self.runners).into_iter().partition(stays);
        self.runners = kept;
        dropped
    }
}

/// Appends rows' margins, of each `outputs`.
fn extend<'a>(margins: &mut Vec<f32>, rows: impl Iterator<Item = &'a [f32]>, outputs: usize) {
    // A single one is no matter for a copy of any length.
    match outputs {
        1 => margins.extend(rows.map(|row| row[0])),
        _ => rows.for_each(|row| margins.extend_from_slice(row)),
    }
}

impl Own {
    /// Finds the rows that a model learns from, with their labels and weights.
    fn select(&mut self, variant: &Variant, chunk: &Chunk, rows: Range<usize>) {
        let first = rows.start;
        // Without a branch: which rows are left out is a matter of chance.
        self.rows.resize(rows.len(), 0);
        let mut count = 0;
        for row in rows {
            self.rows[count] = row - first;
            count += usize::from(variant.learns_from(chunk.parts_of(row)));
        }
        self.rows.truncate(count);
        self.labels.clear();
        self.labels.extend(self.rows.iter().map(|row| chunk.labels[first + row]));
        self.weights.clear();
        if !chunk.weights.is_empty() {
            self.weights.extend(self.rows.iter().map(|row| chunk.weights[first + row]));
        }
    }
}
