//! What a stream's columns use, one after the other: so it stays in the caches.

use parquet::errors::Result;

use super::bits::{Bits, There};
use super::hybrid::Hybrid;
use super::pages::{Unpacker, damaged};
use crate::learn::kernels::{BEHIND, are_below};

pub(super) struct Tools {
    pub(super) unpacker: Unpacker,
    /// Which rows are there.
    pub(super) bits: Bits,
    pub(super) scratch: Scratch,
}

impl Tools {
    pub(super) fn new() -> Result<Self> {
        Ok(Tools { unpacker: Unpacker::new()?, bits: Bits::default(), scratch: Scratch::default() })
    }
}

/// Room for what is on its way.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) values: Vec<u32>,
    pub(super) rows: Vec<u32>,
}

impl Scratch {
    /// Room for so many values, and what must follow them.
    pub(super) fn values(&mut self, count: usize) -> &mut [u32] {
        if self.values.len() < count + BEHIND {
            self.values.resize(count + BEHIND, 0);
        }
        &mut self.values[..count]
    }

    /// For each row its index in a dictionary of `length` values, or `gap`.
    pub(super) fn indices(
        &mut self,
        hybrid: &mut Hybrid,
        bytes: &[u8],
        there: There<'_>,
        length: usize,
        gap: u32,
    ) -> Result<&[u32]> {
        let indices = self.values(there.count());
        hybrid.read(bytes, indices)?;
        if !are_below(indices, length) {
            return Err(damaged("an index beyond the dictionary"));
        }
        Ok(there.expand(&self.values, gap, &mut self.rows))
    }
}
