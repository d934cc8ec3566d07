#!/usr/bin/env bash
# Larger than memory: trains on a folder of click logs with --memory 512MB under a hard limit of 700 MB
# plus the model for the whole process, and again without limits, and compares the models.
#
#   tools/memory.sh [SIZE [FORMAT [FOLDER]]]      (20GB, parquet, a temporary folder)
#
# Needs SIZE of disk, and what tools/limited.sh needs.
set -euo pipefail
cd "$(dirname "$0")/.."
size=${1:-20GB} format=${2:-parquet} folder=${3:-}
cargo build --release --quiet
millstream=${CARGO_TARGET_DIR:-target}/release/millstream
mkdata=${CARGO_TARGET_DIR:-target}/release/mkdata
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "$folder" ]; then
    folder=$work/data
    "$mkdata" clicks --size "$size" --format "$format" -o "$folder"
fi

figure() { python3 -c "import json,sys; s=json.load(open(sys.argv[1])); print($2)" "$1"; }

echo "== without a limit"
"$millstream" train "$folder" --target label -o "$work/free.model" --quiet --summary "$work/free.json"
figure "$work/free.json" "f\"{s['rows']:,} rows, {s['rows_per_second']:,.0f} rows/s, peak {s['peak_memory_bytes']/2**20:.0f} MB, model {s['model']['bytes']/2**20:.0f} MB on disk\""

# A record takes 16 bytes in memory, 64 while four rates race.
model=$(figure "$work/free.json" "16*s['model']['weights']")
limit=$((700 * 1024 * 1024 + model))
echo "== with --memory 512MB under a hard limit of $((limit / 1024 / 1024)) MB"
train=("$millstream" train "$folder" --target label -o "$work/bounded.model" --memory 512MB --quiet --summary "$work/bounded.json")
tools/limited.sh "$limit" "${train[@]}"
figure "$work/bounded.json" "f\"{s['rows']:,} rows, {s['rows_per_second']:,.0f} rows/s, peak {s['peak_memory_bytes']/2**20:.0f} MB\""
cmp "$work/free.model" "$work/bounded.model"
echo "the models are the same to the last bit"
