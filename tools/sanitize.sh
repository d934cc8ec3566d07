#!/usr/bin/env bash
# Runs unit tests under what finds errors that tests alone don't show:
#
#   tools/sanitize.sh address [FILTER...]   AddressSanitizer: the kernels and what dispatches to them (learn), the memory maps and
#                                           all readers (input)
#   tools/sanitize.sh thread [FILTER...]    ThreadSanitizer: whatever has threads
#   tools/sanitize.sh miri [FILTER...]      Miri, an interpreter that refuses undefined behaviour: what neither maps files nor calls C
#
# Needs a nightly toolchain on x86-64 Linux; `thread` its component rust-src, `miri` also miri. Everything is built anew, into
# target/sanitize: twelve minutes of processor time for a sanitizer, two for Miri, and 2 GB of memory. The tests take two minutes more,
# half an hour under Miri.
set -euo pipefail
cd "$(dirname "$0")/.."
way=${1:-}
filters=("${@:2}")
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/sanitize/$way
# Our own code is optimised a little, or its tests would take much longer; crates are not, or they would be built much longer.
export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=line-tables-only CARGO_PROFILE_DEV_OPT_LEVEL=1
target=x86_64-unknown-linux-gnu
options=(--locked --lib --target "$target" --config 'profile.dev.package."*".opt-level=0')
case $way in
address)
    [ ${#filters[@]} -gt 0 ] || filters=(learn:: input::)
    # Left out are tests that read millions of lines for the sake of an error's words.
    RUSTFLAGS=-Zsanitizer=address cargo +nightly test "${options[@]}" \
        -- "${filters[@]}" --skip json::tests::faults_say --skip vw::tests::faults_say
    ;;
thread)
    [ ${#filters[@]} -gt 0 ] || filters=(pipeline:: trainer:: convert:: learn::crew learn::dump input::ahead)
    # The standard library's locks and channels must be watched as well.
    RUSTFLAGS=-Zsanitizer=thread cargo +nightly test "${options[@]}" -Zbuild-std -- "${filters[@]}"
    ;;
miri)
    [ ${#filters[@]} -gt 0 ] || filters=(
        learn::{block,form,kernels,linear,loss,penalty,step,table}
        features::{digest,mixing,tokens} input::csv::{digits,kind,spelling,time,value} input::json::escape
        pipeline::{budget,order,position}
    )
    export PROPTEST_CASES=4 MIRIFLAGS=-Zmiri-disable-isolation
    cargo +nightly miri test --locked --lib -- "${filters[@]}"
    ;;
*)
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
