"""What storage makes of several records before it writes: one row an identity, in the order of the primary key.

A merged frame is a frame again, and merging is associative: any split of the log into batches ends in the same rows.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.episodes import Episode
from schemas.frame import FRAME_SCHEMA, Frame
from schemas.scores import SCORE_SCHEMA
from schemas.zones import ZoneStatus

_Change = TypeVar("_Change", Episode, ZoneStatus)

MARKS: Final = ("origin", "injected")
"""Columns where the highest value wins: what is replayed, simulated or injected in any part stays marked."""


@dataclass(frozen=True, slots=True)
class _Groups:
    """Rows in key order with ties in log order, and where each key begins in that order."""

    order: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]

    @property
    def distinct(self) -> bool:
        return self.starts.size == self.order.size


def merge_readings(frames: Sequence[Frame]) -> Frame:
    """Return one reading an identity (wearer, time, stream), sorted so, from frames in the log's order.

    A nullable column takes its first value that is not null (NaN counts as null), `MARKS` the highest,
    any other column the first.
    """
    batch = _joined(frames, FRAME_SCHEMA)
    if batch.num_rows == 0:
        return Frame(batch)
    groups = _groups(batch, ("wearer", "time", "stream_id"))
    ordered = Frame(batch.take(pa.array(groups.order)))
    if groups.distinct:
        return _whole(ordered.batch, FRAME_SCHEMA)
    columns = [_merged(ordered, field, groups.starts) for field in batch.schema]
    return _whole(pa.RecordBatch.from_arrays(columns, schema=batch.schema), FRAME_SCHEMA)


def merge_scores(frames: Sequence[Frame]) -> Frame:
    """Return one score a (wearer, bin), sorted so; of repeats, which the same log makes equal, the last."""
    batch = _joined(frames, SCORE_SCHEMA)
    if batch.num_rows == 0:
        return Frame(batch)
    groups = _groups(batch, ("wearer", "bin"))
    last = np.append(groups.starts[1:], groups.order.size) - 1
    return _whole(batch.take(pa.array(groups.order[last])), SCORE_SCHEMA)


def newest_episodes(episodes: Iterable[Episode]) -> list[Episode]:
    """Return each (episode, writer) at its highest revision, sorted by both; of equal revisions the first."""
    return _newest(episodes, lambda one: (one.episode_id, one.writer))


def newest_statuses(statuses: Iterable[ZoneStatus]) -> list[ZoneStatus]:
    """Return each (zone, bin) at its highest revision, sorted by both; of equal revisions the first."""
    return _newest(statuses, lambda one: (one.zone_id, one.bin_ms))


def _newest(changes: Iterable[_Change], key_of: Callable[[_Change], Any]) -> list[_Change]:
    newest: dict[Any, _Change] = {}
    for change in changes:
        held = newest.setdefault(key_of(change), change)
        if change.revision > held.revision:
            newest[key_of(change)] = change
    return [newest[key] for key in sorted(newest)]


def _joined(frames: Sequence[Frame], schema: pa.Schema) -> pa.RecordBatch:
    """Return the rows of all frames, without the optional columns that are empty in every one of them."""
    filled = [frame for frame in frames if frame.rows]
    if not filled:
        return _empty(schema)
    told = [field.name for field in schema
            if not (field.nullable and all(frame.absent(field.name) for frame in filled))]  # fmt: skip
    if len(filled) == 1:
        return filled[0].batch.select(told)
    table = pa.Table.from_batches([frame.batch for frame in filled], schema=schema).select(told)
    return table.unify_dictionaries().combine_chunks().to_batches()[0]


@lru_cache(maxsize=8)
def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)


def _whole(batch: pa.RecordBatch, schema: pa.Schema) -> Frame:
    """Return the batch with the columns that `_joined` left out."""
    told = dict(zip(batch.schema.names, batch.columns, strict=True))
    columns = [told[field.name] if field.name in told else pa.nulls(batch.num_rows, field.type) for field in schema]
    return Frame(pa.RecordBatch.from_arrays(columns, schema=schema))


def _groups(batch: pa.RecordBatch, keys: tuple[str, ...]) -> _Groups:
    columns = [_sortable(batch.column(key)) for key in keys]
    # lexsort is stable and takes its first key last: rows of one identity keep the log's order.
    order = np.lexsort(columns[::-1]).astype(np.int64, copy=False)
    begins = np.zeros(order.size, dtype=np.bool_)
    begins[:1] = True
    for column in columns:
        ordered = column[order]
        begins[1:] |= ordered[1:] != ordered[:-1]
    return _Groups(order, np.flatnonzero(begins))


def _sortable(column: pa.Array) -> npt.NDArray[np.int64]:
    if not pa.types.is_dictionary(column.type):
        return np.asarray(column.view(pa.int64()).to_numpy(zero_copy_only=False), dtype=np.int64)
    # Bytes compare as PostgreSQL compares uuids; a dictionary may name one id twice, so ranks come from its values.
    ids = column.dictionary
    halves = np.frombuffer(ids.buffers()[1], dtype=">u8")[2 * ids.offset : 2 * (ids.offset + len(ids))]
    words = halves.astype(np.uint64).reshape(-1, 2)
    order = np.lexsort((words[:, 1], words[:, 0]))
    ordered = words[order]
    rank = np.zeros(len(ids), dtype=np.int64)
    rank[order[1:]] = np.cumsum((ordered[1:] != ordered[:-1]).any(axis=1))
    return rank[np.asarray(column.indices.to_numpy(zero_copy_only=False), dtype=np.int64)]


def _merged(ordered: Frame, field: pa.Field, starts: npt.NDArray[np.int64]) -> pa.Array:
    column = ordered.batch.column(field.name)
    if field.name in MARKS:
        highest = np.maximum.reduceat(column.to_numpy(zero_copy_only=False), starts)
        return pa.array(highest, field.type)
    if not field.nullable:
        return column.take(pa.array(starts))
    known = ~np.isnan(ordered.floats(field.name)) if pa.types.is_floating(field.type) else ordered.known(field.name)
    absent = known.size
    first = np.minimum.reduceat(np.where(known, np.arange(absent, dtype=np.int64), absent), starts)
    return column.take(pa.array(first, mask=first == absent))
