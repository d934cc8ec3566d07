#!/usr/bin/env python3
"""Packs what fuzzing has kept, for tests/corpora.rs: of each target's folder under corpus/ the smallest inputs, up to so many
bytes, and all that failed once (those under artifacts/), into corpora/TARGET.arrow.

    cargo +nightly fuzz cmin -s none csv      # leaves out what reaches nothing new
    python3 fuzz/pack.py [TARGET...]

needs pyarrow."""

import pathlib
import sys

import pyarrow as pa
import pyarrow.feather

HERE = pathlib.Path(__file__).resolve().parent
MOST_BYTES = 1_500_000


def pack(folder):
    failed = HERE / "artifacts" / folder.name
    inputs, left = [file.read_bytes() for file in sorted(failed.glob("*"))], MOST_BYTES
    for file in sorted(folder.iterdir(), key=lambda file: (file.stat().st_size, file.name)):
        data = file.read_bytes()
        left -= len(data)
        if left < 0:
            break
        inputs.append(data)
    path = HERE / "corpora" / f"{folder.name}.arrow"
    path.parent.mkdir(exist_ok=True)
    table = pa.table({"input": pa.array(inputs, pa.binary())})
    pyarrow.feather.write_feather(table, path, compression="zstd", compression_level=19)
    print(f"{folder.name}: {len(inputs)} inputs, {path.stat().st_size} bytes")


if __name__ == "__main__":
    folders = sorted((HERE / "corpus").iterdir())
    for folder in folders:
        if len(sys.argv) == 1 or folder.name in sys.argv[1:]:
            pack(folder)
