"""Readings of many wearers become one Arrow record batch: every column is built at once."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingest.admission import VALUE_NAMES
from ingest.session import Admit, Provenance
from schemas.frame import FRAME_SCHEMA

BACKFILL_AFTER_US: Final = 60_000_000
"""A reading whose corrected time is this much before its receipt is history, not news."""

_TYPES: Final = {field.name: field.type for field in FRAME_SCHEMA}
_NAMES: Final = FRAME_SCHEMA.names


def batch_of(admitted: Sequence[Admit]) -> pa.RecordBatch:
    """Return the frame's record batch of at least one admitted message, rows in the order given."""
    counts = np.array([len(message.rows.values) for message in admitted], dtype=np.int64)
    columns: dict[str, pa.Array] = {**_identity(admitted, counts), **_values(admitted)}
    rows = int(counts.sum())
    columns["cell"] = pa.nulls(rows, _TYPES["cell"])
    return pa.RecordBatch.from_arrays([columns[name] for name in _NAMES], schema=FRAME_SCHEMA)


def _identity(admitted: Sequence[Admit], counts: npt.NDArray[np.int64]) -> dict[str, pa.Array]:
    """Return the columns that say whose readings these are, and when they were taken and received."""
    index: dict[Provenance, int] = {}
    places = [index.setdefault(message.provenance, len(index)) for message in admitted]
    sessions = list(index)
    place = np.repeat(np.array(places, dtype=np.int64), counts)
    number, offset_ms, correction_ms, origin = np.array(
        [(one.device_number, one.clock_offset_ms, one.correction_ms, one.origin) for one in sessions], dtype=np.int64
    ).T[:, place]
    received_us, seq = np.repeat(
        np.array([(message.received_us, message.seq) for message in admitted], dtype=np.int64).T, counts, axis=1
    )
    source = np.array(list(chain.from_iterable([message.rows.source for message in admitted])), dtype=np.int64)
    time_ms = np.array(list(chain.from_iterable([message.rows.time_ms for message in admitted])), dtype=np.int64)
    offsets = list(chain.from_iterable([message.rows.utc_offset_min for message in admitted]))
    return {
        "wearer": _dictionary([session.wearer for session in sessions], place, pa.binary(16)),
        "stream_id": _fixed("stream_id", number * 256 + source),
        "device_number": _fixed("device_number", number.astype(np.int32)),
        "boot": _dictionary([session.boot for session in sessions], place, pa.binary(16)),
        "seq": _fixed("seq", seq),
        "time": _fixed("time", time_ms * 1000),
        "utc_offset_min": pa.array(offsets, pa.int16()),
        "received": _fixed("received", received_us),
        "clock_offset_ms": _fixed("clock_offset_ms", offset_ms.astype(np.int32)),
        "origin": _fixed("origin", origin.astype(np.int8)),
        "backfill": pa.array(received_us - (time_ms + correction_ms) * 1000 > BACKFILL_AFTER_US),
        "firmware": _dictionary([session.firmware for session in sessions], place, pa.string()),
    }


def _fixed(name: str, values: npt.NDArray[Any]) -> pa.Array:
    """Return a column without nulls over the memory of `values`, whose width is that of the column."""
    return pa.Array.from_buffers(_TYPES[name], len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def _dictionary(values: list[Any], place: npt.NDArray[np.int64], value_type: pa.DataType) -> pa.DictionaryArray:
    """Return a dictionary column in which equal values share an entry; None is null."""
    codes: dict[Any, int] = {}
    of_session = [-1 if value is None else codes.setdefault(value, len(codes)) for value in values]
    rows = np.array(of_session, dtype=np.int32)[place]
    indices = pa.array(rows, mask=rows < 0) if None in values else pa.array(rows)
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(codes), value_type))


def _values(admitted: Sequence[Admit]) -> dict[str, pa.Array]:
    """Return the columns of what was measured; a column that nobody measured is all null."""
    columns = zip(*chain.from_iterable(message.rows.values for message in admitted), strict=True)
    arrays: dict[str, pa.Array] = {}
    for name, column in zip(VALUE_NAMES, columns, strict=True):
        nothing = column[0] is None and column.count(None) == len(column)
        arrays[name] = pa.nulls(len(column), _TYPES[name]) if nothing else pa.array(column, _TYPES[name])
    return arrays
