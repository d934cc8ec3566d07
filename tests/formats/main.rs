//! Files of every format and type, good and bad, through the library and the real binary.

mod common;
mod direct;
mod files;
mod hostile;
mod parquet_testing;
mod real;
mod splits;
mod table;
mod text;
mod types;
