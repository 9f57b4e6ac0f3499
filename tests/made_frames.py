"""Frames made from plain rows, for tests: what a row leaves out is the least that a frame allows."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pyarrow as pa

from schemas.frame import FRAME_SCHEMA, Frame
from schemas.scores import SCORE_SCHEMA

NOW_MS = 1_795_248_000_000
"""2026-11-21T08:00:00Z, the present of these tests."""

_READING: dict[str, Any] = {
    "stream_id": 257, "device_number": 1, "seq": 1, "time": NOW_MS * 1_000, "received": NOW_MS * 1_000 + 50_000,
    "clock_offset_ms": 0, "origin": 0, "injected": False, "backfill": False,
}  # fmt: skip
_SCORE: dict[str, Any] = {
    "bin": NOW_MS * 1_000, "bin_ms": 5_000, "tier": 0, "tier0": False, "model": "none/1", "readings": 5, "late": 0,
    "backfill": 0, "received": NOW_MS * 1_000 + 50_000,
}  # fmt: skip


def wearer(number: int) -> UUID:
    """Return the id of a made wearer."""
    return UUID(int=number + (1 << 96))


def readings(*rows: dict[str, Any]) -> Frame:
    """Return a frame of readings; a row names `wearer` by number, times in us, any vital."""
    return Frame(_batch([{"wearer": 1, "boot": 1, **_READING, **row} for row in rows], FRAME_SCHEMA))


def scores(*rows: dict[str, Any]) -> Frame:
    """Return a frame of scores; a row names `wearer` by number, `bin` in us."""
    return Frame(_batch([{"wearer": 1, **_SCORE, **row} for row in rows], SCORE_SCHEMA))


def rows_of(read: Frame, *columns: str) -> list[tuple[Any, ...]]:
    """Return these columns' values row by row; ids as bytes, times as us."""
    values = []
    for name in columns:
        column = read.batch.column(name)
        values.append((column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist())
    return list(zip(*values, strict=True))


def _batch(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([_column(rows, field) for field in schema], schema=schema)


def _column(rows: Sequence[dict[str, Any]], field: pa.Field) -> pa.Array:
    values = [row.get(field.name) for row in rows]
    if field.name in {"wearer", "boot"}:
        plain = pa.array([wearer(value).bytes for value in values if value is not None], pa.binary(16))
    elif pa.types.is_dictionary(field.type):
        plain = pa.array(values, pa.string())
    else:
        return pa.array(values, field.type)
    encoded = plain.dictionary_encode()
    return pa.DictionaryArray.from_arrays(encoded.indices, encoded.dictionary)
