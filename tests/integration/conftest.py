"""Fixtures of tests on a real database."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from infra.timescale.migrate import apply_migrations
from infra.timescale.pool import open_pool
from infra.timescale.series import TimescaleSeries
from infra.timescale.variant import read_variant


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """A pool on a migrated database."""
    opened = await open_pool(database_url, size=4)
    try:
        await apply_migrations(opened)
        if await read_variant(opened) == "timescaledb":
            # Tests run its jobs themselves: one that runs beside them would hold what they want to change.
            await opened.execute("SELECT _timescaledb_functions.stop_background_workers()")
        yield opened
    finally:
        await opened.close()


@pytest.fixture
def series(pool: asyncpg.Pool) -> TimescaleSeries:
    """The store of readings and scores on that database."""
    return TimescaleSeries(pool, family="storage", version="1", cluster_id="log")
