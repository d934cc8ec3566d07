#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream::input::TextFormat;
use millstream_fuzz::read_text;

fuzz_target!(|data: &[u8]| read_text(data, TextFormat::JsonLines));
