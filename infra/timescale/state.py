"""Where every family stands in the log: the table `processor_state`, every write a compare-and-set."""

import hashlib
from collections.abc import Sequence
from typing import Final

import asyncpg
import structlog

from infra.timescale.pool import database_errors
from schemas.errors import StaleOwnerError
from stream_processors.ports import OffsetMove, SavedState

_LOG = structlog.get_logger(__name__)

_LOAD: Final = """
SELECT cluster_id, next_offset, clock_ms, version, digest, blob
FROM processor_state WHERE family = $1 AND topic = $2 AND partition = $3
"""
_INSERT: Final = """
INSERT INTO processor_state (family, topic, partition, cluster_id, next_offset, clock_ms, version, digest, blob)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (family, topic, partition) DO NOTHING
"""
_UPDATE: Final = """
UPDATE processor_state
SET cluster_id = $4, next_offset = $5, clock_ms = $6, version = $7, digest = $8, blob = $9, saved_at = now()
WHERE family = $1 AND topic = $2 AND partition = $3 AND next_offset = $10
"""
_MOVE: Final = """
WITH moves AS (
    SELECT * FROM unnest($4::text[], $5::integer[], $6::bigint[], $7::bigint[], $8::bigint[])
        AS move (topic, partition, expected, next, clock_ms)
), updated AS (
    UPDATE processor_state AS state
    SET next_offset = move.next, clock_ms = greatest(state.clock_ms, move.clock_ms), version = $2, saved_at = now()
    FROM moves AS move
    WHERE state.family = $1 AND state.topic = move.topic AND state.partition = move.partition
        AND state.next_offset = move.expected AND state.cluster_id = $3
    RETURNING 1
), inserted AS (
    INSERT INTO processor_state (family, topic, partition, cluster_id, next_offset, clock_ms, version)
    SELECT $1, topic, partition, $3, next, clock_ms, $2 FROM moves WHERE expected IS NULL
    ON CONFLICT (family, topic, partition) DO NOTHING
    RETURNING 1
)
SELECT (SELECT count(*) FROM updated) + (SELECT count(*) FROM inserted)
"""


class TimescaleStateStore:
    """Keeps `processor_state` in the database; a `StateStore`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def load(self, family: str, topic: str, partition: int) -> SavedState | None:
        """Return the saved row; a blob that is not the one that was written comes back as None, and is logged.

        Raises:
            DatabaseAwayError: Try again.
        """
        with database_errors():
            row = await self._pool.fetchrow(_LOAD, family, topic, partition)
        if row is None:
            return None
        blob = row["blob"]
        if blob is not None and hashlib.sha256(blob).digest() != row["digest"]:
            _LOG.error("a saved state is damaged and is not used", family=family, topic=topic, partition=partition)
            blob = None
        return SavedState(
            family=family,
            topic=topic,
            partition=partition,
            cluster_id=row["cluster_id"],
            next_offset=row["next_offset"],
            clock_ms=row["clock_ms"],
            version=row["version"],
            blob=blob,
        )

    async def save(self, state: SavedState, *, expected: int | None) -> None:
        """Replace the row if its next offset is still `expected` (None: there is no row).

        Raises:
            StaleOwnerError: It is not; nothing was written.
            DatabaseAwayError: Try again.
        """
        values = (
            state.family,
            state.topic,
            state.partition,
            state.cluster_id,
            state.next_offset,
            state.clock_ms,
            state.version,
            None if state.blob is None else hashlib.sha256(state.blob).digest(),
            state.blob,
        )
        with database_errors():
            if expected is None:
                done = await self._pool.execute(_INSERT, *values)
            else:
                done = await self._pool.execute(_UPDATE, *values, expected)
        if done.rsplit(" ", 1)[-1] != "1":
            raise StaleOwnerError(
                f"{state.family} {state.topic}/{state.partition}: the saved offset is no longer {expected}."
            )


async def move_offsets(
    connection: asyncpg.Connection | asyncpg.pool.PoolConnectionProxy,
    family: str,
    version: str,
    cluster_id: str,
    moves: Sequence[OffsetMove],
) -> None:
    """Move the offsets of a family in the caller's transaction, all or none.

    Raises:
        StaleOwnerError: One was not the expected one; the caller's transaction must roll back.
    """
    if not moves:
        return
    moved = await connection.fetchval(
        _MOVE,
        family,
        version,
        cluster_id,
        [move.topic for move in moves],
        [move.partition for move in moves],
        [move.expected for move in moves],
        [move.next for move in moves],
        [move.clock_ms for move in moves],
    )
    if moved != len(moves):
        raise StaleOwnerError(f"{family}: {len(moves) - moved} of {len(moves)} saved offsets were moved by another.")
