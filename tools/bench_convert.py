#!/usr/bin/env python3
"""mkshards beside Polars' scan_csv().sink_ipc(), on the same file and the same cores, whole processes.

Makes a click log as CSV (once, in FOLDER), and converts it by turns with either program, as CSV and as .csv.gz,
on as many threads as there are cores (or --threads). Prints medians and ratios, and writes them as JSON with the
command, the commit, the processor and the versions.

    pip install polars
    cargo build --release
    python3 tools/bench_convert.py [--rows 1000000] [--runs 5] [--threads N] [--json FILE] [FOLDER]
"""

import argparse
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from machine import BIN, about

POLARS = "import polars, sys; polars.scan_csv(sys.argv[1]).sink_ipc(sys.argv[2])"


def timed(command, environment):
    """Wall-clock seconds and processor seconds of a whole process."""
    before, start = os.times(), time.perf_counter()
    subprocess.run(command, check=True, env=environment, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, os.times()
    return wall, after.children_user + after.children_system - before.children_user - before.children_system


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--memory")
    parser.add_argument("--json")
    args = parser.parse_args()
    folder = args.folder or tempfile.mkdtemp()
    data = os.path.join(folder, f"clicks-{args.rows}")
    if not os.path.exists(data):
        mkdata = [os.path.join(BIN, "mkdata"), "clicks", "--rows", str(args.rows), "--rows-per-file", str(args.rows)]
        subprocess.run([*mkdata, "--format", "csv", "-o", data], check=True, stderr=subprocess.DEVNULL)
    csv = os.path.join(data, "part-00000.csv")
    if not os.path.exists(csv + ".gz"):
        with open(csv, "rb") as source, gzip.open(csv + ".gz", "wb", compresslevel=6) as target:
            shutil.copyfileobj(source, target, 1 << 20)

    out, threads = os.path.join(folder, "out"), str(args.threads)
    environment = dict(os.environ, POLARS_MAX_THREADS=threads)
    mkshards = [os.path.join(BIN, "mkshards"), "-o", out, "--overwrite", "--quiet", "--threads", threads]
    mkshards += ["--memory", args.memory] if args.memory else []
    gunzip = ["gzip", "-dc", csv + ".gz"]
    ways = {
        "mkshards, csv": [*mkshards, csv],
        "polars, csv": [sys.executable, "-c", POLARS, csv, out + ".arrow"],
        "mkshards, csv.gz": [*mkshards, csv + ".gz"],
        "gzip -dc": ["sh", "-c", " ".join(gunzip) + " > /dev/null"],
        "mkshards --shuffle, csv": [*mkshards, csv, "--shuffle"],
    }
    times = {way: [] for way in ways}
    for run in range(args.runs + 1):
        for way, command in ways.items():
            shutil.rmtree(out, ignore_errors=True)
            result = timed(command, environment)
            if run:  # the first one warms the caches
                times[way].append(result)
    megabytes = os.path.getsize(csv) / 1e6
    table = {}
    print(f"{args.rows:,} rows, {megabytes:.0f} MB of CSV, {threads} threads, medians of {args.runs}")
    for way, runs in times.items():
        wall = statistics.median(r[0] for r in runs)
        cpu = statistics.median(r[1] for r in runs)
        table[way] = {"seconds": wall, "cpu_seconds": cpu, "megabytes_per_second": megabytes / wall}
        print(f"{way:26} {wall:6.2f} s  {megabytes / wall:6.0f} MB/s  {cpu:6.2f} s of processors")
    ratio = table["polars, csv"]["seconds"] / table["mkshards, csv"]["seconds"]
    print(f"mkshards is {ratio:.2f} times as fast as Polars")
    if args.json:
        with open(args.json, "w") as file:
            json.dump({**about(["polars"]), "times": table, "mkshards_over_polars": ratio}, file, indent=1)
            file.write("\n")
    if not args.folder:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
