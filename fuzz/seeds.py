#!/usr/bin/env python3
"""Writes the seeds: small files of every format, for each fuzz target a folder under corpus/.

    python3 fuzz/seeds.py [MILLSTREAM]

needs pyarrow. With the path of a millstream program, seeds of models are trained, too. Small files in
../shared/data, where that is there, are taken as well, and what earlier runs have kept in corpora/."""

import datetime
import decimal
import gzip
import pathlib
import subprocess
import sys
import tempfile

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).resolve().parent
SHARED = HERE.parent.parent / "shared" / "data"
SMALL = 40_000
# Small, but for the text of a gigabyte that it holds.
NOT_SMALL = "large_string_map.brotli.parquet"


def put(target, name, data):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def columns(n):
    """Columns of all sorts."""
    some = range(n)
    stamp = datetime.datetime(2020, 2, 29, 12, 30)
    return {
        "i": pa.array(some, pa.int64()),
        "n": pa.array([None if k % 3 == 0 else k for k in some], pa.int32()),
        "f": pa.array([k / 2 for k in some], pa.float32()),
        "d": pa.array([None if k % 5 == 0 else k * 1.5 for k in some], pa.float64()),
        "s": pa.array([f"text {k % 4}" for k in some]),
        "t": pa.array([None if k % 4 == 0 else "ab" * (k % 3) for k in some]),
        "b": pa.array([None if k == 1 else k % 2 == 0 for k in some]),
        "u": pa.array([k % 7 for k in some], pa.uint8()),
        "when": pa.array([stamp + datetime.timedelta(hours=k) for k in some], pa.timestamp("us")),
        "day": pa.array([datetime.date(2020, 1, 1)] * n),
        "list": pa.array([list(range(k % 3)) for k in some], pa.list_(pa.int32())),
        "texts": pa.array([None if k == 2 else ["x", "y"][: k % 3] for k in some], pa.list_(pa.string())),
        "map": pa.array([[("k", 1.0)] for _ in some], pa.map_(pa.string(), pa.float32())),
        "struct": pa.array([{"p": k, "q": None} for k in some], pa.struct([("p", pa.int8()), ("q", pa.string())])),
        "dict": pa.array([f"c{k % 2}" for k in some]).dictionary_encode(),
        "dec": pa.array([decimal.Decimal("1.5")] * n, pa.decimal128(9, 2)),
        "fixed": pa.array([b"abcd"] * n, pa.binary(4)),
        "embedding": pa.array([[1.0, 2.0]] * n, pa.list_(pa.float32(), 2)),
        "nothing": pa.nulls(n),
        "half": pa.array([1.0] * n, pa.float16()),
    }


FLAT = ["i", "n", "f", "d", "s", "t"]


def written(write):
    with tempfile.NamedTemporaryFile() as file:
        write(file.name)
        return pathlib.Path(file.name).read_bytes()


def parquet():
    def one(name, table, **options):
        put("parquet", name, written(lambda path: pq.write_table(table, path, store_schema=False, **options)))

    for n in [3, 40]:
        all_columns = columns(n)
        flat = pa.table({name: all_columns[name] for name in FLAT})
        for version in ["1.0", "2.0"]:
            for dictionary in [True, False]:
                for packing in ["none", "snappy", "zstd"]:
                    name = f"flat-{n}-{version}-{dictionary}-{packing}"
                    one(name, flat, data_page_version=version, use_dictionary=dictionary, compression=packing)
        one(f"groups-{n}", flat, row_group_size=2, compression="none")
        one(f"pages-{n}", flat, data_page_size=16, write_batch_size=4, compression="none")
        one(f"required-{n}", flat.select(["i", "f"]).cast(
            pa.schema([pa.field("i", pa.int64(), False), pa.field("f", pa.float32(), False)])), compression="none")
        for name, values in all_columns.items():
            one(f"{name}-{n}", pa.table({name: values}), compression="none")
        one(f"int96-{n}", pa.table({"when": all_columns["when"]}), compression="none",
            use_deprecated_int96_timestamps=True)
        one(f"gzip-{n}", flat, compression="gzip")
        one(f"lz4-{n}", flat, compression="lz4")
        one(f"delta-{n}", flat.select(["i", "s"]), compression="none", use_dictionary=False,
            column_encoding={"i": "DELTA_BINARY_PACKED", "s": "DELTA_BYTE_ARRAY"})
        for encoding in ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"]:
            one(f"{encoding}-{n}", pa.table({"texts": all_columns["texts"]}), compression="none",
                use_dictionary=False, column_encoding={"texts.list.element": encoding})


def ipc():
    for n in [0, 3, 40]:
        tables = {name: pa.table({name: values}) for name, values in columns(n).items()}
        tables["all"] = pa.table(columns(n))
        for name, table in tables.items():
            for packing in [None, "lz4", "zstd"] if name in ["all", "dict", "s"] else [None]:
                options = pa.ipc.IpcWriteOptions(compression=packing)
                for kind, new in [("file", pa.ipc.new_file), ("stream", pa.ipc.new_stream)]:
                    sink = pa.BufferOutputStream()
                    with new(sink, table.schema, options=options) as writer:
                        writer.write_table(table, max_chunksize=17)
                    put("ipc", f"{name}-{n}-{packing}-{kind}", sink.getvalue().to_pybytes())


def text(target, texts):
    for number, text in enumerate(texts):
        data = text.encode()
        put(target, f"{number}", data)
        put(target, f"{number}-crlf", data.replace(b"\n", b"\r\n"))
        put(target, f"{number}-gz", gzip.compress(data, mtime=0))
        put(target, f"{number}-zst", pa.compress(data, codec="zstd", asbytes=True))
        put(target, f"{number}-bom", b"\xef\xbb\xbf" + data)


CSV = [
    "a,b,c\n1,2.5,x\n2,,y\n-3,1e9,\"z, z\"\n",
    "a;b\n1,5;\"say \"\"so\"\"\"\n2,5;\"two\nlines\"\n",
    "a\tb\tc\ntrue\t2020-01-01\tNA\nfalse\t2020-01-01 12:30:00+02:00\tNULL\n",
    "1|2\n3|4\n# no row\n5|6\n",
    "name\nonly\none\n",
    "a,b\n1\n1,2,3\n\"x\"y,2\n",
    "x,y\n" + "".join(f"{k},{k * k}.25\n" for k in range(90)),
    "x,y\n" + "".join(f"\"{k}\n\",\"\"\"{k}\"\"\"\n" for k in range(40)),
]

LIBSVM = [
    "1 1:0.5 3:2\n-1 2:1e-3 # a remark\n",
    "# a file\n3 qid:1 1:1 2:2\n2 qid:2 7:-0.25\n",
    "0,2,5 1:1 9:1\n 4:1\n",
    "".join(f"{k % 2} {k + 1}:{k}.5 {k + 2}:1\n" for k in range(60)),
]

VW = [
    "1 |f a:1 b c:0.5\n-1 2.0 'tag|f a |g:0.5 x:2 y\n",
    "0 1 0.5 tag|first :0.5 :2 word |second x:1e3\n|first a\n",
    "1 | price:0.23 sqft:.25 a:1 a:2\n0 | price:.18\n",
    "".join(f"{k % 2} 'row{k}|a w{k}:{k}.5 |b v{k % 3}\n" for k in range(50)),
]

JSON = [
    '{"a": 1, "b": "x", "c": null}\n{"a": 2.5, "b": "\\u00e9\\ud83d\\ude00", "c": [1, 2]}\n',
    '{"a": {"b": {"c": true}}, "d": "2020-01-01T00:00:00Z"}\n{"a": {"b": null}}\n',
    '{"a": [{"x": 1, "y": "q"}, {"x": null}]}\n{"a": []}\n{"a": null}\n',
    '{"a": 12345678901234567890, "b": NaN, "c": -Infinity, "d": [1, "x", {}]}\n',
    '{"features": {"k": 1.5, "l": true}, "label": 1}\n{"features": {}, "label": 0}\n',
    "".join(f'{{"i": {k}, "t": "w{k % 3}\\n", "l": [[{k}], []]}}\n' for k in range(40)),
]


def model(program):
    """Models of a few rows, of every form and use of columns."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        pq.write_table(pa.table({
            "y": [k % 2 for k in range(60)],
            "z": [f"c{k % 3}" for k in range(60)],
            "x": [k * 0.5 for k in range(60)],
            "cat": [f"v{k % 4}" for k in range(60)],
            "list": [["p", "q"][: k % 3] for k in range(60)],
            "map": pa.array([[(f"m{k % 3}", 1.5)] for k in range(60)], pa.map_(pa.string(), pa.float32())),
            "embedding": pa.array([[1.0 + k, 2.0] for k in range(60)], pa.list_(pa.float32(), 2)),
            "text": [f"some words number {k} of this text, which is long enough to be one" for k in range(60)],
            "when": pa.array([datetime.datetime(2020, 1, 1 + k % 28, k % 24) for k in range(60)]),
        }), folder / "t.parquet")
        sorts = {
            "one-number": "y --ignore z,cat,list,map,embedding,text,when",
            "one-category": "y --ignore z,x,list,map,embedding,text,when",
            "all": "y",
            "classes": "z --ignore text,when",
            "number": "x --ignore text,list",
            "text": "y --text text --ignore z,x,cat,list,map,embedding,when",
            "time": "y --ignore z,x,cat,list,map,embedding,text",
            "map": "y --ignore z,x,cat,list,when,embedding,text",
            "ftrl": "y --optimizer ftrl --ignore text",
            "cross": "y --cross cat*z --bin x --ignore text,list,map,when",
            "factors": "y --factors 2 --ignore text,list,when",
        }
        for name, arguments in sorts.items():
            command = [program, "train", folder / "t.parquet", "--target", *arguments.split(),
                       "-o", folder / "model"]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode == 0:
                put("model", name, (folder / "model").read_bytes())
            else:
                print(f"no seed {name}: {done.stderr.strip()}")


def kept():
    """What earlier runs have kept (see pack.py)."""
    for path in (HERE / "corpora").glob("*.arrow"):
        for number, data in enumerate(pyarrow.feather.read_table(path)["input"].to_pylist()):
            put(path.stem, f"kept-{number}", data)


def real():
    kinds = {".csv": "csv", ".tsv": "csv", ".libsvm": "libsvm", ".parquet": "parquet", ".arrow": "ipc"}
    for path in SHARED.rglob("*"):
        if path.is_file() and path.name != NOT_SMALL and (target := kinds.get(path.suffix)) and path.stat().st_size <= SMALL:
            put(target, path.name, path.read_bytes())


parquet()
ipc()
text("csv", CSV)
text("libsvm", LIBSVM)
text("vw", VW)
text("json_lines", JSON)
if len(sys.argv) > 1:
    model(sys.argv[1])
kept()
real()
for folder in sorted((HERE / "corpus").iterdir()):
    print(folder.name, len(list(folder.iterdir())))
