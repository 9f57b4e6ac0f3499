"""`pulsera bench holds`: how long a `vitals` worker holds its event loop, by what its wearers do.

One partition's records go through the runner that the hosts share, with nothing behind it; a task beside it looks at
the CPU time of the loop's thread in every turn of the loop. Beside the rule in use, by what states say of their work
and by a record's bytes before it is taken in, stands the rule of before, which looks at the bytes alone.
Waits for the interpreter are not counted: a thread beside the loop has it for 5 ms.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import uuid5

import numpy as np

from infra.bench.made_frames import SPACE, frame_batch
from infra.bench.workloads import Size, frames_of
from infra.detectors import PULSENET, shipped_detectors
from infra.metrics.meter import PrometheusMeter
from schemas import frame
from schemas.topics import READINGS
from stream_processors.families.vitals import VitalsFamily, VitalsState
from stream_processors.hosts.memory_log import MemoryLog, MemoryStateStore
from stream_processors.hosts.runner import Surroundings
from stream_processors.hosts.stateful import StatefulRunner
from stream_processors.ports import Emission, Record, Step

BY_BYTES: Final = "bytes of the record"
BY_WORK: Final = "work of the record"
"""What the state says of it, where the record is small enough to be taken in on the loop."""

_PAUSE_S: Final = 0.002
_TOGETHER: Final = 64
_LARGE_BYTES: Final = 32_768
_HOLD_MOST_MS: Final = 5.0
_LIVE_S: Final = 130
_SILENT_S: Final = 100
_FRAME: Final = 50
_BACKLOG: Final = 500
_BACKLOG_EVERY_S: Final = 5
_MINUTE_S: Final = 60
_STRANGERS: Final = 1_700
"""So many readings, each of another wearer, are 256 KiB: the largest frame that a gateway appends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What one scenario did to the loop under one rule.

    Attributes:
        turns: Turns of the loop.
        worked_ms: Most CPU time of the loop's thread in one turn.
        over_5_ms: Turns with more than 5 ms.
    """

    scenario: str
    rule: str
    records: int
    turns: int
    worked_ms: float
    over_5_ms: int


def bench_holds(*, wearers: int) -> list[Hold]:
    """Measure every scenario under both rules."""
    return [
        asyncio.run(_measured(name, rule, partial(records, wearers)))
        for name, records in SCENARIOS.items()
        for rule in (BY_BYTES, BY_WORK)
    ]


def show(holds: Sequence[Hold]) -> None:
    """Print the figures."""
    for one in holds:
        print(
            f"{one.scenario:31} by the {one.rule:20} {one.records:5} records: "
            f"{one.worked_ms:6.1f} ms of work in one turn of the loop at most, {one.over_5_ms:3} turns over 5 ms"
        )


def live(wearers: int) -> Iterator[Record]:
    """Yield frames of 50 readings, of each wearer one a second."""
    yield from frames_of(Size(wearers=wearers, readings=_FRAME, seconds=_LIVE_S))


def silent(wearers: int) -> Iterator[Record]:
    """Yield the same for a while, and then heartbeats alone: all wearers fall silent at once."""
    last = None
    for last in frames_of(Size(wearers=wearers, readings=_FRAME, seconds=_MINUTE_S)):
        yield last
    if last is None:
        return
    for second in range(1, _SILENT_S):
        yield _record(last.offset + second, last.append_ms + second * 1000, frame.heartbeat())


def backlog(wearers: int) -> Iterator[Record]:
    """Yield small records, each 500 readings of one wearer who was away: 40 minutes, every five seconds of them."""
    del wearers
    yield from _caught_up(_BACKLOG, _BACKLOG_EVERY_S)


def sparse_backlog(wearers: int) -> Iterator[Record]:
    """Yield records that hold the same 40 minutes with one reading a minute."""
    del wearers
    yield from _caught_up(_BACKLOG * _BACKLOG_EVERY_S // _MINUTE_S, _MINUTE_S)


def strangers(wearers: int) -> Iterator[Record]:
    """Yield frames of 256 KiB with wearers who are new in each: nothing else is taken in so slowly."""
    del wearers
    random = np.random.default_rng(1)
    now_ms = 1_795_000_000_000
    for number in range(8):
        ids = [uuid5(SPACE, f"{number} {one}").bytes for one in range(_STRANGERS)]
        times = np.full(_STRANGERS, now_ms + number * 1000)
        batch = frame_batch(ids, np.arange(_STRANGERS), times, random)
        yield _record(number, now_ms + number * 1000, frame.encode(batch))


SCENARIOS: Final[dict[str, Callable[[int], Iterator[Record]]]] = {
    "all are live": live,
    "all fall silent": silent,
    "one sends 40 min, every 5 s": backlog,
    "one sends 40 min, every minute": sparse_backlog,
    "256 KiB of new wearers each": strangers,
}


def _caught_up(readings: int, every_s: int) -> Iterator[Record]:
    random = np.random.default_rng(1)
    now_ms = 1_795_000_000_000
    for number in range(8):
        ids = [uuid5(SPACE, str(number)).bytes]
        times = now_ms - np.arange(readings, 0, -1) * every_s * 1000
        batch = frame_batch(ids * readings, np.zeros(readings, dtype=np.int64), times, random)
        yield _record(number, now_ms + number * 1000, frame.encode(batch))


def _record(offset: int, append_ms: int, value: bytes) -> Record:
    return Record(topic=READINGS.name, partition=0, offset=offset, append_ms=append_ms, key=None, value=value)


class _ByBytes:
    """A state that says of a record's work only whether it has many bytes."""

    def __init__(self, state: VitalsState) -> None:
        self._state = state
        self._record: Record | None = None

    def begin(self, record: Record) -> float:
        """Keep the record, of which nothing is done yet."""
        self._record = record
        return np.inf if len(record.value) > _LARGE_BYTES else 0.0

    def finish(self) -> Step:
        """Do the whole step."""
        assert self._record is not None  # noqa: S101 - the host begins before it finishes
        return self._state.step(self._record)

    def step(self, record: Record) -> Step:
        """Do the whole step."""
        return self._state.step(record)

    def snapshot(self) -> bytes:
        """Return the state's snapshot."""
        return self._state.snapshot()


class _ByBytesFamily(VitalsFamily):
    """The family under the rule of bytes."""

    def open(self, partition: int, blob: bytes | None) -> Any:
        """Return the state, wrapped."""
        return _ByBytes(super().open(partition, blob))


class _Nowhere:
    """Publishes to nobody."""

    async def publish(self, emissions: Sequence[Emission]) -> None:
        """Drop the records."""


async def _measured(scenario: str, rule: str, records: Callable[[], Iterator[Record]]) -> Hold:
    log_ms = [0.0]
    meter = PrometheusMeter()
    made = _ByBytesFamily if rule == BY_BYTES else VitalsFamily
    world = Surroundings(
        publisher=_Nowhere(),
        reader=MemoryLog(lambda: log_ms[0]),
        store=MemoryStateStore(),
        meter=meter,
        now_ms=lambda: log_ms[0],
    )
    runner = StatefulRunner(made(models=shipped_detectors(PULSENET, meter)), world)
    given = list(records())
    worked_ns: list[int] = []
    await runner.handle(given[:1])  # what is read and set up once is no part of it
    watching = asyncio.create_task(_watch(worked_ns))
    for first in range(1, len(given), _TOGETHER):
        batch = given[first : first + _TOGETHER]
        log_ms[0] = float(batch[-1].append_ms)
        await runner.handle(batch)
        await asyncio.sleep(_PAUSE_S)  # between two batches a host waits for the log
    watching.cancel()
    await asyncio.wait({watching})
    worked_ms = np.array(worked_ns) / 1e6
    return Hold(
        scenario=scenario,
        rule=rule,
        records=len(given),
        turns=len(worked_ms),
        worked_ms=round(float(worked_ms.max()), 1),
        over_5_ms=int((worked_ms > _HOLD_MOST_MS).sum()),
    )


async def _watch(worked_ns: list[int]) -> None:
    """Note what this thread works in each turn of the loop."""
    while True:
        begun = time.thread_time_ns()
        await asyncio.sleep(0)
        worked_ns.append(time.thread_time_ns() - begun)
