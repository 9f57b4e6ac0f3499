"""Frames of readings for tests of the vitals family: one dictionary a reading, one record a call."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final
from uuid import UUID, uuid5

import pyarrow as pa

from schemas import episodes, frame, scores
from schemas.episodes import Episode
from schemas.frame import FRAME_SCHEMA
from schemas.topics import EPISODES, READINGS, SCORES
from schemas.vitals import NAMES, stream_id
from stream_processors.families.vitals import VitalsFamily
from stream_processors.ports import PartitionState, Record, Step

Given = dict[str, Any] | None
"""What is measured of a second; None where nothing is."""
T0_MS: Final = 1_795_000_000_000
"""A whole bin in November 2026."""
_COLUMNS: Final = [(field.name, field.type) for field in FRAME_SCHEMA]
_SPACE: Final = UUID("2b1f3f0e-0b52-4a1c-9f54-7a4d2f6f3c11")


@cache
def wearer_id(number: int) -> UUID:
    """Return the id of a made-up wearer."""
    return uuid5(_SPACE, f"wearer {number}")


@cache
def boot_id(number: int) -> bytes:
    """Return the boot of a device, of which it has one."""
    return uuid5(_SPACE, f"boot {number}").bytes


def reading(
    time_ms: int, *, wearer: int = 0, device: int | None = None, source: str = "watch", **given: Any
) -> dict[str, Any]:
    """Return one reading; `given` are vitals and columns of the frame."""
    number = wearer + 1 if device is None else device
    vitals = {name: value for name, value in given.items() if name in NAMES}
    columns = {name: value for name, value in given.items() if name not in NAMES}
    return {
        "wearer": wearer_id(wearer).bytes,
        "stream_id": stream_id(number, source),
        "device_number": number,
        "boot": boot_id(number),
        "seq": 1,
        "time": time_ms * 1000,
        "received": time_ms * 1000,
        "clock_offset_ms": 0,
        "origin": 0,
        "injected": False,
        "backfill": False,
        **vitals,
        **columns,
    }


@cache
def _nulls(count: int, kind: pa.DataType) -> pa.Array:
    """Return a column of which nothing is told; most columns of a frame are."""
    return pa.nulls(count, kind)


def batch(readings: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    """Return the readings as a record batch of the frame's schema."""
    named = set().union(*readings)
    columns = [
        pa.array([row.get(name) for row in readings], kind) if name in named else _nulls(len(readings), kind)
        for name, kind in _COLUMNS
    ]
    return pa.RecordBatch.from_arrays(columns, schema=FRAME_SCHEMA)


class LoggedState:
    """A state with the log of its partition: numbers the records and hands them to the state.

    Attributes:
        episodes: Every change, in order.
        emissions: Everything that was emitted, as bytes.
    """

    def __init__(self, state: PartitionState, *, partition: int = 0) -> None:
        self.state = state
        self.partition = partition
        self.offset = 0
        self._rows: list[dict[str, Any]] = []
        self._unread: list[bytes] = []
        self.episodes: list[episodes.Episode] = []
        self.emissions: list[bytes] = []

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Every row of scores, in order; read when somebody asks, since most of the time nobody does."""
        for value in self._unread:
            self._rows.extend(scores.decode(value).frame.batch.to_pylist())
        self._unread.clear()
        return self._rows

    def append(self, append_ms: int, readings: Sequence[Mapping[str, Any]] = ()) -> Step:
        """Append one record (empty: a heartbeat) and take in what the state says."""
        value = frame.encode(batch(readings)) if readings else frame.heartbeat()
        return self.append_bytes(append_ms, value)

    def append_bytes(self, append_ms: int, value: bytes) -> Step:
        """Append one record as it is."""
        record = Record(
            topic=READINGS.name,
            partition=self.partition,
            offset=self.offset,
            append_ms=append_ms,
            key=None,
            value=value,
        )
        step = self.state.step(record)
        self.offset += 1
        for emission in step.emissions:
            self.emissions.append(emission.value)
            if emission.topic == SCORES.name:
                self._unread.append(emission.value)
            if emission.topic == EPISODES.name:
                self.episodes.append(episodes.decode(emission.value))
        return step

    def idle(self, start_ms: int, seconds: int) -> None:
        """Append a heartbeat a second."""
        for second in range(seconds):
            self.append(start_ms + second * 1000)


def fresh() -> LoggedState:
    """Return the log of a new partition."""
    return LoggedState(VitalsFamily().open(0, None))


def tell(log: LoggedState, seconds: range, said: Callable[[int], list[dict[str, Any]]], *, together: int = 2) -> None:
    """Append the readings of every second, `together` of them a record, 50 ms after the last of them."""
    for first in range(seconds.start, seconds.stop, together):
        record = range(first, min(first + together, seconds.stop))
        log.append(T0_MS + record[-1] * 1000 + 50, [row for second in record for row in said(second)])


def live(
    log: LoggedState, seconds: int, given: Callable[[int], Given], *, start: int = 0, together: int = 2, **fixed: Any
) -> None:
    """Append a reading a second, as `tell` does; None is a second without."""

    def said(second: int) -> list[dict[str, Any]]:
        columns = given(second)
        return [] if columns is None else [reading(T0_MS + second * 1000, **fixed, **columns)]

    tell(log, range(start, start + seconds), said, together=together)


def still(rate: float) -> dict[str, Any]:
    """Return a person who sits, with this heart rate."""
    return {"heart_rate": rate, "motion": 0.01, "steps": 0.0}


def beating(rate: float) -> Callable[[int], Given]:
    """Return a sitting person whose heart rate varies by 3 around this."""
    return lambda second: still(rate + (-3, 1, 2, 0, -1, 3, -2)[second % 7])


@cache
def _rested(seconds: int) -> tuple[bytes, int]:
    """Return the state after so long a rest, and how many records it was; it was nothing to tell of."""
    log = fresh()
    live(log, seconds, beating(70))
    assert log.episodes == []
    return log.state.snapshot(), log.offset


def rested(seconds: int = 300) -> LoggedState:
    """Return the log of somebody who has sat with a heart rate of 70 for so long; what was told till then is not in it.

    That a state which is saved and opened again goes on with the same bytes is what `tests/properties` show.
    """
    blob, offset = _rested(seconds)
    log = LoggedState(VitalsFamily().open(0, blob))
    log.offset = offset
    return log


def physiological(log: LoggedState) -> list[Episode]:
    """Return the changes that are about the body."""
    return [change for change in log.episodes if change.type == "physiological"]
