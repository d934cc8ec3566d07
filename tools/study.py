#!/usr/bin/env python3
"""What options are worth on real tables: one line of metrics on test rows for each set of options, means over seeds.

The tables are those of README's figures (../shared/data, not part of the repository) and a generated click log. The
last column is the geometric mean of the ratios to the first line; letter counts by its log loss, for which less is
better, as for the others.

    cargo build --release
    python3 tools/study.py [--seeds 3] [--tables elec,car] [--program BINARY] "" "--batch-size 256" "--optimizer sgd"
"""

import argparse
import json
import math
import os
import shlex
import subprocess
import tempfile

from machine import BIN, ROOT

# Extension, options that say what the task is, metric.
TABLES = {
    "elec": ("csv", "--target class", "log_loss"),
    "car": ("parquet", "--target clm --ignore numclaims,claimcst0", "log_loss"),
    "fertility": ("parquet", "--target morekids", "log_loss"),
    "letter": ("csv", "--target lettr", "log_loss"),
    "diamonds": ("csv", "--target price", "rmse"),
    "bike": ("csv", "--target cnt --ignore dteday,instant,casual,registered", "rmse"),
    "bike:counts": ("csv", "--target cnt --ignore dteday,instant,casual,registered --loss poisson", "poisson_deviance"),
    "insteval": ("parquet", "--target y", "rmse"),
    "w8a": ("libsvm", "--target label", "log_loss"),
    "sms": ("tsv", "--target label --text text", "log_loss"),
    "clicks": ("parquet", "--target label", "log_loss"),
}


def clicks(folder):
    """200,000 rows to train on and 50,000 others."""
    for part, rows in (("train", "--rows 200000"), ("test", "--rows 50000 --skip 200000")):
        out = os.path.join(folder, f"{part}.parquet")
        subprocess.run([f"{BIN}/mkdata", "clicks", "--format", "parquet", *rows.split(), "-o", out], check=True, stderr=subprocess.DEVNULL)


def score(program, name, folder, options, seed):
    extension, task, metric = TABLES[name]
    with tempfile.TemporaryDirectory() as scratch:
        model = os.path.join(scratch, "model")
        train, test = (os.path.join(folder, f"{part}.{extension}") for part in ("train", "test"))
        command = [program, "train", train, *task.split(), "-o", model, "--quiet", "--seed", str(seed)]
        run = subprocess.run(command + shlex.split(options), capture_output=True, text=True)
        if run.returncode != 0:
            return math.nan  # an option that is not for this task
        command = [program, "evaluate", "--model", model, test, "--quiet", "--summary", "-"]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["metrics"][metric]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("options", nargs="+", help="options of `millstream train`, one string for each line")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--program", default=f"{BIN}/millstream")
    args = parser.parse_args()
    names = args.tables.split(",")
    with tempfile.TemporaryDirectory() as scratch:
        folders = {name: os.path.join(ROOT, "../shared/data", name.split(":")[0]) for name in names}
        if "clicks" in names:
            folders["clicks"] = scratch
            clicks(scratch)
        print(f"| options | {' | '.join(names)} | ratio |")
        print("|---" * (len(names) + 2) + "|")
        first = None
        for options in args.options:
            seeds = range(1, args.seeds + 1)
            means = [sum(score(args.program, n, folders[n], options, s) for s in seeds) / args.seeds for n in names]
            first = first or means
            ratios = [math.log(a / b) for a, b in zip(means, first) if not math.isnan(a / b)]
            ratio = math.exp(sum(ratios) / len(ratios)) if ratios else math.nan
            figures = " | ".join("-" if math.isnan(m) else f"{m:.5g}" for m in means)
            print(f"| {options or 'defaults'} | {figures} | {ratio:.4f} |", flush=True)


main()
