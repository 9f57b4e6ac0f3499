"""Daily partitions of `readings` and `scores`: made as rows need them, dropped when retention has passed.

A partition is made apart and then attached, since ATTACH lets readers and writers of the table go on where
CREATE ... PARTITION OF would stop them all.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg
import numpy as np
import numpy.typing as npt
import structlog

from infra.timescale.pool import database_errors

_LOG = structlog.get_logger(__name__)
DAY_US: Final = 86_400_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LOCK: Final = 0x50554C53
"""Advisory lock of whoever makes or drops partitions, so that two workers never do so at once."""
DROP_WAIT: Final = "500ms"
"""Whoever waits for a table's lock makes everybody behind it wait: give up soon, come again."""

_NAMES: Final = """
SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid WHERE inhparent = $1::text::regclass
"""


class Partitions:
    """Knows which days have a partition; makes and drops them."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._made: dict[str, set[int]] = {}

    async def ensure(self, table: str, times_us: npt.NDArray[np.int64]) -> None:
        """Make the partitions that rows with these times (us since 1970) need, in a transaction of its own.

        Raises:
            DatabaseAwayError: Try again.
        """
        days = set(np.unique(times_us // DAY_US).tolist())
        if not days <= self._made.get(table, set()):
            await self._make(table, days)

    def forget(self, table: str) -> None:
        """Look anew, at the next call, which partitions there are."""
        self._made.pop(table, None)

    async def keep(self, table: str, *, oldest_us: int, newest_us: int) -> None:
        """Make the day of `newest_us`, and drop the days more than one day older than that of `oldest_us`.

        Raises:
            DatabaseAwayError: Try again.
        """
        await self._make(table, {newest_us // DAY_US})
        # A day's grace: another worker whose clock is a little behind may still write to the oldest day.
        oldest_day = oldest_us // DAY_US - 1
        for day in sorted(day for day in self._made[table] if day < oldest_day):
            if not await self._drop(table, day):
                break

    async def _make(self, table: str, days: Iterable[int]) -> None:
        with database_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
                names = {row["relname"] for row in await connection.fetch(_NAMES, table)}
                for day in sorted(days):
                    name = partition_name(table, day)
                    if name in names:
                        continue
                    await connection.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS)")
                    await connection.execute(
                        f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{midnight(day)}') "
                        f"TO ('{midnight(day + 1)}')"
                    )
                    names.add(name)
        self._made[table] = {made for name in names if (made := _day_of(table, name)) is not None}

    async def _drop(self, table: str, day: int) -> bool:
        """Drop the partition of a day, and return whether that could be done now."""
        name = partition_name(table, day)
        with database_errors():
            try:
                async with self._pool.acquire() as connection, connection.transaction():
                    await connection.execute(f"SET LOCAL lock_timeout = '{DROP_WAIT}'")
                    await connection.execute(f"DROP TABLE IF EXISTS {name}")
            except asyncpg.LockNotAvailableError:
                _LOG.info("a partition is in use and stays for now", partition=name)
                return False
        self._made[table].discard(day)
        _LOG.info("dropped a partition past retention", partition=name)
        return True


def partition_name(table: str, day: int) -> str:
    """Return the name of the partition of a day (days since 1970), such as `readings_2026_11_21`."""
    return f"{table}_{_EPOCH + timedelta(days=day):%Y_%m_%d}"


def midnight(day: int) -> str:
    """Return the first moment of a day (days since 1970), as text that PostgreSQL reads."""
    return f"{_EPOCH + timedelta(days=day):%Y-%m-%dT00:00:00+00:00}"


def _day_of(table: str, name: str) -> int | None:
    """Return the day of a partition that we named; one that a person attached under another name is left alone."""
    try:
        day = datetime.strptime(name, f"{table}_%Y_%m_%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    return (day - _EPOCH).days
