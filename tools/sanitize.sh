#!/usr/bin/env bash
# Runs the unit tests that reach `unsafe` code under AddressSanitizer: the kernels and what dispatches to them (learn), and
# the memory maps and all readers (input).
#
#   tools/sanitize.sh [FILTER...]      (learn:: input::)
#
# Needs a nightly toolchain on x86-64 Linux. Everything is built anew into target/sanitize: twelve minutes of processor
# time and 2 GB of memory. The tests take two more.
set -euo pipefail
cd "$(dirname "$0")/.."
filters=("$@")
[ $# -gt 0 ] || filters=(learn:: input::)
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/sanitize
# Our own code is optimised a little, or its tests would take much longer; crates are not, or they would be built much longer.
export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=line-tables-only CARGO_PROFILE_DEV_OPT_LEVEL=1
crates='profile.dev.package."*".opt-level=0'
# Left out are tests that read millions of lines for the sake of an error's words.
RUSTFLAGS=-Zsanitizer=address cargo +nightly test --locked --lib --target x86_64-unknown-linux-gnu --config "$crates" \
    -- "${filters[@]}" --skip json::tests::faults_say --skip vw::tests::faults_say
