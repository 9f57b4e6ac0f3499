"""The vectorised COPY stream is byte for byte the one that the manual's format gives row by row."""

import struct
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from infra.timescale.copy_stream import copy_stream

_COLUMNS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "id": (pa.binary(16), st.binary(min_size=16, max_size=16)),
    "at": (pa.timestamp("us", tz="UTC"), st.integers(0, 2**60)),
    "small": (pa.int16(), st.none() | st.integers(-(2**15), 2**15 - 1)),
    "tiny": (pa.int8(), st.integers(-128, 127)),
    "number": (pa.int32(), st.none() | st.integers(-(2**31), 2**31 - 1)),
    "cell": (pa.uint64(), st.none() | st.integers(0, 2**63 - 1)),
    "flag": (pa.bool_(), st.none() | st.booleans()),
    "real": (pa.float32(), st.none() | st.floats(width=32, allow_nan=False)),
    "text": (pa.string(), st.none() | st.text("aé€😀", max_size=5)),
    "beats": (pa.list_(pa.float32()), st.none() | st.lists(st.floats(0, 2000, width=32), max_size=3)),
}
_ROWS = st.lists(st.fixed_dictionaries({name: values for name, (_, values) in _COLUMNS.items()}), max_size=12)


@given(rows=_ROWS)
def test_the_stream_is_the_manuals_format(rows: list[dict[str, Any]]) -> None:
    """Every type, null or not, stands in the stream as PostgreSQL's binary COPY format says."""
    expected = b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"".join(_row(row) for row in rows) + b"\xff\xff"
    assert copy_stream(_batch(rows), tuple(_COLUMNS)) == expected


def test_nan_is_null() -> None:
    """A NaN, which stands for no value in a frame, becomes null."""
    batch = pa.RecordBatch.from_arrays([pa.array([np.nan, 1.0], pa.float32())], names=["real"])
    assert copy_stream(batch, ("real",))[19:-2] == struct.pack(">hi", 1, -1) + struct.pack(">hif", 1, 4, 1.0)


def _batch(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    arrays = []
    for name, (kind, _) in _COLUMNS.items():
        array = pa.array([row[name] for row in rows], kind)
        arrays.append(array.dictionary_encode() if name in {"id", "text"} else array)
    return pa.RecordBatch.from_arrays(arrays, names=list(_COLUMNS))


def _row(row: dict[str, Any]) -> bytes:
    return struct.pack(">h", len(_COLUMNS)) + b"".join(_value(name, row[name]) for name in _COLUMNS)


def _value(name: str, value: Any) -> bytes:
    if value is None:
        return struct.pack(">i", -1)
    if name == "at":
        value -= 946_684_800_000_000
    if name == "beats":
        payload = struct.pack(">iiiii", 1, 0, 700, len(value), 1)
        payload += b"".join(struct.pack(">if", 4, beat) for beat in value)
    elif name in {"id", "text"}:
        payload = value.encode() if isinstance(value, str) else value
    else:
        kinds = {"at": "q", "small": "h", "tiny": "h", "number": "i", "cell": "q", "flag": "?", "real": "f"}
        payload = struct.pack(">" + kinds[name], value)
    return struct.pack(">i", len(payload)) + payload
