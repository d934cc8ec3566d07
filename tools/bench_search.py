#!/usr/bin/env python3
"""millstream's search beside its peers, on the same click log (39 columns) and the same cores.

Makes the table with mkdata (once, in FOLDER), runs every way by turns, and prints medians of seconds, the ratio to one
training of one configuration, peak memory and the best progressive log loss. With --json they are written together
with command, commit, processor and versions.

Vowpal Wabbit tries the same sixteen configurations (learning rates and L2 penalties) one after another, each from its own
cache, with a table of 2^22 weights, once: it takes long. scikit-learn's HalvingRandomSearchCV tries sixteen (penalties, with
averaging and without) for an SGDClassifier of standardised logarithms and hashed categories, on a sample of the first rows; its loss
is that of three folds.

    pip install vowpalwabbit scikit-learn pyarrow pandas
    cargo build --release
    python3 tools/bench_search.py [--rows 4000000] [--runs 5] [--threads N] [--only WORD,...] [--json FILE] FOLDER
"""

import os
import statistics
import sys
from typing import NamedTuple

from bench import arguments, mkdata, once, save, timed, vw_files, wanted
from machine import BIN

PACKAGES = ["vowpalwabbit", "scikit-learn", "pyarrow", "pandas", "numpy"]
RATES, STRENGTHS = [0.05, 0.1, 0.2, 0.5], [0, 1e-8, 1e-7, 1e-6]
SAMPLE = 50_000
VW_SEARCH = """
import sys, time, vowpalwabbit
text, cache, rates, strengths = *sys.argv[1:3], *(list(map(float, a.split(","))) for a in sys.argv[3:5])
start, losses = time.perf_counter(), []
for rate in rates:
    for l2 in strengths:
        vw = vowpalwabbit.Workspace(arg_list=["-d", text, "--cache_file", cache, "--loss_function", "logistic", "-b", "22", "--quiet",
                                              "-l", str(rate), "--l2", str(l2)])
        losses.append(vw.get_sum_loss() / vw.get_weighted_examples())
        vw.finish()
print(time.perf_counter() - start, min(losses))
"""
SKLEARN = """
import glob, sys, time, warnings
warnings.filterwarnings("ignore")
import numpy as np, pyarrow.parquet as pq
from sklearn.compose import make_column_transformer
from sklearn.experimental import enable_halving_search_cv
from sklearn.feature_extraction import FeatureHasher
from sklearn.impute import SimpleImputer
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import HalvingRandomSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
path, rows, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
def words(table):
    return [[f"{name}={value}" for name, value in zip(table.columns, row) if value is not None] for row in table.itertuples(index=False, name=None)]
start = time.perf_counter()
file = pq.ParquetFile(sorted(glob.glob(path + "/*.parquet"))[0])
table = next(file.iter_batches(rows)).to_pandas()
y = table.pop("label")
texts = [name for name in table if name.startswith("C")]
numbers = [name for name in table if name not in texts]
features = make_column_transformer(
    (make_pipeline(SimpleImputer(), FunctionTransformer(lambda x: np.log1p(np.maximum(x, 0))), StandardScaler()), numbers),
    (make_pipeline(FunctionTransformer(words), FeatureHasher(2**20, input_type="string")), texts),
)
model = make_pipeline(features, SGDClassifier(loss="log_loss"))
space = {"sgdclassifier__alpha": [1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3], "sgdclassifier__average": [False, True]}
search = HalvingRandomSearchCV(model, space, n_candidates=16, factor=2, cv=3, scoring="neg_log_loss", n_jobs=threads, random_state=1)
search.fit(table, y)
print(time.perf_counter() - start, -search.best_score_)
"""


class Way(NamedTuple):
    """A program, and whether it is millstream's own (timed as a process, with a summary)."""

    name: str
    command: list
    whole: bool = True
    once: bool = False  # too slow to be run again and again


def main():
    args = arguments(__doc__)
    at = lambda name: os.path.join(args.folder, f"{name}-{args.rows}")
    clicks = once(at("clicks"), mkdata("clicks", args.rows))
    text = cache = ""
    if wanted(args, "vw"):
        text, cache = vw_files(at("clicks.vw"), clicks)

    model, threads = os.path.join(args.folder, "model"), str(args.threads)
    listed = lambda values: ",".join(map(str, values))
    millstream = lambda command, *more: [f"{BIN}/millstream", command, clicks, "--target", "label", "--threads", threads, *more]
    one = millstream("train", "-o", model, "--learning-rate", "0.1", "--refine")
    search = lambda *more: millstream("search", "-o", model, *more)
    rates = ["--grid", f"learning-rate={listed(RATES)}"]
    sixteen = ["--grid", "learning-rate=" + listed(0.025 * (1 + i) for i in range(16))]
    grid = rates + ["--grid", f"l2={listed(STRENGTHS)}"]
    ranges = ["--range", "learning-rate=0.02..1", "--range", "l2=1e-9..1e-5"]
    ways = [
        Way("train, one configuration", one),
        Way("train, four racing", millstream("train", "-o", model)),
        Way("search, 4 rates, all rows", search(*rates, "--full")),
        Way("search, 16 rates, all rows", search(*sixteen, "--full")),
        Way("search, 16 rates, halving", search(*sixteen)),
        Way("search, 4 rates x 4 L2, halving", search(*grid)),
        Way("search, 64 by Bayes, halving", search("--bayes", "64", *ranges)),
        Way("cv, 5 folds", millstream("cv")),
        Way("vw, 4 rates x 4 L2, cache", [sys.executable, "-c", VW_SEARCH, text, cache, listed(RATES), listed(STRENGTHS)], False, True),
        Way(
            f"sklearn HalvingRandomSearchCV, {SAMPLE} rows",
            [sys.executable, "-c", SKLEARN, clicks, str(SAMPLE), threads],
            False,
            True,
        ),
    ]
    ways = [way for way in ways if wanted(args, way.name)]
    results = {way.name: [] for way in ways}
    for turn in range(args.runs + 1):
        for way in ways:
            if way.once and turn != 1:
                continue
            result = timed(way, dict(os.environ))
            if turn:  # the first one warms the caches
                results[way.name].append(result)

    print(f"{args.rows:,} rows, {threads} threads, medians of {args.runs}")
    table, base = [], results.get("train, one configuration")
    for way in ways:
        runs = results[way.name]
        entry = {"name": way.name, "seconds": statistics.median(r[0] for r in runs), "peak_bytes": max(r[1] for r in runs)}
        ratio, loss = "", ""
        if runs[0][2] is not None:
            entry["log_loss"] = runs[0][2]
            loss = f"{runs[0][2]:.4f}"
        if base:
            # Each run beside that of the same turn.
            entry["of_one_training"] = statistics.median(r[0] / b[0] for r, b in zip(runs, base))
            ratio = f"{entry['of_one_training']:.2f}"
        table.append(entry)
        print(f"{way.name:44} {entry['seconds']:8.2f} s {ratio:>8} {entry['peak_bytes'] / 2**20:8.0f} MiB {loss:>8}")
    save(args, PACKAGES, table)


if __name__ == "__main__":
    main()
