//! L-BFGS (Nocedal 1980; Liu and Nocedal 1989), with the orthants of OWL-QN (Andrew and Gao, ICML 2007) where
//! absolute values are penalised. It proposes weights; whoever holds the rows says what they are worth.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::objective::Value;

/// Steps and changes of the gradient that are remembered.
const MEMORY: usize = 10;
/// A step must lower the loss by this share of what the slope promises (Armijo).
const SUFFICIENT: f64 = 1e-4;
/// A step is halved so often before the search gives up: then the loss is as low as rounding lets it be.
const MOST_HALVINGS: u32 = 12;

/// The search for the weights of least loss.
#[derive(Debug, Serialize, Deserialize)]
pub struct Lbfgs {
    l1: f64,
    /// Numbers at the beginning that no penalty touches.
    free: usize,
    /// The best weights so far, with loss and gradient.
    #[serde(with = "crate::raw")]
    at: Vec<f64>,
    best: Option<Value>,
    /// Changes of weights and gradients, with `1 / (s * y)`.
    pairs: VecDeque<(Vec<f64>, Vec<f64>, f64)>,
    #[serde(with = "crate::raw")]
    direction: Vec<f64>,
    /// The orthant that the search stays in, by signs; empty without absolute values.
    #[serde(with = "crate::raw")]
    orthant: Vec<f64>,
    step: f64,
    halvings: u32,
    /// The first gradient's size.
    first: f64,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Look at these weights.
    Try(Vec<f64>),
    /// The best weights are found, as far as `tolerance` asks for.
    Done,
}

impl Lbfgs {
    /// A search from `start`, whose first `free` numbers are not penalised, with `l1` times the absolute values
    /// of the others added to the loss.
    pub fn new(start: Vec<f64>, free: usize, l1: f64) -> Self {
        Lbfgs {
            l1,
            free,
            at: start,
            best: None,
            pairs: VecDeque::new(),
            direction: Vec::new(),
            orthant: Vec::new(),
            step: 1.0,
            halvings: 0,
            first: 0.0,
        }
    }

    /// Begins anew from other weights, but measures slopes by the first one: near the minimum, where another
    /// search may have ended, a share of the slope there would ask for more than rounding allows.
    pub fn restart(&mut self, start: Vec<f64>) -> Next {
        let first = self.first;
        *self = Lbfgs { first, ..Lbfgs::new(start, self.free, self.l1) };
        Next::Try(self.at.clone())
    }

    /// The best weights so far.
    pub fn weights(&self) -> &[f64] {
        &self.at
    }

    /// The loss at the best weights so far.
    pub fn loss(&self) -> Option<f64> {
        self.best.as_ref().map(|best| best.loss)
    }

    /// The largest slope at the best weights, as a share of the largest at the first start; none before the
    /// start was looked at.
    pub fn slope(&self) -> Option<f64> {
        let gradient = self.pseudo_gradient(&self.best.as_ref()?.gradient);
        Some(largest(&gradient) / self.first.max(f64::MIN_POSITIVE))
    }

    /// Takes what `tried` (the start, at first) is worth. Done when the slope is `tolerance` times what it was
    /// at the first start.
    pub fn tell(&mut self, tried: &[f64], value: Value, tolerance: f64) -> Next {
        let Some(best) = &self.best else {
            let gradient = self.pseudo_gradient(&value.gradient);
            let largest = largest(&gradient);
            if self.first == 0.0 {
                self.first = largest;
            }
            self.best = Some(value);
            // At first no weight moves by more than one.
            return self.turn(gradient, 1.0 / self.first.max(largest).max(f64::MIN_POSITIVE), tolerance);
        };
        let gradient = self.pseudo_gradient(&best.gradient);
        let promised: f64 =
            gradient.iter().zip(tried.iter().zip(&self.at)).map(|(g, (t, w))| g * (t - w)).sum();
        // A loss that is not a number is too large, too.
        let enough = value.loss <= best.loss + SUFFICIENT * promised.min(0.0);
        if !enough {
            self.halvings += 1;
            self.step *= 0.5;
            if self.halvings > MOST_HALVINGS {
                return Next::Done;
            }
            return Next::Try(self.ahead());
        }
        let s: Vec<f64> = tried.iter().zip(&self.at).map(|(t, w)| t - w).collect();
        let y: Vec<f64> = value.gradient.iter().zip(&best.gradient).map(|(a, b)| a - b).collect();
        let product = dot(&s, &y);
        if product > 1e-12 * dot(&y, &y) {
            if self.pairs.len() == MEMORY {
                self.pairs.pop_front();
            }
            self.pairs.push_back((s, y, 1.0 / product));
        }
        self.at.copy_from_slice(tried);
        let gradient = self.pseudo_gradient(&value.gradient);
        self.best = Some(value);
        self.turn(gradient, 1.0, tolerance)
    }

    /// Chooses the next direction, along which steps begin with `step`.
    fn turn(&mut self, gradient: Vec<f64>, step: f64, tolerance: f64) -> Next {
        if largest(&gradient) <= tolerance * self.first || self.first == 0.0 {
            return Next::Done;
        }
        let mut direction = gradient.clone();
        let mut shares = Vec::with_capacity(self.pairs.len());
        for (s, y, rho) in self.pairs.iter().rev() {
            let share = rho * dot(s, &direction);
            direction.iter_mut().zip(y).for_each(|(d, y)| *d -= share * y);
            shares.push(share);
        }
        if let Some((_, y, rho)) = self.pairs.back() {
            let scale = 1.0 / (rho * dot(y, y));
            direction.iter_mut().for_each(|d| *d *= scale);
        }
        for ((s, y, rho), share) in self.pairs.iter().zip(shares.into_iter().rev()) {
            let back = rho * dot(y, &direction);
            direction.iter_mut().zip(s).for_each(|(d, s)| *d += (share - back) * s);
        }
        direction.iter_mut().for_each(|d| *d = -*d);
        if self.l1 > 0.0 {
            // Only downhill, and within the orthant of the weights, or where they leave zero of the slope.
            direction.iter_mut().zip(&gradient).for_each(|(d, g)| {
                if *d * g >= 0.0 {
                    *d = 0.0;
                }
            });
            let orthant = |(w, g): (&f64, &f64)| if *w == 0.0 { -g } else { *w };
            self.orthant = self.at.iter().zip(&gradient).map(orthant).collect();
        }
        if dot(&direction, &gradient) >= 0.0 {
            // What is remembered misleads: begin anew.
            self.pairs.clear();
            direction = gradient.iter().map(|g| -g / self.first).collect();
        }
        (self.direction, self.step, self.halvings) = (direction, step, 0);
        Next::Try(self.ahead())
    }

    /// The weights one step ahead.
    fn ahead(&self) -> Vec<f64> {
        let moved = self.at.iter().zip(&self.direction).map(|(w, d)| w + self.step * d);
        let mut weights: Vec<f64> = moved.collect();
        for (w, sign) in weights.iter_mut().zip(&self.orthant).skip(self.free) {
            if *w * sign < 0.0 {
                *w = 0.0;
            }
        }
        weights
    }

    /// The gradient with that of the absolute values: at zero, the slope of the steepest way down, if any.
    fn pseudo_gradient(&self, gradient: &[f64]) -> Vec<f64> {
        let mut pseudo = gradient.to_vec();
        if self.l1 > 0.0 {
            for (g, &w) in pseudo.iter_mut().zip(&self.at).skip(self.free) {
                *g = if w != 0.0 {
                    *g + self.l1.copysign(w)
                } else {
                    // Not steep enough to leave zero: no slope.
                    (g.abs() - self.l1).max(0.0).copysign(*g)
                };
            }
        }
        pseudo
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn largest(gradient: &[f64]) -> f64 {
    gradient.iter().fold(0.0, |most, g| f64::max(most, g.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The minimum of `sum_i c_i/2 (w_i - t_i)^2 + l1 |w_i|`, the first weight free.
    fn search(l1: f64) -> (Vec<f64>, usize) {
        let curves: Vec<f64> = (0..30).map(|i| 1.5f64.powi(i % 15)).collect();
        let targets: Vec<f64> = (0..30).map(|i| f64::from(i % 7) - 3.0).collect();
        let value = |w: &[f64]| {
            let parts = w.iter().zip(&curves).zip(&targets);
            let loss: f64 = parts.clone().map(|((w, c), t)| 0.5 * c * (w - t) * (w - t)).sum();
            let penalty: f64 = w[1..].iter().map(|w| l1 * w.abs()).sum();
            Value {
                loss: loss + penalty,
                gradient: parts.map(|((w, c), t)| c * (w - t)).collect(),
                weight: 1.0,
            }
        };
        let mut lbfgs = Lbfgs::new(vec![0.0; 30], 1, l1);
        let (mut tried, mut passes) = (vec![0.0; 30], 0);
        loop {
            passes += 1;
            match lbfgs.tell(&tried, value(&tried), 1e-9) {
                Next::Try(weights) => tried = weights,
                Next::Done => break,
            }
        }
        for (i, (w, t)) in lbfgs.weights().iter().zip(&targets).enumerate() {
            let pull = if i == 0 { 0.0 } else { l1 / curves[i] };
            let best = (t.abs() - pull).max(0.0).copysign(*t);
            assert!((w - best).abs() < 1e-6, "weight {i} is {w}, best {best}");
        }
        (lbfgs.weights().to_vec(), passes)
    }

    #[test]
    fn the_minimum_is_found_in_few_passes() {
        let (_, passes) = search(0.0);
        assert!(passes < 160, "{passes}");
    }

    #[test]
    fn absolute_values_make_exact_zeros() {
        let (weights, passes) = search(2.0);
        assert!(weights.iter().filter(|&&w| w == 0.0).count() > 5 && passes < 120, "{passes} {weights:?}");
    }
}
