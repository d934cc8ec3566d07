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

import argparse
import datetime
import glob
import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BIN = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "release")
PACKAGES = ["vowpalwabbit", "scikit-learn", "duckdb", "polars", "pyarrow", "xgboost", "river", "numpy"]
# Slow peers get fewer rows: rows/s is what counts.
FEW = {"sklearn": 500_000, "river": 20_000}

# Programs of the peers: arguments are a path, rows and threads. Each prints its seconds, and its loss where it has one.
VW_TEXT = """
import sys, time, vowpalwabbit
path, cache = sys.argv[1:3]
start = time.perf_counter()
options = ["-d", path, "--loss_function", "logistic", "-b", "22", "--quiet"] + (["--cache_file", cache] if cache else [])
vw = vowpalwabbit.Workspace(arg_list=options)
loss = vw.get_sum_loss() / vw.get_weighted_examples()
vw.finish()
print(time.perf_counter() - start, loss)
"""
DUCKDB = """
import sys, time, duckdb
path, threads = sys.argv[1:3]
start = time.perf_counter()
db = duckdb.connect(config={"threads": int(threads)})
table = f"read_parquet('{path}/*.parquet')"
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


def once(path, make):
    """Makes a file or folder, unless it is there; half-made ones are not taken for it."""
    if not os.path.exists(path):
        make(path + ".part")
        os.rename(path + ".part", path)
    return path


def run(command, **more):
    return subprocess.run(command, check=True, stderr=subprocess.DEVNULL, **more)


def mkdata(table, rows):
    flags = ["--rows", str(rows), "--format", "parquet"]
    return lambda path: run([f"{BIN}/mkdata", table, *flags, "-o", path])


def mkshards(source):
    return lambda path: run([f"{BIN}/mkshards", source, "-o", path, "--quiet"])


def vw_text(source):
    """Vowpal Wabbit's text: numbers as they are, categories by column and value."""
    import pyarrow.parquet as pq

    def make(path):
        with open(path, "w") as out:
            for file in sorted(glob.glob(source + "/*.parquet")):
                for batch in pq.ParquetFile(file).iter_batches(65_536):
                    names = [n for n in batch.schema.names if n != "label"]
                    texts = [n.startswith("C") for n in names]
                    columns = [batch.column(n).to_pylist() for n in names]
                    for label, *cells in zip(batch.column("label").to_pylist(), *columns):
                        numbers, words = [], []
                        for name, text, cell in zip(names, texts, cells):
                            if cell is not None:
                                (words if text else numbers).append(f"{name}={cell}" if text else f"{name}:{cell}")
                        out.write(f"{1 if label else -1} |n {' '.join(numbers)} |c {' '.join(words)}\n")

    return make


def timed(command, whole, environment):
    """Seconds, peak memory in bytes and log loss of one run."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
    out = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    if status != 0:
        sys.exit(f"failed: {command[:6]}")
    if whole:
        summary = json.loads(out)
        return wall, usage.ru_maxrss * 1024, (summary.get("progressive") or {}).get("log_loss")
    seconds, *loss = map(float, out.split())
    return seconds, usage.ru_maxrss * 1024, loss[0] if loss else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", default="", help="only ways whose names hold one of these words")
    parser.add_argument("--json")
    args = parser.parse_args()
    rows, threads = args.rows, str(args.threads)
    os.makedirs(args.folder, exist_ok=True)
    at = lambda name: os.path.join(args.folder, f"{name}-{rows}")
    clicks = once(at("clicks"), mkdata("clicks", rows))
    dense = once(at("dense"), mkdata("dense", rows))
    click_shards, dense_shards = once(at("clicks.shards"), mkshards(clicks)), once(at("dense.shards"), mkshards(dense))
    wanted = lambda name: not args.only or any(word in name for word in args.only.split(","))
    text = cache = ""
    if wanted("vw text") or wanted("vw cache"):
        # In a process of its own: what this one needed at its peak would count as its children's.
        maker = multiprocessing.Process(target=once, args=(at("clicks.vw"), vw_text(clicks)))
        maker.start()
        maker.join()
        text = at("clicks.vw")
        cache = at("clicks.vw.cache")
        if not os.path.exists(cache):
            run([sys.executable, "-c", VW_TEXT, text, cache], stdout=subprocess.DEVNULL)

    model = os.path.join(args.folder, "model")
    train = lambda path: [f"{BIN}/millstream", "train", path, "--target", "label", "-o", model, "--threads", threads]
    apply = lambda command, path, *more: [f"{BIN}/millstream", command, "--model", f"{model}.kept", path, "--threads", threads, *more]
    python = lambda program, *more: [sys.executable, "-c", program, *more]
    # Name, what it is compared with, command.
    ways = [
        ("clicks, zstd Parquet: millstream", None, train(clicks)),
        ("clicks, zstd Parquet: duckdb sums", 0, python(DUCKDB, clicks, threads)),
        ("clicks, zstd Parquet: polars sums", 0, python(POLARS, clicks)),
        ("clicks, text: vw text", 0, python(VW_TEXT, text, "")),
        ("clicks, cache: vw cache", 0, python(VW_TEXT, text, cache)),
        ("clicks, zstd Parquet: millstream evaluate", 0, apply("evaluate", clicks)),
        ("clicks, zstd Parquet: millstream predict", 0, apply("predict", clicks, "-o", model + ".scores.parquet")),
        ("clicks, shards: millstream", 0, train(click_shards)),
        ("dense, shards: millstream", None, train(dense_shards)),
        ("dense, shards: numpy sums, one thread", 8, python(NUMPY, dense_shards)),
        ("dense, shards: sklearn partial_fit", 8, python(SKLEARN, dense_shards, str(min(rows, FEW["sklearn"])))),
        ("dense, shards: xgboost gblinear, one round", 8, python(XGBOOST, dense_shards, str(rows), threads)),
        ("dense, shards: river", 8, python(RIVER, dense_shards, str(min(rows, FEW["river"])))),
        ("dense, zstd Parquet: millstream", None, train(dense)),
        ("dense, zstd Parquet: duckdb sums", 13, python(DUCKDB, dense, threads)),
    ]
    environment = dict(os.environ, POLARS_MAX_THREADS=threads, OMP_NUM_THREADS=threads)
    chosen = [i for i, (name, _, _) in enumerate(ways) if wanted(name)]
    if any("evaluate" in ways[i][0] or "predict" in ways[i][0] for i in chosen):
        run([*train(clicks)[:-3], f"{model}.kept", "--quiet"])
    results = {i: [] for i in chosen}
    for turn in range(args.runs + 1):
        for i in chosen:
            name, _, command = ways[i]
            whole = ": millstream" in name
            result = timed(command + (["--quiet", "--summary", "-"] if whole else []), whole, environment)
            if turn:  # the first one warms the caches
                results[i].append(result)

    print(f"{rows:,} rows, {threads} threads, medians of {args.runs}")
    table = []
    for i in chosen:
        name, base, _ = ways[i]
        few = next((few for word, few in FEW.items() if word in name), rows)
        seconds = statistics.median(r[0] for r in results[i])
        rate = min(rows, few) / seconds
        entry = {"name": name, "seconds": seconds, "rows_per_second": rate, "peak_bytes": max(r[1] for r in results[i])}
        if results[i][0][2] is not None:
            entry["log_loss"] = results[i][0][2]
        if base in results:
            # By turns: each run beside its neighbour.
            base_rows = rows / min(rows, few)
            ratios = [b[0] / a[0] / base_rows for a, b in zip(results[i], results[base])]
            entry["of_millstream"] = statistics.median(ratios)
        table.append(entry)
        ratio = f"{entry['of_millstream']:8.3f}" if "of_millstream" in entry else " " * 8
        loss = f"{entry['log_loss']:8.4f}" if "log_loss" in entry else ""
        print(f"{name:44} {seconds:8.2f} s {rate / 1e6:8.3f} M rows/s {ratio} {entry['peak_bytes'] / 2**20:8.0f} MiB {loss}")
    if args.json:
        from importlib.metadata import version

        with open("/proc/cpuinfo") as info:
            processor = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), "")
        about = {
            "command": " ".join(sys.argv),
            "commit": subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip(),
            "date": datetime.date.today().isoformat(),
            "processor": processor,
            "threads": args.threads,
            "versions": {p: version(p) for p in PACKAGES} | {"python": platform.python_version()},
        }
        with open(args.json, "w") as file:
            json.dump({**about, "rows": rows, "table": table}, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
