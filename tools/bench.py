"""What the programs that measure millstream beside its peers share."""

import argparse
import glob
import json
import multiprocessing
import os
import subprocess
import sys
import time

from machine import BIN, about

# Arguments are a text and its cache or nothing. Prints seconds and the progressive loss.
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


def arguments(doc):
    """What all of them take; makes the folder."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", default="", help="only ways whose names hold one of these words")
    parser.add_argument("--json")
    args = parser.parse_args()
    os.makedirs(args.folder, exist_ok=True)
    return args


def wanted(args, name):
    return not args.only or any(word in name for word in args.only.split(","))


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


def timed(way, environment):
    """Seconds, peak memory in bytes and log loss of one run."""
    command = way.command + (["--quiet", "--summary", "-"] if way.whole else [])
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
    out = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds, loss = time.perf_counter() - start, None
    if status != 0:
        sys.exit(f"failed: {way.name}")
    if way.whole:
        loss = (json.loads(out).get("progressive") or {}).get("log_loss")
    else:
        seconds, *rest = map(float, out.split())
        loss = rest[0] if rest else None
    return seconds, usage.ru_maxrss * 1024, loss


def vw_files(text, source):
    """The text at a path, made from a table unless it is there, and its cache."""
    # In a process of its own: what this one needed at its peak would count as its children's.
    maker = multiprocessing.Process(target=once, args=(text, vw_text(source)))
    maker.start()
    maker.join()
    cache = text + ".cache"
    if not os.path.exists(cache):
        run([sys.executable, "-c", VW_TEXT, text, cache], stdout=subprocess.DEVNULL)
    return text, cache


def save(args, packages, table):
    """Writes what was measured, if --json asks for it."""
    if args.json:
        with open(args.json, "w") as file:
            json.dump({**about(packages), "threads": args.threads, "rows": args.rows, "table": table}, file, indent=1)
            file.write("\n")
