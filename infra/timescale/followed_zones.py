"""Which named zones are to be followed: the newest version of each that was not withdrawn."""

from collections.abc import Mapping, Sequence
from typing import Final

from infra.timescale.pool import Pool, database_errors
from stream_processors.operators.zone_told import Definition

_NAMED: Final = """
SELECT newest.zone_id, newest.version, newest.name, CASE WHEN held.zone_id IS NULL THEN newest.cells END AS cells
FROM (
    SELECT DISTINCT ON (zone_id) zone_id, version, name, cells, withdrawn_at FROM zones ORDER BY zone_id, version DESC
) AS newest
LEFT JOIN unnest($1::text[], $2::integer[]) AS held (zone_id, version)
    ON held.zone_id = newest.zone_id AND held.version = newest.version
WHERE newest.withdrawn_at IS NULL ORDER BY newest.zone_id
"""
"""A version never changes: who holds it need not be sent its cells again."""


class FollowedZones:
    """The zones of the database; a `ZoneDefinitions`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def named(self, held: Mapping[str, Definition]) -> Sequence[Definition]:
        """Return the newest version of every zone that was not withdrawn; those that are held are not read again.

        Raises:
            DatabaseAwayError: Try again.
        """
        with database_errors():
            rows = await self._pool.fetch(_NAMED, list(held), [one.version for one in held.values()])
        return [
            held[row["zone_id"]]
            if row["cells"] is None
            else Definition(zone_id=row["zone_id"], version=row["version"], name=row["name"], cells=tuple(row["cells"]))
            for row in rows
        ]
