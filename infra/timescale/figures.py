"""What the database tells of itself for those who watch the system."""

import asyncpg

from infra.timescale.pool import database_errors


class DatabaseFigures:
    """Asks over the API's pool."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def outbox_age_s(self) -> float:
        """Return the age of the oldest change of an alert that is not published yet; 0 where none waits.

        Raises:
            DatabaseAwayError: Try again.
        """
        with database_errors():
            age = await self._pool.fetchval(
                "SELECT extract(epoch FROM clock_timestamp() - min(created_at)) FROM outbox WHERE published_at IS NULL"
            )
        return max(0.0, float(age or 0.0))

    async def size_bytes(self) -> int:
        """Return what the database takes on its disk, indexes included.

        Raises:
            DatabaseAwayError: Try again.
        """
        with database_errors():
            size: int = await self._pool.fetchval("SELECT pg_database_size(current_database())")
        return size
