#!/usr/bin/env bash
# Larger than memory: trains on a folder of click logs with --memory 512MB under a hard limit of 700 MB
# plus the model for the whole process, and again without limits, and compares the models.
#
#   tools/memory.sh [SIZE [FORMAT [FOLDER]]]      (20GB, parquet, a temporary folder)
#
# Needs SIZE of disk, cgroup v2 or v1 with its memory controller, and root to make a group. Where no group
# can be made, the limit is on the address space's data (ulimit -d), and the script says so.
set -euo pipefail
cd "$(dirname "$0")/.."
size=${1:-20GB} format=${2:-parquet} folder=${3:-}
cargo build --release --quiet
millstream=${CARGO_TARGET_DIR:-target}/release/millstream
mkdata=${CARGO_TARGET_DIR:-target}/release/mkdata
work=$(mktemp -d)
trap 'rm -rf "$work"; [ -n "${group:-}" ] && rmdir "$group" 2>/dev/null || true' EXIT
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
group=""
for root in /sys/fs/cgroup /sys/fs/cgroup/memory; do
    candidate=$root/millstream-$$
    if mkdir "$candidate" 2>/dev/null; then
        if [ -f "$candidate/memory.max" ] && echo "$limit" >"$candidate/memory.max" 2>/dev/null; then
            group=$candidate
            [ -f "$group/memory.swap.max" ] && echo 0 >"$group/memory.swap.max"
            break
        elif [ -f "$candidate/memory.limit_in_bytes" ] && echo "$limit" >"$candidate/memory.limit_in_bytes"; then
            group=$candidate
            break
        fi
        rmdir "$candidate"
    fi
done
train=("$millstream" train "$folder" --target label -o "$work/bounded.model" --memory 512MB --quiet --summary "$work/bounded.json")
if [ -n "$group" ]; then
    bash -c 'echo $$ >"$0/cgroup.procs"; exec "$@"' "$group" "${train[@]}"
else
    echo "(no control group can be made here: ulimit -d instead)"
    bash -c 'ulimit -d '$((limit / 1024))'; exec "$@"' _ "${train[@]}"
fi
figure "$work/bounded.json" "f\"{s['rows']:,} rows, {s['rows_per_second']:,.0f} rows/s, peak {s['peak_memory_bytes']/2**20:.0f} MB\""
cmp "$work/free.model" "$work/bounded.model"
echo "the models are the same to the last bit"
