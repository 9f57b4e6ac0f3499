"""Two `vitals` workers share the load: partitions move to a second one without a gap or a change of the scores."""

import asyncio
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from infra.kafka.publisher import KafkaPublisher
from infra.kafka.reader import KafkaReader
from infra.timescale.migrate import apply_migrations
from infra.timescale.pool import open_pool
from infra.timescale.state import TimescaleStateStore
from schemas import frame, scores
from schemas.topics import SCORES
from stream_processors.families.vitals import VitalsFamily
from stream_processors.hosts.aiokafka_host import AiokafkaHost
from stream_processors.hosts.membership import Membership
from stream_processors.hosts.runner import Place, Surroundings
from stream_processors.hosts.stateful import StatefulRunner
from stream_processors.operators.resting import RestingDetector
from stream_processors.ports import Emission, Record
from tests.conformance.worlds import CountingMeter, until
from tests.vitals_frames import batch, reading

pytestmark = [
    pytest.mark.connected,
    pytest.mark.timeout(120),
    # aiokafka leaves a connection open that was being made when its consumer was stopped; the process ends then anyway.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

PARTITIONS = 6
WEARERS = 4
"""Of each partition."""
FRAMES = 60
"""Of each partition, ten seconds of readings in each."""


class _Vitals(VitalsFamily):
    """The family on a topic of its own."""

    def __init__(self, topic: str) -> None:
        super().__init__(RestingDetector)
        self.topic = topic


@dataclass
class _Kept:
    """Keeps what is published, in order, by partition."""

    scores: defaultdict[int, list[bytes]] = field(default_factory=lambda: defaultdict(list))

    async def publish(self, emissions: Sequence[Emission]) -> None:
        """Keep the frames of scores."""
        for emission in emissions:
            if emission.topic == SCORES.name:
                self.scores[emission.partition].append(emission.value)


@dataclass
class _Worker:
    """A member of the group in this process."""

    runner: StatefulRunner
    stopping: asyncio.Event
    task: asyncio.Task[None]

    def owns(self) -> int:
        """Return the number of its partitions."""
        return int(self.runner.status()["partitions"])

    async def stop(self) -> None:
        """Stop gracefully."""
        self.stopping.set()
        await self.task


async def test_a_second_worker_takes_over_half_without_a_gap_and_without_a_change(
    kafka_bootstrap: str, database_url: str
) -> None:
    """Every bin is scored once, repeats merged, bit for bit as one worker alone scores the same log."""
    topic = f"readings.{uuid.uuid4().hex}"
    pool = await open_pool(database_url, size=4)
    await apply_migrations(pool)
    reader, publisher, kept = KafkaReader(kafka_bootstrap), KafkaPublisher(kafka_bootstrap), _Kept()
    world = Surroundings(
        publisher=kept,
        reader=reader,
        store=TimescaleStateStore(pool),
        meter=CountingMeter(),
        now_ms=lambda: time.time() * 1000.0,
        save_every_s=0.5,
        grace_s=0.3,
    )
    await _make(kafka_bootstrap, topic)
    frames = _recording(int(time.time() * 1000) - FRAMES * 10_000)
    async with _worker(world, kafka_bootstrap, topic, 0) as first:
        await until(lambda: first.owns() == PARTITIONS)
        loading = asyncio.create_task(_load(publisher, topic, frames))
        await until(lambda: all(kept.scores[partition] for partition in range(PARTITIONS)))
        async with _worker(world, kafka_bootstrap, topic, 1) as second:
            await until(lambda: second.owns() == first.owns() == PARTITIONS // 2)
            assert not loading.done(), "The second worker must join under load."
            await loading
            await until(lambda: _handled(first, topic) + _handled(second, topic) == PARTITIONS * FRAMES)
            assert _handled(second, topic) > 0
    for partition in range(PARTITIONS):
        log = [record async for chunk in reader.read(topic, partition, 0, FRAMES) for record in chunk]
        expected, found = _by_bin(_alone(topic, log)), _by_bin(kept.scores[partition])
        assert len(expected) > WEARERS * FRAMES
        assert found == expected
    await reader.close()
    await publisher.close()
    await pool.close()


def _handled(worker: _Worker, topic: str) -> int:
    positions = (worker.runner.position(Place(topic, partition)) for partition in range(PARTITIONS))
    return sum(position for position in positions if position is not None)


@asynccontextmanager
async def _worker(world: Surroundings, bootstrap: str, topic: str, instance: int) -> AsyncIterator[_Worker]:
    runner = StatefulRunner(_Vitals(topic), world)
    membership = Membership(
        bootstrap=bootstrap, group=topic, instance=f"vitals-{instance}", session_timeout_s=6.0, heartbeat_s=0.5
    )
    stopping = asyncio.Event()
    worker = _Worker(runner, stopping, asyncio.create_task(AiokafkaHost(runner, membership, world.meter).run(stopping)))
    try:
        yield worker
    finally:
        await worker.stop()


async def _make(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    config = {"message.timestamp.type": "LogAppendTime"}
    await admin.create_topics([NewTopic(topic, PARTITIONS, 1, topic_configs=config)])
    await admin.close()


def _recording(start_ms: int) -> list[list[bytes]]:
    """Return the frames of each partition: a reading a second of each wearer, some of them with a racing heart."""
    random = np.random.default_rng(7)
    return [
        [
            frame.encode(
                batch([
                    reading(
                        start_ms + (10 * number + second) * 1000,
                        wearer=partition * WEARERS + wearer,
                        heart_rate=float(random.integers(60, 80) + 120 * (wearer == 0 and number > FRAMES // 3)),
                        motion=0.01,
                        quality=0.9,
                    )
                    for second in range(10)
                    for wearer in range(WEARERS)
                ])
            )
            for number in range(FRAMES)
        ]
        for partition in range(PARTITIONS)
    ]  # fmt: skip


async def _load(publisher: KafkaPublisher, topic: str, frames: Sequence[Sequence[bytes]]) -> None:
    for number in range(FRAMES):
        await publisher.publish(
            [
                Emission(topic=topic, partition=partition, key=None, value=mine[number])
                for partition, mine in enumerate(frames)
            ]
        )
        await asyncio.sleep(0.2)


def _alone(topic: str, log: Sequence[Record]) -> list[bytes]:
    """Return the scores of one worker that reads the log from its beginning to its end."""
    state = _Vitals(topic).open(0, None)
    return [emission.value for record in log for emission in state.step(record).emissions
            if emission.topic == SCORES.name]  # fmt: skip


def _by_bin(values: Sequence[bytes]) -> dict[tuple[bytes, object], dict[str, object]]:
    """Return the rows by (wearer, bin); a repeat that differs from the first is an error."""
    found: dict[tuple[bytes, object], dict[str, object]] = {}
    for value in values:
        for row in scores.decode(value).frame.batch.to_pylist():
            exact = {name: np.float32(entry).tobytes() if isinstance(entry, float) else entry
                     for name, entry in row.items()}  # fmt: skip
            assert found.setdefault((row["wearer"], row["bin"]), exact) == exact, "A repeat differs from the first."
    return found
