"""The newest values of a wearer on a real database: found however long ago they were measured."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from infra.timescale.migrate import apply_migrations
from infra.timescale.pool import open_pool
from infra.timescale.reads import StoredData
from infra.timescale.series import TimescaleSeries
from schemas.errors import StaleOwnerError
from schemas.vitals import NAMES
from stream_processors.ports import OffsetMove
from tests.embedded_services import BOTH_DATABASES
from tests.made_frames import NOW_MS, readings, scores, wearer
from tests.series_store import batch, copied

pytestmark = [pytest.mark.connected, BOTH_DATABASES]

_NOW = datetime.fromtimestamp(NOW_MS / 1_000, UTC)
_DAY_US = 86_400_000_000


def _reads(pool: asyncpg.Pool) -> StoredData:
    return StoredData(pool, lambda _: None, lambda: _NOW)


async def test_values_of_long_ago_are_found(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """Each vital's newest value is found beside a newer reading without it, ten days and half a year back."""
    rows = [
        {"time": NOW_MS * 1_000, "heart_rate": 61.0},
        {"time": NOW_MS * 1_000 - 10 * _DAY_US, "spo2": 97.0, "heart_rate": 99.0},
        {"time": NOW_MS * 1_000 - 180 * _DAY_US, "body_temperature": 36.5, "spo2": 80.0},
    ]
    await series.write(batch(readings(*rows)), [])
    found = await _reads(pool).latest(wearer(1))
    assert found is not None
    assert found.reading.time == _NOW
    assert {name: one.vitals[name] for name, one in found.vitals.items()} == {
        "heart_rate": 61.0,
        "spo2": 97.0,
        "body_temperature": 36.5,
    }
    assert found.vitals["spo2"].time == _NOW - timedelta(days=10)


async def test_the_newest_reading_may_be_old_or_of_tomorrow(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """A wearer who stopped half a year ago has a latest reading, and so has one whose clock is a day ahead."""
    old, ahead = NOW_MS * 1_000 - 180 * _DAY_US, NOW_MS * 1_000 + _DAY_US
    await series.write(
        batch(readings({"time": old, "heart_rate": 61.0}, {"wearer": 2, "time": ahead, "heart_rate": 62.0})), []
    )
    found, _ = await _reads(pool).readings_now([wearer(2), wearer(1), wearer(3)])
    assert {one.reading.wearer: one.vitals["heart_rate"].vitals["heart_rate"] for one in found} == {
        wearer(1): 61.0,
        wearer(2): 62.0,
    }
    assert await _reads(pool).latest(wearer(3)) is None


async def test_late_readings_do_not_hide_newer_ones(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """A value that arrives ten days late is found where it is the newest of its vital, and hides no newer one."""
    late = NOW_MS * 1_000 - 10 * _DAY_US
    await series.write(batch(readings({"time": NOW_MS * 1_000, "heart_rate": 61.0})), [])
    await series.write(batch(readings({"time": late, "heart_rate": 99.0, "spo2": 97.0})), [])
    found = await _reads(pool).latest(wearer(1))
    assert found is not None
    assert {name: one.vitals[name] for name, one in found.vitals.items()} == {"heart_rate": 61.0, "spo2": 97.0}


async def test_a_value_that_a_stored_reading_gains_is_found(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """A stored reading of ten days ago that is sent again with one vital more shows that vital."""
    late = NOW_MS * 1_000 - 10 * _DAY_US
    await series.write(batch(readings({"time": NOW_MS * 1_000, "heart_rate": 61.0}, {"time": late, "motion": 0.0})), [])
    await series.write(batch(readings({"time": late, "motion": 0.0, "spo2": 97.0})), [])
    found = await _reads(pool).latest(wearer(1))
    assert found is not None
    assert found.vitals["spo2"].vitals["spo2"] == 97.0


async def test_what_retention_dropped_is_not_the_latest(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """A vital last measured on a day that was dropped is absent; a wearer whose days are all gone has no latest."""
    now_us, old = NOW_MS * 1_000, NOW_MS * 1_000 - 30 * _DAY_US
    rows = [{"time": now_us, "heart_rate": 61.0}, {"time": old, "spo2": 97.0}, {"wearer": 2, "time": old, "spo2": 97.0}]
    await series.write(batch(readings(*rows)), [])
    await series.upkeep(oldest_us=now_us - 20 * _DAY_US, newest_us=now_us)
    found = await _reads(pool).latest(wearer(1))
    assert found is not None
    assert set(found.vitals) == {"heart_rate"}
    assert await _reads(pool).latest(wearer(2)) is None


async def test_readings_of_before_the_days_were_kept_are_found(database_url: str) -> None:
    """A database that an earlier release filled knows each wearer's newest days once it is migrated."""
    pool = await open_pool(database_url, size=2)
    try:
        await apply_migrations(pool, upto=4)
        await pool.execute("INSERT INTO wearers (wearer_id, name) VALUES ($1, 'Ada')", wearer(1))
        old = NOW_MS * 1_000 - 10 * _DAY_US
        await copied(pool, readings({"time": old, "spo2": 97.0}, {"heart_rate": 61.0}))
        await apply_migrations(pool)
        found = await _reads(pool).latest(wearer(1))
        assert found is not None
        assert {name: one.time for name, one in found.vitals.items()} == {
            "heart_rate": _NOW,
            "spo2": _NOW - timedelta(days=10),
        }
    finally:
        await pool.close()


async def test_newest_days_are_told_again_after_a_refused_write(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """A database that lost what it was told is told it again once a write was refused."""
    await series.write(batch(readings({"heart_rate": 61.0})), [])
    await pool.execute("DELETE FROM newest_days")
    await series.write(batch(readings({"heart_rate": 62.0})), [])
    assert await _reads(pool).latest(wearer(1)) is None
    with pytest.raises(StaleOwnerError):
        await series.write(batch(), [OffsetMove(topic="readings.v1", partition=0, expected=7, next=8, clock_ms=0)])
    await series.write(batch(readings({"heart_rate": 63.0})), [])
    found = await _reads(pool).latest(wearer(1))
    assert found is not None
    assert found.reading.vitals == {"heart_rate": 61.0}


async def test_newest_days_follow_every_vital_of_the_registry(pool: asyncpg.Pool) -> None:
    """The table of newest days has a column for each vital that readings have."""
    rows = await pool.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'newest_days'::regclass AND attnum > 0 ORDER BY attnum"
    )
    assert [row["attname"] for row in rows] == ["wearer_id", "reading", *NAMES]


async def test_the_newest_score_may_be_old(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """A wearer last scored half a year ago has a newest score beside one who is scored now."""
    old = NOW_MS * 1_000 - 180 * _DAY_US
    rows = [{"score": 1.0}, {"bin": old, "score": 2.0}, {"wearer": 2, "bin": old, "score": 3.0}]
    await series.write(batch(scored=[scores(*rows)]), [])
    found, _ = await _reads(pool).scores_now([wearer(1), wearer(2), wearer(3)])
    assert {one.wearer: one.score for one in found} == {wearer(1): 1.0, wearer(2): 3.0}


async def test_newest_values_are_looked_for_among_the_newest_readings(
    pool: asyncpg.Pool, series: TimescaleSeries
) -> None:
    """A vital counts as measured lately only within the newest 600 readings, whatever time those span."""
    rows = [{"time": NOW_MS * 1_000 - at * 1_000_000, "heart_rate": 61.0} for at in range(600)]
    rows[599]["spo2"] = 97.0
    rows.append({"time": NOW_MS * 1_000 - 600_000_000, "respiratory_rate": 14.0})
    await series.write(batch(readings(*rows)), [])
    found = await _reads(pool).latest(wearer(1))
    assert found is not None
    assert set(found.vitals) == {"heart_rate", "spo2"}
