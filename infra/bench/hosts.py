"""`pulsera bench hosts`: what each host of the workers costs, and how fast a lost worker is replaced.

One Kafka and one PostgreSQL of its own for each host; frames are appended to the log directly, without a gateway, and
`vitals` and `storage` read them side by side. Then a second `vitals` worker joins, is killed, and the first is killed
and started again under its old name.
"""

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID, uuid5

import httpx
import numpy as np

from infra.bench.made_frames import frame_batch
from infra.bench.processes import watch
from infra.bench.scrape import of_buckets, read_counters, read_histogram
from infra.bench.workers import Worker
from infra.embedded.account import database_account
from infra.embedded.kafka import KafkaNode, prepare_kafka
from infra.embedded.ports import free_ports
from infra.embedded.postgres import PostgresServer, prepare_postgres
from infra.embedded.process import running
from infra.kafka.publisher import KafkaPublisher
from infra.settings import Settings
from infra.timescale.migrate import migrate
from schemas import frame
from schemas.errors import SetupError
from schemas.topics import PARTITIONS, READINGS
from stream_processors.families.storage import StorageFamily
from stream_processors.ports import Emission

WEARERS: Final = 1_000
TICK_S: Final = 0.04
"""A frame of every partition each time, as a gateway sends them."""
_SPACE: Final = UUID("a5b62de8-62f4-4d7c-a2cf-3a8a0f8f0a34")
_WITHIN_S: Final = 60.0
_WARM_S: Final = 5.0
_SPANS: Final = {"vitals": "processed", "storage": "stored"}
_OWNED: Final = {"vitals": PARTITIONS, "storage": PARTITIONS * len(StorageFamily.topics)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one family cost under one host: CPU and records of the window, and its span in ms (p50, p99)."""

    family: str
    cores: float
    records: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def record_us(self) -> float:
        """CPU of one record."""
        return self.cores * self.seconds / max(1, self.records) * 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFigures:
    """The figures of one host; times in seconds from the signal or the start to the first sign of the new state."""

    host: str
    costs: Sequence[Cost]
    share_s: float
    takeover_s: float
    restart_s: float


async def _records(worker: Worker, client: httpx.AsyncClient) -> int:
    """Return how many records a worker has handled, 0 while it does not answer."""
    try:
        counted = await read_counters(client, worker.metrics, ("records_total",))
    except httpx.TransportError:
        return 0
    return int(counted["records_total"])


class _Bench:
    """One host on a system of its own."""

    def __init__(self, host: str, bootstrap: str, database_url: str, client: httpx.AsyncClient) -> None:
        self._host = host
        self._env = {"PULSERA_KAFKA_BOOTSTRAP": bootstrap, "PULSERA_DATABASE_URL": database_url, "PULSERA_HOST": host}
        self._client = client
        self._workers: list[Worker] = []

    async def start(self, family: str, instance: int) -> Worker:
        """Start a worker."""
        own = {"PULSERA_INSTANCE": str(instance), "PULSERA_LOG_LEVEL": "warning"}
        worker = await Worker.start(family, {**self._env, **own}, sys.stderr)
        self._workers.append(worker)
        return worker

    async def close(self) -> None:
        """End what still runs."""
        for worker in self._workers:
            await worker.kill()

    async def costs(self, workers: dict[str, Worker], seconds: float) -> list[Cost]:
        """Measure the families side by side."""
        urls = {family: worker.metrics for family, worker in workers.items()}
        began = {family: await _records(worker, self._client) for family, worker in workers.items()}
        before = {family: await read_histogram(self._client, urls[family], _SPANS[family]) for family in workers}
        usage = await watch({family: worker.process.pid for family, worker in workers.items()}, seconds)
        costs = []
        for family, worker in workers.items():
            after = await read_histogram(self._client, urls[family], _SPANS[family])
            span = None if after is None else of_buckets(after.minus(before[family]))
            if span is None:
                raise SetupError(f"{family} handled nothing under {self._host}.")
            records = await _records(worker, self._client) - began[family]
            cores = usage[family].cores
            costs.append(
                Cost(family=family, cores=cores, records=records, seconds=seconds, p50_ms=span.p50, p99_ms=span.p99)
            )
        return costs

    async def owns(self, worker: Worker, partitions: int) -> float:
        """Return after how many seconds the worker owns so many partitions."""
        began = time.monotonic()
        while (await worker.health(self._client)).get("partitions") != partitions:
            if time.monotonic() - began > _WITHIN_S:
                raise SetupError(f"A worker under {self._host} did not own {partitions} partitions in time.")
            await asyncio.sleep(0.02)
        return time.monotonic() - began

    async def handles(self, worker: Worker) -> float:
        """Return after how many seconds the worker has handled a record."""
        began = time.monotonic()
        while not await _records(worker, self._client):
            if time.monotonic() - began > _WITHIN_S:
                raise SetupError(f"A worker under {self._host} handled nothing in time.")
            await asyncio.sleep(0.02)
        return time.monotonic() - began


async def bench_hosts(*, rate: int, seconds: int, hosts: Sequence[str]) -> list[HostFigures]:
    """Measure each host with `rate` readings a second for `seconds`."""
    return [await _measure(host, rate=rate, seconds=seconds) for host in hosts]


def show(figures: Sequence[HostFigures]) -> None:
    """Print the figures."""
    for one in figures:
        for cost in one.costs:
            print(
                f"{one.host:9} {cost.family:8} {cost.records / cost.seconds:5.0f} records/s, {cost.cores:.3f} core, "
                f"{cost.record_us:5.0f} us a record, {_SPANS[cost.family]} p50 {cost.p50_ms:.0f} ms, "
                f"p99 {cost.p99_ms:.0f} ms"
            )
        print(
            f"{one.host:9} a second worker shares after {one.share_s:.1f} s, a killed one is replaced after "
            f"{one.takeover_s:.1f} s, one that is started again works after {one.restart_s:.1f} s"
        )


async def _measure(host: str, *, rate: int, seconds: int) -> HostFigures:
    async with AsyncExitStack() as stack:
        bootstrap, database_url = await stack.enter_async_context(services())
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=5))
        bench = _Bench(host, bootstrap, database_url, client)
        stack.push_async_callback(bench.close)
        publisher = KafkaPublisher(bootstrap)
        stack.push_async_callback(publisher.close)
        workers = {family: await bench.start(family, 0) for family in _SPANS}
        for family, worker in workers.items():
            await bench.owns(worker, _OWNED[family])
        loading = asyncio.create_task(_load(publisher, rate))
        stack.push_async_callback(_end, loading)
        await asyncio.sleep(_WARM_S)
        costs = await bench.costs(workers, seconds)
        second = await bench.start("vitals", 1)
        share_s = await bench.owns(second, PARTITIONS // 2)
        await second.kill()
        takeover_s = await bench.owns(workers["vitals"], PARTITIONS)
        await workers["vitals"].kill()
        restarted = await bench.start("vitals", 0)
        restart_s = await bench.handles(restarted)
        return HostFigures(host=host, costs=costs, share_s=share_s, takeover_s=takeover_s, restart_s=restart_s)


@asynccontextmanager
async def services() -> AsyncIterator[tuple[str, str]]:
    """Run a Kafka and a PostgreSQL, with topics and tables, and give their addresses."""
    settings = Settings()
    with tempfile.TemporaryDirectory(prefix="pulsera-bench-") as name:
        folder = Path(name)
        os.chmod(folder, 0o711)  # noqa: PTH101, S103 - the database may run as another user and must reach its files
        port, controller_port, database_port = free_ports(3)
        node = KafkaNode(
            data_dir=folder / "kafka", cache_dir=settings.cache_dir.expanduser(), port=port,
            controller_port=controller_port,
        )  # fmt: skip
        server = PostgresServer(data_dir=folder, port=database_port, account=database_account())
        with (
            running(prepare_kafka(node), log=folder / "kafka.log", ready=node.is_ready),
            running(prepare_postgres(server), log=folder / "postgres.log", ready=server.is_ready),
        ):
            at = {"kafka_bootstrap": node.bootstrap, "database_url": server.url()}
            await migrate(settings.model_copy(update=at))
            yield node.bootstrap, server.url()


async def _load(publisher: KafkaPublisher, rate: int) -> None:
    """Append one frame a partition and tick, `rate` readings a second altogether, until cancelled."""
    random = np.random.default_rng(1)
    ids = [uuid5(_SPACE, str(number)).bytes for number in range(WEARERS)]
    whose = np.array_split(np.arange(WEARERS), PARTITIONS)
    readings = min(round(rate * TICK_S / PARTITIONS), *map(len, whose))
    due, turn = time.monotonic(), 0
    async with asyncio.TaskGroup() as sending:
        while True:
            now_ms = int(time.time() * 1000)
            emissions = [
                _frame(ids, np.take(mine, np.arange(turn, turn + readings), mode="wrap"), now_ms, partition, random)
                for partition, mine in enumerate(whose)
            ]
            sending.create_task(publisher.publish(emissions))
            turn += readings
            due += TICK_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))


def _frame(ids: list[bytes], rows: np.ndarray, now_ms: int, partition: int, random: np.random.Generator) -> Emission:
    batch = frame_batch(ids, rows, np.full(len(rows), now_ms), random)
    return Emission(topic=READINGS.name, partition=partition, key=None, value=frame.encode(batch))


async def _end(loading: "asyncio.Task[None]") -> None:
    """Stop the load; what made it fail on its own comes through."""
    loading.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await loading
