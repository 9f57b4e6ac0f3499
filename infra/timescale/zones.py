"""Community zones in the database: definitions by version, grants, and how each zone stood bin by bin."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from api.records import Carer, Positions, Span, Zone, ZoneNow
from api.zone_ports import CrossingZonesError, TooManyZonesError
from infra.timescale.pool import database_errors
from infra.timescale.reads import stored_positions
from schemas.errors import UnknownSubjectError
from schemas.topics import ZONES
from schemas.zones import AREA, ZoneStatus, decode

ZONES_MOST: Final = 500
"""Each zone is judged in every bin."""
AREA_NAME: Final = "Whole area"

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('pulsera definitions of zones', 0))"
"""Its name is no family's: the worker `zones` holds the lock `pulsera zones` for as long as it lives."""
_TAKEN: Final = "SELECT EXISTS (SELECT FROM zones WHERE zone_id = $1)"
_NEWEST: Final = """
SELECT zone_id, name, version, cells FROM (
    SELECT DISTINCT ON (zone_id) zone_id, name, version, cells, withdrawn_at FROM zones
    WHERE $1::text[] IS NULL OR zone_id = ANY($1::text[]) ORDER BY zone_id, version DESC
) AS newest WHERE withdrawn_at IS NULL ORDER BY name, zone_id
"""
_LISTED: Final = _NEWEST.replace(", cells", "")
_COUNT: Final = """
SELECT count(DISTINCT zone_id) FROM zones
WHERE zone_id NOT IN (SELECT zone_id FROM zones WHERE withdrawn_at IS NOT NULL)
"""
_CROSSED: Final = f"""
WITH given AS (SELECT unnest($2::bigint[]) AS cell)
SELECT other.zone_id, other.name
FROM ({_NEWEST.replace("$1::text[] IS NULL OR zone_id = ANY($1::text[])", "zone_id <> $1")}) AS other
CROSS JOIN LATERAL unnest(other.cells) AS mine (cell) JOIN given ON given.cell = mine.cell
GROUP BY other.zone_id, other.name, cardinality(other.cells)
HAVING count(*) < least(cardinality(other.cells), cardinality($2::bigint[])) ORDER BY other.zone_id LIMIT 1
"""  # noqa: S608 - constants
"""A zone that shares cells with these, all of neither."""
_ADD: Final = "INSERT INTO zones (zone_id, version, name, cells, made_by) VALUES ($1, $2, $3, $4, $5)"
_WITHDRAW: Final = """
UPDATE zones SET withdrawn_at = now() WHERE zone_id = $1 AND withdrawn_at IS NULL
AND version = (SELECT max(version) FROM zones WHERE zone_id = $1) RETURNING zone_id
"""
_NO_GRANTS: Final = "DELETE FROM zone_grants WHERE zone_id = $1"
_GRANT: Final = """
INSERT INTO zone_grants (zone_id, user_id, scopes, expires_at, granted_by)
SELECT $1, user_id, $3, $4, $5 FROM users WHERE user_id = $2
ON CONFLICT (zone_id, user_id) DO UPDATE SET scopes = excluded.scopes, expires_at = excluded.expires_at,
    granted_by = excluded.granted_by, granted_at = now()
RETURNING user_id
"""
_UNGRANT: Final = "DELETE FROM zone_grants WHERE zone_id = $1 AND user_id = $2 RETURNING user_id"
_PEOPLE: Final = """
SELECT user_id, name, scopes, expires_at FROM zone_grants JOIN users USING (user_id)
WHERE zone_id = $1 ORDER BY name, user_id
"""
_NOW: Final = f"""
SELECT asked.zone_id, coalesce(newest.name, '{AREA_NAME}') AS name, coalesce(newest.version, 0) AS version,
    stood.body::text AS body
FROM unnest($1::text[]) AS asked (zone_id)
LEFT JOIN LATERAL (
    SELECT name, version, withdrawn_at FROM zones WHERE zone_id = asked.zone_id ORDER BY version DESC LIMIT 1
) AS newest ON true
LEFT JOIN LATERAL (
    SELECT body FROM zone_status WHERE zone_id = asked.zone_id ORDER BY bin DESC LIMIT 1
) AS stood ON true
WHERE asked.zone_id = '{AREA}' OR (newest.version IS NOT NULL AND newest.withdrawn_at IS NULL)
ORDER BY name, zone_id
"""  # noqa: S608 - constants
_HISTORY: Final = """
SELECT body::text AS body FROM zone_status
WHERE zone_id = $1 AND bin >= $2 AND bin < $3 AND ($4::timestamptz IS NULL OR bin < $4) ORDER BY bin DESC LIMIT $5
"""
_STOOD: Final = """
SELECT newest.body::text AS body FROM unnest($1::text[]) AS asked (zone_id) CROSS JOIN LATERAL (
    SELECT body FROM zone_status WHERE zone_id = asked.zone_id ORDER BY bin DESC LIMIT 1
) AS newest
"""


class ZoneTable:
    """The API's `Zones`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def define(self, zone: str, *, name: str, cells: Sequence[int], by: UUID) -> Zone | None:
        """Add a zone; return it, or None where its id was ever given.

        Raises:
            TooManyZonesError: There is no room for another.
            CrossingZonesError: It crosses another.
        """
        with database_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(_LOCK)
                if zone == AREA or await connection.fetchval(_TAKEN, zone):
                    return None
                if await connection.fetchval(_COUNT) >= ZONES_MOST:
                    raise TooManyZonesError(ZONES_MOST)
                await _check_family(connection, zone, cells)
                await connection.execute(_ADD, zone, 1, name, list(cells), by)
        return Zone(zone_id=zone, name=name, version=1, cells=tuple(cells))

    async def redefine(self, zone: str, *, name: str, cells: Sequence[int], by: UUID) -> Zone | None:
        """Add a version to a zone, unless nothing changes; return the newest, or None where there is no such zone.

        Raises:
            CrossingZonesError: Its cells change, and it would cross another.
        """
        with database_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(_LOCK)
                row = await connection.fetchrow(_NEWEST, [zone])
                if row is None:
                    return None
                before = _zone(row)
                if (before.name, list(before.cells)) == (name, list(cells)):
                    return before
                if list(before.cells) != list(cells):  # One that crosses from before keeps its right to a name.
                    await _check_family(connection, zone, cells)
                await connection.execute(_ADD, zone, before.version + 1, name, list(cells), by)
        return Zone(zone_id=zone, name=name, version=before.version + 1, cells=tuple(cells))

    async def withdraw(self, zone: str) -> bool:
        """End a zone and every grant for it; return whether there was such a zone."""
        with database_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(_LOCK)
                found = await connection.fetchval(_WITHDRAW, zone)
                if found is not None:
                    await connection.execute(_NO_GRANTS, zone)
        return found is not None

    async def definitions(self, only: Collection[str] | None) -> Sequence[Zone]:
        """Return zones as they are defined now, by name: all, or those named."""
        with database_errors():
            rows = await self._pool.fetch(_NEWEST, None if only is None else list(only))
        return [_zone(row) for row in rows]

    async def listed(self, only: Collection[str] | None) -> Sequence[Zone]:
        """Return the same without the cells."""
        with database_errors():
            rows = await self._pool.fetch(_LISTED, None if only is None else list(only))
        return [Zone(**dict(row)) for row in rows]

    async def grant(self, zone: str, user: UUID, *, scopes: Sequence[str], expires: datetime | None, by: UUID) -> None:
        """Grant exactly these scopes, replacing what was granted before.

        Raises:
            UnknownSubjectError: There is no such zone or user.
        """
        with database_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                # A grant must not outlive the zone that is withdrawn meanwhile.
                await connection.execute(_LOCK)
                granted = None
                if zone == AREA or await connection.fetchrow(_NEWEST, [zone]) is not None:
                    granted = await connection.fetchval(_GRANT, zone, user, list(scopes), expires, by)
        if granted is None:
            raise UnknownSubjectError("There is no such zone or user.")

    async def ungrant(self, zone: str, user: UUID) -> bool:
        """Withdraw a grant; return whether there was one."""
        with database_errors():
            return await self._pool.fetchval(_UNGRANT, zone, user) is not None

    async def people(self, zone: str) -> Sequence[Carer]:
        """Return who holds a grant for a zone, by name."""
        with database_errors():
            rows = await self._pool.fetch(_PEOPLE, zone)
        return [Carer(**dict(row)) for row in rows]

    async def now(self, only: Collection[str]) -> Sequence[ZoneNow]:
        """Return how zones stood last, by name, without their cells; what is withdrawn is left out."""
        with database_errors():
            rows = await self._pool.fetch(_NOW, list(only))
        return [
            ZoneNow(
                zone=Zone(zone_id=row["zone_id"], name=row["name"], version=row["version"]),
                status=None if row["body"] is None else decode(row["body"].encode()),
            )
            for row in rows
        ]

    async def history(self, zone: str, span: Span) -> Sequence[ZoneStatus]:
        """Return how a zone stood, newest first; `after` is (bin,)."""
        after = span.after[0] if span.after else None
        with database_errors():
            rows = await self._pool.fetch(_HISTORY, zone, span.start, span.end, after, span.limit)
        return [decode(row["body"].encode()) for row in rows]

    async def stood(self, only: Collection[str]) -> tuple[Sequence[ZoneStatus], Positions]:
        """Return how zones stood last, and storage's offsets of the topic in the same transaction."""
        with database_errors():
            async with (
                self._pool.acquire() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                rows = await connection.fetch(_STOOD, sorted(only))
                positions = await stored_positions(connection, ZONES.name)
        return [decode(row["body"].encode()) for row in rows], positions


async def _check_family(connection: asyncpg.pool.PoolConnectionProxy, zone: str, cells: Sequence[int]) -> None:
    """Refuse cells that cross another zone's; under the lock, so that no other is defined meanwhile."""
    crossed = await connection.fetchrow(_CROSSED, zone, list(cells))
    if crossed is not None:
        raise CrossingZonesError(crossed["zone_id"], crossed["name"])


def _zone(row: asyncpg.Record) -> Zone:
    return Zone(zone_id=row["zone_id"], name=row["name"], version=row["version"], cells=tuple(row["cells"]))
