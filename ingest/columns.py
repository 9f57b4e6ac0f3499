"""Readings of many wearers become one Arrow record batch: every column is cut from the packed rows at once."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingest.effects import Admit
from ingest.rows import NUMBERS, ROW, SHARED, WORN_UNKNOWN
from ingest.whereabouts import STAYS_MS
from schemas.frame import FRAME_SCHEMA, OFFSET_UNKNOWN

BACKFILL_AFTER_US: Final = 60_000_000
"""A reading whose corrected time is this much before its receipt is history, not news."""

_TYPES: Final = {field.name: field.type for field in FRAME_SCHEMA}
_NAMES: Final = FRAME_SCHEMA.names
_ID: Final = pa.binary(16)
_CODE: Final = pa.int32()
_Value = TypeVar("_Value")
_Table = npt.NDArray[Any]
_Truths = npt.NDArray[np.bool_]


def batch_of(admitted: Sequence[Admit]) -> pa.RecordBatch:
    """Return the frame's record batch of at least one admitted message, rows in the order given."""
    table = np.frombuffer(b"".join([message.rows.packed for message in admitted]), dtype=ROW)
    columns = {**_identity(admitted, table), **_values(table)}
    columns["ibi"] = _beats(admitted, len(table))
    return pa.RecordBatch.from_arrays([columns[name] for name in _NAMES], schema=FRAME_SCHEMA)


def _identity(admitted: Sequence[Admit], table: _Table) -> dict[str, pa.Array]:
    """Return the columns that say whose readings these are, and when they were taken and received."""
    sessions, place = _distinct([message.provenance for message in admitted])
    if len(table) != len(place):
        place = np.repeat(place, [message.rows.count for message in admitted])
    facts = np.frombuffer(b"".join([session.packed for session in sessions]), dtype=SHARED)[place]
    backfill = table["received_us"] - (table["time_ms"] + facts["correction_ms"]) * 1000 > BACKFILL_AFTER_US
    offset = table["utc_offset_min"]
    # A backlog was measured elsewhere, perhaps.
    placed = (facts["cell"] != 0) & (np.abs(table["time_ms"] - facts["placed_ms"]) <= STAYS_MS)
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
        "cell": _fixed("cell", facts["cell"], known=placed),
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


def _distinct(values: list[_Value]) -> tuple[list[_Value], npt.NDArray[np.int32]]:
    """Return the values without repetitions, in order, and the place of each value among them."""
    once = dict.fromkeys(values)
    if len(once) == len(values):  # nearly always: a device sends less often than a frame leaves
        return values, np.arange(len(values), dtype=np.int32)
    places = {value: place for place, value in enumerate(once)}
    return list(once), np.array([places[value] for value in values], dtype=np.int32)


def _ids(values: list[bytes], place: npt.NDArray[np.int32]) -> pa.DictionaryArray:
    """Return a dictionary column of 16-byte ids in which equal ones share an entry."""
    ids, of_session = _distinct(values)
    rows = place if len(ids) == len(values) else of_session[place]
    entries = pa.Array.from_buffers(_ID, len(ids), [None, pa.py_buffer(b"".join(ids))], 0)
    indices = pa.Array.from_buffers(_CODE, len(rows), [None, pa.py_buffer(rows)], 0)
    return pa.DictionaryArray.from_arrays(indices, entries, safe=False)


def _texts(values: list[str | None], place: npt.NDArray[np.int32]) -> pa.DictionaryArray:
    """Return a dictionary column of texts in which equal ones share an entry; None is null."""
    texts = [text for text in dict.fromkeys(values) if text is not None]
    codes: dict[str | None, int] = {text: code for code, text in enumerate(texts)}
    of_session = np.array([codes.get(value, -1) for value in values], dtype=np.int32)
    rows = of_session[place]
    known = rows >= 0
    unknown = len(rows) - int(np.count_nonzero(known))
    valid = _bits(known) if unknown else None
    indices = pa.Array.from_buffers(_CODE, len(rows), [valid, pa.py_buffer(np.maximum(rows, 0))], unknown)
    return pa.DictionaryArray.from_arrays(indices, pa.array(texts, pa.string()), safe=False)
