"""Readings of many wearers become one Arrow record batch: every column is cut from the packed rows at once."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingest.rows import NUMBERS, OFFSET_UNKNOWN, ROW, WORN_UNKNOWN
from ingest.session import Admit, Provenance
from schemas.frame import FRAME_SCHEMA

BACKFILL_AFTER_US: Final = 60_000_000
"""A reading whose corrected time is this much before its receipt is history, not news."""

_TYPES: Final = {field.name: field.type for field in FRAME_SCHEMA}
_NAMES: Final = FRAME_SCHEMA.names
_PLACES: Final = np.dtype([("number", "<i4"), ("offset_ms", "<i4"), ("correction_ms", "<i8"), ("origin", "i1")])
_ID: Final = pa.binary(16)
_CODE: Final = pa.int32()
_Table = npt.NDArray[Any]
_Truths = npt.NDArray[np.bool_]


def batch_of(admitted: Sequence[Admit]) -> pa.RecordBatch:
    """Return the frame's record batch of at least one admitted message, rows in the order given."""
    table = np.frombuffer(b"".join([message.rows.packed for message in admitted]), dtype=ROW)
    columns = {**_identity(admitted, table), **_values(table)}
    columns["ibi"] = _beats(admitted, len(table))
    columns["cell"] = pa.nulls(len(table), _TYPES["cell"])
    return pa.RecordBatch.from_arrays([columns[name] for name in _NAMES], schema=FRAME_SCHEMA)


def _identity(admitted: Sequence[Admit], table: _Table) -> dict[str, pa.Array]:
    """Return the columns that say whose readings these are, and when they were taken and received."""
    index: dict[Provenance, int] = {}
    places = [index.setdefault(message.provenance, len(index)) for message in admitted]
    sessions = list(index)
    place = np.array(places, dtype=np.int32)
    if len(table) != len(place):
        place = np.repeat(place, [message.rows.count for message in admitted])
    facts = np.array(
        [(one.device_number, one.clock_offset_ms, one.correction_ms, one.origin) for one in sessions], dtype=_PLACES
    )[place]
    backfill = table["received_us"] - (table["time_ms"] + facts["correction_ms"]) * 1000 > BACKFILL_AFTER_US
    offset = table["utc_offset_min"]
    return {
        "wearer": _ids([session.wearer for session in sessions], place),
        "stream_id": _fixed("stream_id", facts["number"] * np.int64(256) + table["source"]),
        "device_number": _fixed("device_number", facts["number"]),
        "boot": _ids([session.boot for session in sessions], place),
        "seq": _fixed("seq", table["seq"]),
        "time": _fixed("time", table["time_ms"] * 1000),
        "utc_offset_min": _fixed("utc_offset_min", offset, known=offset != OFFSET_UNKNOWN),
        "received": _fixed("received", table["received_us"]),
        "clock_offset_ms": _fixed("clock_offset_ms", facts["offset_ms"]),
        "origin": _fixed("origin", facts["origin"]),
        "backfill": _truths("backfill", backfill),
        "firmware": _texts([session.firmware for session in sessions], place),
    }


def _values(table: _Table) -> dict[str, pa.Array]:
    """Return the columns of what was measured."""
    numbers = np.array([table[name] for name in NUMBERS])
    known = ~np.isnan(numbers)
    worn = table["worn"]
    return {
        "worn": _truths("worn", worn == 1, known=worn != WORN_UNKNOWN),
        "injected": _truths("injected", table["injected"]),
        **{name: _fixed(name, numbers[row], known=known[row]) for row, name in enumerate(NUMBERS)},
    }


def _beats(admitted: Sequence[Admit], rows: int) -> pa.Array:
    """Return the column of inter-beat intervals, null where a row has none."""
    found: dict[int, list[float]] = {}
    first = 0
    for message in admitted:
        if message.rows.beats is not None:
            found |= {first + row: beats for row, beats in message.rows.beats.items()}
        first += message.rows.count
    if not found:
        return pa.nulls(rows, _TYPES["ibi"])
    lengths = np.zeros(rows + 1, dtype=np.int32)
    lengths[np.array(list(found)) + 1] = [len(beats) for beats in found.values()]
    known = lengths[1:] > 0
    values = pa.array(np.fromiter(chain.from_iterable(found.values()), dtype=np.float32), pa.float32())
    ends = pa.py_buffer(np.cumsum(lengths, dtype=np.int32))
    return pa.Array.from_buffers(_TYPES["ibi"], rows, [_bits(known), ends], rows - len(found), children=[values])


def _bits(truths: _Truths) -> pa.Buffer:
    return pa.py_buffer(np.packbits(truths, bitorder="little"))


def _fixed(name: str, values: _Table, *, known: _Truths | None = None) -> pa.Array:
    """Return a column over the memory of `values`, whose width is that of the column; null where not known."""
    rows = len(values)
    unknown = 0 if known is None else rows - int(np.count_nonzero(known))
    if unknown == rows:
        return pa.nulls(rows, _TYPES[name])
    valid = None if known is None or unknown == 0 else _bits(known)
    return pa.Array.from_buffers(_TYPES[name], rows, [valid, pa.py_buffer(np.ascontiguousarray(values))], unknown)


def _truths(name: str, values: _Truths, *, known: _Truths | None = None) -> pa.Array:
    """Return a column of truth values, null where not known."""
    unknown = 0 if known is None else len(values) - int(np.count_nonzero(known))
    valid = None if known is None or unknown == 0 else _bits(known)
    return pa.Array.from_buffers(_TYPES[name], len(values), [valid, _bits(values)], unknown)


def _ids(values: list[bytes], place: npt.NDArray[np.int32]) -> pa.DictionaryArray:
    """Return a dictionary column of 16-byte ids in which equal ones share an entry."""
    codes: dict[bytes, int] = {}
    of_session = [codes.setdefault(value, len(codes)) for value in values]
    rows = place if len(codes) == len(values) else np.array(of_session, dtype=np.int32)[place]
    entries = pa.Array.from_buffers(_ID, len(codes), [None, pa.py_buffer(b"".join(codes))], 0)
    indices = pa.Array.from_buffers(_CODE, len(rows), [None, pa.py_buffer(rows)], 0)
    return pa.DictionaryArray.from_arrays(indices, entries, safe=False)


def _texts(values: list[str | None], place: npt.NDArray[np.int32]) -> pa.DictionaryArray:
    """Return a dictionary column of texts in which equal ones share an entry; None is null."""
    codes: dict[str, int] = {}
    of_session = [-1 if value is None else codes.setdefault(value, len(codes)) for value in values]
    rows = np.array(of_session, dtype=np.int32)[place]
    return pa.DictionaryArray.from_arrays(pa.array(rows, mask=rows < 0), pa.array(list(codes), pa.string()), safe=False)
