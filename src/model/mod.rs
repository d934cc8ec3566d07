//! The model: plan, weights and what is to be known of them, as one safetensors file.

mod file;
mod inspect;

use serde::{Deserialize, Serialize};

pub use inspect::{Bias, Feature, INTERACTING, Interaction, Learned, Numbers, interactions, learned};

use crate::features::Plan;
use crate::learn::{Linear, Loss, ModelForm, Optimizer, Penalty, Schedule, State};

/// A trained model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// All but the weights.
    pub about: About,
    /// The weights.
    pub linear: Linear,
    /// What the optimiser needs to go on.
    pub state: State,
}

/// Shared features of each table in a model that goes on learning, as a power of two: a few hundred new categories
/// in one column get weights of their own before the table grows.
const ROOM_BITS: u32 = 10;

impl Model {
    /// Makes room for categories that the data so far did not show.
    pub fn make_room(&mut self) {
        let (known, lanes) = (&self.linear.known, self.linear.form.lanes());
        for weights in [&mut self.linear.weights, &mut self.state.accumulators, &mut self.state.z] {
            weights.make_room(known, lanes, ROOM_BITS);
        }
    }
}

/// What is known of a model beside its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// What becomes of each column.
    pub plan: Plan,
    /// The loss that was minimised.
    pub loss: Loss,
    /// What the model makes of features.
    pub form: ModelForm,
    /// The optimiser.
    pub optimizer: Optimizer,
    /// Its learning rate, which may have won a race.
    pub learning_rate: f32,
    /// How it changed with time.
    pub schedule: Schedule,
    /// What the accumulators of categories started from.
    pub caution: f32,
    /// What weights cost.
    pub penalty: Penalty,
    /// Rows of a mini-batch.
    pub batch_size: usize,
    /// Epochs.
    pub epochs: u64,
    /// The seed of orders and hold-outs.
    pub seed: u64,
    /// The data it was trained on, in a few words that are the same for any format.
    pub data: String,
    /// Rows that it learned from in an epoch.
    pub rows: u64,
}
