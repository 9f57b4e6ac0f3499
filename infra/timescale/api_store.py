"""Everything that the API keeps in the database, behind one pool."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from api.records import CommandResult
from infra.timescale.access import AccessList
from infra.timescale.audit import AuditTrail
from infra.timescale.commands import command_result
from infra.timescale.figures import DatabaseFigures
from infra.timescale.people import PeopleTable, SessionTable
from infra.timescale.pool import database_errors, open_pool
from infra.timescale.reads import StoredData
from infra.timescale.zones import ZoneTable

_ANSWER_MOST_S: Final = 15.0
"""Nobody looks at a page for longer; a database that hangs is answered with 503."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiStore:
    """The API's adapters, which share a pool."""

    pool: asyncpg.Pool
    access: AccessList
    audit: AuditTrail
    people: PeopleTable
    sessions: SessionTable
    reads: StoredData
    zones: ZoneTable
    figures: DatabaseFigures

    async def check(self) -> None:
        """Return if the database answers.

        Raises:
            DatabaseAwayError: It does not.
        """
        with database_errors():
            await self.pool.fetchval("SELECT 1")

    async def command_result(self, command_id: UUID) -> CommandResult | None:
        """Return what became of a command."""
        return await command_result(self.pool, command_id)


@asynccontextmanager
async def open_api_store(dsn: str, *, size: int, clock: Callable[[], datetime]) -> AsyncIterator[ApiStore]:
    """Give the store once the database answers; close its pool afterwards."""
    pool = await open_pool(dsn, size=size, application_name="pulsera api", command_timeout_s=_ANSWER_MOST_S)
    try:
        access = AccessList(pool, clock)
        yield ApiStore(
            pool=pool,
            access=access,
            audit=AuditTrail(pool),
            people=PeopleTable(pool),
            sessions=SessionTable(pool, clock),
            reads=StoredData(pool, access.device, clock),
            zones=ZoneTable(pool),
            figures=DatabaseFigures(pool),
        )
    finally:
        await pool.close()
