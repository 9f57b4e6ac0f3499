"""Real workers of the zones family: one is active, and the other goes on where it stopped, without a gap."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from infra.embedded.ports import free_ports
from infra.kafka.publisher import KafkaPublisher
from infra.kafka.reader import KafkaReader
from infra.settings import Settings
from infra.timescale.migrate import migrate
from schemas import scores, zones
from schemas.topics import PARTITIONS, SCORES, ZONES, partition_of
from schemas.zones import AREA, BIN_MS
from stream_processors.operators.zones import STATUSES_A_BIN
from stream_processors.ports import Emission
from tests.conformance.worlds import until
from tests.zone_frames import HERE, START_MS, STEP_MS, Crowd, log_of

pytestmark = [
    pytest.mark.connected,
    pytest.mark.timeout(280),
    # aiokafka leaves a connection open that was being made when its consumer was stopped; the process ends then anyway.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

BINS = 200
"""More than are fed before the end of the test."""
WAIT_S = 90.0


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
    """Appends scores, some minutes of event time at once, until it is told to stop."""

    publisher: KafkaPublisher
    steps: int = 0
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Append one step after another, a few a second."""
        log = log_of([Crowd(wearers=24, cells=HERE)], bins=BINS, partitions=PARTITIONS)
        while not self.stopping.is_set():
            assert self.steps < 2 * BINS, "The feed must not end before the test does."
            told = [log[partition][self.steps] for partition in range(PARTITIONS)]
            await self.publisher.publish([
                Emission(topic=SCORES.name, partition=partition, key=None, value=_again(one))
                for partition, one in enumerate(told)
            ])  # fmt: skip
            self.steps += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), 0.4)


def _again(one: scores.ScoreFrame) -> bytes:
    batch: pa.RecordBatch = one.frame.batch
    return scores.encode(batch.replace_schema_metadata(scores.SCORE_SCHEMA.metadata), clock_ms=one.clock_ms)


async def _told(reader: KafkaReader) -> dict[int, set[bytes]]:
    """Return what was told of the whole area by bin, one entry for each that differs."""
    partition = partition_of(AREA.encode())
    _, end = await reader.bounds(ZONES.name, partition)
    found: defaultdict[int, set[bytes]] = defaultdict(set)
    async for records in reader.read(ZONES.name, partition, 0, end):
        for record in records:
            if record.key == b"zone:area":
                status = zones.decode(record.value)
                if status.revision % STATUSES_A_BIN == 0:
                    found[status.bin_ms].add(record.value)
    return found


async def test_a_standby_goes_on_without_a_gap(kafka_bootstrap: str, database_url: str, tmp_path: Path) -> None:
    """One that is stopped loses the lock, one that is killed too; every bin is told, and told alike by whoever did."""
    await migrate(Settings(kafka_bootstrap=kafka_bootstrap, database_url=database_url))
    publisher, reader = KafkaPublisher(kafka_bootstrap), KafkaReader(kafka_bootstrap)
    feed = _Feed(publisher)
    async with (
        _worker(kafka_bootstrap, database_url, tmp_path) as first,
        _worker(kafka_bootstrap, database_url, tmp_path) as second,
    ):
        await until(lambda: _one_active(first, second), WAIT_S)
        active, standby = (first, second) if await first.is_active() else (second, first)
        feeding = asyncio.create_task(feed.run())
        await until(lambda: _more_than(reader, 3), WAIT_S)

        active.process.send_signal(signal.SIGSTOP)
        await until(standby.is_active, WAIT_S)
        told = len(await _told(reader))
        active.process.send_signal(signal.SIGCONT)
        await until(active.is_standby, WAIT_S)
        await until(lambda: _more_than(reader, told + 3), WAIT_S)

        standby.process.kill()
        await until(active.is_active, WAIT_S)
        told = len(await _told(reader))
        await until(lambda: _more_than(reader, told + 3), WAIT_S)
        feed.stopping.set()
        await feeding
        last_ms = START_MS + feed.steps * STEP_MS
        await until(lambda: _reaches(reader, last_ms - 3 * BIN_MS), WAIT_S)
        active.process.terminate()
        assert await active.process.wait() == 0
    bins = await _told(reader)
    assert sorted(bins) == list(range(min(bins), max(bins) + 1, BIN_MS))
    assert [json.loads(min(one))["bin_ms"] for one in bins.values() if len(one) > 1] == []
    await reader.close()
    await publisher.close()


async def _one_active(*workers: _Worker) -> bool:
    return sorted([await one.role() for one in workers]) == ["active", "standby"]


async def _more_than(reader: KafkaReader, bins: int) -> bool:
    return len(await _told(reader)) > bins


async def _reaches(reader: KafkaReader, bin_ms: int) -> bool:
    return max(await _told(reader)) >= bin_ms
