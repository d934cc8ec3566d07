#!/usr/bin/env bash
# Runs a command under a hard limit of memory for the whole process, page cache that it fills included:
#
#   tools/limited.sh BYTES COMMAND...
#
# Needs cgroup v2 or v1 with its memory controller, and root to make a group. Where no group can be made, the limit
# is on the address space's data (ulimit -d), and the script says so.
set -euo pipefail
limit=$1
shift
for root in /sys/fs/cgroup /sys/fs/cgroup/memory; do
    group=$root/limited-$$
    mkdir "$group" 2>/dev/null || continue
    trap 'rmdir "$group" 2>/dev/null || true' EXIT
    for file in memory.max memory.limit_in_bytes; do
        if [ -f "$group/$file" ] && echo "$limit" >"$group/$file" 2>/dev/null; then
            [ ! -f "$group/memory.swap.max" ] || echo 0 >"$group/memory.swap.max"
            bash -c 'echo $$ >"$0/cgroup.procs"; exec "$@"' "$group" "$@"
            exit
        fi
    done
    rmdir "$group"
done
echo "(no control group can be made here: ulimit -d instead)" >&2
ulimit -d $((limit / 1024))
exec "$@"
