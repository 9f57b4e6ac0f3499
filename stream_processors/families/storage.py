"""The storage family: readings, scores and episodes become rows, with the offsets, in one transaction."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas import episodes, frame, scores, zones
from schemas.episodes import Episode
from schemas.errors import ContractError, FrameError
from schemas.frame import Frame
from schemas.topics import EPISODES, READINGS, SCORES, ZONES
from schemas.zones import ZoneStatus
from stream_processors.operators.merge import merge_readings, merge_scores, newest_episodes, newest_statuses
from stream_processors.operators.rows import FrameRows
from stream_processors.ports import Meter, OffsetMove, Record

_DAY_US: Final = 86_400_000_000
_UPKEEP_EVERY_S: Final = 3_600.0
_TIME_COLUMN: Final = {READINGS.name: "time", SCORES.name: "bin"}
_ON_LOOP_ROWS: Final = 2_000
"""A merge of more rows would hold the loop for over 5 ms, so it runs in a thread."""

Item = Frame | Episode | ZoneStatus | None
"""None for a zone that is no more: what was stored of it stays."""
_Item = tuple[Record, Item]
_T = TypeVar("_T", Frame, Episode, ZoneStatus)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesBatch:
    """What one transaction stores: frames with one row an identity, sorted by primary key, episodes, zones' statuses.

    `readings` has the columns of `schemas.frame.FRAME_SCHEMA`, `scores` those of `schemas.scores.SCORE_SCHEMA`.
    """

    readings: Frame
    scores: Frame
    episodes: Sequence[Episode]
    zones: Sequence[ZoneStatus] = ()


class SeriesStore(Protocol):
    """Where rows and offsets end up together."""

    async def write(self, batch: SeriesBatch, moves: Sequence[OffsetMove]) -> None:
        """Store the batch and move the offsets in one transaction; what is stored already stays untouched.

        Raises:
            PassingError: Try again with the same arguments.
            StaleOwnerError: An offset was not the expected one; nothing was written.
            ContractError: The database will never take these rows; nothing was written.
        """
        ...

    async def upkeep(self, *, oldest_us: int, newest_us: int) -> None:
        """Make room up to `newest_us`, and drop the days that ended before `oldest_us` (event time, us since 1970).

        Raises:
            PassingError: Try again.
        """
        ...


class StorageFamily(FrameRows):
    """The sink of `readings.v1`, `scores.v1`, `episodes.v1` and `zones.v1`."""

    name = "storage"
    topics: tuple[str, ...] = (READINGS.name, SCORES.name, EPISODES.name, ZONES.name)
    version = "1"

    def __init__(self, store: SeriesStore, meter: Meter, *, clock: Callable[[], float], retention_days: int) -> None:
        """`clock` gives wall-clock seconds since 1970; rows older than `retention_days` are not kept."""
        self._store = store
        self._meter = meter
        self._clock = clock
        self._retention_us = retention_days * _DAY_US
        self._upkeep_due = 0.0

    def read(self, record: Record) -> Item:
        """Decode one record and check what the frame's own reader cannot: times against the log, and 64-bit cells.

        Raises:
            ContractError: The record is unreadable, or tells a time that no reading can have.
            RegistryVersionError: It was written with a newer registry than this process knows.
        """
        if record.topic == READINGS.name:
            return _checked_beats(_checked(frame.decode(record.value), "time", append_ms=record.append_ms))
        if record.topic == SCORES.name:
            return _checked(scores.decode(record.value).frame, "bin", append_ms=record.append_ms)
        if record.topic == EPISODES.name:
            return episodes.decode(record.value)
        if record.topic == ZONES.name:
            return zones.decode(record.value) if record.value else None
        raise ContractError(f"Storage does not read the topic {record.topic}.")

    async def write(self, items: Sequence[tuple[Record, Item]], moves: Sequence[OffsetMove]) -> None:
        """Merge everything that is ready, in the log's order, and store it with the offsets in one transaction.

        Raises:
            PassingError: Try again with the same arguments.
            StaleOwnerError: An offset was not the expected one; nothing was written.
            ContractError: The database will never take these rows; nothing was written.
        """
        kept = _kept(items, self._now_us() - self._retention_us)
        if _rows(kept) > _ON_LOOP_ROWS:
            batch = await asyncio.to_thread(_merged, kept)
        else:
            batch = _merged(kept)
        began = self._clock()
        await self._store.write(batch, moves)
        committed = self._clock()
        self._meter.observe("write", committed - began)
        received_us = _received_us(kept)
        if received_us.size:
            self._meter.observe("stored", committed - received_us / 1e6)
        if expired := _rows(items) - _rows(kept):
            self._meter.count("expired_total", expired)

    async def settle(self, partitions: Collection[int]) -> None:
        """Once an hour make tomorrow's partitions and drop those past retention.

        Raises:
            PassingError: Try again.
        """
        del partitions  # the tables are everybody's
        if self._clock() < self._upkeep_due:
            return
        now_us = self._now_us()
        await self._store.upkeep(oldest_us=now_us - self._retention_us, newest_us=now_us + _DAY_US)
        self._upkeep_due = self._clock() + _UPKEEP_EVERY_S

    def _now_us(self) -> int:
        return int(self._clock() * 1e6)


def _checked(read: Frame, time_column: str, *, append_ms: int) -> Frame:
    if read.rows == 0:
        return read
    latest_us = append_ms * 1_000 + _DAY_US
    for name in (time_column, "received"):
        time_us = read.integers(name)
        if time_us.min() < 0 or (time_us - _ahead_us(read, name)).max() > latest_us:
            raise FrameError(f"A {name} lies before 1970 or more than a day after the record was appended.")
    cells = read.batch.column("cell")
    if cells.null_count < read.rows and cells.drop_null().to_numpy().max() > np.iinfo(np.int64).max:
        raise FrameError("A cell is no H3 index.")
    return read


def _ahead_us(read: Frame, time_column: str) -> npt.NDArray[np.int64]:
    """Return by how much the clock behind each time is ahead: a reading's time is told as its device sent it."""
    if time_column != _TIME_COLUMN[READINGS.name]:
        return np.zeros(read.rows, dtype=np.int64)
    return -1_000 * read.integers("clock_offset_ms")


def _checked_beats(read: Frame) -> Frame:
    beats = read.batch.column("ibi")
    if beats.null_count < read.rows and beats.flatten().null_count:
        raise FrameError("A list of beats holds a null.")
    return read


def _kept(items: Sequence[_Item], oldest_us: int) -> list[_Item]:
    """Leave out what retention would drop within the hour: its partition may be gone already."""
    return [
        (record, _since(item, _TIME_COLUMN[record.topic], oldest_us) if isinstance(item, Frame) else item)
        for record, item in items
    ]


def _since(read: Frame, time_column: str, oldest_us: int) -> Frame:
    if read.rows == 0:
        return read
    fresh = read.integers(time_column) >= oldest_us
    return read if fresh.all() else Frame(read.batch.filter(pa.array(fresh)))


def _rows(items: Sequence[_Item]) -> int:
    return sum(item.rows for _, item in items if isinstance(item, Frame))


def _merged(items: Sequence[_Item]) -> SeriesBatch:
    return SeriesBatch(
        readings=merge_readings(_of(items, READINGS.name, Frame)),
        scores=merge_scores(_of(items, SCORES.name, Frame)),
        episodes=newest_episodes(_of(items, EPISODES.name, Episode)),
        zones=newest_statuses(_of(items, ZONES.name, ZoneStatus)),
    )


def _of(items: Sequence[_Item], topic: str, kind: type[_T]) -> list[_T]:
    return [item for record, item in items if record.topic == topic and isinstance(item, kind)]


def _received_us(items: Sequence[_Item]) -> npt.NDArray[np.int64]:
    parts = [one.integers("received") for one in _of(items, READINGS.name, Frame)]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
