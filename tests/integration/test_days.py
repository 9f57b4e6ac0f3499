"""A table's days on a real database: made as rows need them, dropped when retention has passed."""

import asyncio

import asyncpg
import pytest

from infra.timescale.partitions import Partitions
from infra.timescale.series import TimescaleSeries
from schemas.errors import DatabaseAwayError
from tests.embedded_services import BOTH_DATABASES
from tests.made_frames import NOW_MS, readings, scores
from tests.series_store import batch, stored, stored_days

pytestmark = pytest.mark.connected

_NOW_US = NOW_MS * 1_000
_DAY_US = 86_400_000_000
_DEADLINE_S = 20.0


@BOTH_DATABASES
async def test_a_backlog_of_many_days_makes_its_days(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """One batch with rows of three days makes the three days, from midnight to midnight UTC."""
    days = [{"time": _NOW_US - ago * _DAY_US, "heart_rate": 61.0} for ago in range(3)]
    await series.write(batch(readings(*days)), [])
    assert await stored_days(pool) == ["2026-11-19", "2026-11-20", "2026-11-21"]


@BOTH_DATABASES
async def test_two_workers_make_the_same_days(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """Two workers that need the same new days at once both succeed, while a writer holds the table."""
    other = TimescaleSeries(pool, family="storage", version="1", cluster_id="log")
    await series.write(batch(readings({"time": 0})), [])
    async with pool.acquire() as holder, holder.transaction():
        await holder.execute("UPDATE readings SET worn = true")
        rows = [{"time": _NOW_US - ago * _DAY_US, "heart_rate": 61.0} for ago in range(4)]
        frames = [readings(*({"wearer": number, **row} for row in rows)) for number in (1, 2)]
        async with asyncio.timeout(_DEADLINE_S):
            await asyncio.gather(series.write(batch(frames[0]), []), other.write(batch(frames[1]), []))
    assert len(await stored(pool)) == 9
    assert len(await stored_days(pool)) == 5


@BOTH_DATABASES
async def test_upkeep_drops_what_is_past_retention(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """Upkeep drops days past retention and no other; rows can be written there again."""
    rows = [{"time": _NOW_US - ago * _DAY_US, "heart_rate": 61.0} for ago in range(5)]
    await series.write(batch(readings(*rows)), [])
    await series.upkeep(oldest_us=_NOW_US - 2 * _DAY_US, newest_us=_NOW_US)
    days = [f"2026-11-{day}" for day in (18, 19, 20, 21)]
    assert await stored_days(pool) == days
    assert len(await stored(pool)) == 4
    await series.write(batch(readings(rows[4])), [])
    assert await stored_days(pool) == ["2026-11-17", *days]


@BOTH_DATABASES
async def test_a_day_in_use_stays(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """Upkeep leaves a day that a reader holds, without an error, and drops it the next time."""
    await series.write(batch(readings({"time": 0}, {"time": _NOW_US})), [])
    async with pool.acquire() as reader, reader.transaction():
        await reader.fetch("SELECT * FROM readings")
        await series.upkeep(oldest_us=_NOW_US, newest_us=_NOW_US)
        assert "1970-01-01" in await stored_days(pool)
    await series.upkeep(oldest_us=_NOW_US, newest_us=_NOW_US)
    assert await stored_days(pool) == ["2026-11-21"]


async def test_upkeep_makes_the_newest_partition(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """Without TimescaleDB upkeep makes the day of the newest time before a row needs it."""
    await series.upkeep(oldest_us=_NOW_US, newest_us=_NOW_US + _DAY_US)
    assert await stored_days(pool) == ["2026-11-22"]


@pytest.mark.parametrize("repeats", [0, 1])
async def test_a_partition_that_is_gone_is_made_again(
    pool: asyncpg.Pool, series: TimescaleSeries, repeats: int
) -> None:
    """When a known partition is gone, as after a restore, a write passes, copied or merged, and its repeat succeeds."""
    made = batch(readings({"heart_rate": 61.0}), scored=[scores({"score": 1.5})])
    for _ in range(1 + repeats):
        await series.write(made, [])
    for table in ("readings", "scores"):
        await pool.execute(f"DROP TABLE {table}_2026_11_21")
        with pytest.raises(DatabaseAwayError):
            await series.write(made, [])
        await series.write(made, [])
    assert await stored(pool) == [(61.0, None)]
    assert await pool.fetchval("SELECT count(*) FROM scores") == 1


async def test_foreign_partitions_are_left_alone(pool: asyncpg.Pool) -> None:
    """A partition under a name that is not ours is never dropped."""
    await pool.execute("CREATE TABLE archive PARTITION OF readings FOR VALUES FROM ('1990-01-01') TO ('2000-01-01')")
    await Partitions(pool).keep("readings", oldest_us=_NOW_US, newest_us=_NOW_US)
    assert await pool.fetchval("SELECT to_regclass('archive') IS NOT NULL")
    assert len(await stored_days(pool)) == 2
