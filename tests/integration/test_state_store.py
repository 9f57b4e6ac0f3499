"""The table of saved states on a real PostgreSQL: every write a compare-and-set."""

from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from infra.timescale.migrate import apply_migrations
from infra.timescale.pool import open_pool
from infra.timescale.state import TimescaleStateStore, move_offsets
from schemas.errors import StaleOwnerError
from stream_processors.ports import OffsetMove, SavedState
from tests.embedded_services import BOTH_DATABASES

pytestmark = [pytest.mark.connected, BOTH_DATABASES]

STATE = SavedState(
    family="vitals",
    topic="readings.v1",
    partition=3,
    cluster_id="one",
    next_offset=10,
    clock_ms=5,
    version="1",
    blob=b"x",
)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections to a migrated database."""
    opened = await open_pool(database_url, size=4)
    await apply_migrations(opened)
    yield opened
    await opened.close()


async def test_a_state_is_replaced_only_by_who_knows_its_offset(pool: asyncpg.Pool) -> None:
    """The row moves from the expected offset alone; a first write wins over a second first write."""
    store = TimescaleStateStore(pool)
    assert await store.load("vitals", "readings.v1", 3) is None
    await store.save(STATE, expected=None)
    with pytest.raises(StaleOwnerError):
        await store.save(replace(STATE, next_offset=11), expected=None)
    with pytest.raises(StaleOwnerError):
        await store.save(replace(STATE, next_offset=11), expected=9)
    assert await store.load("vitals", "readings.v1", 3) == STATE
    await store.save(replace(STATE, next_offset=12, blob=b"y"), expected=10)
    assert await store.load("vitals", "readings.v1", 3) == replace(STATE, next_offset=12, blob=b"y")


async def test_a_damaged_blob_is_not_given_out(pool: asyncpg.Pool) -> None:
    """A blob whose digest does not fit comes back as None, its offset stays known."""
    store = TimescaleStateStore(pool)
    await store.save(STATE, expected=None)
    await pool.execute("UPDATE processor_state SET blob = 'other'::bytea")
    assert await store.load("vitals", "readings.v1", 3) == replace(STATE, blob=None)


def moved(partition: int, expected: int | None, following: int) -> OffsetMove:
    """Return a move of one partition."""
    return OffsetMove(topic="readings.v1", partition=partition, expected=expected, next=following, clock_ms=following)


async def test_offsets_move_all_together_or_not_at_all(pool: asyncpg.Pool) -> None:
    """One stale offset among several moves none of them, and neither does another cluster's owner."""

    async def move(*moves: OffsetMove, cluster_id: str = "one") -> None:
        async with pool.acquire() as connection, connection.transaction():
            await move_offsets(connection, "storage", "1", cluster_id, moves)

    async def offsets() -> list[int]:
        rows = await pool.fetch("SELECT next_offset FROM processor_state ORDER BY partition")
        return [row["next_offset"] for row in rows]

    await move(moved(0, None, 5), moved(1, None, 7))
    await move(moved(0, 5, 6), moved(1, 7, 8), moved(2, None, 1))
    assert await offsets() == [6, 8, 1]
    for stale in (moved(1, 7, 9), moved(1, None, 9)):
        with pytest.raises(StaleOwnerError):
            await move(moved(0, 6, 7), stale)
    with pytest.raises(StaleOwnerError):
        await move(moved(0, 6, 7), cluster_id="two")
    assert await offsets() == [6, 8, 1]
