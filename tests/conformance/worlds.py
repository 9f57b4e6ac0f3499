"""The worlds that the suite runs in: all in memory, and each other host with a real Kafka and a real PostgreSQL."""

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import asyncpg
import numpy as np
import numpy.typing as npt
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from infra.kafka.publisher import KafkaPublisher
from infra.kafka.reader import KafkaReader
from infra.timescale.pool import database_errors
from infra.timescale.state import TimescaleStateStore, move_offsets
from schemas.dead_letters import DeadLetter, decode
from schemas.errors import ContractError, StaleOwnerError
from schemas.topics import DEAD
from stream_processors.hosts.aiokafka_host import AiokafkaHost
from stream_processors.hosts.faust_host import FaustHost
from stream_processors.hosts.membership import Membership
from stream_processors.hosts.memory_host import MemoryGroup, MemoryHost
from stream_processors.hosts.memory_log import MemoryLog, MemoryStateStore
from stream_processors.hosts.retry import Backoff
from stream_processors.hosts.runner import Runner, Surroundings
from stream_processors.hosts.sink import SinkRunner
from stream_processors.hosts.stateful import StatefulRunner
from stream_processors.ports import Emission, LogReader, OffsetMove, Record, SavedState
from tests.conformance.families import REFUSED, CountingFamily, KeepingFamily, SinkStore
from tests.conformance.faults import FaultyPublisher, FaultyStore, MortalRunner

PARTITIONS = 4
DEADLINE_S = 30.0
HOSTS: dict[str, Callable[..., Any]] = {"faust": FaustHost, "aiokafka": AiokafkaHost}

Row = tuple[str, int, int, str]


async def until(condition: Callable[[], Any], deadline_s: float = DEADLINE_S) -> None:
    """Return when the condition holds; it may be a coroutine function."""
    end = time.monotonic() + deadline_s
    while True:
        held = condition()
        if asyncio.iscoroutine(held):
            held = await held
        if held:
            return
        if time.monotonic() > end:
            raise AssertionError("The condition did not come to hold in time.")
        await asyncio.sleep(0.02)


@dataclass
class CountingMeter:
    """Counts in dictionaries."""

    counts: dict[str, int] = field(default_factory=dict)
    observed: dict[str, int] = field(default_factory=dict)

    def observe(self, name: str, seconds: npt.NDArray[np.float64] | float) -> None:
        """Count how many durations came."""
        self.observed[name] = self.observed.get(name, 0) + int(np.size(seconds))

    def count(self, name: str, amount: int = 1, **labels: str) -> None:  # noqa: ARG002 - sums are enough here
        """Add."""
        self.counts[name] = self.counts.get(name, 0) + amount

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Leave out: nothing here looks at gauges."""


class Host(Protocol):
    """What every host offers."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until told to stop."""
        ...


class Member:
    """One worker of the family: its runner, and the task that its host runs in."""

    def __init__(self, runner: MortalRunner, host: Host) -> None:
        self.runner = runner
        self._stopping = asyncio.Event()
        self.task = asyncio.create_task(host.run(self._stopping))

    async def stop(self) -> None:
        """Stop gracefully."""
        self._stopping.set()
        await asyncio.wait_for(self.task, DEADLINE_S)

    async def ended(self) -> BaseException:
        """Return what ended the worker."""
        await asyncio.wait({self.task}, timeout=DEADLINE_S)
        assert self.task.done(), "The worker did not end."
        error = self.task.exception()
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        assert error is not None, "The worker ended without an error."
        return error

    async def close(self) -> None:
        """End the worker whatever its state is, without saving."""
        self.runner.dead = True
        self._stopping.set()
        with contextlib.suppress(BaseException):
            await asyncio.wait_for(self.task, DEADLINE_S)


@dataclass
class World:
    """One log, one database, and the workers of one family under test."""

    publisher: FaultyPublisher
    reader: LogReader
    store: FaultyStore
    sink_store: SinkStore
    host: Callable[[Runner], Host]
    name: str
    kind: str = "memory"
    meter: CountingMeter = field(default_factory=CountingMeter)
    save_every_s: float = 30.0
    grace_s: float = 0.3
    members: list[Member] = field(default_factory=list)

    @property
    def topic(self) -> str:
        """The topic under test."""
        return f"in.{self.name}"

    @property
    def out(self) -> str:
        """Where outputs go."""
        return f"out.{self.name}"

    def start_counting(
        self, *, version: str = "1", die_before_work: bool = False, die_before_commit: bool = False
    ) -> Member:
        """Start a worker of the counting family."""
        family = CountingFamily(self.name, self.topic, self.out, version)
        runner = StatefulRunner(family, self._surroundings())
        return self._start(MortalRunner(runner, die_before_work=die_before_work, die_before_commit=die_before_commit))

    def start_keeping(self, *, die_before_commit: bool = False) -> tuple[Member, KeepingFamily]:
        """Start a worker of the sink family."""
        family = KeepingFamily(self.name, (self.topic,), self.sink_store)
        runner = SinkRunner(family, self._surroundings())
        return self._start(MortalRunner(runner, die_before_commit=die_before_commit)), family

    async def append(self, *values: bytes, partition: int = 0) -> None:
        """Append records to the topic under test."""
        await self.publisher.inner.publish(
            [Emission(topic=self.topic, partition=partition, key=None, value=value) for value in values]
        )

    async def outputs(self, partition: int = 0) -> list[list[Any]]:
        """Return the outputs [offset, value, count] of a partition in the log's order, repeats included."""
        return [json.loads(record.value) for record in await self._all(self.out, partition)]

    async def effects(self, partition: int = 0) -> list[list[Any]]:
        """Return the outputs without their repeats; a repeat that differs from the first is an error."""
        first: dict[int, list[Any]] = {}
        for output in await self.outputs(partition):
            assert first.setdefault(output[0], output) == output, "A repeated output differs from the first."
        return [first[offset] for offset in sorted(first)]

    async def letters(self) -> list[DeadLetter]:
        """Return the dead letters of the family under test."""
        found = []
        for partition in range(PARTITIONS):
            found += await self._all(DEAD.name, partition)
        # Others' records on the shared topic need not be letters at all; a letter's key begins with its family.
        mine = f"{self.name}:".encode()
        return [decode(record.value) for record in found if (record.key or b"").startswith(mine)]

    async def saved(self, partition: int = 0) -> SavedState | None:
        """Return the saved row of a partition."""
        return await self.store.inner.load(self.name, self.topic, partition)

    async def saved_offset(self, partition: int = 0) -> int:
        """Return the saved next offset of a partition, -1 where there is none."""
        row = await self.saved(partition)
        return -1 if row is None else row.next_offset

    async def close(self) -> None:
        """End every worker."""
        for member in self.members:
            await member.close()

    async def _all(self, topic: str, partition: int) -> list[Record]:
        start, end = await self.reader.bounds(topic, partition)
        return [record async for chunk in self.reader.read(topic, partition, start, end) for record in chunk]

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            publisher=self.publisher,
            reader=self.reader,
            store=self.store,
            meter=self.meter,
            now_ms=lambda: time.time() * 1000.0,
            backoff=Backoff(first_s=0.01, most_s=0.05),
            save_every_s=self.save_every_s,
            grace_s=self.grace_s,
        )

    def _start(self, mortal: MortalRunner) -> Member:
        member = Member(mortal, self.host(mortal))
        self.members.append(member)
        return member


@dataclass
class MemorySinkStore(SinkStore):
    """Rows in a list, offsets in the memory state store."""

    states: MemoryStateStore
    family: str
    kept: list[Row] = field(default_factory=list)

    async def write(self, rows: Sequence[Row], moves: Sequence[OffsetMove]) -> None:
        """Keep rows and move the offsets, all or nothing."""
        if any(REFUSED.decode() in row[3].split("|") for row in rows):
            raise ContractError("refused on purpose")
        found = {(move.topic, move.partition): self.states.rows.get((self.family, move.topic, move.partition))
                 for move in moves}  # fmt: skip
        if any(
            (None if (row := found[move.topic, move.partition]) is None else row.next_offset) != move.expected
            for move in moves
        ):
            raise StaleOwnerError("moved by another")
        for move in moves:
            self.states.rows[self.family, move.topic, move.partition] = SavedState(
                family=self.family, topic=move.topic, partition=move.partition, cluster_id="memory",
                next_offset=move.next, clock_ms=move.clock_ms, version="1", blob=None,
            )  # fmt: skip
        self.kept += rows

    async def rows(self) -> list[Row]:
        """Return every row."""
        return list(self.kept)


@dataclass
class PostgresSinkStore(SinkStore):
    """Rows in a table that refuses one word; nothing in it would hide a repeat."""

    pool: asyncpg.Pool
    family: str
    cluster_id: str

    async def write(self, rows: Sequence[Row], moves: Sequence[OffsetMove]) -> None:
        """Keep rows and move the offsets in one transaction."""
        with database_errors():
            async with self.pool.acquire() as connection, connection.transaction():
                await connection.executemany(
                    "INSERT INTO handled VALUES ($1, $2, $3, $4, $5)", [(self.family, *row) for row in rows]
                )
                await move_offsets(connection, self.family, "1", self.cluster_id, moves)

    async def rows(self) -> list[Row]:
        """Return every row."""
        found = await self.pool.fetch(
            "SELECT topic, partition, log_offset, value FROM handled WHERE family = $1 ORDER BY number", self.family
        )
        return [(row["topic"], row["partition"], row["log_offset"], row["value"]) for row in found]


HANDLED = """
CREATE TABLE IF NOT EXISTS handled (
    family text, topic text, partition integer, log_offset bigint, value text CHECK (value <> 'refused'),
    number bigint GENERATED ALWAYS AS IDENTITY
)
"""


@contextlib.asynccontextmanager
async def memory_world() -> AsyncIterator[World]:
    """A world in memory."""
    log = MemoryLog(lambda: time.time() * 1000.0)
    states = MemoryStateStore()
    group = MemoryGroup(log, partitions=PARTITIONS)
    name = uuid.uuid4().hex
    world = World(
        publisher=FaultyPublisher(log),
        reader=log,
        store=FaultyStore(states),
        sink_store=MemorySinkStore(states, name),
        host=lambda runner: MemoryHost(runner, group),
        name=name,
    )
    try:
        yield world
    finally:
        await world.close()


@contextlib.asynccontextmanager
async def kafka_world(kind: str, bootstrap: str, pool: asyncpg.Pool) -> AsyncIterator[World]:
    """A world with Faust or plain aiokafka, Kafka and PostgreSQL."""
    publisher = KafkaPublisher(bootstrap)
    reader = KafkaReader(bootstrap)
    states = TimescaleStateStore(pool)
    name = uuid.uuid4().hex

    def host(runner: Runner) -> Host:
        alive = sum(not member.task.done() for member in world.members)
        membership = Membership(
            bootstrap=bootstrap,
            group=name,
            # A worker that is started again has its old name, as under a supervisor, and need not wait for its ghost.
            instance=f"{name}-{alive}",
            session_timeout_s=6.0,
            heartbeat_s=0.5,
            commit_interval_s=0.2,
        )
        made: Host = HOSTS[world.kind](runner, membership, world.meter)
        return made

    world = World(
        publisher=FaultyPublisher(publisher),
        reader=reader,
        store=FaultyStore(states),
        sink_store=PostgresSinkStore(pool, name, await reader.cluster_id()),
        host=host,
        name=name,
        kind=kind,
    )
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    config = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": "1048576"}
    await admin.create_topics(
        [NewTopic(topic, PARTITIONS, 1, topic_configs=config) for topic in (world.topic, world.out)]
    )

    async def known() -> bool:
        told = await admin.describe_topics([world.topic, world.out])
        return all(len(topic["partitions"]) == PARTITIONS for topic in told)

    # A worker that joins before its broker knows the topic gets none of its partitions for minutes.
    await until(known)
    await admin.close()
    try:
        yield world
    finally:
        await world.close()
        await reader.close()
        await publisher.close()
