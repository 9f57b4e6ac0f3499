"""The storage family decodes with care, hands over one merged batch, and keeps house once an hour."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from schemas import frame, scores
from schemas.errors import ContractError, DatabaseAwayError, FrameError
from stream_processors.families.storage import SeriesBatch, StorageFamily
from stream_processors.ports import OffsetMove, Record
from tests import made_frames
from tests.made_frames import NOW_MS, rows_of

_HOUR_US = 3_600_000_000


@dataclass
class _Store:
    """Remembers what it was given; fails once if told so."""

    batches: list[tuple[SeriesBatch, Sequence[OffsetMove]]] = field(default_factory=list)
    upkeeps: list[tuple[int, int]] = field(default_factory=list)
    failure: Exception | None = None

    async def write(self, batch: SeriesBatch, moves: Sequence[OffsetMove]) -> None:
        if self.failure is not None:
            raise self.failure
        self.batches.append((batch, moves))

    async def upkeep(self, *, oldest_us: int, newest_us: int) -> None:
        self.upkeeps.append((oldest_us, newest_us))


@dataclass
class _Meter:
    """Remembers durations and counts."""

    seen: dict[str, list[float]] = field(default_factory=dict)

    def observe(self, name: str, seconds: npt.NDArray[np.float64] | float) -> None:
        self.seen.setdefault(name, []).extend(np.atleast_1d(seconds).tolist())

    def count(self, name: str, amount: int = 1, **labels: str) -> None:
        assert not labels
        self.seen.setdefault(name, []).append(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        raise AssertionError(name, value, labels)


@dataclass
class _Clock:
    """A clock that a test moves."""

    now_s: float = NOW_MS / 1_000 + 1.0

    def __call__(self) -> float:
        return self.now_s


def _family(store: _Store, meter: _Meter | None = None, clock: _Clock | None = None) -> StorageFamily:
    return StorageFamily(store, meter or _Meter(), clock=clock or _Clock(), retention_days=30)


def _record(topic: str, value: bytes, *, offset: int = 0) -> Record:
    return Record(topic=topic, partition=3, offset=offset, append_ms=NOW_MS, key=None, value=value)


def _readings(*rows: dict[str, Any], offset: int = 0) -> Record:
    return _record("readings.v1", frame.encode(made_frames.readings(*rows).batch), offset=offset)


def _write(family: StorageFamily, *records: Record, moves: Sequence[OffsetMove] = ()) -> None:
    asyncio.run(family.write([(record, family.read(record)) for record in records], moves))


def test_records_of_one_call_become_one_batch() -> None:
    """Readings and scores of several records reach the store merged, in one call, with the offset moves."""
    store = _Store()
    moves = [OffsetMove(topic="readings.v1", partition=3, expected=0, next=2, clock_ms=NOW_MS)]
    scored = [
        _record("scores.v1", scores.encode(made_frames.scores({"wearer": wearer, "score": 1.5}).batch, clock_ms=wearer))
        for wearer in (1, 2)
    ]
    _write(_family(store), _readings({"heart_rate": 61.0}), *scored, _readings({"spo2": 97.0}, offset=1), moves=moves)
    ((batch, moved),) = store.batches
    assert rows_of(batch.readings, "heart_rate", "spo2") == [(61.0, 97.0)]
    assert rows_of(batch.scores, "score") == [(1.5,), (1.5,)]
    assert moved == moves


def test_a_device_whose_clock_is_days_ahead_spoils_nobodys_frame() -> None:
    """A time far ahead by a clock that is known to be ahead is kept, with the neighbours in its frame."""
    store, ahead_ms = _Store(), 3 * 86_400_000
    wrong = {"wearer": 2, "time": (NOW_MS + ahead_ms) * 1_000, "clock_offset_ms": -ahead_ms}
    _write(_family(store), _readings({"wearer": 1, "heart_rate": 61.0}, wrong))
    assert store.batches[0][0].readings.rows == 2
    with pytest.raises(FrameError):
        _family(_Store()).read(_readings({**wrong, "clock_offset_ms": 0}))


def test_a_frame_of_storage_can_be_cut() -> None:
    """The rows of readings and scores can be picked; heartbeats and what is no frame have none."""
    family = _family(_Store())
    record = _readings({"heart_rate": 61.0}, {"spo2": 97.0}, {"heart_rate": 63.0})
    assert family.rows(record) == 3
    item = family.read(family.pick(record, np.array([0, 2])))
    assert isinstance(item, frame.Frame)
    assert rows_of(item, "heart_rate", "spo2") == [(61.0, None), (63.0, None)]
    assert [family.rows(_record("readings.v1", value)) for value in (frame.heartbeat(), b"nonsense")] == [0, 0]


def test_heartbeats_still_move_the_offsets() -> None:
    """Records without rows reach the store as an empty batch, so that their offsets move."""
    store = _Store()
    moves = [OffsetMove(topic="readings.v1", partition=3, expected=None, next=1, clock_ms=NOW_MS)]
    _write(_family(store), _record("readings.v1", frame.heartbeat()), moves=moves)
    assert [(batch.readings.rows, moved) for batch, moved in store.batches] == [(0, moves)]


def test_stored_counts_every_reading_from_its_receipt() -> None:
    """Each reading, a repeat too, adds the time from its receipt to the commit."""
    meter = _Meter()
    received = (NOW_MS + 500) * 1_000
    _write(_family(_Store(), meter), _readings({"received": received}, {"received": received}))
    assert meter.seen["stored"] == pytest.approx([0.5, 0.5])
    assert len(meter.seen["write"]) == 1


def test_nothing_counts_as_stored_when_the_write_fails() -> None:
    """A write that fails adds no duration, and the error reaches the host."""
    meter = _Meter()
    with pytest.raises(DatabaseAwayError):
        _write(_family(_Store(failure=DatabaseAwayError("away")), meter), _readings({"heart_rate": 61.0}))
    assert meter.seen == {}


def test_what_retention_would_drop_is_not_written() -> None:
    """A reading older than retention is left out and counted as expired, one just within is kept."""
    store, meter = _Store(), _Meter()
    day_us = 86_400_000_000
    old, kept = NOW_MS * 1_000 - 30 * day_us, NOW_MS * 1_000 - 30 * day_us + _HOUR_US
    _write(_family(store, meter), _readings({"time": old}, {"time": kept}))
    assert rows_of(store.batches[0][0].readings, "time") == [(kept,)]
    assert meter.seen["expired_total"] == [1]
    assert len(meter.seen["stored"]) == 1


@pytest.mark.parametrize("column", ["time", "received"])
@pytest.mark.parametrize("time_us", [-1, NOW_MS * 1_000 + 25 * _HOUR_US])
def test_a_time_that_no_reading_can_have_is_refused(column: str, time_us: int) -> None:
    """A frame with a time before 1970, or over a day after its append, breaks the contract."""
    with pytest.raises(FrameError):
        _family(_Store()).read(_readings({"heart_rate": 61.0}, {column: time_us}))


def test_a_cell_beyond_63_bits_is_refused() -> None:
    """A cell that is no H3 index, and that the database could not hold, breaks the contract."""
    with pytest.raises(FrameError):
        _family(_Store()).read(_readings({"cell": 2**63}))


def test_beats_with_holes_are_refused() -> None:
    """A list of beats that holds a null breaks the contract: which beat is missing is unknown."""
    with pytest.raises(FrameError):
        _family(_Store()).read(_readings({"ibi": [800.0, None]}))


@pytest.mark.parametrize("topic", ["readings.v1", "scores.v1", "episodes.v1", "alerts.v1"])
def test_bytes_that_are_no_record_are_refused(topic: str) -> None:
    """Unreadable bytes, and topics that are not storage's, break the contract."""
    with pytest.raises(ContractError):
        _family(_Store()).read(_record(topic, b"nonsense"))


def test_upkeep_runs_at_the_start_and_once_an_hour() -> None:
    """Upkeep runs when storage settles first, and again only when an hour has passed."""
    store, clock = _Store(), _Clock()
    family = _family(store, clock=clock)
    for later_s in (0.0, 3_599.0, 1.0):
        clock.now_s += later_s
        asyncio.run(family.settle([3]))
    day_us = 86_400_000_000
    began_us = NOW_MS * 1_000 + 1_000_000
    assert store.upkeeps == [(at - 30 * day_us, at + day_us) for at in (began_us, began_us + _HOUR_US)]
