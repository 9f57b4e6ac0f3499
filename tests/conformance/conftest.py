"""The suite's one fixture: a world to run in, once in memory, and with each host on a real Kafka and PostgreSQL."""

import gc
from collections.abc import AsyncIterator, Iterator

import pytest

from infra.kafka.topics import create_topics
from infra.timescale.migrate import apply_migrations
from infra.timescale.pool import open_pool
from tests.conformance.worlds import HANDLED, World, kafka_world, memory_world

_READY: set[str] = set()


@pytest.fixture(autouse=True)
def collect(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let what aiokafka leaves open be found within its own test, which expects it, and not at the session's end."""
    yield
    if request.node.get_closest_marker("connected"):
        gc.collect()


@pytest.fixture(
    params=[
        "memory",
        pytest.param("faust", marks=pytest.mark.connected),
        pytest.param("aiokafka", marks=pytest.mark.connected),
    ]
)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """A log, a database and no worker yet."""
    if request.param == "memory":
        async with memory_world() as made:
            yield made
        return
    bootstrap, dsn = request.getfixturevalue("kafka_bootstrap"), request.getfixturevalue("postgres_dsn")
    pool = await open_pool(dsn, size=4)
    if bootstrap not in _READY:
        await create_topics(bootstrap)
        await apply_migrations(pool)
        await pool.execute(HANDLED)
        _READY.add(bootstrap)
    async with kafka_world(request.param, bootstrap, pool) as made:
        yield made
    await pool.close()
