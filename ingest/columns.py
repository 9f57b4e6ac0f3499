"""Readings of many wearers become one Arrow record batch: every column is cut from the packed rows at once."""

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingest.effects import Admit, Provenance
from ingest.rows import NUMBERS, PACK, ROW, SHARED, WORN_UNKNOWN, Rows
from ingest.whereabouts import STAYS_MS
from schemas.frame import FRAME_SCHEMA, OFFSET_UNKNOWN

BACKFILL_AFTER_US: Final = 60_000_000
"""A reading whose corrected time is this much before its receipt is history, not news."""

_TYPES: Final = {field.name: field.type for field in FRAME_SCHEMA}
_NAMES: Final = FRAME_SCHEMA.names
_ID: Final = pa.binary(16)
_CODE: Final = pa.int32()
_NOBODY: Final = Admit(
    Provenance(
        wearer=b"", partition=0, device_number=0, boot=b"", clock_offset_ms=0, correction_ms=0, origin=0, firmware=None
    ),
    seq=0,
    received_us=0,
    rows=Rows(PACK(0, 0, 0, OFFSET_UNKNOWN, 0, WORN_UNKNOWN, 0, *[math.nan] * len(NUMBERS)), 1),
    size=0,
)
_APART: Final = [_NOBODY] * 8
"""What lies around the rows of each frame: a column that is cut ends at whole eight bytes, and nothing of another
frame is to stand in what fills them up."""
_Table = npt.NDArray[Any]
_Truths = npt.NDArray[np.bool_]
_Places = npt.NDArray[np.intp]


def batch_of(admitted: Sequence[Admit]) -> pa.RecordBatch:
    """Return the frame's record batch of at least one admitted message, rows in the order given."""
    return batches_of([admitted])[0]


def batches_of(frames: Sequence[Sequence[Admit]]) -> list[pa.RecordBatch]:
    """Return the record batch of each frame, of at least one admitted message each, rows in the order given.

    What frames that leave together have in common is worked out once, for all of their rows: at a few dozen rows
    a frame nearly all of a column's cost is the number of calls.
    """
    admitted = [*_APART]
    for frame in frames:
        admitted += [*frame, *_APART]
    table = np.frombuffer(b"".join([message.rows.packed for message in admitted]), dtype=ROW)
    counts = None if len(table) == len(admitted) else np.array([message.rows.count for message in admitted])
    columns = {**_identity(admitted, counts, table), **_values(table)}
    batches, message, row = [], len(_APART), len(_APART)
    for frame in frames:
        of_rows = None if counts is None else np.repeat(np.arange(len(frame)), counts[message : message + len(frame)])
        rows = len(frame) if of_rows is None else len(of_rows)
        own = {**_named([one.provenance for one in frame], of_rows), "ibi": _beats(frame, rows)}
        cut = [own[name] if name in own else columns[name].slice(row, rows) for name in _NAMES]
        batches.append(pa.RecordBatch.from_arrays(cut, schema=FRAME_SCHEMA))
        message, row = message + len(frame) + len(_APART), row + rows + len(_APART)
    return batches


def _identity(admitted: Sequence[Admit], counts: npt.NDArray[np.int64] | None, table: _Table) -> dict[str, pa.Array]:
    """Return the columns that say in numbers whose readings these are, and when they were taken and received."""
    facts = np.frombuffer(b"".join([message.provenance.packed for message in admitted]), dtype=SHARED)
    if counts is not None:
        facts = np.repeat(facts, counts)
    backfill = table["received_us"] - (table["time_ms"] + facts["correction_ms"]) * 1000 > BACKFILL_AFTER_US
    offset = table["utc_offset_min"]
    # A backlog was measured elsewhere, perhaps.
    placed = (facts["cell"] != 0) & (np.abs(table["time_ms"] - facts["placed_ms"]) <= STAYS_MS)
    return {
        "stream_id": _fixed("stream_id", facts["number"] * np.int64(256) + table["source"]),
        "device_number": _fixed("device_number", facts["number"]),
        "seq": _fixed("seq", table["seq"]),
        "time": _fixed("time", table["time_ms"] * 1000),
        "utc_offset_min": _fixed("utc_offset_min", offset, known=offset != OFFSET_UNKNOWN),
        "received": _fixed("received", table["received_us"]),
        "clock_offset_ms": _fixed("clock_offset_ms", facts["offset_ms"]),
        "cell": _fixed("cell", facts["cell"], known=placed),
        "origin": _fixed("origin", facts["origin"]),
        "backfill": _truths("backfill", backfill),
    }


def _named(sessions: list[Provenance], of_rows: _Places | None) -> dict[str, pa.Array]:
    """Return the columns of one frame that name things: each frame names its own alone.

    `of_rows` is the place of each row's session, shape (rows,); None where each has one row.
    """
    return {
        "wearer": _ids([session.wearer for session in sessions], of_rows),
        "boot": _ids([session.boot for session in sessions], of_rows),
        "firmware": _texts([session.firmware for session in sessions], of_rows),
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
    """Return a column over the memory of `values`, whose width is that of the column; null, and 0, where not known."""
    rows = len(values)
    unknown = 0 if known is None else rows - int(np.count_nonzero(known))
    if unknown == rows:
        return pa.nulls(rows, _TYPES[name])
    valid = None
    if known is not None and unknown:  # what is not told may not stand in the bytes under a null either
        valid, values = _bits(known), np.where(known, values, values.dtype.type(0))
    return pa.Array.from_buffers(_TYPES[name], rows, [valid, pa.py_buffer(np.ascontiguousarray(values))], unknown)


def _truths(name: str, values: _Truths, *, known: _Truths | None = None) -> pa.Array:
    """Return a column of truth values, null where not known."""
    unknown = 0 if known is None else len(values) - int(np.count_nonzero(known))
    valid = None if known is None or unknown == 0 else _bits(known)
    return pa.Array.from_buffers(_TYPES[name], len(values), [valid, _bits(values)], unknown)


def _ids(values: list[bytes], of_rows: _Places | None) -> pa.DictionaryArray:
    """Return a dictionary column of 16-byte ids in which equal ones share an entry."""
    ids = values
    if len(set(values)) == len(values):  # nearly always: a device sends less often than a frame leaves
        codes = np.arange(len(values), dtype=np.int32)
    else:
        places = {value: place for place, value in enumerate(dict.fromkeys(values))}
        ids, codes = list(places), np.array([places[value] for value in values], dtype=np.int32)
    entries = pa.Array.from_buffers(_ID, len(ids), [None, pa.py_buffer(b"".join(ids))], 0)
    return _coded(codes, of_rows, entries)


def _texts(values: list[str | None], of_rows: _Places | None) -> pa.DictionaryArray:
    """Return a dictionary column of texts in which equal ones share an entry; None is null."""
    texts = [text for text in dict.fromkeys(values) if text is not None]
    places: dict[str | None, int] = {text: place for place, text in enumerate(texts)}
    codes = np.fromiter((places.get(value, -1) for value in values), dtype=np.int32, count=len(values))
    return _coded(codes, of_rows, pa.array(texts, pa.string()))


def _coded(codes: npt.NDArray[np.int32], of_rows: _Places | None, entries: pa.Array) -> pa.DictionaryArray:
    """Return a dictionary column from the code of each session, -1 for null."""
    rows = codes if of_rows is None else codes[of_rows]
    unknown = int(np.count_nonzero(rows < 0))
    valid = _bits(rows >= 0) if unknown else None
    codes = np.maximum(rows, 0) if unknown else rows
    indices = pa.Array.from_buffers(_CODE, len(rows), [valid, pa.py_buffer(codes)], unknown)
    return pa.DictionaryArray.from_arrays(indices, entries, safe=False)
