#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_fuzz::load_model;

fuzz_target!(|data: &[u8]| load_model(data));
