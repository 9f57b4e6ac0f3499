"""The host's end: whatever it began has ended when `run` returns."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from stream_processors.hosts import aiokafka_host
from stream_processors.hosts.aiokafka_host import AiokafkaHost
from stream_processors.hosts.membership import Membership
from stream_processors.hosts.runner import Place

PLACE = Place("readings.v1", 0)
RECORD = SimpleNamespace(topic=PLACE.topic, partition=0, offset=0, timestamp=0, key=None, value=b"")
BATCH = {PLACE: [RECORD]}


class Consumer:
    """Takes the place of aiokafka's: gives one batch, then nothing."""

    def __init__(self, **_: Any) -> None:
        self.batches: list[Mapping[Place, Sequence[Any]]] = [BATCH]
        self.at_start: Callable[[], Awaitable[None]] | None = None
        self.at_stop: Callable[[], Awaitable[None]] | None = None
        self.stopped = False
        self.committed: dict[Place, int] = {}

    def subscribe(self, **_: Any) -> None:
        """Join no group."""

    def assignment(self) -> frozenset[Place]:
        """Name nothing, so that no lag is looked for."""
        return frozenset()

    async def start(self) -> None:
        """Connect to nothing."""
        if self.at_start is not None:
            await self.at_start()

    async def stop(self) -> None:
        """Do what a rebalance might do meanwhile."""
        self.stopped = True
        if self.at_stop is not None:
            await self.at_stop()

    async def getmany(self, **_: Any) -> Mapping[Place, Sequence[Any]]:
        """Return the batch, then wait."""
        if not self.batches:
            await asyncio.Event().wait()
        return self.batches.pop()

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        """Remember."""
        self.committed |= offsets


class SlowRunner:
    """A runner whose batch never ends by itself, and takes a moment to end when it is cancelled."""

    topics = (PLACE.topic,)

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.running: list[str] = []
        self.saved = False

    async def handle(self, _: Sequence[Any]) -> None:
        """Hold the batch."""
        await self._hold("batch")

    async def run(self) -> None:
        """Work in the background."""
        await self._hold("background")

    async def assigned(self, _: Any) -> None:
        """Take partitions."""

    async def stop(self) -> None:
        """Save."""
        self.saved = True

    def position(self, _: Place) -> int | None:
        """Return what is not known."""

    async def _hold(self, what: str) -> None:
        self.running.append(what)
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(20):
                await asyncio.sleep(0)
            self.running.remove(what)


@pytest.fixture
async def host(monkeypatch: pytest.MonkeyPatch) -> tuple[AiokafkaHost, SlowRunner, Consumer]:
    """A host on a consumer of ours, which waits for a batch no longer than a moment."""
    monkeypatch.setattr(aiokafka_host, "AIOKafkaConsumer", Consumer)
    monkeypatch.setattr(aiokafka_host, "_DRAIN_MOST_S", 0.01)
    runner = SlowRunner()
    membership = Membership(bootstrap="nowhere:1", group="pulsera-test", instance="test-0")
    made = AiokafkaHost(runner, membership, SimpleNamespace())  # type: ignore[arg-type]
    return made, runner, made._consumer


async def test_a_batch_that_is_dropped_at_the_end_has_ended(host: tuple[AiokafkaHost, SlowRunner, Consumer]) -> None:
    """What a worker gives up when it stops no longer runs when its connections are closed, and is not committed."""
    made, runner, consumer = host
    stopping = asyncio.Event()
    running = asyncio.create_task(made.run(stopping))
    await asyncio.wait_for(runner.begun.wait(), 5.0)
    stopping.set()
    await asyncio.wait_for(running, 5.0)
    assert runner.running == []
    assert consumer.committed == {}
    assert not runner.saved


async def test_nothing_begins_in_a_worker_that_leaves(host: tuple[AiokafkaHost, SlowRunner, Consumer]) -> None:
    """A rebalance that ends while the worker leaves its group starts nothing that would outlive it."""
    made, runner, consumer = host
    consumer.batches.clear()
    consumer.at_stop = lambda: made.assigned([PLACE])
    stopping = asyncio.Event()
    stopping.set()
    await asyncio.wait_for(made.run(stopping), 5.0)
    await asyncio.sleep(0)
    assert runner.running == []
    assert runner.saved


async def test_a_consumer_is_stopped_also_where_its_start_is_cancelled(
    host: tuple[AiokafkaHost, SlowRunner, Consumer],
) -> None:
    """Whoever is cancelled while it waits for its group leaves no connection behind."""
    made, _, consumer = host
    joining = asyncio.Event()

    async def join() -> None:
        joining.set()
        await asyncio.Event().wait()

    consumer.at_start = join
    running = asyncio.create_task(made.run(asyncio.Event()))
    async with asyncio.timeout(20):
        await joining.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert consumer.stopped
