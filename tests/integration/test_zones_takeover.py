"""Real workers of the zones family: one is active, and the other goes on where it stopped, without a gap."""

import asyncio
import contextlib
import os
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pyarrow as pa
import pytest

from infra.embedded.ports import free_ports
from infra.kafka.publisher import KafkaPublisher
from infra.kafka.reader import KafkaReader
from infra.settings import Settings
from infra.timescale.migrate import migrate
from schemas import episodes, scores, zones
from schemas.episodes import Episode
from schemas.topics import EPISODES, PARTITIONS, SCORES, ZONES, partition_of
from schemas.zones import AREA, BIN_MS, ZoneStatus
from stream_processors.operators.zone_bins import GRACE_MS
from stream_processors.operators.zone_told import Definition
from stream_processors.operators.zones import STATUSES_A_BIN, Zones
from stream_processors.ports import Emission, Record
from tests.conformance.worlds import until
from tests.zone_frames import HERE, START_MS, THERE, Crowd, log_of

pytestmark = [
    pytest.mark.connected,
    pytest.mark.timeout(400),
    # aiokafka leaves a connection open that was being made when its consumer was stopped; the process ends then anyway.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

WAIT_S = 90.0
TOWN, PARK = "old-town", "park"
OLD_TOWN = Definition(zone_id=TOWN, version=1, name="Old Town", cells=tuple(HERE))
MOVED_TOWN = Definition(zone_id=TOWN, version=2, name="Old Town", cells=tuple(THERE))
NEW_PARK = Definition(zone_id=PARK, version=1, name="Park", cells=tuple(HERE[:3]))
_INSERT = "INSERT INTO zones (zone_id, version, name, cells) VALUES ($1, $2, $3, $4)"


@dataclass
class _Worker:
    """A worker process and where it tells how it is."""

    process: asyncio.subprocess.Process
    health: str

    async def role(self) -> str:
        """Return what it says that it is, nothing where it does not answer."""
        try:
            async with httpx.AsyncClient(timeout=2.0) as client:
                told: dict[str, Any] = (await client.get(self.health)).json()
        except httpx.HTTPError:
            return ""
        return str(told.get("role", ""))

    async def is_active(self) -> bool:
        """Whether it holds the lock."""
        return await self.role() == "active"

    async def is_standby(self) -> bool:
        """Whether it waits for the lock."""
        return await self.role() == "standby"


@asynccontextmanager
async def _worker(kafka_bootstrap: str, database_url: str, folder: Path) -> AsyncIterator[_Worker]:
    (port,) = free_ports(1)
    told = {
        "PULSERA_KAFKA_BOOTSTRAP": kafka_bootstrap,
        "PULSERA_DATABASE_URL": database_url,
        "PULSERA_DATA_DIR": str(folder),
        "PULSERA_METRICS_PORT": str(port),
    }
    with (folder / f"{port}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "infra.cli", "worker", "zones"), env=os.environ | told, stderr=log
        )
    try:
        yield _Worker(process, f"http://127.0.0.1:{port}/health")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@dataclass
class _Feed:
    """Appends scores, two and a half minutes of event time at once, until it is told to stop.

    While `flagging`, everybody at one of the two places is flagged.
    """

    publisher: KafkaPublisher
    flagging: bool = False
    fed: list[list[scores.ScoreFrame]] = field(default_factory=list)
    """The records of each step by partition."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Append one step after another, a few a second."""
        bins = 0
        while not self.stopping.is_set():
            crowds = [
                Crowd(wearers=40, cells=HERE, flagged_in=frozenset({0} if self.flagging else ())),
                Crowd(wearers=30, cells=THERE),
            ]
            log = log_of(crowds, bins=1, partitions=PARTITIONS, start_ms=START_MS + bins * BIN_MS)
            for step in range(2):
                told = [log[partition][step] for partition in range(PARTITIONS)]
                await self.publisher.publish([
                    Emission(topic=SCORES.name, partition=partition, key=None, value=_again(one))
                    for partition, one in enumerate(told)
                ])  # fmt: skip
                self.fed.append(told)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.stopping.wait(), 0.3)
            bins += 1

    @property
    def due_ms(self) -> int:
        """The newest bin that the clocks of all that was fed have closed."""
        return (min(one.clock_ms for one in self.fed[-1]) - GRACE_MS) // BIN_MS * BIN_MS - BIN_MS


def _again(one: scores.ScoreFrame) -> bytes:
    batch: pa.RecordBatch = one.frame.batch
    return scores.encode(batch.replace_schema_metadata(scores.SCORE_SCHEMA.metadata), clock_ms=one.clock_ms)


@dataclass
class _Told:
    """What the log holds of zones."""

    reader: KafkaReader

    async def _all(self, topic: str, zone_id: str) -> list[Record]:
        partition = partition_of(zone_id.encode())
        _, end = await self.reader.bounds(topic, partition)
        return [
            record
            async for records in self.reader.read(topic, partition, 0, end)
            for record in records
            if record.key == f"zone:{zone_id}".encode()
        ]

    async def bins(self, zone_id: str) -> dict[int, set[bytes]]:
        """Return what was told of a zone by bin, one entry for each that differs; not what was told between two."""
        found: defaultdict[int, set[bytes]] = defaultdict(set)
        for record in await self._all(ZONES.name, zone_id):
            if (status := zones.decode(record.value)).revision % STATUSES_A_BIN == 0:
                found[status.bin_ms].add(record.value)
        return found

    async def statuses(self, zone_id: str) -> list[ZoneStatus]:
        """Return a zone's statuses of bins, in order of time."""
        return [zones.decode(min(one)) for _, one in sorted((await self.bins(zone_id)).items())]

    async def episodes(self, zone_id: str) -> dict[tuple[UUID, int], Episode]:
        """Return the changes of a zone's episodes, by episode and revision; each was told in one way."""
        found: dict[tuple[UUID, int], Episode] = {}
        for record in await self._all(EPISODES.name, zone_id):
            one = episodes.decode(record.value)
            assert found.setdefault((one.episode_id, one.revision), one) == one
        return found

    async def phases(self, zone_id: str) -> list[str]:
        """Return the phases that were told of a zone's episodes, in order of time."""
        ordered = sorted((await self.episodes(zone_id)).values(), key=lambda one: (one.onset_ms, one.revision))
        return [one.phase for one in ordered]

    async def more(self, bins: int) -> None:
        """Return once so many more bins of the area were told."""
        before = len(await self.bins(AREA))

        async def told() -> bool:
            return len(await self.bins(AREA)) >= before + bins

        await until(told, WAIT_S)


async def _define(database_url: str, *definitions: Definition) -> None:
    connection = await asyncpg.connect(database_url)
    for one in definitions:
        await connection.execute(_INSERT, one.zone_id, one.version, one.name, list(one.cells))
    await connection.close()


@asynccontextmanager
async def _pair(kafka_bootstrap: str, database_url: str, folder: Path) -> AsyncIterator[tuple[_Worker, _Worker]]:
    """Give two workers, of which the first is active and the second is on standby."""
    async with (
        _worker(kafka_bootstrap, database_url, folder) as first,
        _worker(kafka_bootstrap, database_url, folder) as second,
    ):

        async def are_ready() -> bool:
            return sorted([await first.role(), await second.role()]) == ["active", "standby"]

        await until(are_ready, WAIT_S)
        yield (first, second) if await first.is_active() else (second, first)


async def test_an_open_episode_and_a_changed_zone_cross_a_takeover(
    kafka_bootstrap: str, database_url: str, tmp_path: Path
) -> None:
    """Killed, then stopped: the same episodes go on and end once, and the series is that of one worker that never was.

    A zone is moved away from its episode, and another defined, just before the kill: neither changes what was told.
    """
    await migrate(Settings(kafka_bootstrap=kafka_bootstrap, database_url=database_url))
    await _define(database_url, OLD_TOWN)
    publisher, reader = KafkaPublisher(kafka_bootstrap), KafkaReader(kafka_bootstrap)
    feed, told = _Feed(publisher), _Told(reader)
    async with (
        _pair(kafka_bootstrap, database_url, tmp_path) as (active, standby),
        _worker(kafka_bootstrap, database_url, tmp_path) as third,
    ):
        feeding = asyncio.create_task(feed.run())
        await told.more(3)
        feed.flagging = True
        await until(_tells(told, TOWN, ["opened"]), WAIT_S)
        await _define(database_url, MOVED_TOWN, NEW_PARK)
        active.process.kill()

        await until(_one_of(standby, third), WAIT_S)
        heir, spare = (standby, third) if await standby.is_active() else (third, standby)
        await until(_tells(told, TOWN, ["opened", "ended"]), WAIT_S)
        await told.more(3)

        heir.process.send_signal(signal.SIGSTOP)
        await until(spare.is_active, WAIT_S)
        await told.more(3)
        heir.process.send_signal(signal.SIGCONT)
        await until(heir.is_standby, WAIT_S)

        feed.flagging = False
        await until(_tells(told, AREA, ["opened", "ended"]), WAIT_S)
        feed.stopping.set()
        await feeding
        await until(_reaches(told, feed.due_ms), WAIT_S)
        spare.process.terminate()
        assert await spare.process.wait() == 0
    await _check(told, feed)
    await reader.close()
    await publisher.close()


async def _check(told: _Told, feed: _Feed) -> None:
    """Compare all that was told with what one state makes of the same records."""
    changed_ms = (await told.statuses(PARK))[0].bin_ms
    alone = _unbroken(feed.fed, changed_ms)
    for zone_id in (AREA, TOWN, PARK):
        bins = await told.bins(zone_id)
        assert sorted(bins) == list(range(min(bins), max(bins) + 1, BIN_MS))
        assert [bin_ms for bin_ms, one in bins.items() if len(one) > 1] == []
        assert await told.statuses(zone_id) == [one for one in alone.statuses if one.zone_id == zone_id]
        expected = [one for one in alone.episodes if one.subject.zone == zone_id]
        assert await told.episodes(zone_id) == {(one.episode_id, one.revision): one for one in expected}
    versions = {one.bin_ms: one.version for one in await told.statuses(TOWN)}
    assert {bin_ms for bin_ms, version in versions.items() if version > 1} == {
        bin_ms for bin_ms in versions if bin_ms >= changed_ms
    }
    opened = [one for one in alone.episodes if one.phase == "opened"]
    assert sorted(str(one.subject.zone) for one in opened) == [AREA, TOWN]


@dataclass
class _Alone:
    """What one state tells: statuses of bins, and changes of episodes."""

    statuses: list[ZoneStatus] = field(default_factory=list)
    episodes: list[Episode] = field(default_factory=list)


def _unbroken(fed: Sequence[Sequence[scores.ScoreFrame]], changed_ms: int) -> _Alone:
    """Return what one state tells of the records that were fed, the zones being others from a bin on."""
    state, found = Zones(PARTITIONS), _Alone()
    state.define([OLD_TOWN])
    for step in fed:
        for partition, one in enumerate(step):
            told = state.take(partition, one)
            found.statuses += [one for one in told.statuses if one.revision % STATUSES_A_BIN == 0]
            found.episodes += told.episodes
        newest_ms = max((one.bin_ms for one in found.statuses), default=0)
        if newest_ms == changed_ms - BIN_MS and PARK not in state.definitions:
            state.define([MOVED_TOWN, NEW_PARK])
    return found


def _tells(told: _Told, zone_id: str, phases: Sequence[str]) -> Callable[[], Awaitable[bool]]:
    """Return whether these are the changes of a zone's episodes, those that only update one left out."""

    async def tells() -> bool:
        return [phase for phase in await told.phases(zone_id) if phase != "updated"] == phases

    return tells


def _one_of(*workers: _Worker) -> Callable[[], Awaitable[bool]]:
    async def is_active() -> bool:
        return "active" in [await worker.role() for worker in workers]

    return is_active


def _reaches(told: _Told, bin_ms: int) -> Callable[[], Awaitable[bool]]:
    async def reaches() -> bool:
        return max(await told.bins(AREA)) >= bin_ms

    return reaches
