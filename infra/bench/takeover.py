"""`pulsera bench zones --takeover`: how long until the standby of the zones has told all that is due.

A Kafka and a PostgreSQL of its own, two workers of the zones, and scores whose event time runs thirty times as fast as
the clock (of more than 10,000 wearers slower), so that bins fall due while it lasts. In each round the active worker is
killed, and in the next one stopped, as a machine that hangs is.
"""

import asyncio
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final, Literal

import httpx
import msgspec
import pyarrow as pa

from infra.bench.hosts import services
from infra.bench.workers import Worker
from infra.bench.zones import ZoneLoad, frames_of, score_record
from infra.embedded.process import last_words
from infra.kafka.follower import KafkaFollower
from infra.kafka.publisher import KafkaPublisher
from schemas import scores
from schemas.errors import SetupError
from schemas.topics import PARTITIONS, SCORES, ZONES
from schemas.zones import AREA, BIN_MS, decode
from stream_processors.operators.zone_bins import GRACE_MS
from stream_processors.operators.zones import STATUSES_A_BIN
from stream_processors.ports import Emission, Record

BOUND_S: Final = 15.0
How = Literal["kill", "stop"]

_TICK_S: Final = 1.0
_TICK_MS: Final = 30_000
_ROWS_A_SECOND: Final = 10_000
_POLL_S: Final = 0.02
_WITHIN_S: Final = 90.0
_BEGUN_BEFORE_MS: Final = 7 * 86_400_000
_APART_S: Final = 7.3
"""Rounds begin at other places between two saves and two bins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Takeover:
    """One round: seconds from the signal until the standby had the lock, and had taken in and told all of then."""

    how: How
    lock_s: float
    level_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All rounds; bins of the area's series that lack, and that were told in two ways."""

    takeovers: Sequence[Takeover]
    bins: int
    lacking: int
    told_otherwise: int

    def as_json(self) -> dict[str, Any]:
        """Return the JSON that `--json` writes."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


@dataclass(slots=True)
class _Series:
    """What was told of the area, bin by bin, and when the newest bin came."""

    told: dict[int, set[bytes]] = field(default_factory=dict)

    @property
    def newest_ms(self) -> int:
        """The newest bin that was told."""
        return max(self.told, default=0)

    def take(self, record: Record) -> None:
        """Note a status of the area that belongs to a bin, not one between two."""
        if record.key != f"zone:{AREA}".encode():
            return
        status = decode(record.value)
        if status.revision % STATUSES_A_BIN == 0:
            self.told.setdefault(status.bin_ms, set()).add(record.value)


@dataclass(slots=True)
class _Feed:
    """Appends a score of everybody for each half minute of event time, under the clock of its end."""

    publisher: KafkaPublisher
    load: ZoneLoad
    clock_ms: int = 0

    @property
    def due_ms(self) -> int:
        """The newest bin that must be told by now."""
        return (self.clock_ms - GRACE_MS) // BIN_MS * BIN_MS - BIN_MS

    async def run(self) -> None:
        """Append until cancelled."""
        frames = await asyncio.to_thread(lambda: list(frames_of(self.load)))
        at_ms = (int(time.time() * 1000) - _BEGUN_BEFORE_MS) // BIN_MS * BIN_MS
        next_s, tick_s = time.monotonic(), max(_TICK_S, self.load.wearers / _ROWS_A_SECOND)
        while True:
            await self.publisher.publish(await asyncio.to_thread(_emissions, frames, at_ms))
            at_ms += _TICK_MS
            self.clock_ms = at_ms
            next_s += tick_s
            await asyncio.sleep(max(0.0, next_s - time.monotonic()))


class _Bench:
    """Two workers, one of which is active."""

    def __init__(self, environment: dict[str, str], client: httpx.AsyncClient, folder: Path) -> None:
        self._environment = environment
        self._client = client
        self._log = folder / "zones.log"
        self._workers: list[Worker] = []

    async def start(self) -> None:
        """Start one worker."""
        own = {"PULSERA_DATA_DIR": str(self._log.parent)}
        with self._log.open("ab") as log:
            self._workers.append(await Worker.start("zones", {**self._environment, **own}, log))

    async def roles(self) -> list[str]:
        """Return what they say that they are."""
        return [await self._role(worker) for worker in self._workers]

    async def _role(self, worker: Worker) -> str:
        return str((await worker.health(self._client)).get("role", ""))

    async def ready(self) -> None:
        """Return once one is active and one on standby."""

        async def are_two() -> bool:
            return sorted(await self.roles()) == ["active", "standby"]

        await self._until(are_two, "There are not two workers")

    async def round(self, how: How, series: _Series, feed: _Feed) -> Takeover:
        """Take the active one away, wait until the other has told all that is due, and give it back as a standby."""
        victim = self._workers[(await self.roles()).index("active")]
        (other,) = (worker for worker in self._workers if worker is not victim)
        begun_s = time.monotonic()
        victim.process.send_signal(signal.SIGKILL if how == "kill" else signal.SIGSTOP)

        async def leads() -> bool:
            return await self._role(other) == "active"

        try:
            await self._until(leads, "The standby did not take over")
            lock_s, clock_ms, due_ms = time.monotonic() - begun_s, feed.clock_ms, feed.due_ms

            async def is_level() -> bool:
                reached_ms = (await other.health(self._client)).get("reached_ms") or 0
                return reached_ms >= clock_ms and series.newest_ms >= due_ms

            await self._until(is_level, "The new active one does not tell what is due")
            level_s = time.monotonic() - begun_s
        finally:
            if how == "stop":
                victim.process.send_signal(signal.SIGCONT)
        if how == "kill":
            await victim.process.wait()
            self._workers.remove(victim)
            await self.start()
        await self.ready()
        return Takeover(how=how, lock_s=lock_s, level_s=level_s)

    async def _until(self, condition: Callable[[], Awaitable[bool]], otherwise: str) -> None:
        deadline_s = time.monotonic() + _WITHIN_S
        while not await condition():
            if time.monotonic() > deadline_s:
                raise SetupError(f"{otherwise}: {last_words(self._log)}", next_step="Run `pulsera doctor`.")
            await asyncio.sleep(_POLL_S)

    async def close(self) -> None:
        """End the workers."""
        for worker in self._workers:
            await worker.kill()


async def bench_takeover(rounds: int, load: ZoneLoad, *, say: Callable[[str], None]) -> Outcome:
    """Do so many rounds of each kind and return what they took."""
    async with AsyncExitStack() as stack:
        bootstrap, database_url = await stack.enter_async_context(services())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pulsera-bench-")))
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=1.0))
        at = {"PULSERA_KAFKA_BOOTSTRAP": bootstrap, "PULSERA_DATABASE_URL": database_url}
        bench, series = _Bench(at, client, folder), _Series()
        stack.push_async_callback(bench.close)
        publisher = KafkaPublisher(bootstrap)
        stack.push_async_callback(publisher.close)
        feed = _Feed(publisher, load)
        follower = KafkaFollower(bootstrap, [ZONES.name], begin=lambda *_: None, take=series.take)
        await stack.enter_async_context(_beside(follower.run(from_ms=0)))
        await bench.start()
        await bench.start()
        await bench.ready()
        await stack.enter_async_context(_beside(feed.run()))
        found: list[Takeover] = []
        for number in range(rounds):
            for how in ("kill", "stop"):
                await asyncio.sleep(_APART_S)
                found.append(await bench.round(how, series, feed))
                say(f"round {number + 1} of {rounds}: {how}: level after {found[-1].level_s:.1f} s")
        bins = sorted(series.told)
        return Outcome(
            takeovers=found,
            bins=len(bins),
            lacking=(bins[-1] - bins[0]) // BIN_MS + 1 - len(bins),
            told_otherwise=sum(len(one) > 1 for one in series.told.values()),
        )


def lines(outcome: Outcome) -> Iterator[str]:
    """Yield the figures in words."""
    for how, words in (("kill", "killed (SIGKILL)"), ("stop", "stopped (SIGSTOP)")):
        ours = [one for one in outcome.takeovers if one.how == how]
        lock, level = [one.lock_s for one in ours], [one.level_s for one in ours]
        yield (
            f"active worker {words}, {len(ours)} rounds: the standby has the lock after {median(lock):.1f} s (worst "
            f"{max(lock):.1f}), and has taken in all that lay there, and told it, after {median(level):.1f} s (worst "
            f"{max(level):.1f})"
        )
    yield f"{outcome.bins} bins told of the area, {outcome.lacking} lacking, {outcome.told_otherwise} told in two ways"


@asynccontextmanager
async def _beside(work: Awaitable[None]) -> AsyncIterator[None]:
    """Do something beside the context; what made it fail on its own comes through at the end."""
    doing = asyncio.ensure_future(work)
    try:
        yield
    finally:
        doing.cancel()
        (ended,) = await asyncio.gather(doing, return_exceptions=True)
        if isinstance(ended, Exception):
            raise ended


def _emissions(frames: Sequence[tuple[int, pa.RecordBatch]], at_ms: int) -> list[Emission]:
    """Return the records of half a minute: scores of its beginning, under the clock of its end."""
    silent = set(range(PARTITIONS)) - {partition for partition, _ in frames}
    everything = [*frames, *((partition, scores.empty()) for partition in sorted(silent))]
    records = [
        score_record(partition, batch, at_ms=at_ms, clock_ms=at_ms + _TICK_MS) for partition, batch in everything
    ]
    return [Emission(topic=SCORES.name, partition=one.partition, key=None, value=one.value) for one in records]
