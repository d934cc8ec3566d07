"""What pyarrow reads from the files of apache/parquet-testing: for each file and column a digest.

    python parquet_testing.py FOLDER > parquet_testing.json      # with pyarrow 26

FOLDER holds `data/` and `bad_data/`. A digest holds the rows, the nulls, and of the values that are
not null the count, the sum of numbers (of lists: of their elements) or the sum of the CRC-32 of texts.
Dates and times count as the integers that they are stored as.
"""

import json
import math
import sys
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

t = pa.types


def is_text(kind):
    return (t.is_string(kind) or t.is_large_string(kind) or t.is_binary(kind) or t.is_large_binary(kind)
            or t.is_fixed_size_binary(kind))


def is_counted(kind):
    return t.is_integer(kind) or t.is_boolean(kind) or t.is_temporal(kind)


def values(kind, array):
    """The digest of the values of a flat array."""
    if t.is_dictionary(kind):
        array = array.cast(kind.value_type)
        kind = kind.value_type
    present = array.drop_null()
    digest = {"count": len(present)}
    if is_text(kind):
        digest["crc"] = sum(zlib.crc32(x if isinstance(x, bytes) else x.encode()) for x in present.to_pylist())
    elif is_counted(kind):
        whole = pa.int64() if not t.is_uint64(kind) else pa.uint64()
        if t.is_time32(kind) or t.is_date32(kind):
            present = present.cast(pa.int32())
        digest["sum"] = str(sum(present.cast(whole).to_pylist()))
    elif t.is_floating(kind) or t.is_decimal(kind):
        numbers = [float(x) for x in present.to_pylist()]
        finite = [x for x in numbers if math.isfinite(x)]
        digest["float"] = math.fsum(finite)
        digest["size"] = math.fsum(map(abs, finite))
        digest["finite"] = len(finite)
    else:
        return {}
    return digest


def digest(column):
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    kind = array.type
    result = {"rows": len(array), "nulls": array.null_count}
    if t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
        result.update(values(kind.value_type, pc.list_flatten(array)))
    else:
        result.update(values(kind, array))
    return result


def read(path):
    try:
        # As millstream does: nanoseconds would overflow.
        file = pq.ParquetFile(path, coerce_int96_timestamp_unit="us")
        names = file.schema_arrow.names
    except Exception as error:
        return {"error": type(error).__name__}
    columns = {}
    for name in names:
        try:
            columns[name] = digest(file.read(columns=[name]).column(name))
        except Exception as error:
            columns[name] = {"error": type(error).__name__}
    return columns


def main():
    folder = Path(sys.argv[1])
    files = sorted(p for part in ("data", "bad_data") for p in (folder / part).iterdir())
    found = {str(p.relative_to(folder)): read(p) for p in files if ".parquet" in p.name}
    lines = (f"{json.dumps(name)}: {json.dumps(columns, sort_keys=True)}" for name, columns in found.items())
    print("{\n" + ",\n".join(lines) + "\n}")


main()
