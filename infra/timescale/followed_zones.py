"""Which named zones are to be followed: the newest version of each that was not withdrawn."""

from collections.abc import Sequence
from typing import Final

from infra.timescale.pool import Pool, database_errors
from stream_processors.operators.zone_told import Definition

_NAMED: Final = """
SELECT zone_id, version, name, cells FROM (
    SELECT DISTINCT ON (zone_id) zone_id, version, name, cells, withdrawn_at FROM zones ORDER BY zone_id, version DESC
) AS newest WHERE withdrawn_at IS NULL ORDER BY zone_id
"""


class FollowedZones:
    """The zones of the database; a `ZoneDefinitions`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def named(self) -> Sequence[Definition]:
        """Return the newest version of every zone that was not withdrawn.

        Raises:
            DatabaseAwayError: Try again.
        """
        with database_errors():
            rows = await self._pool.fetch(_NAMED)
        return [
            Definition(zone_id=row["zone_id"], version=row["version"], name=row["name"], cells=tuple(row["cells"]))
            for row in rows
        ]
