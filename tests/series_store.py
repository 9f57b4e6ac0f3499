"""What tests of stored series share: a batch from frames, and what the tables hold."""

import io
from collections.abc import Sequence
from typing import Any

import asyncpg

from infra.timescale.copy_stream import copy_stream
from infra.timescale.partitions import Partitions
from infra.timescale.series import READINGS
from infra.timescale.variant import read_variant
from schemas.episodes import Episode
from schemas.frame import Frame
from schemas.zones import ZoneStatus
from stream_processors.families.storage import SeriesBatch
from stream_processors.operators.merge import merge_readings, merge_scores

_PARTITIONS = """
SELECT replace(right(inhrelid::regclass::text, 10), '_', '-') AS day FROM pg_inherits
WHERE inhparent = 'readings'::regclass ORDER BY day
"""
_CHUNKS = """
SELECT to_char(range_start AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day FROM timescaledb_information.chunks
WHERE hypertable_name = 'readings' ORDER BY day
"""


def batch(
    *frames: Frame,
    scored: Sequence[Frame] = (),
    episodes: Sequence[Episode] = (),
    zones: Sequence[ZoneStatus] = (),
) -> SeriesBatch:
    """Return a batch as the storage family makes it."""
    return SeriesBatch(readings=merge_readings(frames), scores=merge_scores(scored), episodes=episodes, zones=zones)


async def copied(pool: asyncpg.Pool, frame: Frame) -> None:
    """Put new readings into a schema of any age, beside the storage family."""
    if await read_variant(pool) == "plain":
        await Partitions(pool).ensure("readings", frame.integers("time"))
    stream = io.BytesIO(copy_stream(frame.batch, READINGS.frame_columns))
    async with pool.acquire() as connection:
        await connection.copy_to_table("readings", source=stream, columns=READINGS.columns, format="binary")


async def stored(pool: asyncpg.Pool, columns: str = "heart_rate, spo2") -> list[tuple[Any, ...]]:
    """Return columns of every reading, in the order of the key."""
    rows = await pool.fetch(f"SELECT {columns} FROM readings ORDER BY wearer_id, time, stream_id")
    return [tuple(row) for row in rows]


async def stored_days(pool: asyncpg.Pool) -> list[str]:
    """Return the days for which readings have a partition or a chunk."""
    query = _CHUNKS if await read_variant(pool) == "timescaledb" else _PARTITIONS
    return [row["day"] for row in await pool.fetch(query)]
