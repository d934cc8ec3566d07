//! Proposals: which configurations are tried next, given how the ones before did.

use std::collections::HashSet;
use std::fmt::{self, Display, Formatter};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tpe::{
    TpeOptimizer, TpeOptimizerBuilder, categorical_range, histogram_estimator, parzen_estimator, range,
};

use super::super::config::SearchConfig;
use super::setup::Setup;
use super::space::{Axis, Point, Values, grid, size};
use crate::error::Result;
use crate::random::Random;

/// How configurations are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Every combination of the axes' values.
    Grid,
    /// So many points by chance.
    Random(usize),
    /// So many points, most of them where the best so far suggest more like them: the tree-structured Parzen
    /// estimator (Bergstra, Bardenet, Bengio and Kégl, NIPS 2011).
    Bayes(usize),
}

impl Display for Method {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Method::Grid => f.write_str("every combination"),
            Method::Random(count) => write!(f, "--random {count}"),
            Method::Bayes(count) => write!(f, "--bayes {count}"),
        }
    }
}

/// Proposes configurations.
#[derive(Clone)]
pub(super) enum Proposer {
    /// Those of a list.
    Listed(Vec<Point>),
    /// Those that a model of the results suggests.
    Guided(Box<Guided>),
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Guided {
    #[serde(skip)]
    axes: Vec<Axis>,
    /// Proposals that are left.
    left: usize,
    /// Where all proposals so far lie on each axis, between 0 and 1.
    places: Vec<Vec<f64>>,
    random: ChaCha8Rng,
    seed: Random,
}

/// What proposals go by.
#[derive(Default)]
pub(super) struct Told {
    /// The numbers of earlier ones, the best first.
    pub(super) order: Vec<usize>,
    /// Whether they learned from enough rows to tell what is best of all.
    pub(super) is_sure: bool,
}

/// How far a proposer has come.
#[derive(Serialize, Deserialize)]
pub(super) enum Proposed {
    /// So many points of a list are left.
    Listed(usize),
    /// What it is guided by.
    Guided(Box<Guided>),
}

/// Proposals by chance before there is anything to learn from.
const FIRST_GUESSES: usize = 16;
/// Proposals between two looks at the results.
const GUESSES: usize = 8;
/// Share of the results that count as good, and where these are not sure: many directions stay open then.
const GOOD: f64 = 0.1;
const MAYBE_GOOD: f64 = 0.2;
/// Times that a proposal is made anew where one like it was made before.
const RETRIES: usize = 20;
/// A purpose of the seed.
const PURPOSE: u64 = 0x7365_6172_6368;

impl Proposer {
    /// A proposer of points of a space, which come in an order of chance: first ones shall tell of all.
    ///
    /// # Errors
    /// If a grid has a range, or too many points; and if a point is no configuration.
    pub(super) fn new(setup: &Setup<'_>) -> Result<Self> {
        let SearchConfig { axes, method, train, .. } = setup.config;
        let mut random = Random::new(train.plan.seed, PURPOSE);
        // What has no more points than are to be tried is tried as a whole.
        let method = match *method {
            Method::Random(count) | Method::Bayes(count) if size(axes).is_some_and(|size| size <= count) => {
                Method::Grid
            }
            other => other,
        };
        Ok(match method {
            Method::Grid => {
                let mut points = distinct(grid(axes)?, setup)?;
                random.shuffle(&mut points);
                Proposer::Listed(points)
            }
            Method::Random(count) => {
                let draw = |_| {
                    let value = |axis: &Axis| (axis.parameter, axis.values.at(unit(&mut random)));
                    axes.iter().map(value).collect::<Point>()
                };
                Proposer::Listed(distinct((0..count).map(draw).collect(), setup)?)
            }
            Method::Bayes(count) => Proposer::Guided(Box::new(Guided {
                axes: axes.clone(),
                left: count,
                places: Vec::new(),
                random: ChaCha8Rng::seed_from_u64(random.next_u64()),
                seed: random,
            })),
        })
    }

    /// How many proposals are to come.
    pub(super) fn left(&self) -> usize {
        match self {
            Proposer::Listed(points) => points.len(),
            Proposer::Guided(guided) => guided.left,
        }
    }

    /// How far it has come.
    pub(super) fn proposed(&self) -> Proposed {
        match self {
            Proposer::Listed(points) => Proposed::Listed(points.len()),
            Proposer::Guided(guided) => Proposed::Guided(guided.clone()),
        }
    }

    /// Goes on from where one like it has come.
    pub(super) fn go_on(&mut self, from: Proposed) {
        match (self, from) {
            (Proposer::Listed(points), Proposed::Listed(left)) => drop(points.drain(..points.len() - left)),
            (Proposer::Guided(guided), Proposed::Guided(from)) => {
                let axes = std::mem::take(&mut guided.axes);
                **guided = Guided { axes, ..*from };
            }
            _ => panic!("a checkpoint's proposer is that of its run"),
        }
    }

    /// The next proposals, at most `most`, none when all have been made, given how earlier ones did.
    pub(super) fn next(&mut self, most: usize, told: &Told) -> Vec<Point> {
        match self {
            Proposer::Listed(points) => points.drain(..points.len().min(most)).collect(),
            Proposer::Guided(guided) => guided.next(most, told),
        }
    }
}

impl Guided {
    fn next(&mut self, most: usize, told: &Told) -> Vec<Point> {
        let by_chance = told.order.is_empty();
        let size = if by_chance { FIRST_GUESSES } else { GUESSES };
        let mut estimators: Vec<_> = (0..self.axes.len()).map(|axis| self.estimator(axis, told)).collect();
        let count = size.min(most).min(self.left);
        self.left -= count;
        (0..count).map(|_| self.propose(&mut estimators, by_chance)).collect()
    }

    /// What the results so far say of an axis.
    fn estimator(&self, axis: usize, told: &Told) -> TpeOptimizer {
        let built = match &self.axes[axis].values {
            Values::List(values) => categorical_range(values.len()).map(|all| (histogram_estimator(), all)),
            Values::Range { .. } => range(0.0, 1.0).map(|all| (parzen_estimator(), all)),
        };
        let (estimator, all) = built.expect("an axis has values");
        let scale = scale(&self.axes[axis]);
        let mut builder = TpeOptimizerBuilder::new();
        let mut optimizer = builder
            .gamma(if told.is_sure { GOOD } else { MAYBE_GOOD })
            .build(estimator, all)
            .expect("the share is one");
        for (rank, &number) in told.order.iter().enumerate() {
            let place = (self.places[number][axis] * scale).min(scale.next_down());
            optimizer.tell(place, rank as f64).expect("places lie in the range");
        }
        optimizer
    }

    fn propose(&mut self, estimators: &mut [TpeOptimizer], by_chance: bool) -> Point {
        let mut places = self.draw(estimators, by_chance);
        for _ in 0..RETRIES {
            let point = self.at(&places);
            if self.places.iter().all(|other| self.at(other) != point) {
                break;
            }
            places = self.draw(estimators, by_chance);
        }
        let point = self.at(&places);
        self.places.push(places);
        point
    }

    fn draw(&mut self, estimators: &mut [TpeOptimizer], by_chance: bool) -> Vec<f64> {
        let draw = |(estimator, axis): (&mut TpeOptimizer, &Axis)| {
            if by_chance {
                return unit(&mut self.seed);
            }
            estimator.ask(&mut self.random).expect("there are results") / scale(axis)
        };
        estimators.iter_mut().zip(&self.axes).map(draw).collect()
    }

    fn at(&self, places: &[f64]) -> Point {
        let values = self.axes.iter().zip(places);
        values.map(|(axis, &place)| (axis.parameter, axis.values.at(place))).collect()
    }
}

/// Points without those that are what an earlier one is to their optimiser.
fn distinct(points: Vec<Point>, setup: &Setup<'_>) -> Result<Vec<Point>> {
    let (mut seen, mut distinct) = (HashSet::new(), Vec::new());
    for point in points {
        if seen.insert(setup.candidate(point.clone())?.to_string()) {
            distinct.push(point);
        }
    }
    Ok(distinct)
}

/// How far an estimator counts along an axis.
fn scale(axis: &Axis) -> f64 {
    match &axis.values {
        Values::List(values) => values.len() as f64,
        Values::Range { .. } => 1.0,
    }
}

/// A number between 0 and 1, 1 excluded.
fn unit(random: &mut Random) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}
