#!/usr/bin/env bash
# Kills a conversion at random moments (kill -9), goes on with it each time, and compares what it makes in the end
# with what a conversion makes that nobody disturbs. At every moment what lies under a final name must be whole.
#
#   tools/kill.sh [KILLS [ROWS [OPTIONS...]]]      (20, 1000000, none)
set -euo pipefail
cd "$(dirname "$0")/.."
kills=${1:-20} rows=${2:-1000000}
options=("${@:3}")
cargo build --release --quiet
bin=${CARGO_TARGET_DIR:-target}/release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$bin/mkdata" clicks --rows "$rows" --rows-per-file "$rows" --format csv -o "$work/csv" 2>/dev/null
convert=("$bin/mkshards" "$work/csv" --shard-size 8MB --quiet "${options[@]}")
seconds=$( { TIMEFORMAT=%R; time "${convert[@]}" -o "$work/whole"; } 2>&1 )
echo "undisturbed: $seconds s, $(find "$work/whole" -name 'part-*' | wc -l) shards"
done_=0 rounds=0
while [ "$done_" -lt "$kills" ]; do
    rm -rf "$work/out"
    how=()
    while :; do
        "${convert[@]}" -o "$work/out" "${how[@]}" &
        child=$!
        sleep "$(awk -v s="$seconds" -v r="$RANDOM" 'BEGIN { printf "%.3f", s * r / 32768 * 0.8 }')"
        if kill -9 "$child" 2>/dev/null && ! wait "$child" 2>/dev/null; then
            done_=$((done_ + 1))
            for shard in $(find "$work/out" -name 'part-*'); do
                cmp "$shard" "${shard/$work\/out/$work\/whole}"
            done
        else
            wait "$child" 2>/dev/null || true
            break
        fi
        if [ -e "$work/out/.mkshards/record.jsonl" ]; then how=(--resume); else how=(--overwrite); fi
        # The last one is left to end.
        if [ "$done_" -ge "$kills" ]; then "${convert[@]}" -o "$work/out" "${how[@]}"; break; fi
    done
    diff -r "$work/whole" "$work/out"
    rounds=$((rounds + 1))
done
echo "$done_ kills in $rounds conversions: every shard was whole at every moment, and the same in the end"
