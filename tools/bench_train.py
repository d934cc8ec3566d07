#!/usr/bin/env python3
"""millstream beside its peers: whole trainings and scans of the same rows on the same cores.

Makes a click log (39 columns) and a dense table (28 float32 columns) with mkdata and mkshards (once, in FOLDER), runs
every way by turns, and prints medians of rows/s, the ratio to millstream, peak memory and progressive log loss. With
--json they are written together with command, commit, processor and versions.

millstream's seconds are those of the whole process. Peers that live in Python are timed inside of it, after their
imports, from opening the files to the end. Vowpal Wabbit reads text made from the same rows, and its own cache of that,
with a table of 2^22 weights; it learns on one thread and parses on another. Scans use as many threads as millstream.

    pip install vowpalwabbit scikit-learn duckdb polars pyarrow xgboost river
    cargo build --release
    python3 tools/bench_train.py [--rows 4000000] [--runs 5] [--threads N] [--only WORD,...] [--json FILE] FOLDER
"""

import os
import statistics
import sys
from typing import NamedTuple

from bench import VW_TEXT, arguments, mkdata, once, run, save, timed, vw_files, wanted
from machine import BIN

PACKAGES = ["vowpalwabbit", "scikit-learn", "duckdb", "polars", "pyarrow", "xgboost", "river", "numpy"]
# Programs of the peers: arguments are a path, rows and threads. Each prints its seconds, and its loss where it has one.
DUCKDB = """
import sys, time, duckdb
path, threads = sys.argv[1:3]
start = time.perf_counter()
db = duckdb.connect(config={"threads": int(threads)})
table = f"read_parquet('{path}/*.parquet')"
db.execute("set enable_progress_bar = false")
columns = db.sql(f"describe select * from {table}").fetchall()
sums = ", ".join(f'sum(length("{c[0]}"))' if c[1] == "VARCHAR" else f'sum("{c[0]}")' for c in columns)
db.sql(f"select {sums} from {table}").fetchall()
print(time.perf_counter() - start)
"""
POLARS = """
import sys, time, polars as pl
path = sys.argv[1]
start = time.perf_counter()
table = pl.scan_parquet(path + "/*.parquet")
texts = [n for n, t in table.collect_schema().items() if t in (pl.String, pl.Categorical)]
table.select(pl.col(texts).str.len_bytes().sum(), pl.exclude(texts).sum()).collect(engine="streaming")
print(time.perf_counter() - start)
"""
NUMPY = """
import glob, sys, time, numpy as np, pyarrow as pa
path = sys.argv[1]
start = time.perf_counter()
for file in sorted(glob.glob(path + "/*.arrow")):
    reader = pa.ipc.open_file(pa.memory_map(file))
    for i in range(reader.num_record_batches):
        for column in reader.get_batch(i).columns:
            if pa.types.is_float32(column.type):
                column.to_numpy(zero_copy_only=True).sum()
print(time.perf_counter() - start)
"""
BATCHES = """
import glob, sys, time, numpy as np, pyarrow as pa
path, rows = sys.argv[1], int(sys.argv[2])
def batches():
    left = rows
    for file in sorted(glob.glob(path + "/*.arrow")):
        reader = pa.ipc.open_file(pa.memory_map(file))
        for i in range(reader.num_record_batches):
            batch = reader.get_batch(i).slice(0, left)
            left -= batch.num_rows
            yield np.column_stack([c.to_numpy() for c, f in zip(batch.columns, batch.schema) if f.name != "label"]), batch.column("label").to_numpy(zero_copy_only=False)
            if left == 0:
                return
"""
SKLEARN = BATCHES + """
from sklearn.linear_model import SGDClassifier
start = time.perf_counter()
model = SGDClassifier(loss="log_loss")
for x, y in batches():
    model.partial_fit(x, y, classes=[0, 1])
print(time.perf_counter() - start)
"""
XGBOOST = BATCHES + """
import xgboost
threads = int(sys.argv[3])
start = time.perf_counter()
x, y = map(np.concatenate, zip(*batches()))
xgboost.train({"booster": "gblinear", "objective": "binary:logistic", "nthread": threads}, xgboost.DMatrix(x, y, nthread=threads), 1)
print(time.perf_counter() - start)
"""
RIVER = BATCHES + """
from river import linear_model, preprocessing
start = time.perf_counter()
model = preprocessing.StandardScaler() | linear_model.LogisticRegression()
for x, y in batches():
    for row, label in zip(x.tolist(), y.tolist()):
        row = dict(enumerate(row))
        model.learn_one(row, bool(label))
print(time.perf_counter() - start)
"""


class Way(NamedTuple):
    """A program over some rows, and the way that it is compared with."""

    name: str
    beside: str
    command: list
    rows: int
    whole: bool = False  # millstream's own: timed as a process, with a summary


def mkshards(source):
    return lambda path: run([f"{BIN}/mkshards", source, "-o", path, "--quiet"])


def main():
    args = arguments(__doc__)
    rows, threads = args.rows, str(args.threads)
    at = lambda name: os.path.join(args.folder, f"{name}-{rows}")
    clicks = once(at("clicks"), mkdata("clicks", rows))
    dense = once(at("dense"), mkdata("dense", rows))
    click_shards, dense_shards = once(at("clicks.shards"), mkshards(clicks)), once(at("dense.shards"), mkshards(dense))
    text = cache = ""
    if wanted(args, "vw text") or wanted(args, "vw cache"):
        text, cache = vw_files(at("clicks.vw"), clicks)

    model, kept = os.path.join(args.folder, "model"), os.path.join(args.folder, "model.kept")
    millstream = lambda command, *more: [f"{BIN}/millstream", command, "--threads", threads, *more]
    train = lambda path, model=model: millstream("train", path, "--target", "label", "-o", model)
    python = lambda program, *more: [sys.executable, "-c", program, *more]
    # Slow peers get fewer rows: rows/s is what counts.
    some, few = min(rows, 500_000), min(rows, 20_000)
    parquet, shards = "clicks, zstd Parquet: millstream", "dense, shards: millstream"
    dense_parquet = "dense, zstd Parquet: millstream"
    scores = os.path.join(args.folder, "scores.parquet")
    ways = [
        Way(parquet, "", train(clicks), rows, True),
        Way("clicks, zstd Parquet: duckdb sums", parquet, python(DUCKDB, clicks, threads), rows),
        Way("clicks, zstd Parquet: polars sums", parquet, python(POLARS, clicks), rows),
        Way("clicks, text: vw text", parquet, python(VW_TEXT, text, ""), rows),
        Way("clicks, cache: vw cache", parquet, python(VW_TEXT, text, cache), rows),
        Way("clicks, zstd Parquet: millstream evaluate", parquet, millstream("evaluate", "--model", kept, clicks), rows, True),
        Way("clicks, zstd Parquet: millstream predict", parquet, millstream("predict", "--model", kept, clicks, "-o", scores), rows, True),
        Way("clicks, shards: millstream", parquet, train(click_shards), rows, True),
        Way(shards, "", train(dense_shards), rows, True),
        Way("dense, shards: numpy sums, one thread", shards, python(NUMPY, dense_shards), rows),
        Way("dense, shards: sklearn partial_fit", shards, python(SKLEARN, dense_shards, str(some)), some),
        Way("dense, shards: xgboost gblinear, one round", shards, python(XGBOOST, dense_shards, str(rows), threads), rows),
        Way("dense, shards: river", shards, python(RIVER, dense_shards, str(few)), few),
        Way(dense_parquet, "", train(dense), rows, True),
        Way("dense, zstd Parquet: duckdb sums", dense_parquet, python(DUCKDB, dense, threads), rows),
    ]
    ways = [way for way in ways if wanted(args, way.name)]
    environment = dict(os.environ, POLARS_MAX_THREADS=threads, OMP_NUM_THREADS=threads)
    if any(kept in way.command for way in ways):
        run([*train(clicks, kept), "--quiet"])
    results = {way.name: [] for way in ways}
    for turn in range(args.runs + 1):
        for way in ways:
            result = timed(way, environment)
            if turn:  # the first one warms the caches
                results[way.name].append(result)

    print(f"{rows:,} rows, {threads} threads, medians of {args.runs}")
    table = []
    for way in ways:
        runs = results[way.name]
        seconds = statistics.median(r[0] for r in runs)
        entry = {"name": way.name, "seconds": seconds, "rows_per_second": way.rows / seconds, "peak_bytes": max(r[1] for r in runs)}
        ratio, loss = "", ""
        if runs[0][2] is not None:
            entry["log_loss"] = runs[0][2]
            loss = f"{runs[0][2]:.4f}"
        if way.beside in results:
            # Each run beside that of the same turn.
            ratios = [(way.rows / r[0]) / (rows / b[0]) for r, b in zip(runs, results[way.beside])]
            entry["of_millstream"] = statistics.median(ratios)
            ratio = f"{entry['of_millstream']:.3f}"
        table.append(entry)
        print(
            f"{way.name:44} {seconds:8.2f} s {way.rows / seconds / 1e6:8.3f} M rows/s {ratio:>8}"
            f" {entry['peak_bytes'] / 2**20:8.0f} MiB {loss:>8}"
        )
    save(args, PACKAGES, table)


if __name__ == "__main__":
    main()
