#!/usr/bin/env bash
# Larger than memory: converts SIZE of CSV with --memory 512MB under a hard limit of 600 MB for the whole process, in the
# order of the rows and shuffled, and compares the speed with that of 1 GB without limits.
#
#   tools/convert_memory.sh [SIZE [FOLDER]]      (20GB, a temporary folder)
#
# Needs three times SIZE of disk, and what tools/limited.sh needs. FOLDER may hold the CSV of an earlier run.
set -euo pipefail
cd "$(dirname "$0")/.."
size=${1:-20GB} folder=${2:-}
cargo build --release --quiet
bin=${CARGO_TARGET_DIR:-target}/release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "$folder" ]; then
    folder=$work/csv
fi
if [ ! -e "$folder/_truth.json" ]; then
    "$bin/mkdata" clicks --size "$size" --format csv -o "$folder" 2>/dev/null
fi
"$bin/mkdata" clicks --size 1GB --format csv -o "$work/small" 2>/dev/null
show() {
    python3 -c "import json,sys; s=json.load(open(sys.argv[1])); print(f\"$2: {s['rows']:,} rows, {s['bytes_read']/1e9:.1f} GB in {s['seconds']:.0f} s, {s['bytes_per_second']/1e6:.0f} MB/s on {s['threads']} threads, peak {s['peak_memory_bytes']/2**20:.0f} MB\")" "$1"
}
limit=$((600 << 20))
"$bin/mkshards" "$work/small" -o "$work/out" --quiet --summary "$work/s.json"
show "$work/s.json" "1 GB, no limit"
"$bin/mkshards" "$work/small" -o "$work/out" --overwrite --shuffle --quiet --summary "$work/s.json"
show "$work/s.json" "1 GB, no limit, shuffled"
tools/limited.sh $limit "$bin/mkshards" "$folder" -o "$work/out" --overwrite --memory 512MB --quiet --summary "$work/s.json"
show "$work/s.json" "$size under 600 MB"
rm -rf "$work/out"
tools/limited.sh $limit "$bin/mkshards" "$folder" -o "$work/out" --shuffle --memory 512MB --quiet --summary "$work/s.json"
show "$work/s.json" "$size under 600 MB, shuffled"
