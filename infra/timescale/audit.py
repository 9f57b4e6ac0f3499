"""The audit: lines are taken at once and written soon, many in one statement."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import asyncpg
import msgspec
import structlog

from api.records import AuditEntry
from infra.timescale.pool import database_errors
from schemas.errors import DatabaseAwayError

_LOG = structlog.get_logger(__name__)
_EVERY_S: Final = 0.5
_MOST_AT_ONCE: Final = 1_000
_MOST_WAITING: Final = 100_000
_INSERT: Final = """
INSERT INTO audit (at, user_id, action, subject, detail)
SELECT * FROM unnest($1::timestamptz[], $2::uuid[], $3::text[], $4::text[], $5::jsonb[])
"""


class AuditTrail:
    """The API's `Audit`. While the database is away lines wait; beyond a bound the oldest is lost, and that is said."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._waiting: deque[AuditEntry] = deque()
        self._writing = asyncio.Lock()
        self._lost = self._said = 0

    def note(self, entry: AuditEntry) -> None:
        """Hand in a line."""
        self._waiting.append(entry)
        if len(self._waiting) > _MOST_WAITING:
            self._waiting.popleft()
            self._lost += 1

    async def count_lost(self) -> float:
        """Return how many lines were lost so far."""
        return float(self._lost)

    async def run(self) -> None:
        """Write what waits, twice a second, until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                await self.flush()
            except DatabaseAwayError as error:
                _LOG.warning("audit waits for the database", waiting=len(self._waiting), reason=str(error))

    async def flush(self) -> None:
        """Write everything that waits; returns when it is written, also what another call has in hand.

        Raises:
            DatabaseAwayError: What is not written still waits.
        """
        async with self._writing:
            await self._write()

    async def _write(self) -> None:
        if self._lost > self._said:
            _LOG.error("audit lines were lost while the database was away", lines=self._lost - self._said)
            self._said = self._lost
        while self._waiting:
            lines = [self._waiting.popleft() for _ in range(min(_MOST_AT_ONCE, len(self._waiting)))]
            try:
                with database_errors():
                    await self._pool.execute(_INSERT, *_columns(lines))
            except BaseException:
                self._waiting.extendleft(reversed(lines))
                raise


def _columns(lines: Sequence[AuditEntry]) -> tuple[list[Any], ...]:
    return (
        [line.at for line in lines],
        [line.user_id for line in lines],
        [line.action for line in lines],
        [line.subject for line in lines],
        [msgspec.json.encode(line.detail).decode() for line in lines],
    )
