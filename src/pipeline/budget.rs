//! The budget: how much memory a run may take, and what that is spent on.

use crate::error::{Error, Result};
use crate::machine::usable_memory;

/// Bytes of memory for everything but the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The limit that the user set or that was found.
    pub total: usize,
}

/// What the program takes before it reads a row: code, stacks, footers, the survey, buffers of the
/// allocator. Measured as the peak of a run on a tiny file, and rounded up.
const BASE: usize = 64 << 20;

/// What a run needs of memory, for one way of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Splits that must be open at the same time.
    pub open: usize,
    /// Bytes that an open split holds.
    pub open_bytes: usize,
    /// Bytes of an item in flight.
    pub item_bytes: usize,
    /// Bytes that the consumer holds (a shuffle's buffer).
    pub held_bytes: usize,
}

impl Needs {
    /// The smallest budget that can work.
    pub fn least(&self) -> usize {
        // What files claim may be any number.
        let splits = self.open.saturating_mul(self.open_bytes.saturating_add(self.item_bytes));
        BASE.saturating_add(self.held_bytes).saturating_add(splits).saturating_add(self.item_bytes)
    }
}

impl Budget {
    /// Half of the memory that this process may use.
    pub fn from_machine() -> Budget {
        Budget { total: usable_memory() / 2 }
    }

    /// The bytes left for splits that are read ahead and items in flight.
    ///
    /// # Errors
    /// If the budget can't work; the error says the smallest that can.
    pub fn in_flight(&self, needs: &Needs) -> Result<usize> {
        self.check(needs.least(), needs.open > 1)?;
        Ok(self.total - BASE - needs.held_bytes)
    }

    /// How many workers may work at the same time, each of which takes `each` bytes: at the most `threads`.
    ///
    /// # Errors
    /// If there is not even room for one; the error says the smallest budget that there is.
    pub fn workers(&self, threads: usize, each: usize) -> Result<usize> {
        self.check(BASE.saturating_add(each), false)?;
        Ok(((self.total - BASE) / each.max(1)).min(threads).max(1))
    }

    /// Refuses a budget of less than `least` bytes; `shuffled` says that shuffling takes a part of them.
    ///
    /// # Errors
    /// If it is less; the error says the smallest that can work.
    pub fn check(&self, least: usize, shuffled: bool) -> Result<()> {
        if self.total >= least {
            return Ok(());
        }
        let mut remedy = format!("give at least {}", megabytes(least));
        if shuffled {
            remedy.push_str(", or --shuffle none, which reads one split at a time");
        }
        let message = format!("--memory {} is too little for this data", megabytes(self.total));
        Err(Error::usage(message).remedy(remedy))
    }
}

/// Bytes as whole mebibytes, rounded up, in the form that `--memory` takes.
fn megabytes(bytes: usize) -> String {
    format!("{}MB", bytes.div_ceil(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_that_cannot_work_names_the_smallest_that_can() {
        let needs = Needs { open: 2, open_bytes: 10 << 20, item_bytes: 1 << 20, held_bytes: 5 << 20 };
        let error = Budget { total: 70 << 20 }.in_flight(&needs).unwrap_err();
        assert!(error.to_string().contains("at least 92MB"), "{error}");
        assert_eq!(Budget { total: 92 << 20 }.in_flight(&needs).unwrap(), 23 << 20);
    }
}
