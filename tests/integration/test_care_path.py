"""Care behind a host: from episodes and commands in a log to alerts in the database and in the log."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import msgspec
import pytest

from infra.metrics.meter import PrometheusMeter
from infra.timescale.care import TimescaleCareStore
from infra.timescale.migrate import apply_migrations
from infra.timescale.pool import open_pool
from infra.timescale.state import TimescaleStateStore
from schemas import alerts, episodes
from schemas.alerts import AlertChange, Command
from schemas.episodes import Episode
from schemas.topics import ALERTS, COMMANDS, DEAD, EPISODES, PARTITIONS
from stream_processors.families.care import CareFamily, partition_of
from stream_processors.hosts.memory_host import MemoryGroup, MemoryHost
from stream_processors.hosts.memory_log import MemoryLog
from stream_processors.hosts.runner import Place, Surroundings
from stream_processors.hosts.sink import SinkRunner
from stream_processors.operators.care import GENERATION_STEP
from stream_processors.ports import Emission
from tests.care_events import BERT, SUBJECT, command, ended, episode

pytestmark = pytest.mark.connected

PARTITION = partition_of(SUBJECT)
TOLD = Place(ALERTS.name, PARTITION)
HISTORY: tuple[Episode | Command, ...] = (
    episode(),
    command("acknowledge"),
    episode(revision=2, phase="updated", tier=3),
    command("resolve", BERT, 2, outcome="false alarm"),
    ended(3, "data_ended"),
)
KINDS = ["raised", "acknowledged", "updated", "resolved", "cleared"]


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """A migrated database."""
    pool = await open_pool(database_url, size=4)
    await apply_migrations(pool)
    yield pool
    await pool.close()


@pytest.fixture
def log() -> MemoryLog:
    """A log whose clock stands still: care reads the database's."""
    return MemoryLog(lambda: 0.0)


def tell(log: MemoryLog, event: Episode | Command) -> None:
    """Append an event to its topic."""
    if isinstance(event, Command):
        topic, value = COMMANDS.name, alerts.encode_command(event)
    else:
        topic, value = EPISODES.name, episodes.encode(event, time="2026-11-21T09:00:00.000Z")
    key = event.subject.key.encode()
    log.append(Emission(topic=topic, partition=partition_of(event.subject), key=key, value=value))


@asynccontextmanager
async def worker(log: MemoryLog, pool: asyncpg.Pool) -> AsyncIterator[None]:
    """Run a care worker that joins a new group: where it goes on, the database alone says."""
    store = TimescaleCareStore(pool, version=CareFamily.version, cluster_id=await log.cluster_id())
    world = Surroundings(
        publisher=log,
        reader=log,
        store=TimescaleStateStore(pool),
        meter=PrometheusMeter(),
        now_ms=lambda: 0.0,
        grace_s=0.0,
    )
    host = MemoryHost(SinkRunner(CareFamily(store, log), world), MemoryGroup(log, partitions=PARTITIONS))
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(host.run(stopping))
        yield
        stopping.set()


def told(log: MemoryLog) -> list[AlertChange]:
    """Return what was published on the subject's partition."""
    return [msgspec.json.decode(record.value, type=AlertChange) for record in log.slice(TOLD, 0)]


async def until(log: MemoryLog, holds: Callable[[], bool]) -> None:
    """Return when `holds`, looked at whenever the log may have grown; fail after ten seconds."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - the log's only event belongs to the host
            await asyncio.sleep(0.01)
    assert log.slice(Place(DEAD.name, PARTITION), 0) == []


async def test_every_change_reaches_the_log_in_order(pool: asyncpg.Pool, log: MemoryLog) -> None:
    """Episodes and commands that come one after another are told one after another, each with the next revision."""
    async with worker(log, pool):
        for number, event in enumerate(HISTORY, 1):
            tell(log, event)
            await until(log, lambda wanted=number: len(told(log)) == wanted)  # type: ignore[misc]
    assert [change.type.rsplit(".", 1)[-1] for change in told(log)] == KINDS
    assert [change.data.revision - GENERATION_STEP for change in told(log)] == [1, 2, 3, 4, 5]
    assert told(log)[-1].data.cleared_reason == "data_ended"


async def test_a_worker_that_comes_back_adds_nothing(pool: asyncpg.Pool, log: MemoryLog) -> None:
    """A worker that starts anew at the log's beginning goes on where the database says, and tells only what is new."""
    async with worker(log, pool):
        for event in HISTORY[:4]:
            tell(log, event)
        await until(log, lambda: len(told(log)) == 4)
    async with worker(log, pool):
        tell(log, HISTORY[4])
        await until(log, lambda: len(told(log)) == 5)
    assert len({change.id for change in told(log)}) == 5


async def test_what_was_left_unpublished_is_published_by_the_next_owner(pool: asyncpg.Pool, log: MemoryLog) -> None:
    """An outbox that a killed worker left behind is published by whoever is assigned the partition next."""
    async with worker(log, pool):
        tell(log, HISTORY[0])
        await until(log, lambda: len(told(log)) == 1)
    await pool.execute("UPDATE outbox SET published_at = NULL")
    async with worker(log, pool):
        await until(log, lambda: len(told(log)) == 2)
    assert [change.id for change in told(log)] == [told(log)[0].id] * 2


async def test_an_emptied_database_refills_itself_from_the_log(pool: asyncpg.Pool, log: MemoryLog) -> None:
    """After the database is put back as it was before an alert, the log raises it again, with every person's answer."""
    async with worker(log, pool):
        for event in HISTORY:
            tell(log, event)
        await until(log, lambda: len(told(log)) == len(HISTORY))
    await pool.execute("ALTER TABLE alert_events DISABLE TRIGGER ALL")
    await pool.execute("TRUNCATE alerts, alert_events, command_results, outbox, processor_state")
    await pool.execute("UPDATE system SET value = '2' WHERE key = 'care_generation'")
    before = told(log)
    async with worker(log, pool):
        await until(log, lambda: len(told(log)) == 2 * len(HISTORY))
    again = told(log)[len(before) :]
    assert min(change.data.revision for change in again) > max(change.data.revision for change in before)
    was, now = before[-1].data, again[-1].data
    assert (now.alert_id, now.response, now.priority) == (was.alert_id, was.response, was.priority)
    assert (now.acknowledged_by, now.resolved_by, now.condition) == (was.acknowledged_by, was.resolved_by, "cleared")
