#!/usr/bin/env bash
# Larger than memory: trains on a folder of tables, predicts it and converts it with --memory 400MB under a hard limit of
# 512 MB plus the model for the whole process, trains again without limits, and compares the models. Where the page cache can
# be emptied (root), the limited training begins without it, as reading the same files by itself does before.
#
#   tools/memory.sh [SIZE [FORMAT [TABLE [FOLDER]]]]      (20GB, parquet, clicks, a temporary folder)
#
# Needs twice SIZE of disk (thrice for Parquet), and what tools/limited.sh needs.
set -euo pipefail
cd "$(dirname "$0")/.."
size=${1:-20GB} format=${2:-parquet} table=${3:-clicks} folder=${4:-}
cargo build --release --quiet
bin=${CARGO_TARGET_DIR:-target}/release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "$folder" ]; then
    folder=$work/data
    "$bin/mkdata" "$table" --size "$size" --format "$format" -o "$folder" 2>/dev/null
fi

figure() { python3 -c "import json,sys; s=json.load(open(sys.argv[1])); print($2)" "$1"; }
files=("$folder"/[!_]*)
bytes=$(du -cb "${files[@]}" | tail -1 | cut -f1)
speed="f\"{s['rows']:,} rows, {s['rows'] / s['seconds']:,.0f} rows/s, {$bytes / 1e6 / s['seconds']:,.0f} MB/s, peak {s['peak_memory_bytes']/2**20:.0f} MB\""

echo "== training, without a limit"
"$bin/millstream" train "$folder" --target label -o "$work/free.model" --quiet --summary "$work/free.json"
figure "$work/free.json" "$speed + f\", model {s['model']['bytes']/2**20:.0f} MB on disk\""

# A record takes 16 bytes in memory, 64 while four rates race.
model=$(figure "$work/free.json" "16*s['model']['weights']")
limit=$((512 * 1024 * 1024 + model))
limited() { tools/limited.sh "$limit" "$bin/$1" "${@:2}" --memory 400MB --quiet --summary "$work/run.json"; }
cold() {
    sync
    { echo 3 >/proc/sys/vm/drop_caches; } 2>/dev/null || echo "(the page cache can't be emptied here)"
}
echo "== reading the files by itself, under the same limit"
cold
begin=$EPOCHREALTIME
tools/limited.sh "$limit" cat "${files[@]}" >/dev/null
python3 -c "print(f'{$bytes / 1e6 / ($EPOCHREALTIME - $begin):,.0f} MB/s')"
cold
echo "== training, with --memory 400MB under a hard limit of $((limit / 1024 / 1024)) MB"
limited millstream train "$folder" --target label -o "$work/bounded.model"
figure "$work/run.json" "$speed"
cmp "$work/free.model" "$work/bounded.model"
echo "the models are the same to the last bit"
echo "== predicting, likewise"
limited millstream predict "$folder" --model "$work/bounded.model" -o "$work/predictions.parquet"
figure "$work/run.json" "$speed"
rm "$work/predictions.parquet"
echo "== converting to shards, likewise"
limited mkshards "$folder" -o "$work/shards"
figure "$work/run.json" "$speed"
