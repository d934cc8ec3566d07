//! LIBSVM's and SVMlight's format: `label [qid:N] index:value ... [# comment]`, a row per line.
//!
//! The columns are `label` (whole numbers if those of the sample are, else floats, or text where rows
//! have several, as in `1,3`), `qid` if the sample has any, and `features`, a map from indices to numbers.
//! Indices are kept as they are written, whether they count from 0 or 1, and may come in any order,
//! but none twice in a row. A line may lack its label (null) and may have no features. What follows a
//! `#` is a comment.
//!
//! - `row`: a line's parts
//! - `columns`: what the sample shows of them
//! - `decoder`: rows become Arrow arrays

mod columns;
mod decoder;
mod row;
#[cfg(test)]
mod tests;

pub(super) use columns::open;
pub(super) use row::looks_like;
