//! The headings under which options stand in the help.

pub(super) const DATA: &str = "Data";
pub(super) const FEATURES: &str = "Features";
pub(super) const LEARNING: &str = "Learning";
pub(super) const SEARCH: &str = "Search";
pub(super) const EVALUATION: &str = "Evaluation";
pub(super) const MACHINE: &str = "Machine";
pub(super) const OUTPUT: &str = "Output";
