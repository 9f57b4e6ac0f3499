"""What `pulsera bench reads` does to a database: fills it fast, lets it compress, and asks how large it has become."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self
from uuid import UUID

import asyncpg
import msgspec

from infra.timescale.chunks import Chunks
from infra.timescale.copy_stream import copy_stream
from infra.timescale.newest_days import count_again
from infra.timescale.partitions import Partitions
from infra.timescale.pool import open_pool
from infra.timescale.series import READINGS, TimescaleSeries
from infra.timescale.variant import Variant, read_variant
from schemas.alerts import Alert
from schemas.frame import Frame
from stream_processors.families.storage import SeriesBatch

_PIECE_BYTES: Final = 262_144
_ROLLUPS: Final = ("readings_1m", "readings_1h")
_LONG_S: Final = 900.0
_AGAIN_S: Final = 2.0
_ALERT: Final = """
INSERT INTO alerts (alert_id, episode_id, revision, subject, wearer_id, kind, type, priority, condition, response,
    onset, raised, cleared, state)
SELECT alert_id, episode_id, revision, $3, $2::uuid, kind, type, priority, condition, response,
    to_timestamp(onset_ms / 1000.0), to_timestamp(raised_ms / 1000.0), to_timestamp(cleared_ms / 1000.0), $1::jsonb
FROM jsonb_to_record($1::jsonb) AS made(alert_id uuid, episode_id uuid, revision bigint, kind text, type text,
    priority text, condition text, response text, onset_ms bigint, raised_ms bigint, cleared_ms bigint)
ON CONFLICT DO NOTHING
"""
_STATUSES: Final = """
INSERT INTO zone_status (zone_id, bin, revision, body)
SELECT newest.body->>'zone_id', to_timestamp(bin_ms / 1000.0), bin_ms / 300000 * 1000,
    newest.body || jsonb_build_object('bin_ms', bin_ms, 'revision', bin_ms / 300000 * 1000)
FROM (SELECT $1::text::jsonb AS body) AS newest, generate_series(0, $2::bigint - 1) AS back,
    LATERAL (SELECT (newest.body->>'bin_ms')::bigint - 300000 * back AS bin_ms) AS bins
ON CONFLICT DO NOTHING
"""
_PLAIN_SIZE: Final = """
SELECT sum(pg_table_size(relid))::bigint AS rows, sum(pg_indexes_size(relid))::bigint AS indexes
FROM pg_partition_tree('readings')
"""
_HYPERTABLE_SIZE: Final = """
SELECT table_bytes + coalesce(toast_bytes, 0) AS rows, index_bytes AS indexes
FROM hypertable_detailed_size('readings')
"""
_COMPRESSED: Final = """
SELECT coalesce(sum(before_compression_total_bytes), 0)::bigint AS before,
    coalesce(sum(after_compression_total_bytes), 0)::bigint AS after
FROM chunk_columnstore_stats('readings')
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Bytes on the disk: rows and indexes of `readings`, the kept sums, and what compressed days took and take."""

    rows: int
    indexes: int
    sums: int
    compressed_before: int
    compressed_after: int


class Filling:
    """A database that the bench fills."""

    def __init__(self, pool: asyncpg.Pool, variant: Variant) -> None:
        self._pool = pool
        self.variant = variant

    @classmethod
    async def open(cls, dsn: str) -> Self:
        """Return the migrated database behind this address."""
        pool = await open_pool(dsn, size=3, application_name="pulsera bench")
        return cls(pool, await read_variant(pool))

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    async def version(self) -> str:
        """Return the names and versions of the server and its extension."""
        server = await self._pool.fetchval("SELECT current_setting('server_version')")
        extension = await self._pool.fetchval("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
        return f"PostgreSQL {server}" + (f" with TimescaleDB {extension}" if self.variant == "timescaledb" else "")

    async def device_numbers(self, wearers: Sequence[UUID]) -> list[tuple[UUID, int]]:
        """Return each wearer with the number of their device."""
        query = "SELECT wearer_id, min(device_number) AS number FROM devices WHERE wearer_id = ANY($1) GROUP BY 1"
        return [(row["wearer_id"], row["number"]) for row in await self._pool.fetch(query, wearers)]

    async def copy(self, frames: Iterable[Frame], progress: Callable[[int], None]) -> float:
        """Append frames whose rows are new, by COPY and without a merge; return the seconds that took."""
        began, streams = time.perf_counter(), iter(frames)
        days = Chunks(self._pool) if self.variant == "timescaledb" else Partitions(self._pool)
        async with self._pool.acquire() as connection:
            await connection.execute("SET synchronous_commit = off")
            following = await asyncio.to_thread(_next, streams)
            while following is not None:
                made, stream = following
                await days.ensure("readings", made.integers("time"))
                copying = asyncio.create_task(
                    connection.copy_to_table(
                        "readings", source=_pieces(stream), columns=READINGS.columns, format="binary", timeout=_LONG_S
                    )
                )
                following = await asyncio.to_thread(_next, streams)
                await copying
                progress(made.rows)
            await count_again(connection)
        return time.perf_counter() - began

    async def merge(self, frames: Sequence[Frame], nothing: Frame) -> float:
        """Store frames as the storage family does, one transaction each; return the seconds that took."""
        series = TimescaleSeries(self._pool, family="bench", version="1", cluster_id="bench")
        empty = SeriesBatch(readings=nothing, scores=nothing, episodes=())
        await series.write(empty, [])
        began = time.perf_counter()
        for one in frames:
            await series.write(SeriesBatch(readings=one, scores=nothing, episodes=()), [])
        return time.perf_counter() - began

    async def add_alerts(self, alerts: Sequence[Alert]) -> None:
        """Add alerts as care's rows hold them."""
        rows = [(msgspec.json.encode(one).decode(), one.subject.wearer, one.subject.key) for one in alerts]
        await self._pool.executemany(_ALERT, rows)

    async def add_statuses(self, newest: str, bins: int) -> None:
        """Add so many statuses of a zone, five minutes apart, the newest of which is this JSON."""
        await self._pool.execute(_STATUSES, newest, bins)

    async def settle(self) -> dict[str, float]:
        """Do what the database does by itself in time: compress, bring sums up to date, learn its rows; seconds."""
        took: dict[str, float] = {}
        if self.variant == "timescaledb":
            for table in _ROLLUPS:
                took[f"sums of {table}"] = await self._refreshed(table)
            for table in ("readings", *_ROLLUPS):
                took[f"compression of {table}"] = await self._timed(
                    "SELECT compress_chunk(chunk, if_not_compressed => true) "  # noqa: S608 - our own names
                    f"FROM show_chunks('{table}', older_than => INTERVAL '7 days') AS chunk"
                )
        took["vacuum"] = await self._timed("VACUUM (ANALYZE) readings")
        return took

    async def size(self) -> Size:
        """Return how large the stored readings are."""
        if self.variant == "plain":
            row = await self._pool.fetchrow(_PLAIN_SIZE)
            assert row is not None  # noqa: S101 - an aggregate
            return Size(rows=row["rows"], indexes=row["indexes"], sums=0, compressed_before=0, compressed_after=0)
        row, packed = await self._pool.fetchrow(_HYPERTABLE_SIZE), await self._pool.fetchrow(_COMPRESSED)
        assert row is not None and packed is not None  # noqa: S101, PT018 - an aggregate
        query = (
            "SELECT hypertable_size(format('%I.%I', materialization_hypertable_schema, "
            "materialization_hypertable_name)::regclass) AS size FROM timescaledb_information.continuous_aggregates"
        )
        return Size(
            rows=row["rows"],
            indexes=row["indexes"],
            sums=sum(one["size"] for one in await self._pool.fetch(query)),
            compressed_before=packed["before"],
            compressed_after=packed["after"],
        )

    async def _refreshed(self, table: str) -> float:
        """Bring the sums of a table up to date once the database's own refresh of them is done."""
        until = time.perf_counter() + _LONG_S
        while True:
            try:
                return await self._timed(
                    f"CALL refresh_continuous_aggregate('{table}', NULL, now() - INTERVAL '1 hour')"
                )
            except asyncpg.LockNotAvailableError:
                if time.perf_counter() > until:
                    raise
                await asyncio.sleep(_AGAIN_S)

    async def _timed(self, statement: str) -> float:
        began = time.perf_counter()
        await self._pool.execute(statement, timeout=_LONG_S)
        return round(time.perf_counter() - began, 1)


def _next(frames: Iterable[Frame]) -> tuple[Frame, bytes] | None:
    made = next(iter(frames), None)
    return None if made is None else (made, copy_stream(made.batch, READINGS.frame_columns))


async def _pieces(stream: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(stream), _PIECE_BYTES):
        yield stream[start : start + _PIECE_BYTES]
