//! SGD, and GD, whose step is the same on another gradient.

use super::super::penalty::shrunk;
use super::{Absence, Lane, Move, Now, Pace, Record, Rule};

#[derive(Debug, Clone, Copy)]
pub(crate) struct SgdRule;

impl Rule for SgdRule {
    const DECAYS: bool = false;
    const SQUARES: bool = false;
    const STEADY: bool = true;

    #[inline(always)]
    fn step<const K: usize>(&self, now: &Now<K>, _record: &mut Record<K>, g: [f32; K]) -> Move<K> {
        Move { rates: now.rates, direction: g }
    }

    #[inline(always)]
    fn pace<const K: usize>(&self, _now: &Now<K>, record: &Record<K>, _steps: &[f32; K]) -> Option<Pace<K>> {
        Some(Pace { factors: [1.0; K], accumulators: record.accumulator, holds: [u32::MAX; K] })
    }

    fn idle(&self, absence: &Absence, lane: &mut Lane) {
        let rate = f64::from(absence.rate);
        let decay = rate * f64::from(absence.penalty.l2);
        let pull = rate * f64::from(absence.penalty.l1);
        let size = f64::from(lane.weight.abs());
        // A decay of 1 and more overshoots zero: the user will see a divergence, not a closed form.
        let left = if decay < 1.0 {
            shrunk(size, decay, pull, absence.steps as f64)
        } else {
            size * (1.0 - decay).powf(absence.steps as f64)
        };
        lane.weight = (left as f32).copysign(lane.weight);
    }
}
