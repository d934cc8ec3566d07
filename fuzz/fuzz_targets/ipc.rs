#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_fuzz::read_binary;

fuzz_target!(|data: &[u8]| read_binary(data));
