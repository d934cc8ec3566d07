//! What the fuzz targets share: bytes become a file, and the file is read as planning and training read it ([`reading`]).
//!
//! An error is as good as rows. What ends the process, and so is a finding, is a panic (but for one that
//! comes from a decoder of others and is caught by the guard), an array that does not hold together, and an
//! error that does not name the file, and so is memory out of all proportion to a file of some kilobytes.
//! Memory in all and time are watched by libFuzzer's own limits.

mod reading;
mod watch;

use millstream::Result;
use millstream::input::TextFormat;

use watch::watch;

/// Reads bytes of a format that others' decoders read, too.
pub fn read_binary(data: &[u8]) {
    watch(true);
    pass(reading::read_binary(data));
}

/// Reads text.
pub fn read_text(data: &[u8], format: TextFormat) {
    watch(false);
    pass(reading::read_text(data, format));
}

/// Loads a model, and does with it what comes first of all that is done with models.
pub fn load_model(data: &[u8]) {
    watch(false);
    pass(reading::load_model(data));
}

/// An error is as good as rows, as long as it can be told.
fn pass(result: Result<()>) {
    result.unwrap_or_else(|error| drop(error.to_string()));
}
