//! Translation: columns that a file stores as a dictionary and indices need not become arrays of their values, if
//! all that is wanted of them is what the reader makes of each value. They come as that, one number of 32 bits for
//! each row, and each distinct value is looked at once for each dictionary.

use std::collections::HashMap;
use std::fmt::Debug;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, UInt32Type};

use crate::error::Result;

/// What a reader makes of a column's values.
pub trait Translate: Debug + Send + Sync {
    /// Writes what each value becomes into `out`, which has as many places.
    ///
    /// # Errors
    /// If they are of a type that has no translation.
    fn translate(&self, values: &ArrayRef, out: &mut [u32]) -> Result<()>;

    /// The same for texts.
    ///
    /// # Errors
    /// If texts have no translation.
    fn translate_texts(&self, texts: &[&[u8]], out: &mut [u32]) -> Result<()>;

    /// What null becomes.
    fn missing(&self) -> u32;
}

/// Arrow's key for the name of an extension type, and ours: columns of it are translated ones.
const KEY: &str = "ARROW:extension:name";
const NAME: &str = "millstream.translated";

/// The field of a translated column.
pub(crate) fn translated_field(name: &str) -> Field {
    let metadata = HashMap::from([(KEY.to_string(), NAME.to_string())]);
    Field::new(name, DataType::UInt32, false).with_metadata(metadata)
}

/// What each row of a column became, if it is a translated one.
pub(super) fn translated<'a>(field: &Field, array: &'a dyn Array) -> Option<&'a [u32]> {
    let is_translated = field.metadata().get(KEY).is_some_and(|name| name == NAME);
    is_translated.then(|| array.as_primitive::<UInt32Type>().values().as_ref())
}
