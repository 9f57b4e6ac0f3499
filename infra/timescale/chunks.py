"""The days of a hypertable: TimescaleDB makes them as rows need them; here they are dropped when retention has passed.

There is no retention policy of TimescaleDB's own: how long rows are kept is one setting, and who refuses older rows
(`storage`) also drops them, by the same clock, with and without TimescaleDB.
"""

from typing import Final

import asyncpg
import numpy as np
import numpy.typing as npt
import structlog

from infra.timescale.partitions import DAY_US, DROP_WAIT, midnight
from infra.timescale.pool import database_errors

_LOG = structlog.get_logger(__name__)
_ROLLUPS: Final = {"readings": ("readings_1m", "readings_1h")}
"""What is summed up from a table goes with its rows."""
_DROP: Final = "SELECT drop_chunks($1::text::regclass, older_than => $2::text::timestamptz)"


class Chunks:
    """Does for hypertables what `Partitions` does for partitioned tables."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def ensure(self, table: str, times_us: npt.NDArray[np.int64]) -> None:
        """Return at once: an insert makes the chunks that it needs."""

    def forget(self, table: str) -> None:
        """Return at once: nothing is remembered."""

    async def keep(self, table: str, *, oldest_us: int, newest_us: int) -> None:
        """Drop the days more than one day older than that of `oldest_us`.

        Raises:
            DatabaseAwayError: Try again.
        """
        del newest_us
        for name in (table, *_ROLLUPS.get(table, ())):
            await self._drop(name, before=midnight(oldest_us // DAY_US - 1))

    async def _drop(self, name: str, *, before: str) -> None:
        with database_errors():
            try:
                async with self._pool.acquire() as connection, connection.transaction():
                    await connection.execute(f"SET LOCAL lock_timeout = '{DROP_WAIT}'")
                    dropped = await connection.fetch(_DROP, name, before)
            except asyncpg.LockNotAvailableError:
                _LOG.info("a chunk past retention is in use and stays for now", table=name)
                return
        if dropped:
            _LOG.info("dropped chunks past retention", table=name, chunks=len(dropped))
