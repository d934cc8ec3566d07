#!/usr/bin/env python3
"""What 64 Bayesian proposals, halved, find beside a full grid of 8 learning rates and 8 strengths of L2 in the same space.

For each table: by how much the loss of what `--bayes 64` found is above that of the grid's best (mean and median over
seeds, and in how many it is), and the shares of the full search's row-visits that it took and that went to configurations
which were dropped. The tables are those of README's figures (../shared/data, not part of the repository); `clicks` is a
generated click log.

    cargo build --release
    python3 tools/bench_bayes.py [--seeds 10] [--tables elec,diamonds] [--rows 4000000] [--program BINARY]
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile

from machine import BIN, ROOT

# Extension, options that say what the task is.
TABLES = {
    "elec": ("csv", "--target class"),
    "diamonds": ("csv", "--target price"),
    "car": ("parquet", "--target clm --ignore numclaims,claimcst0"),
    "fertility": ("parquet", "--target morekids"),
    "bike": ("csv", "--target cnt --ignore dteday,instant,casual,registered"),
    "insteval": ("parquet", "--target y"),
    "letter": ("csv", "--target lettr"),
    "clicks": ("parquet", "--target label"),
}
RATES, STRENGTHS = (0.02, 1.0), (1e-9, 1e-3)


def spread(first, last, count=8):
    return ",".join(f"{first * (last / first) ** (i / (count - 1)):.6g}" for i in range(count))


def search(program, task, seed, options):
    command = [program, "search", *task, "--seed", str(seed), "--quiet", "--summary", "-", *options]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["search"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--rows", type=int, default=4_000_000, help="rows of clicks")
    parser.add_argument("--program", default=f"{BIN}/millstream")
    args = parser.parse_args()
    print("| table | loss above the grid's, mean | median | worse in | row-visits | of dropped ones |")
    print("|---" * 6 + "|")
    with tempfile.TemporaryDirectory() as scratch:
        for name in args.tables.split(","):
            extension, options = TABLES[name]
            path = os.path.join(ROOT, "../shared/data", name, f"train.{extension}")
            if name == "clicks":
                path = os.path.join(scratch, "clicks")
                rows = ["--rows", str(args.rows)]
                subprocess.run([f"{BIN}/mkdata", name, "--format", extension, *rows, "-o", path], check=True, capture_output=True)
            task = [path, *options.split()]
            grid = ["--full", "--grid", f"learning-rate={spread(*RATES)}", "--grid", f"l2={spread(*STRENGTHS)}"]
            ranges = [f"learning-rate={RATES[0]}..{RATES[1]}", f"l2={STRENGTHS[0]}..{STRENGTHS[1]}"]
            bayes = ["--bayes", "64", "--range", ranges[0], "--range", ranges[1]]
            above, visits, dropped = [], [], []
            for seed in range(1, args.seeds + 1):
                best, found = (search(args.program, task, seed, options) for options in (grid, bayes))
                above.append(found["trials"][0]["loss"] / best["trials"][0]["loss"] - 1)
                visits.append(found["row_visits"] / found["row_visits_without_halving"])
                dropped.append(found["row_visits_of_dropped"] / found["row_visits_without_halving"])
            figures = f"{statistics.mean(above):+.3%} | {statistics.median(above):+.3%} | {sum(x > 0 for x in above)} of {len(above)}"
            print(f"| {name} | {figures} | {statistics.mean(visits):.0%} | {statistics.mean(dropped):.0%} |", flush=True)


main()
