//! Where columns stand, by their names. To look through a schema of thousands for each of thousands, as Arrow does,
//! takes longer than to read their rows.

use std::collections::HashMap;

use arrow::datatypes::Schema;

/// The place of each column; of several with one name, that of the first.
pub(super) fn places(schema: &Schema) -> HashMap<&str, usize> {
    // Later ones replace those before.
    let fields = schema.fields().iter().enumerate().rev();
    fields.map(|(place, field)| (field.name().as_str(), place)).collect()
}
