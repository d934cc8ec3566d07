//! Vowpal Wabbit's text: `[label [weight [base]]] ['tag]|namespace[:scale] name[:value] ... |...`.
//!
//! The columns are `label` (null where a line has none), `weight`, `base` and `tag` if the sample has
//! any, and for each namespace of the sample a map from names to numbers (`features`, if it has no
//! name). As Vowpal Wabbit has it, the word before the first bar is a tag if no space comes after
//! it or it begins with a quote; a missing weight and a missing value are 1; a namespace's scale
//! multiplies its values; values of a name that stands twice in a namespace add up; and names that are
//! left out (`:0.5`) count from 0. A namespace that a line lacks is an empty map.
//!
//! - `row`: a line's parts
//! - `columns`: what the sample shows of them
//! - `seen`: finds names that stand twice in a row
//! - `decoder`: rows become Arrow arrays

mod columns;
mod decoder;
mod row;
mod seen;
#[cfg(test)]
mod tests;

pub(super) use columns::open;
pub(super) use row::looks_like;
