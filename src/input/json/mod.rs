//! JSON lines: an object in each line.
//!
//! Objects in objects are flattened to columns `a.b`. Whole numbers are `Int64` (text, as written, where
//! they have more digits than that holds), other numbers `Float64`; strings that are all dates or times become timestamps; where values of
//! several scalar types mix, they are text, numbers as they are written. Arrays become lists, of structs too;
//! arrays whose items have nothing in common, and what is an object here and a scalar or array there, are kept
//! as JSON text. `null`, a missing key and (as Python writes it) `NaN` are nulls; `Infinity` is a number.
//! An object whose column is named in `--type` as a map becomes one: its keys with a number each.
//!
//! A key that stands twice in an object is an error. Strings may hold control characters, which the
//! standard forbids.
//!
//! - `cursor`, `escape`: a line's tokens
//! - `kind`: the types of columns
//! - `seen`: what a sample shows of the values
//! - `tree`: keys, and the columns that they lead to
//! - `columns`: the columns found from that, and the format
//! - `column`: an Arrow array under construction
//! - `decoder`: rows become Arrow arrays

mod column;
mod columns;
mod cursor;
mod decoder;
mod escape;
mod kind;
mod seen;
#[cfg(test)]
mod tests;
mod tree;

pub(super) use columns::{looks_like, open};
