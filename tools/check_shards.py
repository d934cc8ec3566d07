#!/usr/bin/env python3
"""Opens shards with pandas, Polars and DuckDB, and compares every value with what pyarrow reads from the source.

Makes its own tables (all types, gaps, quotes, line breaks inside cells, text beyond ASCII, maps and lists), and
converts those and the sample in data/ with mkshards, in each of its formats.

    pip install pandas polars duckdb pyarrow
    python3 tools/check_shards.py            # builds mkshards first: cargo build --release --bin mkshards
"""

import datetime
import glob
import json
import math
import os
import subprocess
import sys
import tempfile

import duckdb
import pandas
import polars
import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MKSHARDS = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "release", "mkshards")


def tables(folder):
    """Name, file and the columns that are expected of it."""
    n = 3000
    texts = ["plain", "Grüße", 'with "quotes"', "two\nlines", "comma, and more", "日本", ""]
    columns = {
        "number": [i if i % 7 else None for i in range(n)],
        "real": [i / 8 if i % 5 else None for i in range(n)],
        "flag": [bool(i % 2) if i % 11 else None for i in range(n)],
        "kind": [texts[i % 7] or None for i in range(n)],
        "unique": [f"row {i}" for i in range(n)],
        "when": [datetime.datetime(2020, 1, 1) + datetime.timedelta(seconds=977 * i) for i in range(n)],
        "large": [2**62 + i for i in range(n)],
    }
    table = pa.table(columns)
    path = os.path.join(folder, "types.csv")
    pyarrow.csv.write_csv(table, path, pyarrow.csv.WriteOptions(quoting_style="needed"))
    yield "types.csv", path, columns

    path = os.path.join(folder, "types.parquet")
    more = dict(columns, list=[[j for j in range(i % 4)] if i % 9 else None for i in range(n)])
    pyarrow.parquet.write_table(pa.table(more), path, row_group_size=700)
    yield "types.parquet", path, more

    path = os.path.join(folder, "sparse.libsvm")
    rows = [{3: 1.0, 7 + i % 50: 0.25 * (i % 8), 100: -2.0} for i in range(n)]
    with open(path, "w") as file:
        for i, row in enumerate(rows):
            file.write(f"{i % 2} " + " ".join(f"{k}:{v}" for k, v in row.items()) + "\n")
    yield "sparse.libsvm", path, {"label": [i % 2 for i in range(n)], "features": [list(r.items()) for r in rows]}

    path = os.path.join(folder, "words.vw")
    names = [{f"w{i % 13}": 1.0, f"x{i % 7}": 0.5} for i in range(n)]
    with open(path, "w") as file:
        for i, row in enumerate(names):
            file.write(f"{1 if i % 3 else -1} |a " + " ".join(f"{k}:{v}" for k, v in row.items()) + f" |b only{i % 5}\n")
    labels = [1 if i % 3 else -1 for i in range(n)]
    yield "words.vw", path, {
        "label": labels,
        "a": [list(r.items()) for r in names],
        "b": [[(f"only{i % 5}", 1.0)] for i in range(n)],
    }

    path = os.path.join(folder, "nested.jsonl")
    with open(path, "w") as file:
        for i in range(n):
            row = {"id": i, "user": {"name": texts[i % 7], "age": i % 90 if i % 4 else None}, "tags": ["a", "b"][: i % 3]}
            file.write(json.dumps(row) + "\n")
    yield "nested.jsonl", path, {
        "id": list(range(n)),
        "user.name": [texts[i % 7] for i in range(n)],
        "user.age": [i % 90 if i % 4 else None for i in range(n)],
        "tags": [["a", "b"][: i % 3] for i in range(n)],
    }

    path = sorted(glob.glob(os.path.join(ROOT, "data", "clicks", "train", "*")))
    if path:
        source = pa.concat_tables([pyarrow.parquet.read_table(p) for p in path if p.endswith(".parquet")])
        yield "data/clicks", os.path.join(ROOT, "data", "clicks", "train"), source.to_pydict()


def plain(value):
    """A value in the form that is the same for all programs."""
    if value is None or value is pandas.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime()
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None)
    if hasattr(value, "tolist") and not isinstance(value, (str, bytes)):
        value = value.tolist()
    if isinstance(value, dict):  # an entry of a map as a struct, or a whole map
        if set(value) == {"key", "value"}:
            keys, values = value["key"], value["value"]
            if isinstance(keys, list):
                return [(plain(k), plain(v)) for k, v in zip(keys, values)]
            return (plain(keys), plain(values))
        return [(plain(k), plain(v)) for k, v in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value)(plain(v) for v in value) if isinstance(value, tuple) else [plain(v) for v in value]
    if isinstance(value, float) and value == int(value) and abs(value) < 2**53:
        return int(value)
    return value


def by_pandas(files):
    read = pandas.read_parquet if files[0].endswith(".parquet") else pandas.read_feather
    frames = [read(f) for f in files]
    return {name: [v for f in frames for v in f[name].astype(object).tolist()] for name in frames[0].columns}


def by_polars(files):
    read = polars.read_parquet if files[0].endswith(".parquet") else polars.read_ipc
    frames = [read(f) for f in files]
    return {name: [v for f in frames for v in f[name].to_list()] for name in frames[0].columns}


def by_duckdb(files):
    result = {}
    for file in files:
        if file.endswith(".parquet"):
            relation = duckdb.sql(f"select * from read_parquet('{file}')")
        else:
            shard = pyarrow.ipc.open_file(file).read_all()  # DuckDB scans Arrow tables where they are
            relation = duckdb.sql("select * from shard")
        rows = relation.fetchall()
        for i, name in enumerate(relation.columns):
            result.setdefault(name, []).extend(row[i] for row in rows)
    return result


def main():
    if not os.path.exists(MKSHARDS):
        sys.exit(f"there is no {MKSHARDS}: run `cargo build --release --bin mkshards` first")
    failures = checks = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, path, expected in tables(folder):
            for options in ([], ["--compress", "lz4"], ["--compress", "zstd"], ["--format", "parquet"]):
                out = os.path.join(folder, "out")
                command = [MKSHARDS, path, "-o", out, "--overwrite", "--quiet", "--shard-size", "64KB", *options]
                subprocess.run(command, check=True)
                files = sorted(glob.glob(os.path.join(out, "part-*")))
                for reader in (by_pandas, by_polars, by_duckdb):
                    found, checks = reader(files), checks + 1
                    wrong = [c for c in expected if [plain(v) for v in found.get(c, [])] != [plain(v) for v in expected[c]]]
                    if list(found) != list(expected) or wrong:
                        failures += 1
                        print(f"{name} {' '.join(options)}, {reader.__name__}: other columns or values: {wrong}")
                        for c in wrong[:2]:
                            pairs = zip((plain(v) for v in found.get(c, [])), (plain(v) for v in expected[c]))
                            print("   ", c, next((p for p in pairs if p[0] != p[1]), "another number of rows"))
    print(f"{checks - failures} passed, {failures} failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
